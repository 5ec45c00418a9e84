/* E0382_twice.c - a value moved twice. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0382]: use of moved value: `s`|moved again here|moved here
 */
#include <freehold/names.h>

static void eat(Str in) { own(Str) s = move(in); }

int main(void) {
    own(Str) s = str_from("once");
    eat(move(s));
    eat(move(s)); /* wrong: nothing is left */
    return 0;
}
