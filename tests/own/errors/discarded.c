/* discarded.c - a new owner that nobody takes. (This program fails on purpose.)
 *
 * compiler: unused-result
 * checked: error[leak]: 1 owner was never dropped
 * plain: error[leak]: 1 owner was never dropped
 */
#include <freehold/names.h>

int main(void) {
    str_from("nobody takes me"); /* wrong */
    return 0;
}
