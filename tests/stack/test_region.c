/* test_region.c - frames close themselves however they are left; pushes are where, what and as much as they
 * should be. */
#include "mappings.h"
#include "child.h"

#include <freehold/settings.h>
#include <freehold/stack_names.h>

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static size_t used(void) {
    struct fh_region_info stats;
    fh_region_stats(NULL, &stats);
    return stats.used;
}

/* ---- leaving scopes ---- */

static int leaves_by_return(int n) {
    frame {
        char *text = push_bytes((size_t)n);
        if (text) return n;
    }
    return -1;
}

static int function_frame(int n) {
    frame_here;
    int *numbers = push_array(int, (size_t)n);
    if (n > 1) return function_frame(n - 1) + 1;
    return numbers != NULL;
}

static void each_way_out_closes_the_frame(void **state) {
    (void)state;
    assert_int_equal(used(), 0);
    assert_int_equal(leaves_by_return(100), 100);
    assert_int_equal(used(), 0);
    frame { assert_non_null(push_bytes(100)); }
    assert_int_equal(used(), 0);
    frame {
        assert_non_null(push_bytes(100));
        if (used()) break;
        fail();
    }
    assert_int_equal(used(), 0);
    frame {
        assert_non_null(push_bytes(100));
        goto out;
    }
out:
    assert_int_equal(used(), 0);
    assert_int_equal(function_frame(50), 50);
    assert_int_equal(used(), 0);
    int turns = 0;
    for (int i = 0; i < 10; i++) {
        frame_here;
        assert_non_null(push_bytes(100));
        if (i % 2) continue;
        turns++;
        if (i == 6) break;
    }
    assert_int_equal(turns, 4);
    assert_int_equal(used(), 0);
}

static void frames_nest(void **state) {
    (void)state;
    frame {
        char *outer = push_str("outer");
        for (int i = 0; i < 3; i++) {
            frame {
                char *inner = push_str("inner");
                frame { memset(push_bytes(1000), 'x', 1000); }
                assert_string_equal(inner, "inner");
            }
        }
        char *more = push_str("more");
        assert_string_equal(outer, "outer");
        assert_string_equal(more, "more");
    }
    assert_int_equal(used(), 0);
}

static void memory_is_used_again(void **state) {
    (void)state;
    if (SANITIZED) skip(); /* there, each frame gets other memory */
    void *first = NULL;
    for (int i = 0; i < 100; i++) {
        frame {
            void *p = push_bytes(1 << 16);
            if (i == 0) first = p;
            assert_ptr_equal(p, first);
        }
    }
}

/* ---- pushes ---- */

struct point {
    double x, y;
};
struct wide {
    _Alignas(256) char bytes[300];
};

static void pushes_give_what_they_say(void **state) {
    (void)state;
    frame { memset(push_bytes(5000), 0xff, 5000); }
    frame {
        struct point *p = push_value(struct point, .y = 2.5);
        assert_true(p->x == 0 && p->y == 2.5);
        int *zeros = push_array_zero(int, 1000);
        for (int i = 0; i < 1000; i++) assert_int_equal(zeros[i], 0);
        struct point *zero = push_zero(struct point);
        assert_true(zero->x == 0 && zero->y == 0);
        int three[3] = {1, 2, 3};
        int *copy = push_array_copy(int, push_array_copy(int, three, 3), 3); /* nested, without a warning */
        assert_memory_equal(copy, three, sizeof three);
        struct point **to = push_value(struct point *, push_value(struct point, .x = 1));
        assert_true((*to)->x == 1);
        assert_memory_equal(push_copy(three, sizeof three), three, sizeof three);
        assert_string_equal(push_str("text"), "text");
        assert_string_equal(push_strn("text", 2), "te");
        assert_string_equal(push_strn("text", 20), "text");
        assert_string_equal(push_str(""), "");
        assert_string_equal(push_format("%d %s", 42, "things"), "42 things");
        assert_string_equal(push_format("%s", ""), "");
        char *long_text = push_format("%0100000d", 7);
        assert_int_equal(strlen(long_text), 100000);
        assert_int_equal(long_text[99999], '7');
    }
    assert_int_equal(used(), 0);
}

static void alignment_holds(void **state) {
    (void)state;
    frame {
        for (size_t align = 1; align <= 1 << 16; align *= 2) {
            void *p = push_aligned(align + 3, align);
            assert_non_null(p);
            assert_int_equal((uintptr_t)p % align, 0);
            assert_int_equal((uintptr_t)push(char) % 16, 0);
        }
        assert_int_equal((uintptr_t)push(struct wide) % 256, 0);
        assert_int_equal((uintptr_t)push_array(struct wide, 3) % 256, 0);
        errno = 0;
        assert_null(push_aligned(10, 24));
        assert_int_equal(errno, EINVAL);
        errno = 0;
        assert_null(push_aligned(10, 0));
        assert_int_equal(errno, EINVAL);
    }
}

static void what_does_not_fit_is_refused(void **state) {
    (void)state;
    frame {
        char *before = push_str("before");
        size_t sizes[] = {(size_t)2 << 30, PTRDIFF_MAX, (size_t)PTRDIFF_MAX + 1, SIZE_MAX - 15, SIZE_MAX};
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            volatile size_t size = sizes[i];
            errno = 0;
            assert_null(push_bytes(size));
            assert_int_equal(errno, ENOMEM);
            errno = 0;
            assert_null(push_aligned(size, 64));
            assert_int_equal(errno, ENOMEM);
        }
        errno = 0; /* it would fit, and not at such an address */
        assert_null(push_aligned(16, (size_t)1 << 44));
        assert_int_equal(errno, ENOMEM);
        errno = 0;
        assert_null(push_format("%ls", L"\x7fffffff")); /* no character of any encoding */
        assert_int_equal(errno, EILSEQ);
        const char *volatile no_format = NULL;
        volatile size_t n = SIZE_MAX / 4;
        assert_null(push_array(struct point, n));
        assert_null(push_array_zero(struct point, n));
        struct point one = {1, 2};
        assert_null(push_array_copy(struct point, &one, n));
        errno = 0;
        assert_null(push_copy(before, SIZE_MAX - n));
        assert_int_equal(errno, ENOMEM);
        errno = 0;
        assert_null(push_str(NULL));
        assert_int_equal(errno, EINVAL);
        errno = 0;
        assert_null(push_strn(NULL, 3));
        assert_int_equal(errno, EINVAL);
        errno = 0;
        assert_null(push_format(no_format, 1));
        assert_int_equal(errno, EINVAL);
        assert_string_equal(before, "before");
        assert_non_null(push_bytes(0));
        assert_non_null(push_bytes(100));
    }
    assert_int_equal(used(), 0);
}

__attribute__((format(printf, 1, 2))) static char *push_by_list(const char *format, ...) {
    va_list args;
    va_start(args, format);
    char *text = fh_push_vformat(format, args);
    va_end(args);
    return text;
}

/* Each kind of push says no when its region is full, and touches nothing then. */
static void a_full_region_refuses_every_kind_of_push(void **state) {
    (void)state;
    if (SANITIZED) skip(); /* there, each frame gets other memory */
    struct fh_region *region = fh_region_new(4096);
    static char text[5000];
    memset(text, 'x', sizeof text - 1);
    assert_non_null(region);
    frame_on(region) {
        while (push_bytes(16)) continue;
        errno = 0;
        assert_null(push(struct point));
        assert_null(push_zero(struct point));
        assert_null(push_value(struct point, .x = 1));
        assert_null(push_array(int, 4));
        assert_null(push_array_zero(int, 4));
        assert_null(push_array_copy(char, text, 4));
        assert_null(push_copy(text, 4));
        assert_int_equal(errno, ENOMEM);
        errno = 0;
        assert_null(push_str("text"));
        assert_int_equal(errno, ENOMEM);
        errno = 0;
        assert_null(push_strn("text", 2));
        assert_int_equal(errno, ENOMEM);
        errno = 0;
        assert_null(push_format("%d", 5));
        assert_int_equal(errno, ENOMEM);
        errno = 0;
        assert_null(push_by_list("%d %s", 5, text));
        assert_int_equal(errno, ENOMEM);
    }
    fh_region_delete(region);
}

static void the_last_byte_can_be_used(void **state) {
    (void)state;
    if (SANITIZED) skip(); /* there, each frame gets other memory */
    struct fh_region *region = fh_region_new(100000);
    struct fh_region_info stats;
    assert_non_null(region);
    fh_region_stats(region, &stats);
    assert_true(stats.size >= 100000 && stats.size < 110000);
    frame_on(region) {
        char *all = push_bytes(stats.size);
        assert_non_null(all);
        memset(all, 1, stats.size);
        assert_null(push_bytes(1));
    }
    frame_on(region) {
        size_t n = 0;
        while (push_bytes(1)) n++;
        assert_int_equal(n, stats.size / 16);
    }
    fh_region_delete(region);
}

/* ---- results ---- */

struct node {
    struct node *next;
    char *name;
};

static struct node *make_list(int n) {
    struct node *list = NULL;
    scratch {
        for (int i = 0; i < n; i++) {
            char *text = push_format("node %d", i);
            outside {
                struct node *node = push_value(struct node, list, push_str(text));
                list = node;
            }
        }
    }
    return list;
}

static struct node *two_lists(int n) { /* a scratch frame inside a scratch frame; results go one further */
    struct node *first = NULL;
    scratch {
        struct node *lost = make_list(n);
        outside first = make_list(n);
        assert_non_null(lost);
        frame { assert_non_null(make_list(n)); }
    }
    return first;
}

static void results_stay_in_the_callers_frame(void **state) {
    (void)state;
    frame {
        struct node *a = make_list(500), *b = two_lists(500);
        size_t after = used();
        frame { memset(push_bytes(100000), 'x', 100000); }
        for (int i = 499; i >= 0; i--, a = a->next, b = b->next) {
            char want[32];
            snprintf(want, sizeof want, "node %d", i);
            assert_string_equal(a->name, want);
            assert_string_equal(b->name, want);
        }
        assert_null(a);
        assert_int_equal(used(), after);
    }
    assert_int_equal(used(), 0);
}

static char *recursive_result(int depth) {
    char *result = NULL;
    scratch {
        char *inner = depth > 0 ? recursive_result(depth - 1) : push_str("end");
        outside result = push_format("%d %s", depth, inner);
    }
    return result;
}

static void results_pass_through_many_levels(void **state) {
    (void)state;
    frame {
        char *text = recursive_result(200);
        assert_memory_equal(text, "200 199 198 ", 12);
        assert_string_equal(text + strlen(text) - 9, "2 1 0 end");
    }
    assert_int_equal(used(), 0);
}

/* ---- marks ---- */

static jmp_buf back;
static void jump_out(int depth) {
    frame_here;
    memset(push_bytes(500), depth, 500);
    if (depth % 3 == 0) {
        scratch {
            assert_non_null(push_bytes(100));
            outside assert_non_null(push_bytes(100));
            if (depth == 30) longjmp(back, 1);
            jump_out(depth + 1);
        }
    }
    if (depth < 100) jump_out(depth + 1);
}

static void marks_unwind_what_longjmp_left(void **state) {
    (void)state;
    for (volatile int i = 0; i < 20; i++) {
        frame {
            static char *kept;
            static size_t before;
            static struct fh_frames_mark mark;
            kept = push_str("kept");
            before = used();
            fh_frame_mark(&mark);
            if (setjmp(back) == 0) {
                jump_out(1);
                fail();
            }
            fh_frame_unwind(&mark);
            assert_int_equal(used(), before);
            assert_string_equal(kept, "kept");
            fh_frame_unwind(&mark);
            assert_int_equal(used(), before);
            assert_non_null(push_bytes(100));
        }
        assert_int_equal(used(), 0);
    }
}

/* A thread that has never pushed has no books yet: there is nothing to free, but a frame to forget. */
static void *unwinds_before_any_push(void *unused) {
    static __thread jmp_buf start;
    struct fh_frames_mark mark;
    fh_frame_mark(&mark);
    if (setjmp(start) == 0) {
        frame longjmp(start, 1);
    }
    fh_frame_unwind(&mark);
    if (setjmp(start) == 0) {
        frame {
            if (push_bytes(1000) == NULL) return NULL;
            longjmp(start, 1);
        }
    }
    fh_frame_unwind(&mark); /* which was set when the thread had no books */
    static char good;
    return used() == 0 && push_bytes(1) != NULL ? &good : unused;
}
static void *unwinds_to_a_frame_before_any_push(void *unused) {
    (void)unused;
    struct fh_frames_mark mark;
    volatile bool good = true;
    frame {
        fh_frame_mark(&mark);
        for (volatile int times = 0; times < 2; times++) {
            if (setjmp(back) == 0) {
                frame {
                    (void)push_bytes(100);
                    longjmp(back, 1);
                }
            }
            fh_frame_unwind(&mark);
            good = good && used() == 0 && push_str("in the frame") != NULL;
        }
        good = good && used() == 16;
    }
    return good && used() == 0 ? &back : NULL;
}
static void marks_unwind_before_any_push(void **state) {
    (void)state;
    pthread_t id;
    void *good = NULL;
    assert_int_equal(pthread_create(&id, NULL, unwinds_before_any_push, NULL), 0);
    pthread_join(id, &good);
    assert_non_null(good);
    assert_int_equal(pthread_create(&id, NULL, unwinds_to_a_frame_before_any_push, NULL), 0);
    pthread_join(id, &good);
    assert_non_null(good);
}

static void marks_unwind_regions_too(void **state) {
    (void)state;
    struct fh_region *region = fh_region_new(1 << 20);
    struct fh_region_info stats;
    struct fh_frames_mark mark;
    fh_frame_mark(&mark);
    if (setjmp(back) == 0) {
        frame_on(region) {
            assert_non_null(push_bytes(5000));
            frame { scratch longjmp(back, 1); }
        }
    }
    fh_frame_unwind(&mark);
    fh_region_stats(region, &stats);
    assert_int_equal(stats.used, 0);
    fh_region_delete(region);
    assert_int_equal(used(), 0);
}

static void marks_unwind_the_second_region(void **state) {
    (void)state;
    struct fh_frames_mark mark;
    fh_frame_mark(&mark);
    for (volatile int i = 0; i < 2; i++) {
        if (setjmp(back) == 0) {
            frame {
                scratch {
                    assert_int_equal(used(), 0);
                    assert_non_null(push_bytes(5000));
                    longjmp(back, 1);
                }
            }
        }
        fh_frame_unwind(&mark);
    }
    frame { scratch assert_int_equal(used(), 0); }
}

/* ---- regions ---- */

static void regions_that_cannot_be_are_refused(void **state) {
    (void)state;
    volatile size_t sizes[] = {(size_t)1 << 60, SIZE_MAX / 2, SIZE_MAX - 1};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        errno = 0;
        assert_null(fh_region_new(sizes[i]));
        assert_int_equal(errno, ENOMEM);
    }
    errno = 0;
    assert_null(fh_region_in((char *)16, sizes[2])); /* which would go round the end of all addresses */
    assert_int_equal(errno, EINVAL);
    fh_region_delete(NULL);
    struct fh_region *region = fh_region_new(0);
    assert_non_null(region);
    frame_on(region) assert_non_null(push_bytes(1));
    fh_region_delete(region);
}

static void frames_on_one_region_nest(void **state) {
    (void)state;
    struct fh_region *region = fh_region_new(1 << 20);
    struct fh_region_info stats;
    frame_on(region) {
        char *outer = push_str("outer");
        frame_on(region) { assert_ptr_equal(push_str("inner"), outer + 16); }
        assert_ptr_equal(push_str("again"), outer + 16); /* the thread still has it */
        assert_string_equal(outer, "outer");
    }
    fh_region_stats(region, &stats);
    assert_int_equal(stats.used, 0);
    fh_region_delete(region);
}

static void *used_of_region(void *region) {
    struct fh_region_info stats;
    fh_region_stats(region, &stats);
    return (void *)stats.used;
}
static void any_thread_may_ask_about_a_region(void **state) {
    (void)state;
    struct fh_region *region = fh_region_new(1 << 20);
    pthread_t id;
    void *there = NULL;
    frame_on(region) { frame_on(region) assert_non_null(push_bytes(100)); }
    assert_int_equal(pthread_create(&id, NULL, used_of_region, region), 0);
    pthread_join(id, &there);
    assert_int_equal((uintptr_t)there, (uintptr_t)used_of_region(region));
    fh_region_delete(region);
}

static void a_region_of_mine_is_trimmed(void **state) {
    (void)state;
    struct fh_region *region = fh_region_new((size_t)16 << 20);
    struct fh_region_info stats;
    fh_region_stats(region, &stats);
    assert_int_equal(stats.held, 0);
    frame_on(region) {
        frame memset(push_bytes((size_t)8 << 20), 1, (size_t)8 << 20);
        char *kept = push_str("kept");
        fh_region_trim(region);
        if (!SANITIZED) {
            fh_region_stats(region, &stats);
            assert_true(stats.held < 64 << 10);
        }
        assert_string_equal(kept, "kept");
        assert_non_null(push_bytes((size_t)8 << 20));
    }
    fh_region_delete(region);
    static char memory[4096];
    region = fh_region_in(memory, sizeof memory);
    fh_region_trim(region); /* is not for us to give back */
    frame_on(region) assert_non_null(push_bytes(1000));
    fh_region_delete(region);
}

static void a_region_lies_in_memory_of_mine(void **state) {
    (void)state;
    static char memory[4096];
    errno = 0;
    assert_null(fh_region_in(memory, FH_REGION_BOOKS));
    assert_int_equal(errno, EINVAL);
    assert_null(fh_region_in(NULL, 1000));
    for (size_t skew = 0; skew < 16; skew++) {
        struct fh_region *region = fh_region_in(memory + skew, sizeof memory - 2 * skew);
        assert_non_null(region);
        frame_on(region) {
            size_t n = 0;
            for (char *p; (p = push_bytes(100)) != NULL; n++) {
                assert_true(p >= memory + skew && p + 100 <= memory + sizeof memory - skew);
                memset(p, 1, 100);
            }
            assert_true(n > 20);
            outside assert_non_null(push_bytes(10000));
        }
        fh_region_delete(region);
    }
    assert_true(used() >= 160000 - 16 * 16 || used() > 0); /* what was pushed without a frame is the thread's */
}

static void regions_of_threads_are_their_own_and_end_with_them(void **state);
static void *work(void *argument) {
    size_t n = (size_t)argument;
    for (size_t i = 0; i < 1000; i++) {
        frame {
            size_t *numbers = push_array(size_t, 100);
            for (size_t k = 0; k < 100; k++) numbers[k] = n;
            frame { memset(push_bytes(10000), 0, 10000); }
            for (size_t k = 0; k < 100; k++)
                if (numbers[k] != n) return NULL;
        }
        scratch { (void)push_bytes(100); }
    }
    return argument;
}
static void regions_of_threads_are_their_own_and_end_with_them(void **state) {
    (void)state;
    size_t before = 0;
    for (int round = 0; round < 20; round++) {
        pthread_t id[8];
        for (size_t i = 0; i < 8; i++) assert_int_equal(pthread_create(&id[i], NULL, work, (void *)(i + 1)), 0);
        for (size_t i = 0; i < 8; i++) {
            void *result;
            pthread_join(id[i], &result);
            assert_int_equal((size_t)result, i + 1);
        }
        if (round == 9) before = mappings();
    }
    assert_true(mappings() <= before + 16);
}

static size_t resident(void) {
    unsigned long pages = 0, all;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%lu %lu", &all, &pages) != 2) pages = 0;
    if (file) fclose(file);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void memory_goes_back_after_a_deep_moment(void **state) {
    (void)state;
    if (SANITIZED) skip(); /* there, each frame gets other memory */
    size_t before = resident(), deep = (size_t)200 << 20;
    frame {
        char *p = push_bytes(deep);
        memset(p, 1, deep);
        assert_true(resident() > before + deep / 2);
    }
    assert_true(resident() < before + (8 << 20));
    for (int i = 0; i < 20; i++) { /* again and again: kept for a while, then given back */
        frame memset(push_bytes(deep / 4), 1, deep / 4);
    }
    usleep(150000);
    for (int i = 0; i < 100; i++) {
        frame assert_non_null(push_bytes(64));
    }
    assert_true(resident() < before + (8 << 20));
}

static void recurse_deep(int depth) {
    frame_here;
    memset(push_bytes(100000), 1, 100000);
    if (depth > 0) recurse_deep(depth - 1);
}
static void memory_goes_back_after_a_deep_recursion(void **state) {
    (void)state;
    if (SANITIZED) skip(); /* there, each frame gets other memory */
    size_t before = resident();
    recurse_deep(1500);
    assert_true(resident() < before + (8 << 20));
}

static void trim_gives_back_at_once(void **state) {
    (void)state;
    if (SANITIZED) skip(); /* there, each frame gets other memory */
    size_t before = resident();
    frame {
        for (int i = 0; i < 1000; i++) {
            frame memset(push_bytes((size_t)2 << 20), 1, 4096); /* hot */
        }
        frame memset(push_bytes((size_t)2 << 20), 1, (size_t)2 << 20);
        fh_region_trim(NULL);
        assert_true(resident() < before + (1 << 20));
    }
}

static void limited(void) {
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%lu", &pages) != 1) _exit(4);
    fclose(file);
    rlim_t more = pages * (rlim_t)sysconf(_SC_PAGESIZE) + ((rlim_t)400 << 20); /* than what there is */
    struct rlimit limit = {more, more};
    setrlimit(RLIMIT_AS, &limit);
    frame {
        struct fh_region_info stats;
        char *p = push_bytes(100000);
        if (p == NULL) _exit(1);
        memset(p, 1, 100000);
        fh_region_stats(NULL, &stats);
        if (stats.size < 64 << 10 || stats.size > (size_t)400 << 20) _exit(2);
        errno = 0;
        if (push_bytes(stats.size) != NULL || errno != ENOMEM) _exit(3);
    }
    _exit(0);
}
/* Runs it in a thread of a child process: the region of a thread is a new one. Its exit status. */
static int status_in_new_thread(void (*function)(void)) {
    pid_t child = fork();
    if (child == 0) {
        pthread_t id;
        pthread_create(&id, NULL, (void *(*)(void *))(void *)function, NULL);
        pthread_join(id, NULL);
        _exit(9);
    }
    int status;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}
static void falls_back_where_address_space_is_limited(void **state) {
    (void)state;
    assert_int_equal(status_in_new_thread(limited), 0);
}

/* The system lets the region have its addresses, but not memory for twice what is in use: then for as much as
 * is needed, up to the last page, and no further. */
static void no_more_data(void) {
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%*u %*u %*u %*u %*u %lu", &pages) != 1) _exit(4); /* data and stack */
    fclose(file);
    frame {
        struct rlimit limit;
        char *p = push_bytes(60000);
        size_t n = 0;
        getrlimit(RLIMIT_DATA, &limit);
        limit.rlim_cur = pages * (rlim_t)sysconf(_SC_PAGESIZE) + ((rlim_t)1280 << 10);
        setrlimit(RLIMIT_DATA, &limit);
        if (p == NULL) _exit(1);
        while (n < 200 && (p = push_bytes(16384)) != NULL) memset(p, 1, 16384), n++;
        if (n < 68 || n == 200 || errno != ENOMEM) _exit(2); /* 1 MiB is had by doubling, more by need */
        if (push_bytes(1) == NULL) _exit(3);
    }
    _exit(0);
}
static void takes_what_it_needs_where_data_is_limited(void **state) {
    (void)state;
    if (SANITIZED) skip();
    assert_int_equal(status_in_new_thread(no_more_data), 0);
}

/* A region smaller than the least is as large as that. */
static void least(void) {
    struct fh_region_info stats;
    if (fh_set("region", "1") != 0) _exit(1);
    frame {
        if (push_bytes(60000) == NULL || push_bytes(60000) != NULL) _exit(2);
        scratch if (push_bytes(60000) == NULL) _exit(3);
        fh_region_stats(NULL, &stats);
    }
    _exit(stats.size == 64 << 10 ? 0 : 4);
}
static void a_region_has_its_least_size(void **state) {
    (void)state;
    if (SANITIZED) skip(); /* there, each push is some bytes more */
    assert_int_equal(status_in_new_thread(least), 0);
}

static void a_child_after_fork_goes_on(void **state) {
    (void)state;
    frame {
        char *text = push_str("before");
        pid_t child = fork();
        if (child == 0) {
            int bad = strcmp(text, "before") != 0;
            frame { bad |= push_bytes(100000) == NULL; }
            _exit(bad);
        }
        int status;
        waitpid(child, &status, 0);
        assert_int_equal(status, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_way_out_closes_the_frame),
        cmocka_unit_test(frames_nest),
        cmocka_unit_test(memory_is_used_again),
        cmocka_unit_test(pushes_give_what_they_say),
        cmocka_unit_test(alignment_holds),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(a_full_region_refuses_every_kind_of_push),
        cmocka_unit_test(the_last_byte_can_be_used),
        cmocka_unit_test(results_stay_in_the_callers_frame),
        cmocka_unit_test(results_pass_through_many_levels),
        cmocka_unit_test(marks_unwind_what_longjmp_left),
        cmocka_unit_test(marks_unwind_before_any_push),
        cmocka_unit_test(marks_unwind_regions_too),
        cmocka_unit_test(marks_unwind_the_second_region),
        cmocka_unit_test(regions_that_cannot_be_are_refused),
        cmocka_unit_test(frames_on_one_region_nest),
        cmocka_unit_test(any_thread_may_ask_about_a_region),
        cmocka_unit_test(a_region_of_mine_is_trimmed),
        cmocka_unit_test(regions_of_threads_are_their_own_and_end_with_them),
        cmocka_unit_test(memory_goes_back_after_a_deep_moment),
        cmocka_unit_test(memory_goes_back_after_a_deep_recursion),
        cmocka_unit_test(trim_gives_back_at_once),
        cmocka_unit_test(falls_back_where_address_space_is_limited),
        cmocka_unit_test(takes_what_it_needs_where_data_is_limited),
        cmocka_unit_test(a_region_has_its_least_size),
        cmocka_unit_test(a_child_after_fork_goes_on),
        cmocka_unit_test(a_region_lies_in_memory_of_mine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
