/* test_early.c - the heap before main and after it.
 *
 *     preinit_array > constructors of libraries > own constructors > main > atexit > own destructors > of libraries
 *
 * Blocks made at each moment are used and given up at a later one. Built with a library (early_lib.c) where
 * there are shared libraries.
 */
#include "early.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static struct early_blocks from_preinit, from_constructor, from_main, from_atexit, to_the_end;
static int fork_handler_calls;

/* A handler registered before anyone else's: it runs last before the fork, maybe while the heap is held for it.
 * */
static void fork_handler(void) {
    fork_handler_calls++;
    free(malloc(3000));
    free(malloc(300000));
}

static void preinit(void) {
    early_make(&from_preinit);
    pthread_atfork(fork_handler, fork_handler, fork_handler);
}

#if defined(__GLIBC__)
__attribute__((section(".preinit_array"), used)) static void (*const preinit_entry)(void) = preinit;
#else
__attribute__((constructor(101))) static void preinit_here(void) { preinit(); }
#endif

__attribute__((constructor(102))) static void construct(void) {
    early_drop(&from_preinit);
    early_make(&from_constructor);
    early_make(&to_the_end);
}

__attribute__((destructor(102))) static void destruct(void) {
    early_drop(&from_atexit);
    early_drop(&to_the_end);
    free(malloc(123456));
    if (write(1, "end\n", 4) != 4) abort();
}

static void at_exit(void) {
    early_drop(&from_main);
    early_make(&from_atexit);
    char text[64];
    int n = snprintf(text, sizeof text, "atexit %.3f\n", 1.5); /* libc's own late allocations */
    CHECK(n == 13);
}

#ifdef TEST_EARLY_LIB
int early_lib_ready(void);
#endif

/* The settings are read at the first allocation, and that was in preinit: before glibc knew its environment. */
int fh_get(const char *key, char *buf, size_t size) __attribute__((weak));
static void the_environment_was_read(void) {
    const char *wanted = getenv("FREEHOLD"), *mode = wanted ? strstr(wanted, "mode=") : NULL;
    char is[20] = "";
    if (fh_get == NULL || mode == NULL) return;
    CHECK(fh_get("mode", is, sizeof is) > 0);
    CHECKF(strncmp(mode + strlen("mode="), is, strlen(is)) == 0, "FREEHOLD is %s, and mode is %s", wanted, is);
}

/* Enough of each size that its bin grows, whoever began it: a heap that was begun twice shows at the fork. */
static void many_of_each_size(void) {
    enum { MANY = 200 };
    static void *blocks[MANY];
    for (size_t size = 16; size < 1000; size += 16) {
        for (size_t i = 0; i < MANY; i++) CHECK((blocks[i] = malloc(size)) != NULL);
        for (size_t i = 0; i < MANY; i++) free(blocks[i]);
    }
}

int main(void) {
    heap_is_freehold();
    the_environment_was_read();
    CHECK(to_the_end.made);
#ifdef TEST_EARLY_LIB
    CHECK(early_lib_ready());
#endif
    early_drop(&from_constructor);
    early_make(&from_main);
    many_of_each_size();
    CHECK(atexit(at_exit) == 0);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        CHECK(fork_handler_calls == 2);
        early_drop(&to_the_end);
        _exit(0);
    }
    int status = 0;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(fork_handler_calls == 2);
    return 0;
}
