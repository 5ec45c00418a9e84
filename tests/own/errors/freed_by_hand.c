/* freed_by_hand.c - free() of a Box that has an owner. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[free]: free of the block of a Box(int)|called here|created here|or forget() the owner first
 * plain: error[free]: free of the block of a Box(int)|created here|or forget() the owner first
 */
#include <freehold/names.h>
#include <stdlib.h>

int main(void) {
    own(Box(int)) b = box(int, 1);
    free(b); /* wrong: b frees it */
    return 0;
}
