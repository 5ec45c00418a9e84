/* test_injected.c - whole programs while the system refuses: malloc family, own heaps, frames and owners
 * (tests/fuzz), in the mode that the environment says.
 *
 *     the beginning       the n-th system call of a process's first use of the library fails, for each n
 *     the n-th call       one system call, or all from the n-th on, or each of a kind; those about memory, then also others
 *     commits             a kernel that does not overcommit: reserved is granted, writable is not
 *     map limit           the kernel's limit of mappings is used up by the program
 *     RLIMIT_AS, limit=   no more address space; no more than the heap may hold
 *     reports             the same while a mistake of the program is reported: the process ends as it shall, and says why
 *
 * Requests may be refused meanwhile, with NULL and ENOMEM, and must change nothing then. Afterwards everything
 * that the program holds is verified, the walker checks the heap's books, and the program goes on as if nothing
 * had been.
 *
 *     TEST_SECONDS=60 test_injected       how long in all (6 unless told)
 */
#include "../fuzz/program.h"
#include "../heap/inject.h"
#include "heap/space.h"
#include "heap/valid.h"
#include "os/os_own.h"
#include "os/os_stack.h"

#include <freehold/settings.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct program program;
static struct inject_plan plan;
static bool others;
static unsigned total_failed, total_runs;
static double seconds;

static void goes_on(void) {
    program_may_fail(&program, false);
    program_verify(&program);
    CHECK(fh_heap_is_valid(true));
    program_run_seed(&program, 6, 300);
    program_end(&program);
    CHECK(fh_heap_is_valid(true));
}

/* ---- system calls ---- */

static void under_faults(void *arg) {
    bool from_the_start = arg != NULL;
    if (!from_the_start) {
        program_begin(&program, 0, NULL);
        program_run_seed(&program, 5, 300); /* some blocks from before */
    }
    if (!inject_install(&plan, others)) _exit(77);
    inject_armed = true;
    if (from_the_start) program_begin(&program, 0, NULL);
    program_may_fail(&program, true);
    program_run_seed(&program, plan.n + 100, from_the_start ? 60 : 600);
    inject_armed = false;
    if (from_the_start && fh_space.size == 0) { /* it could not begin; it need not try again */
        printf("calls %u faults %u\n", inject_seen, inject_failed);
        fflush(stdout);
        _exit(0);
    }
    goes_on();
    char text[60];
    int n = snprintf(text, sizeof text, "calls %u faults %u\n", inject_seen, inject_failed);
    if (write(1, text, (size_t)n) != n) _exit(9);
    _exit(0);
}

static unsigned run_plan(enum inject_when when, unsigned n, long only, bool from_the_start) {
    static struct outcome out;
    plan = (struct inject_plan){when, n, only, false};
    run_child(&out, under_faults, from_the_start ? &plan : NULL, 60);
    if (out.exited && out.code == 77) {
        printf("skipped: no seccomp filters here\n");
        exit(77);
    }
    char what[100];
    snprintf(what, sizeof what, "when %d, n %u, call %ld%s%s", (int)when, n, only, others ? ", all calls" : "",
             from_the_start ? ", from the start" : "");
    check_clean(&out, what);
    unsigned seen = 0, failed = 0;
    CHECKF(sscanf(out.text, "calls %u faults %u", &seen, &failed) == 2, "%s", out.text);
    total_failed += failed;
    total_runs++;
    return seen;
}

static void sweep(enum inject_when when, long only, bool from_the_start, double share) {
    double end = seconds_now() + seconds * share;
    unsigned seen = run_plan(INJECT_NEVER, 0, only, from_the_start);
    for (unsigned n = 1; n <= seen && (n <= 2 || seconds_now() < end); n += n < 30 ? 1 : n / 8)
        run_plan(when, n, only, from_the_start);
}

static void each_call_of_the_beginning_may_fail(void) {
    CHECK(fh_space.size == 0); /* else this program tests something else */
    others = true;
    sweep(INJECT_NTH, -1, true, 0.2);
    sweep(INJECT_FROM_NTH, -1, true, 0.15);
    others = false;
}

static void each_call_may_fail(void) {
    sweep(INJECT_NTH, -1, false, 0.15);
    sweep(INJECT_FROM_NTH, -1, false, 0.1);
    others = true;
    sweep(INJECT_NTH, -1, false, 0.05);
    others = false;
    for (unsigned n = 0; n < 3; n++) run_plan(INJECT_EVERY_THIRD, n, -1, false);
    for (unsigned i = 0; i < INJECT_MEMORY; i++) run_plan(INJECT_FROM_NTH, 1, inject_calls[i], false);
    sweep(INJECT_COMMITS, -1, false, 0.1);
}

/* ---- reports ---- */

static void makes_a_mistake(void *arg) {
    volatile bool sees = heap_is_checked();
    (void)arg;
    char *block = fh_malloc(100), *volatile freed = block;
    CHECK(block);
    fh_free(block);
    inject_no_pipes = true;
    if (!inject_install(&plan, true)) _exit(77);
    inject_armed = true;
    if (sees) fh_free(freed); /* twice */
    else fh_free((char *)&plan);
    _exit(3);
}

/* Does it end as a mistake shall? And does it say so, where nobody keeps it from writing? */
static void report_under(enum inject_when when, unsigned n, long only) {
    static struct outcome out;
    plan = (struct inject_plan){when, n, only, false};
    run_child(&out, makes_a_mistake, NULL, 60);
    bool may_write = only >= 0 && only != SYS_write, may_signal = only >= 0 && only != SYS_tgkill;
    bool ended = !out.exited && (out.code == SIGABRT || (!may_signal && out.code == SIGSEGV));
    bool said = strstr(out.text, heap_is_checked() ? "heap misuse: block freed twice" : "freehold: free of");
    CHECKF(ended && (said || !may_write), "when %d, n %u, call %ld: %s %d; its output:\n%.600s", (int)when, n,
           only, out.exited ? "exit status" : "ended by signal", out.code, out.text);
}

static void a_mistake_is_told_whatever_is_refused(void) {
    for (unsigned i = 0; inject_calls[i] >= 0; i++) report_under(INJECT_FROM_NTH, 1, inject_calls[i]);
    for (unsigned n = 1; n <= 40; n++) report_under(INJECT_NTH, n, -1);
    report_under(INJECT_FROM_NTH, 1, -1);
}

/* ---- whether a thread lives ---- */

static void *says_its_number(void *number) {
    bool main;
    *(unsigned *)number = fh_os_thread_id(&main);
    return NULL;
}

static void asks_for_threads(void *arg) {
    unsigned gone = 0;
    pthread_t thread;
    (void)arg;
    CHECK(pthread_create(&thread, NULL, says_its_number, &gone) == 0 && pthread_join(thread, NULL) == 0);
    plan = (struct inject_plan){INJECT_FROM_NTH, 1, SYS_tgkill, false};
    if (!inject_install(&plan, true)) _exit(77);
    CHECK(!fh_os_thread_lives(gone));
    inject_armed = true;
    CHECK(fh_os_thread_lives(fh_os_thread()) && inject_failed == 1);
}

/* Else its stack would be given back while it runs, where a sandbox forbids the question. */
static void a_thread_of_which_nothing_is_known_lives(void) {
    static struct outcome out;
    run_child(&out, asks_for_threads, NULL, 60);
    check_clean(&out, "whether a thread lives");
}

/* ---- limits of the kernel ---- */

static void begin_before_limits(void) {
    program_begin(&program, 0, NULL);
    program_run_seed(&program, 7, 300);
    program_may_fail(&program, true);
}

static void without_mappings(void *arg) {
    enum { MOST = 1 << 20 };
    size_t page = (size_t)sysconf(_SC_PAGESIZE), n = 0;
    (void)arg;
    begin_before_limits();
    char *pages = mmap(NULL, MOST * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(pages != MAP_FAILED);
    while (n < MOST && mprotect(pages + n * page, page, PROT_READ) == 0) n += 2;
    if (n >= MOST) _exit(77); /* no limit here that could be reached */
    program_run_seed(&program, 8, 600);
    CHECK(munmap(pages, MOST * page) == 0);
    goes_on();
}

static void without_address_space(void *arg) {
    struct rlimit before, none = {1 << 20, 1 << 20};
    (void)arg;
    begin_before_limits();
    CHECK(getrlimit(RLIMIT_AS, &before) == 0);
    none.rlim_max = before.rlim_max;
    CHECK(setrlimit(RLIMIT_AS, &none) == 0);
    program_run_seed(&program, 9, 600);
    CHECK(setrlimit(RLIMIT_AS, &before) == 0);
    goes_on();
}

static void at_the_heaps_own_limit(void *arg) {
    (void)arg;
    begin_before_limits();
    for (unsigned round = 0; round < 12; round++) {
        CHECK(fh_set("limit", round % 2 ? "0" : "64k") == 0);
        program_run_seed(&program, 10 + round, 60);
    }
    CHECK(fh_set("limit", "0") == 0);
    goes_on();
}

static void under_limits(void (*body)(void *), const char *what) {
    static struct outcome out;
    run_child(&out, body, NULL, 60);
    if (out.exited && out.code == 77) printf("%s: cannot be reached here\n", what);
    else check_clean(&out, what);
}

int main(void) {
    if (!memory_is_measurable()) return 77;
    seconds = (double)env_number("TEST_SECONDS", 6);
    each_call_of_the_beginning_may_fail();
    each_call_may_fail();
    a_mistake_is_told_whatever_is_refused();
    a_thread_of_which_nothing_is_known_lives();
    under_limits(without_mappings, "the limit of mappings");
    under_limits(without_address_space, "the limit of address space");
    under_limits(at_the_heaps_own_limit, "the setting limit");
    printf("%u runs, %u calls failed\n", total_runs, total_failed);
    return total_failed == 0;
}
