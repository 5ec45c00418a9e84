/* test_checked.c - what the checked mode remembers of owners, moves and borrows, asked directly: with frames
 * and scopes as compilers make them seldom, with threads that get no memory for their notes, and when a fault
 * finds it at work. Run with -DFH_CHECKED in mode=checked. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stops.h"

#include "heap/check.h"
#include "os/os_backtrace.h"
#include "os/os_own.h"
#include "own/checked.h"

#include <freehold/names.h> /* last: <sched.h> has a function `clone` */

TYPE(Node);
struct Node {
    Box(Node) next;
    int number;
};
DROP(Node, (Box(Node), next))
MAP(int, int)
OWNER(Box(int))

/* ---- what the library asks ---- */

static bool notes_refused, no_backtrace;
void *__real_fh_calloc(size_t n, size_t size);
void *__wrap_fh_calloc(size_t n, size_t size);
void *__wrap_fh_calloc(size_t n, size_t size) { return notes_refused ? NULL : __real_fh_calloc(n, size); }

unsigned __real_fh_os_backtrace_from(uintptr_t *pcs, unsigned most, const struct fh_os_registers *from);
unsigned __wrap_fh_os_backtrace_from(uintptr_t *pcs, unsigned most, const struct fh_os_registers *from);
unsigned __wrap_fh_os_backtrace_from(uintptr_t *pcs, unsigned most, const struct fh_os_registers *from) {
    return no_backtrace ? 0 : __real_fh_os_backtrace_from(pcs, most, from);
}

static void (*while_random)(void);
void __real_fh_os_random(void *to, size_t size);
void __wrap_fh_os_random(void *to, size_t size);
void __wrap_fh_os_random(void *to, size_t size) {
    void (*function)(void) = while_random;
    while_random = NULL;
    if (function) function();
    __real_fh_os_random(to, size);
}

/* ---- moves ---- */

/* A frame with its locals, as the macros see one: by its address. */
struct made_frame {
    void *owner[4];
    char base;
};
static struct made_frame one, two;

#define SITE(name, function, text) static const struct fh_site name = {"made.c", __LINE__, function, text}
SITE(in_f, "f", "own(Box(T))");
SITE(moved_in_f, "f", "a");
SITE(other_in_f, "f", "b");
SITE(in_g, "g", "own(Box(T))");
SITE(moved_in_g, "g", "c");

static void move_out(struct made_frame *made, size_t i, const struct fh_site *site) {
    made->owner[i] = &one;
    fh_note_move(&made->owner[i], sizeof(void *), &made->base, site, true);
    made->owner[i] = NULL;
}
static void is_moved(const char *name) {
    const char *now = fh_moved_name();
    if (name == NULL) assert_null(now);
    else assert_string_equal(now, name);
}

static void a_move_is_the_functions_that_has_the_variable(void **state) {
    (void)state;
    move_out(&one, 0, &moved_in_f); /* no scope is open */
    is_moved(NULL);
    struct fh_scope f = fh_scope_enter(&f, &one.base, &in_f, 16);
    move_out(&one, 0, &moved_in_g); /* inlined into f, and without a scope of its own */
    is_moved(NULL);
    move_out(&two, 0, &moved_in_f); /* of another call of f */
    is_moved(NULL);
    move_out(&one, 0, &moved_in_f);
    is_moved("a");
    struct fh_scope g = fh_scope_enter(&g, &one.base, &in_g, 16); /* inlined, with one */
    fh_scope_leave(&g);
    is_moved("a");
    fh_scope_leave(&f);
    is_moved(NULL);
    fh_scope_leave(&f); /* of which there is none any more: longjmp has left it */
}

static void what_was_set_again_is_not_moved(void **state) {
    (void)state;
    struct fh_scope f = fh_scope_enter(&f, &one.base, &in_f, 16);
    move_out(&one, 0, &moved_in_f);
    move_out(&one, 1, &other_in_f);
    is_moved("b");
    one.owner[1] = &one;
    is_moved("a");
    fh_note_empty("b", &one.base, &other_in_f);
    fh_note_empty("a", &two.base, &other_in_f); /* another variable of that name */
    fh_note_empty("c", &one.base, &other_in_f);
    fh_moves_explain();                                          /* of the one that is empty alone */
    fh_note_use(&one.owner[0], 2 * sizeof(void *), &other_in_f); /* a struct of which it is the first field */
    is_moved(NULL);
    fh_scope_leave(&f);
}

static void uses_by_value(void) {
    struct fh_scope f = fh_scope_enter(&f, &one.base, &in_f, 16);
    (void)f;
    move_out(&one, 0, &moved_in_f);
    fh_note_empty("a", &one.base, &other_in_f);
}
static void explains_moves(void) {
    struct fh_scope f = fh_scope_enter(&f, &one.base, &in_f, 16);
    (void)f;
    move_out(&one, 0, &moved_in_f);
    move_out(&one, 1, &other_in_f);
    one.owner[1] = &one;
    fh_moves_explain();
    abort();
}
static void changed_nobody_knows_where(void) {
    fh_here = NULL;
    fh_note_changed(&in_f);
}
static void changed_by_the_loop_itself(void) {
    fh_here = &in_f;
    fh_note_changed(&in_f);
}

/* A thread that gets no memory for its notes goes on without. */
static void *without_notes(void *unused) {
    (void)unused;
    notes_refused = true;
    struct fh_scope f = fh_scope_enter(&f, &one.base, &in_f, 16);
    move_out(&one, 0, &moved_in_f);
    assert_true(fh_moved_name() == NULL);
    fh_scope_leave(&f);
    notes_refused = false;
    f = fh_scope_enter(&f, &one.base, &in_f, 16);
    notes_refused = true;
    move_out(&one, 0, &moved_in_f);
    assert_true(fh_moved_name() == NULL);
    notes_refused = false;
    move_out(&one, 0, &moved_in_f);
    assert_string_equal(fh_moved_name(), "a");
    fh_scope_leave(&f);
    return NULL;
}
static void run_thread(void *(*function)(void *)) {
    pthread_t id;
    assert_int_equal(pthread_create(&id, NULL, function, NULL), 0);
    pthread_join(id, NULL);
}
static void threads_without_notes_go_on(void **state) {
    (void)state;
    run_thread(without_notes);
}

/* Of a drop only the scope hears that the dropped one stands in, and none that is too deep to be noted. */
static void a_drop_is_the_end_of_a_local(void **state) {
    (void)state;
    struct fh_scope f = fh_scope_enter(&f, &one.base, &in_f, sizeof(void *));
    move_out(&one, 0, &moved_in_f);
    fh_note_gone(&two, sizeof two); /* another call's, or the caller's */
    fh_dropping = &in_f;
    fh_note_gone(&one.owner[0], sizeof(void *)); /* in drop() or set() */
    fh_dropping = NULL;
    is_moved("a");
    fh_note_gone(&one.owner[0], sizeof(void *));
    is_moved(NULL);
    fh_scope_leave(&f);
    fh_note_gone(&one.owner[0], sizeof(void *)); /* no scope is open */
    enum { DEEP = 600 };
    struct fh_scope deep[DEEP];
    for (int i = 0; i < DEEP; i++) deep[i] = fh_scope_enter(&deep[i], &one.base, &in_f, 16);
    fh_note_gone(&one.owner[0], sizeof(void *));
    for (int i = DEEP; i-- > 0;) fh_scope_leave(&deep[i]);
}

/* ---- borrows ---- */

static int32_t flags[100];
static void borrow_at(int32_t *flag, const struct fh_site *site) {
    *flag += 1;
    fh_note_borrow(flag, fh_at(site));
}
static void refused_with_others_since(void) {
    borrow_at(&flags[0], &moved_in_f);
    borrow_at(&flags[1], &moved_in_g);
    fh_at(&in_f);
    fh_borrow_refused(&flags[0], 'm');
}
static void refused_long_after(void) {
    for (size_t i = 0; i < 100; i++) borrow_at(&flags[i], &moved_in_f);
    fh_at(&in_f);
    fh_borrow_refused(&flags[0], 'm');
}
static void refused_at_the_same_place(void) {
    borrow_at(&flags[0], &moved_in_f);
    fh_borrow_refused(&flags[0], 'm');
}
static void *refused_without_notes(void *unused) {
    notes_refused = true;
    borrow_at(&flags[0], &moved_in_f);
    fh_at(&in_f);
    fh_borrow_refused(&flags[0], 'm');
    return unused;
}
static void refused_in_a_thread_without_notes(void) { run_thread(refused_without_notes); }

/* What is said, and what is not. */
static void assert_stops_without(void (*function)(void), const char *text, const char *not_said) {
    int ends[2];
    char said[4000] = "";
    size_t n = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        dup2(ends[1], 2);
        function();
        _exit(0);
    }
    close(ends[1]);
    for (ssize_t got; (got = read(ends[0], said + n, sizeof said - 1 - n)) > 0;) n += (size_t)got;
    close(ends[0]);
    waitpid(child, NULL, 0);
    if (!strstr(said, text) || strstr(said, not_said))
        fail_msg("\"%s\" and not \"%s\" was to be said:\n%s", text, not_said, said);
}

static void a_refused_borrow_names_the_other_where_it_is_known(void **state) {
    (void)state;
    assert_stops(refused_with_others_since, "cannot be borrowed mutably",
                 "borrowed here, and not given back: a ");
    static void (*const unknown[])(void) = {refused_long_after, refused_at_the_same_place,
                                            refused_in_a_thread_without_notes};
    for (size_t i = 0; i < 3; i++)
        assert_stops_without(unknown[i], "cannot be borrowed mutably", "borrowed here, and not given back");
}

static void moves_are_told(void **state) {
    (void)state;
    assert_stops(uses_by_value, "use of moved value: `a`", "used here: b");
    assert_stops_without(explains_moves, "moved here, and empty since: a ", "and empty since: b ");
    assert_stops_without(changed_nobody_knows_where, "changed while a loop walks it", "changed here");
    assert_stops_without(changed_by_the_loop_itself, "changed while a loop walks it", "changed here");
}

/* ---- records ---- */

static const struct fh_where nowhere_known;

static void records_are_of_any_size_and_alignment(void **state) {
    (void)state;
    char *empty = fh_checked_new(0, 1, "Nothing", nowhere_known),
         *wide = fh_checked_new(100, 8192, "Wide", nowhere_known);
    char *usual = fh_checked_new(40, 8, "Usual", nowhere_known);
    assert_true(empty != NULL && wide != NULL && usual != NULL && (uintptr_t)wide % 8192 == 0);
    assert_null(fh_checked_new((size_t)PTRDIFF_MAX, 16, "Large", nowhere_known));
    memset(wide, 1, 100);
    assert_string_equal(fh_record_around((uintptr_t)empty)->what, "Nothing");
    assert_string_equal(fh_record_around((uintptr_t)wide + 99)->what, "Wide");
    assert_string_equal(fh_record_around((uintptr_t)usual + 39)->what, "Usual");
    assert_null(fh_record_around((uintptr_t)&one));
    assert_null(fh_record_around(16));
    fh_checked_end(empty, 0, 1, false, nowhere_known);
    fh_checked_end(wide, 100, 8192, false, nowhere_known);
    fh_checked_end(usual, 40, 8, false, nowhere_known);
}

/* What was forgotten and freed by other code leaves its place to others. */
static void a_forgotten_place_comes_again(void **state) {
    (void)state;
    bool again = false;
    void *before = NULL;
    for (int i = 0; i < 2000; i++) {
        void *wide = fh_checked_new(100, 8192, "Wide", nowhere_known);
        again = again || wide == before;
        if (before == NULL) before = wide;
        assert_int_equal(fh_record_of((uintptr_t)wide)->state, FH_RECORD_LIVE);
        fh_note_forget(&wide);
        fh_note_forget(&wide); /* once more changes nothing */
        assert_int_equal(fh_record_of((uintptr_t)wide)->state, FH_RECORD_FORGOTTEN);
        free(wide);
    }
    assert_true(again);
    void *nothing = NULL;
    fh_note_forget(&nothing);
}

/* The block of a Box that was forgotten may be freed by whichever call; what is none of ours is none of ours.
 * */
static void what_was_forgotten_is_freed_by_any_call(void **state) {
    (void)state;
    static const char *const calls[] = {"free", "delete", "free_sized", "delete[]"};
    for (size_t i = 0; i < 4; i++) {
        own(Box(int)) b = box(int, 1);
        int *p = b;
        forget(b);
        assert_true(fh_check_elsewhere(p, calls[i], 0));
        assert_int_equal(fh_record_of((uintptr_t)p)->state, FH_RECORD_DROPPED);
    }
    assert_false(fh_check_elsewhere(&one, "free", 0));
}
static void frees_what_was_left_behind(void) {
    own(Vec(int)) v = vec_of(int, 1, 2, 3);
    int *before = v.ptr;
    while (v.ptr == before) vec_push(&v, 4);
    free(before);
}
static void frees_the_value_of_an_rc(void) {
    own(Rc(int)) r = rc(int, 1);
    int *value = r;
    forget(r);
    free(value);
}
static void drops_what_was_left_behind(void) {
    Vec(int) v = vec_of(int, 1, 2, 3), copy = v;
    while (v.ptr == copy.ptr) vec_push(&v, 4);
    drop(Vec(int), &copy);
}
static void drops_a_gone_rc_as_a_box(void) {
    Rc(int) r = rc(int, 1);
    Box(int) b = (int *)r;
    drop(Rc(int), &r);
    drop(Box(int), &b);
}
static void touches_a_gone_rc(void) {
    Rc(int) r = rc(int, 1), copy = r;
    drop(Rc(int), &r);
    fh_checked_rc_touch(copy, "an Rc", nowhere_known);
}
static Arc(int) shared;
static void *counts_too_many(void *unused) {
    fh_checked_rc_touch(&one, "an Rc", nowhere_known); /* of which nothing is known: that is nobody's mistake */
    fh_arc_overflow(shared);
    return unused;
}
static void too_many_in_another_thread(void) { /* is the mistake that is told, not that an Arc was shared */
    shared = arc(int, 1);
    run_thread(counts_too_many);
}
static void with_all_callers(void) {
    uintptr_t pc = (uintptr_t)__builtin_return_address(0);
    fh_report_line("dropped here", (struct fh_where){.pc = pc, .outer = {pc, pc, pc}});
    fh_report_line("dropped there", (struct fh_where){.pc = pc, .outer = {pc}});
    abort();
}

static void what_is_wrong_is_told(void **state) {
    (void)state;
    static const struct stop list[] = {
        {frees_what_was_left_behind, "that is gone", "gone since here"},
        {frees_the_value_of_an_rc, "of the block of a Rc(int)", "can be freed, and not resized"},
        {drops_what_was_left_behind, "dropped twice", "left behind here, when it grew"},
        {drops_a_gone_rc_as_a_box, "dropped an owner that holds no block of an owner", ""},
        {touches_a_gone_rc, "Rc(int) dropped twice", "first dropped here"},
        {too_many_in_another_thread, "an Arc has been dropped more often", ""},
        {with_all_callers, "dropped here", "dropped there"},
    };
    assert_each_stops(list);
}

/* ---- faults ---- */

static struct sigaction ours[2]; /* cmocka puts its own handlers in place of these */
static void as_without_cmocka(void) {
    sigaction(SIGSEGV, &ours[0], NULL);
    sigaction(SIGBUS, &ours[1], NULL);
}

static Box(Node) late;
static void late_use(void) {
    as_without_cmocka();
    late = box(Node, .number = 1);
    Box(Node) copy = late;
    drop(Box(Node), &late);
    copy->number = 2;
}
static void late_use_while_it_works(void) { /* another thread is at the records, and stays there */
    as_without_cmocka();
    late = box(Node, .number = 1);
    Box(Node) copy = late;
    drop(Box(Node), &late);
    fh_records_lock();
    copy->number = 2;
}
static void late_use_without_a_stack(void) {
    no_backtrace = true;
    late_use();
}
static void
late_use_in_a_header(void) { /* what looks at the dropped Map is a function of the library's headers */
    as_without_cmocka();
    Map(int, int) m = {0};
    *map_entry(&m, 5) = 6;
    Map(int, int) copy = m;
    drop(Map(int, int), &m);
    printf("%d\n", *map_get(&copy, 5));
}
static void walk_through_a_gone_map(void) { /* the same, and no part of a drop */
    as_without_cmocka();
    Map(int, int) m = {0};
    *map_entry(&m, 5) = 6;
    Map(int, int) copy = m;
    drop(Map(int, int), &m);
    void *volatile found = fh_map_next(copy.slots, copy.mask, copy.len, NULL, sizeof *copy.slots);
    (void)found;
}
static void index_without_describer(void) { /* no addr2line is to be found */
    setenv("PATH", "/nonexistent", 1);
    fh_here = NULL;
    fh_own_out_of_range("vec_at", 3, 3);
}

static void index_at_a_site_without_describer(void) {
    setenv("PATH", "/nonexistent", 1);
    fh_at(&moved_in_f);
    fh_own_out_of_range("vec_at", 3, 3);
}

static void faults_are_told(void **state) {
    (void)state;
    static const char gone[] = "after it was dropped: the borrow outlives the owner";
    static const struct stop list[] = {
        {late_use, gone, "Box(Node)"},
        {late_use_while_it_works, gone, "Box(Node)"},
        {late_use_without_a_stack, gone, "Box(Node)"},
        {late_use_in_a_header, "Map", "dropped"},
        {walk_through_a_gone_map, gone, "walk_through_a_gone_map"},
        {index_at_a_site_without_describer, "made.c:", "index out of range in vec_at"},
        {index_without_describer, "index out of range in vec_at", "+0x"},
    };
    assert_each_stops(list);
}

/* ---- maps ---- */

/* Two that make the process's secret at once agree on one. */
static void another_is_made(void) {
    own(Map(int, int)) m = {0};
    for (int i = 0; i < 100; i++) *map_entry(&m, i) = i;
    assert_int_equal(*map_get(&m, 77), 77);
}
static void a_secret_is_made_once(void **state) {
    (void)state;
    own(Map(int, int)) m = {0};
    while_random = another_is_made;
    for (int i = 0; i < 100; i++) *map_entry(&m, i) = i;
    assert_null(while_random);
    for (int i = 0; i < 100; i++) assert_int_equal(*map_get(&m, i), i);
}

/* Without the checked mode nothing of all this is noted, and nothing stops. */
static void nothing_is_noted_without_the_mode(void **state) {
    (void)state;
    struct fh_scope f = fh_scope_enter(&f, &one.base, &in_f, 16);
    move_out(&one, 0, &moved_in_f);
    is_moved(NULL);
    fh_note_use(&one.owner[0], sizeof(void *), &other_in_f);
    fh_note_gone(&f, sizeof f);
    fh_note_changed(&in_f);
    fh_note_forget(&one.owner[0]);
    fh_note_borrow(&flags[0], &in_f);
    fh_scope_leave(&f);
}

int main(void) {
    const struct CMUnitTest unchecked[] = {cmocka_unit_test(nothing_is_noted_without_the_mode)};
    if (!fh_checked_on()) return cmocka_run_group_tests(unchecked, NULL, NULL);
    sigaction(SIGSEGV, NULL, &ours[0]);
    sigaction(SIGBUS, NULL, &ours[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_secret_is_made_once), /* first: before there is one */
        cmocka_unit_test(a_move_is_the_functions_that_has_the_variable),
        cmocka_unit_test(what_was_set_again_is_not_moved),
        cmocka_unit_test(threads_without_notes_go_on),
        cmocka_unit_test(a_drop_is_the_end_of_a_local),
        cmocka_unit_test(a_refused_borrow_names_the_other_where_it_is_known),
        cmocka_unit_test(moves_are_told),
        cmocka_unit_test(records_are_of_any_size_and_alignment),
        cmocka_unit_test(a_forgotten_place_comes_again),
        cmocka_unit_test(what_was_forgotten_is_freed_by_any_call),
        cmocka_unit_test(what_is_wrong_is_told),
        cmocka_unit_test(faults_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
