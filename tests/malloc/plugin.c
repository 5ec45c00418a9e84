/* plugin.c - what test_dlopen loads. With TEST_PLUGIN_LINKED it is linked with libfreehold.so and uses the fh_
 * names too. */
#include <freehold/heap.h>
#include <stdlib.h>
#include <string.h>

FH_API char *plugin_text(const char *text);
FH_API void plugin_drop(char *text);
FH_API int plugin_work(int rounds);

static __thread char *last;

char *plugin_text(const char *text) {
    free(last);
    last = strdup(text);
    return strdup(text);
}

void plugin_drop(char *text) {
    free(text);
    free(last);
    last = NULL;
}

int plugin_work(int rounds) {
    for (int i = 0; i < rounds; i++) {
        size_t size = (size_t)i * 37 % 60000;
        char *p = malloc(size + 1);
        if (p == NULL) return 0;
        p[size] = 1;
#ifdef TEST_PLUGIN_LINKED
        char *q = fh_malloc(size + 1);
        double *number = fh_new(double);
        if (q == NULL || number == NULL) return 0;
        q[size] = 1;
        *number = 2;
        q = fh_realloc(q, size * 2 + 1);
        if (q == NULL || q[size] != 1) return 0;
        fh_free(q);
        fh_delete(number);
#endif
        free(p);
    }
    return 1;
}
