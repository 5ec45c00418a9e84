/* test_refused.c - what the system refuses is said, or done without; and once it grants again all is as if
 * nothing had been.
 *
 * The library's own calls of the system are wrapped by the linker and refuse as each test wishes. Each test
 * runs in a child, as a process that has asked for nothing yet.
 */
#include "mappings.h"
#include "child.h"

#include "base/settings.h"
#include "os/os.h"
#include "os/os_modules.h"
#include "os/os_stack.h"

#include <freehold/settings.h>
#include <freehold/stack.h>

#include <alloca.h>
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>

/* ---- what is refused ---- */

enum {
    MAP = 1,
    RESERVE = 2,
    COMMIT = 4,
    PURGE = 8,
    STACK = 16,
    BOUNDS = 32,
    HANDLER = 64,
    TOUCHED = 128,
    MODULES = 256,
};
static volatile unsigned refused; /* these */
static volatile long granted;     /* of them, as many before the first refusal */
static volatile long most = -1;   /* so many refusals, -1: all from there on */
static volatile unsigned long refusals;
static volatile int error_told = ENOMEM;

static bool refuse(unsigned call) {
    if (!(refused & call) || granted-- > 0 || most == 0) return false;
    if (most > 0) most--;
    refusals++;
    errno = error_told;
    return true;
}

static void refuse_from(unsigned calls, long first) {
    granted = first;
    most = -1;
    refused = calls;
}
static void grant_all(void) { refused = 0; }

#define WRAP(call, type, name, parameters, arguments, answer) \
    type __real_##name parameters;                            \
    type __wrap_##name parameters;                            \
    type __wrap_##name parameters { return refuse(call) ? answer : __real_##name arguments; }
WRAP(MAP, void *, fh_os_map, (size_t size), (size), NULL)
WRAP(RESERVE, void *, fh_os_reserve, (size_t size), (size), NULL)
WRAP(COMMIT, bool, fh_os_commit, (void *at, size_t size), (at, size), false)
WRAP(PURGE, bool, fh_os_purge, (void *at, size_t size), (at, size), false)
WRAP(STACK, char *, fh_os_stack_map, (size_t size, const char *below), (size, below), NULL)
WRAP(BOUNDS, bool, fh_os_stack_bounds, (struct fh_os_bounds * bounds), (bounds), false)
WRAP(TOUCHED, int, mincore, (void *at, size_t size, unsigned char *touched), (at, size, touched), -1)

/* The handler of faults sets the default back last of all, before it returns. */
static void (*at_default)(void);
int __real_sigaction(int number, const struct sigaction *new, struct sigaction *old);
int __wrap_sigaction(int number, const struct sigaction *new, struct sigaction *old);
int __wrap_sigaction(int number, const struct sigaction *new, struct sigaction *old) {
    if (new != NULL &&new->sa_handler == SIG_DFL && at_default) at_default();
    return refuse(HANDLER) ? -1 : __real_sigaction(number, new, old);
}

/* Reading the modules is where a report can be held up, and where it can go wrong. */
static void (*in_report)(void);
bool __real_fh_os_modules_read(struct fh_os_modules *modules);
bool __wrap_fh_os_modules_read(struct fh_os_modules *modules);
bool __wrap_fh_os_modules_read(struct fh_os_modules *modules) {
    if (in_report) in_report();
    return !refuse(MODULES) && __real_fh_os_modules_read(modules);
}

/* ---- the call stack ---- */

static unsigned called;
static void call(void *unused) {
    (void)unused;
    called++;
}
static bool grows(void) {
    unsigned before = called;
    errno = 0;
    int answer = fh_stack_grow_slow(1 << 16, 1 << 17, call, NULL);
    MUST(answer == 0 ? called == before + 1 : answer == -1 && errno == ENOMEM && called == before);
    return answer == 0;
}

static void nothing_is_known(void) {
    static const unsigned calls[] = {BOUNDS, MAP};
    for (size_t i = 0; i < 2; i++) {
        refuse_from(calls[i], 0);
        MUST(fh_stack_left() == 0 && fh_stack_size() == 0 && fh_stack_peak() == 0);
        MUST(!grows());
    }
    grant_all();
    MUST(fh_stack_left() > 0 && fh_stack_left() < fh_stack_size() && fh_stack_peak() > 0 && grows());
}

static void no_further_stack(void) {
    MUST(fh_stack_left() > 0);
    refuse_from(STACK, 0);
    MUST(!grows() && fh_stack_left() > 0);
    grant_all();
    MUST(grows());
    refuse_from(STACK, 0);
    MUST(grows()); /* on the one that is kept */
}

/* Where nobody tells which pages were touched, what is in use now counts; wherever in its page the caller
 * stands. */
__attribute__((noinline)) static void peak_counts_what_is_in_use(size_t size) {
    size_t in_use = size - fh_stack_left(), peak = fh_stack_peak();
    MUST(peak >= in_use && peak < in_use + 8192);
}
static void nobody_knows_what_was_touched(void) {
    size_t size = fh_stack_size();
    refuse_from(TOUCHED, 0);
    for (size_t more = 0; more <= 4096; more += 16) {
        volatile char *room = alloca(more + 1);
        room[0] = 1;
        peak_counts_what_is_in_use(size);
    }
    MUST(refusals > 256);
}

/* ---- regions ---- */

/* The text, or NULL and ENOMEM. */
static char *pushed(const char *what) {
    errno = 0;
    char *text = fh_push_str(what);
    MUST(text != NULL || errno == ENOMEM);
    return text;
}
static void is_still(const char *text, const char *what) { MUST(text == NULL || strcmp(text, what) == 0); }

static void use_regions(void) {
    struct fh_region_info stats;
    FH_FRAME {
        char *outer = pushed("outer"), *result = NULL;
        FH_SCRATCH {
            char *inner = pushed("inner");
            FH_OUTSIDE result = pushed("result");
            errno = 0;
            char *large = fh_push_bytes(3 << 20);
            MUST(large != NULL || errno == ENOMEM);
            if (large != NULL) memset(large, 1, 3 << 20);
            is_still(inner, "inner");
        }
        struct fh_region *region = fh_region_new(200000);
        MUST(region != NULL || errno == ENOMEM);
        if (region != NULL && outer != NULL) {
            FH_FRAME_ON(region) {
                char *mine = pushed("mine");
                (void)pushed("more");
                is_still(mine, "mine");
            }
        }
        fh_region_delete(region);
        is_still(outer, "outer");
        is_still(result, "result");
        fh_region_stats(NULL, &stats);
        fh_region_trim(NULL);
    }
    fh_region_stats(NULL, &stats);
    MUST(stats.used == 0);
}

static long first_refused;
static bool checking, once_only;
static void regions_while_some_is_refused(void) {
    fh_settings_init();
    fh_settings.region_check = checking;
    fh_settings.region_size = 5000 << 10; /* not a power of two, as halving must come to the least size */
    refuse_from(MAP | RESERVE | COMMIT | PURGE, first_refused);
    if (once_only) most = 1;
    use_regions();
    bool any = refusals > 0;
    grant_all();
    FH_FRAME {
        MUST(pushed("it goes on") != NULL);
        FH_SCRATCH MUST(pushed("here too") != NULL);
    }
    use_regions();
    _exit(any ? 0 : 33);
}

/* Each call in turn is refused, once or from then on, until a run has no more of them. */
static void each_call_of_regions(void) {
    for (int kind = 0; kind < 4; kind++) {
        checking = kind & 1;
        once_only = kind & 2;
        for (first_refused = 0; first_refused < 200; first_refused++) {
            run_child(regions_while_some_is_refused);
            if (outcome.status == 33 && outcome.signal == 0) break;
            expect_status("regions while some is refused", 0);
            expect_silence("regions while some is refused");
        }
        expect("refused from several calls on", first_refused > 5 && first_refused < 200);
    }
}

/* A push that is refused, for want of memory of any kind, leaves nothing behind however often it is tried. */
static void refused_pushes_leave_nothing(void) {
    static const unsigned calls[] = {RESERVE, MAP, COMMIT};
    struct fh_region_info stats;
    fh_settings_init();
    fh_settings.region_check = checking;
    fh_region_stats(NULL, &stats);
    FH_SCRATCH {
        size_t before = mappings();
        for (size_t i = 0; i < 3; i++) {
            if (calls[i] == MAP && !checking) continue; /* of the books of checked pages */
            refuse_from(calls[i], 0);
            for (int times = 0; times < 5; times++) MUST(pushed("no") == NULL);
            grant_all();
        }
        MUST(mappings() <= before + 6); /* the region itself */
        MUST(pushed("yes") != NULL);
    }
}

static void statistics_of_what_is_refused(void) {
    struct fh_region_info stats = {1, 1, 1};
    FH_FRAME(void) fh_push_bytes(1);
    FH_SCRATCH {
        refuse_from(RESERVE, 0);
        fh_region_stats(NULL, &stats);
        MUST(stats.size == 0 && stats.used == 0 && stats.held == 0);
        grant_all();
        fh_region_stats(NULL, &stats);
        MUST(stats.size > 0);
    }
}

/* What was made usable once is used again without asking; only to have more in store the system is asked. */
static void pushes_into_what_is_committed(void) {
    struct fh_region_info stats;
    FH_FRAME {
        FH_FRAME {
            (void)fh_push_bytes(60 << 10);
            MUST(fh_push_bytes(100 << 10) != NULL); /* 192 KiB or so are usable now */
        }
        (void)fh_push_bytes(90 << 10);
        fh_region_trim(NULL);
        fh_region_stats(NULL, &stats);
        refuse_from(COMMIT, 0);
        size_t held = stats.held, room = held - stats.used;
        MUST(room < 8192);
        char *p = fh_push_bytes(room + 1000);
        MUST(p != NULL && refusals == 1);
        memset(p, 1, room + 1000);
        MUST(fh_push_bytes(1 << 20) == NULL && errno == ENOMEM);
        MUST(pushed("a short one") != NULL);
    }
}

/* Pages that cannot be given back (locked, say) stay, with all that is in them. */
static void trim_is_refused(void) {
    struct fh_region_info before, after;
    FH_FRAME {
        char *text = pushed("kept");
        FH_FRAME {
            MUST(fh_push_bytes(700 << 10) != NULL);
            fh_region_stats(NULL, &before);
        }
        refuse_from(PURGE, 0);
        fh_region_trim(NULL);
        fh_region_stats(NULL, &after);
        MUST(refusals == 1 && after.held == before.held);
        is_still(text, "kept");
        grant_all();
        fh_region_trim(NULL);
        fh_region_stats(NULL, &after);
        MUST(after.held < before.held);
        fh_region_trim(NULL); /* nothing more to give */
        is_still(text, "kept");
    }
}

/* ---- the report ---- */

static volatile int one = 1;
__attribute__((noinline)) static int falls(int n) {
    volatile char room[64];
    room[0] = (char)n;
    return one ? falls(n + one) + room[0] : n;
}

static void install_is_refused(unsigned calls, long first) {
    refuse_from(calls, first);
    for (int i = 0; i < 2; i++) {
        error_told = i ? 0 : EAGAIN; /* who refuses may not say why */
        errno = 0;
        MUST(fh_stack_install() == -1 && errno == (i ? ENOMEM : EAGAIN));
    }
    grant_all();
}
static void installs_in_the_end(void) {
    errno = EDOM;
    MUST(fh_stack_install() == 0 && errno == EDOM);
    falls(1);
}
static void install_without_memory(void) {
    install_is_refused(STACK, 0);
    installs_in_the_end();
}
static void last_words(int number) { _exit(40 + number); }
static void install_step_by_step(void) {
    signal(SIGSEGV, last_words);    /* who was there before is not lost in between */
    install_is_refused(MAP, 0);     /* room for the report */
    install_is_refused(HANDLER, 0); /* of SIGSEGV */
    install_is_refused(HANDLER, 1); /* of SIGBUS */
    install_is_refused(STACK,
                       0); /* the caller's alternate stack: the report's own is there since the first time */
    installs_in_the_end();
}

/* A thread that can be given no alternate stack runs without, and has one as soon as it can be had. */
static bool has_signal_stack(void) {
    stack_t now;
    return sigaltstack(NULL, &now) == 0 && !(now.ss_flags & SS_DISABLE);
}
static void *without_signal_stack(void *unused) {
    MUST(!has_signal_stack());
    MUST(fh_stack_left() > 0 && !has_signal_stack()); /* asked again, and refused again */
    grant_all();
    MUST(fh_stack_install() == 0 && has_signal_stack());
    stack_t none = {.ss_flags = SS_DISABLE};
    sigaltstack(&none, NULL);
    MUST(fh_stack_install() == 0 && has_signal_stack());
    falls(1);
    return unused;
}
static void thread_without_signal_stack(void) {
    pthread_t id;
    MUST(fh_stack_install() == 0);
    refuse_from(STACK, 0);
    MUST(pthread_create(&id, NULL, without_signal_stack, NULL) == 0);
    pthread_join(id, NULL);
}

/* Threads that run already: one for which there is no stack now, one that has brought its own. */
static int gate[2], ready[2];
static void *waits(void *own) {
    char byte = 0;
    stack_t before = {.ss_sp = own, .ss_size = 65536}, now;
    if (own != NULL) sigaltstack(&before, NULL);
    MUST(write(ready[1], "r", 1) == 1);
    while (read(gate[0], &byte, 1) != 1) {}
    sigaltstack(NULL, &now);
    MUST(own != NULL ? now.ss_sp == own : (now.ss_flags & SS_DISABLE) != 0);
    return NULL;
}
static void threads_that_run_already(void) {
    pthread_t id[2];
    static char own[65536];
    char byte;
    MUST(pipe(gate) == 0 && pipe(ready) == 0);
    for (int i = 0; i < 2; i++) MUST(pthread_create(&id[i], NULL, waits, i ? own : NULL) == 0);
    for (int i = 0; i < 2; i++) MUST(read(ready[0], &byte, 1) == 1);
    refuse_from(STACK, 2); /* the report's own stack and the caller's are had */
    MUST(fh_stack_install() == 0);
    for (int tries = 0; refusals == 0 && tries < 100000; tries++) usleep(1000);
    usleep(20000);
    MUST(refusals == 1 && write(gate[1], "go", 2) == 2);
    for (int i = 0; i < 2; i++) pthread_join(id[i], NULL);
}

static void report_without_modules(void) {
    MUST(fh_stack_install() == 0);
    refuse_from(MODULES, 0);
    falls(1);
}

/* No descriptor is left to read the mappings by: then it is a fault like any other. */
static void no_descriptors(void) {
    MUST(fh_stack_install() == 0);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 0;
    setrlimit(RLIMIT_NOFILE, &limit);
    falls(1);
}

static void beyond_a_file(void) {
    char name[] = "/tmp/freehold-report-XXXXXX";
    int fd = mkstemp(name);
    unlink(name);
    char *page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    one = *(volatile char *)page;
}
static void report_that_faults(void) { /* a program's file was cut short while it ran, say */
    MUST(fh_stack_install() == 0);
    in_report = beyond_a_file;
    falls(1);
}

/* A report that does not come to its end, as nobody reads what it writes, holds up no other thread for good. */
static volatile int held_up;
static void hold_up(void) {
    held_up = 1;
    for (;;) pause();
}
void __wrap_fh_os_pause(void);
void __wrap_fh_os_pause(void) { /* the other thread need not wait five seconds in earnest */
    static unsigned times;
    if (++times % 100 == 0) usleep(1000);
}
static void *falls_in_thread(void *unused) {
    falls(1);
    return unused;
}
static void report_without_end(void) {
    pthread_t id[2];
    MUST(fh_stack_install() == 0);
    in_report = hold_up;
    MUST(pthread_create(&id[0], NULL, falls_in_thread, NULL) == 0);
    while (!held_up) usleep(1000);
    MUST(pthread_create(&id[1], NULL, falls_in_thread, NULL) == 0);
    pthread_join(id[1], NULL);
    pthread_join(id[0], NULL);
}

/* A fault that does not happen again, as somebody has mapped the page meanwhile, is none. */
static char *page;
static void map_the_page(void) { mprotect(page, 4096, PROT_READ | PROT_WRITE); }
static void repaired_meanwhile(void) {
    MUST(fh_stack_install() == 0);
    page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    at_default = map_the_page;
    *(volatile char *)page = 1;
    MUST(page[0] == 1);
}

static void ends_well(const char *what, void (*function)(void)) {
    run_child(function);
    expect_status(what, 0);
    expect_silence(what);
}

static void reports(const char *what, void (*function)(void), const char *text) {
    run_child(function);
    expect_signal(what, SIGSEGV);
    expect_text(what, text);
}

int main(void) {
    if (SANITIZED) return 77; /* which have reports of their own, and their own view of memory */
    ends_well("nothing is known", nothing_is_known);
    ends_well("no further stack", no_further_stack);
    ends_well("nobody knows what was touched", nobody_knows_what_was_touched);
    each_call_of_regions();
    for (int i = 0; i < 2; i++) {
        checking = i;
        ends_well("refused pushes leave nothing", refused_pushes_leave_nothing);
    }
    ends_well("statistics of what is refused", statistics_of_what_is_refused);
    ends_well("pushes into what is committed", pushes_into_what_is_committed);
    ends_well("trim is refused", trim_is_refused);
    reports("install without memory", install_without_memory, "  recursion    falls");
    run_child(install_step_by_step);
    expect_status("install step by step", 40 + SIGSEGV);
    expect_text("install step by step", "  recursion    falls");
    reports("thread without a signal stack", thread_without_signal_stack, "  recursion    falls");
    if (!emulated()) ends_well("threads that run already", threads_that_run_already);
    reports("report without modules", report_without_modules, "the calls cannot be listed");
    run_child(no_descriptors);
    expect_signal("no descriptors", SIGSEGV);
    expect_no_text("no descriptors", "stack overflow");
    run_child(report_that_faults);
    expect_signal("report that faults", SIGBUS);
    expect_text("report that faults", "freehold: stack overflow in thread ");
    expect_no_text("report that faults", "backtrace");
    if (!emulated()) ends_well("repaired meanwhile", repaired_meanwhile); /* there it ends the process */
    reports("report without end", report_without_end, "freehold: stack overflow in thread ");
    return failures != 0;
}
