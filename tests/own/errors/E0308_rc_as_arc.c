/* E0308_rc_as_arc.c - an Rc taken for an Arc. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0308]: mismatched types: expected an Arc, found the value of Rc(int)|created here
 * plain: error[E0308]: mismatched types: expected an Arc, found the value of Rc(int)|created here
 */
#include <freehold/names.h>

int main(void) {
    own(Arc(int)) a = rc(int, 1); /* wrong: to the compiler both are an int *; its counts are plain ones */
    own(Arc(int)) b = arc_clone(a);
    return *b - 1;
}
