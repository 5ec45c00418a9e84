/* child.h - the program as a child process: started, signals passed on, waited for. */
#ifndef FH_TOOL_CHILD_H
#define FH_TOOL_CHILD_H

#include <stddef.h>
#include <sys/types.h>

struct fh_child {
    pid_t pid;
    int status;      /* as waitpid tells it                                              */
    double seconds;  /* from its start to its end                                        */
    size_t peak_rss; /* bytes, of its largest moment, as the kernel told at its end      */
    char name[16];   /* the kernel's name of the process at its end, "" where unknown    */
};

/* Executes `path` with argv and the environment of this process. 0, or the errno of what failed. */
int fh_child_start(struct fh_child *child, const char *path, char **argv);

/* Waits for its end; passes signals on meanwhile, and calls idle(context) about once a second. */
void fh_child_attend(struct fh_child *child, void (*idle)(void *), void *context);

/* Ends this process as the child ended: with its status, or by its signal. */
_Noreturn void fh_child_end_alike(const struct fh_child *child);

/* "SIGTERM"; "signal 40" for one without a name. The text is good until the next call. */
const char *fh_signal_name(int signal);

#endif
