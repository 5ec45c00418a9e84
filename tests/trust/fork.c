/* fork.c - a process that forks while another of its threads writes a report of misuse: that thread is not
 * there in the child, whose own reports must not wait for it.
 *
 * The thread is held in the middle of its report: standard error is a pipe that is full. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static _Atomic int thread_id;
static int pipe_of[2];

static void need(int good, const char *what) {
    if (good) return;
    printf("not so: %s\n", what);
    exit(1);
}

static void pause_for(long milliseconds) {
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static void free_twice(void) {
    void *volatile p = malloc(100);
    free(p);
    free(p);
}

static void *reports(void *unused) {
    atomic_store(&thread_id, gettid());
    free_twice();
    return unused;
}

static void fill(void) {
    char block[4096] = {0};
    need(pipe(pipe_of) == 0, "a pipe");
    fcntl(pipe_of[1], F_SETFL, O_NONBLOCK);
    while (write(pipe_of[1], block, sizeof block) > 0) {}
    while (write(pipe_of[1], block, 1) > 0) {}
    fcntl(pipe_of[1], F_SETFL, 0);
    dup2(pipe_of[1], 2);
}

/* Waits until the thread sleeps in its write. */
static void wait_until_it_writes(void) {
    char path[64], state = '?';
    for (int asleep = 0; asleep < 5; asleep = state == 'S' ? asleep + 1 : 0) {
        pause_for(20);
        snprintf(path, sizeof path, "/proc/self/task/%d/stat", atomic_load(&thread_id));
        FILE *stat = fopen(path, "r");
        if (stat == NULL) continue;
        need(fscanf(stat, "%*d (%*[^)]) %c", &state) == 1, "the thread is there");
        fclose(stat);
    }
}

int main(void) {
    pthread_t thread;
    fill();
    need(pthread_create(&thread, NULL, reports, NULL) == 0, "a thread");
    wait_until_it_writes();
    pid_t child = fork();
    if (child == 0) {
        dup2(open("/dev/null", O_WRONLY), 2);
        free_twice();
        _exit(7);
    }
    int status = 0, tries = 0;
    while (waitpid(child, &status, WNOHANG) == 0 && tries++ < 3000) pause_for(20);
    if (tries > 3000) kill(child, SIGKILL);
    need(WIFEXITED(status) && WEXITSTATUS(status) == 7 && tries <= 3000, "the child reports, and goes on");

    char text[4096];
    size_t words = 0;
    close(2);
    close(pipe_of[1]);
    for (ssize_t got; (got = read(pipe_of[0], text, sizeof text)) > 0;)
        for (ssize_t i = 0; i < got; i++) words += text[i] == ' ';
    pthread_join(thread, NULL);
    need(words > 5, "so does the thread in the parent");
    return 0;
}
