/* plain.c - a program that knows nothing of Freehold: it overflows its stack, or that of a thread. */
#include <pthread.h>
#include <string.h>

static volatile int one = 1;

__attribute__((noinline)) static int endless(int n) { return one ? endless(n + one) + one : n; }

static void *thread(void *argument) {
    endless(1);
    return argument;
}

int main(int argc, char **argv) {
    pthread_t id;
    if (argc > 1 && strcmp(argv[1], "none") == 0) return 0;
    if (argc > 1 && strcmp(argv[1], "null") == 0) return *(volatile int *)(size_t)(one - 1);
    if (argc > 1 && pthread_create(&id, NULL, thread, NULL) == 0) pthread_join(id, NULL);
    return endless(1);
}
