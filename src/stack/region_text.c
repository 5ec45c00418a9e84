/* region_text.c - strings and formatted text on a region.
 *
 * Formatted text is written where it will stand, in one pass: into the free part above the top, which is
 * claimed afterwards. Only when it is longer than what may be used at once, or pushes are checked, is it made
 * twice.
 */
#include <freehold/frame.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

char *fh_push_strn(const char *text, size_t n) {
    if (text == NULL) {
        errno = EINVAL;
        return NULL;
    }
    size_t length = strnlen(text, n);
    char *copy = fh_push_bytes(length + 1);
    if (copy == NULL) return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *fh_push_str(const char *text) { return fh_push_strn(text, PTRDIFF_MAX); }

char *fh_push_vformat(const char *format, va_list args) {
    if (format == NULL) {
        errno = EINVAL;
        return NULL;
    }
    char *top = *fh_top_(fh_frames.frame);
    size_t room = top < fh_frames.limit ? (size_t)(fh_frames.limit - 1 - top) : 0;
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(room ? top : NULL, room, format, args);
    char *text = NULL;
    if (length >= 0) text = fh_push_bytes((size_t)length + 1);
    if (text != NULL && (text != top || (size_t)length >= room))
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

char *fh_push_format(const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *text = fh_push_vformat(format, args);
    va_end(args);
    return text;
}
