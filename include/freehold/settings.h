/* freehold/settings.h - settings from within the program.
 *
 *     #include <freehold/settings.h>
 *     #include <stdio.h>
 *
 *     int main(void) {
 *         char text[32];
 *         if (fh_set("limit", "2G") != 0) return 1;            // the heap may hold 2 GiB at most from now on
 *         if (fh_get("limit", text, sizeof text) < 0) return 1;
 *         printf("limit is %s\n", text);                       // prints: limit is 2G
 *         return 0;
 *     }
 *
 * A process is configured by the environment variable FREEHOLD, a list of key=value with commas between, that
 * is read before the first allocation:
 *
 *     FREEHOLD="limit=2G,decay=1s" ./program
 *
 * These two functions set and read the same keys at run time. Sizes are a number with K, M, G or T (powers of
 * 1024) or nothing behind it; durations a number with ms, s or nothing (milliseconds); switches are on or off.
 * The keys, what they are for and their values are printed by `freehold run --help`.
 *
 * Both may be called from any thread at any time, and allocate nothing. Neither is for signal handlers.
 */
#ifndef FREEHOLD_SETTINGS_H
#define FREEHOLD_SETTINGS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef FH_API
#define FH_API __attribute__((visibility("default")))
#endif

/* Sets `key` to `value`, both strings. 0, or -1 and errno:
 *     EINVAL   there is no such key, or the value is not one of its kind (or is NULL)
 *     EBUSY    the key decides how the process starts (mode, count, report ...) and the process has started */
FH_API int fh_set(const char *key, const char *value);

/* Writes the value of `key`, in the spelling that fh_set takes, to buf[0 .. size-1], cut if need be and ended
 * by NUL (size 0: nothing is written). Returns the length of the whole value, or -1 and EINVAL: no such key. */
FH_API int fh_get(const char *key, char *buf, size_t size);

#ifdef __cplusplus
}
#endif
#endif
