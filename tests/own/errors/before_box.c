/* before_box.c - a long written before the beginning of a Box. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[bounds]: somebody wrote 8 bytes before the beginning of Box(long)|seen when it was dropped, here|created here
 * plain: error[bounds]: somebody wrote 8 bytes before the beginning of Box(long)
 */
#include <freehold/names.h>

int main(int count, char **arguments) {
    (void)arguments;
    own(Box(long)) b = box(long, 1);
    b[-count] = 7; /* wrong: there is one long */
    return (int)*b - 1;
}
