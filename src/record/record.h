/* record.h - the numbers of a process, kept in a file while it lives.
 *
 * What other parts call is fh_on_start(), declared with the counters in heap/counters.h. The rest runs by
 * itself: a constructor, handlers around fork, a handler at the end of the process.
 *
 * The file is DIR/PID.N.fh, where DIR is the setting `report`, PID the process as it sees itself, and N the
 * first number from 0 that is free: exec keeps the PID, and each program that a process runs gets a file of its
 * own. Its contents are one struct fh_counters.
 */
#ifndef FH_RECORD_RECORD_H
#define FH_RECORD_RECORD_H

#include "heap/counters.h"

/* The note in the ELF file of each program and library that has Freehold in it, so that `freehold run` knows a
 * static program that keeps its numbers by itself: name "Freehold", this type, no contents. */
#define FH_NOTE_NAME "Freehold"
#define FH_NOTE_TYPE 1

#endif
