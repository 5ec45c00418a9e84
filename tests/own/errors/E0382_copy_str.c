/* E0382_copy_str.c - a Str copied with = and dropped twice. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0382]: Str dropped twice|first dropped here|created here|one was copied with `=`|declared in line
 * plain: error[E0382]: Str dropped twice|first dropped here|created here|one was copied with `=`
 */
#include <freehold/names.h>

int main(void) {
    own(Str) a = str_from("text");
    own(Str) b = a; /* wrong: move(a) or clone() was meant */
    return (int)b.len - 4;
}
