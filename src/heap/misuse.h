/* misuse.h - one report for every misuse of the heap, as text for people or as JSON. See misuse.c. */
#ifndef FH_HEAP_MISUSE_H
#define FH_HEAP_MISUSE_H

#include "../os/os_unwind.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fh_misuse_kind {
    FH_DOUBLE_FREE,
    FH_INVALID_FREE,  /* of what is no block: wild, stack, global, foreign, never allocated */
    FH_INTERIOR_FREE, /* of an address inside a block                                       */
    FH_OVERFLOW,      /* a write behind a block                                             */
    FH_UNDERFLOW,     /* a write before a block                                             */
    FH_WRITE_AFTER_FREE,
    FH_USE_AFTER_FREE, /* of its address: realloc, usable size                               */
    FH_SIZE_MISMATCH,
    FH_ALIGN_MISMATCH,
    FH_KIND_MISMATCH,
    FH_FAULT_BEHIND, /* faults in guarded memory                                           */
    FH_FAULT_BEFORE,
    FH_FAULT_FREED,
    FH_FAULT_THROUGH,   /* of a pointer that is the fill of a freed or new block                     */
    FH_FAULT_NOWHERE,   /* in the heap's window, where no memory is                                  */
    FH_FAULT_NULL,      /* at almost zero, in a thread to which memory was refused                   */
    FH_FAULT_ALIGNMENT, /* an instruction that wants more than the block has: no mistake            */
    FH_MISUSE_KINDS
};

struct fh_misuse {
    enum fh_misuse_kind kind;
    const char *call;    /* what was called: "free", "realloc", "exit" ...; NULL for a fault           */
    const void *address; /* that the call was given, or of the fault                                   */
    const char *detail;  /* a sentence more, or NULL                                                   */
    char note[120];      /* room for one                                                               */

    const char *block;    /* first byte that the program may use; NULL: no block is known               */
    size_t asked, usable; /* usable: size of the class, or of the pages                                 */
    bool freed;
    ptrdiff_t offset; /* of the bad byte from `block`                                               */
    bool damaged;     /* `found` stands where `expected` should                                     */
    unsigned char found, expected;
    const char *beside; /* a block in use beside it, which the bad write may have been meant for, or NULL  */
    size_t beside_asked;
    uint32_t beside_allocated;
    uint32_t allocated, freed_at; /* sites.h; 0 = not known                                             */

    uintptr_t caller; /* return address of the call; 0: from the registers                          */
    const struct fh_os_registers *registers; /* of a fault                                            */
};

/* Writes the report. Then ends the process, or, with on_error=report, returns. No lock of the heap may be held.
 * A second thread with a report waits for the first one. */
void fh_misuse_report(const struct fh_misuse *misuse);

/* The same without ending the process: for a handler of faults, which lets the fault happen. False, and nothing
 * is written, while this thread is at another report. */
bool fh_misuse_write(const struct fh_misuse *misuse);

/* Code that stands in front of the C library's: a fault in it is shown as its caller's. */
void fh_misuse_leave_out(const void *from, const void *to);

#endif
