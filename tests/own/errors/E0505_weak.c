/* E0505_weak.c - a pointer to the value of an Rc, used when only a Weak is left. (This program fails on
 * purpose.)
 *
 * compiler: silent
 * checked:
 * plain:
 */
#include <freehold/names.h>

int main(void) {
    own(Weak(int)) weak = {0};
    int *value;
    {
        own(Rc(int)) r = rc(int, 5);
        set(Weak(int), &weak, rc_downgrade(int, r));
        value = r;
    }
    return *value - 5; /* wrong: there is no owner any more, but the block is still there for its counts */
}
