/* overflow.h - the handler of faults: stack overflows and closed frames are reported, all else passes through.
 * */
#ifndef FH_STACK_OVERFLOW_H
#define FH_STACK_OVERFLOW_H

#include "os/os_stack.h"
#include "os/os_unwind.h"

/* Puts the handler of SIGSEGV and SIGBUS in place, once. False: refused. */
bool fh_fault_install(void);

/* What a fault turned out to be. */
enum fh_fault_kind {
    FH_FAULT_OTHER,
    FH_FAULT_OVERFLOW,        /* of a thread's stack, or of a further one                     */
    FH_FAULT_SIGNAL_OVERFLOW, /* of an alternate signal stack: a handler used more than it has */
    FH_FAULT_FRAME,           /* of checked pages of a region stack                           */
    FH_FAULT_HEAP,            /* of guarded or freed memory of the heap: heap/guard.h         */
};

struct fh_fault {
    enum fh_fault_kind kind;
    struct fh_os_registers registers;
    uintptr_t address;
    bool by_instruction;       /* the instruction raised it whatever lies there: no address is known */
    struct fh_os_bounds stack; /* the one that overflowed */
    bool further;              /* it was made by fh_stack_grow */
    const struct fh_call_thread *thread; /* NULL: not known */
    const struct fh_misuse *misuse;      /* of FH_FAULT_HEAP */
};

/* Room for a report: mapped when the handler is put in place, so that the report asks for no memory. */
size_t fh_report_room(void);
/* Writes the report to stderr. `room` is zeroed memory of that size. Uses less than 48 KiB of stack. */
void fh_report_overflow(const struct fh_fault *fault, void *room);

#endif
