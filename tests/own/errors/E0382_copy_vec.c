/* E0382_copy_vec.c - a Vec copied with = and dropped twice. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0382]: Vec dropped twice|first dropped here|created here|one was copied with `=`|declared in line
 * plain: error[E0382]: Vec dropped twice|first dropped here|created here|one was copied with `=`
 */
#include <freehold/names.h>

int main(void) {
    own(Vec(int)) a = vec_of(int, 1, 2, 3);
    own(Vec(int)) b = a; /* wrong: move(a) or clone() was meant */
    return (int)b.len - 3;
}
