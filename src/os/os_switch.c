/* os_switch.c - a call on another stack.
 *
 * The frame pointer keeps the old stack pointer, and the unwind information says so (the CFA is found from it),
 * so debuggers, profilers and exceptions walk from the new stack to the old one as through any other call. A
 * chain of frame pointers is whole as well.
 *
 *     new stack                          old stack
 *     top ->  return into us             ...
 *             fn's frame                 caller's frame
 *                                        return address
 *                                        frame pointer     <- our frame pointer
 *
 * When an exception passes through, the unwinder calls the personality routine: we have nothing to clean up in
 * the sense of C++, but the sanitizer must learn that the stack is the old one again.
 */
#include "os/os_stack.h"

#if defined(__x86_64__)

__asm__(".pushsection .text\n"
        ".p2align 4\n"
        ".globl fh_os_call_on\n"
        ".hidden fh_os_call_on\n"
        ".type fh_os_call_on, @function\n"
        "fh_os_call_on:\n" /* rdi: top, rsi: fn, rdx: arg */
        ".cfi_startproc\n"
        ".cfi_personality 0x1b, fh_os_passed_through\n"
        "endbr64\n"
        "pushq %rbp\n"
        ".cfi_def_cfa_offset 16\n"
        ".cfi_offset %rbp, -16\n"
        "movq %rsp, %rbp\n"
        ".cfi_def_cfa_register %rbp\n"
        "movq %rdi, %rsp\n"
        "movq %rdx, %rdi\n"
        "callq *%rsi\n"
        "movq %rbp, %rsp\n"
        "popq %rbp\n"
        ".cfi_def_cfa %rsp, 8\n"
        "retq\n"
        ".cfi_endproc\n"
        ".size fh_os_call_on, . - fh_os_call_on\n"
        ".popsection\n");

#elif defined(__aarch64__)

__asm__(".pushsection .text\n"
        ".p2align 4\n"
        ".globl fh_os_call_on\n"
        ".hidden fh_os_call_on\n"
        ".type fh_os_call_on, %function\n"
        "fh_os_call_on:\n" /* x0: top, x1: fn, x2: arg */
        ".cfi_startproc\n"
        ".cfi_personality 0x1b, fh_os_passed_through\n"
        "hint #34\n" /* bti c */
        "stp x29, x30, [sp, #-16]!\n"
        ".cfi_def_cfa_offset 16\n"
        ".cfi_offset 29, -16\n"
        ".cfi_offset 30, -8\n"
        "mov x29, sp\n"
        ".cfi_def_cfa 29, 16\n"
        "mov sp, x0\n"
        "mov x0, x2\n"
        "blr x1\n"
        "mov sp, x29\n"
        ".cfi_def_cfa 31, 16\n"
        "ldp x29, x30, [sp], #16\n"
        ".cfi_restore 30\n"
        ".cfi_restore 29\n"
        ".cfi_def_cfa_offset 0\n"
        "ret\n"
        ".cfi_endproc\n"
        ".size fh_os_call_on, . - fh_os_call_on\n"
        ".popsection\n");

#else
#error "fh_os_call_on is written for x86-64 and aarch64"
#endif

static void (*passed_through)(void);

void fh_os_when_passed_through(void (*hook)(void)) { passed_through = hook; }

enum { CLEANUP_PHASE = 2, CONTINUE_UNWIND = 8 }; /* _UA_CLEANUP_PHASE, _URC_CONTINUE_UNWIND of the C++ ABI */

__attribute__((used)) /* the assembly above is all that names it */
int fh_os_passed_through(int version, int actions, uint64_t class, void *exception, void *context);
int fh_os_passed_through(int version, int actions, uint64_t class, void *exception, void *context) {
    (void)version, (void)class, (void)exception, (void)context;
    if ((actions & CLEANUP_PHASE) && passed_through) passed_through();
    return CONTINUE_UNWIND;
}
