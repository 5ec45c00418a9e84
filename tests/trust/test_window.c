/* test_window.c - where the heap may lie: each case in a process that has no heap yet.
 *
 *     nobody may choose places    somebody else arranges memory: the heap lives in one reservation
 *     nothing at all              it says so, and begins as usual when there is something
 *     no key of a thread          the same
 *     little address space        a small window, and what is beyond it is refused
 *     others in its way           it goes on behind them, and they stay as they are
 *     too many of them            refused, until they are gone
 *
 * Each time whole programs (tests/fuzz) run then beside their models, and the walker looks at the books.
 */
#include "../fuzz/program.h"
#include "../heap/inject.h"
#include "heap/space.h"
#include "heap/valid.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

static struct program program;

static void use_all(bool may_fail) {
    program_begin(&program, 0, NULL);
    program_may_fail(&program, may_fail);
    program_run_seed(&program, 21, 600);
    program_verify(&program);
    CHECK(fh_heap_is_valid(true));
    program_end(&program);
    fh_trim();
    CHECK(fh_heap_is_valid(true));
}

static void refuse(enum inject_when when, unsigned n, long only) {
    struct inject_plan plan = {when, n, only, false};
    if (!inject_install(&plan, false)) _exit(77);
    inject_armed = true;
}

static void expect_nothing(void) {
    errno = 0;
    CHECK(fh_malloc(24) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(fh_malloc(100000) == NULL && errno == ENOMEM);
    CHECK(fh_heap_new(0) == NULL);
}

/* Blocks that nobody writes to, until there are no more: so many bytes. */
static void *taken[1 << 16];
static unsigned taken_count;

static size_t take_until_refused(size_t size) {
    size_t got = 0;
    errno = 0;
    for (void *p; (p = fh_malloc(size)) != NULL; got += size) {
        CHECK(taken_count < sizeof taken / sizeof *taken);
        taken[taken_count++] = p;
    }
    CHECK(errno == ENOMEM);
    return got;
}

static void give_all(void) {
    while (taken_count) fh_free(taken[--taken_count]);
}

/* ---- the cases ---- */

static void nobody_may_choose_places(void *unused) {
    (void)unused;
    refuse(INJECT_PLACED, 1, SYS_mmap);
    void *p = fh_malloc(100000);
    CHECK(p != NULL && inject_failed > 0 && fh_space.reserved);
    memset(p, 1, 100000);
    use_all(false);
    inject_change(&(struct inject_plan){INJECT_FROM_NTH, 1, SYS_mprotect, false}); /* nothing more is granted */
    take_until_refused(4 * MIB);
    use_all(true);
    inject_armed = false;
    CHECK((p = fh_malloc(4 * MIB)) != NULL);
    give_all();
    use_all(false);
}

static void nothing_then_as_usual(void *unused) {
    (void)unused;
    refuse(INJECT_PLACED, 1, SYS_mmap);
    inject_change(&(struct inject_plan){INJECT_COMMITS, 2, -1, false}); /* but for the one that asks where */
    expect_nothing();
    CHECK(fh_space.size == 0 && !fh_space.reserved);
    inject_armed = false;
    use_all(false);
    CHECK(!fh_space.reserved);
}

static void no_key_of_a_thread(void *unused) {
    static pthread_key_t keys[1 << 16];
    unsigned n = 0;
    (void)unused;
    while (n < 1 << 16 && pthread_key_create(&keys[n], NULL) == 0) n++;
    CHECK(n < 1 << 16);
    expect_nothing();
    while (n) pthread_key_delete(keys[--n]);
    use_all(false);
}

/* A stack that cannot grow, as no address space is left, is no matter of this test. */
static void grow_the_stack(void) {
    volatile char room[1 << 20];
    for (size_t i = 0; i < sizeof room; i += 4096) room[i] = 1;
}

static void little_address_space(void *unused) {
    struct rlimit whole, little = {256 * MIB, 256 * MIB};
    (void)unused;
    grow_the_stack();
    CHECK(getrlimit(RLIMIT_AS, &whole) == 0);
    little.rlim_max = whole.rlim_max;
    CHECK(setrlimit(RLIMIT_AS, &little) == 0);
    use_all(true);
    size_t window = fh_space.size;
    CHECKF(window >= 4 * little.rlim_cur / 2 && window < (size_t)1 << 36, "a window of %zu MiB", window / MIB);
    CHECK(setrlimit(RLIMIT_AS, &whole) == 0);
    size_t got = take_until_refused(8 * MIB - 4096); /* the window is full, whatever the system would give */
    CHECKF(got > window / 4 * 3 && got < window, "%zu of %zu MiB", got / MIB, window / MIB);
    take_until_refused(40000);
    use_all(true);
    give_all();
    use_all(false);
}

static char *put_in_the_way(size_t at) {
    char *page = mmap((void *)(fh_space.base + at), 4096, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    CHECK(page == (char *)fh_space.base + at);
    memset(page, 'f', 4096);
    return page;
}

static void check_theirs(const char *page) {
    for (unsigned i = 0; i < 4096; i++) CHECK(page[i] == 'f');
}

static void others_in_its_way(void *unused) {
    (void)unused;
    use_all(false);
    size_t mapped = (size_t)fh_space.mapped * FH_GRANULE;
    char *near = put_in_the_way(mapped), *far = put_in_the_way(mapped + 400 * MIB + 12 * 4096), *p[64];
    for (unsigned i = 0; i < 64; i++) {
        CHECK((p[i] = fh_malloc(10 * MIB + (i + 1) * 4096)) != NULL);
        p[i][0] = p[i][10 * MIB] = (char)i;
    }
    check_theirs(near);
    check_theirs(far);
    CHECK(fh_heap_is_valid(true));
    for (unsigned i = 0; i < 64; i += 2) CHECK((p[i] = fh_realloc(p[i], 70 * MIB)) != NULL);
    for (unsigned i = 0; i < 64; i++) CHECK(p[i][0] == (char)i && p[i][10 * MIB] == (char)i);
    for (unsigned i = 0; i < 64; i++) fh_free(p[i]);
    use_all(false);
    check_theirs(near);
    check_theirs(far);
}

static void too_many_in_its_way(void *unused) {
    enum { MANY = 70 };
    static char *pages[MANY];
    (void)unused;
    use_all(false);
    size_t mapped = (size_t)fh_space.mapped * FH_GRANULE;
    for (unsigned i = 0; i < MANY; i++)
        pages[i] = put_in_the_way(mapped + i * (size_t)FH_USUAL_STRETCH * FH_GRANULE);
    take_until_refused(16 * MIB);
    CHECK(fh_heap_is_valid(true));
    for (unsigned i = 0; i < MANY; i++) {
        check_theirs(pages[i]);
        munmap(pages[i], 4096);
    }
    void *p = fh_malloc(16 * MIB);
    CHECK(p != NULL);
    give_all();
    use_all(false);
}

static void in_a_child(void (*body)(void *), const char *what) {
    static struct outcome out;
    run_child(&out, body, NULL, 100);
    if (out.exited && out.code == 77) printf("%s: cannot be had here\n", what);
    else check_clean(&out, what);
}

int main(void) {
    if (!memory_is_measurable()) return 77;
    CHECK(fh_space.size == 0); /* else this program tests something else */
    in_a_child(nobody_may_choose_places, "places are not to be chosen");
    in_a_child(nothing_then_as_usual, "nothing at first");
    in_a_child(no_key_of_a_thread, "no key of a thread");
    in_a_child(little_address_space, "little address space");
    in_a_child(others_in_its_way, "others in its way");
    in_a_child(too_many_in_its_way, "too many in its way");
    return 0;
}
