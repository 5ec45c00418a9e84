/* E0502_map_each_remove.c - a Map from which an entry is removed while it is walked. (This program fails on
 * purpose.)
 *
 * compiler: silent
 * checked: error[E0502]: changed while a loop walks it|changed here: map_remove|walked here
 * plain:
 */
#include <freehold/names.h>

MAP(int, int)

int main(void) {
    own(Map(int, int)) m = {0};
    for (int i = 0; i < 8; i++) *map_entry(&m, i) = i;
    map_each(e, &m) {
        if (e->value == 3) map_remove(&m, e->key); /* wrong: the loop is not done */
    }
    return 0;
}
