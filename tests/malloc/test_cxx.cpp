// test_cxx.cpp - operator new and delete in every form, and what C++ programs do in their first and last
// moments.
#include "../heap/support.h"

#include <freehold/heap.h>
#include <malloc.h>
#include <sys/resource.h>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#ifndef __cpp_sized_deallocation // Clang declares these only when asked to use them
void operator delete(void *p, std::size_t size) noexcept;
void operator delete[](void *p, std::size_t size) noexcept;
void operator delete(void *p, std::size_t size, std::align_val_t align) noexcept;
void operator delete[](void *p, std::size_t size, std::align_val_t align) noexcept;
#endif

#ifndef TEST_LINKED
extern "C" void fh_free(void *p) __attribute__((weak)); // there when the library is preloaded
#endif

namespace {

// Hidden from the optimiser, which may otherwise leave out a pair of new and delete.
template <class T> T *keep(T *p) {
    __asm__ volatile("" : "+r"(p) : : "memory");
    return p;
}

std::size_t hidden(std::size_t n) {
    __asm__ volatile("" : "+r"(n));
    return n;
}

bool aligned(const void *p, std::size_t align) {
    return (reinterpret_cast<std::uintptr_t>(p) & (align - 1)) == 0;
}

void check_block(void *p, std::size_t size, std::size_t align) {
    CHECK(p != nullptr);
    CHECKF(aligned(p, align), "%zu bytes at %zu: %p", size, align, p);
    CHECK(malloc_usable_size(p) >= size);
    std::memset(p, 0x5a, size);
}

void every_form_of_new_and_delete() {
    const std::align_val_t none{16};
    for (std::size_t size = 0; size < 200000; size = size < 600 ? size + 1 : size * 5 / 3) {
        void *p;
        check_block(p = keep(::operator new(size)), size, 16), ::operator delete(p);
        check_block(p = keep(::operator new(size)), size, 16), ::operator delete(p, size);
        check_block(p = keep(::operator new(size, std::nothrow)), size, 16), ::operator delete(p, std::nothrow);
        check_block(p = keep(::operator new[](size)), size, 16), ::operator delete[](p);
        check_block(p = keep(::operator new[](size)), size, 16), ::operator delete[](p, size);
        check_block(p = keep(::operator new[](size, std::nothrow)), size, 16),
            ::operator delete[](p, std::nothrow);
        check_block(p = keep(::operator new(size, none)), size, 16), ::operator delete(p, none);
        for (std::size_t log = 3; log <= 16; log++) {
            const std::size_t a = std::size_t{1} << log;
            const std::align_val_t at{a};
            check_block(p = keep(::operator new(size, at)), size, a), ::operator delete(p, at);
            check_block(p = keep(::operator new(size, at)), size, a), ::operator delete(p, size, at);
            check_block(p = keep(::operator new(size, at, std::nothrow)), size, a),
                ::operator delete(p, at, std::nothrow);
            check_block(p = keep(::operator new[](size, at)), size, a), ::operator delete[](p, at);
            check_block(p = keep(::operator new[](size, at)), size, a), ::operator delete[](p, size, at);
            check_block(p = keep(::operator new[](size, at, std::nothrow)), size, a),
                ::operator delete[](p, at, std::nothrow);
        }
    }
    ::operator delete(nullptr);
    ::operator delete[](nullptr);
    ::operator delete (nullptr, std::size_t{8});
    ::operator delete (nullptr, std::align_val_t{64});
    ::operator delete (nullptr, std::size_t{8}, std::align_val_t{64});
}

void new_of_nothing_gives_distinct_blocks() {
    void *a = keep(::operator new(hidden(0))), *b = keep(::operator new(hidden(0)));
    CHECK(a && b && a != b);
    ::operator delete(a);
    ::operator delete (b, std::size_t{0});
}

template <class F> bool throws_bad_alloc(F f) {
    try {
        f();
    } catch (const std::bad_alloc &) {
        return true;
    }
    return false;
}

void failure_throws_or_gives_null() {
    const std::size_t sizes[] = {std::size_t(PTRDIFF_MAX) + 1, SIZE_MAX, SIZE_MAX - 4096, std::size_t{1} << 60};
    const std::align_val_t at{4096};
    for (std::size_t absurd : sizes) {
        if (absurd > SIZE_MAX - 5000 && !heap_is_freehold()) continue; // libstdc++ 12 rounds these up to 0
        const std::size_t n = hidden(absurd);
        CHECK(throws_bad_alloc([=] { keep(::operator new(n)); }));
        CHECK(throws_bad_alloc([=] { keep(::operator new[](n)); }));
        CHECK(throws_bad_alloc([=] { keep(::operator new(n, at)); }));
        CHECK(throws_bad_alloc([=] { keep(::operator new[](n, at)); }));
        CHECK(keep(::operator new(n, std::nothrow)) == nullptr);
        CHECK(keep(::operator new[](n, std::nothrow)) == nullptr);
        CHECK(keep(::operator new(n, at, std::nothrow)) == nullptr);
        CHECK(keep(::operator new[](n, at, std::nothrow)) == nullptr);
    }
    CHECK(throws_bad_alloc([] { keep(new char[hidden(std::size_t{1} << 60)]); }));
    CHECK(throws_bad_alloc([] { keep(new double[hidden(std::numeric_limits<std::size_t>::max() / 4)]); }));
    CHECK(throws_bad_alloc([] { std::string s(hidden(std::size_t{1} << 60), 'x'); }));
    keep(::operator new(10, std::nothrow)) ? (void)0 : std::abort();
}

int handler_calls;

void gives_up_at_the_third_call() {
    if (++handler_calls == 3) std::set_new_handler(nullptr);
}

struct own_failure : std::bad_alloc {};

void throws_its_own() {
    handler_calls++;
    throw own_failure();
}

void the_new_handler_is_called_until_it_gives_up() {
    const std::size_t n = hidden(std::size_t{1} << 60);
    for (int form = 0; form < 4; form++) {
        handler_calls = 0;
        std::set_new_handler(gives_up_at_the_third_call);
        switch (form) {
            case 0: CHECK(throws_bad_alloc([=] { keep(::operator new(n)); })); break;
            case 1: CHECK(throws_bad_alloc([=] { keep(::operator new[](n, std::align_val_t{64})); })); break;
            case 2: CHECK(keep(::operator new(n, std::nothrow)) == nullptr); break;
            default: CHECK(keep(::operator new[](n, std::align_val_t{64}, std::nothrow)) == nullptr); break;
        }
        CHECKF(handler_calls == 3, "form %d: the handler was called %d times", form, handler_calls);
        CHECK(std::get_new_handler() == nullptr);
    }
    std::set_new_handler(throws_its_own);
    handler_calls = 0;
    bool seen = false;
    try {
        keep(::operator new(n));
    } catch (const own_failure &) {
        seen = true;
    }
    CHECK(seen && handler_calls == 1);
    CHECK(keep(::operator new(n, std::nothrow)) == nullptr && handler_calls == 2); // nothrow turns it into null
    std::set_new_handler(nullptr);
}

rlimit data; // as it was

void makes_room() {
    handler_calls++;
    setrlimit(RLIMIT_DATA, &data);
    std::set_new_handler(nullptr); // once is enough
}

// The block that comes after the handler has helped is new's like any other, also to who compares kinds.
void what_new_gives_after_its_handler_made_room_can_be_deleted() {
    if (!memory_is_measurable()) return; // an emulator needs memory, too
    getrlimit(RLIMIT_DATA, &data);
    for (int form = 0; form < 4; form++) {
        const std::size_t n =
            hidden(std::size_t{64} << (20 + form)); // more than is at hand from the one before
        rlimit low = {std::size_t{1} << 20, data.rlim_max};
        handler_calls = 0;
        std::set_new_handler(makes_room);
        CHECK(setrlimit(RLIMIT_DATA, &low) == 0);
        switch (form) {
            case 0: ::operator delete(keep(::operator new(n)), n); break;
            case 1: ::operator delete[](keep(::operator new[](n))); break;
            case 2:
                ::operator delete (keep(::operator new (n, std::align_val_t{64})), n, std::align_val_t{64});
                break;
            default: ::operator delete[](keep(::operator new[](n, std::nothrow)), std::nothrow); break;
        }
        CHECKF(handler_calls == 1, "form %d: the handler was called %d times", form, handler_calls);
    }
}

struct alignas(128) wide {
    char at[200];
    ~wide() { at[0] = 0; }
};

struct throws_in_constructor {
    char room[5000];
    throws_in_constructor() { throw 7; }
};

void objects_arrays_and_containers() {
    for (int i = 0; i < 300; i++) {
        wide *one = keep(new wide), *many = keep(new wide[7]);
        CHECK(aligned(one, 128) && aligned(many, 128));
        delete one;
        delete[] many;
        try {
            keep(new throws_in_constructor);
            CHECK(false);
        } catch (int) {}
    }
    std::map<int, std::string> map;
    for (int i = 0; i < 20000; i++)
        map[i * 7919 % 20011] = std::string(std::size_t(i % 300), char('a' + i % 26));
    for (int i = 0; i < 20000; i += 2) map.erase(i * 7919 % 20011);
    for (const auto &pair : map)
        CHECK(pair.second.find_first_not_of(pair.second.empty() ? 'a' : pair.second[0]) == std::string::npos);
    std::vector<std::shared_ptr<std::vector<int>>> all;
    for (int i = 0; i < 500; i++) all.push_back(std::make_shared<std::vector<int>>(std::size_t(i * 10), i));
    for (int i = 0; i < 500; i++)
        for (int value : *all[std::size_t(i)]) CHECK(value == i);
}

void new_and_malloc_are_one_heap() {
    if (!heap_is_freehold() || heap_is_checked()) return; // there it is a mistake
    // Not what C++ allows its programs, but what the drop-in promises: one block is as good as another.
    for (std::size_t size = 1; size < 50000; size = size * 2 + 1) {
        void *p = keep(::operator new(size));
        p = keep(std::realloc(p, size * 2));
        CHECK(p);
        fh_free(p);
    }
}

// ---- thread_local objects: destroyed after the thread's function, and they use the heap then

struct last_words {
    std::string text;
    std::vector<int> *numbers = new std::vector<int>(100, 3);
    ~last_words() {
        text += std::string(3000, 'y');
        std::vector<std::string> more(50, text);
        CHECK(more.back().size() == text.size());
        delete numbers;
        void *p = keep(::operator new(60000));
        ::operator delete(p);
    }
};

thread_local last_words words;

void thread_local_destructors_use_the_heap() {
    for (int i = 0; i < 100; i++) {
        std::vector<std::thread> threads;
        for (int k = 0; k < 4; k++)
            threads.emplace_back([k] { words.text = std::string(std::size_t(k * 1000), 'x'); });
        for (auto &t : threads) t.join();
    }
    words.text = "main"; // and for the first thread, at exit
}

// ---- static objects: made before main, destroyed after it

struct early {
    std::map<std::string, std::string> map;
    early() {
        for (int i = 0; i < 100; i++) map[std::to_string(i)] = std::string(std::size_t(i * 50), 'e');
    }
    ~early() {
        for (int i = 0; i < 100; i++) CHECK(map[std::to_string(i)].size() == std::size_t(i * 50));
        map["late"] = std::string(100000, 'l');
    }
};

__attribute__((init_priority(101))) early first;
early second;

} // namespace

int main() {
    heap_is_freehold();
    every_form_of_new_and_delete();
    new_of_nothing_gives_distinct_blocks();
    failure_throws_or_gives_null();
    the_new_handler_is_called_until_it_gives_up();
    what_new_gives_after_its_handler_made_room_can_be_deleted();
    objects_arrays_and_containers();
    new_and_malloc_are_one_heap();
    thread_local_destructors_use_the_heap();
    CHECK(first.map.size() == 100 && second.map.size() == 100);
    return 0;
}
