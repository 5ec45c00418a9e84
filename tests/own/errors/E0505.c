/* E0505.c - moved out, and gone, while it is borrowed. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0505]: use of Str after it was dropped|dropped here|created here|let the owner live longer
 * plain: error[E0505]: use of Str after it was dropped
 */
#include <freehold/names.h>

TYPE(Person);
struct Person {
    Str name;
};
DROP(Person, (Str, name))

static void bury(Box(Person) in) { own(Box(Person)) p = move(in); }

int main(void) {
    own(Box(Person)) p = box(Person, .name = str_from("a name that is borrowed"));
    const char *name = str_c(&p->name);
    bury(move(p));
    return name[0] - 'a'; /* wrong: the name went with the person */
}
