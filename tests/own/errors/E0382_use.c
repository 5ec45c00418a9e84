/* E0382_use.c - use of a moved value. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0382]: use of moved value: `n`|moved here, and empty since: n
 * plain: error[E0382]: an empty owner was used
 */
#include <freehold/names.h>

TYPE(Node);
struct Node {
    int pad[4];
    int id;
};
DROP(Node)

static void eat(Box(Node) in) {
    own(Box(Node)) n = move(in);
    (void)n;
}

int main(void) {
    own(Box(Node)) n = box(Node, .id = 1);
    eat(move(n));
    return n->id; /* wrong: n is empty */
}
