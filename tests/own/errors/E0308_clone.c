/* E0308_clone.c - a Box cloned as an Rc is. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0308]: mismatched types: expected an Rc|rc_clone(one)|created here
 * plain: error[E0308]: mismatched types: expected an Rc|created here
 */
#include <freehold/names.h>

int main(void) {
    own(Box(int)) one = box(int, 1);
    own(Rc(int)) shared = rc_clone(one); /* wrong: a Box has one owner */
    return *shared - 1;
}
