/* test_itself.c - operations whose argument stands in the very owner that they change. Rust refuses these; C
 * does not, so each must do what it would do with a copy, also when the owner grows meanwhile. Each is tried at
 * every length around the growths, so that some grow and some do not; the guard and checked modes see a look at
 * what was left behind. */
#include <freehold/heaps.h>
#include <freehold/names.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

MAP(Str, Str)
MAP(int, int)
OWNER(Vec(int))
MAP(int, Vec(int))

enum { MOST = 70 };

static Vec(int) numbers_up_to(size_t n) {
    own(Vec(int)) v = {0};
    for (size_t i = 0; i < n; i++) vec_push(&v, (int)i);
    return move(v);
}

/* ---- Vec ---- */

static void a_vec_is_extended_by_any_part_of_itself(void **state) {
    (void)state;
    for (size_t n = 1; n < MOST; n++)
        for (size_t from = 0; from < n; from += 1 + n / 9) {
            own(Vec(int)) v = numbers_up_to(n);
            Slice(int) part = slice(&v, from, n - (n - from) / 3);
            vec_extend(&v, part.ptr, part.len);
            assert_int_equal(v.len, n + part.len);
            for (size_t i = 0; i < v.len; i++) assert_int_equal(v.ptr[i], i < n ? i : from + i - n);
        }
}

static void a_vec_in_an_arena_is_extended_by_itself(void **state) {
    (void)state;
    own(Arena) arena = arena_in_heap(fh_heap_new(1 << 20));
    own(VecIn(int)) v = {.alloc = &arena.alloc};
    vec_push(&v, 7);
    for (int i = 0; i < 10; i++) vec_extend(&v, v.ptr, v.len);
    assert_int_equal(v.len, 1024);
    vec_each(x, &v) assert_int_equal(*x, 7);
}

static void a_vec_appended_to_itself_stays_as_it_is(void **state) {
    (void)state;
    own(Vec(Str)) v = vec_of(Str, str_from("one"), str_from("two"));
    vec_append(&v, &v);
    assert_int_equal(v.len, 2);
    assert_string_equal(str_c(&v.ptr[1]), "two");
}

static void an_element_of_a_vec_is_pushed_and_inserted(void **state) {
    (void)state;
    own(Vec(int)) pushed = vec_of(int, 1), tried = vec_of(int, 1), inserted = vec_of(int, 1, 2);
    for (size_t i = 1; i < MOST; i++) {
        vec_push(&pushed, pushed.ptr[i - 1] + 1);
        assert_true(vec_try_push(&tried, *vec_last(&tried) + 1));
        vec_insert(&inserted, 0, *vec_last(&inserted));
        assert_true(pushed.ptr[i] == (int)i + 1 && tried.ptr[i] == (int)i + 1 && inserted.ptr[0] == 2);
    }
}

/* The value is made first, so it may move what the Vec itself stands in. */
static void the_value_may_move_the_vec_that_takes_it(void **state) {
    (void)state;
    own(Vec(Vec(int))) rows = vec_of(Vec(int), numbers_up_to(1));
    own(Map(int, Vec(int))) lists = {0};
    for (int i = 1; i < MOST; i++) {
        vec_push(&rows.ptr[0], (vec_push(&rows, numbers_up_to(0)), i));
        vec_insert(&rows.ptr[0], 1, (vec_push(&rows, numbers_up_to(0)), i));
        assert_true(vec_try_push(&rows.ptr[0], (vec_push(&rows, numbers_up_to(0)), i)));
        vec_push(map_entry(&lists, 0), (int)map_entry(&lists, i)->len);
    }
    assert_int_equal(rows.ptr[0].len, 1 + 3 * (MOST - 1));
    assert_int_equal(map_get(&lists, 0)->len, MOST - 1);
}

static void the_value_may_move_what_is_set(void **state) {
    (void)state;
    own(Vec(Str)) names = vec_of(Str, str_from("0"));
    own(Map(int, int)) counts = {0};
    for (int i = 1; i < MOST; i++) {
        set(Str, &names.ptr[0], (vec_push(&names, str_of("%d", i)), str_of("%d", i)));
        assert_int_equal(replace(*map_entry(&counts, 0), *map_entry(&counts, i) + i), i - 1);
    }
    assert_string_equal(str_c(&names.ptr[0]), "69");
    assert_string_equal(str_c(vec_last(&names)), "69");
}

/* ---- Str ---- */

/* What `text` becomes when bytes from .. to-1 of it are put in at `at`. */
static void put_in(char *out, const char *text, size_t at, size_t from, size_t to) {
    memcpy(out, text, at);
    memcpy(out + at, text + from, to - from);
    strcpy(out + at + (to - from), text + at);
}

static void a_str_takes_any_part_of_itself(void **state) {
    (void)state;
    char text[MOST + 1], wanted[2 * MOST + 1];
    for (size_t n = 1; n < MOST; n++)
        for (size_t from = 0; from < n; from += 1 + n / 5) {
            size_t to = n - (n - from) / 3;
            for (size_t i = 0; i < n; i++) text[i] = (char)('a' + i % 26);
            text[n] = 0;
            own(Str) pushed = str_from(text);
            own(Str) tried = str_from(text);
            own(Str) tail = str_from(text);
            own(Str) inserted = str_from(text);
            put_in(wanted, text, n, from, to);
            str_push_view(&pushed, str_part(&pushed, from, to));
            assert_string_equal(str_c(&pushed), wanted);
            assert_true(str_try_push(&tried, str_part(&tried, from, to)));
            assert_string_equal(str_c(&tried), wanted);
            put_in(wanted, text, n, from, n);
            str_push(&tail, str_c(&tail) + from);
            assert_string_equal(str_c(&tail), wanted);
            put_in(wanted, text, n / 2, from, to);
            str_insert(&inserted, n / 2, str_part(&inserted, from, to));
            assert_string_equal(str_c(&inserted), wanted);
        }
}

static void a_str_formats_what_stands_in_it(void **state) {
    (void)state;
    char text[MOST * 4 + 1], wanted[MOST * 16];
    for (size_t n = 0; n < MOST * 4; n++) {
        memset(text, 'x', n);
        text[n] = 0;
        own(Str) s = str_from(text);
        own(Str) roomy = str_with(4 * MOST * 4 + 30);
        str_push(&roomy, text);
        snprintf(wanted, sizeof wanted, "%s%s|%s|%.2s", text, text, text, text);
        str_format(&s, "%s|%s|%.2s", str_c(&s), str_c(&s), str_c(&s));
        assert_string_equal(str_c(&s), wanted);
        str_format(&roomy, "%s|%s|%.2s", str_c(&roomy), str_c(&roomy), str_c(&roomy));
        assert_string_equal(str_c(&roomy), wanted);
    }
    own(Str) self = str_from("100%% ");
    str_format(&self, str_c(&self), 0);
    assert_string_equal(str_c(&self), "100%% 100% ");
}

static void a_str_becomes_what_was_made_of_it(void **state) {
    (void)state;
    own(Str) s = str_from("a");
    for (int i = 0; i < 9; i++) set(Str, &s, str_of("%s%s", str_c(&s), str_c(&s)));
    assert_int_equal(s.len, 512);
    set(Str, &s, view_replace(str_as_view(&s), view("aa"), str_part(&s, 0, 1)));
    assert_int_equal(s.len, 256);
}

/* ---- Map ---- */

static void a_map_is_asked_by_text_that_stands_in_it(void **state) {
    (void)state;
    own(Map(Str, Str)) m = {0};
    map_insert(Map(Str, Str), &m, str_from("0"), str_from("a name that is long enough for the heap, 1"));
    for (int i = 1; i < MOST; i++) {
        own(Str) last = str_of("%d", i - 1);
        StrView key = str_as_view(map_get(&m, str_as_view(&last))); /* a value of the map becomes a key of it */
        set(Str, map_entry(&m, key), str_of("%d", i));
        assert_true(str_as_view(map_get(&m, key)).len > 0);
        set(Str, map_entry(&m, str_as_view(map_get(&m, key))), str_of("a name that is long enough, %d", i + 1));
    }
    assert_int_equal(m.len, 2 * MOST - 1);
    while (m.len > 0) {
        const Str *own_key = NULL;
        map_each(e, &m) own_key = &e->key;
        if (m.len % 2) {
            own(Str) value = map_remove(&m, str_as_view(own_key));
            assert_true(value.len > 0);
        } else {
            assert_true(map_delete(Map(Str, Str), &m, str_as_view(own_key)));
        }
    }
}

/* ---- drops that reach for the owner that they are dropped from ---- */

TYPE(Echo);
struct Echo {
    Str text;
    int left; /* how often it comes back */
};
static Vec(Echo) heard;
static int made, dropped;
static Echo echo(int left) {
    made++;
    return (Echo){str_of("comes back %d times, and is not short", left), left};
}
static void come_back(Echo *e);
DROP_WITH(Echo, come_back, (Str, text))
MAP(int, Echo)
static Map(int, Echo) by_number;
static void come_back(Echo *e) {
    dropped++;
    if (e->left == 0) return;
    for (int i = 0; i < 3; i++) vec_push(&heard, echo(0));
    map_insert(Map(int, Echo), &by_number, e->left, echo(e->left - 1));
    assert_int_equal(e->text.len, strlen(str_c(&e->text)));
}

static void what_is_dropped_may_put_something_in_its_place(void **state) {
    (void)state;
    for (size_t n = 1; n < MOST; n += n < 9 ? 1 : 20)
        for (int how = 0; how < 6; how++) {
            for (size_t i = 0; i < n; i++) vec_push(&heard, echo(1));
            for (size_t i = 0; i < n; i++) map_insert(Map(int, Echo), &by_number, 100 + (int)i, echo(1));
            switch (how) {
                case 0: vec_clear(Vec(Echo), &heard); break;
                case 1: vec_truncate(Vec(Echo), &heard, n / 2); break;
                case 2: map_clear(Map(int, Echo), &by_number); break;
                case 3: map_delete(Map(int, Echo), &by_number, 100); break;
                case 4: map_insert(Map(int, Echo), &by_number, 100, echo(0)); break;
                default: set(Echo, &heard.ptr[0], echo(0));
            }
            assert_int_equal(dropped, made - (int)heard.len - (int)by_number.len);
            vec_each(e, &heard) assert_true(e->text.len > 30);
            map_each(e, &by_number) assert_true(e->value.text.len > 30);
            while (heard.len + by_number.len > 0) {
                drop(Vec(Echo), &heard);
                drop(Map(int, Echo), &by_number);
            }
            assert_int_equal(dropped, made);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vec_is_extended_by_any_part_of_itself),
        cmocka_unit_test(a_vec_in_an_arena_is_extended_by_itself),
        cmocka_unit_test(a_vec_appended_to_itself_stays_as_it_is),
        cmocka_unit_test(an_element_of_a_vec_is_pushed_and_inserted),
        cmocka_unit_test(the_value_may_move_the_vec_that_takes_it),
        cmocka_unit_test(the_value_may_move_what_is_set),
        cmocka_unit_test(a_str_takes_any_part_of_itself),
        cmocka_unit_test(a_str_formats_what_stands_in_it),
        cmocka_unit_test(a_str_becomes_what_was_made_of_it),
        cmocka_unit_test(a_map_is_asked_by_text_that_stands_in_it),
        cmocka_unit_test(what_is_dropped_may_put_something_in_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
