/* E0382_element.c - an element of a moved Vec. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0382]: use of moved value: `v`|moved here|created here
 * plain: error[E0382]: an empty owner was used|used here
 */
#include <freehold/names.h>

static void eat(Vec(int) in) {
    own(Vec(int)) v = move(in);
    vec_push(&v, 4);
}

int main(void) {
    own(Vec(int)) v = vec_of(int, 1, 2, 3);
    eat(move(v));
    return v.ptr[0]; /* wrong: v is empty */
}
