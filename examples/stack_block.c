/* stack_block.c - block scope: z lives until the brace, x and y until the end.
 *
 *     fn main() { let x = 5; let y = 10; { let z = x + y; println!("The sum is: {}", z); } println!(...x, y); }
 *
 * On the call stack the compiler knows the sizes. On the region stack the block decides at run time how much it
 * needs, and the brace frees it all the same, however the block is left.
 */
#include <freehold/stack_names.h>

#include <stdio.h>

static size_t used(void) {
    struct fh_region_info stats;
    fh_region_stats(NULL, &stats);
    return stats.used;
}

int main(void) {
    int x = 5, y = 10;
    {
        int z = x + y;
        printf("The sum is: %d (x at %p, y at %p, z at %p)\n", z, (void *)&x, (void *)&y, (void *)&z);
    }
    printf("Variables x and y are still in scope: %d, %d\n", x, y);

    size_t before = used();
    for (int n = 1000; n <= 100000; n *= 10) {
        frame_here; /* to the end of this scope: the body of the loop */
        int *squares = push_array(int, (size_t)n);
        if (squares == NULL) return 1;
        for (int i = 0; i < n; i++) squares[i] = i % 1000 * (i % 1000);
        printf("%6d squares at %p: %zu bytes of the region are in use\n", n, (void *)squares, used() - before);
        if (n == 100000) break; /* leaves the loop, and the frame with it */
    }
    printf("Behind the loop: %zu bytes are in use\n", used() - before);
    return used() == before ? 0 : 1;
}
