/* own_seed_string.c - an integer, a string literal, and a String made from it. own_seed_string.rs is the same
 * in Rust.
 *
 *     x   on the stack            y   a pointer and a length on the stack, the bytes in the program
 *                                 s   a pointer, a length and a capacity on the stack, the bytes on the heap */
#include <freehold/names.h>

#include "own_where.h"

int main(void) {
    int x = 42;
    StrView y = view("hello");
    own(Str) s = str_from_view(y);
    show("x", &x);
    show("y, the view", &y);
    show("y's bytes", y.ptr);
    show("s, the owner", &s);
    show("s's bytes", s.ptr);
    printf("%d %.*s %s\n", x, FH_PRINT(y), str_c(&s));

    str_push(&s, ", world, and all that is in it"); /* a literal cannot grow; a String can */
    printf("%s (%zu bytes)\n", str_c(&s), s.len);
    StrView world = str_part(&s, 7, 12); /* a part of it: no copy */
    printf("%.*s: inside s: %s\n", FH_PRINT(world), world.ptr == s.ptr + 7 ? "yes" : "no");

    own(Str) t = move(s); /* the owner moves: s is empty now, and the bytes stay where they are */
    printf("t = %s\n", str_c(&t));
    own(Str) u = clone(Str, &t);
    printf("a clone has bytes of its own: %s\n", u.ptr != t.ptr ? "yes" : "no");
    return 0;
}
