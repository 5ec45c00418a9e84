/* test_containers.c - Vec, Str and Map against plain models, and the promises of their edges. */
#include <freehold/names.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

MAP(Str, int)
MAP(int, Str)
MAP(int, int)
MAP(uint64_t, uint64_t)
MAP_CLONE(Str, int)
OWNER(Vec(int))
MAP(Str, Vec(int))

static uint64_t random_state = 1;
static uint32_t next_random(uint32_t below) {
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(random_state >> 33) % below;
}

/* ---- Vec ---- */

static int by_value(const int *a, const int *b) { return (*a > *b) - (*a < *b); }

static void same(const Vec(int) * v, const int *model, size_t n) {
    assert_int_equal(v->len, n);
    assert_true(v->len <= v->cap);
    assert_true(n == 0 || memcmp(v->ptr, model, n * sizeof *model) == 0);
}

static void a_vec_does_what_an_array_does(void **state) {
    (void)state;
    static int model[20000];
    size_t n = 0;
    own(Vec(int)) v = {0};
    for (int step = 0; step < 20000; step++) {
        int x = (int)next_random(1000);
        size_t i = n ? next_random((uint32_t)n) : 0;
        switch (next_random(12)) {
            case 0:
            case 1:
            case 2:
            case 3:
                vec_push(&v, x);
                model[n++] = x;
                break;
            case 4: assert_int_equal(vec_pop(&v), n ? model[--n] : 0); break;
            case 5:
                vec_insert(&v, i, x);
                memmove(model + i + 1, model + i, (n - i) * sizeof *model);
                model[i] = x;
                n++;
                break;
            case 6:
                if (n == 0) break;
                assert_int_equal(vec_remove(&v, i), model[i]);
                memmove(model + i, model + i + 1, (--n - i) * sizeof *model);
                break;
            case 7:
                if (n == 0) break;
                assert_int_equal(vec_swap_remove(&v, i), model[i]);
                model[i] = model[--n];
                break;
            case 8: {
                size_t to = i + (n > i ? next_random((uint32_t)(n - i)) : 0);
                if (to > i + 3) to = i + 3;
                own(Vec(int)) cut = vec_drain(&v, i, to);
                same(&cut, model + i, to - i);
                memmove(model + i, model + to, (n - to) * sizeof *model);
                n -= to - i;
                break;
            }
            case 9:
                if (next_random(50) == 0) vec_shrink(&v);
                if (next_random(50) == 0) vec_reserve(&v, 100);
                break;
            case 10:
                if (next_random(20)) break;
                vec_reverse(&v);
                for (size_t a = 0, b = n; a + 1 < b; a++) {
                    int t = model[a];
                    model[a] = model[--b];
                    model[b] = t;
                }
                break;
            case 11:
                if (next_random(20)) break;
                vec_sort(&v, by_value);
                for (size_t k = 1; k < v.len; k++) assert_true(v.ptr[k - 1] <= v.ptr[k]);
                if (n) memcpy(model, v.ptr, n * sizeof *model);
                break;
            default: break;
        }
        same(&v, model, n);
    }
}

static void views_of_a_vec_share_its_elements(void **state) {
    (void)state;
    own(Vec(int)) v = vec_of(int, 5, 1, 4, 2, 3);
    Slice(int) part = slice(&v, 1, 4);
    assert_true(part.len == 3 && part.ptr == v.ptr + 1);
    vec_sort(&part, by_value);
    assert_true(v.ptr[0] == 5 && v.ptr[1] == 1 && v.ptr[2] == 2 && v.ptr[3] == 4);
    Slice(int) inner = slice(&part, 1, 2);
    assert_int_equal(*vec_at(&inner, 0), 2);
    int key = 4, sum = 0;
    assert_ptr_equal(vec_search(&part, &key, by_value), v.ptr + 3);
    key = 9;
    assert_null(vec_search(&part, &key, by_value));
    vec_each(x, &part) sum += *x;
    assert_int_equal(sum, 7);
    assert_null(vec_get(&part, 3));
    assert_int_equal(*vec_last(&v), 3);
    own(Vec(int)) none = {0};
    assert_null(vec_first(&none));
    vec_each(x, &none) fail();
    assert_int_equal(vec_pop(&none), 0);
}

static void owners_move_between_vecs(void **state) {
    (void)state;
    own(Vec(Str)) a = vec_of(Str, str_from("one"), str_from("two"), str_from("three"));
    own(Vec(Str)) b = vec_split_off(&a, 1);
    vec_append(&a, &b);
    assert_true(a.len == 3 && b.len == 0);
    own(Str) two = vec_remove(&a, 1);
    assert_string_equal(str_c(&two), "two");
    vec_truncate(Vec(Str), &a, 1);
    assert_int_equal(a.len, 1);
    own(Vec(Str)) c = clone(Vec(Str), &a);
    vec_clear(Vec(Str), &a);
    assert_true(a.len == 0 && a.cap > 0);
    assert_string_equal(str_c(&c.ptr[0]), "one");
    set(Str, &c.ptr[0], str_from("new"));
    own(Vec(int)) self = vec_of(int, 1, 2, 3, 4);
    vec_push(&self, vec_pop(&self)); /* the argument changes the Vec */
    assert_true(self.len == 4 && self.ptr[3] == 4);
}

/* ---- Str ---- */

static void a_str_does_what_a_buffer_does(void **state) {
    (void)state;
    char model[60000];
    size_t n = 0;
    own(Str) s = {0};
    for (int step = 0; step < 20000; step++) {
        char piece[200];
        size_t more = next_random(3) ? next_random(20) : next_random(180);
        for (size_t i = 0; i < more; i++) piece[i] = (char)('a' + next_random(26));
        piece[more] = 0;
        size_t at = n ? next_random((uint32_t)n) : 0;
        switch (next_random(8)) {
            case 0:
            case 1:
                str_push(&s, piece);
                memcpy(model + n, piece, more);
                n += more;
                break;
            case 2:
                str_insert(&s, at, view_n(piece, more));
                memmove(model + at + more, model + at, n - at);
                memcpy(model + at, piece, more);
                n += more;
                break;
            case 3: {
                size_t to = at + next_random((uint32_t)(n - at) + 1);
                str_remove(&s, at, to);
                memmove(model + at, model + to, n - to);
                n -= to - at;
                break;
            }
            case 4:
                n += (size_t)sprintf(model + n, "%d/%s", step, piece), str_format(&s, "%d/%s", step, piece);
                break;
            case 5:
                if (next_random(30) == 0) str_shrink(&s);
                break;
            case 6: set(Str, &s, clone(Str, &s)); break;
            default:
                str_push_view(&s, str_part(&s, at, at + (n - at) / 8)); /* a part of itself */
                memmove(model + n, model + at, (n - at) / 8);
                n += (n - at) / 8;
                break;
        }
        if (n > 20000) str_truncate(&s, n = 100);
        assert_int_equal(s.len, n);
        assert_true(memcmp(str_c(&s), model, n) == 0 && str_c(&s)[n] == 0);
        assert_true(s.cap == 0 || s.len < s.cap);
    }
}

/* Its drop is inlined and frees by size: a block left in place by the shrinking must not come into the bin of
 * smaller ones. */
static void a_str_that_was_shrunk_is_freed_as_the_block_that_it_is(void **state) {
    (void)state;
    for (size_t room = 16; room <= 300; room += 7) {
        for (int i = 0; i < 30; i++) {
            own(Str) s = str_with(room);
            StrView text = {"a text that is long enough for a block, and then some", 8 + room % 45};
            own(Str) small = str_from_view(text); /* opens the bin of its class */
            str_push_view(&s, text);
            str_shrink(&s);
            assert_int_equal(s.cap, s.len + 1);
        }
        fh_trim(); /* empties the bins: blocks of other classes in them are reported */
    }
}

static void a_str_may_be_pushed_onto_itself(void **state) {
    (void)state;
    own(Str) s = str_from("ab");
    for (int i = 0; i < 12; i++) str_push(&s, str_c(&s));
    assert_int_equal(s.len, 2u << 12);
    for (size_t i = 0; i < s.len; i++) assert_int_equal(s.ptr[i], "ab"[i % 2]);
}

static void utf8_is_kept_whole(void **state) {
    (void)state;
    assert_false(fh_view_is_utf8(fh_view_of("\xe0\x80\x80"))); /* longer than they need be */
    assert_false(fh_view_is_utf8(fh_view_of("\xf0\x80\x80\x80")));
    own(Str) s = {0};
    const uint32_t characters[] = {'a', 0xe9, 0x20ac, 0x1f600, 0x7ff, 0x800, 0xffff, 0x10000, 0x10ffff};
    for (size_t i = 0; i < 9; i++) str_push_char(&s, characters[i]);
    assert_true(view_is_utf8(str_as_view(&s)));
    assert_int_equal(view_chars(str_as_view(&s)), 9);
    size_t i = 0;
    str_each_char(c, str_as_view(&s)) assert_int_equal(c, characters[i++]);
    for (i = 9; i-- > 0;) assert_int_equal(str_pop_char(&s), characters[i]);
    assert_int_equal(s.len, 0);
    const char *bad[] = {
        "\x80",     "\xc0\x80", "\xc1\xbf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80",
        "\xe2\x82", "a\xff"};
    for (i = 0; i < 8; i++) assert_false(view_is_utf8(view_of(bad[i])));
    str_push_char(&s, 0xd800);
    assert_string_equal(str_c(&s), "\xef\xbf\xbd");
}

static void views_look_without_copying(void **state) {
    (void)state;
    StrView text = view("  one, two,,three ");
    assert_true(view_equal(view_trim(text), view("one, two,,three")));
    assert_int_equal(view_find(text, view("two")), 7);
    assert_int_equal(view_find_last(text, view(",")), 11);
    assert_true(view_find(text, view("four")) == FH_NOWHERE);
    assert_true(view_starts(text, view("  one")) && view_ends(text, view("three ")) &&
                !view_ends(view("x"), view("xx")));
    int pieces = 0;
    str_each_split(piece, text, view(",")) pieces += piece.len > 0 ? 1 : 10;
    assert_int_equal(pieces, 13);
    assert_true(view_compare(view("a"), view("ab")) < 0 && view_compare(view("b"), view("ab")) > 0);
    int64_t number = 7;
    assert_true(view_to_int(view("-9223372036854775808"), &number) && number == INT64_MIN);
    assert_false(view_to_int(view("9223372036854775808"), &number));
    assert_false(view_to_int(view("12x"), &number) || view_to_int(view(""), &number) ||
                 view_to_int(view("-"), &number));
    double real;
    assert_true(view_to_double(view("-2.5e3"), &real) && real == -2500);
    assert_false(view_to_double(view("2.5 "), &real));
    own(Str) changed = view_replace(view("a-b--c"), view("-"), view("+="));
    assert_string_equal(str_c(&changed), "a+=b+=+=c");
    Str empty = {0};
    assert_string_equal(str_c(&empty), "");
}

/* ---- Map ---- */

enum { KEYS = 3000 };

static void a_map_does_what_an_array_does(void **state) {
    (void)state;
    static int model[KEYS];
    static bool there[KEYS];
    size_t n = 0;
    own(Map(Str, int)) m = {0};
    for (int step = 0; step < 200000; step++) {
        uint32_t k = next_random(step % 40000 < 20000 ? KEYS : KEYS / 50);
        char text[40];
        snprintf(text, sizeof text, k % 3 ? "k%u" : "a longer key, number %u", k);
        StrView key = view_of(text);
        switch (next_random(6)) {
            case 0:
            case 1:
                ++*map_entry(&m, key);
                n += !there[k];
                model[k] = there[k] ? model[k] + 1 : 1;
                there[k] = true;
                break;
            case 2:
                map_insert(Map(Str, int), &m, str_from(text), step);
                n += !there[k];
                model[k] = step;
                there[k] = true;
                break;
            case 3:
                assert_int_equal(map_remove(&m, key), there[k] ? model[k] : 0);
                n -= there[k];
                there[k] = false;
                break;
            case 4:
                assert_int_equal(map_delete(Map(Str, int), &m, key), there[k]);
                n -= there[k];
                there[k] = false;
                break;
            default: {
                const int *at = map_get(&m, key);
                assert_int_equal(at != NULL, there[k]);
                if (at) assert_int_equal(*at, model[k]);
            }
        }
        assert_int_equal(m.len, n);
    }
    size_t seen = 0;
    map_each(e, &m) {
        uint32_t k = (uint32_t)strtoul(strpbrk(str_c(&e->key), "0123456789"), NULL, 10);
        assert_true(there[k] && model[k] == e->value);
        seen++;
    }
    assert_int_equal(seen, n);
    own(Map(Str, int)) copy = clone(Map(Str, int), &m);
    assert_int_equal(copy.len, n);
    map_each(e, &copy) assert_int_equal(*map_get(&m, str_as_view(&e->key)), e->value);
    map_clear(Map(Str, int), &m);
    assert_true(m.len == 0 && map_get(&m, view("k1")) == NULL);
    ++*map_entry(&m, view("again"));
    assert_int_equal(m.len, 1);
}

static void integer_keys_of_all_values_are_kept_apart(void **state) {
    (void)state;
    own(Map(uint64_t, uint64_t)) m = {0};
    for (uint64_t i = 0; i < 50000; i++) {
        *map_entry(&m, i << 40) = i;
        *map_entry(&m, i) = i + 1;
    }
    assert_int_equal(m.len, 99999);
    for (uint64_t i = 1; i < 50000; i++) assert_true(*map_get(&m, i << 40) == i && *map_get(&m, i) == i + 1);
    own(Map(int, Str)) words = {0};
    for (int i = -500; i < 500; i++) map_insert(Map(int, Str), &words, i, str_of("%d", i));
    for (int i = -500; i < 500; i++) assert_int_equal(atoi(str_c(map_get(&words, i))), i);
}

static void values_that_own_are_dropped_with_the_map(void **state) {
    (void)state;
    own(Map(Str, Vec(int))) index = {0};
    for (int i = 0; i < 1000; i++) {
        char text[20];
        snprintf(text, sizeof text, "w%d", i % 50);
        vec_push(map_entry(&index, view_of(text)), i);
    }
    assert_int_equal(index.len, 50);
    assert_int_equal(map_get(&index, view("w7"))->len, 20);
    set(Vec(int), map_entry(&index, view("w7")), vec_of(int, 1));
    own(Vec(int)) out = map_remove(&index, view("w7"));
    assert_int_equal(out.len, 1);
}

/* An attacker who knows the seed: many keys in one group. The map must notice and stay usable. */
static void a_flooded_map_changes_its_hash(void **state) {
    (void)state;
    own(Map(uint64_t, uint64_t)) m = {0};
    map_reserve(&m, 7000);
    uint64_t placed = 0;
    for (uint64_t k = 0; placed < 600 && !(m.seed & 1); k++) {
        if ((fh_hash_word(k, m.seed) & m.mask) != 0) continue;
        *map_entry(&m, k) = k;
        placed++;
    }
    assert_true(m.seed & 1);
    map_each(e, &m) assert_int_equal(*map_get(&m, e->key), e->key);
    for (uint64_t k = 0; k < 20000; k++) *map_entry(&m, k + (1ull << 50)) = k;
    for (uint64_t k = 0; k < 20000; k++) assert_int_equal(*map_get(&m, k + (1ull << 50)), k);
}

/* ---- macros ---- */

static int asked;
static Vec(int) * the_vec(Vec(int) * v) { return asked++, v; }
static Str *the_str(Str *s) { return asked++, s; }

/* In each expansion of the macros. */
static void arguments_are_evaluated_once(void **state) {
    (void)state;
    own(Vec(int)) v = vec_of(int, 3, 1, 2);
    own(Str) s = {0};
    asked = 0;
    int sum = 0;
    vec_each(x, the_vec(&v)) sum += *x;
    assert_int_equal(sum, 6);
    vec_push(the_vec(&v), 4);
    vec_truncate(Vec(int), the_vec(&v), 3);
    own(Vec(int)) w = clone(Vec(int), the_vec(&v));
    assert_true(w.len == 3 && asked == 4);
    str_push(the_str(&s), "hello");
    str_format(the_str(&s), " %d", 1);
    assert_string_equal(str_c(the_str(&s)), "hello 1");
    assert_true(str_equal(the_str(&s), &s));
    str_clear(the_str(&s));
    assert_true(s.len == 0 && asked == 9);
}

/* ---- memory ---- */

static size_t resident(void) {
    size_t all, pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%zu %zu", &all, &pages), 2);
    fclose(file);
    return pages * 4096;
}

/* Also in a mode in which what is dropped waits: with pages of its own, which the first blocks have, and
 * without. */
/* Each is an argument of another of its kind: no warning of shadowed names, with which this is compiled, and no
 * name of the one is taken for the other's. */
static void operations_nest(void **state) {
    (void)state;
    own(Vec(int)) v = vec_of(int, 0, 1, 2);
    own(Map(int, int)) m = {0};
    *map_entry(&m, 1) = 2;
    vec_insert(&v, (size_t)*map_get(&m, *map_get(&m, 1) - 1), *vec_at(&v, (size_t)*vec_at(&v, 1)));
    vec_extend(&v, v.ptr, slice(&v, slice(&v, 0, 1).len, vec_from(int, v.ptr, 0).len + 3).len);
    assert_int_equal(v.len, 6);
    assert_int_equal(v.ptr[2], 1);
    own(Rc(int)) r = rc(int, 5);
    own(Weak(int)) w = rc_downgrade(int, weak_upgrade(rc_downgrade(int, NULL)));
    assert_true(weak_upgrade(w) == NULL && *rc_get_mut(rc_get_mut(r)) == 5);
    Cell(int) c = cell(int, cell(int, 7).value);
    assert_int_equal(cell_get(&c), 7);
    own(BoxIn(int)) boxed = box_in(int, NULL, *r + 1);
    assert_int_equal(*boxed.ptr, 6);
}

static void what_is_dropped_is_given_back(void **state) {
    (void)state;
    enum { ROUNDS = 40, FIRSTS = 17000, SIZE = 4 << 20 };
    for (int phase = 0; phase < 2; phase++) {
        size_t before = resident(), most = before;
        for (int i = 0; i < ROUNDS; i++) {
            own(Vec(char)) v = vec_with(char, SIZE);
            memset(v.ptr, 1, SIZE);
            if (resident() > most) most = resident();
        }
        if (most - before > 10u * SIZE)
            fail_msg("%zu MiB held, and %d in use", (most - before) >> 20, SIZE >> 20);
        for (int i = 0; phase == 0 && i < FIRSTS; i++) {
            own(Box(int)) b = box(int, i);
            assert_int_equal(*b, i);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vec_does_what_an_array_does),
        cmocka_unit_test(views_of_a_vec_share_its_elements),
        cmocka_unit_test(owners_move_between_vecs),
        cmocka_unit_test(a_str_does_what_a_buffer_does),
        cmocka_unit_test(a_str_may_be_pushed_onto_itself),
        cmocka_unit_test(a_str_that_was_shrunk_is_freed_as_the_block_that_it_is),
        cmocka_unit_test(utf8_is_kept_whole),
        cmocka_unit_test(views_look_without_copying),
        cmocka_unit_test(a_map_does_what_an_array_does),
        cmocka_unit_test(integer_keys_of_all_values_are_kept_apart),
        cmocka_unit_test(values_that_own_are_dropped_with_the_map),
        cmocka_unit_test(a_flooded_map_changes_its_hash),
        cmocka_unit_test(arguments_are_evaluated_once),
        cmocka_unit_test(operations_nest),
        cmocka_unit_test(what_is_dropped_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
