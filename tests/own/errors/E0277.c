/* E0277.c - an Rc handed to another thread. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0277]: Rc(int) cannot be shared between threads|touched here, in another thread|created here
 * plain: error[E0277]: Rc(int) cannot be shared between threads
 */
#include <freehold/names.h>

#include <pthread.h>

static void *work(void *in) {
    own(Rc(int)) mine = rc_clone((int *)in); /* wrong: its counts are not atomic; Arc is */
    return NULL;
}

int main(void) {
    own(Rc(int)) shared = rc(int, 1);
    pthread_t thread;
    pthread_create(&thread, NULL, work, shared);
    pthread_join(thread, NULL);
    return 0;
}
