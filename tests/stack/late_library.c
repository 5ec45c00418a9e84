/* late_library.c - loaded by test_late.c and test_loaded_late.c after the report was installed; its static
 * function overflows the stack. */
#include <pthread.h>
#include <stdlib.h>
#include <threads.h>

static volatile int one = 1;

__attribute__((noinline)) static int late_recursion(int n) { return one ? late_recursion(n + one) + one : n; }

int late_begin(int n);
int late_begin(int n) { return late_recursion(n) + one; }

static void *thread(void *nothing) {
    late_begin(1);
    return nothing;
}

int late_begin_in_thread(void);
int late_begin_in_thread(void) {
    pthread_t id;
    return pthread_create(&id, NULL, thread, NULL) == 0 ? pthread_join(id, NULL) : -1;
}

static int c11_thread(void *nothing) {
    (void)nothing;
    return late_begin(1);
}

int late_begin_in_c11_thread(void);
int late_begin_in_c11_thread(void) {
    thrd_t id;
    return thrd_create(&id, c11_thread, NULL) == thrd_success ? thrd_join(id, NULL) : -1;
}

/* Begins before dlopen has returned, when the test wishes it. */
__attribute__((constructor)) static void begin_at_once(void) {
    if (getenv("LATE_AT_ONCE") != NULL) late_begin_in_thread();
}
