/* drop_while_borrowed.c - dropped while a Ref is out. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0505]: RefCell dropped while it is borrowed
 * plain: error[E0505]
 */
#include <freehold/names.h>

int main(void) {
    own(Rc(RefCell(int))) cell = rc_of(RefCell(int), refcell(int, 1));
    Ref(int) r = borrow(cell);
    drop(Rc(RefCell(int)), &cell); /* wrong: r still points into it */
    return *r.ptr;
}
