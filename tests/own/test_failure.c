/* test_failure.c - out of memory: every allocation that an operation makes is refused in turn, and each time
 * the try_ form says so, all owners are as they were, and nothing is lost. Run with count=on, so that every
 * allocation is a call that can be refused; the calls are wrapped by the linker. The forms without try_ are
 * seen to report and abort, in a child. */
#include <freehold/heaps.h>
#include <freehold/names.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stops.h"

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

static bool maps_refused; /* by the system */
void *__real_fh_os_map(size_t size);
void *__wrap_fh_os_map(size_t size);
void *__wrap_fh_os_map(size_t size) { return maps_refused ? NULL : __real_fh_os_map(size); }

TYPE(Named);
struct Named {
    Str name;
};
DROP(Named, (Str, name))
MAP(Str, Str)
MAP_CLONE(Str, Str)
OWNER(Box(int))

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

static void a_value_that_finds_no_box_is_dropped(void **state) {
    (void)state;
    size_t before = live_blocks();
    Named value = {.name = str_from("a name of some length, in the heap")};
    countdown = 0;
    errno = 0;
    assert_null(try_box_of(Named, value));
    assert_int_equal(errno, ENOMEM);
    countdown = -1;
    assert_int_equal(live_blocks(), before);
}

static void a_text_that_finds_no_memory_is_empty(void **state) {
    (void)state;
    Str text = {0};
    countdown = 0;
    assert_false(str_try_from(&text, view("a text")));
    countdown = -1;
    assert_true(text.ptr == NULL && text.len == 0 && text.cap == 0);
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
    size_t cap = s.cap;
    assert_true(cap > len + 1);
    countdown = 0;
    str_shrink(&s); /* cannot get the smaller block: stays */
    countdown = -1;
    assert_true(s.cap == cap && s.len == len && s.ptr[len - 1] == '9');
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

/* A node deep in a chain, with more children than the worker has room for without memory, each of them deep. */
TYPE(Wide);
struct Wide {
    Vec(Box(Wide)) children;
    int id;
};
DROP(Wide, (Vec(Box(Wide)), children))
static void deep_and_wide_trees_are_dropped_with_and_without_memory(void **state) {
    (void)state;
    size_t before = live_blocks();
    for (long refuse_from = -1; refuse_from < 3; refuse_from++) {
        own(Box(Wide)) root = box(Wide, .id = 0);
        Wide *at = root;
        for (int depth = 1; depth < 3 * (int)FH_DROP_DEPTH; depth++) {
            for (int i = 0; i < 40; i++) vec_push(&at->children, box(Wide, .id = i));
            at = at->children.ptr[depth % 40];
        }
        countdown = refuse_from;
        drop(Box(Wide), &root);
        countdown = -1;
        assert_int_equal(live_blocks(), before);
    }
}

/* ---- allocators ---- */

static void an_owner_with_the_heap_for_allocator_is_as_any_other(void **state) {
    (void)state;
    size_t before = live_blocks();
    struct fh_alloc *const allocators[] = {NULL, &fh_alloc_heap};
    for (size_t i = 0; i < 2; i++) {
        own(BoxIn(Named)) b = box_in(Named, allocators[i], .name = str_from("a name in the heap"));
        own(VecIn(int)) v = {.alloc = allocators[i]};
        for (int n = 0; n < 1000; n++) vec_push(&v, n);
        assert_int_equal(v.ptr[999] + (int)b.ptr->name.len, 999 + 18);
        countdown = 0;
        assert_false(vec_try_reserve(&v, 100000));
        countdown = -1;
        assert_int_equal(v.len, 1000);
    }
    assert_int_equal(live_blocks(), before);
}

static void an_allocator_says_no(void **state) {
    (void)state;
    own(Arena) arena = {0};
    struct fh_alloc *const allocators[] = {NULL, &fh_alloc_heap, &arena.alloc};
    for (size_t i = 0; i < 3; i++) {
        countdown = 0;
        errno = 0;
        assert_null(fh_alloc_get(allocators[i], 100, 8));
        assert_int_equal(errno, ENOMEM);
        countdown = -1;
    }
}

static void an_arena_in_a_heap_has_the_limit_of_that(void **state) {
    (void)state;
    size_t before = live_blocks();
    {
        own(Arena) arena = arena_in_heap(fh_heap_new(1 << 18));
        Named *first = place(Named, &arena, .name = str_from("a name of some length, in the heap"));
        errno = 0;
        assert_null(fh_arena_get(&arena, 1 << 20, 8));
        assert_int_equal(errno, ENOMEM);
        while (try_place(Named, &arena, .name = str_from("a name of some length, in the heap"))) continue;
        assert_int_equal(errno, ENOMEM);
        assert_int_equal(first->name.len, 34);
    }
    assert_int_equal(live_blocks(), before);
}

static void an_arena_refuses_what_cannot_be(void **state) {
    (void)state;
    own(Arena) arena = {0};
    char *first = fh_arena_get(&arena, 100, 1);
    assert_non_null(first);
    static const size_t sizes[][2] = {{SIZE_MAX, 1}, {PTRDIFF_MAX, 16}, {1, (size_t)1 << 62}};
    for (size_t i = 0; i < 3; i++) {
        errno = 0;
        assert_null(fh_arena_get(&arena, sizes[i][0], sizes[i][1]));
        assert_int_equal(errno, ENOMEM);
    }
    countdown = 0;
    errno = 0;
    assert_null(fh_arena_get(&arena, 1 << 20, 1));
    assert_int_equal(errno, ENOMEM);
    countdown = -1;
    assert_ptr_equal(fh_arena_get(&arena, 1, 1), first + 100); /* and goes on where it was */
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

/* ---- the forms without try_ ---- */

#define LONG_TEXT "a text that is too long for the room that any new Str has, so that it must grow for it"

/* One function for each: `prepare`, then `what` with every allocation refused. */
#define REPORTS(name, prepare, what) \
    static void name(void) {         \
        prepare;                     \
        countdown = 0;               \
        what;                        \
    }
REPORTS(box_says, , (void)box(double, 1))
REPORTS(rc_says, , (void)rc(int, 1))
REPORTS(arc_says, , (void)arc(int, 1))
REPORTS(box_in_says, , (void)box_in(int, NULL, 1))
REPORTS(box_zero_says, , (void)box_zero(int))
REPORTS(vec_with_says, , (void)vec_with(int, 5))
REPORTS(vec_from_says, , (void)vec_from(int, ((int[3]){0}), 3))
REPORTS(vec_of_says, , (void)vec_of(int, 1, 2))
REPORTS(vec_append_says, Vec(int) v = {0}; Vec(int) w = vec_of(int, 1), vec_append(&v, &w))
REPORTS(vec_split_says, Vec(int) v = vec_of(int, 1, 2), (void)vec_split_off(&v, 1))
REPORTS(vec_push_says, Vec(int) v = {0}, vec_push(&v, 1))
REPORTS(vec_insert_says, Vec(int) v = {0}, vec_insert(&v, 0, 1))
REPORTS(vec_reserve_says, Vec(int) v = {0}, vec_reserve(&v, 9))
REPORTS(vec_extend_says, Vec(int) v = vec_of(int, 1), vec_extend(&v, ((int[100]){0}), 100))
REPORTS(vec_drain_says, Vec(int) v = vec_of(int, 1, 2), (void)vec_drain(&v, 0, 1))
REPORTS(vec_clone_says, Vec(int) v = vec_of(int, 1, 2), (void)clone(Vec(int), &v))
REPORTS(str_push_says, Str s = {0}, str_push(&s, "x"))
REPORTS(str_char_says, Str s = {0}, str_push_char(&s, 'x'))
REPORTS(str_insert_says, Str s = str_from("x"), str_insert(&s, 0, view(LONG_TEXT)))
REPORTS(str_reserve_says, Str s = {0}, str_reserve(&s, 9))
REPORTS(str_from_says, , (void)(str_from("x").len))
REPORTS(str_view_says, , (void)(str_from_view(view(LONG_TEXT)).len))
REPORTS(str_clone_says, Str s = str_from("x"), (void)(str_clone(&s).len))
REPORTS(str_replace_says, , (void)(view_replace(view("x"), view("x"), view(LONG_TEXT)).len))
REPORTS(str_with_says, , (void)(str_with(9).len))
REPORTS(str_of_says, , (void)(str_of("%d", 5).len))
REPORTS(str_format_says, Str s = str_from("x"), (void)str_format(&s, "%s", LONG_TEXT))
REPORTS(long_format_says, Str s = str_from("x"), (void)str_format(&s, "%300d", 5))
REPORTS(longer_format_says, Str s = str_from("x"), countdown++; (void)str_format(&s, "%300d", 5))
REPORTS(map_entry_says, Map(Str, Str) m = {0}, (void)map_entry(&m, view("x")))
REPORTS(map_key_says, Map(Str, Str) m = {0}; map_reserve(&m, 5), (void)map_entry(&m, view(LONG_TEXT)))
REPORTS(map_reserve_says, Map(Str, Str) m = {0}, map_reserve(&m, 5))
REPORTS(map_insert_says, Map(Str, Str) m = {0};
        Str key = str_from("x"), map_insert(Map(Str, Str), &m, key, (Str){0}))
REPORTS(map_clone_says, Map(Str, Str) m = {0}; map_reserve(&m, 5);
        (void)map_entry(&m, view("x")), (void)clone(Map(Str, Str), &m))
REPORTS(place_says, Arena a = {0}, (void)place(int, &a, 5))

static void the_plain_forms_report_and_abort(void **state) {
    (void)state;
    static const struct stop list[] = {
        {box_says, "out of memory: Box(double)", "(8 bytes)"},
        {rc_says, "out of memory: Rc(int)", "(12 bytes)"},
        {arc_says, "out of memory: Arc(int)", "(12 bytes)"},
        {box_in_says, "out of memory: BoxIn(int)", "(4 bytes)"},
        {box_zero_says, "out of memory: Box(int)", "(4 bytes)"},
        {vec_with_says, "out of memory: Vec", "(20 bytes)"},
        {vec_from_says, "out of memory: Vec", "(12 bytes)"},
        {vec_of_says, "out of memory: Vec", "(8 bytes)"},
        {vec_append_says, "out of memory: Vec", "(4 bytes)"},
        {vec_split_says, "out of memory: Vec", "(4 bytes)"},
        {vec_push_says, "out of memory: Vec", "(4 bytes)"},
        {vec_insert_says, "out of memory: Vec", "(4 bytes)"},
        {vec_reserve_says, "out of memory: Vec", "(36 bytes)"},
        {vec_extend_says, "out of memory: Vec", "(404 bytes)"},
        {vec_drain_says, "out of memory: Vec", "(4 bytes)"},
        {vec_clone_says, "out of memory: Vec", "(8 bytes)"},
        {str_push_says, "out of memory: Str", "(1 byte"},
        {str_char_says, "out of memory: Str", "(1 byte"},
        {str_insert_says, "out of memory: Str", "bytes)"},
        {str_reserve_says, "out of memory: Str", "(9 bytes)"},
        {str_from_says, "out of memory: Str", "(1 byte"},
        {str_view_says, "out of memory: Str", "bytes)"},
        {str_clone_says, "out of memory: Str", "(1 byte"},
        {str_replace_says, "out of memory: Str", "bytes)"},
        {str_with_says, "out of memory: Str", "(9 bytes)"},
        {str_of_says, "out of memory: Str", "(1 byte"},
        {str_format_says, "out of memory: Str", "bytes)"},
        {long_format_says, "out of memory: Str", "(300 bytes)"},
        {longer_format_says, "out of memory: Str", "(301 bytes)"},
        {map_entry_says, "out of memory: Map", "bytes)"},
        {map_key_says, "out of memory: Str", "bytes)"},
        {map_reserve_says, "out of memory: Map", "bytes)"},
        {map_insert_says, "out of memory: Map", "bytes)"},
        {map_clone_says, "out of memory: Map", "bytes)"},
        {place_says, "out of memory", "bytes)"},
    };
    assert_each_stops(list);
}

/* ---- checked mode ---- */

/* What is to be owned must have a record: where there is no memory for that, there is none for the owner. The
 * program's own try_ forms are refused so, and all it has stays. */
static void a_block_without_a_record_is_refused(void **state) {
    (void)state;
    enum { MOST = 20000 };
    own(Vec(Box(int))) all = {0};
    vec_reserve(&all, MOST);
    bool refused = false;
    maps_refused = true;
    for (int i = 0; i < MOST && !refused; i++) {
        errno = 0;
        Box(int) one = try_box(int, i);
        refused = one == NULL;
        if (refused) assert_int_equal(errno, ENOMEM);
        else vec_push(&all, one);
    }
    maps_refused = false;
    assert_true(refused && all.len > 1000);
    vec_push(&all, box(int, (int)all.len));
    for (size_t i = 0; i < all.len; i++) assert_int_equal(*all.ptr[i], i);
}

static void an_arena_refuses_a_thing_without_a_block(void **state) {
    (void)state;
    own(Arena) arena = {0};
    int *first = place(int, &arena, 5);
    countdown = 0;
    maps_refused = true;
    errno = 0;
    assert_null(try_place(int, &arena, 6));
    assert_int_equal(errno, ENOMEM);
    maps_refused = false;
    countdown = -1;
    assert_true(*first == 5 && *place(int, &arena, 7) == 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(try_box_try_rc_try_arc_say_no),
        cmocka_unit_test(a_value_that_finds_no_box_is_dropped),
        cmocka_unit_test(a_text_that_finds_no_memory_is_empty),
        cmocka_unit_test(a_vec_that_cannot_grow_is_as_it_was),
        cmocka_unit_test(a_str_that_cannot_grow_is_as_it_was),
        cmocka_unit_test(a_map_that_cannot_grow_is_as_it_was),
        cmocka_unit_test(an_arena_that_cannot_grow_drops_the_value),
        cmocka_unit_test(an_allocator_says_no),
        cmocka_unit_test(an_arena_in_a_heap_has_the_limit_of_that),
        cmocka_unit_test(an_arena_refuses_what_cannot_be),
        cmocka_unit_test(an_owner_with_the_heap_for_allocator_is_as_any_other),
        cmocka_unit_test(dropping_needs_no_memory),
        cmocka_unit_test(deep_and_wide_trees_are_dropped_with_and_without_memory),
        cmocka_unit_test(the_last_handle_of_any_kind_gives_the_block_back),
        cmocka_unit_test(the_plain_forms_report_and_abort),
    };
    const struct CMUnitTest checked[] = {
        cmocka_unit_test(an_arena_refuses_a_thing_without_a_block),
        cmocka_unit_test(a_block_without_a_record_is_refused),
    };
    return strstr(getenv("FREEHOLD"), "mode=checked") ? cmocka_run_group_tests(checked, NULL, NULL)
                                                      : cmocka_run_group_tests(tests, NULL, NULL);
}
