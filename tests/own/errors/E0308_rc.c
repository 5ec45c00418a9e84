/* E0308_rc.c - an Rc taken for a Box. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0308]: mismatched types: expected a Box, found the value of Rc(int)|created here
 * plain: error[E0308]: mismatched types: expected a Box, found the value of Rc(int)|created here
 */
#include <freehold/names.h>

int main(void) {
    own(Box(int)) one = rc(int, 1); /* wrong: box(int, 1) */
    return *one - 1;
}
