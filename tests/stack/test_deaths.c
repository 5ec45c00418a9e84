/* test_deaths.c - misuse of frames and regions ends the process with a report that names the frames. */
#include "child.h"

#include <freehold/stack.h>

#include "base/settings.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <sys/mman.h>

static void outer_before_inner(void) {
    struct fh_frame outer, inner;
    fh_frame_open(&outer, FH_SITE);
    (void)fh_push_bytes(10);
    fh_frame_open(&inner, FH_SITE);
    fh_frame_close(&outer);
}
static void twice(void) {
    struct fh_frame one, two;
    fh_frame_open(&one, FH_SITE);
    fh_frame_open(&two, FH_SITE);
    fh_frame_close(&two);
    fh_frame_close(&two);
}
static void never_opened(void) {
    struct fh_frame frame = {0};
    fh_frame_close(&frame);
}
static jmp_buf back;
static void leaves(void) { FH_FRAME longjmp(back, 1); }
static void longjmp_without_unwind(void) {
    FH_FRAME {
        if (setjmp(back) == 0) leaves();
    }
}
static void outside_of_nothing(void) {
    FH_FRAME { FH_OUTSIDE(void) fh_push_bytes(10); }
}
static void outside_of_the_same_region(void) { /* what is pushed would be freed with the inner frame */
    struct fh_region *region = fh_region_new(1000);
    FH_FRAME_ON(region) {
        FH_FRAME_ON(region) { FH_OUTSIDE(void) fh_push_bytes(10); }
    }
}
static void scratch_out_of_order(void) {
    struct fh_frame outer, inner;
    fh_scratch_open(&outer, FH_SITE);
    fh_scratch_open(&inner, FH_SITE);
    fh_frame_close(&outer);
}
static void region_is_null(void) {
    FH_FRAME_ON(NULL) {}
}
static void region_deleted_in_use(void) {
    struct fh_region *region = fh_region_new(1000);
    FH_FRAME_ON(region) fh_region_delete(region);
}
static void *use_it(void *region) {
    FH_FRAME_ON((struct fh_region *)region)(void) fh_push_bytes(1);
    return NULL;
}
static void region_in_two_threads(void) {
    struct fh_region *region = fh_region_new(1000);
    pthread_t id;
    FH_FRAME_ON(region) {
        if (pthread_create(&id, NULL, use_it, region) != 0) _exit(99);
        pthread_join(id, NULL);
    }
}
static void does_not_fit(void) {
    fh_settings_init();
    fh_settings.region_abort = true;
    FH_FRAME(void) fh_push_bytes((size_t)1 << 40);
}

/* A frame whose memory is gone, as that of a coroutine's stack may be: the report does without it. */
static void unmapped(void) {
    struct fh_frame outer, *gone = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    fh_frame_open(&outer, FH_SITE);
    fh_frame_open(gone, FH_SITE);
    munmap(gone, 4096);
    fh_frame_close(&outer);
}
static void unmapped_is_closed(void) {
    struct fh_frame inner, *gone = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    fh_frame_open(gone, FH_SITE);
    fh_frame_open(&inner, FH_SITE);
    mprotect(gone, 4096, PROT_NONE);
    fh_frame_close_slow(gone);
}
static void left_site(void) { /* the frame can be read, what it says of its place cannot */
    struct fh_frame outer, inner;
    fh_frame_open(&outer, (const struct fh_frame_site *)16);
    fh_frame_open(&inner, FH_SITE);
    fh_frame_close(&outer);
}

/* ---- frames that do not note their place: their functions are found in the call stack ---- */

static const struct fh_frame_site nowhere = {"nowhere.c", "nowhere", 1};
__attribute__((noinline)) static void closes_its_callers(struct fh_frame *callers) {
    struct fh_frame inner = {.site = &nowhere}; /* as it may have been left there */
    fh_frame_open(&inner, FH_SITE);
    fh_frame_close(callers);
}
__attribute__((noinline)) static void opens_one(void) {
    struct fh_frame outer = {.site = &nowhere};
    fh_frame_open(&outer, FH_SITE);
    closes_its_callers(&outer);
}
static void after_a_push(void) {
    (void)fh_push_bytes(10);
    opens_one();
}
static void on_a_region_of_mine(void) {
    static char memory[8192];
    FH_FRAME_ON(fh_region_in(memory, sizeof memory)) opens_one();
}
static void within_a_turn(void) {
    struct fh_frame turn;
    (void)fh_push_bytes(10);
    fh_scratch_open(&turn, FH_SITE);
    closes_its_callers(&turn);
}
static void twice_after_a_push(void) {
    struct fh_frame frame = {.site = &nowhere};
    (void)fh_push_bytes(10);
    fh_frame_open(&frame, FH_SITE);
    fh_frame_close(&frame);
    fh_frame_close(&frame);
}
static void grown(void *callers) { closes_its_callers(callers); }
static void on_two_stacks(void) {
    struct fh_frame outer;
    (void)fh_push_bytes(10);
    fh_frame_open(&outer, FH_SITE);
    fh_stack_grow_slow(0, 128 << 10, grown, &outer);
}
static void on_the_heap(void) {
    struct fh_frame *outer = malloc(sizeof *outer);
    (void)fh_push_bytes(10);
    fh_frame_open(outer, FH_SITE);
    closes_its_callers(outer);
}

static void no_more_memory(void) {
    struct rlimit limit;
    fh_settings_init();
    getrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = 1;
    setrlimit(RLIMIT_AS, &limit);
}
static void no_region(void) {
    no_more_memory();
    fh_settings.region_abort = true;
    FH_FRAME(void) fh_push_bytes(1);
}
static void no_books(void) {
    struct fh_region *region = fh_region_new(1000);
    no_more_memory();
    FH_FRAME_ON(region)(void) fh_push_bytes(1);
}
static void without_memory(void) { /* frames open and close, and each push in them is refused */
    no_more_memory();
    FH_SCRATCH {
        errno = 0;
        if (fh_push_bytes(1) != NULL || errno != ENOMEM) _exit(1);
        FH_OUTSIDE if (fh_push_str("text") != NULL) _exit(2);
    }
    if (fh_push_format("%d", 5) != NULL || fh_region_new(1) != NULL) _exit(3);
    struct fh_region_info stats;
    fh_region_stats(NULL, &stats);
    if (stats.size != 0 || stats.used != 0) _exit(4);
    fh_region_trim(NULL);
}

static void outside_of_the_outside(void) {
    FH_SCRATCH {
        FH_OUTSIDE { FH_OUTSIDE(void) fh_push_bytes(10); }
    }
}
static void chain_in_a_circle(void) { /* as when frames are overwritten: the report ends all the same */
    struct fh_frame outer, inner;
    fh_frame_open(&outer, FH_SITE);
    fh_frame_open(&inner, FH_SITE);
    inner.outer = (uintptr_t)&inner;
    fh_frame_close(&outer);
}

/* ---- checked pages ---- */

static void check(void) {
    fh_settings_init();
    fh_settings.mode = FH_MODE_CHECKED;
}
static void after_a_push_checked(void) {
    check();
    after_a_push();
}
static void region_check_alone(void) {
    fh_settings_init();
    fh_settings.region_check = true;
    after_a_push();
}
static void on_a_region_of_mine_checked(void) {
    check();
    on_a_region_of_mine();
}
static char *stale_text(void) {
    char *text = NULL;
    FH_FRAME { text = fh_push_str("stale"); }
    return text;
}
static volatile char sink;
static void reads_stale(void) {
    check();
    char *stale = stale_text();
    for (int i = 0; i < 1000; i++) { /* others come and go, and do not get the place */
        FH_FRAME memset(fh_push_bytes(100), 1, 100);
    }
    sink = stale[2];
}
static void writes_stale(void) {
    check();
    stale_text()[4] = 'x';
}
static void stale_after_unwind(void) {
    check();
    struct fh_frames_mark mark;
    char *volatile text = NULL;
    fh_frame_mark(&mark);
    if (setjmp(back) == 0) {
        FH_SCRATCH {
            text = fh_push_str("left");
            longjmp(back, 1);
        }
    }
    fh_frame_unwind(&mark);
    sink = text[0];
}
static char *result(char **stale) {
    char *good = NULL;
    FH_SCRATCH {
        *stale = fh_push_str("working memory");
        FH_OUTSIDE good = fh_push_str("result");
    }
    return good;
}
static void stale_scratch(void) {
    check();
    FH_FRAME {
        char *stale, *good = result(&stale);
        if (strcmp(good, "result") != 0) _exit(97);
        sink = stale[0];
    }
}
static void past_the_end(void) {
    check();
    FH_FRAME {
        volatile char *p = fh_push_bytes(100);
        for (size_t i = 0; i < 100000; i++) p[i] = 1;
    }
}
static void never_pushed(void) {
    check();
    FH_FRAME {
        volatile char *p = fh_push_bytes(100);
        sink = p[1 << 20];
    }
}
static void before_the_first(void) {
    check();
    FH_FRAME {
        volatile char *p = fh_push_bytes(100);
        sink = p[-1];
    }
}
static void pushed_without_a_frame(void) {
    check();
    volatile char *p = fh_push_bytes(100);
    for (size_t i = 0; i < 100000; i++) p[i] = 1;
}
static void *thread_reads_stale(void *unused) {
    sink = stale_text()[1];
    return unused;
}
static void reads_stale_in_a_thread(void) {
    pthread_t id;
    check();
    pthread_setname_np(pthread_self(), "first");
    if (pthread_create(&id, NULL, thread_reads_stale, NULL) == 0) pthread_join(id, NULL);
}

/* In a handler, on a stack that lies above the one of the thread that was interrupted: the walk goes on there.
 * */
static char *kept;
static void handler_reads_stale(int signal) {
    sink = kept[0];
    sink = (char)signal;
}
static char *stack_of_main;
__attribute__((noinline)) static void is_interrupted(void) {
    raise(SIGUSR1);
    sink = 1;
}
static void *thread_is_interrupted(void *unused) {
    stack_t stack = {.ss_sp = stack_of_main, .ss_size = 65536};
    struct sigaction action = {.sa_handler = handler_reads_stale, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &action, NULL);
    sigaltstack(&stack, NULL);
    kept = stale_text();
    is_interrupted();
    return unused;
}
static void reads_stale_in_a_handler(void) {
    pthread_t id;
    char memory[65536];
    stack_of_main = memory;
    check();
    if (pthread_create(&id, NULL, thread_is_interrupted, NULL) == 0) pthread_join(id, NULL);
}

/* Regions in memory of the program's own are as they are without checks: there are no pages to close. */
static void memory_of_mine(void) {
    static char memory[8192];
    check();
    struct fh_region *region = fh_region_in(memory, sizeof memory);
    char *text = NULL;
    FH_FRAME_ON(region) { text = fh_push_str("there"); }
    if (strcmp(text, "there") != 0) _exit(1);
    fh_region_delete(region);
}

/* Pushes as large, as aligned and as many as there is room for, each in pages of its own. */
static void large_and_aligned(void) {
    check();
    struct fh_region *small = fh_region_new(65536), *smaller = fh_region_new(1);
    FH_FRAME_ON(small) {
        if (fh_push_aligned(60000, 65536) != NULL || fh_push_bytes(65536) == NULL) _exit(1);
        if (fh_push_bytes(1) != NULL) _exit(2);
    }
    FH_FRAME_ON(smaller) if (fh_push_bytes(4096) == NULL) _exit(3);
    fh_region_delete(small); /* not the one that was made last */
    fh_region_delete(smaller);
    FH_FRAME {
        char *first = fh_push_str("first");
        for (size_t align = 32; align <= 65536; align *= 2) {
            char *p = fh_push_aligned(24, align);
            if (p == NULL || (uintptr_t)p % align != 0) _exit(4);
            memset(p, 1, 24);
        }
        for (int i = 0; i < 300; i++) { /* 18 MiB: a frame's runs have grown as large as they may */
            char *p = fh_push_bytes(60000);
            if (p == NULL) _exit(5);
            p[0] = p[59999] = 1;
        }
        if (strcmp(first, "first") != 0) _exit(6);
    }
}

static void good_run(void) {
    check();
    fh_settings.region_size = (size_t)128 << 20; /* gone through several times */
    for (int round = 0; round < 60000 / 100; round++) {
        FH_FRAME {
            char *a = fh_push_str("outer");
            for (int i = 0; i < 100; i++) {
                FH_FRAME {
                    int *n = fh_push_array_zero(int, 20);
                    for (int k = 0; k < 20; k++)
                        if (n[k]++ != 0) _exit(96);
                }
            }
            if (strcmp(a, "outer") != 0) _exit(95);
        }
    }
    FH_FRAME {
        if (fh_push_bytes((size_t)1 << 40) != NULL || errno != ENOMEM) _exit(94);
        char *p = fh_push_bytes((size_t)64 << 20);
        if (p == NULL) _exit(93);
        memset(p, 1, (size_t)64 << 20);
    }
}

/* More than 4 GiB in one push, of which nothing is written: no memory is needed for it. */
static void huge_push(void) {
    check();
    fh_settings.region_size = (size_t)8 << 30;
    struct fh_region_info stats;
    for (int i = 0; i < 2; i++) {
        FH_FRAME {
            size_t size = ((size_t)4 << 30) + 4096;
            if (fh_push_bytes(size) == NULL) _exit(77); /* this system gives no more than it has */
            fh_region_stats(NULL, &stats);
            if (stats.used != size) _exit(1);
        }
        fh_region_stats(NULL, &stats);
        if (stats.used != 0) _exit(2);
    }
}

static void dies(const char *what, void (*function)(void), int signal, const char *a, const char *b) {
    run_child(function);
    expect_signal(what, signal);
    expect_text(what, a);
    expect_text(what, b);
}

int main(void) {
    dies("out of order", outer_before_inner, SIGABRT, "out of order: the frame of outer_before_inner()",
         "inside it, the frame of outer_before_inner()");
    dies("twice", twice, SIGABRT, "of twice()", "closed but not open");
    dies("never opened", never_opened, SIGABRT, "closed but not open", "After longjmp, fh_frame_unwind");
    dies("longjmp", longjmp_without_unwind, SIGABRT, "of longjmp_without_unwind()", "fh_frame_unwind");
    dies("outside of the same region", outside_of_the_same_region, SIGABRT,
         "FH_OUTSIDE in outside_of_the_same_region()", "on the same region");
    dies("outside", outside_of_nothing, SIGABRT, "FH_OUTSIDE in outside_of_nothing()", "no scratch frame");
    dies("outside of the outside", outside_of_the_outside, SIGABRT, "FH_OUTSIDE in outside_of_the_outside()",
         "no scratch frame");
    dies("chain in a circle", chain_in_a_circle, SIGABRT, "of chain_in_a_circle()", "closed but not open");
    dies("scratch order", scratch_out_of_order, SIGABRT, "out of order", "scratch_out_of_order()");
    dies("null region", region_is_null, SIGABRT, "the region is NULL", "region_is_null()");
    dies("deleted region", region_deleted_in_use, SIGABRT, "fh_region_delete", "still open");
    dies("two threads", region_in_two_threads, SIGABRT, "another thread", "use_it()");
    dies("does not fit", does_not_fit, SIGABRT, "does not fit", "FREEHOLD=region=SIZE");
    dies("unmapped", unmapped, SIGABRT, "of unmapped()", "closed but not open");
    dies("unmapped, closed", unmapped_is_closed, SIGABRT, "out of order", "in no function that is running");
    dies("left site", left_site, SIGABRT, "the frame of left_site() is closed", "the frame of left_site() at ");
    static const struct {
        const char *what;
        void (*function)(void);
        const char *closed, *innermost;
    } found[] = {
        {"after a push", after_a_push, "the frame of opens_one()", "the frame of closes_its_callers()"},
        {"within a turn", within_a_turn, "the frame of within_a_turn() at ",
         "the frame of closes_its_callers()"},
        {"region of mine", on_a_region_of_mine, "the frame of opens_one()",
         "the frame of closes_its_callers()"},
        {"twice after a push", twice_after_a_push, "frame of twice_after_a_push()", "closed but not open"},
        {"on two stacks", on_two_stacks, "the frame of on_two_stacks()", "the frame of closes_its_callers()"},
        {"after a push, checked", after_a_push_checked, "the frame of opens_one() at ",
         "the frame of closes_its_callers() at "},
        {"region_check alone", region_check_alone, "the frame of opens_one() at ",
         "the frame of closes_its_callers() at "},
        {"region of mine, checked", on_a_region_of_mine_checked, "the frame of opens_one()",
         "the frame of closes_its_callers()"},
    };
    for (size_t i = 0; i < sizeof found / sizeof found[0]; i++) {
        dies(found[i].what, found[i].function, SIGABRT, found[i].closed, found[i].innermost);
        expect_no_text(found[i].what, "nowhere");
    }
    if (!SANITIZED)
        dies("on the heap", on_the_heap, SIGABRT, "in no function that is running", "closes_its_callers()");
    if (!SANITIZED) dies("what next", after_a_push, SIGABRT, "region_check=on", "out of order");
    if (SANITIZED) return failures != 0; /* there the sanitizer reports: tools.sh */
    if (!emulated()) {
        dies("no region", no_region, SIGABRT, "a region that could not be made", "FREEHOLD=region=SIZE");
        dies("no books", no_books, SIGABRT, "FH_FRAME_ON in no_books()", "no memory for the thread's books");
        run_child(without_memory);
        expect_status("without memory", 0);
        expect_silence("without memory");
    }
    dies("stale read", reads_stale, SIGSEGV, "after its frame was closed", "frame of stale_text() at ");
    dies("stale write", writes_stale, SIGSEGV, "is byte 4 of what was pushed", "frame of stale_text() at ");
    dies("unwound", stale_after_unwind, SIGSEGV, "after its frame was closed", "stale_after_unwind()");
    dies("scratch", stale_scratch, SIGSEGV, "after its frame was closed", "frame of result() at ");
    dies("past the end", past_the_end, SIGSEGV, "past the end of what was pushed", "past_the_end()");
    dies("never pushed", never_pushed, SIGSEGV, "in the thread's region that was never pushed", "main thread");
    dies("before the first", before_the_first, SIGSEGV, "outside of the thread's region", "guard page");
    dies("without a frame", pushed_without_a_frame, SIGSEGV, "past the end of what was pushed",
         "frame of no() at -:0");
    dies("in a thread", reads_stale_in_a_thread, SIGSEGV, "frame of stale_text() at ", "thread_reads_stale+");
    expect_no_text("in a thread", "main thread");
    dies("in a handler", reads_stale_in_a_handler, SIGSEGV, "frame of stale_text() at ",
         "handler_reads_stale+");
#ifdef __GLIBC__ /* musl has no unwind information for raise() */
    if (!emulated()) expect_text("in a handler", "is_interrupted+");
#endif
    run_child(memory_of_mine);
    expect_status("memory of mine", 0);
    run_child(large_and_aligned);
    expect_status("large and aligned", 0);
    expect_silence("large and aligned");
    run_child(good_run);
    expect_status("good run", 0);
    expect_silence("good run");
    run_child(huge_push);
    if (outcome.status != 77) expect_status("huge push", 0);
    return failures != 0;
}
