/* E0502_map.c - an entry of a Map used after the Map grew. (This program fails on purpose.)
 *
 * compiler: silent
 * checked: error[E0502]: Map: an element pointer was used|grown here|created here|take the pointer again after
 * plain: error[E0502]: Map: an element pointer was used
 */
#include <freehold/names.h>

MAP(int, int)

int main(void) {
    own(Map(int, int)) m = {0};
    for (int i = 0; i < 14; i++) *map_entry(&m, i) = i;
    int sum = 0;
    map_each(e, &m) {
        *map_entry(&m, e->key + 100) = 1; /* wrong: e points into the table, which is another one now */
        sum += e->value;
    }
    return sum;
}
