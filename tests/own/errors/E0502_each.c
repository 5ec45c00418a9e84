/* E0502_each.c - a Vec that grows while it is walked. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0502]: changed while a loop walks it|changed here|walked here
 * plain: error[E0502]: Vec: an element pointer was used
 */
#include <freehold/names.h>

int main(void) {
    own(Vec(int)) v = vec_of(int, 1, 2, 3);
    vec_each(x, &v) {
        if (*x % 2 == 0) vec_push(&v, *x); /* wrong: x walks elements that have moved */
    }
    return v.len == 4 ? 0 : 1;
}
