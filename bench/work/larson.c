/* bench/work/larson.c - threads that bleed: blocks outlive the thread that asked for them.
 *
 * Larson and Krishnan ("Memory allocation for long-running server applications", ISMM 1998) saw servers
 * whose threads serve a while, die, and leave their blocks to a successor. Each chain here is a line of
 * threads; each replaces blocks in the table it inherited, then starts its successor with the same table and
 * ends.
 *
 *     thread 0 --table--> thread 1 --table--> thread 2 ...      four chains side by side
 *
 * So every thread frees mostly blocks of the dead. An allocator that ties memory to threads must hand the
 * dead thread's memory on, or it grows. */
#include "work.h"

#define CHAINS 4
#define SLOTS 4000
#define STEPS 40000

struct chain {
    void *table[SLOTS];
    struct rng rng;
    size_t generations; /* that are still to come */
    uint64_t sum;
    pthread_t forerunner; /* the thread to be joined by the next, or by the end */
    int has_forerunner;
    int over;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;

static void replace_some(struct chain *c) {
    for (size_t i = 0; i < STEPS; i++) {
        size_t at = rng_below(&c->rng, SLOTS), size = rng_between(&c->rng, 8, 500);
        if (c->table[at]) c->sum += marked(c->table[at]);
        free(c->table[at]);
        c->table[at] = must(malloc(size));
        mark(c->table[at], size, size * i);
    }
}

/* A thread waits for its forerunner to be gone first, so the table has one owner at a time. */
static void *serve(void *argument) {
    struct chain *c = argument;
    if (c->has_forerunner) pthread_join(c->forerunner, NULL);
    replace_some(c);
    c->forerunner = pthread_self();
    c->has_forerunner = 1;
    if (--c->generations) {
        start(serve, c);
        return NULL;
    }
    pthread_mutex_lock(&lock);
    c->over = 1;
    pthread_cond_broadcast(&ended);
    pthread_mutex_unlock(&lock);
    return NULL;
}

static uint64_t finish(struct chain *c) {
    pthread_mutex_lock(&lock);
    while (!c->over) pthread_cond_wait(&ended, &lock);
    pthread_mutex_unlock(&lock);
    pthread_join(c->forerunner, NULL);
    for (size_t i = 0; i < SLOTS; i++) {
        if (c->table[i]) c->sum += marked(c->table[i]);
        free(c->table[i]);
    }
    return c->sum;
}

static uint64_t larson(double scale) {
    struct chain *chain = must(calloc(CHAINS, sizeof *chain));
    uint64_t sum = 0;
    for (size_t i = 0; i < CHAINS; i++) {
        chain[i].rng.state = i;
        chain[i].generations = scaled(200, scale, 2);
        start(serve, &chain[i]);
    }
    for (size_t i = 0; i < CHAINS; i++) sum += finish(&chain[i]);
    free(chain);
    return sum;
}

const struct work works_larson[] = {
    {"larson", "four chains of threads, each leaving its blocks to its successor", larson},
    {0},
};
