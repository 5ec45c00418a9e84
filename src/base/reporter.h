/* reporter.h - one report of a mistake at a time: where it is put together, and where it goes.
 *
 *     enter ──> put, put_json ... ──> buffer ──(write)──> stderr, or the file of error_file=PATH ──> leave
 *
 * Reports come from threads that may all be wrong at once, from signal handlers, and from code that has just
 * damaged its memory. So nothing is allocated, each waits until the one before is told, and what a reporter
 * itself meets on its way is not told: the first mistake is. Whoever has entered owns the buffer.
 */
#ifndef FH_BASE_REPORTER_H
#define FH_BASE_REPORTER_H

#include <stdbool.h>

/* Waits for its turn. False: this thread is writing a report already, and met another mistake on its way. */
bool fh_reporter_enter(void);
void fh_reporter_leave(void);

/* Formats (report.h) to the end of the buffer. What finds no room goes in once the rest is written out; it is
 * cut only where it fills all of it. */
void fh_reporter_put(const char *format, ...);

/* The text as a string of JSON, in its quotes. */
void fh_reporter_put_json(const char *text);

/* Writes what is in the buffer, with one call where it fits. */
void fh_reporter_write(void);

#endif
