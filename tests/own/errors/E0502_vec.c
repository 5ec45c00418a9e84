/* E0502_vec.c - an element pointer used after the Vec grew. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0502]: Vec: an element pointer was used|grown here|created here|take the pointer again after
 * plain: error[E0502]: Vec: an element pointer was used|grown here|created here
 */
#include <freehold/names.h>

int main(void) {
    own(Vec(int)) v = vec_of(int, 1, 2, 3);
    int *first = vec_at(&v, 0);
    for (int i = 0; i < 1000; i++) vec_push(&v, i);
    return *first - 1; /* wrong: the elements have moved */
}
