/* E0308_arc_as_rc.c - an Arc taken for an Rc. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0308]: mismatched types: expected an Rc, found the value of Arc(int)|rc_clone(r)|created here
 * plain:
 */
#include <freehold/names.h>

int main(void) {
    own(Rc(int)) r = arc(int, 1); /* wrong: to the compiler both are an int *; its counts are plain ones now */
    own(Rc(int)) s = rc_clone(r);
    return *s - 1;
}
