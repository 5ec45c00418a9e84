/* view.c - what can be asked of text without changing it, and UTF-8. */
#include <freehold/str.h>

#include "own/utf8.h"

#include <stdlib.h>
#include <string.h>

/* ---- UTF-8 ---- */

size_t fh_utf8_put(char out[4], uint32_t c) {
    if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) c = FH_UTF8_UNKNOWN;
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n - 1; i > 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(lead[n] | c);
    return n;
}

/* The length of the first character of n > 0 bytes, and *character; 1 and U+FFFD when it is not valid. *valid
 * tells. */
static size_t first_character(const char *text, size_t n, uint32_t *character, bool *valid) {
    const unsigned char *p = (const unsigned char *)text;
    *character = p[0];
    *valid = true;
    if (p[0] < 0x80) return 1;
    size_t length = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t c = p[0] & (0xffu >> (length + 1));
    bool good = p[0] >= 0xc2 && p[0] <= 0xf4 && length <= n;
    for (size_t i = 1; good && i < length; i++) {
        good = (p[i] & 0xc0) == 0x80;
        c = c << 6 | (p[i] & 0x3f);
    }
    if (good && c >= least[length] && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff)) {
        *character = c;
        return length;
    }
    *character = FH_UTF8_UNKNOWN;
    *valid = false;
    return 1;
}

bool fh_view_next_char(fh_str_view *text, uint32_t *character) {
    if (text->len == 0) return false;
    bool valid;
    size_t n = first_character(text->ptr, text->len, character, &valid);
    text->ptr += n;
    text->len -= n;
    return true;
}

bool fh_view_is_utf8(fh_str_view text) {
    bool valid = true;
    for (uint32_t c; text.len > 0 && valid;) {
        size_t n = first_character(text.ptr, text.len, &c, &valid);
        text = fh_view_n(text.ptr + n, text.len - n);
    }
    return valid;
}

size_t fh_view_chars(fh_str_view text) {
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) n += !fh_utf8_is_inside(text.ptr[i]);
    return n;
}

/* ---- comparing, finding ---- */

int fh_view_compare(fh_str_view a, fh_str_view b) {
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n == 0 ? 0 : memcmp(a.ptr, b.ptr, n);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

bool fh_view_starts(fh_str_view text, fh_str_view start) {
    return start.len <= text.len && fh_view_equal(fh_view_n(text.ptr, start.len), start);
}

bool fh_view_ends(fh_str_view text, fh_str_view end) {
    return end.len == 0 ||
           (end.len <= text.len && memcmp(text.ptr + text.len - end.len, end.ptr, end.len) == 0);
}

size_t fh_view_find(fh_str_view text, fh_str_view what) {
    if (what.len == 0) return 0;
    if (what.len > text.len) return FH_NOWHERE;
    const char *at = memmem(text.ptr, text.len, what.ptr, what.len);
    return at ? (size_t)(at - text.ptr) : FH_NOWHERE;
}

size_t fh_view_find_last(fh_str_view text, fh_str_view what) {
    if (what.len > text.len) return FH_NOWHERE;
    if (what.len == 0) return text.len;
    for (size_t at = text.len - what.len + 1; at-- > 0;)
        if (memcmp(text.ptr + at, what.ptr, what.len) == 0) return at;
    return FH_NOWHERE;
}

fh_str_view fh_view_part(fh_str_view text, size_t from, size_t to) {
    if (to > text.len) fh_own_out_of_range("str_part", to, text.len);
    if (from > to) fh_own_out_of_range("str_part", from, to);
    if (from < text.len && fh_utf8_is_inside(text.ptr[from]))
        fh_own_stop("str_part: byte %zu is inside a character", from);
    if (to < text.len && fh_utf8_is_inside(text.ptr[to]))
        fh_own_stop("str_part: byte %zu is inside a character", to);
    return text.len == 0 ? text : fh_view_n(text.ptr + from, to - from);
}

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

fh_str_view fh_view_trim(fh_str_view text) {
    while (text.len > 0 && is_space(text.ptr[0])) text = fh_view_n(text.ptr + 1, text.len - 1);
    while (text.len > 0 && is_space(text.ptr[text.len - 1])) text.len--;
    return text;
}

bool fh_view_next_split(fh_str_view *rest, fh_str_view separator, fh_str_view *piece) {
    if (rest->ptr == NULL) return false;
    size_t at = separator.len > 0 ? fh_view_find(*rest, separator) : FH_NOWHERE;
    if (at == FH_NOWHERE) {
        *piece = *rest;
        *rest = (fh_str_view){NULL, 0};
        return true;
    }
    *piece = fh_view_n(rest->ptr, at);
    *rest = fh_view_n(rest->ptr + at + separator.len, rest->len - at - separator.len);
    return true;
}

/* ---- numbers ---- */

bool fh_view_to_int(fh_str_view text, int64_t *out) {
    size_t i = text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+');
    bool minus = i == 1 && text.ptr[0] == '-';
    int64_t n = 0;
    if (i == text.len) return false;
    for (; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') return false;
        int digit = text.ptr[i] - '0';
        if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, minus ? -digit : digit, &n))
            return false;
    }
    *out = n;
    return true;
}

/* strtod needs a NUL behind the number, which a view has not; a number that is longer than this is none of a
 * double's. */
bool fh_view_to_double(fh_str_view text, double *out) {
    char copy[1100], *end;
    if (text.len == 0 || text.len >= sizeof copy || is_space(text.ptr[0])) return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = 0;
    double value = strtod(copy, &end);
    if (end != copy + text.len) return false;
    *out = value;
    return true;
}
