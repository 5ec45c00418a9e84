/* E0382_clone.c - a moved Rc cloned. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0382]: use of moved value: `r`|moved here|created here
 */
#include <freehold/names.h>

static void eat(Rc(int) in) { own(Rc(int)) r = move(in); }

int main(void) {
    own(Rc(int)) r = rc(int, 1);
    eat(move(r));
    own(Rc(int)) again = rc_clone(r); /* wrong: eat(rc_clone(r)) was meant */
    return again != NULL;
}
