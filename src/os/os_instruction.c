/* os_instruction.c - instructions that have faulted: whether they want their memory at a multiple of 16 (or
 * more), and which registers they take its address from.
 *
 * On x86-64 those are the older vector instructions, with memory as an operand, and of the newer ones (VEX,
 * EVEX) the moves that say so. Where the address is another the processor raises a general protection fault,
 * which does not tell the address.
 *
 *     [66] [REX] 0F op ...     66: integers and doubles; F2, F3: scalars, moves that do not mind
 *     C5 x op, C4 x x op       VEX:  the low two bits of the last x say 66, F3 or F2
 *     62 x x x op              EVEX: those of the second x
 *
 * The older moves between a register and memory, which are nearly all that programs meet this with, can be done
 * for the program: its operand tells the address, and the registers are what the signal's handler was given.
 *
 *     op  mod reg rm  [scale index base]  [displacement]       mod 0, 1, 2: displacement of 0, 8, 32 bits
 *
 * The registers are asked for where the processor does not tell the address, which no program can have: the
 * operand's base and index are found for nearly all that programs read and write with. Who calls what memory
 * holds may find no such address there either.
 *
 * aarch64 has no such instructions in programs, and always tells the address.
 */
#include "os/os_stack.h"
#include "os/os_unwind.h"

#if defined(__x86_64__)

#include <string.h>
#include <ucontext.h>

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

/* ---- moves ---- */

/* From the number that instructions have for a register. */
static unsigned dwarf_of(unsigned number) {
    static const unsigned char dwarf[8] = {0, 2, 1, 3, 7, 6, 4, 5};
    return number < 8 ? dwarf[number] : number;
}

static uintptr_t register_of(const struct fh_os_registers *registers, unsigned number) {
    return registers->r[dwarf_of(number)];
}

enum { REX_B = 1, REX_X = 2, REX_R = 4 }; /* a fourth bit of rm or base, index, reg */
enum { BY_SCALE = 4, NO_BASE = 5, NO_INDEX = 4, BY_8 = 1, BY_32 = 2, NO_MEMORY = 3 };

static int32_t number_at(const unsigned char *at, bool wide) {
    int32_t number;
    if (!wide) return (int8_t)*at;
    memcpy(&number, at, sizeof number);
    return number;
}

/* The address of the operand that begins at `at`, which is moved behind it. (Without a base the displacement
 * may count from the next instruction on: that is in the program, where nothing is to be moved for it.) */
static uintptr_t address_of(const struct fh_os_registers *registers, const unsigned char **at, unsigned rex) {
    unsigned mod = **at >> 6, rm = **at & 7, base = rm;
    uintptr_t address = 0;
    ++*at;
    if (rm == BY_SCALE) {
        unsigned scale = **at >> 6, index = (**at >> 3 & 7) | (rex & REX_X ? 8 : 0);
        base = **at & 7;
        ++*at;
        if (index != NO_INDEX) address += register_of(registers, index) << scale;
    }
    bool without = mod == 0 && base == NO_BASE, wide = without || mod == BY_32;
    if (!without) address += register_of(registers, base | (rex & REX_B ? 8 : 0));
    if (mod != 0 || without) address += (uintptr_t)(intptr_t)number_at(*at, wide);
    *at += wide ? 4 : mod == BY_8 ? 1 : 0;
    return address;
}

bool fh_os_find_move(const struct fh_os_registers *registers, struct fh_os_move *move) {
    const unsigned char *at = (const unsigned char *)registers->pc;
    unsigned prefix = *at == 0x66 ? WITH_66 : 0, rex = 0;
    at += prefix;
    if ((*at & 0xf0) == 0x40) rex = *at++;
    if (at[0] != 0x0f || !is_aligned_move(at[1], prefix) || at[2] >> 6 == NO_MEMORY) return false;
    move->stores = at[1] != 0x28 && at[1] != 0x6f;
    move->vector = (at[2] >> 3 & 7) | (rex & REX_R ? 8 : 0);
    at += 2;
    move->address = address_of(registers, &at, rex);
    move->next = (uintptr_t)at;
    return true;
}

void fh_os_do_move(void *context, const struct fh_os_move *move) {
    mcontext_t *machine = &((ucontext_t *)context)->uc_mcontext;
    void *vector = &machine->fpregs->_xmm[move->vector], *memory = (void *)move->address;
    memcpy(move->stores ? memory : vector, move->stores ? vector : memory, 16);
    machine->gregs[REG_RIP] = (greg_t)move->next;
}

/* ---- the registers of an operand ---- */

#define ALL_REGISTERS ((uint32_t)-1)

static bool is_prefix(unsigned char byte) {
    return byte == 0x66 || byte == 0xf2 || byte == 0xf3 || byte == 0xf0 || (byte & 0xe7) == 0x26 ||
           (byte & 0xfe) == 0x64;
}

/* Of the opcodes of one byte: those with an operand that may be in memory. */
static bool has_operand(unsigned char op) {
    if (op < 0x40) return (op & 7) < 4;
    if (op == 0x63 || op == 0x69 || op == 0x6b) return true;
    if (op >= 0x80 && op <= 0x8f) return true;
    if (op == 0xc0 || op == 0xc1 || op == 0xc6 || op == 0xc7) return true;
    return (op >= 0xd0 && op <= 0xd3) || (op >= 0xd8 && op <= 0xdf) || (op & 0xf6) == 0xf6;
}

/* Where the operand begins, of an instruction in one of the new forms, and the bits that a REX would have. */
static const unsigned char *find_new_operand(const unsigned char *at, unsigned *rex) {
    unsigned bits = ~at[1];
    if (*at != 0xc5) *rex = (bits >> 7 & 1) << 2 | (bits >> 6 & 1) << 1 | (bits >> 5 & 1);
    return at + (*at == 0xc5 ? 3 : *at == 0xc4 ? 4 : 5);
}

/* The same of any. NULL: it has none, or we do not know. */
static const unsigned char *find_operand(const unsigned char *at, unsigned *rex, bool *calls) {
    while (is_prefix(*at)) at++;
    if (*at == 0xc5 || *at == 0xc4 || *at == 0x62) return find_new_operand(at, rex);
    if ((*at & 0xf0) == 0x40) *rex = *at++;
    if (*at == 0x0f) return at + (at[1] == 0x38 || at[1] == 0x3a ? 3 : 2);
    *calls = *at == 0xff;
    return has_operand(*at) ? at + 1 : NULL;
}

/* A call of what a register holds goes to that address. */
uint32_t fh_os_address_registers(const struct fh_os_registers *registers) {
    unsigned rex = 0;
    bool calls = false;
    const unsigned char *at = (const unsigned char *)registers->pc, *operand = NULL;
    if (at) operand = find_operand(at, &rex, &calls);
    if (operand == NULL) return ALL_REGISTERS;
    unsigned mod = *operand >> 6, base = *operand & 7, high = rex & REX_B ? 8 : 0;
    if (mod == NO_MEMORY) return calls ? 1u << dwarf_of(base | high) : 0;
    uint32_t used = 0;
    if (base == BY_SCALE) {
        unsigned index = (operand[1] >> 3 & 7) | (rex & REX_X ? 8 : 0);
        base = operand[1] & 7;
        if (index != NO_INDEX) used |= 1u << dwarf_of(index);
    }
    if (mod == 0 && base == NO_BASE) return used;
    return used | 1u << dwarf_of(base | high);
}

/* An operand that counts from the thread's own memory is not found, one without a base counts from the next
 * instruction on. */
bool fh_os_callee(const struct fh_os_registers *registers, uintptr_t *callee) {
    enum { CALL = 2, JUMP = 4 };
    unsigned rex = 0;
    bool calls = false;
    const unsigned char *at = (const unsigned char *)registers->pc, *operand = NULL;
    if (at && (*at & 0xfe) != 0x64) operand = find_operand(at, &rex, &calls);
    if (operand == NULL || !calls || *operand >> 6 == NO_MEMORY) return false;
    unsigned does = *operand >> 3 & 7;
    bool beside = *operand >> 6 == 0 && (*operand & 7) == NO_BASE;
    uintptr_t address = address_of(registers, &operand, rex) + (beside ? (uintptr_t)operand : 0);
    return (does == CALL || does == JUMP) && fh_os_peek((const void *)address, callee, sizeof *callee);
}

#else

bool fh_os_callee(const struct fh_os_registers *registers, uintptr_t *callee) {
    (void)registers;
    (void)callee;
    return false;
}

uint32_t fh_os_address_registers(const struct fh_os_registers *registers) {
    (void)registers;
    return (uint32_t)-1;
}

bool fh_os_wants_alignment(const struct fh_os_registers *registers) {
    (void)registers;
    return false;
}

bool fh_os_find_move(const struct fh_os_registers *registers, struct fh_os_move *move) {
    (void)registers;
    (void)move;
    return false;
}

void fh_os_do_move(void *context, const struct fh_os_move *move) {
    (void)context;
    (void)move;
}

#endif
