/* E0505_return_small.c - a struct of one word returned without move. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0505]|returned without move|E0505_return_small.c
 * plain_gcc: error[E0505]: use of Box(int) after it was dropped|If it was to be returned:
 */
#include <freehold/names.h>

TYPE(Handle);
struct Handle {
    Box(int) number;
};
DROP(Handle, (Box(int), number))

static Handle made(void) {
    own(Handle) handle = {box(int, 3)};
    return handle; /* wrong: `return move(handle);` was meant */
}

int main(void) {
    own(Handle) handle = made();
    return handle.number != NULL && *handle.number != 3; /* with Clang: nothing */
}
