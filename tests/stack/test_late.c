/* test_late.c - the overflow happens inside a library that was loaded after the report was installed. */
#include "child.h"

#include <freehold/stack.h>

#include <dlfcn.h>

static void late(void) {
    if (fh_stack_install() != 0) _exit(99);
    void *library = dlopen(LATE_LIBRARY, RTLD_NOW);
    if (library == NULL) _exit(98);
    int (*begin)(int);
    *(void **)&begin = dlsym(library, "late_begin");
    begin(1);
}

int main(void) {
    if (SANITIZED) return 77;
    run_child(late);
    expect_signal("late", SIGSEGV);
    expect_text("late", "  recursion    late_recursion, ");
    expect_text("late", "late_begin+");
    return failures != 0;
}
