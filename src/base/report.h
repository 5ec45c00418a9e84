/* report.h - text to a person, written without allocating.
 *
 * Usable anywhere: inside malloc, in a signal handler, before main. Lines are put together in a buffer on the
 * stack and written with one write(2), so that lines of several threads do not mix. (A text of more than 500
 * characters takes several writes; it is never cut.)
 *
 * Format: the conversions  %s %c %d %i %u %x %p %%  with the lengths  l ll z, a width (a number or *), left
 * alignment (-), padding with zeros (0), and for %s a precision (a number or *). %H takes a size_t and prints
 * it for people: "640 B", "12.5 KiB", "3.2 MiB". A null %s is "(null)".
 *
 * The compiler's -Wformat cannot check these calls, because it does not know %H.
 */
#ifndef FH_BASE_REPORT_H
#define FH_BASE_REPORT_H

#include <stdarg.h>
#include <stddef.h>

/* Puts the formatted text into buf[0 .. size-1], always ended by NUL; returns the length that the whole text
 * has. With size 0 nothing is written and buf may be NULL. */
size_t fh_format(char *buf, size_t size, const char *format, ...);
size_t fh_vformat(char *buf, size_t size, const char *format, va_list args);

/* "freehold: " + text + newline, to stderr (descriptor 2). Keeps errno. */
void fh_say(const char *format, ...);

/* The same without prefix and newline, to any descriptor. Keeps errno. */
void fh_print(int fd, const char *format, ...);

/* Says the text, then ends the process with abort(). For misuse that was detected. */
_Noreturn void fh_fatal(const char *format, ...);

#endif
