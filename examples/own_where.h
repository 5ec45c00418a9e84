/* own_where.h - for the seeds' programs: tells of an address whether it is on the stack, in the program itself,
 * or on the heap. own_where.rs does the same in Rust. */
#ifndef OWN_WHERE_H
#define OWN_WHERE_H

#include <stdint.h>
#include <stdio.h>

/* The linker's names for the beginning and the end of the program's code and data. */
extern char __executable_start, end;

static __attribute__((noinline)) const char *where_is(const void *p) {
    char here; /* a local of this function: the stack is around it */
    uintptr_t at = (uintptr_t)p, now = (uintptr_t)&here;
    if (at >= now && at - now < 8u << 20) return "on the stack";
    if (at >= (uintptr_t)&__executable_start && at < (uintptr_t)&end) return "in the program's data";
    return "on the heap";
}

static inline void show(const char *what, const void *p) { printf("%-24s at %p, %s\n", what, p, where_is(p)); }

#endif
