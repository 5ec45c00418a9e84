/* ordinary.c - what most programs do with their heap: blocks of all lengths, zeroed and grown ones, threads
 * that give and take, threads that end, a fork, a plug-in. Then it shows its mappings. For start.py, which
 * preloads the library into it. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BLOCKS = 3000, THREADS = 4, ROUNDS = 3 };

static void *block[THREADS][BLOCKS];
static pthread_barrier_t barrier;

static size_t size_of(unsigned i) {
    return i % 100 == 99 ? 300000 + i * 512 : 16 + i % 61 * (i % 7 == 0 ? 256 : 8);
}

static void *get(unsigned i) {
    void *p = i % 5 == 0 ? calloc(1, size_of(i)) : malloc(size_of(i));
    if (p && i % 9 == 0) p = realloc(p, 2 * size_of(i));
    if (p == NULL) abort();
    memset(p, 1, 16);
    return p;
}

/* Each gets blocks, and frees those of its neighbour. */
static void *exchange(void *argument) {
    unsigned me = (unsigned)(size_t)argument;
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < BLOCKS; i++) block[me][i] = get(i);
        pthread_barrier_wait(&barrier);
        for (unsigned i = 0; i < BLOCKS; i++) free(block[(me + 1) % THREADS][i]);
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}

static void exchange_in_threads(void) {
    pthread_t thread[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        if (pthread_create(&thread[i], NULL, exchange, (void *)i)) abort();
    for (size_t i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
}

static void load_a_plug_in(void) {
    void *plug_in =
        dlopen("libm.so.6", RTLD_NOW); /* where there is none of that name, it is looked for at least */
    if (plug_in) dlclose(plug_in);
}

/* The mappings shown are the parent's: a child begins without the pages of files. */
static void fork_once(void) {
    int status;
    pid_t child = fork();
    if (child < 0) abort();
    if (child == 0) {
        free(get(1));
        _exit(0);
    }
    if (waitpid(child, &status, 0) != child || status != 0) abort();
}

int main(void) {
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (unsigned i = 0; i < BLOCKS; i++) block[0][i] = get(i);
    for (unsigned i = 0; i < BLOCKS; i++) free(block[0][i]);
    exchange_in_threads();
    exchange_in_threads(); /* with what the first ones left */
    load_a_plug_in();
    fork_once();

    FILE *mappings = fopen("/proc/self/smaps", "r");
    if (mappings == NULL) return 1;
    for (int c; (c = getc(mappings)) != EOF;) putchar(c);
    return fclose(mappings);
}
