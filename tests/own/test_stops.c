/* test_stops.c - what must stop the program, seen to do so, in each mode: an index out of range, a cut through
 * a character, more memory than there can be, more handles than can be counted, handles to what is gone. What
 * the checked mode alone stops is in errors/. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stops.h"

#include <freehold/names.h> /* last: <sched.h> has a function `clone` */

typedef struct {
    char bytes[24];
} Wide;
PLAIN(Wide)
MAP(int, Wide)

static const char mixed[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z"; /* 1, 2, 3, 4 and 1 bytes */
enum { MIXED = sizeof mixed - 1 };

/* ---- Vec and Str ---- */

/* One function for each: `what` is done to a Vec of 3, or to a Str of "a", 2, 3, 4 and 1 bytes. */
#define VEC_STOPS(name, what)                   \
    static void name(void) {                    \
        own(Vec(int)) v = vec_of(int, 1, 2, 3); \
        own(Vec(int)) out = {0};                \
        (void)out;                              \
        what;                                   \
    }
#define STR_STOPS(name, what)         \
    static void name(void) {          \
        own(Str) s = str_from(mixed); \
        what;                         \
    }
STR_STOPS(str_format_none, (void)str_format(&s, "%ls", L"\x7fffffff")) /* no character of any encoding */
static void unwrapped_error(void) {
    Result(int) result = err(int, 5);
    (void)unwrap_ok(result);
}
VEC_STOPS(vec_at_len, (void)vec_at(&v, 3))
VEC_STOPS(vec_insert_behind, vec_insert(&v, 4, 1))
VEC_STOPS(vec_remove_len, (void)vec_remove(&v, 3))
VEC_STOPS(vec_swap_remove_len, (void)vec_swap_remove(&v, 3))
VEC_STOPS(vec_drain_behind, set(Vec(int), &out, vec_drain(&v, 1, 4)))
VEC_STOPS(vec_drain_turned, set(Vec(int), &out, vec_drain(&v, 2, 1)))
VEC_STOPS(vec_split_behind, set(Vec(int), &out, vec_split_off(&v, 4)))
VEC_STOPS(slice_behind, (void)slice(&v, 0, 4))
VEC_STOPS(slice_turned, (void)slice(&v, 3, 2))
STR_STOPS(str_insert_behind, str_insert(&s, MIXED + 1, view("x")))
STR_STOPS(str_insert_inside, str_insert(&s, 2, view("x")))
STR_STOPS(str_remove_behind, str_remove(&s, 0, MIXED + 1))
STR_STOPS(str_remove_to_inside, str_remove(&s, 1, 5))
STR_STOPS(str_remove_from_inside, str_remove(&s, 4, 6))
STR_STOPS(str_remove_turned, str_remove(&s, 6, 3))
STR_STOPS(str_truncate_inside, str_truncate(&s, 9))
STR_STOPS(str_part_behind, (void)str_part(&s, 0, MIXED + 1))
STR_STOPS(str_part_turned, (void)str_part(&s, 6, 3))
STR_STOPS(str_part_inside, (void)str_part(&s, 8, 10))
STR_STOPS(str_part_to_inside, (void)str_part(&s, 6, 8))

static void what_is_out_of_range_stops_the_program(void **state) {
    (void)state;
    static const struct stop list[] = {
        {vec_at_len, "vec_at", "the index is 3, the length 3"},
        {vec_insert_behind, "vec_insert", "the index is 4, the length 3"},
        {vec_remove_len, "vec_remove", "the index is 3, the length 3"},
        {vec_swap_remove_len, "vec_swap_remove", "the index is 3, the length 3"},
        {vec_drain_behind, "vec_drain", "the index is 4, the length 3"},
        {vec_drain_turned, "vec_drain", "the index is 2, the length 1"},
        {unwrapped_error, "unwrap of an error: result", ""},
        {vec_split_behind, "vec_split_off", "the index is 4, the length 3"},
        {slice_behind, "slice", "the index is 4, the length 3"},
        {slice_turned, "slice", "the index is 3, the length 2"},
        {str_insert_behind, "str_insert", "the index is 12, the length 11"},
        {str_remove_behind, "str_remove", "the index is 12, the length 11"},
        {str_remove_turned, "str_remove", "the index is 6, the length 3"},
        {str_part_turned, "str_part", "the index is 6, the length 3"},
        {str_format_none, "str_format: the format \"%ls\" failed", ""},
        {str_part_behind, "", "the index is 12, the length 11"},
    };
    assert_each_stops(list);
}

static void a_cut_through_a_character_stops_the_program(void **state) {
    (void)state;
    static const struct stop list[] = {
        {str_insert_inside, "str_insert: byte 2 is inside a character", ""},
        {str_remove_to_inside, "str_remove: byte 5 is inside a character", ""},
        {str_remove_from_inside, "str_remove: byte 4 is inside a character", ""},
        {str_truncate_inside, "str_truncate: byte 9 is inside a character", ""},
        {str_part_inside, "byte 8 is inside a character", ""},
        {str_part_to_inside, "byte 8 is inside a character", ""},
    };
    assert_each_stops(list);
}

/* What a program that is built with -DFH_CHECKED has told is used in every mode. */
static void index_at_a_known_place(void) {
    static const struct fh_site site = {"known.c", 12, "main", "v.ptr[3]"};
    fh_at(&site);
    fh_own_out_of_range("vec_at", 3, 3);
}
static void the_place_is_told_where_it_is_known(void **state) {
    (void)state;
    const char *settings = getenv("FREEHOLD");
    if (settings && strstr(settings, "mode=fast"))
        assert_stops(index_at_a_known_place, "known.c:12: index out", "");
    else assert_stops(index_at_a_known_place, "test_stops.c:", "index out of range in vec_at");
}

static void index_in_a_file_with_blanks(void);
static void a_place_may_have_blanks_in_its_name(void **state) {
    (void)state;
    const char *settings = getenv("FREEHOLD");
    if (settings == NULL || strstr(settings, "mode=fast")) skip();
    assert_stops(index_in_a_file_with_blanks, "freehold: of its own.c:1 (index",
                 "index out of range in vec_at");
}

/* ---- memory ---- */

static void too_large(void) {
    own(Vec(Wide)) v = {0};
    vec_reserve(&v, SIZE_MAX / 100);
}
static void far_too_large(void) {
    own(Vec(Wide)) v = {0};
    vec_reserve(&v, SIZE_MAX / 3);
}
static void too_much_text(void) {
    own(Str) s = str_from("four");
    str_reserve(&s, PTRDIFF_MAX - 1000);
}
static void far_too_much_text(void) {
    own(Str) s = str_from("four");
    str_reserve(&s, SIZE_MAX);
}
static void too_many_entries(void) {
    own(Map(int, Wide)) m = {0};
    map_reserve(&m, SIZE_MAX / 8);
}

static void the_report_says_how_much_was_wanted(void **state) {
    (void)state;
    static const struct stop list[] = {
        {too_large, "out of memory: Vec of ", "(4427218577690292384 bytes)"},
        {far_too_large, "out of memory: Vec of ", "(18446744073709551615 bytes)"},
        {too_much_text, "out of memory: Str of ", "(9223372036854774811 bytes)"},
        {far_too_much_text, "out of memory: Str of ", "(18446744073709551615 bytes)"},
        {too_many_entries, "out of memory: Map of ", "(18446744073709551615 bytes)"},
    };
    assert_each_stops(list);
}

/* ---- Rc and Arc ---- */

static void rc_clone_at_the_limit(void) {
    Rc(int) r = rc(int, 1);
    *fh_counts(r) |= INT32_MAX;
    (void)rc_clone(r);
}
static void rc_clone_of_what_is_gone(void) {
    Rc(int) r = rc(int, 1), copy = r;
    Weak(int) keeps_the_block = rc_downgrade(int, r);
    (void)keeps_the_block;
    drop(Rc(int), &r);
    (void)rc_clone(copy);
}
static void rc_dropped_too_often(void) {
    Rc(int) r = rc(int, 1), copy = r;
    Weak(int) keeps_the_block = rc_downgrade(int, r);
    (void)keeps_the_block;
    drop(Rc(int), &r);
    drop(Rc(int), &copy);
}
/* 2^31 handles do not fit into memory, so the count is set. With Clang and threads it may be one more. */
static void clone_at_the_limit(void) {
    Arc(int) a = arc(int, 1);
    *fh_arc_strong_at(a) = INT32_MAX;
    (void)arc_clone(a);
    (void)arc_clone(a);
}
static void downgrade_at_the_limit(void) {
    Arc(int) a = arc(int, 1);
    *fh_arc_weak_at(a) = INT32_MAX;
    (void)arc_downgrade(int, a);
    (void)arc_downgrade(int, a);
}
static void upgrade_at_the_limit(void) {
    Arc(int) a = arc(int, 1);
    ArcWeak(int) w = arc_downgrade(int, a);
    *fh_arc_strong_at(a) = INT32_MAX;
    (void)arc_upgrade(w);
}
static void *nothing(void *unused) { return unused; }
static void
with_threads(void (*function)(void)) { /* in a child that stops, so that the parent keeps its one thread */
    pthread_t thread;
    pthread_create(&thread, NULL, nothing, NULL);
    pthread_join(thread, NULL);
    function();
}
static void clone_with_threads(void) { with_threads(clone_at_the_limit); }
static void downgrade_with_threads(void) { with_threads(downgrade_at_the_limit); }
static void counts_that_cannot_be_stop_the_program(void **state) {
    (void)state;
    static const char arc_says[] =
        "an Arc has been dropped more often than it was cloned, or has too many owners";
    static const struct stop list[] = {
        {rc_clone_at_the_limit, "an Rc has too many owners (2^31)", ""},
        {rc_clone_of_what_is_gone, "an Rc whose value is gone has been cloned", ""},
        {rc_dropped_too_often, "an Rc has been dropped more often than it was cloned", ""},
        {clone_at_the_limit, arc_says, ""},
        {downgrade_at_the_limit, arc_says, ""},
        {upgrade_at_the_limit, arc_says, ""},
        {clone_with_threads, arc_says, ""},
        {downgrade_with_threads, arc_says, ""},
    };
    assert_each_stops(list);
}

/* ---- moved from ---- */

#ifdef FH_CHECKED
/* A variable that begins empty where another ended moved from is another: the next turn's of a loop, one of the
 * next block, one that own() did not declare, one of the function called next after longjmp has left this one.
 * And one that was set is as new, also when it was set to nothing. */
OWNER(Vec(int))
typedef Vec(int) ByHand;
static size_t dropped_by_hand;
static void ByHand_drop(ByHand *v) {
    dropped_by_hand += v->len;
    fh_vec_free(v, sizeof(int), _Alignof(int), sizeof *v);
}
static void keep(Vec(Vec(int)) * all, Vec(int) in) {
    own(Vec(int)) v = move(in);
    vec_push(all, move(v));
}
static void fill_by_turns(Vec(Vec(int)) * all) {
    own(Box(int)) first = box(int, 3);
    for (int i = 0; i < *first; i++) {
        own(Vec(int)) v = {0};
        vec_push(&v, i);
        keep(all, move(v));
    }
    for (int i = 0; i < *first; i++) {
        Vec(int) plain = {0};
        vec_push(&plain, i);
        keep(all, move(plain));
    }
    for (int i = 0; i < *first; i++) {
        own(ByHand) v = {0};
        vec_push(&v, i);
        keep(all, move(v));
    }
    {
        own(Vec(int)) v = {0};
        vec_push(&v, 1);
        set(Vec(int), &v, (Vec(int)){0});
        vec_push(&v, 1);
    }
}
/* A drop by hand, of what the caller has, where a scope is open. */
static __attribute__((noinline)) void fill_anew(Vec(int) * out) {
    own(Vec(int)) fresh = vec_of(int, 7);
    fh_Vec_int_drop(out);
    *out = move(fresh);
}
static void set_to_nothing(void) {
    own(Vec(int)) v = vec_of(int, 1), w = vec_of(int, 2), x = vec_of(int, 3), empty = {0};
    own(Vec(Vec(int))) all = vec_of(Vec(int), move(v), move(w), move(x));
    set(Vec(int), &v, (Vec(int)){0});
    own(Vec(int)) old = replace(w, (Vec(int)){0});
    swap(&empty, &x);
    vec_push(&v, 1);
    vec_push(&w, 2);
    vec_push(&x, 3);
    vec_push(&empty, 4);
    assert_true(all.len == 3 && old.len == 0);
}
static jmp_buf out;
static __attribute__((noinline)) void move_and_leave(Vec(Vec(int)) * all) {
    own(Vec(int)) a = vec_of(int, 1), b = vec_of(int, 2), c = vec_of(int, 3), d = vec_of(int, 4);
    vec_push(all, move(a)), vec_push(all, move(b)), vec_push(all, move(c)), vec_push(all, move(d));
    longjmp(out, 1);
}
static __attribute__((noinline)) size_t begin_empty(void) {
    own(Vec(int)) a = {0}, b = {0}, c = {0}, d = {0};
    vec_push(&a, 1), vec_push(&b, 1), vec_push(&c, 1), vec_push(&d, 1);
    return a.len + b.len + c.len + d.len;
}
static void another_variable_is_not_moved(void **state) {
    (void)state;
    own(Vec(Vec(int))) all = {0};
    fill_by_turns(&all);
    assert_int_equal(all.len, 9);
    assert_int_equal(dropped_by_hand, 0);
    set_to_nothing();
    fill_anew(vec_last(&all));
    assert_int_equal(vec_last(&all)->ptr[0], 7);
    if (setjmp(out) == 0) move_and_leave(&all);
    assert_int_equal(begin_empty(), 4);
}
/* And the same one is, whatever stood in between. */
static void moved_in_an_inner_block(void) {
    own(Vec(Vec(int))) all = {0};
    own(Vec(int)) v = vec_of(int, 1);
    {
        own(Vec(int)) other = vec_of(int, 2);
        keep(&all, move(v));
    }
    for (int i = 0; i < 2; i++) {
        own(Vec(int)) w = {0};
        vec_push(&w, i);
    }
    vec_push(&v, 1);
}
static void take_and_use(Vec(int) in) {
    own(Vec(int)) v = move(in);
    vec_push(&in, (int)v.len);
}
static void (*volatile called)(Vec(int)) = take_and_use; /* not inlined: there it is a local as any other */
static void a_parameter_moved(void) { called(vec_of(int, 1)); }
static void appended_when_moved(void) {
    own(Vec(int)) v = vec_of(int, 1), w = vec_of(int, 2);
    own(Vec(Vec(int))) all = vec_of(Vec(int), move(w));
    vec_append(&v, &w);
}
static void by_hand_moved(void) {
    own(Vec(Vec(int))) all = {0};
    own(ByHand) v = {0};
    vec_push(&v, 1);
    keep(&all, move(v));
    vec_push(&v, 1);
}
static void the_same_variable_is_moved(void **state) {
    (void)state;
    assert_stops(moved_in_an_inner_block, "error[E0382]: use of moved value: `v`", "moved here");
    assert_stops(a_parameter_moved, "error[E0382]: use of moved value: `in`", "moved here");
    assert_stops(appended_when_moved, "error[E0382]: use of moved value: `w`", "vec_append(&v, &w)");
    assert_stops(by_hand_moved, "error[E0382]: use of moved value: `v`", "moved here");
}

/* More moves and deeper scopes than are noted: the latest are, and nothing that is right is stopped. */
static size_t move_down(int depth) {
    own(Str) here = str_from("here");
    own(Str) there = move(here);
    size_t below = depth > 0 ? move_down(depth - 1) : 0;
    here = move(there);
    return below + here.len;
}
static void move_many_and_use_the_last(int depth) {
    own(Str) a = str_from("a"), b = str_from("b"), c = str_from("c"), d = str_from("d");
    own(Vec(Str)) taken = vec_of(Str, move(a), move(b), move(c), move(d));
    if (depth > 0) move_many_and_use_the_last(depth - 1);
    else str_push(&d, "more");
}
static void use_the_last_of_many_moved(void) { move_many_and_use_the_last(100); }
static void many_moves_and_deep_scopes_are_borne(void **state) {
    (void)state;
    assert_int_equal(move_down(1000), 4 * 1001);
    assert_stops(use_the_last_of_many_moved, "error[E0382]: use of moved value: `d`", "moved here");
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_out_of_range_stops_the_program),
        cmocka_unit_test(a_cut_through_a_character_stops_the_program),
        cmocka_unit_test(the_place_is_told_where_it_is_known),
        cmocka_unit_test(a_place_may_have_blanks_in_its_name),
        cmocka_unit_test(the_report_says_how_much_was_wanted),
        cmocka_unit_test(counts_that_cannot_be_stop_the_program),
#ifdef FH_CHECKED
        cmocka_unit_test(another_variable_is_not_moved),
        cmocka_unit_test(the_same_variable_is_moved),
        cmocka_unit_test(many_moves_and_deep_scopes_are_borne),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The last of this file, since from here on it has another name. */
#line 1 "/a folder/of its own.c"
static void index_in_a_file_with_blanks(void) { fh_own_out_of_range("vec_at", 3, 3); }
