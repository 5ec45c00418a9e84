/* E0502_arena_vec.c - an element pointer used after a VecIn in an arena grew. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0502]: block of an arena: an element pointer was used after|used here|grown here|created here
 * plain: error[E0502]: block of an arena: an element pointer was used after|used here|grown here|created here
 */
#include <freehold/names.h>

int main(void) {
    own(Arena) arena = {0};
    own(VecIn(int)) v = {.alloc = &arena.alloc};
    vec_push(&v, 5);
    const int *first = &v.ptr[0];
    for (int i = 0; i < 100; i++) vec_push(&v, i);
    return *first - 5; /* wrong: it is where v was */
}
