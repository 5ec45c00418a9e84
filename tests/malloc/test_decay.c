/* test_decay.c - free pages go back to the system by time. Run with FREEHOLD=decay=100 (milliseconds).
 *
 * Without purge_thread=on there is no thread that does it: whoever calls the heap when the time has come does.
 * So each test but the first three goes on calling, a little, as a program that has become idle does.
 */
#include "../heap/names.h"
#include "../heap/runner.h"
#include "../heap/support.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

static bool thread_purges(void) {
    const char *settings = getenv("FREEHOLD");
    return settings && strstr(settings, "purge_thread=on");
}

enum { SMALL = 300000 };
static char *small[SMALL];

/* The little that an idle program does, for a second and a half. */
static void idle(void) {
    for (int i = 0; i < 150; i++) {
        for (size_t k = 0; k < 50; k++) t_free(t_malloc(100 + k * 30));
        t_free(t_malloc(100000));
        sleep_ms(10);
    }
}

static void fill_small(void) {
    for (size_t i = 0; i < SMALL; i++) {
        CHECK((small[i] = t_malloc(300)) != NULL);
        memset(small[i], 1, 300);
    }
}

static void free_small(void) {
    for (size_t i = 0; i < SMALL; i++) t_free(small[i]);
}

/* With FREEHOLD=purge_thread=on: the program calls nothing at all. */
static void what_is_free_goes_back_while_everyone_sleeps(void **state) {
    (void)state;
    if (!memory_is_measurable() || !thread_purges()) skip();
    size_t before = rss_now();
    char *p = t_malloc(100 * MIB);
    CHECK(p != NULL);
    memset(p, 1, 100 * MIB);
    t_free(p);
    for (int i = 0; i < 100 && rss_now() >= before + 15 * MIB; i++) sleep_ms(100);
    CHECKF(rss_now() < before + 15 * MIB, "before %zu, after a sleep %zu", before, rss_now());
}

/* And so does what rested between bursts (src/heap/span.c). */
static void emptied_spans_go_back_while_everyone_sleeps(void **state) {
    (void)state;
    if (!memory_is_measurable() || !thread_purges()) skip();
    fill_small();
    free_small();
    t_trim();
    size_t before = rss_now(), limit = before + 2 * MIB;
    for (int burst = 0; burst < 8; burst++) {
        fill_small();
        free_small();
    }
    for (int i = 0; i < 100 && rss_now() >= limit; i++) sleep_ms(100);
    CHECKF(rss_now() < limit, "before %zu, after a sleep %zu", before, rss_now());
}

/* And a child has such a thread too. */
static void so_it_does_in_a_child(void **state) {
    if (!memory_is_measurable() || !thread_purges()) skip();
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        what_is_free_goes_back_while_everyone_sleeps(state);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void large_blocks_go_back(void **state) {
    (void)state;
    if (!memory_is_measurable()) skip();
    size_t before = rss_now();
    char *p[10];
    for (int i = 0; i < 10; i++) {
        CHECK((p[i] = t_malloc(10 * MIB)) != NULL);
        memset(p[i], 1, 10 * MIB);
    }
    CHECK(rss_now() > before + 90 * MIB);
    for (int i = 0; i < 10; i++) t_free(p[i]);
    idle();
    CHECKF(rss_now() < before + 15 * MIB, "before %zu, after a time %zu", before, rss_now());
}

static void emptied_spans_go_back(void **state) {
    (void)state;
    if (!memory_is_measurable()) skip();
    size_t before = rss_now();
    fill_small();
    size_t full = rss_now();
    CHECK(full > before + 80 * MIB);
    free_small();
    idle();
    CHECKF(rss_now() < before + 15 * MIB, "before %zu, full %zu, after a time %zu", before, full, rss_now());
}

static void *frees_all(void *arg) {
    (void)arg;
    free_small();
    for (int i = 0; i < 150; i++) { /* goes on freeing a little, and never allocates */
        t_free(arg ? ((void **)arg)[i] : NULL);
        sleep_ms(10);
    }
    return NULL;
}

static void a_thread_that_only_frees_gives_back_too(void **state) {
    (void)state;
    if (!memory_is_measurable()) skip();
    size_t before = rss_now();
    fill_small();
    static void *trickle[150];
    for (int i = 0; i < 150; i++) trickle[i] = t_malloc(50000);
    size_t full = rss_now();
    pthread_t t;
    CHECK(pthread_create(&t, NULL, frees_all, trickle) == 0 && pthread_join(t, NULL) == 0);
    CHECKF(rss_now() < before + (full - before) / 4, "before %zu, full %zu, after a time %zu", before, full,
           rss_now());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_free_goes_back_while_everyone_sleeps),
        cmocka_unit_test(emptied_spans_go_back_while_everyone_sleeps),
        cmocka_unit_test(so_it_does_in_a_child),
        cmocka_unit_test(large_blocks_go_back),
        cmocka_unit_test(emptied_spans_go_back),
        cmocka_unit_test(a_thread_that_only_frees_gives_back_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
