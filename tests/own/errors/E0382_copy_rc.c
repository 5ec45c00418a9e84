/* E0382_copy_rc.c - an Rc copied with = and dropped twice. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0382]: Rc(int) dropped twice|first dropped here|created here|one was copied with `=`|declared in line
 * plain: error[E0382]: Rc(int) dropped twice|first dropped here|created here|one was copied with `=`
 */
#include <freehold/names.h>

int main(void) {
    own(Rc(int)) a = rc(int, 1);
    own(Rc(int)) b = a; /* wrong: move(a) or clone() was meant */
    return *b - 1;
}
