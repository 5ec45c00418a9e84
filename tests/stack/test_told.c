/* test_told.c - what AddressSanitizer is told: which bytes may be touched, which frame an address was in, which
 * stack the thread is on.
 *
 * This program is not built with the sanitizer, but has the functions of its public interface, so the library
 * takes it to be there. They keep a byte for each byte of memory, as the sanitizer does: so this test sees what
 * only the sanitizer's own reports would show otherwise (tools.sh, where it is installed).
 */
#include "child.h"

#include "os/os_stack.h"

#include <freehold/stack.h>

#include <setjmp.h>
#include <stdint.h>
#include <sys/mman.h>

#if !SANITIZED

const char fh_standard_names = 1; /* else the library insists on its malloc, or on the sanitizer's */

/* ---- the interface ---- */

static unsigned char *shadow; /* of an address: at its lower 32 bits; 1: not to be touched */
static const char *reported;
static void (*on_report)(const char *report);
static const void *stack_low; /* the stack that the sanitizer thinks the thread is on */
static size_t stack_size;
static unsigned left_for_good; /* fake stacks that it was told to forget */

#define INTERFACE __attribute__((visibility("default")))

static void set(const volatile void *address, size_t size, unsigned char value) {
    if (shadow == NULL)
        shadow = mmap(NULL, (size_t)1 << 32, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    for (size_t i = 0; i < size; i++) shadow[(uint32_t)((uintptr_t)address + i)] = value;
}

INTERFACE void __asan_poison_memory_region(const volatile void *address, size_t size);
INTERFACE void __asan_poison_memory_region(const volatile void *address, size_t size) { set(address, size, 1); }
INTERFACE void __asan_unpoison_memory_region(const volatile void *address, size_t size);
INTERFACE void __asan_unpoison_memory_region(const volatile void *address, size_t size) {
    set(address, size, 0);
}
INTERFACE const void *__asan_get_report_address(void);
INTERFACE const void *__asan_get_report_address(void) { return reported; }
INTERFACE void __asan_set_error_report_callback(void (*callback)(const char *report));
INTERFACE void __asan_set_error_report_callback(void (*callback)(const char *report)) { on_report = callback; }
INTERFACE void __sanitizer_start_switch_fiber(void **fake, const void *low, size_t size);
INTERFACE void __sanitizer_finish_switch_fiber(void *fake, const void **low_before, size_t *size_before);

static const void *next_low;
static size_t next_size;
static unsigned switches;
void __sanitizer_start_switch_fiber(void **fake, const void *low, size_t size) {
    switches++;
    if (fake == NULL) left_for_good++;
    else *fake = fake;
    next_low = low;
    next_size = size;
}
void __sanitizer_finish_switch_fiber(void *fake, const void **low_before, size_t *size_before) {
    (void)fake;
    if (low_before) *low_before = stack_low;
    if (size_before) *size_before = stack_size;
    stack_low = next_low;
    stack_size = next_size;
}

/* ---- what may be touched ---- */

static bool open_to_all(const char *p, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (shadow[(uint32_t)((uintptr_t)p + i)]) return false;
    return true;
}
static bool closed_to_all(const char *p, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (!shadow[(uint32_t)((uintptr_t)p + i)]) return false;
    return true;
}

static void each_push_to_the_byte(void) {
    char *kept = NULL;
    FH_FRAME {
        char *a = kept = fh_push_bytes(100), *b = fh_push_bytes(1), *c = fh_push_aligned(24, 4096);
        expect("what was pushed", open_to_all(a, 100) && open_to_all(b, 1) && open_to_all(c, 24));
        expect("the bytes behind it", closed_to_all(a + 100, 16) && closed_to_all(b + 1, 16));
        FH_FRAME {
            char *inner = fh_push_bytes(10);
            expect("an inner frame's", open_to_all(inner, 10) && closed_to_all(inner + 10, 16));
        }
        expect("the outer frame's stay", open_to_all(a, 100));
    }
    expect("nothing of a closed frame", closed_to_all(kept, 100));
}

static char *told(const char *address) {
    static char text[1000];
    int ends[2], err = dup(2);
    if (pipe(ends) != 0) abort();
    dup2(ends[1], 2);
    reported = address;
    if (on_report) on_report("");
    dup2(err, 2);
    close(ends[1]);
    close(err);
    ssize_t got = read(ends[0], text, sizeof text - 1);
    text[got > 0 ? got : 0] = '\0';
    close(ends[0]);
    return text;
}

static char *of_closed_frame(void) {
    char *kept = NULL;
    FH_FRAME { kept = fh_push_str("kept"); }
    return kept;
}

static void reports_name_the_frame(void) {
    static char elsewhere;
    char *text = told(of_closed_frame() + 3);
    expect("closed", strstr(text, "is byte 3 of what was pushed in the frame of of_closed_frame()") != NULL);
    expect("an address that is none of ours", *told(&elsewhere) == '\0');
}

/* Memory of the program's own is marked from the first byte to the last while it is a region, and then free. */
static _Alignas(16) char memory[8192];
static void memory_of_mine(void) {
    struct fh_region *region = fh_region_in(memory, sizeof memory);
    char *room = memory + FH_REGION_BOOKS, *kept = NULL;
    expect("nothing pushed", closed_to_all(room, sizeof memory - FH_REGION_BOOKS));
    FH_FRAME_ON(region) {
        char *a = kept = fh_push_bytes(33);
        expect("pushed", a == room && open_to_all(a, 33) && closed_to_all(a + 33, 15));
        FH_FRAME {
            char *b = fh_push_aligned(64, 64);
            expect("aligned", (uintptr_t)b % 64 == 0 && open_to_all(b, 64));
            expect("too much", fh_push_bytes(sizeof memory) == NULL && fh_push_bytes(7900) == NULL);
            expect("too far", fh_push_aligned(16, (size_t)1 << 40) == NULL);
        }
        expect("inner frame closed", closed_to_all(a + 33, 200));
    }
    expect("closed", closed_to_all(kept, 33));
    struct fh_frames_mark mark;
    jmp_buf back;
    FH_FRAME_ON(region) {
        fh_frame_mark(&mark);
        if (setjmp(back) == 0) {
            FH_FRAME {
                (void)fh_push_bytes(50);
                longjmp(back, 1);
            }
        }
        fh_frame_unwind(&mark);
        expect("unwound", closed_to_all(room, 50));
        fh_frame_unwind(&mark); /* again, with nothing pushed since */
        expect("unwound again", closed_to_all(room, 50));
    }
    fh_region_delete(region);
    expect("free again", open_to_all(room, sizeof memory - FH_REGION_BOOKS));
}

static void region_of_its_own(void) {
    struct fh_region *region = fh_region_new(65536);
    char *kept = NULL;
    FH_FRAME_ON(region) { kept = fh_push_bytes(5000); }
    expect("closed", closed_to_all(kept, 5000));
    fh_region_delete(region);
    expect("given back", open_to_all(kept, 5000));
}

/* ---- which stack ---- */

static jmp_buf out;
static bool is_here(const void *low, size_t size) {
    const char *here = __builtin_frame_address(0);
    return here >= (const char *)low && here < (const char *)low + size;
}
static void on_further_stack(void *leaves) {
    expect("on the further stack", is_here(stack_low, stack_size));
    if (leaves) longjmp(out, 1);
}

static void further_stacks(void) {
    char *low = (char *)__builtin_frame_address(0) - fh_stack_left();
    stack_low = low;
    stack_size = fh_stack_size();
    expect("grown", fh_stack_grow(SIZE_MAX / 4, 65536, on_further_stack, NULL) == -1);
    expect("grown", fh_stack_grow(fh_stack_left() + 1, 65536, on_further_stack, NULL) == 0);
    expect("back", stack_low == low && left_for_good == 1);
    set(low, fh_stack_left() - 4096, 0);
    if (setjmp(out) == 0) fh_stack_grow(fh_stack_left() + 1, 65536, on_further_stack, &out);
    expect("left by longjmp: not yet seen", stack_low != low);
    size_t left = fh_stack_left();
    expect("left by longjmp: seen", left > 0 && stack_low == low);
}

/* A stack that another one takes the place of is memory like any other again. */
static char *further_low;
static void poison_some(void *unused) {
    (void)unused;
    further_low = (char *)__builtin_frame_address(0) - fh_stack_left();
    set(further_low, 4096, 1);
}
static void stacks_given_back(void) {
    fh_stack_grow_slow(0, 128 << 10, poison_some, NULL);
    char *low = further_low;
    expect("kept for the next time", closed_to_all(low, 4096));
    fh_stack_grow_slow(0, 1 << 20, poison_some, NULL);
    expect("given back", open_to_all(low, 4096));
}

/* The frames that longjmp has left may reach down to the end of their stack: what is open again begins there.
 * */
static jmp_buf upper;
static void leaves_to_upper(void *unused) {
    (void)unused;
    longjmp(upper, 1);
}
__attribute__((noinline)) static void grows_from_the_last_bytes(void) {
    volatile char *room = __builtin_alloca(fh_stack_left() - 900);
    room[0] = 1;
    fh_stack_grow_slow(0, 256 << 10, leaves_to_upper, NULL);
    room[0] = 2;
}
static void near_its_end(void *unused) {
    (void)unused;
    further_low = (char *)__builtin_frame_address(0) - fh_stack_left();
    set(further_low, 600, 1);
    if (setjmp(upper) == 0) grows_from_the_last_bytes();
    size_t left = fh_stack_left();
    expect("back near its end", left > 900 && open_to_all(further_low, 600));
}

/* A further stack that was left on the way to a coroutine's, which nobody knows: of that nothing can be told.
 * */
static char coroutine_memory[65536] __attribute__((aligned(64)));
static void coroutine(void *unused) {
    (void)unused;
    if (setjmp(upper) == 0) fh_stack_grow_slow(0, 256 << 10, leaves_to_upper, NULL);
}
static void left_for_a_coroutine(void) {
    fh_os_call_on(coroutine_memory + sizeof coroutine_memory, coroutine, NULL);
    unsigned before = switches;
    size_t left = fh_stack_left();
    expect("nothing told of the coroutine", left > 0 && switches == before);
}

int main(int argc, char **argv) {
    if (argc < 2) { /* regions small enough for the shadow, from the beginning */
        setenv("FREEHOLD", "region=1m", 1);
        execl("/proc/self/exe", argv[0], "again", (char *)NULL);
    }
    each_push_to_the_byte();
    reports_name_the_frame();
    memory_of_mine();
    region_of_its_own();
    further_stacks();
    stacks_given_back();
    fh_stack_grow_slow(0, 128 << 10, near_its_end, NULL);
    left_for_a_coroutine();
    return failures != 0;
}

#else
int main(void) { return 77; }
#endif
