/* own_seed_scope.c - variables on the stack, and a block with a scope of its own. own_seed_scope.rs is the same
 * in Rust.
 *
 * x and y live until main ends; z only inside the block. Nothing is allocated and nothing must be freed: the
 * compiler knows all sizes, and leaving a scope is all it takes. Integers are copied, never moved. */
#include "own_where.h"

static void stack_only(int b) {
    int c = 3;
    printf("stack_only(%d): b and c = %d\n", b, c);
    show("  b", &b);
    show("  c", &c);
}

int main(void) {
    int x = 5;
    int y = 10;
    show("x", &x);
    show("y", &y);
    {
        int z = x + y;
        show("z, in the block", &z);
        printf("The sum is: %d\n", z);
    } /* z is gone here */
    printf("Variables `x` and `y` are still in scope: %d, %d\n", x, y);
    int a = x; /* a copy, with a place of its own */
    a += 1;
    printf("a copy of x, plus one: %d; x is still %d; the same place: %s\n", a, x, &a == &x ? "yes" : "no");
    stack_only(a);
    return 0;
}
