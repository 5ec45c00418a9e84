/* stack_overflow.c - infinite recursion, and what is said about it. (This program fails on purpose.)
 *
 * "If we reach the end of the stack with an infinite recursion for example, our program will crash with a stack
 * overflow error." With the report installed the error has words. With an argument, a thread with a stack of 64
 * KiB does it.
 */
#include <freehold/stack.h>

#include <pthread.h>
#include <stdio.h>

static volatile int one = 1;

__attribute__((noinline)) static int recurse(int depth) {
    if (depth < 4)
        printf("call %d: its variables are at %p, %zu KiB are left\n", depth, (void *)&depth,
               fh_stack_left() / 1024);
    return one ? recurse(depth + one) + one : depth; /* the end never comes */
}

static void *thread(void *unused) {
    (void)unused;
    recurse(1);
    return NULL;
}

int main(int argc, char **argv) {
    (void)argv;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (fh_stack_install() != 0) return 1;
    if (argc == 1) return recurse(1);
    pthread_t id;
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    if (pthread_create(&id, &small, thread, NULL) != 0) return 1;
    pthread_join(id, NULL);
    return 1;
}
