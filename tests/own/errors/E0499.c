/* E0499.c - two exclusive borrows at once. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0499]: RefCell cannot be borrowed mutably|refused here|borrowed here, and not given back
 * plain: error[E0499]
 */
#include <freehold/names.h>

int main(void) {
    RefCell(int) cell = refcell(int, 1);
    own(RefMut(int)) a = borrow_mut(&cell);
    own(RefMut(int)) b = borrow_mut(&cell); /* wrong: a is still there */
    *a.ptr = *b.ptr = 2;
    return 0;
}
