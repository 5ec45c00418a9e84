/* E0597_arena.c - a borrow that outlives its arena. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0505]: use of block of an arena after it was dropped|used here|dropped here|created here
 * plain: error[E0505]: use of block of an arena after it was dropped|used here|dropped here|created here
 */
#include <freehold/names.h>

int main(void) {
    const int *late;
    {
        own(Arena) arena = {0};
        late = place(int, &arena, 5);
    }
    return *late - 5; /* wrong: it went with the arena */
}
