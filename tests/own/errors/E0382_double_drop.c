/* E0382_double_drop.c - an owner copied with = and dropped twice. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0382]: Box(int) dropped twice|first dropped here|created here
 * plain: error[E0382]: Box(int) dropped twice|first dropped here|created here
 */
#include <freehold/names.h>

int main(void) {
    own(Box(int)) a = box(int, 1);
    own(Box(int)) b = a; /* wrong: move(a) or clone() was meant */
    return *b - 1;
}
