/* E0597_frame_arena.c - a borrow that outlives its arena in a frame. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: freehold: use of memory after its frame was closed|push what is to outlive a frame before
 * plain: freehold: use of memory after its frame was closed
 */
#include <freehold/names.h>

int main(void) {
    const int *late;
    frame {
        own(Arena) arena = arena_in_frame();
        late = place(int, &arena, 5);
    }
    return *late - 5; /* wrong: the frame is closed */
}
