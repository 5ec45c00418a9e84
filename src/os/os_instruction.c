/* os_instruction.c - does an instruction want its memory at a multiple of 16 (or more)?
 *
 * On x86-64 those are the older vector instructions, with memory as an operand, and of the newer ones (VEX,
 * EVEX) the moves that say so. Where the address is another the processor raises a general protection fault,
 * which does not tell the address.
 *
 *     [66] [REX] 0F op ...     66: integers and doubles; F2, F3: scalars, moves that do not mind
 *     C5 x op, C4 x x op       VEX:  the low two bits of the last x say 66, F3 or F2
 *     62 x x x op              EVEX: those of the second x
 *
 * aarch64 has no such instructions in programs.
 */
#include "os/os_unwind.h"

#if defined(__x86_64__)

enum { WITH_66 = 1 };

/* movaps, movapd, movntps; movdqa, movntdq. */
static bool is_aligned_move(unsigned char op, unsigned prefix) {
    if (op == 0x28 || op == 0x29 || op == 0x2b) return true;
    return prefix == WITH_66 && (op == 0x6f || op == 0x7f || op == 0xe7);
}

/* Packed arithmetic, shuffles, logic. */
static bool is_packed(unsigned char op, unsigned prefix) {
    if (op == 0x14 || op == 0x15 || op == 0xc2 || op == 0xc6 || (op >= 0x51 && op <= 0x5f)) return true;
    return prefix == WITH_66 && (op == 0x38 || op == 0x3a || (op >= 0x60 && op <= 0x76) || op >= 0xd0);
}

bool fh_os_wants_alignment(const struct fh_os_registers *registers) {
    const unsigned char *at = (const unsigned char *)registers->pc;
    if (*at == 0xc5) return is_aligned_move(at[2], at[1] & 3);
    if (*at == 0xc4) return (at[1] & 0x1f) == 1 && is_aligned_move(at[3], at[2] & 3);
    if (*at == 0x62) return (at[1] & 7) == 1 && is_aligned_move(at[4], at[2] & 3);
    unsigned prefix = *at == 0x66 ? WITH_66 : 0;
    at += prefix;
    if ((*at & 0xf0) == 0x40) at++;
    return at[0] == 0x0f && (is_aligned_move(at[1], prefix) || is_packed(at[1], prefix));
}

#else

bool fh_os_wants_alignment(const struct fh_os_registers *registers) {
    (void)registers;
    return false;
}

#endif
