/* test_huge.c - huge pages: the small blocks of a large heap lie in them, and what is given back is small
 * again.
 *
 * Whether there are huge pages at all depends on the system and on how its memory lies; each test first asks
 * for one itself, and is skipped where there is none.
 */
#include "names.h"
#include "runner.h"
#include "support.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

enum { BLOCKS = 640000, BLOCK = 112 }; /* 68 MiB */
static char *block[BLOCKS];

static size_t huge_now(void) {
    char line[256];
    size_t kib = 0;
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    if (f == NULL) return 0;
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "AnonHugePages: %zu", &kib) == 1) break;
    fclose(f);
    return kib * KIB;
}

/* Does the system give a huge page to who asks for one? */
static bool huge_pages_exist(void) {
    char *p = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    size_t before = huge_now();
    bool exist = madvise(p, 4 * MIB, MADV_HUGEPAGE) == 0 && (memset(p, 1, 4 * MIB), huge_now() > before);
    munmap(p, 4 * MIB);
    return exist;
}

static void fill(void) {
    for (size_t i = 0; i < BLOCKS; i++) {
        CHECK((block[i] = t_malloc(BLOCK)) != NULL);
        memset(block[i], 1, BLOCK);
    }
}

static void empty(void) {
    for (size_t i = 0; i < BLOCKS; i++) t_free(block[i]);
}

static void small_blocks_of_a_large_heap_lie_in_huge_pages(void **state) {
    (void)state;
    if (!memory_is_measurable() || !heap_is_freehold() || !huge_pages_exist()) skip();
    fill();
    CHECKF(huge_now() > 32 * MIB, "in huge pages: %zu", huge_now());
    empty();
}

/* Also where the system gives huge pages to who does not ask: the test's own table has them then. */
static void a_small_heap_has_none(void **state) {
    (void)state;
    if (!memory_is_measurable() || !heap_is_freehold()) skip();
    memset(block, 1, sizeof block);
    size_t before = huge_now();
    for (size_t i = 0; i < BLOCKS / 16; i++) CHECK((block[i] = t_malloc(BLOCK)) != NULL);
    for (size_t i = 0; i < BLOCKS / 16; i++) memset(block[i], 1, BLOCK);
    CHECKF(huge_now() == before, "in huge pages: %zu, before %zu", huge_now(), before);
    for (size_t i = 0; i < BLOCKS / 16; i++) t_free(block[i]);
}

/* Blocks of which one page is used hold one page, also where huge pages once lay. */
static void what_was_given_back_is_small_again(void **state) {
    (void)state;
    if (!memory_is_measurable() || !heap_is_freehold() || !huge_pages_exist()) skip();
    enum { SPARSE = 300 };
    fill();
    empty();
    t_trim();
    size_t before = rss_now();
    for (size_t i = 0; i < SPARSE; i++) {
        CHECK((block[i] = t_malloc(40 * KIB)) != NULL);
        block[i][0] = 1;
    }
    CHECKF(rss_now() < before + 6 * MIB, "%d pages made %zu bytes resident", SPARSE, rss_now() - before);
    for (size_t i = 0; i < SPARSE; i++) t_free(block[i]);
}

/* Does the system give a huge page to who does not ask? */
static bool huge_pages_come_unasked(void) {
    char *p = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    size_t before = huge_now();
    memset(p, 1, 4 * MIB);
    bool come = huge_now() > before;
    munmap(p, 4 * MIB);
    return come;
}

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1: does at once what the kernel does in its own time */
#endif

/* Blocks that stay between others that were given back: the kernel may not fill the gaps with memory again. */
static void what_was_given_back_stays_so(void **state) {
    (void)state;
    if (!memory_is_measurable() || !heap_is_freehold() || !huge_pages_come_unasked()) skip();
    enum { LARGE = 200, KEPT_ONE_IN = 8 };
    for (size_t i = 0; i < LARGE; i++) {
        CHECK((block[i] = t_malloc(700 * KIB)) != NULL);
        memset(block[i], 1, 700 * KIB);
    }
    for (size_t i = 0; i < LARGE; i++)
        if (i % KEPT_ONE_IN) t_free(block[i]);
    t_trim();
    size_t before = rss_now();
    for (size_t i = 0; i < LARGE; i += KEPT_ONE_IN) {
        char *page = (char *)((uintptr_t)block[i] & ~(2 * MIB - 1));
        madvise(page, 2 * MIB, MADV_COLLAPSE);
        madvise(page + 2 * MIB, 2 * MIB, MADV_COLLAPSE);
    }
    CHECKF(rss_now() < before + 6 * MIB, "%zu bytes have come back", rss_now() - before);
    for (size_t i = 0; i < LARGE; i += KEPT_ONE_IN) t_free(block[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_heap_has_none),
        cmocka_unit_test(small_blocks_of_a_large_heap_lie_in_huge_pages),
        cmocka_unit_test(what_was_given_back_is_small_again),
        cmocka_unit_test(what_was_given_back_stays_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
