// test_exceptions.cc - C++ exceptions pass through further stacks and close frames.
#include <freehold/stack.h>

#include <csignal>
#include <cstdio>
#include <pthread.h>
#include <stdexcept>

static int destroyed, failures;

struct Guard {
    ~Guard() { destroyed++; }
};

static void expect(const char *what, bool good) {
    if (!good) {
        failures++;
        std::fprintf(stderr, "FAILED %s\n", what);
    }
}

static void dig(void *context) {
    Guard guard;
    volatile char room[1000]; // so that it takes a hundred further stacks
    room[0] = 1;
    int *depth = static_cast<int *>(context);
    FH_FRAME {
        volatile char *text = static_cast<volatile char *>(fh_push_bytes(100));
        text[0] = 1;
        if (++*depth == 20000) throw std::runtime_error("the bottom");
        fh_stack_grow(16 << 10, 256 << 10, dig, context);
        text[1] = room[0];
    }
}

static void catches_inside(void *context) {
    int *caught = static_cast<int *>(context), depth = 0;
    try {
        fh_stack_grow(fh_stack_left() + 1, 128 << 10, dig, &depth);
    } catch (const std::runtime_error &) {
        ++*caught;
    }
}

// A fault that the program's handler makes an exception of, as some runtimes do: it goes through our handler,
// which knows nothing of that thread's stacks.
// (Clang compiles no exception for an access, whatever its flags say.)
#if defined(__x86_64__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
static void throws(int) { throw std::runtime_error("a fault"); }
static char *volatile nowhere;

static void *faults(void *caught) {
    Guard guard;
    try {
        *nowhere = 1;
    } catch (const std::runtime_error &) {
        ++*static_cast<int *>(caught);
    }
    return nullptr;
}

static void faults_become_exceptions() {
    struct sigaction action = {};
    pthread_t id;
    int caught = 0;
    action.sa_handler = throws;
    action.sa_flags = SA_NODEFER;
    sigaction(SIGSEGV, &action, nullptr);
    expect("installed", fh_stack_install() == 0);
    destroyed = 0;
    for (int i = 0; i < 2; i++) {
        expect("begun", pthread_create(&id, nullptr, faults, &caught) == 0);
        pthread_join(id, nullptr);
        faults(&caught);
    }
    expect("each fault was caught, and all was destroyed", caught == 4 && destroyed == 4);
}
#else
static void faults_become_exceptions() {}
#endif

int main() {
    size_t before = fh_stack_left();
    for (int i = 0; i < 10; i++) {
        int depth = 0;
        bool caught = false;
        destroyed = 0;
        try {
            dig(&depth);
        } catch (const std::runtime_error &) {
            caught = true;
        }
        expect("caught on the first stack", caught);
        expect("each level was destroyed", destroyed == 20000);
        expect("left is right again", fh_stack_left() == before);
        struct fh_region_info stats;
        fh_region_stats(nullptr, &stats);
        expect("frames were closed", stats.used == 0);
    }
    int caught = 0;
    for (int i = 0; i < 10; i++) fh_stack_grow(before + 1, 128 << 10, catches_inside, &caught);
    expect("caught on a further stack", caught == 10);
    expect("left is right at the end", fh_stack_left() == before);
    faults_become_exceptions();
    return failures != 0;
}
