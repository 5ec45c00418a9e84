/* test_threads.c - threads that come and go, blocks that cross between them, and what stays resident of it. */
#include "model.h"
#include "names.h"
#include "runner.h"
#include "support.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/time.h>
#include <threads.h>

#define MIB ((size_t)1 << 20)

/* Under slow tools a tenth of the rounds must do. */
static int rounds(int n) { return memory_is_measurable() ? n : n / 10; }

static void trim(void) {
#ifdef TEST_FH_NAMES
    fh_trim();
#elif defined(__GLIBC__)
    malloc_trim(0);
#endif
}

static void start_thread(pthread_t *t, void *(*body)(void *), void *arg) {
    int error = pthread_create(t, NULL, body, arg);
    CHECKF(error == 0, "pthread_create: %d", error);
}

static void join(pthread_t t) { CHECK(pthread_join(t, NULL) == 0); }

/* ---------------------------------------------------------------- the last moments of a thread ---- */

/* ThreadSanitizer takes its own state of a thread down in such a destructor, and crashes in those that come
 * after; and it does not know C11's threads. */
static void skip_under_tsan(void) {
#ifdef __SANITIZE_THREAD__
    skip();
#endif
}

static pthread_key_t late_key;
static atomic_int late_calls;

/* Runs up to PTHREAD_DESTRUCTOR_ITERATIONS times for each thread, after the heap's own exit hook may have run.
 * */
static void late_destructor(void *value) {
    char *old = value;
    CHECK(old[0] == 'x');
    size_t size = 32 + (size_t)atomic_fetch_add(&late_calls, 1) % 3000;
    t_free(old);
    char *p = t_malloc(size);
    CHECK(p);
    memset(p, 'x', size);
    p = t_realloc(p, 3 * size);
    CHECK(p && p[size - 1] == 'x');
    void *large = t_calloc(1, 100000);
    CHECK(large);
    t_free(large);
    CHECK(pthread_setspecific(late_key, p) == 0);
}

/* The last one's value leaks: give it to a place where it can be freed. */
static void *late_thread(void *arg) {
    (void)arg;
    for (int i = 0; i < 50; i++) t_free(t_malloc((size_t)i * 20));
    char *p = t_malloc(10);
    CHECK(p);
    p[0] = 'x';
    CHECK(pthread_setspecific(late_key, p) == 0);
    return NULL;
}

static void destructors_of_thread_keys_may_use_the_heap(void **state) {
    (void)state;
    skip_under_tsan();
    CHECK(pthread_key_create(&late_key, late_destructor) == 0);
    for (int i = 0; i < rounds(200); i++) {
        pthread_t t[3];
        for (int k = 0; k < 3; k++) start_thread(&t[k], late_thread, NULL);
        for (int k = 0; k < 3; k++) join(t[k]);
    }
    CHECK(late_calls >= rounds(600));
    CHECK(pthread_key_delete(late_key) == 0);
}

/* A thread whose first call to the heap of all comes from a destructor. */
static pthread_key_t first_key;

static void first_destructor(void *value) {
    (void)value;
    void *p = t_malloc(100), *q = t_malloc(40000);
    CHECK(p && q);
    t_free(p);
    t_free(q);
}

static void *first_thread(void *arg) {
    CHECK(pthread_setspecific(first_key, arg) == 0);
    return NULL;
}

static void a_thread_may_first_use_the_heap_in_a_destructor(void **state) {
    (void)state;
    skip_under_tsan();
    CHECK(pthread_key_create(&first_key, first_destructor) == 0);
    int dummy;
    for (int i = 0; i < rounds(3000); i++) {
        pthread_t t;
        start_thread(&t, first_thread, &dummy);
        join(t);
    }
    CHECK(pthread_key_delete(first_key) == 0);
}

static tss_t tss;

static void tss_destructor(void *value) {
    t_free(value);
    void *p = t_malloc(333);
    CHECK(p);
    t_free(p);
}

static int tss_thread(void *arg) {
    (void)arg;
    CHECK(tss_set(tss, t_calloc(10, 10)) == thrd_success);
    return 7;
}

static void c11_threads_and_their_storage_may_use_the_heap(void **state) {
    (void)state;
    skip_under_tsan();
    CHECK(tss_create(&tss, tss_destructor) == thrd_success);
    for (int i = 0; i < rounds(300); i++) {
        thrd_t t;
        int result = 0;
        CHECK(thrd_create(&t, tss_thread, NULL) == thrd_success);
        CHECK(thrd_join(t, &result) == thrd_success && result == 7);
    }
    tss_delete(tss);
}

/* ---------------------------------------------------------------- many threads ---- */

static void *short_life(void *arg) {
    size_t size = (size_t)(uintptr_t)arg;
    void *p[20];
    for (size_t i = 0; i < 20; i++) {
        CHECK((p[i] = t_malloc(size + i * 40)) != NULL);
        memset(p[i], 1, size + i * 40);
    }
    for (size_t i = 0; i < 20; i++) t_free(p[i]);
    return NULL;
}

static void short_lived_threads_do_not_grow_the_process(void **state) {
    (void)state;
    unsigned total = (unsigned)env_number("TEST_SHORT_THREADS", memory_is_measurable() ? 50000 : 500);
    size_t before = 0;
    for (unsigned i = 0; i < total; i += 4) {
        pthread_t t[4];
        for (unsigned k = 0; k < 4; k++)
            start_thread(&t[k], short_life, (void *)(uintptr_t)(1 + (i + k) % 2000));
        for (unsigned k = 0; k < 4; k++) join(t[k]);
        if (i == total / 10 / 4 * 4) before = rss_now();
    }
    if (memory_is_measurable())
        CHECKF(rss_now() < before + 2 * MIB, "after a tenth of %u threads %zu were resident, at the end %zu",
               total, before, rss_now());
}

static void *keeps_and_dies(void *arg) {
    void **kept = arg;
    for (size_t i = 0; i < 20000; i++) {
        char *p = t_malloc(16 + i % 800);
        CHECK(p);
        memset(p, 1, 16 + i % 800);
        kept[i] = p;
    }
    return NULL;
}

static void blocks_of_dead_threads_can_be_freed_and_used_again(void **state) {
    (void)state;
    static void *kept[20000];
    size_t after_first = 0;
    for (int round = 0; round < rounds(60); round++) {
        pthread_t t;
        start_thread(&t, keeps_and_dies, kept);
        join(t);
        for (size_t i = 0; i < 20000; i++) t_free(kept[(i * 7919) % 20000]);
        if (round == 5) after_first = rss_now();
    }
    if (memory_is_measurable())
        CHECKF(rss_now() < after_first + 8 * MIB, "resident after 5 rounds %zu, after 60 %zu", after_first,
               rss_now());
}

static void *fills_and_empties(void *arg) {
    (void)arg;
    static __thread void *block[10000];
    for (size_t i = 0; i < 10000; i++) {
        CHECK((block[i] = t_malloc(1000)) != NULL);
        memset(block[i], 1, 1000);
    }
    for (size_t i = 0; i < 10000; i++) t_free(block[i]);
    return NULL;
}

static void memory_of_a_dead_thread_serves_the_next(void **state) {
    (void)state;
    size_t after_first = 0;
    for (int i = 0; i < rounds(100); i++) {
        pthread_t t;
        start_thread(&t, fills_and_empties, NULL);
        join(t);
        if (i == 5) after_first = rss_now();
    }
    if (memory_is_measurable())
        CHECKF(rss_now() < after_first + 6 * MIB, "resident after 5 threads %zu, after 100 %zu", after_first,
               rss_now());
}

static pthread_barrier_t barrier;

static void *waits_with_a_block(void *arg) {
    char *p = t_malloc(100);
    CHECK(p);
    *p = 1;
    pthread_barrier_wait(&barrier);
    t_free(p);
    (void)arg;
    return NULL;
}

static void hundreds_of_threads_at_once(void **state) {
    (void)state;
    enum { n = 300 };
    static pthread_t t[n];
    size_t before = rss_now();
    for (int round = 0; round < 3; round++) {
        CHECK(pthread_barrier_init(&barrier, NULL, n + 1) == 0);
        for (int i = 0; i < n; i++) start_thread(&t[i], waits_with_a_block, NULL);
        pthread_barrier_wait(&barrier);
        for (int i = 0; i < n; i++) join(t[i]);
        pthread_barrier_destroy(&barrier);
    }
    if (memory_is_measurable() && heap_is_freehold()) {
        trim();
        CHECKF(rss_now() < before + 24 * MIB, "300 threads with a block each: resident before %zu, after %zu",
               before, rss_now());
    }
}

/* ---------------------------------------------------------------- blocks that cross ---- */

enum { QUEUE = 512 };

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    void *at[QUEUE];
    size_t head, tail; /* tail - head = how many are in it */
};

static void queue_put(struct queue *q, void *p) {
    pthread_mutex_lock(&q->lock);
    while (q->tail - q->head == QUEUE) pthread_cond_wait(&q->changed, &q->lock);
    q->at[q->tail++ % QUEUE] = p;
    pthread_cond_broadcast(&q->changed);
    pthread_mutex_unlock(&q->lock);
}

static void *queue_get(struct queue *q) {
    pthread_mutex_lock(&q->lock);
    while (q->tail == q->head) pthread_cond_wait(&q->changed, &q->lock);
    void *p = q->at[q->head++ % QUEUE];
    pthread_cond_broadcast(&q->changed);
    pthread_mutex_unlock(&q->lock);
    return p;
}

static struct queue queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

struct batch {
    char *block[100];
};

static void *produce(void *arg) {
    int batches = (int)(uintptr_t)arg;
    for (int i = 0; i < batches; i++) {
        struct batch *b = t_malloc(sizeof *b);
        CHECK(b);
        for (size_t k = 0; k < 100; k++) {
            size_t size = 8 + (k * 37 + (size_t)i * 11) % 1000;
            CHECK((b->block[k] = t_malloc(size)) != NULL);
            memset(b->block[k], (int)k, size);
        }
        queue_put(&queue, b);
    }
    queue_put(&queue, NULL);
    return NULL;
}

static void *consume(void *arg) {
    (void)arg;
    for (struct batch *b; (b = queue_get(&queue)) != NULL;) {
        for (size_t k = 0; k < 100; k++) {
            CHECK(b->block[k][0] == (char)k);
            t_free(b->block[k]);
        }
        t_free(b);
    }
    return NULL;
}

static void producer_and_consumer_stay_bounded(void **state) {
    (void)state;
    /* In the queue are at most 512 batches of 100 blocks of 500 bytes: 26 MiB. What passes through is ten times
     * that. */
    pthread_t producer[2], consumer[2];
    size_t before = rss_now();
    rss_peak_reset();
    for (int i = 0; i < 2; i++)
        start_thread(&producer[i], produce, (void *)(uintptr_t)(memory_is_measurable() ? 4000 : 100));
    for (int i = 0; i < 2; i++) start_thread(&consumer[i], consume, NULL);
    for (int i = 0; i < 2; i++) join(producer[i]);
    for (int i = 0; i < 2; i++) join(consumer[i]);
    if (memory_is_measurable())
        CHECKF(rss_peak() < before + 64 * MIB, "resident before %zu, at most %zu", before, rss_peak());
}

/* The blocks of one thread, freed by another that never allocates, while the first sleeps. */
enum { MANY = 400000 };
static char *many[MANY];
static pthread_barrier_t allocated, freed;
static size_t full; /* resident when all are allocated */

static void *allocates_and_sleeps(void *arg) {
    (void)arg;
    for (int i = 0; i < MANY; i++) {
        CHECK((many[i] = t_malloc(250)) != NULL);
        memset(many[i], 1, 250);
    }
    full = rss_now();
    pthread_barrier_wait(&allocated);
    pthread_barrier_wait(&freed);
    return NULL;
}

static void *only_frees(void *arg) {
    (void)arg;
    pthread_barrier_wait(&allocated);
    for (int i = 0; i < MANY; i++) t_free(many[i]);
    trim();
    pthread_barrier_wait(&freed);
    return NULL;
}

static void a_thread_that_only_frees_gives_memory_back(void **state) {
    (void)state;
#if !defined(TEST_FH_NAMES) && !defined(__GLIBC__)
    skip(); /* no malloc_trim */
#endif
    if (!memory_is_measurable() || !heap_is_freehold()) skip();
    CHECK(pthread_barrier_init(&allocated, NULL, 3) == 0 && pthread_barrier_init(&freed, NULL, 3) == 0);
    trim();
    size_t before = rss_now();
    pthread_t a, f;
    start_thread(&a, allocates_and_sleeps, NULL);
    start_thread(&f, only_frees, NULL);
    pthread_barrier_wait(&allocated);
    CHECK(full > before + 90 * MIB);
    while (rss_now() >
           before + 30 * MIB) { /* until the other thread is done, or for ever: then the time limit says so */
        static int tries;
        CHECKF(tries++ < 1000, "resident before %zu, full %zu, after the frees and a trim %zu", before, full,
               rss_now());
        sleep_ms(10);
    }
    pthread_barrier_wait(&freed);
    join(a);
    join(f);
}

/* Blocks go round a ring of threads: each frees what its left neighbour allocated. */
static void *ring_slot[4][1000];
static pthread_barrier_t ring_barrier;

static void *ring_thread(void *arg) {
    unsigned me = (unsigned)(uintptr_t)arg, left = (me + 3) % 4;
    for (int round = 0; round < rounds(60); round++) {
        for (size_t i = 0; i < 1000; i++) {
            size_t size = 16 + (i * (me + 1) * 13) % (i % 50 == 0 ? 60000 : 700);
            CHECK((ring_slot[me][i] = t_malloc(size)) != NULL);
            pattern_fill(ring_slot[me][i], t_usable_size(ring_slot[me][i]), me * 1000 + i);
        }
        pthread_barrier_wait(&ring_barrier);
        for (size_t i = 0; i < 1000; i++) {
            void *p = ring_slot[left][i];
            pattern_verify(p, t_usable_size(p), SIZE_MAX, left * 1000 + i);
            if (i % 3 == 0) {
                CHECK((p = t_realloc(p, 900)) != NULL);
            }
            t_free(p);
        }
        pthread_barrier_wait(&ring_barrier);
    }
    return NULL;
}

static void blocks_that_go_round_keep_their_contents(void **state) {
    (void)state;
    pthread_t t[4];
    CHECK(pthread_barrier_init(&ring_barrier, NULL, 4) == 0);
    for (unsigned i = 0; i < 4; i++) start_thread(&t[i], ring_thread, (void *)(uintptr_t)i);
    for (unsigned i = 0; i < 4; i++) join(t[i]);
}

/* ---------------------------------------------------------------- cancellation and signals ---- */

static atomic_int cancelled_late;

static void cleanup_free(void *p) { t_free(p); }

/* The cancellation is pending all the time; only pthread_testcancel may act upon it, not the heap. */
static void *is_cancelled(void *arg) {
    (void)arg;
    char *p = t_malloc(50);
    CHECK(p);
    pthread_cleanup_push(cleanup_free, p);
    CHECK(pthread_cancel(pthread_self()) == 0);
    for (size_t i = 0; i < 3000; i++) {
        void *q = t_malloc(i * 29 % 70000);
        CHECK(q);
        CHECK((q = t_realloc(q, i * 31 % 90000 + 1)) != NULL);
        t_free(q);
        if (i % 1000 == 0) trim();
    }
    atomic_fetch_add(&cancelled_late, 1);
    pthread_testcancel();
    CHECKF(0, "the thread should have been cancelled");
    pthread_cleanup_pop(0);
    return NULL;
}

static void the_heap_is_no_cancellation_point(void **state) {
    (void)state;
    for (int i = 0; i < 10; i++) {
        pthread_t t;
        void *result = NULL;
        start_thread(&t, is_cancelled, NULL);
        CHECK(pthread_join(t, &result) == 0);
        CHECK(result == PTHREAD_CANCELED);
    }
    CHECK(cancelled_late == 10);
}

static void *spins_until_cancelled(void *arg) {
    (void)arg;
    for (size_t i = 0;; i++) {
        void *p = t_malloc(i * 37 % 3000);
        CHECK(p);
        pthread_cleanup_push(cleanup_free, p);
        pthread_testcancel();
        pthread_cleanup_pop(1);
    }
    return NULL;
}

static void cancelled_threads_leave_a_sound_heap(void **state) {
    (void)state;
    for (int i = 0; i < rounds(200); i++) {
        pthread_t t;
        start_thread(&t, spins_until_cancelled, NULL);
        if (i % 3) sleep_ms(1);
        CHECK(pthread_cancel(t) == 0);
        join(t);
    }
}

static atomic_uint signals_seen;

static void on_timer(int number) {
    (void)number;
    int kept = errno;
    char stack[2000];
    memset(stack, 1, sizeof stack);
    __asm__ volatile("" : : "r"(stack) : "memory");
    atomic_fetch_add(&signals_seen, 1);
    errno = kept;
}

static struct model signal_models[2];
static struct mailbox signal_boxes[MAILBOX_COUNT];

static void *runs_model(void *arg) {
    unsigned i = (unsigned)(uintptr_t)arg;
    model_begin(&signal_models[i], i + 1, signal_boxes);
    model_run_seed(&signal_models[i], 77 + i, memory_is_measurable() ? 60000 : 10000);
    model_end(&signal_models[i]);
    return NULL;
}

static void signals_during_calls_do_no_harm(void **state) {
    (void)state;
    struct sigaction action = {.sa_handler =
                                   on_timer}; /* without SA_RESTART: system calls of the heap see EINTR */
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    int us = memory_is_measurable() ? 300 : 5000; /* slow tools would do nothing but deliver signals */
    struct itimerval every = {{0, us}, {0, us}}, never = {{0, 0}, {0, 0}};
    CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0);
    pthread_t t[2];
    for (unsigned i = 0; i < 2; i++) start_thread(&t[i], runs_model, (void *)(uintptr_t)i);
    for (unsigned i = 0; i < 2; i++) join(t[i]);
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
    signal(SIGALRM, SIG_IGN); /* one may still be on its way */
    mailboxes_empty(signal_boxes);
    CHECK(signals_seen > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(destructors_of_thread_keys_may_use_the_heap),
        cmocka_unit_test(a_thread_may_first_use_the_heap_in_a_destructor),
        cmocka_unit_test(c11_threads_and_their_storage_may_use_the_heap),
        cmocka_unit_test(short_lived_threads_do_not_grow_the_process),
        cmocka_unit_test(blocks_of_dead_threads_can_be_freed_and_used_again),
        cmocka_unit_test(memory_of_a_dead_thread_serves_the_next),
        cmocka_unit_test(hundreds_of_threads_at_once),
        cmocka_unit_test(producer_and_consumer_stay_bounded),
        cmocka_unit_test(a_thread_that_only_frees_gives_memory_back),
        cmocka_unit_test(blocks_that_go_round_keep_their_contents),
        cmocka_unit_test(the_heap_is_no_cancellation_point),
        cmocka_unit_test(cancelled_threads_leave_a_sound_heap),
        cmocka_unit_test(signals_during_calls_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
