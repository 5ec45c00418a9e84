/* E0382_copy_arc.c - an Arc copied with = and dropped twice. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0382]: Arc(int) dropped twice|first dropped here|created here|one was copied with `=`|declared in line
 * plain: error[E0382]: Arc(int) dropped twice|first dropped here|created here|one was copied with `=`
 */
#include <freehold/names.h>

int main(void) {
    own(Arc(int)) a = arc(int, 1);
    own(Arc(int)) b = a; /* wrong: move(a) or clone() was meant */
    return *b - 1;
}
