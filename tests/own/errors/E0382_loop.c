/* E0382_loop.c - a value moved in each turn of a loop. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0382]: use of moved value: `s`|moved again here|moved here|created here
 */
#include <freehold/names.h>

static void eat(Str in) { own(Str) s = move(in); }

int main(void) {
    own(Str) s = str_from("once");
    for (int i = 0; i < 2; i++) eat(move(s)); /* wrong: the second turn moves nothing */
    return 0;
}
