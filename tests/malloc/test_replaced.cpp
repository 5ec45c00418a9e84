// test_replaced.cpp - a program that brings some forms of operator new and delete of its own.
//
// C++ lets a program replace single forms; the others are then made of those: new[] of new, a sized delete of
// the plain one. This one replaces two, and puts a header in front of each block. So whatever form is called,
// it must come to these two, and the block must get back its header's place.
#include "../heap/support.h"

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <vector>

#ifndef __cpp_sized_deallocation // Clang declares these only when asked to use them
void operator delete(void *p, std::size_t size) noexcept;
void operator delete[](void *p, std::size_t size) noexcept;
#endif

namespace {

constexpr std::uint64_t STAMP = 0x7265706c61636564;

struct alignas(16) header {
    std::uint64_t stamp, size;
};

std::size_t made, ended;

// Hidden from the optimiser, which may otherwise leave out a pair of new and delete.
template <class T> T *keep(T *p) {
    __asm__ volatile("" : "+r"(p) : : "memory");
    return p;
}

} // namespace

void *operator new(std::size_t size) {
    header *h = static_cast<header *>(std::malloc(sizeof(header) + size));
    if (h == nullptr) throw std::bad_alloc();
    *h = {STAMP, size};
    made++;
    return h + 1;
}

void operator delete(void *p) noexcept {
    if (p == nullptr) return;
    header *h = static_cast<header *>(p) - 1;
    CHECKF(h->stamp == STAMP, "%p is not from our operator new", p);
    h->stamp = 0;
    ended++;
    std::free(h);
}

namespace {

void each_form_comes_to_ours() {
    for (std::size_t size :
         {std::size_t(0), std::size_t(1), std::size_t(40), std::size_t(1000), std::size_t(100000)}) {
        for (int i = 0; i < 100; i++) {
            std::size_t before = made;
            ::operator delete(keep(::operator new(size)));
            ::operator delete(keep(::operator new(size)), size);
            ::operator delete(keep(::operator new(size, std::nothrow)), std::nothrow);
            ::operator delete[](keep(::operator new[](size)));
            ::operator delete[](keep(::operator new[](size)), size);
            ::operator delete[](keep(::operator new[](size, std::nothrow)), std::nothrow);
            CHECKF(made == before + 6, "%zu of 6 came to our new", made - before);
            CHECKF(ended == made, "%zu of %zu came to our delete", ended, made);
        }
    }
    ::operator delete(nullptr, std::size_t(8));
    ::operator delete[](nullptr);
}

struct texts {
    std::vector<std::string> all;
    std::unique_ptr<double[]> numbers{new double[100]};
    virtual ~texts() = default;
};

void objects_come_and_go() {
    std::size_t before = made;
    for (int i = 0; i < 50; i++) {
        std::unique_ptr<texts> t(new texts);
        for (int n = 0; n < 50; n++) t->all.emplace_back(std::size_t(n) * 10, 'x');
    }
    CHECK(made > before);
    CHECK(ended == made);
}

// The aligned forms stand on one another, not on the plain ones.
void aligned_ones_go_on() {
    for (std::size_t size = 1; size < 200000; size = size * 3 + 1) {
        std::size_t before = made;
        ::operator delete(keep(::operator new(size, std::align_val_t(64))), std::align_val_t(64));
        ::operator delete[](keep(::operator new[](size, std::align_val_t(64))), std::align_val_t(64));
        CHECK(made == before);
    }
}

} // namespace

int main() {
    each_form_comes_to_ours();
    objects_come_and_go();
    aligned_ones_go_on();
    return 0;
}
