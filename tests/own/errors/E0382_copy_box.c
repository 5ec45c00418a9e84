/* E0382_copy_box.c - a Box whose T owns something copied with = and dropped twice. (This program fails on
 * purpose.)
 *
 * compiler: silent
 * checked: error[E0382]: Box(Person) dropped twice|first dropped here|created here|one was copied with `=`|declared in line
 * plain: error[E0382]: Box(Person) dropped twice|first dropped here|created here|one was copied with `=`
 */
#include <freehold/names.h>

TYPE(Person);
struct Person {
    Str name;
};
DROP(Person, (Str, name))

int main(void) {
    own(Box(Person)) a = box(Person, .name = str_from("Ada"));
    own(Box(Person)) b = a; /* wrong: move(a) or clone() was meant */
    return (int)b->name.len - 3;
}
