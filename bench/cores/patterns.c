/* bench/cores/patterns.c - the patterns of the model (patterns.py) on real threads, to be counted under
 * callgrind.
 *
 *     patterns local|bursts|pairs|exchange|bleeding THREADS ROUNDS
 *
 * As in patterns.py: one size of 64 bytes, the same numbers of blocks, the same choices. The threads go in
 * step, a round at a time. What the threads use to talk to each other allocates nothing. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SIZE = 64,
    BURST = 1000,
    LARGE_BURST = 4000,
    MESSAGES = 256,
    BATCH = 120,
    TABLE = 1000,
    REPLACED = 1000,
    LIVES = 250
};
enum { MOST_THREADS = 16, INBOX = 4096 };

static int threads, rounds;
static pthread_barrier_t barrier;

static uint64_t step(uint64_t x) { return x * 6364136223846793005u + 1442695040888963407u; }

static void *block(void) {
    void *p = malloc(SIZE);
    if (p == NULL) abort();
    *(volatile char *)p = 1;
    return p;
}

static void all_in_turn(int burst) {
    void *blocks[LARGE_BURST];
    for (int r = 0; r < rounds; r++) {
        for (int i = 0; i < burst; i++) blocks[i] = block();
        for (int i = 0; i < burst; i++) free(blocks[i]);
    }
}

static void local(int number) {
    (void)number;
    all_in_turn(BURST);
}

static void bursts(int number) {
    (void)number;
    all_in_turn(LARGE_BURST);
}

static void *messages[MOST_THREADS / 2][2][MESSAGES];

/* While the consumer frees a batch, the producer makes the next. */
static void pairs(int number) {
    int produces = number % 2 == 0;
    for (int r = 0; r <= rounds; r++) {
        void **batch = messages[number / 2][(r + !produces) % 2];
        for (int i = 0; produces && r < rounds && i < MESSAGES; i++) batch[i] = block();
        for (int i = 0; !produces && r > 0 && i < MESSAGES; i++) free(batch[i]);
        pthread_barrier_wait(&barrier);
    }
}

static struct inbox {
    pthread_mutex_t lock;
    int count;
    void *blocks[INBOX];
} inboxes[MOST_THREADS];

static void exchange(int number) {
    uint64_t x = (uint64_t)number + 1;
    static __thread void *mine[INBOX];
    for (int r = 0; r < rounds; r++) {
        void *batch[BATCH];
        for (int i = 0; i < BATCH; i++) batch[i] = block();
        x = step(x);
        struct inbox *to = &inboxes[(x >> 33) % (uint64_t)threads];
        pthread_mutex_lock(&to->lock);
        memcpy(to->blocks + to->count, batch, sizeof batch);
        to->count += BATCH;
        pthread_mutex_unlock(&to->lock);
        pthread_barrier_wait(&barrier);
        struct inbox *in = &inboxes[number];
        pthread_mutex_lock(&in->lock);
        int count = in->count;
        memcpy(mine, in->blocks, (size_t)count * sizeof *mine);
        in->count = 0;
        pthread_mutex_unlock(&in->lock);
        for (int i = 0; i < count; i++) free(mine[i]);
    }
}

static void *table[MOST_THREADS][TABLE];
static uint64_t chance[MOST_THREADS];
static int lives[MOST_THREADS]; /* how many threads have had this number */

static void *live(void *argument) {
    int number = (int)(intptr_t)argument, r = lives[number]++;
    void **mine = table[(number + r) % threads];
    int count = TABLE;
    for (int i = 0; mine[0] == NULL && i < TABLE; i++)
        mine[TABLE - 1 - i] = block(); /* the first last, as it is the mark */
    for (int n = 0; n < REPLACED / LIVES; n++) {
        for (int i = 0; i < LIVES; i++) {
            uint64_t x = chance[number] = step(chance[number]);
            int at = (int)((x >> 33) % (uint64_t)count);
            free(mine[at]);
            memmove(mine + at, mine + at + 1, (size_t)(--count - at) * sizeof *mine);
        }
        while (count < TABLE) mine[count++] = block();
    }
    return NULL;
}

static void bleeding(void) {
    for (int t = 0; t < threads; t++) chance[t] = (uint64_t)t + 1;
    for (int r = 0; r < rounds; r++) {
        pthread_t thread[MOST_THREADS];
        for (int t = 0; t < threads; t++)
            if (pthread_create(&thread[t], NULL, live, (void *)(intptr_t)t) != 0) abort();
        for (int t = 0; t < threads; t++) pthread_join(thread[t], NULL);
    }
}

static void (*pattern)(int);

static void *run(void *number) {
    pattern((int)(intptr_t)number);
    return NULL;
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    threads = atoi(argv[2]);
    rounds = atoi(argv[3]);
    if (threads < 1 || threads > MOST_THREADS || rounds < 1) return 2;
    pattern = strcmp(argv[1], "local") == 0    ? local
              : strcmp(argv[1], "bursts") == 0 ? bursts
              : strcmp(argv[1], "pairs") == 0  ? pairs
                                               : exchange;
    pthread_barrier_init(&barrier, NULL, (unsigned)threads);
    for (int t = 0; t < MOST_THREADS; t++) pthread_mutex_init(&inboxes[t].lock, NULL);
    if (strcmp(argv[1], "bleeding") == 0) {
        bleeding();
        return 0;
    }
    pthread_t thread[MOST_THREADS];
    for (int t = 0; t < threads; t++)
        if (pthread_create(&thread[t], NULL, run, (void *)(intptr_t)t) != 0) abort();
    for (int t = 0; t < threads; t++) pthread_join(thread[t], NULL);
    return 0;
}
