/* own_seed_box.c - Box::new(42): a number on the heap, its owner on the stack. own_seed_box.rs is the same in
 * Rust. */
#include <freehold/names.h>

#include "own_where.h"

int main(void) {
    own(Box(int)) my_number = box(int, 42); /* allocates on the heap */
    printf("My number is: %d\n", *my_number);
    show("my_number, the pointer", &my_number);
    show("*my_number, the value", my_number);
    printf("the owner takes %zu bytes, the value %zu\n", sizeof my_number, sizeof *my_number);

    own(Box(int)) moved = move(my_number); /* the owner moves; the value stays where it is */
    printf("moved: %d\n", *moved);
    show("*moved, the same value", moved);
    return 0;
} /* the number is freed here, once: my_number is empty */
