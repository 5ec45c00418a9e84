/* headers.cpp - C++ uses the public headers, and its new and delete are on the same heap. */
#include <freehold.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <new>
#include <string>
#include <vector>

namespace {

struct point {
    double x, y;
};

struct alignas(256) line {
    char bytes[300];
};

int failures;

void expect(bool good, const char *what) {
    if (good) return;
    std::printf("not so: %s\n", what);
    failures++;
}

void typed_blocks() {
    point *p = fh_new(point);
    expect(p != nullptr, "fh_new gives a point *");
    expect(fh_usable_size(p) >= sizeof(point), "the block holds the type");
    fh_delete(p);
    line *l = fh_new_zero(line);
    expect(reinterpret_cast<std::uintptr_t>(l) % 256 == 0, "an over-aligned type is aligned");
    for (char byte : l->bytes) expect(byte == 0, "fh_new_zero gives zeros");
    fh_delete(l);
}

void new_and_delete_are_on_this_heap() {
    if (FREEHOLD_REPLACES_MALLOC) {
        int *one = new int(7);
        expect(fh_usable_size(one) >= sizeof(int), "new is known to the heap");
        fh_free(one); // the families are one
    }
    line *l = new line;
    expect(reinterpret_cast<std::uintptr_t>(l) % 256 == 0, "aligned new");
    delete l;
    std::vector<std::string> words(1000, std::string(100, 'w'));
    words.resize(10);
    words.shrink_to_fit();
    expect(words[9].size() == 100, "containers work");
}

void settings() {
    char text[16];
    expect(fh_set("limit", "much") == -1 && errno == EINVAL, "a bad value is refused");
    expect(fh_get("mode", text, sizeof text) == 4 && std::string(text) == "fast", "fh_get");
}

} // namespace

int main() {
    typed_blocks();
    new_and_delete_are_on_this_heap();
    settings();
    return failures == 0 ? 0 : 1;
}
