/* soak.c - a program that lives long: threads that allocate, hand over and free, threads that come and go,
 * forks, trims. What it holds stays the same on average, so its resident memory must too.
 *
 *     soak SECONDS
 *
 *     workers    keep some MiB each, of all sizes, and exchange blocks through the shared slots: half of all frees are of
 *                blocks from other threads
 *     guests     short-lived threads, one after the other; what they leave in the slots outlives them
 *     forker     children that go on with the heap as it was at that moment, then end
 *     keeper     trims, checks the heap's books with the walker, uses heaps of its own
 *     main       samples the resident memory
 *
 * Fails when the median of the last third of the samples is above the median of the first by more than a tenth
 * and 4 MiB (in modes that hold freed blocks back 12 MiB; the first fifth of the time is left out: it is the
 * way up), when a block's contents are not its own, when a child fails, when the walker finds something, or
 * when after the end of all threads more is live than at the start.
 */
#include "../heap/support.h"
#include "heap/valid.h"

#include <freehold/heaps.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OWN = 4000, SHARED = 2048, GUEST_BLOCKS = 300, SAMPLES = 4000 };
#define MIB ((size_t)1 << 20)

static atomic_bool stop;
static _Atomic(void *) shared[SHARED];
static _Atomic uint64_t operations, guests, forks_done, looks;

/* Size in the first word, its complement in the last bytes: a block that was written on by another is seen. */
static void *make(struct rng *rng) {
    uint64_t r = rng_next(rng), shape = r >> 56;
    size_t size = 16 + (shape < 200 ? r % 300 : shape < 250 ? r % 6000 : shape < 255 ? r % 60000 : r % 400000);
    char *p = fh_malloc(size);
    CHECKF(p, "no block of %zu bytes", size);
    memcpy(p, &size, sizeof size);
    p[size - 1] = (char)~size;
    return p;
}

static void check(const char *p) {
    size_t size;
    memcpy(&size, p, sizeof size);
    CHECKF(size >= 16 && size < 500000 && p[size - 1] == (char)~size, "block %p is not as it was left",
           (const void *)p);
}

static void drop(void *p) {
    if (p == NULL) return;
    check(p);
    fh_free(p);
}

static void *grow(void *p, struct rng *rng) {
    size_t size, larger;
    memcpy(&size, p, sizeof size);
    check(p);
    larger = size + rng_below(rng, 500);
    char *q = fh_realloc(p, larger);
    CHECK(q);
    memcpy(q, &larger, sizeof larger);
    q[larger - 1] = (char)~larger;
    return q;
}

static void *work(void *arg) {
    struct rng rng = {.state = (uintptr_t)arg};
    void **own = fh_calloc(OWN, sizeof *own);
    CHECK(own);
    while (!atomic_load(&stop)) {
        for (unsigned k = 0; k < 1000; k++) {
            uint64_t r = rng_next(&rng);
            void **slot = &own[r % OWN];
            if (r >> 60 == 0 && *slot) {
                *slot = grow(*slot, &rng);
            } else if (r >> 63) {
                drop(atomic_exchange(&shared[r >> 20 & (SHARED - 1)], make(&rng)));
            } else {
                drop(*slot);
                *slot = make(&rng);
            }
        }
        atomic_fetch_add(&operations, 1000);
    }
    for (unsigned i = 0; i < OWN; i++) drop(own[i]);
    fh_free(own);
    return NULL;
}

static void *guest(void *arg) {
    struct rng rng = {.state = (uintptr_t)arg * 77};
    void *own[GUEST_BLOCKS];
    for (unsigned i = 0; i < GUEST_BLOCKS; i++) own[i] = make(&rng);
    for (unsigned i = 0; i < GUEST_BLOCKS; i++) {
        if (i % 2) drop(own[i]);
        else drop(atomic_exchange(&shared[rng_below(&rng, SHARED)], own[i]));
    }
    return NULL;
}

static void *invite(void *arg) {
    (void)arg;
    while (!atomic_load(&stop)) {
        pthread_t t[2];
        for (unsigned i = 0; i < 2; i++)
            CHECK(pthread_create(&t[i], NULL, guest, (void *)(uintptr_t)(atomic_fetch_add(&guests, 1) + 1)) ==
                  0);
        for (unsigned i = 0; i < 2; i++) CHECK(pthread_join(t[i], NULL) == 0);
    }
    return NULL;
}

static void live_as_child(void) {
    struct rng rng = {.state = (uint64_t)getpid()};
    for (unsigned i = 0; i < SHARED; i += 7) drop(atomic_exchange(&shared[i], make(&rng)));
    for (unsigned i = 0; i < 2000; i++) drop(make(&rng));
}

static void *fork_now_and_then(void *arg) {
    (void)arg;
    while (!atomic_load(&stop)) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            alarm(60); /* a child that hangs ends, and is seen */
            live_as_child();
            _exit(0);
        }
        int status;
        CHECK(waitpid(pid, &status, 0) == pid);
        CHECKF(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a child ended with status %#x",
               (unsigned)status);
        atomic_fetch_add(&forks_done, 1);
        sleep_ms(100);
    }
    return NULL;
}

static void *keep(void *arg) {
    struct rng rng = {.state = 99};
    (void)arg;
    while (!atomic_load(&stop)) {
        struct fh_heap *heap = fh_heap_new(8 * MIB);
        CHECK(heap);
        for (unsigned i = 0; i < 500; i++) {
            char *p = fh_heap_malloc(heap, 1 + rng_below(&rng, 3000));
            if (p && i % 3 == 0) fh_free(p);
        }
        fh_heap_drop(heap);
        fh_trim();
        CHECK(fh_heap_is_valid(false));
        atomic_fetch_add(&looks, 1);
        sleep_ms(400);
    }
    return NULL;
}

/* ---- the judgement ---- */

static size_t samples[SAMPLES];
static unsigned sample_count;

static int by_size(const void *a, const void *b) {
    const size_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static size_t median(unsigned from, unsigned to) {
    static size_t sorted[SAMPLES];
    memcpy(sorted, samples + from, (to - from) * sizeof *samples);
    qsort(sorted, to - from, sizeof *sorted, by_size);
    return sorted[(to - from) / 2];
}

static void sample_for(double seconds) {
    double begin = seconds_now(), step = seconds / 120 > 0.1 ? seconds / 120 : 0.1;
    while (seconds_now() - begin < seconds && sample_count < SAMPLES) {
        sleep_ms((unsigned)(step * 1000));
        samples[sample_count++] = rss_now();
        if (sample_count % 12 == 0)
            printf(
                "%5.0f s: %4zu MiB resident, %llu million operations, %llu threads, %llu forks, %llu walks\n",
                seconds_now() - begin, samples[sample_count - 1] / MIB,
                (unsigned long long)atomic_load(&operations) / 1000000,
                (unsigned long long)atomic_load(&guests), (unsigned long long)atomic_load(&forks_done),
                (unsigned long long)atomic_load(&looks));
        fflush(stdout);
    }
}

/* In guard mode what is known of each page and block is kept until 64 GiB have gone by: the tables, of 104 MiB
 * in all, fill up meanwhile. */
static size_t growth_allowed(size_t first) {
    const char *setting = getenv("FREEHOLD");
    if (setting && strstr(setting, "mode=guard")) return first / 10 + 112 * MIB;
    return first / 10 + (heap_is_checked() ? 12 : 4) * MIB;
}

static void judge(void) {
    unsigned from = sample_count / 5, third = (sample_count - from) / 3;
    CHECKF(third >= 5, "only %u samples", sample_count);
    size_t first = median(from, from + third), last = median(sample_count - third, sample_count);
    printf("resident memory: %zu KiB in the first third, %zu KiB in the last\n", first >> 10, last >> 10);
    if (memory_is_measurable())
        CHECKF(last <= first + growth_allowed(first), "resident memory grows: from %zu to %zu KiB", first >> 10,
               last >> 10);
}

static size_t live_blocks(void) {
    static struct fh_stats stats;
    fh_stats_now(&stats);
    return stats.live_blocks;
}

int main(int argc, char **argv) {
    double seconds = argc > 1 ? atof(argv[1]) : 60;
    void *(*const bodies[])(void *) = {work, work, work, invite, fork_now_and_then, keep};
    enum { THREADS = sizeof bodies / sizeof *bodies };
    pthread_t threads[THREADS];
    size_t before = live_blocks();
    for (unsigned i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, bodies[i], (void *)(uintptr_t)(i + 1)) == 0);
    sample_for(seconds);
    atomic_store(&stop, true);
    for (unsigned i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    for (unsigned i = 0; i < SHARED; i++) drop(atomic_exchange(&shared[i], NULL));
    CHECK(fh_heap_is_valid(true));
    fh_trim();
    size_t after = live_blocks();
    if (!heap_is_checked()) /* there freed blocks wait, and count as live */
        CHECKF(after <= before + 50, "%zu blocks were live, and are %zu", before, after);
    judge();
    return 0;
}
