/* test_leaks.c - what the look at exit calls lost, and what not: each case is a process of its own, which ends
 * by returning from main. */
#include <freehold.h>
#include <freehold/names.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

TYPE(Node);
struct Node {
    Box(Node) next;
    int id;
};
DROP(Node, (Box(Node), next))

typedef struct {
    _Alignas(64) double numbers[8];
} Wide;
PLAIN(Wide)

/* ---- the cases ---- */

static Box(Node) list;
static Rc(Node) shared __attribute__((used));
static Vec(int) numbers __attribute__((used));
static const int *inside __attribute__((used)); /* nobody reads it, and it must be there */

/* A chain is reached link by link, in whatever order its links are looked at; a block also by an address inside
 * it. */
static void statics_reach_all(void) {
    for (int i = 0; i < 300; i++) {
        Box(Node) node = box(Node, .id = i);
        node->next = list;
        list = node;
    }
    shared = rc(Node, .id = 1);
    shared->next = box(Node, .id = 2);
    for (int i = 0; i < 1000; i++) vec_push(&numbers, i);
    Box(Node) node = box(Node, .id = 3);
    inside = &node->id;
}

static Rc(Wide) wide __attribute__((used));
static __thread Vec(int) of_the_thread __attribute__((used));
static struct {
    Str name;
    Vec(Rc(Node)) nodes;
} * by_malloc __attribute__((used));

/* Also the value of an Rc that is aligned, thread-local data, and what other code's memory holds, early and
 * late (the first blocks of malloc are guarded). */
static void whatever_reaches(void) {
    wide = rc(Wide, {0});
    vec_push(&of_the_thread, 1);
    for (int i = 0; i < 1000; i++) {
        void *last = by_malloc;
        by_malloc = malloc(sizeof *by_malloc + sizeof last);
        memset(by_malloc, 0, sizeof *by_malloc);
        by_malloc->name = str_of("%d, a text with some length", i);
        vec_push(&by_malloc->nodes, rc(Node, .id = i));
        memcpy(by_malloc + 1, &last, sizeof last);
    }
}

static void malloc_holds_and_one_is_lost(void) {
    whatever_reaches();
    own(Rc(RefCell(Node))) kept = rc_of(RefCell(Node), refcell(Node, .id = 1));
    own(Ref(Node)) of_kept = borrow(kept);
    Rc(RefCell(Node)) lost = rc_of(RefCell(Node), refcell(Node, .id = 1));
    own(Ref(Node)) noted = borrow(lost); /* the note of it is no owner */
}

/* Long after the blocks with pages of their own: other code frees it, and nobody looks there again. */
static void a_forgotten_one_is_freed(void) {
    for (int i = 0; i < 17000; i++) {
        own(Box(int)) one = box(int, i);
        *one += 1;
    }
    own(Vec(Box(Node))) large = vec_with(Box(Node), 1 << 20);
    own(Vec(Box(Node))) held = vec_of(Box(Node), box(Node, .id = 1));
    vec_push(&large, NULL);
    void *theirs = large.ptr;
    forget(large);
    forget(held);
    free(theirs);
}

static pthread_barrier_t both;

static void *hold_for_ever(void *arg) {
    own(Box(Node)) node = box(Node, .id = 4);
    pthread_barrier_wait(&both);
    for (;;) pause();
    return arg;
}

static void a_running_thread_holds_one(void) {
    pthread_t thread;
    pthread_barrier_init(&both, NULL, 2);
    if (pthread_create(&thread, NULL, hold_for_ever, NULL)) exit(9);
    pthread_barrier_wait(&both);
}

static void *lose_one(void *arg) {
    Box(Node) node = box(Node, .id = 5);
    node->id++;
    return arg;
}

static void an_ended_thread_lost_one(void) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, lose_one, NULL)) exit(9);
    pthread_join(thread, NULL);
}

static void one_is_forgotten(void) {
    Box(Node) node = box(Node, .id = 6);
    forget(node);
}

static void twelve_are_lost(void) {
    for (int i = 0; i < 12; i++) {
        Box(Node) node = box(Node, .id = i);
        node->id++;
    }
}

static void two_are_lost_with_what_they_hold(void) {
    for (int i = 0; i < 2; i++) {
        Box(Node) node = box(Node, .id = i);
        node->next = box(Node, .id = i + 10);
    }
}

static const struct {
    const char *name;
    void (*run)(void);
    int status;
    const char *says[3]; /* NULL: nothing at all is said */
} cases[] = {
    {"statics", statics_reach_all, 0, {0}},
    {"reached", whatever_reaches, 0, {0}},
    {"hidden", malloc_holds_and_one_is_lost, 101, {"1 owner was never dropped", "Rc(fh_RefCell_Node)"}},
    {"freed", a_forgotten_one_is_freed, 0, {0}},
    {"running", a_running_thread_holds_one, 0, {0}},
    {"forgotten", one_is_forgotten, 0, {0}},
    {"ended", an_ended_thread_lost_one, 101, {"1 owner was never dropped", "exit() from"}},
    {"twelve", twelve_are_lost, 101, {"12 owners were never dropped", "and 2 more"}},
    {"held", two_are_lost_with_what_they_hold, 101, {"4 owners were never dropped"}},
};
enum { CASES = sizeof cases / sizeof *cases };

/* ---- the judge ---- */

static size_t run_case(const char *self, const char *name, char *text, size_t room, int *status) {
    int ends[2];
    if (pipe(ends)) exit(9);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], 2);
        execl(self, self, name, (char *)NULL);
        _exit(9);
    }
    close(ends[1]);
    size_t length = 0;
    for (ssize_t got; (got = read(ends[0], text + length, room - 1 - length)) > 0;) length += (size_t)got;
    text[length] = 0;
    close(ends[0]);
    waitpid(pid, status, 0);
    return length;
}

static int judge(const char *self, size_t i) {
    static char text[1 << 16];
    int status;
    size_t length = run_case(self, cases[i].name, text, sizeof text, &status);
    int good = WIFEXITED(status) && WEXITSTATUS(status) == cases[i].status;
    if (cases[i].says[0] == NULL) good &= length == 0;
    for (unsigned k = 0; k < 3 && cases[i].says[k]; k++) good &= strstr(text, cases[i].says[k]) != NULL;
    if (!good) printf("%s: status %#x, said:\n%s\n", cases[i].name, (unsigned)status, text);
    return good;
}

int main(int argc, char **argv) {
    for (size_t i = 0; argc > 1 && i < CASES; i++)
        if (strcmp(argv[1], cases[i].name) == 0) cases[i].run();
    if (argc > 1) return 0;
    int good = 1;
    for (size_t i = 0; i < CASES; i++) good &= judge(argv[0], i);
    return !good;
}
