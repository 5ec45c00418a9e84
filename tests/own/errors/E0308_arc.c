/* E0308_arc.c - a Box taken for an Arc. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0308]: mismatched types: expected an Arc, found the value of Box(int)|created here
 * plain: error[E0308]: mismatched types: expected an Arc, found the value of Box(int)|created here
 */
#include <freehold/names.h>

int main(void) {
    own(Arc(int)) a = box(int, 1); /* wrong: to the compiler both are an int * */
    own(Arc(int)) b = arc_clone(a);
    return *b - 1;
}
