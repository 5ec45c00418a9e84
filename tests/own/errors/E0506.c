/* E0506.c - assigned to while it is borrowed. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0506]: RefCell assigned to while it is borrowed|borrowed here, and not given back
 * plain: error[E0506]
 */
#include <freehold/names.h>

int main(void) {
    RefCell(int) cell = refcell(int, 1);
    own(Ref(int)) a = borrow(&cell);
    int old = refcell_replace(&cell, 5); /* wrong */
    return *a.ptr - old;
}
