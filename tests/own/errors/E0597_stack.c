/* E0597_stack.c - the address of a variable of an inner block. (This program fails on purpose.)
 *
 * compiler: gcc:dangling-pointer
 */
#include <freehold/names.h>

int main(void) {
    const int *p;
    {
        int inner = 7;
        p = &inner;
    }
    return *p - 7; /* wrong: inner's scope is over */
}
