/* before_vec.c - an element written far before the first of a Vec. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[bounds]: somebody wrote 1200 bytes before the beginning of Vec|seen when it grew, here|created here
 * plain: error[bounds]: somebody wrote 1200 bytes before the beginning of Vec
 */
#include <freehold/names.h>

int main(int count, char **arguments) {
    (void)arguments;
    own(Vec(int)) v = vec_of(int, 1, 2);
    v.ptr[-300 * count] = 7; /* wrong */
    vec_reserve(&v, 1000);
    return v.ptr[0] - 1;
}
