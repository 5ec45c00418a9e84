/* E0502_cell.c - an exclusive borrow while a shared one is there. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0502]: RefCell cannot be borrowed mutably|borrowed here, and not given back
 * plain: error[E0502]
 */
#include <freehold/names.h>

int main(void) {
    RefCell(int) cell = refcell(int, 1);
    own(Ref(int)) a = borrow(&cell);
    own(RefMut(int)) b = borrow_mut(&cell); /* wrong */
    *b.ptr = 2;
    return *a.ptr;
}
