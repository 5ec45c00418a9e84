/* leak_cycle.c - a cycle of Rcs. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[leak]: 2 owners were never dropped
 * plain: error[leak]: 2 owners were never dropped
 */
#include <freehold/names.h>

TYPE(Node);
struct Node {
    Rc(Node) other;
};
DROP(Node, (Rc(Node), other))

int main(void) {
    own(Rc(Node)) a = rc(Node);
    own(Rc(Node)) b = rc(Node, .other = rc_clone(a));
    a->other = rc_clone(b); /* wrong: one of the two should be a Weak */
    return 0;
}
