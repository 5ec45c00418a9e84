/* test_whole.c - the heap's books are whole at every moment of random programs, and no overflow reaches them.
 *
 * The model of tests/heap drives the heap; every few hundred steps fh_heap_is_valid looks at all invariants:
 * alone, with threads at rest, and while other threads are at work. The same program runs in every mode.
 *
 *     TEST_SECONDS=600  TEST_SEED=0x2a
 */
#include "heap/space.h"
#include "heap/valid.h"
#include "model.h"
#include "names.h"
#include "runner.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 3, STEPS_A_LOOK = 300 };

static struct model models[THREADS];
static struct mailbox mailboxes[MAILBOX_COUNT];
static uint64_t first_seed;
static double seconds;

static void the_books_are_whole_between_the_steps_of_a_program(void **state) {
    (void)state;
    struct rng rng = {.state = first_seed};
    double end = seconds_now() + seconds * 0.4;
    unsigned char step[STEP_BYTES];
    check_seed = first_seed;
    model_begin(&models[0], 1, NULL);
    uint64_t i = 0;
    do {
        model_make_step(step, &rng, i);
        check_step = i++;
        model_step(&models[0], step);
        if (i % STEPS_A_LOOK == 0) CHECK(fh_heap_is_valid(true));
    } while (seconds_now() < end);
    model_end(&models[0]);
    CHECK(fh_heap_is_valid(true));
    check_seed = 0;
}

struct job {
    unsigned index;
    uint64_t seed;
};

static void *work(void *arg) {
    const struct job *job = arg;
    model_begin(&models[job->index], job->seed << 3 | job->index, mailboxes);
    model_run_seed(&models[job->index], job->seed, 8000);
    if (job->index) model_end(&models[job->index]);
    return NULL;
}

static void the_books_are_whole_while_threads_work_and_when_they_have_ended(void **state) {
    (void)state;
    double end = seconds_now() + seconds * 0.6;
    uint64_t seed = first_seed;
    do {
        pthread_t thread[THREADS];
        struct job job[THREADS];
        for (unsigned i = 0; i < THREADS; i++) {
            job[i] = (struct job){i, seed++};
            CHECK(pthread_create(&thread[i], NULL, work, &job[i]) == 0);
        }
        for (int looks = 0; looks < 20; looks++) {
            CHECK(fh_heap_is_valid(false));
            nanosleep(&(struct timespec){0, 1000000}, NULL);
        }
        for (unsigned i = 0; i < THREADS; i++) CHECK(pthread_join(thread[i], NULL) == 0);
        CHECK(fh_heap_is_valid(true));
        model_end(&models[0]);
        mailboxes_empty(mailboxes);
        CHECK(fh_heap_is_valid(true));
    } while (seconds_now() < end);
}

/* ---- a fork in the middle ---- */

static bool stop;

/* Gives memory back again and again, which it does with the books open to others. */
static void *gives_back(void *unused) {
    while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
        void *large[4];
        for (int i = 0; i < 4; i++) {
            large[i] = t_malloc((size_t)2 << 20);
            CHECK(large[i]);
            memset(large[i], 1, (size_t)2 << 20);
        }
        for (int i = 0; i < 4; i++) t_free(large[i]);
        t_trim();
    }
    return unused;
}

/* In the child nobody will finish what that thread had begun. */
static void what_was_being_given_back_at_a_fork_is_free_in_the_child(void **state) {
    (void)state;
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, gives_back, NULL) == 0);
    unsigned in_the_middle = 0;
    for (int i = 0; i < 1000 && in_the_middle < 10; i++) {
        for (uint32_t g = 1; g < fh_space.mapped; g++) in_the_middle += fh_space.heads[g].kind == FH_PURGING;
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            for (uint32_t g = 1; g < fh_space.mapped; g += fh_space.heads[g].granules)
                if (fh_space.heads[g].kind == FH_PURGING) _exit(1);
            _exit(fh_heap_is_valid(false) ? 0 : 2);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child);
        CHECKF(status == 0, "child %d: status %#x", i, status);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELEASE);
    CHECK(pthread_join(thread, NULL) == 0);
    const char *settings = getenv("FREEHOLD");
    bool guarded = settings && strstr(settings, "mode=guard"); /* such blocks lie elsewhere */
    CHECKF(in_the_middle > 0 || guarded, "no fork came in the middle of it");
}

/* ---- books out of reach ---- */

static void write_on(char *from, int direction) {
    signal(SIGSEGV, SIG_DFL);
    signal(SIGBUS, SIG_DFL);
    for (volatile char *p = from;; p += direction) *p = 'A';
}

static void a_linear_overflow_faults_before_it_reaches_the_books(void **state) {
    (void)state;
    char *block = t_malloc(100), *large = t_malloc(200000);
    CHECK(block && large);
    uintptr_t window = fh_space.base, books_end = (uintptr_t)(fh_space.bits + fh_space.mapped);
    CHECK((uintptr_t)fh_space.classes < window && (uintptr_t)fh_space.heads < window &&
          (uintptr_t)fh_space.bits < window);
    CHECK((uintptr_t)(fh_space.remotes + fh_space.mapped) + (8u << 20) < window && books_end < window);
    for (int direction = -1; direction <= 1; direction += 2) {
        for (int which = 0; which < 2; which++) {
            pid_t child = fork();
            CHECK(child >= 0);
            if (child == 0) write_on(which ? large : block, direction);
            int status;
            CHECK(waitpid(child, &status, 0) == child);
            CHECK(WIFSIGNALED(status) && (WTERMSIG(status) == SIGSEGV || WTERMSIG(status) == SIGBUS));
        }
    }
    t_free(block);
    t_free(large);
}

int main(void) {
    seconds = (double)env_number("TEST_SECONDS", 3);
    first_seed = env_number("TEST_SEED", (uint64_t)time(NULL) * 1000);
    fprintf(stderr, "TEST_SEED=%#llx\n", (unsigned long long)first_seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_books_are_whole_between_the_steps_of_a_program),
        cmocka_unit_test(the_books_are_whole_while_threads_work_and_when_they_have_ended),
        cmocka_unit_test(what_was_being_given_back_at_a_fork_is_free_in_the_child),
        cmocka_unit_test(a_linear_overflow_faults_before_it_reaches_the_books),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
