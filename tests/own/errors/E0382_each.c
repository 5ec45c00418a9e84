/* E0382_each.c - a moved Vec walked. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0382]: use of moved value: `v`|used here|moved here|created here
 */
#include <freehold/names.h>

static void eat(Vec(int) in) { own(Vec(int)) v = move(in); }

int main(void) {
    own(Vec(int)) v = vec_of(int, 1, 2, 3);
    int sum = 0;
    eat(move(v));
    vec_each(x, &v) sum += *x; /* wrong: there is nothing to walk */
    return sum;
}
