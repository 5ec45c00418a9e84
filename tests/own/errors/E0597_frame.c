/* E0597_frame.c - a pointer into a frame that outlives it. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: freehold: use of memory after its frame was closed|push what is to outlive a frame before
 * plain: freehold: use of memory after its frame was closed
 */
#include <freehold/names.h>

int main(void) {
    int *late;
    frame {
        late = push(int);
        *late = 5;
    }
    return *late - 5; /* wrong: the frame is closed */
}
