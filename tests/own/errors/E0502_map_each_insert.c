/* E0502_map_each_insert.c - a Map that gets an entry while it is walked, without growing. (This program fails
 * on purpose.)
 *
 * compiler: silent
 * checked: error[E0502]: changed while a loop walks it|changed here: map_entry|walked here
 * plain:
 */
#include <freehold/names.h>

MAP(int, int)

int main(void) {
    own(Map(int, int)) m = {0};
    for (int i = 0; i < 8; i++) *map_entry(&m, i) = i;
    map_each(e, &m) {
        if (e->value == 3) *map_entry(&m, 100) = 1; /* wrong: the loop is not done */
    }
    return 0;
}
