/* E0597_heap_arena.c - a borrow that outlives its arena in a heap of its own. (This program fails on purpose.)
 *
 * compiler: silent
 * checked:
 * plain:
 */
#include <freehold/names.h>
#include <freehold/heaps.h>

int main(void) {
    const int *late;
    {
        own(Arena) arena = arena_in_heap(fh_heap_new(0));
        late = place(int, &arena, 5);
    }
    return *late - *late; /* wrong: the heap is gone, and what stands there now may be another's */
}
