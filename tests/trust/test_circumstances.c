/* test_circumstances.c - what the system does not give, gives unasked, or takes away: the heap goes on, and
 * says so where a setting asked for it.
 *
 *     no table        of guarded blocks, or of stacks: what should be guarded comes from the heap proper
 *     no thread       purge_thread=on is said not to be possible
 *     short decay     the purger's pause is never shorter than its least
 *     huge, refused   the system gives no huge page to who asks
 *     huge, limited   under a limit none is asked for: it would count as a whole
 *     huge, unasked   both ends of what was given back are told to stay small, once each
 *     no sweep        sweep=off, a process that never called the heap, one that ends within a call of the heap
 *
 * The library's own calls of the system are wrapped by the linker. What they do is told in the environment,
 * since the first of them come before main: each part is a process of its own, which runs itself again.
 */
#include "../heap/support.h"
#include "base/settings.h"
#include "heap/check.h"
#include "heap/guard.h"
#include "heap/space.h"
#include "os/os.h"

#include <freehold/heap.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

/* ---- the system ---- */

/* A letter for each: digits are the calls for a table, in their order; 't'hread, 'h'uge pages refused; 'u':
 * unasked. */
static bool environment_says(char what) {
    const char *says = getenv("SYSTEM");
    return says && strchr(says, what);
}

void *__real_fh_os_map_sparse(size_t size);
void *__wrap_fh_os_map_sparse(size_t size);
void *__wrap_fh_os_map_sparse(size_t size) {
    static char number = '0';
    return environment_says(++number) ? NULL : __real_fh_os_map_sparse(size);
}

bool __real_fh_os_begin_thread(void *(*run)(void *));
bool __wrap_fh_os_begin_thread(void *(*run)(void *));
bool __wrap_fh_os_begin_thread(void *(*run)(void *)) {
    return !environment_says('t') && __real_fh_os_begin_thread(run);
}

bool __real_fh_os_gives_huge_unasked(void);
bool __wrap_fh_os_gives_huge_unasked(void);
bool __wrap_fh_os_gives_huge_unasked(void) {
    return environment_says('u') || __real_fh_os_gives_huge_unasked();
}

enum { TOLD = 4096 };
static uintptr_t told_small[TOLD]; /* the pages that were told to stay small, one by one */
static unsigned told, asked_huge;

bool __real_fh_os_use_huge(void *at, size_t size, bool huge);
bool __wrap_fh_os_use_huge(void *at, size_t size, bool huge);
bool __wrap_fh_os_use_huge(void *at, size_t size, bool huge) {
    if (huge) asked_huge++;
    else if (size == FH_HUGE_PAGE && told < TOLD) told_small[told++] = (uintptr_t)at;
    return !(huge && environment_says('h')) && __real_fh_os_use_huge(at, size, huge);
}

/* ---- tables ---- */

static void use_some(bool guarded) {
    for (unsigned i = 1; i < 1000; i++) {
        unsigned char *p = fh_malloc(i);
        CHECK(p && fh_guard_owns(p) == guarded);
        memset(p, 1, i);
        fh_free(p);
    }
}

static void nothing_is_guarded(void) { use_some(false); }
static void all_is_guarded(void) { use_some(true); }

/* ---- the purger ---- */

static size_t waiting(void) {
    struct fh_stats now;
    fh_stats_now(&now);
    return now.free_extents;
}

static void memory_is_given_back(void) {
    char *p = fh_malloc(4 * MIB);
    CHECK(p);
    memset(p, 1, 4 * MIB);
    fh_free(p);
    for (int i = 0; i < 2000 && waiting() >= 4 * MIB; i++) usleep(10000);
    CHECKF(waiting() < 4 * MIB, "%zu bytes wait still", waiting());
}

/* ---- huge pages ---- */

enum { SMALL = 112, MANY = 300000 }; /* 32 MiB, where huge pages begin at 8 */

static void fill_with_small_blocks(void) {
    static char *block[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        CHECK((block[i] = fh_malloc(SMALL)) != NULL);
        memset(block[i], 1, SMALL);
    }
    for (unsigned i = 0; i < MANY; i++) fh_free(block[i]);
}

static void they_are_asked_for(void) {
    fill_with_small_blocks();
    CHECKF(asked_huge > 0, "%u were asked for", asked_huge);
}

static void none_is_asked_for(void) {
    fill_with_small_blocks();
    CHECKF(asked_huge == 0, "%u were asked for", asked_huge);
}

static void ends_stay_small(void) {
    enum { LARGE = 100, KEPT_ONE_IN = 8 };
    static char *block[LARGE];
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < LARGE; i++) {
            CHECK((block[i] = fh_malloc(700 * KIB)) != NULL);
            memset(block[i], 1, 700 * KIB);
        }
        for (unsigned i = 0; i < LARGE; i++)
            if (i % KEPT_ONE_IN) fh_free(block[i]);
        fh_trim();
        for (unsigned i = 0; i < LARGE; i += KEPT_ONE_IN) fh_free(block[i]);
        fh_trim();
    }
    CHECKF(told > 10, "%u pages were told to stay small", told);
    for (unsigned i = 0; i < told; i++) {
        CHECK(told_small[i] % FH_HUGE_PAGE == 0);
        for (unsigned k = 0; k < i; k++) CHECK(told_small[k] != told_small[i]);
    }
}

/* ---- the sweep ---- */

static void write_behind(void) {
    volatile char *volatile p = fh_malloc(100);
    p[100] = 1;
}

static void end_within_a_call(void) {
    write_behind();
    fh_guard_lock();
    fh_check_sweep_at_once(); /* would say it, and wait for the lock for ever */
    fh_guard_unlock();
    _exit(0);
}

static void nothing(void) {}

/* ---- each in a process of its own ---- */

static struct part {
    char name[32];
    void (*body)(void);
    char settings[64], system[24];
    const char *says; /* NULL: nothing, and ends well */
} parts[] = {
    {"table of pages", nothing_is_guarded, "FREEHOLD=mode=guard,stacks=8", "SYSTEM=3", NULL},
    {"table of blocks", nothing_is_guarded, "FREEHOLD=mode=guard,stacks=8", "SYSTEM=4", NULL},
    {"table of stacks", nothing_is_guarded, "FREEHOLD=mode=guard,stacks=8", "SYSTEM=15", NULL},
    {"stacks later", all_is_guarded, "FREEHOLD=mode=guard,stacks=8", "SYSTEM=2", NULL},
    {"no thread", nothing, "FREEHOLD=purge_thread=on", "SYSTEM=t", "the system gives no thread"},
    {"short decay", memory_is_given_back, "FREEHOLD=purge_thread=on,decay=5", "SYSTEM=-", NULL},
    {"decay, checked", memory_is_given_back, "FREEHOLD=mode=checked,purge_thread=on,decay=5", "SYSTEM=-", NULL},
    {"long decay", memory_is_given_back, "FREEHOLD=purge_thread=on,decay=50", "SYSTEM=-", NULL},
    {"huge", they_are_asked_for, "FREEHOLD=huge=on", "SYSTEM=-", NULL},
    {"huge, refused", they_are_asked_for, "FREEHOLD=huge=on", "SYSTEM=h", NULL},
    {"huge, limited", none_is_asked_for, "FREEHOLD=huge=on,limit=1g", "SYSTEM=-", NULL},
    {"huge, unasked", ends_stay_small, "FREEHOLD=huge=off", "SYSTEM=u", NULL},
    {"sweep", write_behind, "FREEHOLD=mode=checked,guard_first=0,sweep=on", "SYSTEM=-",
     "somebody wrote behind a block"},
    {"sweep off", write_behind, "FREEHOLD=mode=checked,guard_first=0,sweep=off", "SYSTEM=-", NULL},
    {"sweep in fast mode", write_behind, "FREEHOLD=sweep=on", "SYSTEM=-", NULL},
    {"sweep of nothing", nothing, "FREEHOLD=mode=checked,sweep=on", "SYSTEM=-", NULL},
    {"ends within", end_within_a_call, "FREEHOLD=mode=checked,guard_first=0,sweep=on", "SYSTEM=-", NULL},
};

static int run_again(struct part *part) {
    char program[] = "/proc/self/exe", prepared[] = "prepared";
    char *const argv[] = {program, part->name, prepared, NULL}, *const env[] = {part->settings, part->system,
                                                                                NULL};
    execve(program, argv, env);
    return 3;
}

static void check_part(struct part *part) {
    struct outcome out;
    char program[] = "/proc/self/exe";
    char *const argv[] = {program, part->name, NULL};
    run_program(&out, argv, NULL, 100);
    if (part->says == NULL) check_clean(&out, part->name);
    else CHECKF(strstr(out.text, part->says), "%s: %d: %s", part->name, out.code, out.text);
}

int main(int argc, char **argv) {
    for (struct part *part = parts; part < parts + sizeof parts / sizeof *parts; part++) {
        if (argc == 1) check_part(part);
        else if (strcmp(part->name, argv[1]) != 0) continue;
        else if (argc == 2) return run_again(part);
        else part->body();
    }
    return 0;
}
