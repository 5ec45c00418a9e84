/* past_end_vec.c - an element written past the room of a Vec. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[bounds]: access 0 bytes past the end of Vec|created here
 * plain: error[bounds]: access 0 bytes past the end of Vec
 */
#include <freehold/names.h>

int main(void) {
    own(Vec(int)) v = {0};
    vec_reserve(&v, 100);
    while (v.len < v.cap) vec_push(&v, 1);
    v.ptr[v.len] = 7; /* wrong: v.ptr[v.len - 1] is the last */
    return v.ptr[0] - 1;
}
