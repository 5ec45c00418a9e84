/* stack_only.c - a call puts a frame on the call stack, and the return takes it off again.
 *
 *     fn main() { let a = 2; let result = stack_only(a); }
 *     fn stack_only(b: i32) { let c = 3; }
 *
 * The same in C, with the addresses: each call's variables lie below its caller's, and the next call uses the
 * very same places again.
 */
#include <freehold/stack.h>

#include <stdio.h>

static size_t left_in_main;

__attribute__((noinline)) static int stack_only(int b) {
    int c = 3;
    printf("  stack_only: b = %d at %p, c = %d at %p; this call took %zu bytes of the stack\n", b, (void *)&b,
           c, (void *)&c, left_in_main - fh_stack_left());
    return b + c;
}

int main(void) {
    int a = 2;
    left_in_main = fh_stack_left();
    printf("main: a = %d at %p; %zu KiB of %zu KiB of stack are left\n", a, (void *)&a, left_in_main / 1024,
           fh_stack_size() / 1024);
    int result = stack_only(a);
    printf("main: result = %d; the frame of stack_only is gone: %zu KiB are left again\n", result,
           fh_stack_left() / 1024);
    result = stack_only(result);
    printf("main: result = %d at %p\n", result, (void *)&result);
    return result == 8 && fh_stack_left() == left_in_main ? 0 : 1;
}
