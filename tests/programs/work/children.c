/* children.c - starts another program in each of the ways there are, with blocks and threads of its own around
 * it. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void *churn(void *seed) {
    unsigned r = (unsigned)(size_t)seed;
    char *live[64] = {0};
    for (int i = 0; i < 20000; i++) {
        r = r * 1103515245u + 12345u;
        char **slot = &live[r >> 16 & 63];
        free(*slot);
        size_t size = 1 + (r >> 8) % (i % 50 ? 2000 : 200000);
        *slot = malloc(size);
        if (!*slot) abort();
        (*slot)[0] = (*slot)[size - 1] = 1;
    }
    for (int i = 0; i < 64; i++) free(live[i]);
    return NULL;
}

static int report(int status) {
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    printf("signal %d\n", WTERMSIG(status));
    return 99;
}

static int joined(char **argv, char *line, size_t room) {
    size_t used = 0;
    for (; *argv; argv++) used += (size_t)snprintf(line + used, room - used, "'%s' ", *argv);
    return (int)used;
}

/* Children that allocate while the parent's threads do; grandchildren; most end by _exit. */
static int storm(void) {
    pthread_t threads[3];
    for (size_t i = 0; i < 3; i++) pthread_create(&threads[i], NULL, churn, (void *)(i + 1));
    int good = 0;
    for (int i = 0; i < 60; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            churn((void *)(size_t)i);
            pthread_t thread;
            if (pthread_create(&thread, NULL, churn, (void *)9)) _exit(1);
            pthread_join(thread, NULL);
            if (i % 10 == 0 && fork() == 0) {
                churn((void *)5);
                _exit(0);
            }
            while (wait(NULL) > 0 || errno == EINTR) continue;
            if (i % 2) exit(0);
            _exit(0);
        }
        int status = -1;
        waitpid(pid, &status, 0);
        good += status == 0;
    }
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    printf("%d children ended well\n", good);
    return 0;
}

static void *short_life(void *block) {
    free(block);
    return malloc(100);
}

/* Many short threads, each freeing what its parent made and leaving what its parent frees. */
static int threads(void) {
    int good = 0;
    for (int i = 0; i < 3000; i++) {
        pthread_t thread;
        void *back = NULL;
        if (pthread_create(&thread, NULL, short_life, malloc(64 + (size_t)i))) break;
        pthread_join(thread, &back);
        good += back != NULL;
        free(back);
    }
    printf("%d threads\n", good);
    return 0;
}

static void at_quick_exit_line(void) { free(malloc(10)); }

int main(int argc, char **argv) {
    char line[4096];
    char *kept = strdup(argc > 1 ? argv[1] : "");
    if (argc < 2) return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    char **next = argv + 2;
    if (!strcmp(kept, "say")) {
        printf("say: %s\n", next[0]);
        free(kept);
        return 7;
    }
    if (!strcmp(kept, "storm")) return storm();
    if (!strcmp(kept, "threads")) return threads();
    if (!strcmp(kept, "quick")) {
        at_quick_exit(at_quick_exit_line);
        quick_exit(5);
    }
    if (!strcmp(kept, "signal")) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        raise(SIGSEGV);
    }
    int status = 0;
    pid_t pid = -1;
    if (!strcmp(kept, "exec")) {
        execvp(next[0], next);
        return 98;
    }
    if (!strcmp(kept, "fork") || !strcmp(kept, "vfork")) {
        pid = kept[0] == 'f' ? fork() : vfork();
        if (pid == 0) {
            execvp(next[0], next);
            _exit(98);
        }
        waitpid(pid, &status, 0);
    } else if (!strcmp(kept, "spawn")) {
        if (posix_spawnp(&pid, next[0], NULL, NULL, next, environ)) return 97;
        waitpid(pid, &status, 0);
    } else if (!strcmp(kept, "system")) {
        joined(next, line, sizeof line);
        status = system(line);
    } else if (!strcmp(kept, "popen")) {
        joined(next, line, sizeof line);
        FILE *pipe = popen(line, "r");
        while (pipe && fgets(line, sizeof line, pipe)) printf("read: %s", line);
        status = pclose(pipe);
    }
    free(kept);
    return report(status);
}
