/* filters.c - hears when the program is about to set up a seccomp filter.
 *
 * At the end of a process questions are asked of the system, which a filter of the program's may forbid under
 * pain of death; and to ask whether there is one takes a system call as well. But who sets up a filter calls
 * prctl first: to give up new privileges, or for the filter itself. So prctl is ours, which only listens.
 *
 * Only in the shared library: a program that is linked statically has its prctl already.
 */
#include <freehold/heap.h>

#include "os/os_record.h"

#include <stdarg.h>

FH_API int prctl(int option, ...);

int prctl(int option, ...) {
    unsigned long arguments[4];
    va_list list;
    va_start(list, option);
    for (int i = 0; i < 4; i++)
        arguments[i] = va_arg(list, unsigned long); /* as many as there may be, as libc does */
    va_end(list);
    return fh_os_prctl(option, arguments);
}
