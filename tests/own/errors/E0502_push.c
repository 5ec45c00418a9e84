/* E0502_push.c - a pointer to an element kept over a push. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0502]: Vec: an element pointer was used|grown here|created here|take the pointer again after
 * plain: error[E0502]: Vec: an element pointer was used|grown here|created here
 */
#include <freehold/names.h>

int main(void) {
    own(Vec(int)) v = vec_of(int, 1, 2, 3);
    const int *first = vec_at(&v, 0);
    vec_push(&v, 4);
    return *first - 1; /* wrong: a push may move the elements, and in checked mode does */
}
