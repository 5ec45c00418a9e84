/* str.c - Str: growth, insertion, formatting. What only looks at text is in view.c.
 *
 * Room for the NUL is always counted in: cap is what was asked of the heap, and len < cap whenever cap > 0.
 */
#include <freehold/str.h>

#include "own/buffer.h"
#include "own/checked.h"
#include "own/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { LEAST = 16, BRIEF = 256 };

static size_t capacity(const fh_str *s, size_t least) {
    if (fh_buffer_is_tight(least)) return least;
    size_t cap = s->cap * 2;
    if (cap < least) cap = least;
    return fh_good_size(cap < LEAST ? LEAST : cap);
}

/* Room for `room` more bytes and the NUL. */
static bool make_room(fh_str *s, size_t room) {
    if (room < s->cap - s->len)
        return true; /* cap 0 and len 0: the difference is 0, so this fails as it must */
    if (room >= PTRDIFF_MAX - s->len) {
        errno = ENOMEM;
        return false;
    }
    size_t cap = capacity(s, s->len + room + 1);
    char *ptr = fh_buffer_resize(s->ptr, s->cap, cap, 1, "Str");
    if (ptr == NULL) return false;
    s->ptr = ptr;
    s->cap = cap;
    s->ptr[s->len] = 0;
    return true;
}

static void need_room(fh_str *s, size_t room) {
    if (FH_LIKELY(make_room(s, room))) return;
    fh_own_no_memory("Str", room >= PTRDIFF_MAX - s->len ? room : s->len + room);
}

bool fh_str_try_reserve(fh_str *s, size_t room) {
    FH_ENTER;
    return make_room(s, room);
}

void fh_str_reserve(fh_str *s, size_t room) {
    FH_ENTER;
    need_room(s, room);
}

fh_str fh_str_with(size_t room) {
    FH_ENTER;
    fh_str s = {0};
    need_room(&s, room);
    return s;
}

static bool fill(fh_str *out, fh_str_view text) {
    if (text.len == 0) return true;
    if (!make_room(out, text.len)) return false;
    memcpy(out->ptr, text.ptr, text.len);
    out->len = text.len;
    out->ptr[out->len] = 0;
    return true;
}

bool fh_str_try_from(fh_str *out, fh_str_view text) {
    FH_ENTER;
    return fill(out, text);
}

fh_str fh_str_from_slow(fh_str_view text) {
    FH_ENTER;
    fh_str s = {0};
    if (!fill(&s, text)) fh_own_no_memory("Str", text.len);
    return s;
}

fh_str fh_str_clone(const fh_str *s) { return fh_str_from_view(fh_view_n(s->ptr, s->len)); }

void fh_str_drop_slow(fh_str *s) {
    FH_ENTER;
    if (s->cap > 0) fh_buffer_free(s->ptr, s->cap, 1);
    *s = (fh_str){0};
}

/* Where text stands in s itself it moves with it. */
static bool push(fh_str *s, fh_str_view text) {
    size_t inside = s->cap > 0 ? (uintptr_t)text.ptr - (uintptr_t)s->ptr : SIZE_MAX;
    if (!make_room(s, text.len)) return false;
    if (text.len == 0) return true;
    memmove(s->ptr + s->len, inside < s->len ? s->ptr + inside : text.ptr, text.len);
    s->len += text.len;
    s->ptr[s->len] = 0;
    return true;
}

bool fh_str_try_push(fh_str *s, fh_str_view text) {
    FH_ENTER;
    return push(s, text);
}

void fh_str_push_slow(fh_str *s, fh_str_view text) {
    FH_ENTER;
    if (text.len == 0) return;
    if (!push(s, text)) fh_own_no_memory("Str", s->len + text.len);
}

void fh_str_push_char(fh_str *s, uint32_t character) {
    char bytes[4];
    size_t n = fh_utf8_put(bytes, character);
    fh_str_push_view(s, fh_view_n(bytes, n));
}

static void check_cut(const fh_str *s, size_t at, const char *what) {
    if (at > s->len) fh_own_out_of_range(what, at, s->len);
    if (at < s->len && fh_utf8_is_inside(s->ptr[at]))
        fh_own_stop("%s: byte %zu is inside a character", what, at);
}

void fh_str_insert(fh_str *s, size_t at, fh_str_view text) {
    check_cut(s, at, "str_insert");
    if (text.len == 0) return;
    size_t inside = s->cap > 0 ? (uintptr_t)text.ptr - (uintptr_t)s->ptr : SIZE_MAX;
    if (inside < s->len) { /* a part of itself: the gap would tear it */
        fh_str copy = fh_str_from_view(text);
        fh_str_insert(s, at, fh_view_n(copy.ptr, copy.len));
        fh_str_drop(&copy);
        return;
    }
    FH_ENTER;
    need_room(s, text.len);
    memmove(s->ptr + at + text.len, s->ptr + at, s->len - at + 1);
    memcpy(s->ptr + at, text.ptr, text.len);
    s->len += text.len;
}

void fh_str_remove(fh_str *s, size_t from, size_t to) {
    check_cut(s, to, "str_remove");
    if (from > to) fh_own_out_of_range("str_remove", from, to);
    check_cut(s, from, "str_remove");
    if (from == to) return;
    memmove(s->ptr + from, s->ptr + to, s->len - to + 1);
    s->len -= to - from;
}

void fh_str_truncate(fh_str *s, size_t len) {
    if (len >= s->len) return;
    check_cut(s, len, "str_truncate");
    s->len = len;
    s->ptr[len] = 0;
}

uint32_t fh_str_pop_char(fh_str *s) {
    if (s->len == 0) return 0;
    size_t at = s->len - 1;
    while (at > 0 && s->len - at < 4 && fh_utf8_is_inside(s->ptr[at])) at--;
    uint32_t character;
    fh_str_view last = fh_view_n(s->ptr + at, s->len - at);
    fh_view_next_char(&last, &character);
    if (last.len > 0) { /* the last byte belongs to no character */
        character = FH_UTF8_UNKNOWN;
        at = s->len - 1;
    }
    s->len = at;
    s->ptr[at] = 0;
    return character;
}

void fh_str_shrink(fh_str *s) {
    FH_ENTER;
    if (s->cap == 0) return;
    if (s->len == 0) {
        fh_str_drop(s);
        return;
    }
    char *ptr = fh_buffer_resize(s->ptr, s->cap, s->len + 1, 1, "Str");
    if (ptr == NULL) return;
    s->ptr = ptr;
    s->cap = s->len + 1;
}

void fh_str_to_lower(fh_str *s) {
    for (size_t i = 0; i < s->len; i++)
        if (s->ptr[i] >= 'A' && s->ptr[i] <= 'Z') s->ptr[i] = (char)(s->ptr[i] + 32);
}
void fh_str_to_upper(fh_str *s) {
    for (size_t i = 0; i < s->len; i++)
        if (s->ptr[i] >= 'a' && s->ptr[i] <= 'z') s->ptr[i] = (char)(s->ptr[i] - 32);
}

fh_str fh_view_replace(fh_str_view text, fh_str_view what, fh_str_view with) {
    fh_str out = {0};
    size_t at;
    while (what.len > 0 && (at = fh_view_find(text, what)) != FH_NOWHERE) {
        fh_str_push_view(&out, fh_view_n(text.ptr, at));
        fh_str_push_view(&out, with);
        text = fh_view_n(text.ptr + at + what.len, text.len - at - what.len);
    }
    fh_str_push_view(&out, text);
    return out;
}

/* ---- formatting: never into s itself, as the arguments may be parts of it ---- */

static void add_long(fh_str *s, size_t n, const char *format, va_list args) {
    fh_str text = {0};
    need_room(&text, n);
    vsnprintf(text.ptr, n + 1, format, args);
    text.len = n;
    if (s->cap == 0) {
        *s = text;
        return;
    }
    if (!push(s, fh_view_n(text.ptr, n))) fh_own_no_memory("Str", s->len + n);
    fh_buffer_free(text.ptr, text.cap, 1);
}

static size_t add_format(fh_str *s, const char *format, va_list args) {
    char text[BRIEF];
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(text, sizeof text, format, args);
    if (n < 0) fh_own_stop("str_format: the format \"%s\" failed", format);
    if ((size_t)n >= sizeof text) add_long(s, (size_t)n, format, again);
    else if (n > 0 && !push(s, fh_view_n(text, (size_t)n))) fh_own_no_memory("Str", s->len + (size_t)n);
    va_end(again);
    return (size_t)n;
}

size_t fh_str_vformat(fh_str *s, const char *format, va_list args) {
    FH_ENTER;
    return add_format(s, format, args);
}

size_t fh_str_format(fh_str *s, const char *format, ...) {
    FH_ENTER;
    va_list args;
    va_start(args, format);
    size_t n = add_format(s, format, args);
    va_end(args);
    return n;
}

fh_str fh_str_of(const char *format, ...) {
    fh_str s = {0};
    va_list args;
    va_start(args, format);
    FH_ENTER;
    add_format(&s, format, args);
    va_end(args);
    return s;
}
