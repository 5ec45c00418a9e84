/* inject.h - system calls that fail as planned.
 *
 * The library's system calls are instructions in its own code and in libc's, so no symbol can be put in front
 * of them. A seccomp filter turns the calls that are named into SIGSYS, and the handler counts and decides: it
 * either makes the call itself (at the one address that the filter lets pass) or answers with an error.
 *
 *     heap: mmap ──filter──> SIGSYS ──> handler ──> planned? ── yes ──> -ENOMEM
 *                                                           └─ no ───> kernel_call (let through)
 *
 * For one process, which cannot take the filter off again: a child, as a rule. Its threads may not begin or end
 * under the filter, as libc blocks all signals then. Needs Linux on x86-64 or aarch64, not emulated.
 */
#ifndef TEST_INJECT_H
#define TEST_INJECT_H

#include <stdbool.h>

enum inject_when {
    INJECT_NEVER,
    INJECT_NTH,         /* the n-th call alone                                                       */
    INJECT_FROM_NTH,    /* the n-th and all later ones                                               */
    INJECT_EVERY_THIRD, /* those whose number is n modulo 3                                          */
    INJECT_COMMITS, /* as a kernel that does not overcommit: what would make memory writable, from the n-th on */
    INJECT_PLACED   /* as where somebody else arranges memory: a mapping at a place of the caller's choice */
};

struct inject_plan {
    enum inject_when when;
    unsigned n;
    long only; /* this system call alone, or -1 */
    bool in_thread;
};

/* The calls that can fail: the first INJECT_MEMORY of them are about memory. Ends with -1. */
enum { INJECT_MEMORY = 5 };
extern const long inject_calls[];

/* False: filters are not to be had here. `others`: also the calls that are not about memory. */
bool inject_install(const struct inject_plan *plan, bool others);

/* Another plan from here on. */
void inject_change(const struct inject_plan *plan);

/* While true, calls are counted, and those planned fail. */
extern volatile bool inject_armed;
/* Beside what is planned each pipe is refused: so no helper is started (posix_spawn blocks signals). */
extern volatile bool inject_no_pipes;
extern volatile unsigned inject_seen, inject_failed;

#endif
