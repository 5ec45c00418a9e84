/* bench/work/queue.c - producers and consumers.
 *
 * One side allocates messages and queues them, the other reads and frees them: pipelines, loggers, actor
 * systems. No thread ever frees what it allocated itself, so every block must find its way home. It is the
 * pattern on which allocators differ most.
 *
 *     queue-1-1    one producer, one consumer
 *     queue-4-1    four producers, one consumer        (many threads' blocks come back from one)
 *     queue-1-4    one producer, four consumers        (one thread's blocks come back from many)
 *     free-only    the consumer never allocates: it is given 100 000 blocks at a time, of another size each
 *                  time. Where its frees stay with it, the process grows without end.
 *
 * Messages travel in batches of 256, so that the lock of the queue is not what is measured. Producer i and
 * consumer i + 1 share a processor. */
#include "work.h"

#define BATCH 256
#define DEPTH 32

struct batch {
    void *message[BATCH];
};

/* A bounded queue of batches: head and tail count up for ever, tail - head <= DEPTH. */
struct queue {
    pthread_mutex_t lock;
    pthread_cond_t room, filled;
    struct batch *slot[DEPTH];
    size_t head, tail;
    size_t producers, consumers; /* how many threads are which */
    size_t batches;              /* that each producer makes    */
};

static void put(struct queue *q, struct batch *b) {
    pthread_mutex_lock(&q->lock);
    while (q->tail - q->head == DEPTH) pthread_cond_wait(&q->room, &q->lock);
    q->slot[q->tail++ % DEPTH] = b;
    pthread_cond_signal(&q->filled);
    pthread_mutex_unlock(&q->lock);
}

static struct batch *take(struct queue *q) {
    pthread_mutex_lock(&q->lock);
    while (q->tail == q->head) pthread_cond_wait(&q->filled, &q->lock);
    struct batch *b = q->slot[q->head++ % DEPTH];
    pthread_cond_signal(&q->room);
    pthread_mutex_unlock(&q->lock);
    return b;
}

static void produce(struct queue *q, size_t index) {
    struct rng r = {index};
    for (size_t i = 0; i < q->batches; i++) {
        struct batch *b = must(malloc(sizeof *b));
        for (size_t m = 0; m < BATCH; m++) {
            size_t size = rng_size(&r, 512);
            b->message[m] = must(malloc(size));
            mark(b->message[m], size, size + i);
        }
        put(q, b);
    }
}

static uint64_t consume(struct queue *q) {
    uint64_t sum = 0;
    for (struct batch *b; (b = take(q)) != NULL; free(b))
        for (size_t m = 0; m < BATCH; m++) {
            sum += marked(b->message[m]);
            free(b->message[m]);
        }
    return sum;
}

static void *produce_thread(void *argument) {
    struct part *part = argument;
    produce(part->shared, part->index);
    return NULL;
}

static void *consume_thread(void *argument) {
    struct part *part = argument;
    part->sum = consume(part->shared);
    return NULL;
}

/* Consumers end when they take NULL; there is one for each after the last producer has ended. */
static uint64_t pipeline(size_t producers, size_t consumers, size_t batches) {
    static struct queue q = {.lock = PTHREAD_MUTEX_INITIALIZER,
                             .room = PTHREAD_COND_INITIALIZER,
                             .filled = PTHREAD_COND_INITIALIZER};
    pthread_t consumer[MAX_THREADS];
    struct part part[MAX_THREADS];
    uint64_t sum = 0;
    q.batches = batches / producers;
    for (size_t i = 0; i < consumers; i++) {
        part[i] = (struct part){.index = i, .shared = &q};
        consumer[i] = start_on(i + 1, consume_thread, &part[i]);
    }
    on_threads(producers, produce_thread, 1, &q);
    for (size_t i = 0; i < consumers; i++) put(&q, NULL);
    for (size_t i = 0; i < consumers; i++) {
        pthread_join(consumer[i], NULL);
        sum += part[i].sum;
    }
    return sum;
}

static uint64_t queue_1_1(double scale) { return pipeline(1, 1, scaled(50000, scale, 20)); }
static uint64_t queue_4_1(double scale) { return pipeline(4, 1, scaled(50000, scale, 20)); }
static uint64_t queue_1_4(double scale) { return pipeline(1, 4, scaled(50000, scale, 20)); }

/* ---------------------------------------------------------------- free-only --------------------------- */

#define HEAP_OF_BLOCKS 100000

static void *free_all(void *argument) {
    struct queue *q = ((struct part *)argument)->shared;
    uint64_t sum = 0;
    for (void **block; (block = (void **)take(q)) != NULL;) {
        for (size_t i = 0; i < HEAP_OF_BLOCKS; i++) {
            sum += marked(block[i]);
            free(block[i]);
        }
        block[0] = NULL;
        put(&q[1], (struct batch *)block); /* the array goes back: this thread allocates nothing at all */
    }
    ((struct part *)argument)->sum = sum;
    return NULL;
}

static void *make_all(void *argument) {
    static void *array[2][HEAP_OF_BLOCKS];
    struct part *part = argument;
    struct queue *q = part->shared;
    size_t rounds = scaled(160, part->scale, 4);
    for (size_t r = 0; r < rounds; r++) {
        void **block = r < 2 ? array[r] : (void **)take(&q[1]);
        size_t size = 16 + r * 48 % 272;
        for (size_t i = 0; i < HEAP_OF_BLOCKS; i++) {
            block[i] = must(malloc(size));
            mark(block[i], size, r * i);
        }
        put(&q[0], (struct batch *)block);
    }
    put(&q[0], NULL);
    return NULL;
}

/* Two arrays travel: while the consumer frees the blocks of one, the producer fills the other. */
static uint64_t free_only(double scale) {
    static struct queue q[2] = {
        {.lock = PTHREAD_MUTEX_INITIALIZER,
         .room = PTHREAD_COND_INITIALIZER,
         .filled = PTHREAD_COND_INITIALIZER},
        {.lock = PTHREAD_MUTEX_INITIALIZER,
         .room = PTHREAD_COND_INITIALIZER,
         .filled = PTHREAD_COND_INITIALIZER},
    };
    struct part part = {.shared = q};
    pthread_t consumer = start_on(1, free_all, &part);
    on_threads(1, make_all, scale, q);
    pthread_join(consumer, NULL);
    return part.sum;
}

const struct work works_queue[] = {
    {"queue-1-1", "one producer, one consumer of messages to 512 bytes", queue_1_1},
    {"queue-4-1", "four producers, one consumer", queue_4_1},
    {"queue-1-4", "one producer, four consumers", queue_1_4},
    {"free-only", "a thread that only frees, 100 000 blocks of changing size at a time", free_only},
    {0},
};
