// misuse_cxx.cpp - wrong uses of new and delete, chosen by name: as misuse.c.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <sys/resource.h>

namespace {

void *hide(void *p) {
    __asm__ volatile("" : "+r"(p) : : "memory");
    return p;
}

struct small_type {
    long a;
};
struct large_type {
    long a[40];
};
struct alignas(64) aligned_type {
    char bytes[64];
};

void new_then_free() { free(hide(new small_type)); }
void malloc_then_delete() { delete static_cast<small_type *>(hide(malloc(sizeof(small_type)))); }
void new_then_delete_array() { ::operator delete[](hide(::operator new(40))); }
void new_array_then_delete() { ::operator delete(hide(::operator new[](40))); }
void new_array_then_free() { free(hide(new char[40])); }
rlimit data;
void makes_room() { setrlimit(RLIMIT_DATA, &data); }
void new_after_handler_then_free() {
    getrlimit(RLIMIT_DATA, &data);
    rlimit low = {std::size_t{1} << 20, data.rlim_max};
    std::set_new_handler(makes_room);
    setrlimit(RLIMIT_DATA, &low);
    free(hide(::operator new (std::size_t{64} << 20)));
}
void sized_delete_wrong() { delete static_cast<small_type *>(hide(new large_type)); }
void aligned_new_then_delete() { ::operator delete(hide(::operator new(64, std::align_val_t(64)))); }
void delete_wrong_alignment() {
    ::operator delete(hide(::operator new(64, std::align_val_t(64))), std::align_val_t(128));
}
void double_delete() {
    auto *p = new large_type;
    void *q = hide(p);
    delete static_cast<large_type *>(q);
    delete static_cast<large_type *>(hide(q));
}
struct with_destructor { // new[] keeps their number in front of them
    long a = 1;
    ~with_destructor() { a = 0; }
};
struct base {
    long a = 1;
};
struct derived : base {
    long more[9] = {};
};
void cookie_then_delete() { delete static_cast<with_destructor *>(hide(new with_destructor[3])); }
void cookie_then_free() { free(hide(new with_destructor[3])); }
void delete_through_base() { delete static_cast<base *>(hide(new derived)); }
void double_delete_array() {
    void *p = hide(new int[10]);
    delete[] static_cast<int *>(p);
    delete[] static_cast<int *>(hide(p));
}
void malloc_then_delete_array() { delete[] static_cast<char *>(hide(malloc(40))); }
void strdup_then_delete() { delete static_cast<char *>(hide(strdup("text"))); }
void new_then_realloc() { free(hide(realloc(hide(new large_type), 1000))); }
void delete_interior() { delete static_cast<long *>(hide(static_cast<long *>(hide(new large_type)) + 2)); }
void delete_stack() {
    small_type local{};
    delete static_cast<small_type *>(hide(&local));
}
void new_overflow() {
    auto *p = static_cast<char *>(hide(new char[13]));
    p[13] = 0;
    delete[] static_cast<char *>(hide(p));
}
void write_after_delete() {
    auto *p = static_cast<volatile long *>(hide(new large_type));
    delete static_cast<large_type *>(hide(const_cast<long *>(p)));
    p[3] = 1;
}
void new_array_too_long() {
    volatile size_t n = SIZE_MAX / 4;
    try {
        hide(new large_type[n]);
    } catch (const std::bad_alloc &) {
        return;
    }
    exit(3);
}
void all_right() {
    delete static_cast<aligned_type *>(hide(new aligned_type));
    delete[] static_cast<aligned_type *>(hide(new aligned_type[3]));
    delete static_cast<large_type *>(hide(new large_type));
    delete[] static_cast<large_type *>(hide(new large_type[3]));
    ::operator delete(hide(::operator new(10, std::nothrow)), std::nothrow);
    free(hide(malloc(10)));
}

const struct {
    const char *name;
    void (*run)();
} cases[] = {
    {"new_then_free", new_then_free},
    {"malloc_then_delete", malloc_then_delete},
    {"new_then_delete_array", new_then_delete_array},
    {"new_array_then_delete", new_array_then_delete},
    {"new_array_then_free", new_array_then_free},
    {"new_after_handler_then_free", new_after_handler_then_free},
    {"sized_delete_wrong", sized_delete_wrong},
    {"aligned_new_then_delete", aligned_new_then_delete},
    {"delete_wrong_alignment", delete_wrong_alignment},
    {"double_delete", double_delete},
    {"cookie_then_delete", cookie_then_delete},
    {"cookie_then_free", cookie_then_free},
    {"delete_through_base", delete_through_base},
    {"double_delete_array", double_delete_array},
    {"malloc_then_delete_array", malloc_then_delete_array},
    {"strdup_then_delete", strdup_then_delete},
    {"new_then_realloc", new_then_realloc},
    {"delete_interior", delete_interior},
    {"delete_stack", delete_stack},
    {"new_overflow", new_overflow},
    {"write_after_delete", write_after_delete},
    {"new_array_too_long", new_array_too_long},
    {"all_right", all_right},
};

} // namespace

int main(int argc, char **argv) {
    for (const auto &one : cases) {
        if (argc > 1 && strcmp(argv[1], "--list") == 0) puts(one.name);
        if (argc < 2 || strcmp(argv[1], one.name) != 0) continue;
        one.run();
        puts("survived");
    }
}
