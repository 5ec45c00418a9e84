/* E0597.c - a borrow that outlives its owner. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0505]: use of Box(int) after it was dropped|dropped here|created here
 * plain: error[E0505]: use of Box(int) after it was dropped
 */
#include <freehold/names.h>

int main(void) {
    const int *p;
    {
        own(Box(int)) b = box(int, 7);
        p = b;
    }
    return *p - 7; /* wrong: b's scope is over */
}
