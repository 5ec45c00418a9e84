/* past_end_box.c - an int written past the end of a Box. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[bounds]: access 0 bytes past the end of Box(int)|created here
 * plain: error[bounds]: access 0 bytes past the end of Box(int)
 */
#include <freehold/names.h>

int main(int count, char **arguments) {
    (void)arguments;
    own(Box(int)) b = box(int, 1);
    b[count] = 7; /* wrong: there is one int */
    return *b;
}
