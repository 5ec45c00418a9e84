/* test_fork.c - fork in programs whose other threads are inside the heap at that moment, and what follows a
 * fork. */
#include "model.h"
#include "names.h"
#include "runner.h"
#include "support.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHURNERS = 3, SHARED = 256 };

static atomic_bool stop;
static _Atomic(void *) shared[SHARED]; /* blocks that any thread may take; their first word says their size */
static struct model child_model;

static void *new_shared(struct rng *rng) {
    size_t size = 16 + rng_below(rng, rng_below(rng, 40) == 0 ? 150000 : 1200);
    size_t *p = t_malloc(size);
    CHECK(p);
    *p = size;
    ((char *)p)[size - 1] = (char)(size % 120 + 1);
    return p;
}

static void drop_shared(void *block) {
    size_t *p = block;
    if (p == NULL) return;
    size_t size = *p;
    CHECKF(size <= 16 + 150000 && (size == sizeof *p || ((char *)p)[size - 1] == (char)(size % 120 + 1)),
           "shared block %p", block);
    t_free(p);
}

static void *churn(void *arg) {
    struct rng rng = {.state = (uintptr_t)arg};
    void *own[64] = {0};
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        uint64_t r = rng_next(&rng);
        void **slot = &own[r % 64];
        t_free(*slot);
        *slot = t_malloc(r >> 32 & (r & 0x1000 ? 0x1ffff : 0x3ff));
        drop_shared(atomic_exchange(&shared[r >> 8 & (SHARED - 1)], new_shared(&rng)));
        if ((r & 0xffff) == 0) {
            void *p = t_realloc(t_malloc(100000), 300000);
            t_free(p);
        }
    }
    for (int i = 0; i < 64; i++) t_free(own[i]);
    return NULL;
}

static void start_churn(pthread_t *t) {
    atomic_store(&stop, false);
    for (unsigned i = 0; i < CHURNERS; i++)
        CHECK(pthread_create(&t[i], NULL, churn, (void *)(uintptr_t)(i + 1)) == 0);
}

static void stop_churn(pthread_t *t) {
    atomic_store(&stop, true);
    for (unsigned i = 0; i < CHURNERS; i++) CHECK(pthread_join(t[i], NULL) == 0);
    for (unsigned i = 0; i < SHARED; i++) drop_shared(atomic_exchange(&shared[i], NULL));
}

enum { PATIENCE = 400 }; /* seconds that a child has to end with status 0 */

static void wait_for(pid_t pid) {
    CHECKF(pid > 0, "fork: errno %d", errno);
    double end = seconds_now() + PATIENCE;
    int status = 0;
    pid_t got;
    while ((got = waitpid(pid, &status, WNOHANG)) == 0) {
        if (seconds_now() > end) {
            kill(pid, SIGABRT);
            CHECKF(0, "child %d hangs", (int)pid);
        }
        sleep_ms(1);
    }
    CHECK(got == pid);
    CHECKF(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child ended with status %#x", (unsigned)status);
}

/* What a child does: takes the blocks of threads that do not exist here, and goes on with the heap. */
static void live_in_child(uint64_t seed, uint64_t steps) {
    signal(SIGABRT, SIG_DFL);
    for (unsigned i = 0; i < SHARED; i++) drop_shared(atomic_exchange(&shared[i], NULL));
    model_begin(&child_model, seed, NULL);
    model_run_seed(&child_model, seed, steps);
    model_end(&child_model);
}

/* How often a test forks: `most`, of which a third in `make test`, and what TEST_FORKS (of 60) says elsewhere.
 * */
static int forks_of(int most) {
    int share = (int)env_number("TEST_FORKS", 20) * most / 60;
    return share < 2 ? 2 : share;
}

static void child_and_parent_go_on_while_threads_are_in_the_heap(void **state) {
    (void)state;
    pthread_t t[CHURNERS];
    start_churn(t);
    for (int i = 0; i < forks_of(60); i++) {
        pid_t pid = fork();
        if (pid == 0) {
            live_in_child((uint64_t)i + 1, 700);
            if (i % 3 == 0) exit(0);
            _exit(0);
        }
        t_free(t_malloc((size_t)i * 100));
        wait_for(pid);
    }
    stop_churn(t);
}

/* ---------------------------------------------------------------- forks from several threads ---- */

static void *forks(void *arg) {
    uint64_t seed = (uintptr_t)arg * 1000;
    for (int i = 0; i < forks_of(30); i++) {
        void *mine = t_malloc(777);
        CHECK(mine);
        pattern_fill(mine, 777, seed);
        pid_t pid = fork();
        if (pid == 0) {
            pattern_verify(mine, 777, SIZE_MAX, seed);
            t_free(mine);
            for (size_t k = 0; k < 2000; k++) {
                void *p = t_malloc(k * 13 % 5000), *q = t_calloc(1, k * 17 % 90000);
                CHECK(p && q);
                t_free(p);
                t_free(q);
            }
            _exit(0);
        }
        wait_for(pid);
        pattern_verify(mine, 777, SIZE_MAX, seed);
        t_free(mine);
    }
    return NULL;
}

static void several_threads_may_fork_at_once(void **state) {
    (void)state;
    pthread_t churners[CHURNERS], t[3];
    start_churn(churners);
    for (unsigned i = 0; i < 3; i++) CHECK(pthread_create(&t[i], NULL, forks, (void *)(uintptr_t)(i + 1)) == 0);
    for (unsigned i = 0; i < 3; i++) CHECK(pthread_join(t[i], NULL) == 0);
    stop_churn(churners);
}

/* ---------------------------------------------------------------- children that go on as programs do ---- */

static void *child_thread(void *arg) {
    struct rng rng = {.state = (uintptr_t)arg};
    for (int i = 0; i < 3000; i++) {
        void *p = t_malloc(rng_below(&rng, 3000));
        CHECK(p);
        drop_shared(atomic_exchange(&shared[i % SHARED], new_shared(&rng)));
        t_free(p);
    }
    return NULL;
}

/* ThreadSanitizer takes the threads of the parent for alive in the child, and stops when one starts where one
 * of those stood. */
static void skip_under_tsan(void) {
#ifdef __SANITIZE_THREAD__
    skip();
#endif
}

static void a_child_may_start_threads(void **state) {
    (void)state;
    skip_under_tsan();
    pthread_t t[CHURNERS];
    start_churn(t);
    for (int i = 0; i < forks_of(30); i++) {
        pid_t pid = fork();
        if (pid == 0) {
            pthread_t mine[3];
            for (unsigned k = 0; k < 3; k++)
                CHECK(pthread_create(&mine[k], NULL, child_thread, (void *)(uintptr_t)(k + 1)) == 0);
            for (unsigned k = 0; k < 3; k++) CHECK(pthread_join(mine[k], NULL) == 0);
            exit(0);
        }
        wait_for(pid);
    }
    stop_churn(t);
}

static void nested(int depth) {
    if (depth == 0) return;
    void *p = t_malloc(5000);
    CHECK(p);
    pattern_fill(p, 5000, (uint64_t)depth);
    pid_t pid = fork();
    if (pid == 0) {
        pattern_verify(p, 5000, SIZE_MAX, (uint64_t)depth);
        live_in_child((uint64_t)depth, 500);
        t_free(p);
        nested(depth - 1);
        _exit(0);
    }
    wait_for(pid);
    pattern_verify(p, 5000, SIZE_MAX, (uint64_t)depth);
    t_free(p);
}

static void forks_nest(void **state) {
    (void)state;
    pthread_t t[CHURNERS];
    start_churn(t);
    for (int i = 0; i < forks_of(5); i++) nested(6);
    stop_churn(t);
}

static void the_child_sees_the_parents_blocks_and_each_has_its_own_afterwards(void **state) {
    (void)state;
    enum { n = 5000 };
    static char *block[n];
    for (size_t i = 0; i < n; i++) {
        CHECK((block[i] = t_malloc(i % 100 == 0 ? i * 20 : i % 900)) != NULL);
        pattern_fill(block[i], t_usable_size(block[i]), i);
    }
    pid_t pid = fork();
    if (pid == 0) {
        for (size_t i = 0; i < n; i++) {
            pattern_verify(block[i], t_usable_size(block[i]), SIZE_MAX, i);
            memset(block[i], 0xcc, t_usable_size(block[i]));
            t_free(block[i]);
        }
        live_in_child(3, 3000);
        _exit(0);
    }
    wait_for(pid);
    for (size_t i = 0; i < n; i++) {
        pattern_verify(block[i], t_usable_size(block[i]), SIZE_MAX, i);
        t_free(block[i]);
    }
}

/* ---------------------------------------------------------------- programs started ---- */

extern char **environ;

static void programs_can_be_started_while_threads_are_in_the_heap(void **state) {
    (void)state;
    pthread_t t[CHURNERS];
    start_churn(t);
    char *argv[] = {(char[]){"/bin/sh"}, (char[]){"-c"}, (char[]){"exit 0"}, NULL};
    for (int i = 0; i < forks_of(15); i++) {
        pid_t pid = 0;
        CHECK(posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) == 0);
        wait_for(pid);
        pid = vfork();
        if (pid == 0) {
            execv(argv[0], argv);
            _exit(9);
        }
        wait_for(pid);
        CHECK(system("exit 3") >> 8 == 3);
        FILE *f = popen("echo here", "r");
        char text[20] = "";
        CHECK(f && fgets(text, sizeof text, f) && strcmp(text, "here\n") == 0);
        CHECK(pclose(f) == 0);
    }
    stop_churn(t);
}

/* The process goes on in a child of a thread that is not the first; the first thread exists there no more. */
static void *becomes_the_program(void *arg) {
    (void)arg;
    pid_t pid = fork();
    if (pid == 0) {
        live_in_child(9, 3000);
        pthread_t t;
        CHECK(pthread_create(&t, NULL, child_thread, (void *)(uintptr_t)5) == 0);
        CHECK(pthread_join(t, NULL) == 0);
        exit(0);
    }
    wait_for(pid);
    return NULL;
}

static void a_child_of_another_thread_is_a_whole_program(void **state) {
    (void)state;
    skip_under_tsan();
    for (int i = 0; i < forks_of(10); i++) {
        pthread_t t;
        CHECK(pthread_create(&t, NULL, becomes_the_program, NULL) == 0);
        CHECK(pthread_join(t, NULL) == 0);
    }
}

/* Bins that run dry and full all the time: a child must not find one of them half changed. (Checked mode, which
 * puts their blocks into random order, once ended one child in two hundred.) */
static void *in_bursts(void *arg) {
    enum { BURST = 20000 };
    void **own = t_malloc(BURST * sizeof *own);
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        for (int i = 0; i < BURST; i++) own[i] = t_malloc(20);
        for (int i = 0; i < BURST; i++) t_free(own[i]);
    }
    t_free(own);
    return arg;
}

static void a_child_finds_the_bins_of_others_whole(void **state) {
    (void)state;
    pthread_t t[2];
    atomic_store(&stop, false);
    for (int i = 0; i < 2; i++) CHECK(pthread_create(&t[i], NULL, in_bursts, NULL) == 0);
    int forks = forks_of(3000);
    for (int i = 0; i < forks; i++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) _exit(0);
        wait_for(pid);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++) CHECK(pthread_join(t[i], NULL) == 0);
}

/* Blocks that nobody has had before. (In checked mode a child took the byte before one of them for damaged, in
 * two of three runs: its mark was there before its canary.) */
enum { NEW = 100000, NEW_SIZE = 600, NEW_IN_CHILD = 3000 };

static void *takes_new_ones(void *own) {
    char **blocks = own;
    int count = 0;
    while (count < NEW && !atomic_load_explicit(&stop, memory_order_relaxed)) {
        CHECK((blocks[count] = t_malloc(NEW_SIZE + (size_t)count % 100)) != NULL);
        *blocks[count++] = 1;
    }
    while (count > 0) t_free(blocks[--count]);
    return NULL;
}

static void a_child_finds_new_blocks_of_others_whole(void **state) {
    (void)state;
    pthread_t t[2];
    char **own[2];
    atomic_store(&stop, false);
    for (int i = 0; i < 2; i++) {
        CHECK((own[i] = t_malloc(NEW * sizeof *own[i])) != NULL);
        CHECK(pthread_create(&t[i], NULL, takes_new_ones, own[i]) == 0);
    }
    for (int i = 0; i < forks_of(75); i++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            static void *mine[NEW_IN_CHILD];
            for (int k = 0; k < NEW_IN_CHILD; k++) mine[k] = t_malloc(NEW_SIZE + 40 + (size_t)k % 60);
            for (int k = 0; k < NEW_IN_CHILD; k++) t_free(mine[k]);
            _exit(0);
        }
        wait_for(pid);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++) CHECK(pthread_join(t[i], NULL) == 0);
    for (int i = 0; i < 2; i++) t_free(own[i]);
}

/* ---------------------------------------------------------------- what checked mode looks at in a child ----
 * */

/* One of many from one place, of which only the first lies between pages that may not be touched. */
static char *freed_block(void) {
    enum { FREED = 200 };
    char *block[FREED];
    for (int i = 0; i < FREED; i++) CHECK((block[i] = t_malloc(40)) != NULL);
    for (int i = 0; i < FREED; i++) t_free(block[i]);
    return block[FREED - 1];
}

static void *frees_and_waits(void *freed) {
    atomic_store((_Atomic(char *) *)freed, freed_block());
    while (!atomic_load(&stop)) sleep_ms(1);
    return NULL;
}

/* How a child ends that finds a freed block written to. */
static int status_of_child_with(char *volatile freed) {
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        fclose(stderr);
        *freed = 1;
        exit(0);
    }
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    return status;
}

/* Memory is copied while other threads go on with theirs: of a block that one of them is taking from its bin,
 * a child may have the mark of before and the content of after. That state is made here, by the child. So it
 * does not look over what threads had that are not there; one whose parent has no other thread does. */
static void a_child_does_not_judge_what_other_threads_had(void **state) {
    (void)state;
    const char *settings = getenv("FREEHOLD");
    if (settings == NULL || strstr(settings, "mode=checked") == NULL) return;
    CHECKF(WIFSIGNALED(status_of_child_with(freed_block())), "a child overlooks what it has itself");

    pthread_t t;
    _Atomic(char *) of_thread = NULL;
    atomic_store(&stop, false);
    CHECK(pthread_create(&t, NULL, frees_and_waits, &of_thread) == 0);
    while (atomic_load(&of_thread) == NULL) sleep_ms(1);
    int status = status_of_child_with(atomic_load(&of_thread));
    CHECKF(status == 0, "a child ended with status %#x", (unsigned)status);
    atomic_store(&stop, true);
    CHECK(pthread_join(t, NULL) == 0);
}

/* A thread that has freed nearly all that it had, but no whole span. */
enum { LEFT = 200000, LEFT_SIZE = 200, ONE_IN = 100 };

static atomic_bool has_freed;

static void *leaves_holes(void *arg) {
    static char *own[LEFT];
    for (int i = 0; i < LEFT; i++) memset(own[i] = t_malloc(LEFT_SIZE), 1, LEFT_SIZE);
    for (int i = 0; i < LEFT; i++)
        if (i % ONE_IN) t_free(own[i]);
    atomic_store(&has_freed, true);
    while (!atomic_load(&stop)) sleep_ms(1);
    for (int i = 0; i < LEFT; i += ONE_IN) t_free(own[i]);
    return arg;
}

static void fill_holes(void) {
    size_t before = rss_now(), most = (size_t)LEFT * LEFT_SIZE / 4;
    for (int i = 0; i < LEFT * 3 / 4; i++) {
        char *p = t_malloc(LEFT_SIZE);
        CHECK(p);
        memset(p, 2, LEFT_SIZE);
    }
    CHECKF(rss_now() < before + most, "resident memory went from %zu to %zu KiB", before >> 10,
           rss_now() >> 10);
}

/* That thread is not there in a child, and what it had free is the child's. */
static void what_other_threads_had_free_serves_the_child(void **state) {
    (void)state;
    skip_under_tsan();
    if (!memory_is_measurable() || heap_is_checked()) return;
    pthread_t t;
    atomic_store(&stop, false);
    CHECK(pthread_create(&t, NULL, leaves_holes, NULL) == 0);
    while (!atomic_load(&has_freed)) sleep_ms(1);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        fill_holes();
        _exit(0);
    }
    wait_for(pid);
    atomic_store(&stop, true);
    CHECK(pthread_join(t, NULL) == 0);
}

/* Threads of which each has freed three in four of its blocks, all of a size that is its own. */
enum { MANY = 32, EACH = 1 << 20, ROUNDS = 32 };

static atomic_int have_freed;

static void *leaves_holes_of_its_size(void *arg) {
    size_t size = fh_class_size(1 + (unsigned)(uintptr_t)arg), n = EACH / size;
    char **own = t_malloc(n * sizeof *own);
    CHECK(own);
    for (size_t i = 0; i < n; i++) memset(own[i] = t_malloc(size), 1, size);
    for (size_t i = 0; i < n; i++)
        if (i % 4) t_free(own[i]);
    atomic_fetch_add(&have_freed, 1);
    while (!atomic_load(&stop)) sleep_ms(1);
    for (size_t i = 0; i < n; i += 4) t_free(own[i]);
    t_free(own);
    return NULL;
}

/* Half of each size's room, by turns. */
static void fill_holes_of_all_sizes(void) {
    size_t before = rss_now();
    for (unsigned round = 0; round < ROUNDS; round++)
        for (unsigned i = 0; i < MANY; i++) {
            size_t size = fh_class_size(1 + i);
            for (size_t got = 0; got < EACH / 2 / ROUNDS; got += size) {
                char *p = t_malloc(size);
                CHECK(p);
                memset(p, 2, size);
            }
        }
    CHECKF(rss_now() < before + MANY * EACH / 8,
           "resident memory went from %zu to %zu KiB, for %u KiB of blocks", before >> 10, rss_now() >> 10,
           MANY * EACH / 2 >> 10);
}

static void what_each_of_many_threads_had_free_serves_the_child(void **state) {
    (void)state;
    skip_under_tsan();
    if (!memory_is_measurable() || heap_is_checked()) return;
    pthread_t t[MANY];
    atomic_store(&stop, false);
    for (uintptr_t i = 0; i < MANY; i++)
        CHECK(pthread_create(&t[i], NULL, leaves_holes_of_its_size, (void *)i) == 0);
    while (atomic_load(&have_freed) < MANY) sleep_ms(1);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        fill_holes_of_all_sizes();
        _exit(0);
    }
    wait_for(pid);
    atomic_store(&stop, true);
    for (unsigned i = 0; i < MANY; i++) CHECK(pthread_join(t[i], NULL) == 0);
}

/* Handlers of the program's own around fork may use the heap: they run while the heap is held for the fork, or
 * before, as the order of their registration says. */
static atomic_int handler_calls;

static void handler(void) {
    void *p = t_malloc(200), *q = t_malloc(200000);
    CHECK(p && q);
    t_free(p);
    t_free(q);
    atomic_fetch_add(&handler_calls, 1);
}

static void fork_handlers_may_use_the_heap(void **state) {
    (void)state;
    CHECK(pthread_atfork(handler, handler, handler) == 0);
    pthread_t t[CHURNERS];
    start_churn(t);
    int forks = forks_of(20);
    for (int i = 0; i < forks; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            live_in_child(4, 300);
            _exit(0);
        }
        wait_for(pid);
    }
    stop_churn(t);
    CHECK(handler_calls >= 2 * forks);
}

/* A large alignment takes much address space to find one such address in. A system that counts what a process
 * might use (vm.overcommit_memory 0 and 2) refuses to fork one that might use more than there is. */
static void a_very_large_alignment_does_not_keep_from_forking(void **state) {
    (void)state;
    for (int bits = 28; bits <= 38; bits++) {
        void *p = escape(t_aligned_alloc((size_t)1 << bits, 100));
        CHECKF(((uintptr_t)p & (((uintptr_t)1 << bits) - 1)) == 0, "2^%d: %p", bits, p);
        pid_t pid = fork();
        if (pid == 0) _exit(0);
        CHECKF(pid > 0, "no fork after an alignment of 2^%d: errno %d", bits, errno);
        wait_for(pid);
        t_free(p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_each_of_many_threads_had_free_serves_the_child), /* first: nothing else is free */
        cmocka_unit_test(what_other_threads_had_free_serves_the_child),
        cmocka_unit_test(a_child_finds_new_blocks_of_others_whole), /* soon: there are new ones */
        cmocka_unit_test(child_and_parent_go_on_while_threads_are_in_the_heap),
        cmocka_unit_test(several_threads_may_fork_at_once),
        cmocka_unit_test(a_child_may_start_threads),
        cmocka_unit_test(forks_nest),
        cmocka_unit_test(the_child_sees_the_parents_blocks_and_each_has_its_own_afterwards),
        cmocka_unit_test(programs_can_be_started_while_threads_are_in_the_heap),
        cmocka_unit_test(a_child_of_another_thread_is_a_whole_program),
        cmocka_unit_test(a_child_finds_the_bins_of_others_whole),
        cmocka_unit_test(a_child_does_not_judge_what_other_threads_had),
        cmocka_unit_test(fork_handlers_may_use_the_heap),
        cmocka_unit_test(a_very_large_alignment_does_not_keep_from_forking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
