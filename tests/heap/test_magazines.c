/* test_magazines.c - the arrays behind bins, against a model (src/heap/magazine.h).
 *
 * Three heaps take and end magazines by chance, also such as another has made. Each is in one place at a time,
 * and what the books hold stays bounded by the most that were in use at once, and what heaps keep at hand.
 * And a thread that follows another finds the other's magazines: its calls leave the books alone.
 */
#include "names.h"
#include "runner.h"
#include "support.h"

#include "heap/magazine.h"
#include "heap/meta.h"

#include <freehold.h>
#include <pthread.h>
#include <string.h>

enum { HEAPS = 3, SIZES = FH_MAGAZINE_SIZES, MOST_USED = 200, STEPS = 200000 };

static struct fh_magazines at_hand[HEAPS];
static struct used {
    void **base;
    unsigned capacity;
} used[MOST_USED];
static unsigned in_use;

static size_t bytes_of(unsigned capacity) { return (capacity + FH_MAGAZINE_HEAD) * sizeof(void *); }

/* All of it is written to: a magazine that two had would be seen by either. */
static void **word_of(const struct used *u, unsigned i) { return u->base - FH_MAGAZINE_HEAD + i; }

static void take(struct rng *rng) {
    struct used *u = &used[in_use++];
    u->capacity = (4u << rng_below(rng, SIZES)) - FH_MAGAZINE_HEAD;
    u->base = fh_magazine_new(&at_hand[rng_below(rng, HEAPS)], u->capacity);
    CHECK(u->base != NULL && u->base[-1] == NULL);
    for (unsigned i = 0; i < u->capacity + FH_MAGAZINE_HEAD; i++) *word_of(u, i) = u->base;
}

static void end(struct rng *rng) {
    struct used *u = &used[rng_below(rng, in_use)];
    for (unsigned i = 0; i < u->capacity + FH_MAGAZINE_HEAD; i++)
        CHECKF(*word_of(u, i) == u->base, "word %u of a magazine of %u is another's", i, u->capacity);
    fh_magazine_end(&at_hand[rng_below(rng, HEAPS)], u->base, u->capacity);
    *u = used[--in_use];
}

static size_t kept_at_hand(void) {
    size_t bytes = 0;
    for (unsigned h = 0; h < HEAPS; h++)
        for (unsigned s = 0; s < SIZES; s++) {
            size_t count = at_hand[h].count[s], each = bytes_of((4u << s) - FH_MAGAZINE_HEAD);
            CHECKF(count <= FH_MAGAZINES_SPARE && count * each <= 4096, "%zu of %zu bytes", count, each);
            bytes += count * each;
        }
    return bytes;
}

static void each_magazine_is_in_one_place(void **state) {
    (void)state;
    struct rng rng = {11};
    t_free(t_malloc(1)); /* the heap begins */
    for (check_step = 0; check_step < STEPS; check_step++) {
        unsigned wanted = (unsigned)rng_below(&rng, MOST_USED);
        if (in_use < MOST_USED && (in_use == 0 || in_use < wanted)) take(&rng);
        else end(&rng);
        CHECK(kept_at_hand() <= HEAPS * (size_t)16 * 1024);
    }
    size_t books = fh_meta_bytes();
    while (in_use) end(&rng);
    while (in_use < MOST_USED) take(&rng);
    while (in_use) end(&rng);
    CHECKF(fh_meta_bytes() <= books + MOST_USED * bytes_of(8190), "the books went from %zu to %zu bytes", books,
           fh_meta_bytes());
}

/* Opens bins of many sizes and lets them grow. */
static void *lives(void *unused) {
    enum { EACH = 300 };
    void *block[EACH];
    for (size_t size = 16; size <= 1024; size *= 2) {
        for (unsigned i = 0; i < EACH; i++) CHECK((block[i] = t_malloc(size)) != NULL);
        for (unsigned i = 0; i < EACH; i++) t_free(block[i]);
    }
    return unused;
}

static void run_a_thread(void) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, lives, NULL) == 0 && pthread_join(thread, NULL) == 0);
}

/* Were magazines of dead threads lost, each thread would take new ones. */
static void threads_one_after_the_other_use_the_same_magazines(void **state) {
    (void)state;
    for (unsigned i = 0; i < 3; i++) run_a_thread();
    size_t books = fh_meta_bytes();
    for (unsigned i = 0; i < 50; i++) run_a_thread();
    CHECKF(fh_meta_bytes() == books, "the books went from %zu to %zu bytes", books, fh_meta_bytes());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            threads_one_after_the_other_use_the_same_magazines), /* first: the books have nothing spare */
        cmocka_unit_test(each_magazine_is_in_one_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
