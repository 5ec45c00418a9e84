/* E0507_copy.c - an element copied out of a Vec with =. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0382]: Str dropped twice|first dropped here|created here
 * plain: error[E0382]: Str dropped twice|first dropped here|created here
 */
#include <freehold/names.h>

int main(void) {
    own(Vec(Str)) v = {0};
    vec_push(&v, str_from("a text of the Vec"));
    own(Str) s = v.ptr[0]; /* wrong: the Vec owns it still; clone(), or vec_remove() */
    return s.len == 17 ? 0 : 1;
}
