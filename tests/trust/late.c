/* late.c - destructors of thread-specific data that run after the heap's own allocate, resize and free, in many
 * threads at once: nothing of that is misuse, in any mode. And a walk in checked mode tells what is live.
 *
 *     late [ROUNDS]
 */
#include <freehold/heap.h>
#include <freehold/heaps.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS = 8, THREADS = 6, TURNS = 3, BLOCKS = 24 };

static pthread_key_t keys[KEYS];

static void use(unsigned seed) {
    unsigned char *blocks[BLOCKS];
    for (unsigned i = 0; i < BLOCKS; i++) {
        size_t size = 1 + (seed * 37 + i * 101) % (i % 8 ? 900 : 40000);
        blocks[i] = malloc(size);
        if (blocks[i] == NULL) abort();
        memset(blocks[i], (int)i, size);
        if (i % 5 == 0) blocks[i] = realloc(blocks[i], size + 300);
    }
    for (unsigned i = 0; i < BLOCKS; i++) free(blocks[(i * 7) % BLOCKS]);
}

/* Sets itself again, so that the rounds of destructors go on after the heap's has run. */
static void destroy(void *value) {
    size_t turn = *(size_t *)value;
    free(value);
    use((unsigned)turn);
    if (turn == 0) return;
    size_t *next = malloc(sizeof *next);
    *next = turn - 1;
    pthread_setspecific(keys[turn % KEYS], next);
}

static void *work(void *arg) {
    for (size_t i = 0; i < KEYS; i++) {
        size_t *turn = malloc(sizeof *turn);
        *turn = TURNS;
        pthread_setspecific(keys[i], turn);
    }
    use((unsigned)(size_t)arg);
    return NULL;
}

static void run_threads(size_t round) {
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, work, (void *)(round + i))) abort();
    use((unsigned)round);
    for (size_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
}

struct wanted {
    const void *live, *freed;
    int live_state, freed_state;
};

static int look(const struct fh_block *block, void *arg) {
    struct wanted *wanted = arg;
    const char *start = block->address;
    if ((const char *)wanted->live >= start && (const char *)wanted->live < start + block->size)
        wanted->live_state = (int)block->state;
    if ((const char *)wanted->freed >= start && (const char *)wanted->freed < start + block->size)
        wanted->freed_state = (int)block->state;
    return 0;
}

static int walk_tells_freed_from_live(size_t size) {
    void *live = malloc(size), *freed = malloc(size);
    struct wanted wanted = {live, freed, -1, -1};
    free(freed);
    if (fh_heap_walk(NULL, look, &wanted)) return 0;
    free(live);
    if (wanted.live_state == FH_BLOCK_LIVE && wanted.freed_state != FH_BLOCK_LIVE) return 1;
    fprintf(stderr, "%zu bytes: live shows as %d, freed as %d\n", size, wanted.live_state, wanted.freed_state);
    return 0;
}

int main(int argc, char **argv) {
    size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 30;
    for (unsigned i = 0; i < KEYS; i++)
        if (pthread_key_create(&keys[i], destroy)) abort();
    for (size_t round = 0; round < rounds; round++) run_threads(round);
    return !walk_tells_freed_from_live(100) || !walk_tells_freed_from_live(5000);
}
