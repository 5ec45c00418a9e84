/* purger.h - a thread that gives free pages back to the system in time, for who wants one (purge_thread=on). */
#ifndef FH_HEAP_PURGER_H
#define FH_HEAP_PURGER_H

/* Begins the thread, if the settings ask for one. When the library is loaded, and in each child after a fork.
 * */
void fh_purger_begin(void);

#endif
