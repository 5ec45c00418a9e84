/* tool.h - what the subcommands of `freehold` have in common: exit statuses, messages, memory that is there or
 * the command ends.
 *
 *     status   meaning                                           as
 *     2        the command line is wrong                         most tools
 *     125      freehold itself failed; the program did not run   env, timeout
 *     126      the program is there but cannot be run            shells, env
 *     127      there is no such program                          shells, env
 *     other    the program's own
 */
#ifndef FH_TOOL_TOOL_H
#define FH_TOOL_TOOL_H

#include <stddef.h>

enum { FH_EXIT_USAGE = 2, FH_EXIT_OWN = 125, FH_EXIT_CANNOT_RUN = 126, FH_EXIT_NOT_FOUND = 127 };

/* "freehold: " + text + newline to stderr. */
void fh_tool_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, then exit with this status. */
_Noreturn void fh_tool_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Zeroed memory, and memory of a new size. Never NULL: without memory the command ends with FH_EXIT_OWN. */
void *fh_tool_new(size_t n, size_t size);
void *fh_tool_resize(void *p, size_t n, size_t size);

/* A new string as printf would make it. */
char *fh_tool_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The subcommands: arguments as main gets them, argv[0] being the subcommand's name. Return the exit status. */
int fh_run_command(int argc, char **argv);

#endif
