/* E0308.c - a Box taken for an Rc. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0308]: mismatched types: expected an Rc, found the value of Box(int)|own(Rc(int))|created here
 * plain: error[E0308]: mismatched types: expected an Rc, found the value of Box(int)|created here
 */
#include <freehold/names.h>

int main(void) {
    own(Rc(int)) shared = box(int, 1); /* wrong: rc(int, 1) */
    return *shared - 1;
}
