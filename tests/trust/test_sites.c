/* test_sites.c - the tables of stacks (src/heap/sites.c): the same stack is the same number, another is
 * another, and what is full says so.
 *
 * The stacks are made here: the linker leads the library's walk over the stack to this program (--wrap). So
 * there are as many as the tables hold, which no program would bring about in a test's time, and two threads
 * come with one stack in the same instant.
 *
 *     same, other     numbers and what they lead to, with stacks cut to what the setting asks for
 *     no stack        the caller alone
 *     full            some new stacks get no number; those with one keep it: of short stacks, and of the longest
 *     at once         threads that enter the same stacks agree on their numbers
 *     refused         without the tables there are no numbers, and nothing else is the matter
 */
#include "../heap/support.h"

#include "base/settings.h"
#include "heap/sites.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/* ---- stacks ---- */

static __thread uint64_t which;
static __thread unsigned depth;

static uintptr_t frame(uint64_t stack, unsigned i) {
    return (uintptr_t)(stack * 0x9e3779b97f4a7c15u + i * 77u) | 1;
}

unsigned __wrap_fh_os_backtrace(uintptr_t *pcs, unsigned most, uintptr_t caller);
unsigned __wrap_fh_os_backtrace(uintptr_t *pcs, unsigned most, uintptr_t caller) {
    unsigned count = depth < most ? depth : most;
    (void)caller;
    for (unsigned i = 0; i < count; i++) pcs[i] = frame(which, i);
    return count;
}

static uint32_t number_of(uint64_t stack, unsigned frames) {
    which = stack;
    depth = frames;
    return fh_site_here(0x1234);
}

static void check_number(uint32_t site, uint64_t stack, unsigned frames) {
    unsigned count;
    const uintptr_t *pcs = fh_site_stack(site, &count);
    CHECKF(pcs != NULL && count == frames, "stack %llu: %u frames", (unsigned long long)stack, count);
    for (unsigned i = 0; i < frames; i++) CHECK(pcs[i] == frame(stack, i));
}

static void begin(size_t stacks) {
    fh_settings.stacks = stacks;
    CHECK(fh_sites_begin() && fh_sites_begin()); /* once more does nothing */
}

/* ---- the cases ---- */

static void the_same_is_the_same(void *unused) {
    enum { MANY = 3000 };
    static uint32_t site[MANY];
    unsigned count;
    (void)unused;
    begin(8);
    for (unsigned i = 0; i < MANY; i++)
        check_number(site[i] = number_of(i, 1 + i % 12), i, i % 12 < 8 ? 1 + i % 12 : 8);
    for (unsigned i = 0; i < MANY; i++) {
        CHECK(number_of(i, 1 + i % 12) == site[i]);
        CHECK(i == 0 || site[i] != site[i - 1]);
    }
    CHECK(number_of(5, 3) != number_of(5, 4)); /* one that another begins with */
    CHECK(fh_site_stack(0, &count) == NULL && count == 0);
    uint32_t alone = number_of(7, 0);
    const uintptr_t *pcs = fh_site_stack(alone, &count);
    CHECK(count == 1 && pcs[0] == 0x1234);
    fh_settings.stacks = 1000; /* more than there is room for in one */
    unsigned most = FH_SITE_MOST;
    check_number(number_of(99, 500), 99, most);
}

static void fill(unsigned frames, unsigned most) {
    enum { KNOWN = 1000 };
    static uint32_t known[KNOWN];
    unsigned got = 0, none = 0;
    for (unsigned i = 0; i < KNOWN; i++) CHECK((known[i] = number_of(i, frames)) != 0);
    for (uint64_t i = KNOWN; i < most; i++) {
        uint32_t site = number_of(i, frames);
        got += site != 0;
        none += site == 0;
        if (site && i % 64 == 0) check_number(site, i, frames);
    }
    CHECKF(none > 0 && got > most / 3, "%u have a number, %u have none", got, none);
    for (unsigned i = 0; i < KNOWN; i++) {
        CHECK(number_of(i, frames) == known[i]);
        check_number(known[i], i, frames);
    }
}

static void full_of_short_ones(void *unused) {
    (void)unused;
    begin(2);
    fill(2, 300000);
}

static void full_of_long_ones(void *unused) {
    (void)unused;
    begin(FH_SITE_MOST);
    fill(FH_SITE_MOST, 300000);
}

enum { THREADS = 4, STACKS = 60000 };
static uint32_t numbers[THREADS][STACKS];
static atomic_uint ready;

static void *enter_all(void *arg) {
    uint32_t *into = arg;
    atomic_fetch_add(&ready, 1);
    while (atomic_load(&ready) < THREADS) sched_yield();
    for (unsigned i = 0; i < STACKS; i++) into[i] = number_of(i, 3);
    return NULL;
}

static void threads_agree(void *unused) {
    pthread_t t[THREADS];
    (void)unused;
    begin(4);
    for (unsigned i = 0; i < THREADS; i++) CHECK(pthread_create(&t[i], NULL, enter_all, numbers[i]) == 0);
    for (unsigned i = 0; i < THREADS; i++) CHECK(pthread_join(t[i], NULL) == 0);
    for (unsigned i = 0; i < STACKS; i++) {
        check_number(numbers[0][i], i, 3);
        for (unsigned k = 1; k < THREADS; k++)
            CHECKF(numbers[k][i] == numbers[0][i], "stack %u has two numbers", i);
    }
}

static void tables_are_refused(void *unused) {
    struct rlimit none = {1 << 20, 1 << 20}, before;
    unsigned count;
    (void)unused;
    fh_settings.stacks = 8;
    CHECK(getrlimit(RLIMIT_AS, &before) == 0);
    none.rlim_max = before.rlim_max;
    CHECK(setrlimit(RLIMIT_AS, &none) == 0 && !fh_sites_begin());
    CHECK(number_of(1, 3) == 0 && fh_site_stack(17, &count) == NULL && count == 0);
    CHECK(setrlimit(RLIMIT_AS, &before) == 0 && fh_sites_begin());
    check_number(number_of(1, 3), 1, 3);
}

static void in_a_child(void (*body)(void *), const char *what) {
    static struct outcome out;
    run_child(&out, body, NULL, 60);
    check_clean(&out, what);
}

int main(void) {
    in_a_child(the_same_is_the_same, "the same stack");
    in_a_child(full_of_short_ones, "full of short stacks");
    in_a_child(full_of_long_ones, "full of long stacks");
    in_a_child(threads_agree, "threads");
    in_a_child(tables_are_refused, "refused");
    return 0;
}
