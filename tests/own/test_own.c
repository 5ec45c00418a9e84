/* test_own.c - the verbs, drop glue, and the owners of one thing: what is dropped, when, in which order, how
 * often. */
#include <freehold.h>
#include <freehold/names.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- a type that tells of its drops ---- */

static char told[256];
static int alive;

typedef struct {
    char name;
} Witness;
static void Witness_drop(Witness *w) {
    if (!w->name) return;
    size_t n = strlen(told);
    if (n < sizeof told - 1) told[n] = w->name, told[n + 1] = 0;
    w->name = 0;
    alive--;
}
static Witness witness(char name) {
    alive++;
    return (Witness){name};
}
static Witness Witness_clone(const Witness *w) { return witness((char)(w->name - 'a' + 'A')); }
OWNER(Witness)
OWNER_CLONE(Witness)

TYPE(Pair);
struct Pair {
    Witness first;
    Witness second;
};
DROP(Pair, (Witness, first), (Witness, second))
CLONE(Pair, (Witness, first), (Witness, second))

TYPE(Guard);
struct Guard {
    Witness held;
    Witness many[3];
    int closed;
};
static void close_guard(Guard *g) {
    g->closed++;
    strcat(told, "!");
}
DROP_WITH(Guard, close_guard, (Witness, held), (Witness, many, 3))

typedef enum { NOTHING, ONE, TWO } Tag;
TYPE(Choice);
struct Choice {
    Tag tag;
    union {
        Witness one;
        Pair two;
    };
};
DROP_ENUM(Choice, tag, (ONE, Witness, one), (TWO, Pair, two))
CLONE_ENUM(Choice, tag, (ONE, Witness, one), (TWO, Pair, two))

TYPE(Node);
struct Node {
    Box(Node) next;
    Box(Node) other;
    Vec(Box(Node)) children;
    Rc(Node) shared;
    int id;
};
DROP(Node, (Box(Node), next), (Box(Node), other), (Vec(Box(Node)), children), (Rc(Node), shared))

static int forget_all(void **state) {
    (void)state;
    told[0] = 0;
    alive = 0;
    return 0;
}

/* ---- scopes and verbs ---- */

static void locals_are_dropped_in_reverse_order(void **state) {
    (void)state;
    {
        own(Witness) a = witness('a');
        own(Witness) b = witness('b');
        own(Witness) c = witness('c');
    }
    assert_string_equal(told, "cba");
}

static int leave_early(int how) {
    for (int i = 0; i < 3; i++) {
        own(Witness) w = witness((char)('0' + i));
        if (how == 0) return i;
        if (how == 1) break;
        if (how == 2) continue;
        if (how == 3) goto out;
    }
out:
    return 0;
}

static void every_way_out_of_a_scope_drops(void **state) {
    (void)state;
    for (int how = 0; how < 4; how++) leave_early(how);
    assert_string_equal(told, "000120");
    assert_int_equal(alive, 0);
}

static Pair make_pair(void) {
    own(Pair) p = {witness('x'), witness('y')};
    return move(p);
}
static Vec(Witness) make_vec(int n) {
    own(Vec(Witness)) v = {0};
    for (int i = 0; i < n; i++) vec_push(&v, witness((char)('a' + i)));
    return move(v);
}

static void a_returned_owner_arrives_whole_and_is_dropped_once(void **state) {
    (void)state;
    {
        own(Pair) p = make_pair();
        assert_int_equal(p.first.name, 'x');
        own(Vec(Witness)) v = make_vec(5);
        assert_int_equal(v.len, 5);
        assert_string_equal(told, "");
    }
    assert_string_equal(told, "abcdexy");
    assert_int_equal(alive, 0);
}

static void a_moved_from_owner_is_zero(void **state) {
    (void)state;
    own(Vec(Witness)) v = make_vec(2);
    own(Vec(Witness)) w = move(v);
    assert_null(v.ptr);
    assert_true(v.len == 0 && v.cap == 0 && w.len == 2);
}

static void a_moved_from_owner_may_be_set_and_used_again(void **state) {
    (void)state;
    own(Vec(int)) v = {0};
    vec_push(&v, 1);
    own(Vec(int)) w = move(v);
    v = move(w);
    vec_push(&v, 2);
    assert_int_equal(v.len, 2);
}

static __attribute__((noinline)) size_t fill(bool hand_on) {
    own(Vec(int)) v = {0};
    vec_push(&v, 1);
    if (!hand_on) return v.len;
    own(Vec(int)) w = move(v);
    return w.len;
}

/* It may well stand where a moved-from one stood. */
static void a_variable_of_the_next_call_is_another(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++) assert_int_equal(fill(i % 2 == 0), 1);
}

static void set_drops_the_old_and_keeps_the_new(void **state) {
    (void)state;
    own(Witness) w = witness('a');
    set(Witness, &w, witness('b'));
    assert_string_equal(told, "a");
    assert_int_equal(w.name, 'b');
}

static void take_replace_swap_and_forget_drop_nothing(void **state) {
    (void)state;
    own(Witness) a = witness('a');
    own(Witness) b = witness('b');
    swap(&a, &b);
    assert_true(a.name == 'b' && b.name == 'a');
    own(Witness) c = take(a);
    assert_true(a.name == 0 && c.name == 'b');
    own(Witness) d = replace(b, witness('n'));
    assert_true(d.name == 'a' && b.name == 'n');
    forget(b);
    assert_int_equal(b.name, 0);
    assert_string_equal(told, "");
}

static void a_forgotten_box_may_be_freed_by_other_code(void **state) {
    (void)state;
    own(Box(int)) b = box(int, 1);
    int *p = b;
    forget(b);
    fh_free(p);
    own(Box(int)) other = box(int, 2);
    assert_int_equal(*other, 2);
}

static void dropping_twice_or_an_empty_one_does_nothing(void **state) {
    (void)state;
    own(Box(Witness)) b = box_of(Witness, witness('a'));
    drop(Box(Witness), &b);
    drop(Box(Witness), &b);
    assert_null(b);
    assert_string_equal(told, "a");
}

/* ---- glue ---- */

static void fields_are_dropped_as_declared_after_the_types_own_drop(void **state) {
    (void)state;
    {
        own(Box(Guard)) g =
            box(Guard, .held = witness('h'), .many = {witness('1'), witness('2'), witness('3')});
        assert_int_equal(g->closed, 0);
    }
    assert_string_equal(told, "!h123");
}

/* The type's own drop is for a value, of which there is none any more once it was moved or dropped. */
static void a_drop_of_ones_own_runs_once_for_a_value(void **state) {
    (void)state;
    {
        own(Guard) empty = {0};
        own(Guard) moved = {.held = witness('m')};
        own(Guard) dropped = {.held = witness('d'), .closed = 1};
        own(Guard) last = move(moved);
        drop(Guard, &dropped);
        assert_string_equal(told, "!d");
        assert_int_equal(dropped.closed, 0);
    }
    assert_string_equal(told, "!d!m");
}

TYPE(Padded);
struct Padded {
    char letter; /* seven bytes of nothing follow, on most machines */
    Str text;
};
static void end_padded(Padded *p) {
    (void)p;
    strcat(told, "p");
}
DROP_WITH(Padded, end_padded, (Str, text))

/* Compilers copy fields, and what stands between them stays as it was. */
static void what_stands_between_fields_is_no_value(void **state) {
    (void)state;
#ifndef FH_PADDING_COUNTS
    {
        own(Padded) empty;
        own(Result(Padded)) result;
        memset(&empty, 0xff, sizeof empty);
        memset(&result, 0xff, sizeof result);
        empty.letter = 0;
        empty.text = (Str){0};
        result.value.letter = 0;
        result.value.text = (Str){0};
        result.error = 0;
    }
    assert_string_equal(told, "");
#endif
    { own(Padded) letter = {.letter = 1}; }
    assert_string_equal(told, "p");
}

static void a_tagged_union_drops_the_case_it_holds(void **state) {
    (void)state;
    {
        own(Choice) none = {0};
        own(Choice) one = {ONE, .one = witness('1')};
        own(Choice) two = {TWO, .two = {witness('2'), witness('3')}};
        own(Choice) copy = clone(Choice, &two);
        assert_int_equal(alive, 5);
        own(Vec(Choice)) all = {0};
        vec_push(&all, move(one));
        vec_push(&all, move(none));
        assert_int_equal(copy.tag, TWO);
    }
    assert_int_equal(alive, 0);
}

static void clones_are_deep(void **state) {
    (void)state;
    own(Box(Pair)) p = box(Pair, witness('a'), witness('b'));
    own(Box(Pair)) q = clone(Box(Pair), &p);
    assert_true(p != q && q->first.name == 'A' && q->second.name == 'B');
    own(Vec(Pair)) v = {0};
    vec_push(&v, make_pair());
    own(Vec(Pair)) w = clone(Vec(Pair), &v);
    assert_true(w.len == 1 && w.ptr != v.ptr && w.ptr[0].first.name == 'X');
}

/* ---- depth ---- */

/* Ten million; fewer in checked mode, where each one is written down; or TEST_NODES. A tenth of it is far more
 * than the call stack could hold frames for. */
static int long_list(void) {
    const char *settings = getenv("FREEHOLD"), *nodes = getenv("TEST_NODES");
    if (nodes != NULL) return atoi(nodes);
    return settings && strstr(settings, "checked") ? 200000 : 10000000;
}

static void a_list_of_ten_million_boxes_is_dropped(void **state) {
    (void)state;
    own(Box(Node)) list = NULL;
    for (int i = 0; i < long_list(); i++) list = box(Node, .next = take(list));
}

static void a_list_of_a_million_rcs_is_dropped(void **state) {
    (void)state;
    own(Rc(Node)) list = NULL;
    for (int i = 0; i < long_list() / 10; i++) list = rc(Node, .shared = take(list));
}

static void vecs_nested_a_million_deep_are_dropped(void **state) {
    (void)state;
    own(Box(Node)) tree = NULL;
    for (int i = 0; i < long_list() / 10; i++) {
        Box(Node) above = box(Node);
        if (tree) vec_push(&above->children, take(tree));
        tree = above;
    }
}

/* But what a container holds is a value, though all of its bytes may be zero: the first of a count from 0. */
static int numbered_ended;
TYPE(Numbered);
struct Numbered {
    int number;
};
static void end_numbered(Numbered *numbered) { numbered_ended += numbered->number == 0; }
DROP_WITH(Numbered, end_numbered)
MAP(Str, Numbered)

#define ENDS_ONE(...)                        \
    do {                                     \
        numbered_ended = 0;                  \
        { __VA_ARGS__; }                     \
        assert_int_equal(numbered_ended, 1); \
    } while (0)

static void what_a_container_holds_is_dropped_whatever_its_bytes(void **state) {
    (void)state;
    ENDS_ONE(own(Box(Numbered)) box = box(Numbered));
    ENDS_ONE(own(BoxIn(Numbered)) box = box_in(Numbered, NULL));
    ENDS_ONE(own(Rc(Numbered)) rc = rc(Numbered));
    ENDS_ONE(own(Arc(Numbered)) arc = arc(Numbered));
    ENDS_ONE(own(Vec(Numbered)) vec = {0}; vec_push(&vec, (Numbered){0}));
    ENDS_ONE(own(VecIn(Numbered)) vec = {0}; vec_push(&vec, (Numbered){0}));
    ENDS_ONE(own(Vec(Numbered)) vec = {0}; vec_push(&vec, (Numbered){0}); vec_clear(Vec(Numbered), &vec));
    ENDS_ONE(own(Map(Str, Numbered)) map = {0};
             map_insert(Map(Str, Numbered), &map, str_from("zero"), (Numbered){0}));
    ENDS_ONE(own(Option(Numbered)) some = some(Numbered, (Numbered){0}));
    ENDS_ONE(own(Rc(RefCell(Numbered))) rc = rc(RefCell(Numbered)));
}

/* The same in an allocator, and through a Map that has Maps of its own kind. */
TYPE(Placed);
struct Placed {
    BoxIn(Placed) next;
    VecIn(Placed) children;
    int number;
};
DROP(Placed, (BoxIn(Placed), next), (VecIn(Placed), children))
TYPE(Trie);
MAP_NAME(char, Trie)
MAP_CLONE_LATER(char, Trie)
struct Trie {
    Map(char, Trie) below;
    Str word;
};
DROP(Trie, (Map(char, Trie), below), (Str, word))
CLONE(Trie, (Map(char, Trie), below), (Str, word))
MAP_BODY(char, Trie)
MAP_CLONE(char, Trie)

static void what_is_placed_is_dropped_at_any_depth(void **state) {
    (void)state;
    own(Arena) arena = {0};
    struct fh_alloc *rooms[] = {NULL, &arena.alloc};
    for (int i = 0; i < 2; i++) {
        own(BoxIn(Placed)) list = {0};
        own(VecIn(Placed)) tree = {.alloc = rooms[i]};
        for (int n = 0; n < long_list() / 20; n++) {
            BoxIn(Placed) longer = box_in(Placed, rooms[i], .next = take(list), .number = n);
            VecIn(Placed) deeper = {.alloc = rooms[i]};
            vec_push(&deeper, (Placed){.children = take(tree), .number = n});
            list = longer, tree = deeper;
        }
    }
}
static void a_map_may_hold_maps_of_its_own_kind(void **state) {
    (void)state;
    own(Trie) root = {0};
    Trie *at = &root;
    for (const char *c = "freehold"; *c; c++) at = map_entry(&at->below, *c);
    at->word = str_from("freehold");
    own(Trie) copy = clone(Trie, &root);
    at = &copy;
    for (const char *c = "freehold"; *c; c++) at = map_get(&at->below, *c);
    assert_string_equal(str_c(&at->word), "freehold");
    own(Trie) deep = {0};
    for (int n = 0; n < long_list() / 100; n++) {
        Trie above = {0};
        map_insert(Map(char, Trie), &above.below, 'a', take(deep));
        deep = above;
    }
}

/* Combs and full trees under each node of a chain: the worker's stack grows and shrinks. */
static Box(Node) full_tree(int depth) {
    if (depth == 0) return NULL;
    return box(Node, .next = full_tree(depth - 1), .other = full_tree(depth - 1));
}
static void trees_at_great_depth_are_dropped(void **state) {
    (void)state;
    own(Box(Node)) list = full_tree(10);
    for (int i = 0; i < 20000; i++) list = box(Node, .next = take(list), .other = full_tree(i % 5));
}

/* What is dropped counts itself: in Rust's order, which is that of the fields at each node, and so 0, 1, 2 ...
 * */
typedef struct {
    unsigned number; /* from 1: zero is empty */
} Counted;
static unsigned expected, wrong_order;
static void Counted_drop(Counted *c) {
    if (c->number == 0) return;
    wrong_order += c->number != ++expected;
    c->number = 0;
}
OWNER(Counted)

TYPE(Link);
struct Link {
    Box(Link) before;
    Counted own;
    Box(Link) after;
};
DROP(Link, (Box(Link), before), (Counted, own), (Box(Link), after))

static Box(Link) numbered_tree(unsigned *next, int depth) {
    if (depth == 0) return NULL;
    own(Box(Link)) link = box(Link, .before = numbered_tree(next, depth - 1));
    link->own.number = ++*next;
    link->after = numbered_tree(next, depth - 1);
    return move(link);
}

static void trees_are_dropped_in_rusts_order(void **state) {
    (void)state;
    unsigned numbers = expected = wrong_order = 0;
    drop(Box(Link), &(Box(Link)){numbered_tree(&numbers, 12)});
    assert_int_equal(expected, numbers);
    assert_int_equal(wrong_order, 0);
}

/* A long list whose link is its last field keeps that order at any depth, and stands in no more stack than one
 * node. */
static void long_lists_are_dropped_in_rusts_order(void **state) {
    (void)state;
    expected = wrong_order = 0;
    unsigned n = (unsigned)long_list() / 10;
    own(Box(Link)) list = NULL;
    for (unsigned i = n; i > 0; i--) list = box(Link, .own = {i}, .after = take(list));
    drop(Box(Link), &list);
    assert_int_equal(expected, n);
    assert_int_equal(wrong_order, 0);
}

/* ---- Box, Option ---- */

static void sizes_are_as_promised(void **state) {
    (void)state;
    assert_int_equal(sizeof(Box(Node)), sizeof(void *));
    assert_int_equal(sizeof(Rc(Node)), sizeof(void *));
    assert_int_equal(sizeof(Weak(Node)), sizeof(void *));
    assert_int_equal(sizeof(Vec(Node)), 3 * sizeof(void *));
    assert_int_equal(sizeof(Str), 3 * sizeof(void *));
    assert_int_equal(sizeof(StrView), 2 * sizeof(void *));
    assert_int_equal(FH_RC_HEAD(int), sizeof(uint64_t));
}

static void boxes_are_aligned_and_hold_their_value(void **state) {
    (void)state;
    typedef struct {
        _Alignas(64) char wide;
    } Wide;
    for (int i = 0; i < 100; i++) {
        Wide *w = fh_own_new(sizeof(Wide), _Alignof(Wide), "Wide");
        assert_int_equal((uintptr_t)w % 64, 0);
        fh_own_free(w, sizeof(Wide), _Alignof(Wide));
    }
    own(Box(double)) d = box(double, 1.5);
    assert_true(*d == 1.5);
    double out = unbox(d);
    assert_true(out == 1.5 && d == NULL);
    own(Box(Pair)) zero = box_zero(Pair);
    assert_int_equal(zero->first.name, 0);
}

static void options_and_results_own_what_they_hold(void **state) {
    (void)state;
    {
        own(Option(Witness)) a = some(Witness, witness('a'));
        own(Option(Witness)) b = none(Witness);
        own(Result(Witness)) c = ok(Witness, witness('c'));
        own(Result(Witness)) d = err(Witness, 5);
        assert_true(a.some && !b.some && c.error == 0 && d.error == 5);
        own(Option(Witness)) e = option_take(&a);
        assert_true(!a.some && e.some);
        assert_int_equal(option_or(some(int, 3), 4), 3);
        assert_int_equal(option_or(none(int), 4), 4);
    }
    assert_int_equal(alive, 0);
}

/* ---- Rc, Weak ---- */

static void an_rc_drops_its_value_with_the_last_owner(void **state) {
    (void)state;
    own(Rc(Witness)) a = rc_of(Witness, witness('a'));
    own(Rc(Witness)) b = rc_clone(a);
    assert_true(rc_ptr_eq(a, b) && rc_strong_count(a) == 2);
    assert_null(rc_get_mut(a));
    drop(Rc(Witness), &a);
    assert_string_equal(told, "");
    assert_ptr_equal(rc_get_mut(b), b);
    drop(Rc(Witness), &b);
    assert_string_equal(told, "a");
}

static void a_weak_does_not_keep_the_value(void **state) {
    (void)state;
    own(Rc(Witness)) a = rc_of(Witness, witness('a'));
    own(Weak(Witness)) w = rc_downgrade(Witness, a);
    own(Weak(Witness)) w2 = clone(Weak(Witness), &w);
    assert_int_equal(rc_weak_count(a), 2);
    {
        own(Rc(Witness)) up = weak_upgrade(w);
        assert_ptr_equal(up, a);
    }
    drop(Rc(Witness), &a);
    assert_string_equal(told, "a");
    assert_null(weak_upgrade(w));
    assert_null(weak_upgrade(w2));
}

TYPE(Self);
struct Self {
    Weak(Self) me;
    Witness w;
};
DROP(Self, (Weak(Self), me), (Witness, w))

static void a_value_may_hold_a_weak_to_itself(void **state) {
    (void)state;
    {
        own(Rc(Self)) s = rc(Self, .w = witness('s'));
        s->me = rc_downgrade(Self, s);
    }
    assert_string_equal(told, "s");
}

static Result(Box(Pair)) pair_or_error(char name) {
    if (name == 0) return err(Box(Pair), EINVAL);
    own(Box(Pair)) pair = box(Pair, .first = witness(name));
    return ok(Box(Pair), move(pair));
}

static void handles_stand_in_results_and_options(void **state) {
    (void)state;
    {
        own(Result(Box(Pair))) good = pair_or_error('g'), bad = pair_or_error(0);
        assert_true(good.error == 0 && good.value->first.name == 'g' && bad.error == EINVAL);
        own(Box(Pair)) out = unwrap_ok(move(good));
        own(Option(Rc(Pair))) some_rc = some(Rc(Pair), rc(Pair, .first = witness('r')));
        assert_int_equal(some_rc.value->first.name, 'r');
    }
    assert_string_equal(told, "rg");
}

static void a_vec_of_weaks_keeps_nothing_alive(void **state) {
    (void)state;
    own(Vec(Weak(Pair))) back = {0};
    own(Rc(Pair)) kept = rc(Pair, .first = witness('k'));
    {
        own(Rc(Pair)) gone = rc(Pair, .first = witness('g'));
        vec_push(&back, rc_downgrade(Pair, kept));
        vec_push(&back, rc_downgrade(Pair, gone));
    }
    assert_string_equal(told, "g");
    own(Vec(Weak(Pair))) more = clone(Vec(Weak(Pair)), &back);
    own(Rc(Pair)) first = weak_upgrade(more.ptr[0]), second = weak_upgrade(more.ptr[1]);
    assert_true(first == kept && second == NULL && rc_weak_count(kept) == 2);
}

/* longjmp runs no cleanups; what the checked mode noted of the scopes that it left must not confuse what
 * follows. */
static jmp_buf back_there;
static void leave_from_below(int depth) {
    own(Box(int)) empty = NULL;
    if (depth == 0) longjmp(back_there, 1);
    if (depth > 0) leave_from_below(depth - 1);
}
static void scopes_left_by_longjmp_are_forgotten(void **state) {
    (void)state;
    for (volatile int i = 0; i < 100; i++) {
        if (setjmp(back_there) == 0) leave_from_below(20);
        own(Box(int)) one = box(int, i);
        own(Box(int)) two = move(one);
        one = box(int, *two + 1);
        own(Box(int)) three = move(one);
        assert_int_equal(*three, i + 1);
    }
}

static void empty_handles_clone_and_drop_as_nothing(void **state) {
    (void)state;
    own(Rc(Witness)) a = NULL;
    own(Rc(Witness)) b = rc_clone(a);
    own(Weak(Witness)) w = {0};
    assert_null(b);
    assert_null(weak_upgrade(w));
    own(Arc(Witness)) c = arc_clone((Arc(Witness))NULL);
    assert_null(c);
}

/* ---- cells ---- */

static void a_refcell_counts_its_borrows(void **state) {
    (void)state;
    own(Rc(RefCell(int))) cell = rc_of(RefCell(int), refcell(int, 5));
    {
        own(Ref(int)) a = borrow(cell);
        own(Ref(int)) b = borrow(cell);
        own(RefMut(int)) refused = try_borrow_mut(cell);
        assert_null(refused.ptr);
        assert_true(*a.ptr == 5 && a.ptr == b.ptr);
    }
    {
        own(RefMut(int)) w = borrow_mut(cell);
        own(Ref(int)) refused = try_borrow(cell);
        assert_null(refused.ptr);
        *w.ptr = 6;
    }
    assert_int_equal(cell->fh_flag, 0);
    assert_int_equal(refcell_replace(cell, 7), 6);
    Cell(int) plain = cell(int, 1);
    assert_int_equal(cell_replace(&plain, 2), 1);
    assert_int_equal(cell_get(&plain), 2);
}

/* ---- arenas ---- */

static void an_arena_drops_what_is_in_it_newest_first(void **state) {
    (void)state;
    {
        own(Arena) arena = {0};
        for (int i = 0; i < 5; i++) assert_non_null(place(Pair, &arena, witness((char)('a' + i)), {0}));
        int *numbers = place(int, &arena, 4);
        assert_int_equal(*numbers, 4);
        for (int i = 0; i < 10000; i++) place(double, &arena, 1.0);
        own(VecIn(int)) v = {.alloc = &arena.alloc};
        for (int i = 0; i < 1000; i++) vec_push(&v, i);
        assert_true(v.len == 1000 && v.ptr[999] == 999);
        own(BoxIn(Witness)) b = box_in(Witness, &arena.alloc, 'z');
        alive++;
        assert_int_equal(b.ptr->name, 'z');
    }
    assert_string_equal(told, "zedcba");
    assert_int_equal(alive, 0);
}

/* A thing that is longer than the chunk that would come next has room of its own: no other arena's is written
 * to. */
static void what_is_longer_than_a_chunk_fits(void **state) {
    (void)state;
    enum { ARENAS = 16, LONG = 6000 };
    Arena arena[ARENAS] = {0};
    unsigned char *thing[ARENAS];
    for (int i = 0; i < ARENAS; i++) {
        thing[i] = fh_arena_get(&arena[i], LONG, 1);
        assert_non_null(thing[i]);
        memset(thing[i], i, LONG);
    }
    for (int i = 0; i < ARENAS; i++) {
        for (int k = 0; k < LONG; k++) assert_int_equal(thing[i][k], i);
        drop(Arena, &arena[i]);
    }
}

static void an_arena_in_a_frame_is_dropped_with_it(void **state) {
    (void)state;
    frame {
        own(Arena) arena = arena_in_frame();
        place(Witness, &arena, 'f');
        alive++;
        own(VecIn(int)) v = {.alloc = &arena.alloc};
        for (int i = 0; i < 100; i++) vec_push(&v, i);
        assert_int_equal(v.ptr[99], 99);
    }
    assert_string_equal(told, "f");
}

/* (Not in checked mode: there the heap does not know the blocks of heaps of one's own yet, and refuses to free
 * them.) */
static void an_arena_takes_its_heap_along(void **state) {
    (void)state;
    {
        own(Arena) arena = arena_in_heap(fh_heap_new(1 << 20));
        place(Witness, &arena, 'h');
        alive++;
        own(BoxIn(Pair)) b = box_in(Pair, &arena.alloc, witness('a'), witness('b'));
        assert_ptr_equal(fh_heap_of(b.ptr), arena.heap);
        own(VecIn(double)) v = {.alloc = &arena.alloc};
        for (int i = 0; i < 1000; i++) vec_push(&v, i);
        assert_ptr_equal(fh_heap_of(v.ptr), arena.heap);
        while (vec_try_push(&v, 1)) continue; /* the heap's limit */
        assert_true(v.len * sizeof(double) <= 1 << 20);
    }
    assert_string_equal(told, "abh");
    assert_int_equal(alive, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup(name, forget_all)
        T(locals_are_dropped_in_reverse_order),
        T(every_way_out_of_a_scope_drops),
        T(a_returned_owner_arrives_whole_and_is_dropped_once),
        T(a_moved_from_owner_is_zero),
        T(a_moved_from_owner_may_be_set_and_used_again),
        T(a_variable_of_the_next_call_is_another),
        T(set_drops_the_old_and_keeps_the_new),
        T(take_replace_swap_and_forget_drop_nothing),
        T(a_forgotten_box_may_be_freed_by_other_code),
        T(dropping_twice_or_an_empty_one_does_nothing),
        T(fields_are_dropped_as_declared_after_the_types_own_drop),
        T(a_drop_of_ones_own_runs_once_for_a_value),
        T(what_stands_between_fields_is_no_value),
        T(a_tagged_union_drops_the_case_it_holds),
        T(clones_are_deep),
        T(a_list_of_ten_million_boxes_is_dropped),
        T(a_list_of_a_million_rcs_is_dropped),
        T(vecs_nested_a_million_deep_are_dropped),
        T(what_a_container_holds_is_dropped_whatever_its_bytes),
        T(what_is_placed_is_dropped_at_any_depth),
        T(a_map_may_hold_maps_of_its_own_kind),
        T(trees_at_great_depth_are_dropped),
        T(trees_are_dropped_in_rusts_order),
        T(long_lists_are_dropped_in_rusts_order),
        T(sizes_are_as_promised),
        T(boxes_are_aligned_and_hold_their_value),
        T(options_and_results_own_what_they_hold),
        T(an_rc_drops_its_value_with_the_last_owner),
        T(a_weak_does_not_keep_the_value),
        T(a_value_may_hold_a_weak_to_itself),
        T(handles_stand_in_results_and_options),
        T(a_vec_of_weaks_keeps_nothing_alive),
        T(scopes_left_by_longjmp_are_forgotten),
        T(empty_handles_clone_and_drop_as_nothing),
        T(a_refcell_counts_its_borrows),
        T(an_arena_drops_what_is_in_it_newest_first),
        T(what_is_longer_than_a_chunk_fits),
        T(an_arena_in_a_frame_is_dropped_with_it),
        T(an_arena_takes_its_heap_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
