/* test_explained.c - what is said of an address at which a program has faulted, or at which the system stopped.
 *
 *     the heap's window    beside a large block in use: that one is named; else that no block is there
 *     the fill             read from a freed block, and followed
 *     guarded memory       behind a block, before one, whichever is nearer; freed; forgotten
 *     a system call        the same of the byte at which it stopped, and nothing of a buffer that is whole
 *     an instruction       that wants a multiple of 16, where guard mode gave less
 *
 * The questions are put to the library itself, as its handler of faults would put them: so that each address
 * can be asked about, also those that a program of this test's own would not fault at. In each mode, as what is
 * no mistake is not to be called one.
 */
#include "../heap/support.h"

#include "base/settings.h"
#include "heap/canary.h"
#include "heap/check.h"
#include "heap/check_large.h"
#include "heap/guard.h"

#include <freehold/heap.h>

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fh_os_registers registers;

static uintptr_t granule(uintptr_t g) { return fh_space.base + (g << FH_GRANULE_SHIFT); }

static uintptr_t granule_of(const void *p) { return fh_space_offset(p) >> FH_GRANULE_SHIFT; }

static void expect_fault(uintptr_t address, enum fh_misuse_kind kind, const void *block, const char *what) {
    struct fh_misuse m = {0};
    CHECKF(fh_check_explain_fault(address, true, &registers, &m), "%s: nothing is told", what);
    CHECKF(m.kind == kind && m.block == block && m.registers == &registers, "%s: kind %d, block %p", what,
           (int)m.kind, (const void *)m.block);
    if (block) CHECKF(m.offset == (ptrdiff_t)(address - (uintptr_t)block), "%s: at %td", what, m.offset);
}

static void expect_silence(uintptr_t address, bool known, const char *what) {
    struct fh_misuse m = {0};
    CHECKF(!fh_check_explain_fault(address, known, &registers, &m), "%s: kind %d", what, (int)m.kind);
}

/* ---- the heap's window; checked mode ---- */

enum { LONG = 70 }; /* granules: long enough to lie where nothing was yet */

static void the_window(void) {
    size_t size = LONG * FH_GRANULE - 10000; /* with what lies before and behind it */
    char *small = fh_malloc(24), *p = fh_malloc(size), *q = fh_malloc(size), *volatile lower = p < q ? p : q,
         *upper = p < q ? q : p;
    CHECK(small && granule_of(upper) == granule_of(lower) + LONG); /* neighbours */
    uintptr_t g = granule_of(upper), behind = granule(g + LONG);
    expect_fault(behind + 5, FH_FAULT_BEHIND, upper, "right behind a large block");
    expect_fault(behind + 2 * FH_GRANULE, FH_FAULT_NOWHERE, NULL, "farther behind");
    expect_fault(granule(granule_of(lower) - 1) + 7, FH_FAULT_BEFORE, lower, "right before one");
    expect_fault(granule(g - 1), FH_FAULT_BEFORE, upper, "between two: the one that begins there");
    expect_fault(granule(g) + 9, FH_FAULT_BEHIND, lower, "in the first granule of one: who ran into it");
    expect_fault(granule(g + LONG / 2), FH_FAULT_NOWHERE, NULL, "in the middle of one: somebody has closed it");
    lower[-1] ^= 1;
    expect_fault(granule(g) + 9, FH_FAULT_NOWHERE, NULL, "whoever ran through all of it came from elsewhere");
    lower[-1] ^= 1;
    expect_fault(granule(0), FH_FAULT_NOWHERE, NULL, "at the very start");
    expect_fault(granule(1), FH_FAULT_NOWHERE, NULL, "behind what is never used");
    expect_fault(granule(fh_space.mapped + 3), FH_FAULT_NOWHERE, NULL, "where no memory is yet");
    expect_fault(granule(fh_space.size >> FH_GRANULE_SHIFT) - 1, FH_FAULT_NOWHERE, NULL, "at the very end");
    expect_fault(granule(granule_of(small) + 1), FH_FAULT_NOWHERE, NULL, "beside a span");
    fh_free(upper);
    expect_fault(behind + 5, FH_FAULT_NOWHERE, NULL, "behind one that is freed");
    fh_free(lower);
    fh_free(small);
}

/* ---- the fill ---- */

static void the_fill(void) {
    uintptr_t fill = fh_canary * (UINTPTR_MAX / 0xff);
    struct fh_misuse m = {0};
    expect_fault(fill, FH_FAULT_THROUGH, NULL, "the fill");
    expect_fault(fill + 4000, FH_FAULT_THROUGH, NULL, "a field of it");
    expect_fault(fill - 4000, FH_FAULT_THROUGH, NULL, "an element before it");
    expect_silence(fill + ((uintptr_t)1 << 24), true, "something else");
    expect_silence(0x1234, true, "near NULL");
    memset(&registers, 0, sizeof registers);
    expect_silence(0, false, "no register holds it");
    registers.r[3] = fill + 16;
    CHECK(fh_check_explain_fault(0, false, &registers, &m) && m.kind == FH_FAULT_THROUGH);
    CHECK(m.address == (const void *)(fill + 16));
    memset(&registers, 0, sizeof registers);
}

/* The fill may stand in a register for other reasons: only one that the instruction takes its address from
 * counts. By their DWARF numbers: 0 rax, 1 rdx, 3 rbx, 12 r12. */
#if defined(__x86_64__)
static void expect_through(const unsigned char *instruction, unsigned number, bool told) {
    struct fh_misuse m = {0};
    memset(&registers, 0, sizeof registers);
    registers.pc = (uintptr_t)instruction;
    registers.r[number] = fh_canary * (UINTPTR_MAX / 0xff);
    CHECKF(fh_check_explain_fault(0, false, &registers, &m) == told, "%02x %02x ..., register %u",
           instruction[0], instruction[1], number);
    memset(&registers, 0, sizeof registers);
}

static void only_registers_of_the_address(void) {
    static const unsigned char load[] = {0x48, 0x8b, 0x43, 0x08}, /* mov 8(%rbx), %rax           */
        byte[] = {0x0f, 0xb6, 0x00},                              /* movzx (%rax), %eax          */
        indexed[] = {0x42, 0x8b, 0x04, 0xa3},                     /* mov (%rbx,%r12,4), %eax     */
        store[] = {0xc6, 0x83, 1, 2, 0, 0, 7},                    /* movb $7, 0x201(%rbx)        */
        table[] = {0xf2, 0x0f, 0x10, 0x04, 0xc5, 0, 0, 0, 0},     /* movsd 0(,%rax,8), %xmm0     */
        vex[] = {0xc4, 0xc1, 0x7e, 0x6f, 0x04, 0x24},             /* vmovdqu (%r12), %ymm0       */
        short_vex[] = {0xc5, 0xfe, 0x6f, 0x03},                   /* vmovdqu (%rbx), %ymm0       */
        evex[] = {0x62, 0xf1, 0xfe, 0x48, 0x6f, 0x03},            /* vmovdqu64 (%rbx), %zmm0     */
        by_value[] = {0xff, 0xd2},                                /* call *%rdx                  */
        blocked[] = {0x66, 0x0f, 0x38, 0x00, 0x03},               /* pshufb (%rbx), %xmm0        */
        string[] = {0xf3, 0xa4};                                  /* rep movsb: not taken apart  */
    expect_through(load, 3, true);
    expect_through(load, 0, false);
    expect_through(byte, 0, true);
    expect_through(byte, 1, false);
    expect_through(indexed, 3, true);
    expect_through(indexed, 12, true);
    expect_through(indexed, 0, false);
    expect_through(store, 3, true);
    expect_through(store, 1, false);
    expect_through(table, 0, true);
    expect_through(table, 3, false);
    expect_through(vex, 12, true);
    expect_through(vex, 3, false);
    expect_through(short_vex, 3, true);
    expect_through(short_vex, 0, false);
    expect_through(evex, 3, true);
    expect_through(evex, 0, false);
    expect_through(by_value, 1, true);
    expect_through(by_value, 0, false);
    expect_through(blocked, 3, true);
    expect_through(blocked, 0, false);
    expect_through(string, 5, true);
}

/* Whoever calls what memory holds has its address in no register. */
static void expect_callee(const unsigned char *instruction, const uintptr_t *memory, bool told) {
    struct fh_misuse m = {0};
    memset(&registers, 0, sizeof registers);
    registers.pc = (uintptr_t)instruction;
    registers.r[0] = (uintptr_t)memory;
    CHECKF(fh_check_explain_fault(0, false, &registers, &m) == told, "%02x %02x ...", instruction[0],
           instruction[1]);
    if (told) CHECK(m.kind == FH_FAULT_THROUGH && m.address == (const void *)memory[0]);
    memset(&registers, 0, sizeof registers);
}

static void what_is_called(void) {
    static const unsigned char call[] = {0xff, 0x10},  /* call *(%rax)        */
        field[] = {0xff, 0x50, 0xf8},                  /* call *-8(%rax)      */
        wide_field[] = {0x41, 0xff, 0x90, 0, 1, 0, 0}, /* call *256(%r8)     */
        jump[] = {0xff, 0x20},                         /* jmp *(%rax)         */
        by_thread[] = {0x64, 0xff, 0x10},              /* call *%fs:(%rax)    */
        push[] = {0xff, 0x30};                         /* push (%rax): no call */
    uintptr_t fill = fh_canary * (UINTPTR_MAX / 0xff), other = 0x1234567812345678;
    expect_callee(call, &fill, true);
    expect_callee(jump, &fill, true);
    expect_callee(call, &other, false);
    expect_callee(push, &fill, false);
    expect_callee(by_thread, &fill, false);
    expect_callee(call, (const uintptr_t *)16, false); /* nothing is there, any more */
    registers.pc = (uintptr_t)field;
    registers.r[0] = (uintptr_t)(&fill + 1);
    struct fh_misuse m = {0};
    CHECK(fh_check_explain_fault(0, false, &registers, &m) && m.kind == FH_FAULT_THROUGH);
    memset(&registers, 0, sizeof registers);
    registers.pc = (uintptr_t)wide_field;
    registers.r[8] = (uintptr_t)&fill - 256;
    CHECK(fh_check_explain_fault(0, false, &registers, &m) && m.kind == FH_FAULT_THROUGH);
    memset(&registers, 0, sizeof registers);
}

/* The same in the program: an address that counts from the next instruction on. */
static uintptr_t callee_beside __attribute__((used));
extern const unsigned char call_beside[];
__asm__(".text\ncall_beside: call *callee_beside(%rip)\n ret\n");

static void what_is_called_beside(void) {
    callee_beside = fh_canary * (UINTPTR_MAX / 0xff);
    struct fh_misuse m = {0};
    memset(&registers, 0, sizeof registers);
    registers.pc = (uintptr_t)call_beside;
    CHECK(fh_check_explain_fault(0, false, &registers, &m) && m.kind == FH_FAULT_THROUGH);
    memset(&registers, 0, sizeof registers);
}
#else
static void what_is_called(void) {}
static void what_is_called_beside(void) {}
static void only_registers_of_the_address(void) {} /* the processor tells the address */
#endif

/* ---- guarded memory ---- */

static void expect_guarded(uintptr_t address, enum fh_misuse_kind kind, const void *block, const char *what) {
    struct fh_misuse m = {0};
    CHECKF(fh_guard_explain_fault(address, &registers, &m), "%s: nothing is told", what);
    CHECKF(m.kind == kind && m.block == block && m.address == (const void *)address && m.call == NULL,
           "%s: kind %d, block %p", what, (int)m.kind, (const void *)m.block);
}

enum { PAGE = 4096 };
static uintptr_t page_of(const void *p) { return (uintptr_t)p & ~(uintptr_t)(PAGE - 1); }

static void guarded_memory(void) {
    char *p = fh_malloc(100), *q = fh_malloc(100), *r = fh_malloc(3 * PAGE - 100), *s = fh_malloc(0);
    CHECK(fh_guard_owns(s) && page_of(q) == page_of(p) + 2 * PAGE && page_of(r) == page_of(q) + 2 * PAGE);
    uintptr_t between = page_of(p) + PAGE;
    expect_guarded(between, FH_FAULT_BEHIND, p, "right behind a block");
    expect_guarded(between + PAGE - 1, FH_FAULT_BEFORE, q, "nearer to the next");
    expect_guarded(page_of(r) - 8, FH_FAULT_BEFORE, r, "right before one of several pages");
    expect_guarded(page_of(r) + 3 * PAGE, FH_FAULT_BEHIND, r, "behind it");
    expect_guarded(page_of(r) + 8, FH_FAULT_BEFORE, r, "in its pages, before it");
    expect_guarded((uintptr_t)s, FH_FAULT_BEHIND, s, "one without a byte");
    expect_guarded(page_of(s) + 5 * PAGE, FH_FAULT_BEHIND, s, "some pages behind the last");
    expect_guarded(page_of(s) + 300 * PAGE, FH_FAULT_FREED, NULL, "far behind it");
    expect_guarded(fh_guard_base + fh_guard_size - 1, FH_FAULT_FREED, NULL, "at the very end");
    expect_guarded(fh_guard_base + 8, FH_FAULT_FREED, NULL, "at the very start");
    fh_free(q);
    expect_guarded((uintptr_t)q + 3, FH_FAULT_FREED, q, "a freed one");
    expect_guarded(between + PAGE - 1, FH_FAULT_BEHIND, p, "between one in use and a freed one");
    expect_guarded(page_of(r) - 8, FH_FAULT_BEFORE, r, "between a freed one and one in use");
    fh_free(s);
    expect_guarded(page_of(s) + 5 * PAGE, FH_FAULT_FREED, NULL, "behind the last, which is freed");
    struct fh_misuse m = {0};
    CHECK(!fh_guard_explain_fault((uintptr_t)&m, &registers, &m));
    fh_free(p);
    fh_free(r);
}

/* ---- a freed large block ---- */

static void *volatile stale;

static void write_to_a_freed_one(void *unused) {
    (void)unused;
    struct fh_found f;
    while (fh_check_allows((size_t)1 << 30)) {}
    fh_settings.on_error = FH_ON_ERROR_REPORT;
    do { /* until no more are closed: this one stays open */
        unsigned char *p = fh_malloc(100001);
        CHECK(!fh_guard_owns(p));
        stale = p;
        fh_free(p);
    } while (fh_check_closed_at((uintptr_t)stale, &f));
    ((volatile unsigned char *)stale)[10] ^= 1;
    fh_check_drain_large();
    fh_check_drain_large(); /* and once */
}

static void a_freed_large_block(void) {
    static struct outcome out;
    run_child(&out, write_to_a_freed_one, NULL, 60);
    CHECK(out.exited && out.code == 0);
    const char *told = strstr(out.text, "into a block after it was freed");
    CHECKF(told && strstr(told, "left the quarantine") && strstr(told + 1, "into a block after it") == NULL,
           "%s", out.text);
}

/* ---- an instruction ---- */

static void an_instruction(void) {
#ifdef __x86_64__
    static const unsigned char aligned[16] = {0x0f, 0x28, 0x00}; /* movaps (%rax), %xmm0 */
    struct fh_misuse m = {0};
    char *odd = fh_malloc(24), *even = fh_malloc(32), *freed = fh_malloc(40);
    fh_free(freed);
    CHECK((uintptr_t)odd % 16 == 8 && (uintptr_t)even % 16 == 0 && (uintptr_t)freed % 16 == 8);
    registers.pc = (uintptr_t)aligned;
    registers.r[0] = (uintptr_t)even;
    registers.r[1] = (uintptr_t)freed;
    registers.r[2] = fh_guard_base + 8;
    CHECK(!fh_guard_explain_alignment(&registers, &m));
    registers.r[5] = (uintptr_t)odd + 4;
    CHECK(fh_guard_explain_alignment(&registers, &m) && m.kind == FH_FAULT_ALIGNMENT && m.block == odd);
    static const unsigned char other[16] = {0x90};
    registers.pc = (uintptr_t)other;
    CHECK(!fh_guard_explain_alignment(&registers, &m));
    memset(&registers, 0, sizeof registers);
    fh_free(odd);
    fh_free(even);
#endif
}

/* ---- a system call ---- */

static const char *call_name;
static const char *buffer;
static size_t buffer_size;

static void look(void *unused) {
    (void)unused;
    fh_settings.on_error = FH_ON_ERROR_REPORT;
    fh_guard_look(call_name, buffer, buffer_size, (uintptr_t)__builtin_return_address(0));
}

static void expect_look(const void *from, size_t size, const char *word, const char *what) {
    static struct outcome out;
    call_name = what, buffer = from, buffer_size = size;
    run_child(&out, look, NULL, 60);
    CHECKF(out.exited && out.code == 0, "%s: ended with %d", what, out.code);
    if (word == NULL) CHECKF(out.text[0] == 0, "%s: %s", what, out.text);
    else CHECKF(strstr(out.text, word) && strstr(out.text, what), "%s: %s", what, out.text);
}

static void a_system_call(void) {
    char local[64] = {0}, *p = fh_malloc(100), *r = fh_malloc(3 * PAGE - 100);
    expect_look(local, 64, NULL, "a buffer on the stack");
    expect_look((char *)fh_space.base - PAGE, 64, NULL, "one beside the heap");
    expect_look(p, 100, NULL, "a whole block");
    expect_look(r, 3 * PAGE - 100, NULL, "a whole longer block");
    if (fh_guard_owns(p)) {
        expect_look(p, 100 + PAGE, "behind the end", "one that is too long");
        expect_look(r + 50, 4 * PAGE, "behind the end", "one that is too long by some pages");
        fh_free(p);
        expect_look(p, 100, "after it was freed", "a freed one");
    } else {
        fh_free(p);
        char *large = fh_malloc(1200 << 10), *other = fh_malloc(1200 << 10);
        expect_look(large, 1200 << 10, NULL, "a large block");
        expect_look(large, 100, NULL, "the start of a large block");
        fh_free(large);
        expect_look(other, 1200 << 10, NULL, "a large block, another being closed");
        fh_free(other);
        expect_look(large + 5000, 100, "after it was freed", "a freed large one");
        expect_look(other + 5000, 100, "after it was freed", "another freed large one");
    }
    fh_free(r);
}

/* ---- no mode that checks ---- */

static void nothing_is_known(void) {
    char *p = fh_malloc((size_t)LONG * FH_GRANULE);
    struct fh_misuse m = {0};
    CHECK(p);
    expect_silence((uintptr_t)p + 3, true, "a block in use");
    expect_silence(fh_canary * (UINTPTR_MAX / 0xff), true, "a pattern that means nothing here");
    CHECK(!fh_guard_explain_fault((uintptr_t)p, &registers, &m));
    CHECK(!fh_guard_explain_alignment(&registers, &m));
    char *volatile guarded = NULL;
    for (unsigned i = 0; i < 100000 && !fh_guard_owns(guarded); i++) guarded = malloc(60);
    CHECK(fh_guard_owns(guarded)); /* one in so many is, here too */
    expect_guarded(page_of(guarded) + PAGE + 1, FH_FAULT_BEHIND, guarded, "behind a sample");
    expect_look(guarded, PAGE, "behind the end", "a sample that is too short");
    CHECK(malloc_usable_size(guarded) == 60);
    fh_free(guarded);
    fh_free(p);
}

int main(void) {
    fh_free(fh_malloc(1));
    if (fh_settings.mode == FH_MODE_FAST) {
        nothing_is_known();
        return 0;
    }
    bool guard = fh_settings.mode == FH_MODE_GUARD;
    a_system_call(); /* first, as no more than some MiB are closed in so short a time */
    if (guard) guarded_memory();
    else the_window();
    if (!guard) a_freed_large_block();
    if (guard) an_instruction();
    the_fill();
    only_registers_of_the_address();
    what_is_called();
    what_is_called_beside();
    return 0;
}
