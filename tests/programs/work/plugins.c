/* plugins.c - one source for a program and its plug-ins: each gives blocks to the other, and each finds
 * plug-ins of its own.
 *
 *     cc -DPART=1    inner/inner.so    a plug-in that only outer.so can find, by its RUNPATH
 *     cc -DPART=2    outer/outer.so    found by the program's RUNPATH; loads inner.so by its bare name
 *     cc             plugins           loads outer.so by its bare name, in each mode
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if PART == 1
char *inner_copy(const char *text) { return strdup(text); }
#elif PART == 2
void *give(size_t size) { return calloc(1, size); }
void take(void *block) { free(block); }
void *grow(void *block, size_t size) { return realloc(block, size); }
char *through_inner(const char *text) {
    void *inner = dlopen("inner.so", RTLD_NOW | RTLD_DEEPBIND);
    if (!inner) return NULL;
    char *(*copy)(const char *) = (char *(*)(const char *))dlsym(inner, "inner_copy");
    return copy(text);
}
#else
static void use(int mode, const char *name) {
    void *outer = dlopen("outer.so", mode);
    if (!outer) {
        printf("%s: %s\n", name, dlerror());
        return;
    }
    void *(*give)(size_t) = (void *(*)(size_t))dlsym(outer, "give");
    void (*take)(void *) = (void (*)(void *))dlsym(outer, "take");
    void *(*grow)(void *, size_t) = (void *(*)(void *, size_t))dlsym(outer, "grow");
    char *(*through)(const char *) = (char *(*)(const char *))dlsym(outer, "through_inner");
    for (size_t size = 1; size < 1000000; size = size * 3 + 1) {
        free(give(size));
        take(malloc(size));
        free(grow(malloc(size), size * 2));
        take(realloc(give(size), size * 2));
    }
    char *text = through("a copy made two plug-ins away");
    printf("%s: %s\n", name, text ? text : "no inner.so");
    free(text);
    printf("%s: closed with %d\n", name, dlclose(outer));
}

int main(void) {
    use(RTLD_NOW, "now");
    use(RTLD_LAZY | RTLD_LOCAL, "lazy");
    use(RTLD_NOW | RTLD_DEEPBIND, "deep");
    use(RTLD_NOW | RTLD_GLOBAL | RTLD_DEEPBIND, "deep and global");
    printf("nowhere: %s\n", dlopen("no such plug-in", RTLD_NOW | RTLD_DEEPBIND) ? "found" : dlerror());
    return 0;
}
#endif
