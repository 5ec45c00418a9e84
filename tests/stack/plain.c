/* plain.c - a program that knows nothing of Freehold: it overflows its stack, or that of a thread. */
#include <pthread.h>
#include <string.h>
#include <threads.h>

static volatile int one = 1;

__attribute__((noinline)) static int endless(int n) { return one ? endless(n + one) + one : n; }

static void *thread(void *argument) {
    endless(1);
    return argument;
}

static int c11_thread(void *unused) {
    (void)unused;
    return endless(1);
}

static int c11_result(void *argument) {
    (void)argument;
    return -7;
}

int main(int argc, char **argv) {
    pthread_t id;
    if (argc > 1 && strcmp(argv[1], "none") == 0) return 0;
    if (argc > 1 && strcmp(argv[1], "null") == 0) return *(volatile int *)(size_t)(one - 1);
    thrd_t c11;
    int result = 0;
    if (argc > 1 && strcmp(argv[1], "result") == 0)
        return thrd_create(&c11, c11_result, NULL) == thrd_success && thrd_join(c11, &result) == thrd_success &&
                       result == -7
                   ? 0
                   : 1;
    if (argc > 1 && strcmp(argv[1], "c11") == 0 && thrd_create(&c11, c11_thread, NULL) == thrd_success)
        thrd_join(c11, NULL);
    if (argc > 1 && pthread_create(&id, NULL, thread, NULL) == 0) pthread_join(id, NULL);
    return endless(1);
}
