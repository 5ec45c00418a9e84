/* purger.c - see purger.h.
 *
 * Free pages go back when their time has come and somebody looks: a thread in one of the heap's slow paths. A
 * program that falls asleep has nobody who looks, and keeps what it last freed. With purge_thread=on there is a
 * thread that does nothing but look, twice in each decay time; spans that rest end then, too. It is off by
 * default: a library that is loaded into any program should not bring a thread along.
 *
 * And some programs count on being alone: the system lets no process with two threads into a user namespace
 * (unshare), and glibc's setuid and its kin end the process where threads differ in what they may do, as
 * after a program has set the capabilities of its one thread (setpriv, daemons that give up rights). These run
 * with the setting off.
 *
 * The thread takes no signals, so no handler of the program's runs on it, and it ends with the process. It does
 * not survive a fork, as no thread does; the child begins its own.
 */
#include "purger.h"

#include "../base/report.h"
#include "../base/settings.h"
#include "../os/os.h"
#include "check.h"
#include "extent.h"
#include "heap.h"

static void *look_again_and_again(void *unused) {
    enum { LEAST_MS = 10 };
    for (;;) {
        size_t pause = fh_settings.decay_ms / 2;
        fh_os_sleep(pause > LEAST_MS ? pause : LEAST_MS);
        if (fh_space.marked == NULL) fh_span_end_resting();
        if (fh_space.marked) fh_check_decay_large();
        fh_extent_decay();
    }
    return unused;
}

void fh_purger_begin(void) {
    if (!fh_settings.purge_thread) return;
    if (!fh_os_begin_thread(look_again_and_again)) fh_say("purge_thread=on: the system gives no thread");
}
