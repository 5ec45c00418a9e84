/* test_text.c - where text may be cut, characters at the edges, letters, what is found where. */
#include <freehold/names.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- letters ---- */

static void only_the_letters_of_ascii_change_case(void **state) {
    (void)state;
    own(Str) lower = {0};
    own(Str) upper = {0};
    str_to_lower(&lower), str_to_upper(&upper);
    assert_null(lower.ptr);
    for (int c = 1; c < 256; c++) {
        str_push_view(&lower, view_n((char[]){(char)c}, 1));
        str_push_view(&upper, view_n((char[]){(char)c}, 1));
    }
    str_to_lower(&lower), str_to_upper(&upper);
    for (int c = 1; c < 256; c++) {
        char down = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c),
             up = (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
        assert_int_equal(lower.ptr[c - 1], down);
        assert_int_equal(upper.ptr[c - 1], up);
    }
    assert_int_equal(lower.ptr[255], 0);
}

/* ---- characters ---- */

static const char mixed[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z"; /* 1, 2, 3, 4 and 1 bytes */
enum { MIXED = sizeof mixed - 1 };

static bool is_border(size_t at) { return at == 0 || at == 1 || at == 3 || at == 6 || at == 10 || at == MIXED; }

static void text_is_cut_on_every_border(void **state) {
    (void)state;
    for (size_t from = 0; from <= MIXED; from++)
        for (size_t to = from; to <= MIXED; to++) {
            if (!is_border(from) || !is_border(to)) continue;
            own(Str) s = str_from(mixed);
            str_remove(&s, from, to);
            assert_int_equal(s.len, MIXED - (to - from));
            assert_true(memcmp(s.ptr, mixed, from) == 0 && strcmp(s.ptr + from, mixed + to) == 0);
            str_insert(&s, from, view_n(mixed + from, to - from));
            assert_string_equal(str_c(&s), mixed);
            assert_true(view_equal(str_part(&s, from, to), view_n(mixed + from, to - from)));
            str_truncate(&s, to);
            assert_true(s.len == to && s.ptr[to] == 0 && memcmp(s.ptr, mixed, to) == 0);
            str_truncate(&s, to + 1);
            assert_int_equal(s.len, to);
        }
}

static void characters_come_off_the_end_one_by_one(void **state) {
    (void)state;
    own(Str) s = str_from(mixed);
    static const uint32_t characters[] = {'z', 0x1f600, 0x20ac, 0xe9, 'a', 0, 0};
    static const size_t lengths[] = {10, 6, 3, 1, 0, 0, 0};
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(str_pop_char(&s), characters[i]);
        assert_true(s.len == lengths[i] && strlen(str_c(&s)) == s.len);
    }
    own(Str) none = {0};
    assert_int_equal(str_pop_char(&none), 0);
    /* What is no UTF-8 comes off byte by byte, and what stands before it is not touched. */
    const char *broken[] = {"a\x80",
                            "a\x80\x80\x80\x80\x80",
                            "\xc3\xa9\xa9",
                            "\x80",
                            "\x80\x80\x80\x80",
                            "\xf0\x9f\x98\x80\x80",
                            "a\xe2\x82",
                            "\xff",
                            "a\xf0\x9f\x98"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        own(Str) text = str_from(broken[i]);
        size_t len = text.len;
        assert_int_equal(str_pop_char(&text), 0xfffd);
        assert_true(text.len == len - 1 && memcmp(text.ptr, broken[i], len - 1) == 0 && text.ptr[len - 1] == 0);
    }
}

static void replacing_leaves_all_else(void **state) {
    (void)state;
    static const char *const cases[][4] = {{"a-b--c", "-", "+=", "a+=b+=+=c"},
                                           {"", "x", "y", ""},
                                           {"xxxx", "xx", "x", "xx"},
                                           {"abc", "", "y", "abc"},
                                           {"abc", "abc", "", ""},
                                           {"abc", "abcd", "y", "abc"},
                                           {"aXbX", "X", "", "ab"},
                                           {"ab", "b", "b", "ab"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        own(Str) out = view_replace(view_of(cases[i][0]), view_of(cases[i][1]), view_of(cases[i][2]));
        assert_string_equal(str_c(&out), cases[i][3]);
    }
}

static void a_value_with_commas_needs_no_parentheses(void **state) {
    (void)state;
    own(Str) s = {0};
    own(Vec(StrView)) views = {0};
    const char text[] = "abcdef";
    str_push_view(&s, (StrView){text, 2});
    assert_true(str_try_push(&s, (StrView){text, 1}));
    str_insert(&s, 0, (StrView){text + 5, 1});
    assert_string_equal(str_c(&s), "faba");
    set(Str, &s, str_from_view((StrView){text, 3}));
    assert_string_equal(str_c(&s), "abc");
    vec_push(&views, (StrView){text, 1});
    assert_true(vec_try_push(&views, (StrView){text, 2}));
    vec_insert(&views, 0, (StrView){text, 3});
    StrView old = replace(views.ptr[1], (StrView){text, 4});
    assert_true(views.ptr[0].len == 3 && views.ptr[1].len == 4 && views.ptr[2].len == 2 && old.len == 1);
}

static void a_str_is_the_same_text_as_a_c_string(void **state) {
    (void)state;
    own(Str) s = str_from("yes"), empty = {0};
    assert_true(str_is(&s, "yes"));
    assert_false(str_is(&s, "ye"));
    assert_false(str_is(&s, "yes!"));
    assert_false(str_is(&s, "yet"));
    assert_true(str_is(&empty, ""));
    assert_false(str_is(&empty, "yes"));
}

static void text_is_found_from_the_end(void **state) {
    (void)state;
    assert_int_equal(view_find_last(view("a-b-c"), view("-")), 3);
    assert_int_equal(view_find_last(view("-abc"), view("-a")), 0);
    assert_int_equal(view_find_last(view("abc"), view("d")), FH_NOWHERE);
    assert_int_equal(view_find_last(view("abc"), view("abcd")), FH_NOWHERE);
    assert_int_equal(view_find_last(view("abc"), view("")), 3);
}

/* Each pair of these, the empty ones with and without a pointer too, compared in every way. */
static void views_compare_as_their_bytes(void **state) {
    (void)state;
    const StrView all[] = {{NULL, 0}, {"", 0},   {"a", 1}, {"ab", 2},  {"abc", 3},
                           {"b", 1},  {"bc", 2}, {"c", 1}, {"\xff", 1}};
    enum { ALL = sizeof all / sizeof *all };
    for (size_t i = 0; i < ALL; i++)
        for (size_t j = 0; j < ALL; j++) {
            size_t n = all[i].len < all[j].len ? all[i].len : all[j].len, at = 0;
            while (at < n && all[i].ptr[at] == all[j].ptr[at]) at++;
            int order = at < n ? (unsigned char)all[i].ptr[at] - (unsigned char)all[j].ptr[at]
                               : (int)all[i].len - (int)all[j].len;
            int said = view_compare(all[i], all[j]);
            assert_true((said < 0) == (order < 0) && (said > 0) == (order > 0));
            assert_int_equal(view_equal(all[i], all[j]), order == 0);
            assert_int_equal(view_starts(all[i], all[j]), at == all[j].len);
            bool ends =
                all[j].len <= all[i].len &&
                view_equal(all[j], view_n(all[i].len ? all[i].ptr + all[i].len - all[j].len : "", all[j].len));
            assert_int_equal(view_ends(all[i], all[j]), ends);
        }
    assert_int_equal(view_part(all[0], 0, 0).len, 0);
}

static void only_white_space_of_ascii_is_trimmed(void **state) {
    (void)state;
    for (int c = 1; c < 256; c++) {
        const char text[] = {(char)c, (char)c, 'x', (char)c, 'y', (char)c};
        bool space = c < 128 && strchr(" \t\n\v\f\r", c) != NULL;
        assert_int_equal(view_trim(view_n(text, 6)).len, space ? 3 : 6);
        assert_int_equal(view_trim(view_n(text, 2)).len, space ? 0 : 2);
    }
}

static void text_is_a_number_or_it_is_not(void **state) {
    (void)state;
    static const char *const ints[] = {"0", "-0", "+7", "007", "9223372036854775807", "-9223372036854775808"};
    static const int64_t values[] = {0, 0, 7, 7, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) {
        int64_t n = 99;
        assert_true(view_to_int(view_of(ints[i]), &n) && n == values[i]);
    }
    static const char *const none[] = {"",
                                       "-",
                                       "+",
                                       "+-1",
                                       "1 ",
                                       " 1",
                                       "1a",
                                       "a",
                                       "1/",
                                       "1:",
                                       "9223372036854775808",
                                       "-9223372036854775809",
                                       "99999999999999999999"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        int64_t n = 99;
        assert_false(view_to_int(view_of(none[i]), &n));
        assert_int_equal(n, 99);
    }
    double d = 99;
    assert_true(view_to_double(view_n("1.5e3junk", 5), &d) && d == 1500);
    static const char *const no_double[] = {"", " 1", "\t1", "1 ", "one", "1.5.", "-"};
    for (size_t i = 0; i < sizeof no_double / sizeof *no_double; i++)
        assert_false(view_to_double(view_of(no_double[i]), &d));
    static char digits[1200];
    memset(digits, '0', sizeof digits);
    assert_true(view_to_double(view_n(digits, 1099), &d) && d == 0);
    assert_false(view_to_double(view_n(digits, 1100), &d));
}

/* One empty piece, wherever the emptiness comes from. */
static void an_empty_text_is_one_piece(void **state) {
    (void)state;
    own(Str) never = {0}, emptied = str_from("text");
    str_clear(&emptied);
    const StrView texts[] = {str_as_view(&never), str_as_view(&emptied), view(""), view_of(NULL)};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int pieces = 0;
        str_each_split(piece, texts[i], view(",")) pieces += piece.len == 0 ? 1 : 100;
        assert_int_equal(pieces, 1);
    }
}

static void a_text_is_split_at_each_separator(void **state) {
    (void)state;
    static const struct {
        const char *text, *separator, *joined;
    } cases[] = {{"a,b,,c", ",", "a|b||c|"},
                 {"", ",", "|"},
                 {",", ",", "||"},
                 {"abc", "", "abc|"},
                 {"a--b", "--", "a|b|"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        own(Str) joined = {0};
        str_each_split(piece, view_of(cases[i].text), view_of(cases[i].separator))
            str_format(&joined, "%.*s|", FH_PRINT(piece));
        assert_string_equal(str_c(&joined), cases[i].joined);
    }
}

/* ---- nothing, and what is none ---- */

static void nothing_is_found_inserted_and_dropped(void **state) {
    (void)state;
    assert_int_equal(view_find(view("text"), view("")), 0);
    assert_int_equal(view_find(view(""), view("")), 0);
    own(Str) s = {0};
    str_insert(&s, 0, view("into an empty one"));
    str_push_view(&s, (StrView){0}); /* without a step that UBSan complains of */
    assert_string_equal(str_c(&s), "into an empty one");
    drop(Str, &s);
    fh_str_drop_slow(&s); /* as a drop does that sees no bin for it */
    assert_null(s.ptr);
}

static void what_is_no_character_becomes_the_sign_for_one(void **state) {
    (void)state;
    static const uint32_t none[] = {0x110000, 0xffffffff, 0xd800, 0xdfff};
    static const uint32_t some[] = {0xd7ff, 0xe000, 0x10ffff};
    for (size_t i = 0; i < 4; i++) {
        own(Str) s = {0};
        str_push_char(&s, none[i]);
        assert_string_equal(str_c(&s), "\xef\xbf\xbd");
    }
    for (size_t i = 0; i < 3; i++) {
        own(Str) s = {0};
        str_push_char(&s, some[i]);
        assert_int_equal(str_pop_char(&s), some[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_str_is_the_same_text_as_a_c_string),
        cmocka_unit_test(only_the_letters_of_ascii_change_case),
        cmocka_unit_test(text_is_cut_on_every_border),
        cmocka_unit_test(characters_come_off_the_end_one_by_one),
        cmocka_unit_test(replacing_leaves_all_else),
        cmocka_unit_test(a_value_with_commas_needs_no_parentheses),
        cmocka_unit_test(text_is_found_from_the_end),
        cmocka_unit_test(views_compare_as_their_bytes),
        cmocka_unit_test(only_white_space_of_ascii_is_trimmed),
        cmocka_unit_test(text_is_a_number_or_it_is_not),
        cmocka_unit_test(an_empty_text_is_one_piece),
        cmocka_unit_test(a_text_is_split_at_each_separator),
        cmocka_unit_test(nothing_is_found_inserted_and_dropped),
        cmocka_unit_test(what_is_no_character_becomes_the_sign_for_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
