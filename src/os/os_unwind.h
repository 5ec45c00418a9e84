/* os_unwind.h - walking a call stack from the registers of a signal, by the unwind information in .eh_frame.
 *
 * Works in a handler: it allocates nothing, takes no lock, and reads the stack only where a mapping is. Where a
 * function has no unwind information the chain of frame pointers is followed instead.
 */
#ifndef FH_OS_UNWIND_H
#define FH_OS_UNWIND_H

#include "os/os_modules.h"

#if defined(__x86_64__)
enum { FH_OS_FP = 6, FH_OS_SP = 7, FH_OS_RA = 16, FH_OS_REGISTERS = 17 };
#else
enum { FH_OS_FP = 29, FH_OS_RA = 30, FH_OS_SP = 31, FH_OS_REGISTERS = 32 };
#endif

struct fh_os_registers {
    uintptr_t pc;
    uintptr_t r[FH_OS_REGISTERS]; /* by their DWARF numbers */
};

/* From the third argument of a signal handler. */
void fh_os_registers_of(const void *context, struct fh_os_registers *registers);

/* Does the instruction at pc want its memory at a multiple of 16 or more? (os_instruction.c) */
bool fh_os_wants_alignment(const struct fh_os_registers *registers);

/* The registers that the instruction at pc takes an address from, a bit for each by its DWARF number; all of
 * them where we cannot tell. (os_instruction.c) */
uint32_t fh_os_address_registers(const struct fh_os_registers *registers);

/* Where the instruction at pc goes on, if it calls or jumps to what memory holds. (os_instruction.c) */
bool fh_os_callee(const struct fh_os_registers *registers, uintptr_t *callee);

/* A move of 16 bytes that wants its memory at a multiple of 16. */
struct fh_os_move {
    uintptr_t address, next; /* of the memory, and of the next instruction */
    unsigned vector;         /* the register's number                      */
    bool stores;
};
/* Is the instruction at pc one, of those that can be done for the program? (os_instruction.c) */
bool fh_os_find_move(const struct fh_os_registers *registers, struct fh_os_move *move);
/* Does it, whatever the address is, and goes on behind it. `context`: a signal handler's third argument. */
void fh_os_do_move(void *context, const struct fh_os_move *move);

struct fh_os_unwind_row;

struct fh_os_unwind {
    struct fh_os_modules *modules;
    struct fh_os_registers now;
    bool exact;          /* pc is where the fault was, or a signal came in; else it is a return address */
    uintptr_t function;  /* where the function at pc begins, or pc itself when that is not known        */
    uintptr_t low, high; /* readable memory that holds the stack here                                   */
    struct fh_os_unwind_row
        *rows; /* a cache                                                                  */
};

/* Bytes that `rows` needs. */
size_t fh_os_unwind_rows_size(void);

/* Begins at the registers. `rows` is zeroed memory. */
void fh_os_unwind_begin(struct fh_os_unwind *walk, struct fh_os_modules *modules,
                        const struct fh_os_registers *registers, void *rows);

/* Goes to the caller. False: this was the last frame, or the way is lost. */
bool fh_os_unwind_next(struct fh_os_unwind *walk);

#endif
