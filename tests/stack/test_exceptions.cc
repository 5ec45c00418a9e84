// test_exceptions.cc - C++ exceptions pass through further stacks and close frames.
#include <freehold/stack.h>

#include <cstdio>
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
    int *depth = static_cast<int *>(context);
    FH_FRAME {
        volatile char *text = static_cast<volatile char *>(fh_push_bytes(100));
        text[0] = 1;
        if (++*depth == 20000) throw std::runtime_error("the bottom");
        fh_stack_grow(16 << 10, 256 << 10, dig, context);
        text[1] = text[0];
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
    return failures != 0;
}
