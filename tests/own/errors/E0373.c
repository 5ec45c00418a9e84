/* E0373.c - a thread that outlives what it borrows. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0505]: use of Box(int) after it was dropped
 * plain: error[E0505]: use of Box(int) after it was dropped
 */
#include <freehold/names.h>

#include <pthread.h>
#include <unistd.h>

static void *reader(void *in) {
    const volatile int *lent = in;
    int sum = 0;
    for (int i = 0; i < 5000; i++) {
        usleep(1000);
        sum += *lent; /* wrong: the owner's scope is over by now */
    }
    return sum ? NULL : in;
}

int main(void) {
    pthread_t thread;
    {
        own(Box(int)) b = box(int, 7);
        pthread_create(&thread, NULL, reader, b);
    }
    pthread_join(thread, NULL);
    return 0;
}
