/* E0382_copy_grown.c - a Vec copied with = of which one grows. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0502]: Vec: an element pointer was used after|used here|grown here|created here|copy of the owner made with `=`
 * plain: error[E0502]: Vec: an element pointer was used after|used here|grown here|created here|copy of the owner made with `=`
 */
#include <freehold/names.h>

int main(void) {
    own(Vec(int)) a = vec_of(int, 1, 2, 3);
    own(Vec(int)) b = a; /* wrong: move(a) or clone() was meant */
    for (int i = 0; i < 100; i++) vec_push(&b, i);
    return a.ptr[0] - 1;
}
