/* test_failure.c - out of memory: every allocation that an operation makes is refused in turn, and each time
 * the try_ form says so, all owners are as they were, and nothing is lost. Run with count=on, so that every
 * allocation is a call that can be refused; the calls are wrapped by the linker. The forms without try_ are
 * seen to report and abort, in a child. */
#include <freehold/names.h>

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static long countdown = -1; /* the allocation to refuse; -1: none */
static bool refuse(void) {
    if (countdown < 0 || countdown-- > 0) return false;
    errno = ENOMEM;
    return true;
}
#define WRAP(name, parameters, arguments) \
    void *__real_##name parameters;       \
    void *__wrap_##name parameters;       \
    void *__wrap_##name parameters { return refuse() ? NULL : __real_##name arguments; }
WRAP(fh_alloc_slow, (size_t size, size_t align), (size, align))
WRAP(fh_malloc, (size_t size), (size))
WRAP(fh_realloc, (void *p, size_t size), (p, size))
WRAP(fh_aligned_alloc, (size_t align, size_t size), (align, size))

TYPE(Named);
struct Named {
    Str name;
};
DROP(Named, (Str, name))
MAP(Str, Str)

static size_t live_blocks(void) {
    static struct fh_stats stats;
    fh_stats_now(&stats);
    return stats.live_blocks;
}

static void try_box_try_rc_try_arc_say_no(void **state) {
    (void)state;
    size_t before = live_blocks();
    for (long n = 0; n < 3; n++) {
        own(Str) text = str_from("a name of some length, in the heap");
        countdown = n;
        own(Box(Named)) b = try_box(Named, .name = move(text));
        bool one = countdown < 0;
        own(Rc(int)) r = try_rc(int, 5);
        bool two = countdown < 0 && !one;
        own(Arc(int)) a = try_arc(int, 6);
        countdown = -1;
        assert_int_equal(b == NULL, one);
        assert_int_equal(r == NULL, two);
        assert_int_equal(a == NULL, n == 2);
        if (b) assert_int_equal(b->name.len, 34);
    }
    assert_int_equal(live_blocks(), before); /* the value that found no place was dropped */
}

static void a_vec_that_cannot_grow_is_as_it_was(void **state) {
    (void)state;
    own(Vec(int)) v = {0};
    int pushed = 0;
    for (int i = 0; i < 1000; i++) {
        countdown = i % 3 ? -1 : 0;
        size_t cap = v.cap;
        bool done = vec_try_push(&v, pushed);
        countdown = -1;
        if (done) pushed++;
        else assert_int_equal(v.cap, cap);
        assert_int_equal(v.len, pushed);
    }
    assert_true(pushed > 900);
    for (int i = 0; i < pushed; i++) assert_int_equal(v.ptr[i], i);
    countdown = 0;
    assert_false(vec_try_reserve(&v, 100000));
    countdown = -1;
    assert_false(vec_try_reserve(&v, SIZE_MAX / 2)); /* no heap is asked for what cannot be */
    countdown = 0;
    vec_shrink(&v); /* cannot get the smaller block: stays */
    countdown = -1;
    assert_int_equal(v.len, pushed);
}

static void a_str_that_cannot_grow_is_as_it_was(void **state) {
    (void)state;
    own(Str) s = {0};
    size_t len = 0;
    for (int i = 0; i < 1000; i++) {
        countdown = i % 2 ? -1 : 0;
        if (str_try_push(&s, view("0123456789"))) len += 10;
        countdown = -1;
        assert_int_equal(s.len, len);
        assert_int_equal(str_c(&s)[len], 0);
    }
    for (size_t i = 0; i < len; i++) assert_int_equal(s.ptr[i], '0' + (int)(i % 10));
    assert_false(str_try_reserve(&s, SIZE_MAX - 5));
}

static void a_map_that_cannot_grow_is_as_it_was(void **state) {
    (void)state;
    size_t before = live_blocks();
    {
        own(Map(Str, Str)) m = {0};
        size_t n = 0;
        for (int i = 0; i < 2000; i++) {
            char text[60];
            snprintf(text, sizeof text, "key number %d, long enough for the heap", i);
            countdown = i % 3;
            Str *value = map_try_entry(&m, view_of(text));
            countdown = -1;
            if (value) n++;
            assert_int_equal(m.len, n);
            assert_int_equal(map_get(&m, view_of(text)) != NULL, value != NULL);
        }
        assert_true(n > 500 && n < 2000);
    }
    assert_int_equal(live_blocks(), before);
}

static void an_arena_that_cannot_grow_drops_the_value(void **state) {
    (void)state;
    size_t before = live_blocks();
    {
        own(Arena) arena = {0};
        for (int i = 0; i < 500; i++) {
            Str name = str_from("the name of a thing in an arena");
            countdown = i % 2 ? 0 : -1;
            Named *placed = try_place(Named, &arena, .name = name);
            if (placed) assert_int_equal(placed->name.len, 31);
            countdown = -1;
        }
    }
    assert_int_equal(live_blocks(), before);
}

/* Drops need no memory: the list of what is still to be dropped does without it too. */
TYPE(Node);
struct Node {
    Box(Node) next;
    Box(Node) other;
};
DROP(Node, (Box(Node), next), (Box(Node), other))
static Box(Node) tree(int depth) {
    return depth ? box(Node, .next = tree(depth - 1), .other = tree(depth - 1)) : NULL;
}

static void dropping_needs_no_memory(void **state) {
    (void)state;
    size_t before = live_blocks();
    {
        own(Box(Node)) list = tree(12);
        for (int i = 0; i < 300; i++) list = box(Node, .next = take(list));
        countdown = 0;
        drop(Box(Node), &list);
        countdown = -1;
    }
    assert_int_equal(live_blocks(), before);
}

static void the_last_handle_of_any_kind_gives_the_block_back(void **state) {
    (void)state;
    size_t before = live_blocks();
    {
        own(Rc(int)) r = rc(int, 1);
        own(Weak(int)) w = rc_downgrade(int, r);
        own(Weak(int)) w2 = clone(Weak(int), &w);
        drop(Rc(int), &r);
        assert_int_equal(live_blocks(), before + 1); /* for the Weaks */
        own(Arc(int)) a = arc(int, 1);
        own(ArcWeak(int)) v = arc_downgrade(int, a);
        own(ArcWeak(int)) v2 = clone(ArcWeak(int), &v);
        drop(Arc(int), &a);
        drop(ArcWeak(int), &v);
        assert_int_equal(live_blocks(), before + 2);
        drop(ArcWeak(int), &v2);
        assert_int_equal(live_blocks(), before + 1);
    }
    assert_int_equal(live_blocks(), before);
}

static void the_plain_forms_report_and_abort(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 2);
        countdown = 0;
        own(Box(double)) b = box(double, 1);
        _exit(b != NULL);
    }
    close(ends[1]);
    char text[200] = "";
    ssize_t n = read(ends[0], text, sizeof text - 1);
    close(ends[0]);
    int status;
    waitpid(child, &status, 0);
    assert_true(n > 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(text, "out of memory: Box(double)"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(try_box_try_rc_try_arc_say_no),
        cmocka_unit_test(a_vec_that_cannot_grow_is_as_it_was),
        cmocka_unit_test(a_str_that_cannot_grow_is_as_it_was),
        cmocka_unit_test(a_map_that_cannot_grow_is_as_it_was),
        cmocka_unit_test(an_arena_that_cannot_grow_drops_the_value),
        cmocka_unit_test(dropping_needs_no_memory),
        cmocka_unit_test(the_last_handle_of_any_kind_gives_the_block_back),
        cmocka_unit_test(the_plain_forms_report_and_abort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
