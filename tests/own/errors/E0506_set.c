/* E0506_set.c - assigned to while an element of it is borrowed. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0506]: use of Vec after its owner was assigned to while borrowed|assigned to here|created here
 * plain: error[E0505]: use of Vec after it was dropped
 */
#include <freehold/names.h>

int main(void) {
    own(Vec(int)) v = vec_of(int, 1, 2, 3);
    const int *first = vec_at(&v, 0);
    set(Vec(int), &v, vec_of(int, 4));
    return *first - 1; /* wrong: it went with the old Vec */
}
