/* test_dlopen.c - the library in processes that were not built for it.
 *
 *     test_dlopen libfreehold.so plugin.so linked_plugin.so
 *
 * This program runs on libc's heap. It loads libfreehold.so late, beside libc's malloc (the thread bins are
 * static TLS: there is only a small reserve for that), and plugins that need it. With the library preloaded it
 * also shows that plugins may come and go.
 */
#include "../heap/support.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void *(*heap_malloc)(size_t);
static void *(*heap_realloc)(void *, size_t);
static void (*heap_free)(void *);
static size_t (*heap_usable_size)(const void *);

static void *load(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CHECKF(library != NULL, "dlopen(%s): %s", path, dlerror());
    return library;
}

#define FIND(library, function, name)                            \
    do {                                                         \
        void *found = dlsym(library, name);                      \
        CHECKF(found != NULL, "dlsym(%s): %s", name, dlerror()); \
        memcpy(&(function), &found, sizeof found);               \
    } while (0)

static void *both_heaps(void *arg) {
    struct rng rng = {.state = (uintptr_t)arg};
    char *own[200] = {0}, *libc[200] = {0};
    int turns = memory_is_measurable() ? 40000 : 2000; /* each takes system calls where blocks are guarded */
    for (int i = 0; i < turns; i++) {
        size_t k = rng_below(&rng, 200), size = rng_below(&rng, rng_below(&rng, 50) == 0 ? 200000 : 2000) + 1;
        if (own[k]) CHECK(own[k][0] == (char)k && libc[k][0] == (char)(k + 1));
        if (i % 7 == 0) {
            CHECK((own[k] = heap_realloc(own[k], size)) != NULL);
        } else {
            heap_free(own[k]);
            CHECK((own[k] = heap_malloc(size)) != NULL);
        }
        CHECK(heap_usable_size(own[k]) >= size);
        free(libc[k]);
        CHECK((libc[k] = malloc(size)) != NULL);
        memset(own[k], (int)k, size);
        memset(libc[k], (int)k + 1, size);
    }
    for (size_t k = 0; k < 200; k++) heap_free(own[k]), free(libc[k]);
    return NULL;
}

static pthread_barrier_t loaded;

static void *lived_before_the_library(void *arg) {
    free(malloc(100));
    pthread_barrier_wait(&loaded);
    return both_heaps(arg);
}

static void the_library_works_beside_libcs_malloc(const char *path) {
    pthread_t old[3], new[3];
    CHECK(pthread_barrier_init(&loaded, NULL, 4) == 0);
    for (uintptr_t i = 0; i < 3; i++)
        CHECK(pthread_create(&old[i], NULL, lived_before_the_library, (void *)(i + 1)) == 0);
    void *library = load(path);
    FIND(library, heap_malloc, "fh_malloc");
    FIND(library, heap_realloc, "fh_realloc");
    FIND(library, heap_free, "fh_free");
    FIND(library, heap_usable_size, "fh_usable_size");
    pthread_barrier_wait(&loaded);
    for (uintptr_t i = 0; i < 3; i++) CHECK(pthread_create(&new[i], NULL, both_heaps, (void *)(i + 10)) == 0);
    both_heaps((void *)(uintptr_t)20);
    for (int i = 0; i < 3; i++) CHECK(pthread_join(old[i], NULL) == 0 && pthread_join(new[i], NULL) == 0);
    for (int i = 0; i < 20; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            both_heaps((void *)(uintptr_t)30);
            _exit(0);
        }
        int status = 1;
        CHECK(waitpid(pid, &status, 0) == pid && status == 0);
        if (i == 3) i = 18;
    }
    /* Taken away: its hooks at thread exit and fork must not be. */
    dlclose(library);
    pthread_t t;
    CHECK(pthread_create(&t, NULL, both_heaps, (void *)(uintptr_t)40) == 0 && pthread_join(t, NULL) == 0);
}

static int (*plugin_work)(int);

static void *works_in_plugin(void *arg) {
    (void)arg;
    CHECK(plugin_work(5000));
    return NULL;
}

static void a_plugin_that_links_the_library_may_come_and_go(const char *path) {
    for (int i = 0; i < 10; i++) {
        void *library = load(path);
        FIND(library, plugin_work, "plugin_work");
        CHECK(plugin_work(3000));
        pthread_t t[2];
        for (int k = 0; k < 2; k++) CHECK(pthread_create(&t[k], NULL, works_in_plugin, NULL) == 0);
        for (int k = 0; k < 2; k++) CHECK(pthread_join(t[k], NULL) == 0);
        CHECK(dlclose(library) == 0);
        free(malloc((size_t)i * 1000));
    }
}

static void what_a_plugin_allocated_outlives_it(const char *path) {
    char *text[50];
    for (int i = 0; i < 50; i++) {
        char *(*make)(const char *);
        void *library = load(path);
        FIND(library, make, "plugin_text");
        FIND(library, plugin_work, "plugin_work");
        CHECK(plugin_work(200));
        CHECK((text[i] = make("a text of the plugin's")) != NULL);
        CHECK(dlclose(library) == 0);
    }
    for (int i = 0; i < 50; i++) {
        CHECK(strcmp(text[i], "a text of the plugin's") == 0);
        free(text[i]);
    }
}

int main(int argc, char **argv) {
    CHECK(argc == 4);
    heap_is_freehold();
    /* Each in a process of its own, so that each finds the reserve of static TLS as it is at a program's start.
     * */
    for (int i = 0; i < 3; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            if (i == 0) the_library_works_beside_libcs_malloc(argv[1]);
            if (i == 1) what_a_plugin_allocated_outlives_it(argv[2]);
            if (i == 2) a_plugin_that_links_the_library_may_come_and_go(argv[3]);
            exit(0);
        }
        int status = 1;
        CHECK(waitpid(pid, &status, 0) == pid);
        CHECKF(status == 0, "part %d: status %#x", i, (unsigned)status);
    }
    return 0;
}
