/* test_books.c - no memory is left for the books (src/heap/meta.c): for magazines, marks, quarantines, heaps.
 *
 * Blocks that the heap holds already are to be had all the same, one by one, and can be given back; what needs
 * more is refused in order. With memory again, all goes on, and the books are sound.
 *
 *     a class that the thread has no bin for      served without one, from a span of a thread that has ended
 *     a block freed by a thread without a bin     goes home
 *     a thread without a heap                     served by the one that is shared
 *     a thread that hands its blocks over         keeps them
 *     an own heap, a walk over the blocks         refused
 */
#include "../heap/support.h"

#include "base/settings.h"
#include "heap/depot.h"
#include "heap/heap.h"
#include "heap/meta.h"
#include "heap/valid.h"

#include <errno.h>
#include <freehold/heap.h>
#include <freehold/heaps.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <sys/resource.h>

static const size_t sizes[] = {20, 90, 500, 1500, 9000};
enum { SIZES = sizeof sizes / sizeof *sizes, EACH = 40 };

/* ---- using the books up ---- */

static void *pieces;
static struct rlimit before;

static void use_up(void) {
    struct rlimit none = {1 << 20, 1 << 20};
    CHECK(getrlimit(RLIMIT_AS, &before) == 0);
    none.rlim_max = before.rlim_max;
    CHECK(setrlimit(RLIMIT_AS, &none) == 0);
    for (void **piece; (piece = fh_meta_take(64)) != NULL; pieces = piece) *piece = pieces;
}

static void give_again(void) {
    CHECK(setrlimit(RLIMIT_AS, &before) == 0);
    for (void *next; pieces; pieces = next) {
        next = *(void **)pieces;
        fh_meta_give(pieces, 64);
    }
}

/* ---- threads: they come while there is memory, as they need a stack ---- */

static sem_t frees, late_go[2], done, end;
static void *handed[SIZES * EACH];

/* A thread that had blocks, and is gone: its spans are there for others. */
static void *leaves_spans(void *unused) {
    void *p[SIZES * EACH];
    for (unsigned i = 0; i < SIZES * EACH; i++) CHECK((p[i] = fh_malloc(sizes[i % SIZES])) != NULL);
    for (unsigned i = 0; i < SIZES * EACH; i++) fh_free(p[i]);
    return unused;
}

/* It has no heap yet when there is no memory for one: the first such thread gets that of the one that is gone,
 * the second none. */
static void *comes_late(void *second) {
    void *p[SIZES] = {0};
    CHECK(sem_wait(&late_go[second != NULL]) == 0);
    for (unsigned i = 0; i < SIZES; i++) {
        errno = 0;
        p[i] = fh_malloc(sizes[i]);
        CHECK(p[i] || errno == ENOMEM);
        if (p[i]) pattern_fill(p[i], sizes[i], i);
    }
    CHECK((fh_heap_here() == NULL) == (second != NULL));
    for (unsigned i = 0; i < SIZES; i++) {
        if (p[i]) pattern_verify(p[i], sizes[i], sizes[i], i);
        fh_free(p[i]);
    }
    for (unsigned i = 0; second && i < SIZES * EACH; i += 2) { /* those of the first thread */
        pattern_verify(handed[i], sizes[i % SIZES], sizes[i % SIZES], i);
        fh_free(handed[i]);
    }
    CHECK(sem_post(&done) == 0 && sem_wait(&end) == 0);
    return second;
}

/* It has a heap, and nothing else yet: no bin of these classes, no quarantine. */
static void *only_frees(void *unused) {
    void *p = fh_malloc(10);
    CHECK(p != NULL && sem_post(&done) == 0 && sem_wait(&frees) == 0);
    for (unsigned i = 1; i < SIZES * EACH; i += 2) {
        pattern_verify(handed[i], sizes[i % SIZES], sizes[i % SIZES], i);
        fh_free(handed[i]);
    }
    fh_free(p);
    CHECK(sem_post(&done) == 0);
    return unused;
}

/* ---- this thread ---- */

static void classes_without_a_bin(void) {
    enum { MANY = 12 };
    void *p[SIZES][MANY] = {0};
    unsigned served = 0;
    for (unsigned i = 0; i < SIZES * MANY; i++) {
        size_t size = sizes[i % SIZES] + 200; /* other classes than those that were handed over */
        void *block = p[i % SIZES][i / SIZES] = fh_malloc(size);
        if (block) pattern_fill(block, size, i);
        served += block != NULL;
    }
    for (unsigned i = 0; i < SIZES * MANY; i++) {
        size_t size = sizes[i % SIZES] + 200;
        if (p[i % SIZES][i / SIZES]) pattern_verify(p[i % SIZES][i / SIZES], size, size, i);
        fh_free(p[i % SIZES][i / SIZES]);
    }
    CHECKF(served > MANY, "%u blocks", served);
}

static void *leaves_other_spans(void *unused) {
    for (unsigned i = 0; i < SIZES; i++) {
        void *p = fh_malloc(sizes[i] + 200);
        CHECK(p != NULL);
        fh_free(p);
    }
    return unused;
}

static int visit(const struct fh_block *block, void *unused) { return (void)block, (void)unused, 0; }

static void what_needs_more_is_refused(void) {
    errno = 0;
    CHECK(fh_heap_new(0) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(fh_heap_walk(NULL, visit, NULL) == -1 && errno == ENOMEM);
    void *slots[FH_MAGAZINE_HEAD + 14] = {0};
    struct fh_magazines none = {0};
    CHECK(fh_depot_change_full(fh_class_of(64), 0, &none, slots + FH_MAGAZINE_HEAD, 14) == NULL);
    CHECK(fh_magazine_new(&none, 14) == NULL);
}

static void run(pthread_t *t, void *(*body)(void *), void *arg) {
    CHECK(pthread_create(t, NULL, body, arg) == 0);
}

static void let_go(sem_t *waits) { CHECK(sem_post(waits) == 0 && sem_wait(&done) == 0); }

int main(void) {
    pthread_t first, late[2], gone;
    CHECK(sem_init(&frees, 0, 0) == 0 && sem_init(&late_go[0], 0, 0) == 0 && sem_init(&late_go[1], 0, 0) == 0);
    CHECK(sem_init(&done, 0, 0) == 0 && sem_init(&end, 0, 0) == 0);
    run(&first, only_frees, NULL);
    CHECK(sem_wait(&done) == 0);
    for (unsigned i = 0; i < SIZES * EACH; i++) {
        CHECK((handed[i] = fh_malloc(sizes[i % SIZES])) != NULL);
        pattern_fill(handed[i], sizes[i % SIZES], i);
    }
    run(&gone, leaves_spans, NULL);
    pthread_join(gone, NULL);
    run(&gone, leaves_other_spans, NULL);
    pthread_join(gone, NULL);
    for (unsigned i = 0; i < 2; i++) run(&late[i], comes_late, i ? &late : NULL);
    use_up();
    classes_without_a_bin();
    what_needs_more_is_refused();
    let_go(&late_go[0]);
    let_go(&late_go[1]);
    let_go(&frees);
    give_again();
    for (unsigned i = 0; i < 2; i++) CHECK(sem_post(&end) == 0);
    for (unsigned i = 0; i < 2; i++) pthread_join(late[i], NULL);
    pthread_join(first, NULL);
    leaves_spans(NULL);
    struct fh_heap *heap = fh_heap_new(0);
    CHECK(heap && fh_heap_malloc(heap, 100) && fh_heap_walk(NULL, visit, NULL) == 0);
    fh_heap_drop(heap);
    fh_trim();
    CHECK(fh_heap_is_valid(true));
    return 0;
}
