/* str.h - Str: a growing UTF-8 string; str_view: a view of text that someone else owns.
 *
 *     #include <freehold/str.h>
 *     #include <stdio.h>
 *
 *     int main(void) {
 *         fh_own(fh_str) s = fh_str_from("hello");
 *         fh_str_push(&s, ", world");
 *         fh_str_format(&s, " %d times", 3);
 *         puts(fh_str_c(&s));                                       // a C string at no cost
 *         fh_str_view word = fh_str_part(&s, 7, 12);                // no copy: a pointer and a length
 *         fh_str_each_split(piece, fh_view("a,b,c"), fh_view(",")) printf("%.*s\n", FH_PRINT(piece));
 *         return fh_view_equal(word, fh_view("world")) ? 0 : 1;
 *     }
 *
 *     fh_str        { char *ptr; size_t len, cap; }     three words; all zero is empty and holds no memory
 *                   ptr[len] == 0 while cap > 0;  len < cap or cap == 0
 *     fh_str_view   { const char *ptr; size_t len; }    by value; not ended by NUL
 *
 * Text is bytes. What these functions make of valid UTF-8 is valid UTF-8, as long as cuts are made on character
 * boundaries: functions that cut check that and stop the program otherwise, as in Rust. fh_view_is_utf8 tells
 * of text from outside. A view is good until the text it looks at changes or goes. Taking part of a Str or
 * passing it on copies nothing. No small-string form inside the struct: with a heap this close a short string
 * costs 2 ns, and ptr never depends on where the struct is, so Strs can be moved by memcpy and views outlive
 * the move.
 */
#ifndef FREEHOLD_STR_H
#define FREEHOLD_STR_H

#include <freehold/own.h>
#include <freehold/type.h>

#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fh_str {
    char *ptr;
    size_t len, cap;
} fh_str FH_NOTE("fh:str");

typedef struct fh_str_view {
    const char *ptr;
    size_t len;
} fh_str_view FH_NOTE("fh:view");

/* ---------------------------------------------------------------- views ------------------------------- */

/* fh_view("literal")      of a literal: the length is a constant
 * fh_view_of(c_string)    of a C string; NULL gives the empty view
 * fh_view_n(ptr, n)       of n bytes
 * fh_str_as_view(&s)      of a whole Str
 * FH_PRINT(view)          for printf("%.*s") */
#ifdef __cplusplus
#define fh_view(literal) fh_view_n("" literal, sizeof(literal) - 1)
#else
#define fh_view(literal) ((fh_str_view){"" literal, sizeof(literal) - 1})
#endif
#define FH_PRINT(view) (int)(view).len, (view).ptr ? (view).ptr : ""
FH_INLINE fh_str_view fh_view_n(const char *ptr, size_t n) {
    fh_str_view view = {ptr, n};
    return view;
}
FH_INLINE fh_str_view fh_view_of(const char *text) {
    return fh_view_n(text, text ? __builtin_strlen(text) : 0);
}
FH_INLINE fh_str_view fh_str_as_view(const fh_str *s) { return fh_view_n(s->ptr, s->len); }

FH_INLINE bool fh_view_equal(fh_str_view a, fh_str_view b) {
    return a.len == b.len && (a.len == 0 || __builtin_memcmp(a.ptr, b.ptr, a.len) == 0);
}
/* < 0, 0, > 0, bytewise: also the order of code points. */
FH_API int fh_view_compare(fh_str_view a, fh_str_view b);
FH_API bool fh_view_starts(fh_str_view text, fh_str_view start);
FH_API bool fh_view_ends(fh_str_view text, fh_str_view end);
/* The place of the first (last) occurrence, FH_NOWHERE when there is none. */
#define FH_NOWHERE SIZE_MAX
FH_API size_t fh_view_find(fh_str_view text, fh_str_view what);
FH_API size_t fh_view_find_last(fh_str_view text, fh_str_view what);
/* Bytes from .. to-1; out of range or inside a character stops the program. */
FH_API fh_str_view fh_view_part(fh_str_view text, size_t from, size_t to);
/* Without the ASCII white space at both ends. */
FH_API fh_str_view fh_view_trim(fh_str_view text);
FH_API bool fh_view_is_utf8(fh_str_view text);
/* How many characters (code points), for valid UTF-8. */
FH_API size_t fh_view_chars(fh_str_view text);
/* Takes the first character off *text: true and its code point (U+FFFD for a byte that is no UTF-8), or false
 * at the end. */
FH_API bool fh_view_next_char(fh_str_view *text, uint32_t *character);
/* Takes the text before the next `separator` off *rest: true and the piece, or false after the last one. The
 * text after the last separator is a piece too. `rest` starts as fh_view_to_split of the whole text; its ptr is
 * NULL after the last piece. */
FH_API bool fh_view_next_split(fh_str_view *rest, fh_str_view separator, fh_str_view *piece);
/* The text itself; an empty one always has an address, so that it is one empty piece. */
FH_INLINE fh_str_view fh_view_to_split(fh_str_view text) {
    return fh_view_n(text.ptr ? text.ptr : "", text.len);
}
/* The whole text as a number: true, or false when it is none (then *out is as it was). An integer that is out
 * of range is none; a double is what strtod reads, with the locale's decimal point, and inf when it is too
 * large. */
FH_API bool fh_view_to_int(fh_str_view text, int64_t *out);
FH_API bool fh_view_to_double(fh_str_view text, double *out);

/* fh_str_each_split(piece, text, separator) statement     for each piece between separators, piece being a view */
#define fh_str_each_split(piece, text, separator) FH_EACH_SPLIT(piece, text, separator, FH_UNIQUE(fh_rest_))
#define FH_EACH_SPLIT(piece, text, separator, rest) \
    for (fh_str_view rest = fh_view_to_split(text), piece; fh_view_next_split(&rest, separator, &piece);)
/* fh_str_each_char(c, text) statement                     for each character, c being a uint32_t */
#define fh_str_each_char(c, text) FH_EACH_CHAR(c, text, FH_UNIQUE(fh_rest_), FH_UNIQUE(fh_once_))
#define FH_EACH_CHAR(c, text, rest, once)                                     \
    for (fh_str_view rest = (text), *once = &rest; once != NULL; once = NULL) \
        for (uint32_t c; fh_view_next_char(&rest, &c);)

/* ---------------------------------------------------------------- strings ------------------------------ */

/* Out of memory is reported, then abort; the try_ forms return false, with ENOMEM, and leave s as it was. Text
 * that is added may be part of s itself. Places are bytes; one beyond the end, or inside a character, is
 * reported, then abort. A Str is for one thread at a time. Adding n bytes at the end is O(n) on the mean. */
#define FH_NEW_STR __attribute__((warn_unused_result))
FH_NEW_STR FH_INLINE fh_str fh_str_from_view(fh_str_view text);
FH_NEW_STR FH_INLINE fh_str fh_str_from(const char *text) { return fh_str_from_view(fh_view_of(text)); }
FH_API fh_str fh_str_with(size_t room) FH_NEW_STR; /* empty, with room for that many bytes */
FH_API fh_str fh_str_of(const char *format, ...)
    __attribute__((format(printf, 1, 2))) FH_NEW_STR; /* as printf would print it */
FH_API fh_str fh_str_clone(const fh_str *s) FH_NEW_STR;
FH_API bool fh_str_try_from(fh_str *out, fh_str_view text); /* *out must be empty */
FH_INLINE void fh_str_drop(fh_str *s);                      /* gives back the text; s is empty afterwards */

/* The text as a C string; "" for an empty Str. Good until s changes. */
FH_INLINE const char *fh_str_c(const fh_str *s) { return s->ptr ? s->ptr : ""; }
/* A part of s as a view, checked as fh_view_part is. */
FH_INLINE fh_str_view fh_str_part(const fh_str *s, size_t from, size_t to) {
    return fh_view_part(fh_str_as_view(s), from, to);
}

FH_API void fh_str_reserve(fh_str *s, size_t room); /* room for that many more bytes */
FH_API bool fh_str_try_reserve(fh_str *s, size_t room);
FH_API void fh_str_shrink(fh_str *s); /* gives back the room that is not used */
FH_API void fh_str_push_slow(fh_str *s, fh_str_view text) __attribute__((cold));
FH_API bool fh_str_try_push(fh_str *s, fh_str_view text);
FH_API void fh_str_push_char(fh_str *s, uint32_t character); /* as UTF-8; what is no code point as U+FFFD */
FH_API void fh_str_insert(fh_str *s, size_t at, fh_str_view text); /* before byte `at` <= len */
FH_API void fh_str_remove(fh_str *s, size_t from, size_t to);      /* bytes from .. to-1 */
FH_API void fh_str_truncate(fh_str *s, size_t len); /* keeps the memory; longer than s: nothing happens */
FH_INLINE void fh_str_clear(fh_str *s) { fh_str_truncate(s, 0); }
FH_API uint32_t fh_str_pop_char(
    fh_str *s); /* the last character (U+FFFD for a byte that is no UTF-8), which leaves s; 0 when s is empty */
/* All occurrences of `what`, replaced, as a new Str. */
FH_API fh_str fh_view_replace(fh_str_view text, fh_str_view what, fh_str_view with) FH_NEW_STR;
/* ASCII letters only; the rest of UTF-8 stays. */
FH_API void fh_str_to_lower(fh_str *s);
FH_API void fh_str_to_upper(fh_str *s);
/* printf into s, at the end; what is printed may be part of s. Returns the bytes added. */
FH_API size_t fh_str_format(fh_str *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
FH_API size_t fh_str_vformat(fh_str *s, const char *format, va_list args) __attribute__((format(printf, 2, 0)));

/* Text at the end: a copy and two stores when there is room. The fields are read once, before the bytes are
 * written: a char may alias them. */
FH_INLINE void fh_str_push_view(fh_str *s, fh_str_view text) {
    size_t len = s->len;
    if (FH_UNLIKELY(text.len >= s->cap - len)) {
        fh_str_push_slow(s, text);
        return;
    }
    char *to = s->ptr + len;
    s->len = len + text.len;
    if (text.len > 0) __builtin_memcpy(to, text.ptr, text.len); /* of nothing the address may be NULL */
    to[text.len] = 0;
}
/* A C string brings its NUL along: one store fewer. memmove, as text may be s itself. */
FH_INLINE void fh_str_push(fh_str *s, const char *text) {
    size_t len = s->len, more = text ? __builtin_strlen(text) : 0, end = len + more;
    if (FH_UNLIKELY(end >= s->cap)) {
        fh_str_push_slow(s, fh_view_n(text, more));
        return;
    }
    char *to = s->ptr + len;
    s->len = end;
    if (more > 0) __builtin_memmove(to, text, more + 1);
}

/* Up to here a string's block comes from the calling thread's bin, inlined, and goes back there. */
#define FH_STR_SHORT 128u
FH_API fh_str fh_str_from_slow(fh_str_view text) __attribute__((cold));
FH_API void fh_str_drop_slow(fh_str *s);

FH_INLINE fh_str fh_str_from_view(fh_str_view text) {
    if (FH_LIKELY(text.len < FH_STR_SHORT && text.len > 0)) {
        struct fh_bin *bin = &fh_bins[text.len / 16 + 1];
        void **top = bin->top;
        char *block = (char *)top[-1];
        if (FH_LIKELY(block != NULL)) {
            bin->top = top - 1;
            __builtin_memcpy(block, text.ptr, text.len);
            block[text.len] = 0;
            fh_str s = {block, text.len, (text.len / 16 + 1) * 16};
            return s;
        }
    }
    return fh_str_from_slow(text);
}

FH_INLINE void fh_str_drop(fh_str *s) {
    FH_DROPPED(s);
    if (s->cap == 0) return;
    if (FH_LIKELY(s->cap <= FH_STR_SHORT)) {
        struct fh_bin *bin = &fh_bins[(s->cap + 15) / 16];
        void **top = bin->top;
        if (FH_LIKELY(top != bin->end)) {
            *top = s->ptr;
            bin->top = top + 1;
            s->ptr = NULL;
            s->len = s->cap = 0;
            return;
        }
    }
    fh_str_drop_slow(s);
}

/* Are they the same bytes? */
FH_INLINE bool fh_str_equal(const fh_str *a, const fh_str *b) {
    return fh_view_equal(fh_str_as_view(a), fh_str_as_view(b));
}
/* Is it this C string? fh_str_is(&answer, "yes") */
FH_INLINE bool fh_str_is(const fh_str *s, const char *text) {
    return fh_view_equal(fh_str_as_view(s), fh_view_of(text));
}

#ifdef FH_CHECKED
/* The same functions, telling where they are called, and refusing a Str that was moved from. */
#define fh_str_push(s, text) (fh_str_push)(FH_USED(fh_str, s, "str_push(" #s ")"), text)
#define fh_str_push_view(s, ...) (fh_str_push_view)(FH_USED(fh_str, s, "str_push_view(" #s ")"), __VA_ARGS__)
#define fh_str_try_push(s, ...) (fh_str_try_push)(FH_USED(fh_str, s, "str_try_push(" #s ")"), __VA_ARGS__)
#define fh_str_push_char(s, c) (fh_str_push_char)(FH_USED(fh_str, s, "str_push_char(" #s ")"), c)
#define fh_str_insert(s, at, ...) (fh_str_insert)(FH_USED(fh_str, s, "str_insert(" #s ")"), at, __VA_ARGS__)
#define fh_str_remove(s, from, to) (fh_str_remove)(FH_USED(fh_str, s, "str_remove(" #s ")"), from, to)
#define fh_str_truncate(s, len) (fh_str_truncate)(FH_USED(fh_str, s, "str_truncate(" #s ")"), len)
#define fh_str_clear(s) (fh_str_clear)(FH_USED(fh_str, s, "str_clear(" #s ")"))
#define fh_str_pop_char(s) (fh_str_pop_char)(FH_USED(fh_str, s, "str_pop_char(" #s ")"))
#define fh_str_to_lower(s) (fh_str_to_lower)(FH_USED(fh_str, s, "str_to_lower(" #s ")"))
#define fh_str_to_upper(s) (fh_str_to_upper)(FH_USED(fh_str, s, "str_to_upper(" #s ")"))
#define fh_str_reserve(s, room) (fh_str_reserve)(FH_USED(fh_str, s, "str_reserve(" #s ")"), room)
#define fh_str_try_reserve(s, room) (fh_str_try_reserve)(FH_USED(fh_str, s, "str_try_reserve(" #s ")"), room)
#define fh_str_shrink(s) (fh_str_shrink)(FH_USED(fh_str, s, "str_shrink(" #s ")"))
#define fh_str_vformat(s, format, args) \
    (fh_str_vformat)(FH_USED(fh_str, s, "str_vformat(" #s ")"), format, args)
#define fh_str_format(s, ...) (fh_str_format)(FH_USED(fh_str, s, "str_format(" #s ")"), __VA_ARGS__)
#define fh_str_c(s) (fh_str_c)(FH_USED(const fh_str, s, "str_c(" #s ")"))
#define fh_str_as_view(s) (fh_str_as_view)(FH_USED(const fh_str, s, "str_as_view(" #s ")"))
#define fh_str_part(s, from, to) (fh_str_part)(FH_USED(const fh_str, s, "str_part(" #s ")"), from, to)
#define fh_str_equal(a, b) \
    (fh_str_equal)(FH_USED(const fh_str, a, "str_equal(" #a ")"), FH_USED(const fh_str, b, "str_equal(" #b ")"))
#define fh_view_part(text, from, to) (FH_AT("view_part(" #text ")"), (fh_view_part)(text, from, to))
#define fh_str_is(s, text) (fh_str_is)(FH_USED(const fh_str, s, "str_is(" #s ")"), text)
#define fh_str_from(text) (FH_AT("str_from(" #text ")"), (fh_str_from)(text))
#define fh_str_from_view(...) (FH_AT("str_from_view(" #__VA_ARGS__ ")"), (fh_str_from_view)(__VA_ARGS__))
#define fh_str_with(room) (FH_AT("str_with(" #room ")"), (fh_str_with)(room))
#define fh_str_of(...) (FH_AT("str_of(...)"), (fh_str_of)(__VA_ARGS__))
#endif

#ifdef __cplusplus
}
#endif

FH_OWNER(fh_str)
FH_OWNER_CLONE(fh_str)
FH_PLAIN(fh_str_view)

#endif
