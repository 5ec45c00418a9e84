// test_cxx_names.cpp - the short names beside the standard library's: they break neither its headers, included
// before (NAMES_last) or after (NAMES_first), nor its members of the same names.
#if __cplusplus >= 202002L && (!defined(__clang__) || __clang_major__ >= 16)
#define CXX20 // Clang before 16 does not read GCC's <ranges>
#endif
#ifdef NAMES_first
#include <freehold/names.h>
#endif

#include <algorithm>
#include <bitset>
#include <cstdio>
#include <map>
#include <set>
#include <sstream>
#include <stack>
#include <string>
#include <utility>
#include <valarray>
#include <vector>
#ifdef CXX20
#include <chrono>
#include <ranges>
#include <span>
#endif

#ifdef NAMES_last
#include <freehold/names.h>
#endif

static int failures;
static void check(bool good, const char *what) {
    if (good) return;
    std::printf("failed: %s\n", what);
    failures++;
}

struct Setting {
    int value = 0;
    void set(int to) { value = to; }
    int take() { return std::exchange(value, 0); }
    void drop() { value = -1; }
    bool ok() const { return value >= 0; }
};

static void the_standard_library() {
    std::string text = "a house";
    text.replace(0, 1, "the");
    check(text == "the house", "std::string::replace");
    std::set<int> set({3, 1, 2});
    std::set<int> other = std::set<int>();
    swap(set, other);
    check(other.size() == 3, "std::set, swap");
    std::vector<int> numbers(other.begin(), other.end());
    std::replace(numbers.begin(), numbers.end(), 3, 4);
    check(numbers.back() == 4, "std::replace");
    std::bitset<4> bits;
    bits.set(1);
    check(!bits.none(), "std::bitset");
    std::stack<int> stack;
    stack.push(5);
    check(stack.top() == 5, "std::stack::push");
    std::valarray<int> values(4);
    values[std::slice(0, 2, 1)] = 7;
    check(values[1] == 7 && values[2] == 0, "std::slice");
    Setting setting;
    setting.set(4);
    check(setting.take() == 4 && setting.ok(), "members");
    setting.drop();
    check(!setting.ok(), "members");
}

#ifdef CXX20
static void ranges() {
    int sum = 0;
    for (int n : std::views::iota(0) | std::views::drop(2) | std::views::take(3)) sum += n;
    check(sum == 2 + 3 + 4, "std::views");
    std::ostringstream out;
    out << "viewed";
    check(out.view() == "viewed", "std::ostringstream::view");
    check(std::chrono::year(2000).ok(), "std::chrono");
}
#endif

static void owners() {
    own(Str) s = str_from("one");
    fh_put(Str, &s, str_from("two"));
    own(Str) t = fh_take(s);
    check(view_equal(str_as_view(&t), fh_view("two")) && s.ptr == nullptr, "fh_put, fh_take, fh_view");
    own(Str) was = fh_replace(t, str_from("three"));
    fh_drop(Str, &was);
    check(t.len == 5, "fh_replace, fh_drop");
    own(Vec(int)) v = vec_of(int, 1, 2, 3);
    check(fh_slice(&v, 1, 3).len == 2, "fh_slice");
    Option(int) nothing = fh_none(int);
    check(!nothing.some, "fh_none");
    frame {
        int *pushed = fh_push(int);
        *pushed = 3;
        check(*pushed == 3, "fh_push");
    }
}

int main() {
    the_standard_library();
#ifdef CXX20
    ranges();
#endif
    owners();
    return failures != 0;
}
