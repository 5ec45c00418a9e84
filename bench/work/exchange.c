/* bench/work/exchange.c - threads that swap blocks.
 *
 * Each thread fills a batch, puts it into a pool that all share, and frees whichever batch it takes out: its
 * own or another's. Known from Lever and Boreham's malloc tests ("malloc() performance in a multithreaded
 * Linux environment", USENIX 2000), where it is called an allocator's worst case, as blocks wander among
 * all threads without a pattern. */
#include "work.h"

#define THREADS 4
#define BATCH 120
#define POOL 32

struct batch {
    struct batch *next;
    void *block[BATCH];
};

struct pool {
    pthread_mutex_t lock;
    struct batch *first;
    size_t count;
};

/* Puts b in; takes one out when the pool holds enough to make it likely another's. */
static struct batch *swap(struct pool *pool, struct batch *b) {
    struct batch *out = NULL;
    pthread_mutex_lock(&pool->lock);
    if (pool->count >= POOL) {
        out = pool->first;
        pool->first = out->next;
        pool->count--;
    }
    b->next = pool->first;
    pool->first = b;
    pool->count++;
    pthread_mutex_unlock(&pool->lock);
    return out;
}

static uint64_t empty(struct batch *b) {
    uint64_t sum = 0;
    for (size_t i = 0; i < BATCH; i++) {
        sum += marked(b->block[i]);
        free(b->block[i]);
    }
    free(b);
    return sum;
}

static void *exchange_thread(void *argument) {
    struct part *part = argument;
    struct rng r = {part->index};
    size_t batches = scaled(100000, part->scale, 50);
    for (size_t n = 0; n < batches; n++) {
        struct batch *b = must(malloc(sizeof *b));
        for (size_t i = 0; i < BATCH; i++) {
            size_t size = rng_size(&r, 256);
            b->block[i] = must(malloc(size));
            mark(b->block[i], size, size * n);
        }
        struct batch *out = swap(part->shared, b);
        if (out) part->sum += empty(out);
    }
    return NULL;
}

static uint64_t exchange(double scale) {
    struct pool pool = {.lock = PTHREAD_MUTEX_INITIALIZER};
    uint64_t sum = on_threads(THREADS, exchange_thread, scale, &pool);
    for (struct batch *b = pool.first, *next; b; b = next) {
        next = b->next;
        sum += empty(b);
    }
    return sum;
}

const struct work works_exchange[] = {
    {"exchange", "four threads put batches into a pool and free what they take out", exchange},
    {0},
};
