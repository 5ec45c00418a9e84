/* freed_when_gone.c - free() of a Box that was dropped. (This mistake is made on purpose.)
 * compiler: silent
 * checked: error[free]: free of the block of a Box(int) that is gone|gone since here|its owner has freed it
 * plain: error[free]: free of the block of a Box(int) that is gone|its owner has freed it
 */
#include <freehold/names.h>

#include <stdlib.h>

int main(void) {
    int *old;
    {
        own(Box(int)) b = box(int, 1);
        old = b;
    }
    free(old);
    return 0;
}
