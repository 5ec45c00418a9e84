/* own_seed_stack_and_heap.c - three stack frames and one value on the heap. own_seed_stack_and_heap.rs is the
 * same in Rust.
 *
 *     main           a
 *     stack_only     b, c
 *     stack_and_heap d, e ----> 7      e is a smart pointer: leaving its scope frees what it points to */
#include <freehold/names.h>

#include "own_where.h"

static void stack_and_heap(void) {
    int d = 5;
    own(Box(int)) e = box(int, 7);
    show("    d", &d);
    show("    e", &e);
    show("    *e", e);
    printf("    d = %d, *e = %d\n", d, *e);
} /* d and e leave the stack; the 7 is freed with e */

static void stack_only(int b) {
    int c = 3;
    show("  b", &b);
    show("  c", &c);
    printf("  b = %d, c = %d\n", b, c);
    stack_and_heap();
}

int main(void) {
    int a = 2;
    show("a", &a);
    stack_only(a);
    printf("back in main, a = %d\n", a);
    return 0;
}
