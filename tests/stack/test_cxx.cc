// test_cxx.cc - the headers are C++17 as well.
#include <freehold/stack_names.h>

#include <cstring>

struct point {
    double x, y;
};
struct alignas(64) wide {
    char bytes[64];
};

static char *name(int n) {
    char *result = nullptr;
    scratch {
        char *number = push_format("%d", n);
        outside result = push_format("point %s", number);
    }
    return result;
}

int main() {
    int status = 1;
    frame {
        point *p = push_value(point, 1.0, 2.0);
        wide *w = fh_push(wide);
        int *zeros = push_array_zero(int, 10);
        char *text = name(7);
        if (!p || !w || !zeros || !text) return 2;
        if (p->y == 2.0 && reinterpret_cast<size_t>(w) % 64 == 0 && zeros[9] == 0 &&
            std::strcmp(text, "point 7") == 0)
            status = 0;
    }
    struct fh_region_info stats;
    fh_region_stats(nullptr, &stats);
    return stats.used == 0 ? status : 3;
}
