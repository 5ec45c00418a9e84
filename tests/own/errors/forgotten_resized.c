/* forgotten_resized.c - realloc() of a Box that was forgotten. (This mistake is made on purpose.)
 * compiler: silent
 * checked: error[free]: realloc of the block of a Box(int)|can be freed, and not resized
 * plain: error[free]: realloc of the block of a Box(int)|can be freed, and not resized
 */
#include <freehold/names.h>

#include <stdlib.h>

int main(void) {
    own(Box(int)) b = box(int, 1);
    void *p = b;
    forget(b);
    p = realloc(p, 100); /* it has no buffer that could grow: take a Vec for that */
    free(p);
    return 0;
}
