/* E0503.c - use of a value while it is borrowed exclusively. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0502]: RefCell cannot be borrowed: it is already mutably borrowed
 * plain: error[E0502]
 */
#include <freehold/names.h>

int main(void) {
    RefCell(int) cell = refcell(int, 1);
    own(RefMut(int)) a = borrow_mut(&cell);
    own(Ref(int)) now = borrow(&cell); /* wrong: looks while a may change it */
    *a.ptr = 2;
    return *now.ptr;
}
