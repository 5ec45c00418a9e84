/* test_told_valgrind.c - what Valgrind is told: which bytes may be touched, and what those of closed frames are
 * called.
 *
 * The program begins again under Valgrind and asks it about each byte; its words about a late use are read.
 */
#include "child.h"

#include <freehold/stack.h>

#include "os/os_stack.h"

#if defined(__has_include)
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#define HAVE_VALGRIND 1
#endif
#endif

#if defined(HAVE_VALGRIND) && !SANITIZED

/* Valgrind has a bit for each bit, and none for bytes that may not be touched. */
static bool may_touch(const char *p) {
    char bits;
    return VALGRIND_GET_VBITS(p, &bits, 1) == 1;
}
static bool open_to_all(const char *p, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (!may_touch(p + i)) return false;
    return true;
}
static bool closed_to_all(const char *p, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (may_touch(p + i)) return false;
    return true;
}
static bool is_undefined(const char *p) {
    char bits = 0;
    return VALGRIND_GET_VBITS(p, &bits, 1) == 1 && bits == (char)0xff;
}

static void each_push_to_the_byte(void) {
    char *kept = NULL;
    FH_FRAME {
        char *a = kept = fh_push_bytes(100), *b = fh_push_bytes(1);
        expect("what was pushed", open_to_all(a, 100) && open_to_all(b, 1) && is_undefined(a + 99));
        expect("the bytes behind it", closed_to_all(a + 100, 16) && closed_to_all(b + 1, 16));
    }
    expect("nothing of a closed frame", closed_to_all(kept, 100));
}

static _Alignas(16) char memory[4096];
static void memory_of_mine(void) {
    struct fh_region *region = fh_region_in(memory, sizeof memory);
    char *room = memory + FH_REGION_BOOKS;
    expect("nothing pushed", closed_to_all(room, sizeof memory - FH_REGION_BOOKS));
    FH_FRAME_ON(region) {
        char *a = fh_push_bytes(33);
        expect("pushed", a == room && open_to_all(a, 33) && closed_to_all(a + 33, 15));
    }
    expect("closed", closed_to_all(room, 33));
    fh_region_delete(region);
    expect("free again", open_to_all(room, sizeof memory - FH_REGION_BOOKS) && !is_undefined(room));
}

/* A page that another frame gets loses the name of the one before. */
static char *of_first(void) {
    char *p = NULL;
    FH_FRAME { p = fh_push_str("first"); }
    return p;
}
static char *of_second(void) {
    char *p = NULL;
    FH_FRAME { p = fh_push_str("second"); }
    return p;
}
static volatile char sink;
static void uses_late(void) {
    char *first = of_first(), *second = of_second();
    for (int i = 0; i < 1000 && second != first; i++) second = of_second(); /* the region is gone through */
    if (second != first) _exit(3);
    sink = first[2];
}
static void pushed_late(void) { /* without a frame that has a name */
    struct fh_frame frame;
    fh_frame_open(&frame, NULL);
    char *p = fh_push_bytes(10);
    fh_frame_close(&frame);
    sink = p[2];
}

/* Valgrind takes seconds to make a gigabyte accessible, so that is done by and by. */
static void large_region(void) {
    FH_FRAME {
        char *first = fh_push_bytes(100), byte;
        expect("pushed", fh_os_peek(first, &byte, 1));
        expect("never pushed", !fh_os_peek(first + (64 << 20), &byte, 1));
        char *large = fh_push_bytes(200 << 20);
        expect("pushed, too", large != NULL && open_to_all(large + (200 << 20) - 100, 100));
        expect("no room", fh_push_bytes(100 << 20) == NULL);
    }
}

static const char *program;
static void begin_under_valgrind(const char *what) {
    setenv("FREEHOLD", strcmp(what, "large") == 0 ? "region=256M" : "region=64k", 1);
    execlp("valgrind", "valgrind", "--error-exitcode=9", program, what, (char *)NULL);
    _exit(77);
}
static void large_run(void) { begin_under_valgrind("large"); }
static void good_run(void) { begin_under_valgrind("good"); }
static void late_run(void) { begin_under_valgrind("late"); }
static void nameless_run(void) { begin_under_valgrind("nameless"); }

int main(int argc, char **argv) {
    program = argv[0];
    if (argc > 1 && strcmp(argv[1], "late") == 0) uses_late();
    if (argc > 1 && strcmp(argv[1], "nameless") == 0) pushed_late();
    if (argc > 1 && strcmp(argv[1], "large") == 0) {
        large_region();
    } else if (argc > 1) {
        each_push_to_the_byte();
        memory_of_mine();
    }
    if (argc > 1) return failures != 0;
    run_child(good_run);
    if (outcome.status == 77) return 77;                                         /* there is no Valgrind */
    if (strstr(outcome.text, "debuginfo reader: Possibly corrupted")) return 77; /* older than the compiler */
    expect_status("good run", 0);
    expect_text("good run", "ERROR SUMMARY: 0 errors");
    run_child(large_run);
    expect_status("large run", 0);
    run_child(late_run);
    expect_text("late", "closed frame of of_second() at ");
    expect_text("late", "test_told_valgrind.c:");
    expect_no_text("late", "of_first() at");
    run_child(nameless_run);
    expect_text("nameless", "closed frame of ?() at ?:0");
    return failures != 0;
}

#else
int main(void) { return 77; }
#endif
