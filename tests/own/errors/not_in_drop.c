/* not_in_drop.c - a field that owns and is missing in DROP. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[leak]: 1 owner was never dropped|a field that DROP leaves out
 * plain: error[leak]: 1 owner was never dropped|stopped by FREEHOLD=mode=checked
 * guard: error[leak]: 1 owner was never dropped|stopped by FREEHOLD=mode=guard
 */
#include <freehold/names.h>

TYPE(Person);
struct Person {
    Str name, street;
};
DROP(Person, (Str, name)) /* wrong: (Str, street) belongs there, too */

int main(void) {
    own(Box(Person)) ada = box(Person, .name = str_from("Ada"), .street = str_from("St James's Square"));
    return ada->street.len == 17 ? 0 : 1;
}
