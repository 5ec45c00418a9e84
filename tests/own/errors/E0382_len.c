/* E0382_len.c - the length of a moved Vec read from its field. (This program fails on purpose.)
 *
 * compiler: silent
 * checked:
 * plain:
 */
#include <freehold/names.h>

static void eat(Vec(int) in) {
    own(Vec(int)) v = move(in);
    vec_push(&v, 4);
}

int main(void) {
    own(Vec(int)) v = vec_of(int, 1, 2, 3);
    eat(move(v));
    return (int)v.len; /* wrong, and 0: a field that the program reads itself */
}
