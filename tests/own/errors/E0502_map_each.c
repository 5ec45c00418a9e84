/* E0502_map_each.c - a Map that grows while it is walked. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0502]: changed while a loop walks it|changed here|walked here
 */
#include <freehold/names.h>

MAP(int, int)

int main(void) {
    own(Map(int, int)) m = {0};
    for (int i = 0; i < 14; i++) *map_entry(&m, i) = i;
    int sum = 0;
    map_each(e, &m) {
        sum += e->value;
        *map_entry(&m, e->key + 100) = 1; /* wrong: e points into the table, which is another one now */
    }
    return sum;
}
