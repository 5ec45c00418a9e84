/* test_exit.c - ends of programs: while other threads are in the heap, from a thread, from a handler, in a
 * hurry. */
#include "../heap/names.h"
#include "../heap/runner.h"
#include "../heap/support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static atomic_bool at_work;

static void *churn(void *arg) {
    struct rng rng = {.state = (uintptr_t)arg};
    void *own[128] = {0};
    for (uint64_t i = 0;; i++) {
        if (i == 500) atomic_store(&at_work, true);
        void **slot = &own[rng_below(&rng, 128)];
        free(*slot);
        *slot = malloc(rng_below(&rng, rng_below(&rng, 30) == 0 ? 200000 : 1000));
        CHECK(*slot);
    }
    return NULL;
}

static void start_churn(void) {
    for (uintptr_t i = 1; i <= 3; i++) {
        pthread_t t;
        CHECK(pthread_create(&t, NULL, churn, (void *)i) == 0);
        pthread_detach(t);
    }
    while (!atomic_load(&at_work)) sleep_ms(1);
}

static void late(void) {
    for (size_t i = 0; i < 300; i++) free(realloc(malloc(i * 10), i * 1000));
}

static void exit_with_threads(void *arg) {
    (void)arg;
    CHECK(atexit(late) == 0);
    start_churn();
    exit(0);
}

static void *calls_exit(void *arg) {
    (void)arg;
    exit(0);
}

static void exit_from_a_thread(void *arg) {
    (void)arg;
    CHECK(atexit(late) == 0);
    start_churn();
    pthread_t t;
    CHECK(pthread_create(&t, NULL, calls_exit, NULL) == 0);
    pthread_join(t, NULL);
}

static void quick_exit_with_threads(void *arg) {
    (void)arg;
    CHECK(at_quick_exit(late) == 0);
    start_churn();
    quick_exit(0);
}

/* The first thread ends and the others go on: the process ends with the last of them. */
static void *outlives_main(void *arg) {
    (void)arg;
    sleep_ms(20);
    late();
    exit(0);
}

static void main_thread_leaves_first(void *arg) {
    (void)arg;
    pthread_t t;
    free(malloc(100));
    CHECK(pthread_create(&t, NULL, outlives_main, malloc(10)) == 0);
    pthread_exit(NULL);
}

static void try_many(void (*body)(void *), const char *what) {
    static struct outcome out;
    for (int i = 0; i < (memory_is_measurable() ? 20 : 5); i++) {
        run_child(&out, body, NULL, 20);
        check_clean(&out, what);
    }
}

static void exit_while_threads_are_in_the_heap(void **state) {
    (void)state;
    try_many(exit_with_threads, "exit with threads");
}

static void exit_from_another_thread(void **state) {
    (void)state;
    try_many(exit_from_a_thread, "exit from a thread");
}

static void quick_exit_while_threads_are_in_the_heap(void **state) {
    (void)state;
    try_many(quick_exit_with_threads, "quick_exit with threads");
}

static void the_first_thread_may_leave_before_the_others(void **state) {
    (void)state;
    try_many(main_thread_leaves_first, "pthread_exit of the first thread");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exit_while_threads_are_in_the_heap),
        cmocka_unit_test(exit_from_another_thread),
        cmocka_unit_test(quick_exit_while_threads_are_in_the_heap),
        cmocka_unit_test(the_first_thread_may_leave_before_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
