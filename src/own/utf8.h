/* utf8.h - UTF-8, one character at a time (RFC 3629). */
#ifndef FH_OWN_UTF8_H
#define FH_OWN_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FH_UTF8_UNKNOWN = 0xfffd };

/* Whether a byte is the second or later of a character. */
static inline bool fh_utf8_is_inside(char byte) { return ((unsigned char)byte & 0xc0) == 0x80; }

/* The character's bytes to out; how many. What is no code point becomes U+FFFD. */
size_t fh_utf8_put(char out[4], uint32_t character);

#endif
