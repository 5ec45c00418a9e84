/* E0515_stack.c - the address of a local returned. (This program fails on purpose.)
 *
 * compiler: gcc:return-local-addr clang:return-stack-address
 */
#include <freehold/names.h>

static const int *answer(void) {
    int local = 42;
    return &local; /* wrong: it ends here */
}

int main(void) { return answer() == NULL; }
