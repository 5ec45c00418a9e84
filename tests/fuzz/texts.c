/* texts.c - Strs and views beside arrays of letters: see program.h. What a view is asked is asked of the
 * letters too, one after the other. */
#include "program.h"

#include <freehold/names.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LETTERS_MOST = 700 };

struct texts {
    Str all[2];
    char plain[2][LETTERS_MOST];
    size_t lens[2];
};

/* The text that a step is about, and its letters. */
struct line {
    Str *text;
    char *plain;
    size_t *len;
};

static struct texts threads[4];

static void *begin(unsigned number, bool alone) {
    (void)alone;
    struct texts *m = &threads[number];
    memset(m, 0, sizeof *m);
    return m;
}

static struct line line_of(struct texts *m, unsigned i) {
    return (struct line){&m->all[i], m->plain[i], &m->lens[i]};
}

static void verify_line(struct line l) {
    CHECK(l.text->len == *l.len && (l.text->cap == 0 || l.text->len < l.text->cap));
    CHECK(strlen(str_c(l.text)) == *l.len && memcmp(str_c(l.text), l.plain, *l.len) == 0);
}

static void verify(void *model) {
    for (unsigned i = 0; i < 2; i++) verify_line(line_of(model, i));
}

/* ---- letters ---- */

static const char *const pieces[] = {"",
                                     "a",
                                     " ",
                                     ",",
                                     "é",
                                     "€",
                                     "𝄞",
                                     "Zebra",
                                     "a,b,,c",
                                     "  \t\n",
                                     "naïve Ωmega",
                                     "12",
                                     "The quick brown fox jumps over it"};
enum { PIECES = sizeof pieces / sizeof *pieces };

static bool is_inside(char c) { return ((unsigned char)c & 0xc0) == 0x80; }

/* The next place at or before `at` where a character begins. */
static size_t begin_of(struct line l, size_t at) {
    while (at > 0 && at < *l.len && is_inside(l.plain[at])) at--;
    return at;
}

static void put_in(struct line l, size_t at, const char *what, size_t n) {
    char held[LETTERS_MOST];
    memcpy(held, what, n); /* it may be a part of the letters themselves */
    memmove(l.plain + at + n, l.plain + at, *l.len - at);
    memcpy(l.plain + at, held, n);
    *l.len += n;
}

static void take_out(struct line l, size_t from, size_t to) {
    memmove(l.plain + from, l.plain + to, *l.len - to);
    *l.len -= to - from;
}

/* The code point at `at`, of letters that are good UTF-8; *n: its bytes. */
static uint32_t char_at(const char *at, size_t *n) {
    unsigned char c = (unsigned char)*at;
    *n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    uint32_t value = *n == 1 ? c : c & (0x7fu >> *n);
    for (size_t i = 1; i < *n; i++) value = value << 6 | ((unsigned char)at[i] & 0x3f);
    return value;
}

static size_t find(struct line l, const char *what, size_t from) {
    size_t n = strlen(what);
    for (; from + n <= *l.len; from++)
        if (memcmp(l.plain + from, what, n) == 0) return from;
    return FH_NOWHERE;
}

/* ---- what changes the text ---- */

static bool has_room(struct line l, size_t more, bool may_fail) {
    if (*l.len + more >= LETTERS_MOST) return false;
    if (str_try_reserve(l.text, more)) return true;
    refused(may_fail, "room in a Str", more);
    return false;
}

static void add(struct line l, const struct step *s, bool may_fail) {
    const char *piece = pieces[s->value % PIECES];
    size_t n = strlen(piece), length;
    if (!has_room(l, n + 4, may_fail)) return;
    switch (s->slot / 2 % 4) {
        case 0:
            CHECK(str_try_push(l.text, view_of(piece)));
            put_in(l, *l.len, piece, n);
            break;
        case 1:
            str_push(l.text, piece);
            put_in(l, *l.len, piece, n);
            break;
        case 2:
            str_push_view(l.text, view_n(piece, n));
            put_in(l, *l.len, piece, n);
            break;
        default: {
            if (n == 0) return;
            uint32_t c = char_at(piece, &length);
            str_push_char(l.text, c);
            put_in(l, *l.len, piece, length);
        }
    }
}

static void insert(struct line l, const struct step *s, bool may_fail) {
    const char *piece = pieces[s->value % PIECES];
    size_t at = begin_of(l, s->value / 256 % (*l.len + 1));
    if (!has_room(l, strlen(piece), may_fail)) return;
    str_insert(l.text, at, view_of(piece));
    put_in(l, at, piece, strlen(piece));
}

/* A part of the text is put into the text itself, for which it is copied: room alone does not do. */
static void add_itself(struct line l, size_t from, size_t to, size_t at, bool may_fail) {
    if (may_fail || !has_room(l, to - from, false)) return;
    str_insert(l.text, at, str_part(l.text, from, to));
    put_in(l, at, l.plain + from, to - from);
}

static void remove_last(struct line l) {
    size_t at = *l.len, n = 0;
    while (at > 0 && is_inside(l.plain[--at])) continue;
    uint32_t c = str_pop_char(l.text);
    if (*l.len == 0) {
        CHECK(c == 0);
        return;
    }
    CHECK(c == char_at(l.plain + at, &n) && at + n == *l.len);
    *l.len = at;
}

static void change_case(struct line l, bool up) {
    if (up) str_to_upper(l.text);
    else str_to_lower(l.text);
    for (size_t i = 0; i < *l.len; i++) {
        char c = l.plain[i];
        if (up && c >= 'a' && c <= 'z') l.plain[i] = (char)(c - 32);
        if (!up && c >= 'A' && c <= 'Z') l.plain[i] = (char)(c + 32);
    }
}

static void format(struct line l, uint32_t value) {
    char room[LETTERS_MOST];
    int width = (int)(value % 300);
    if (*l.len + 320 > LETTERS_MOST) return;
    int n = snprintf(room, sizeof room, "%*u;", width, value);
    CHECK(str_format(l.text, "%*u;", width, value) == (size_t)n);
    put_in(l, *l.len, room, (size_t)n);
    own(Str) same = str_of("%*u;", width, value);
    CHECK(str_is(&same, room));
}

/* ---- what makes another ---- */

static void replace_all(struct line l, uint32_t value) {
    const char *what = pieces[1 + value % (PIECES - 1)], *with = pieces[value / 256 % 6];
    char plain[LETTERS_MOST * 3 + 1];
    size_t n = 0;
    for (size_t i = 0; i < *l.len;) {
        bool here = find(l, what, i) == i;
        const char *from = here ? with : l.plain + i;
        size_t more = here ? strlen(with) : 1;
        memcpy(plain + n, from, more);
        n += more;
        i += here ? strlen(what) : 1;
    }
    own(Str) other = view_replace(str_as_view(l.text), view_of(what), view_of(with));
    CHECK(other.len == n && memcmp(str_c(&other), plain, n) == 0);
}

static void copy(struct line l, uint32_t value) {
    own(Str) other = value & 1 ? str_clone(l.text) : str_from_view(str_as_view(l.text));
    CHECK(str_equal(&other, l.text) && other.len == *l.len);
    own(Str) roomy = str_with(value % 3000);
    size_t cap = roomy.cap;
    CHECK(roomy.len == 0 && cap > value % 3000);
    str_push(&roomy, str_c(l.text));
    CHECK(str_equal(&roomy, &other) && (roomy.cap == cap || *l.len > value % 3000));
    str_clear(&other);
    CHECK(other.len == 0 && str_is(&other, ""));
}

/* The texts themselves change places. */
static void swap_lines(struct texts *m) {
    char held[LETTERS_MOST];
    size_t n = m->lens[0];
    swap(&m->all[0], &m->all[1]);
    memcpy(held, m->plain[0], sizeof held);
    memcpy(m->plain[0], m->plain[1], sizeof held);
    memcpy(m->plain[1], held, sizeof held);
    m->lens[0] = m->lens[1];
    m->lens[1] = n;
}

/* ---- what only looks ---- */

static void search(struct line l, uint32_t value) {
    const char *what = pieces[value % PIECES];
    size_t n = strlen(what), last = FH_NOWHERE, first = find(l, what, 0);
    for (size_t at = first; at != FH_NOWHERE; at = find(l, what, at + 1)) last = at;
    StrView text = str_as_view(l.text);
    CHECK(view_find(text, view_of(what)) == first && view_find_last(text, view_of(what)) == last);
    CHECK(view_starts(text, view_of(what)) == (first == 0));
    CHECK(view_ends(text, view_of(what)) == (*l.len >= n && last == *l.len - n));
}

static void split(struct line l, uint32_t value) {
    const char *by = pieces[1 + value % 7];
    size_t at = 0, count = 0, end;
    str_each_split(piece, str_as_view(l.text), view_of(by)) {
        end = find(l, by, at);
        if (end == FH_NOWHERE) end = *l.len;
        CHECK(at <= *l.len && piece.len == end - at);
        CHECK(piece.len == 0 || memcmp(piece.ptr, l.plain + at, piece.len) == 0);
        at = end + strlen(by);
        count++;
    }
    CHECK(count > 0 && at == *l.len + strlen(by));
}

static void spell(struct line l) {
    size_t at = 0, n = 0, count = 0;
    str_each_char(c, str_as_view(l.text)) {
        CHECK(at < *l.len && c == char_at(l.plain + at, &n));
        at += n;
        count++;
    }
    CHECK(at == *l.len && view_chars(str_as_view(l.text)) == count && view_is_utf8(str_as_view(l.text)));
    if (*l.len > 0 && is_inside(l.plain[*l.len - 1])) CHECK(!view_is_utf8(view_n(str_c(l.text), *l.len - 1)));
}

static bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static void trim(struct line l) {
    size_t from = 0, to = *l.len;
    while (from < to && is_blank(l.plain[from])) from++;
    while (from < to && is_blank(l.plain[to - 1])) to--;
    StrView text = view_trim(str_as_view(l.text));
    CHECK(text.len == to - from && (text.len == 0 || memcmp(text.ptr, l.plain + from, text.len) == 0));
}

static int sign_of(int n) { return (n > 0) - (n < 0); }

static void compare(struct line l, struct line other) {
    size_t shorter = *l.len < *other.len ? *l.len : *other.len;
    int order = sign_of(memcmp(l.plain, other.plain, shorter));
    if (order == 0) order = (*l.len > *other.len) - (*l.len < *other.len);
    CHECK(sign_of(view_compare(str_as_view(l.text), str_as_view(other.text))) == order);
    CHECK(str_equal(l.text, other.text) == (order == 0));
    CHECK(view_equal(str_as_view(l.text), str_as_view(other.text)) == (order == 0));
}

static void numbers(uint32_t value) {
    char room[80];
    int64_t n = (int64_t)(((uint64_t)value << 32 | value * 2654435761u) >> value % 64), out = 77;
    if (value & 64) n = -n;
    snprintf(room, sizeof room, "%lld", (long long)n);
    CHECK(view_to_int(view_of(room), &out) && out == n);
    snprintf(room, sizeof room, "%lld%c", (long long)n, "x .,"[value % 4]);
    out = 77;
    CHECK(!view_to_int(view_of(room), &out) && out == 77);
    snprintf(room, sizeof room, "%lld%020u", (long long)n, value);
    if (n != 0) CHECK(!view_to_int(view_of(room), &out) && out == 77);
    double d = (double)n / 256, back = 0;
    snprintf(room, sizeof room, "%.17g", d);
    CHECK(view_to_double(view_of(room), &back) && (back > d) + (back < d) == 0);
    CHECK(!view_to_double(view("1.5 apples"), &back) && !view_to_double(view(""), &back));
}

static void look(struct texts *m, struct line l, const struct step *s) {
    switch (s->slot / 2 % 8) {
        case 0: search(l, s->value); break;
        case 1: split(l, s->value); break;
        case 2: spell(l); break;
        case 3: trim(l); break;
        case 4: compare(l, line_of(m, 1 - s->slot % 2)); break;
        case 5: numbers(s->value); break;
        default: verify_line(l);
    }
}

static void step(void *model, const struct step *s, bool may_fail) {
    struct texts *m = model;
    struct line l = line_of(m, s->slot % 2);
    size_t from = begin_of(l, s->value % (*l.len + 1)),
           to = begin_of(l, from + s->value / 256 % (*l.len - from + 1));
    if (to < from) to = from;
    switch (s->what % 16) {
        case 3: insert(l, s, may_fail); break;
        case 4: add_itself(l, from, to, begin_of(l, s->value / 65536 % (*l.len + 1)), may_fail); break;
        case 5:
            str_remove(l.text, from, to);
            take_out(l, from, to);
            break;
        case 6:
            str_truncate(l.text, from);
            *l.len = from;
            break;
        case 7: remove_last(l); break;
        case 8: change_case(l, s->slot & 2); break;
        case 9:
            if (!may_fail) format(l, s->value);
            break;
        case 10:
            if (!may_fail) replace_all(l, s->value);
            break;
        case 11:
            if (!may_fail) copy(l, s->value);
            break;
        case 12:
            if (s->value & 1) str_shrink(l.text);
            else swap_lines(m);
            break;
        case 13:
        case 14:
        case 15: look(m, l, s); break;
        default: add(l, s, may_fail);
    }
    verify_line(l);
}

static void end(void *model) {
    struct texts *m = model;
    verify(m);
    for (unsigned i = 0; i < 2; i++) drop(Str, &m->all[i]);
}

const struct part texts = {begin, step, verify, end};
