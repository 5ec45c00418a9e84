/* E0382_copy_map.c - a Map copied with = and dropped twice. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0382]: Map dropped twice|first dropped here|created here|one was copied with `=`
 * plain: error[E0382]: Map dropped twice|first dropped here|created here|one was copied with `=`
 */
#include <freehold/names.h>

MAP(Str, int)

int main(void) {
    own(Map(Str, int)) a = {0};
    ++*map_entry(&a, view("once"));
    own(Map(Str, int)) b = a; /* wrong: move(a) or clone() was meant */
    return (int)b.len - 1;
}
