/* E0597_arena_vec.c - a VecIn that outlives its arena. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0505]: use of block of an arena after it was dropped|used here|dropped here|created here
 * plain: error[E0505]: use of block of an arena after it was dropped|used here|dropped here|created here
 */
#include <freehold/names.h>

int main(void) {
    own(VecIn(int)) v = {0};
    {
        own(Arena) arena = {0};
        v.alloc = &arena.alloc;
        vec_push(&v, 1);
    }
    return v.ptr[0] - 1; /* wrong: its buffer went with the arena */
}
