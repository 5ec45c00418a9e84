/* E0382_push.c - use of a moved Vec. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0382]: use of moved value: `v`|moved here|created here
 */
#include <freehold/names.h>

static int count(Vec(int) in) {
    own(Vec(int)) v = move(in);
    return (int)v.len;
}

int main(void) {
    own(Vec(int)) v = vec_of(int, 1, 2, 3);
    int n = count(move(v));
    vec_push(&v, n); /* wrong: v was moved; it is a new, empty Vec now */
    return 0;
}
