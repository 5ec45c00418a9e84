/* os_backtrace.h - the calling thread's call stack, as return addresses and in words.
 *
 * Over the unwinder of os_unwind.h, which needs a list of the loaded code. One list is kept, under a lock that
 * nobody waits for long: who does not get it goes without.
 */
#ifndef FH_OS_BACKTRACE_H
#define FH_OS_BACKTRACE_H

#include "os_unwind.h"

/* Writes at most `most` return addresses, from the frame that returns to `caller` outwards (all, when that is
 * not met or 0). Returns how many; 0 when the stack could not be walked. Allocates nothing. */
unsigned fh_os_backtrace(uintptr_t *pcs, unsigned most, uintptr_t caller);

/* The same from the registers of a signal: the first address is where the signal came in. */
unsigned fh_os_backtrace_from(uintptr_t *pcs, unsigned most, const struct fh_os_registers *registers);

/* The return address into the function in whose part of the calling thread's stack the address lies, of those
 * from the frame that returns to `caller` outwards. 0: in none of them, or the stack could not be walked.
 * Allocates nothing. */
uintptr_t fh_os_frame_around(const void *address, uintptr_t caller);

/* What stands at a return address (`exact`: at that very instruction). */
struct fh_os_code {
    const char *function; /* NULL: not known. Good until the next call of fh_os_code_of */
    const char *module;   /* its file's path, NULL: not known */
    uintptr_t offset;     /* in the function, or in the module's file when no function is known */
};
/* For reports: not for more than one thread at a time. */
void fh_os_code_of(uintptr_t pc, bool exact, struct fh_os_code *code);

/* The return address whose low half is `low`: in the first executable mapping that has such an address. 0:
 * none.
 */
uintptr_t fh_os_code_from_low(uint32_t low);

/* Is the return address in a module that has an operator new of its own, or may have one within (C++ code that
 * takes none from elsewhere)? False also when that could not be seen. */
bool fh_os_has_own_new(uintptr_t pc);

/* What memory an address lies in. */
enum fh_os_memory { FH_OS_UNMAPPED, FH_OS_STACK, FH_OS_PROGRAM, FH_OS_BREAK, FH_OS_MAPPED };
/* `name`: path of the file, "" for none. */
enum fh_os_memory fh_os_memory_of(const void *address, char *name, size_t size);

#endif
