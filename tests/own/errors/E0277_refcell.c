/* E0277_refcell.c - a RefCell shared between threads. (This program fails on purpose.)
 *
 * compiler: error
 */
#include <freehold/names.h>

int main(void) {
    own(Arc(RefCell(int))) shared =
        NULL; /* wrong: its flag is not atomic; an Arc of a struct with a mutex is meant */
    return shared != NULL;
}
