// Much for a compiler to instantiate, and a program that shows by its output that it was compiled right.
#include <algorithm>
#include <any>
#include <array>
#include <chrono>
#include <complex>
#include <deque>
#include <forward_list>
#include <functional>
#include <future>
#include <iomanip>
#include <iostream>
#include <list>
#include <map>
#include <memory>
#include <memory_resource>
#include <mutex>
#include <numeric>
#include <optional>
#include <queue>
#include <random>
#include <regex>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>
#if __cplusplus > 201703L && !defined PLAIN
#include <concepts>
#include <ranges>
#define MODERN 1
#endif

// ---- values computed by types
template <unsigned N>
struct fib : std::integral_constant<unsigned long, fib<N - 1>::value + fib<N - 2>::value> {};
template <> struct fib<0> : std::integral_constant<unsigned long, 0> {};
template <> struct fib<1> : std::integral_constant<unsigned long, 1> {};

template <typename... Ts> struct type_list { static constexpr std::size_t size = sizeof...(Ts); };
template <typename A, typename B> struct joined;
template <typename... As, typename... Bs> struct joined<type_list<As...>, type_list<Bs...>> {
    using type = type_list<As..., Bs...>;
};
template <std::size_t N> struct numbered { std::array<char, N + 1> room; };
template <std::size_t N> struct many : joined<typename many<N - 1>::type, type_list<numbered<N>>> {};
template <> struct many<0> { using type = type_list<>; };

template <std::size_t... I> constexpr auto squares(std::index_sequence<I...>) {
    return std::array<std::size_t, sizeof...(I)>{(I * I)...};
}

// ---- expression templates
template <typename L, typename R, typename Op> struct expression {
    const L &left;
    const R &right;
    double operator[](std::size_t i) const { return Op{}(left[i], right[i]); }
};
struct column {
    std::vector<double> values;
    double operator[](std::size_t i) const { return values[i]; }
    template <typename E> column &operator=(const E &e) {
        for (std::size_t i = 0; i < values.size(); i++) values[i] = e[i];
        return *this;
    }
};
template <typename L, typename R> expression<L, R, std::plus<>> operator+(const L &l, const R &r) {
    return {l, r};
}
template <typename L, typename R> expression<L, R, std::multiplies<>> operator*(const L &l, const R &r) {
    return {l, r};
}

// ---- a visitor over a recursive variant
struct value;
using object = std::map<std::string, std::shared_ptr<value>>;
using sequence = std::vector<std::shared_ptr<value>>;
struct value {
    std::variant<std::nullptr_t, bool, double, std::string, sequence, object> held;
};
template <typename... Fs> struct overloaded : Fs... { using Fs::operator()...; };
template <typename... Fs> overloaded(Fs...) -> overloaded<Fs...>;

std::string text_of(const value &v) {
    return std::visit(overloaded{[](std::nullptr_t) -> std::string { return "null"; },
                                 [](bool b) -> std::string { return b ? "true" : "false"; },
                                 [](double d) {
                                     std::ostringstream out;
                                     out << d;
                                     return out.str();
                                 },
                                 [](const std::string &s) { return '"' + s + '"'; },
                                 [](const sequence &items) {
                                     std::string out = "[";
                                     for (const auto &item : items) out += text_of(*item) + ",";
                                     return out + "]";
                                 },
                                 [](const object &o) {
                                     std::string out = "{";
                                     for (const auto &[key, item] : o) out += key + ":" + text_of(*item) + ",";
                                     return out + "}";
                                 }},
                      v.held);
}

// ---- containers of every kind, driven by one generic function
template <typename C> std::size_t churn(unsigned seed) {
    std::mt19937 random(seed);
    C items;
    std::size_t sum = 0;
    for (int i = 0; i < 20000; i++) {
        auto key = random() % 997;
        if constexpr (std::is_same_v<typename C::value_type, std::string>) {
            if (random() % 3) items.insert(items.end(), std::string(key % 200, 'x'));
        } else {
            if (random() % 3)
                items.insert(items.end(), typename C::value_type(key, std::string(key % 200, 'y')));
        }
        if (items.size() > 2000) {
            items.erase(items.begin());
            sum += key;
        }
    }
    return sum + items.size();
}

struct alignas(64) aligned {
    double room[16];
};

int main() {
    using namespace std::string_literals;
    std::cout << fib<80>::value << ' ' << many<150>::type::size << ' '
              << squares(std::make_index_sequence<64>{})[63] << '\n';

    column a{std::vector<double>(1000, 2)}, b{std::vector<double>(1000, 3)}, c{std::vector<double>(1000)};
    c = a + b * a + b * b * a;
    std::cout << std::accumulate(c.values.begin(), c.values.end(), 0.0) << '\n';

    auto leaf = std::make_shared<value>(value{"leaf"s});
    auto tree = std::make_shared<value>(value{sequence{leaf, leaf}});
    for (int i = 0; i < 10; i++)
        tree = std::make_shared<value>(
            value{object{{"l" + std::to_string(i), tree}, {"n", std::make_shared<value>(value{1.5 * i})}}});
    std::cout << text_of(*tree) << '\n';

    std::cout << churn<std::vector<std::string>>(1) << ' ' << churn<std::list<std::string>>(2) << ' '
              << churn<std::deque<std::string>>(3) << ' ' << churn<std::set<std::string>>(4) << ' '
              << churn<std::multimap<unsigned, std::string>>(5) << ' '
              << churn<std::vector<std::pair<unsigned, std::string>>>(6) << '\n';

    std::vector<std::future<std::size_t>> futures;
    for (unsigned n = 0; n < 8; n++)
        futures.push_back(std::async(std::launch::async, [n] { return churn<std::multiset<std::string>>(n); }));
    for (auto &f : futures) std::cout << f.get() << ' ';
    std::cout << '\n';

    std::vector<std::unique_ptr<aligned>> rows;
    for (int i = 0; i < 1000; i++) rows.push_back(std::make_unique<aligned>());
    std::cout << std::all_of(rows.begin(), rows.end(), [](auto &r) {
        return reinterpret_cast<std::uintptr_t>(r.get()) % 64 == 0;
    }) << '\n';

    std::string text;
    for (int i = 0; i < 2000; i++) text += "key" + std::to_string(i) + " = " + std::to_string(i * i) + "; ";
    std::regex pair(R"((\w+)\s*=\s*(\d+)7;)");
    std::cout << std::distance(std::sregex_iterator(text.begin(), text.end(), pair), std::sregex_iterator())
              << '\n';

    std::pmr::monotonic_buffer_resource pool;
    std::pmr::unordered_map<int, std::pmr::string> map(&pool);
    for (int i = 0; i < 5000; i++) map.emplace(i, std::string(static_cast<std::size_t>(i % 50), 'z'));
    std::cout << map.size() << ' ' << map.at(4999).size() << '\n';

    int caught = 0;
    for (int i = 0; i < 2000; i++) {
        try {
            if (i % 2) throw std::runtime_error(std::string(static_cast<std::size_t>(i), '!'));
            std::vector<int>().at(static_cast<std::size_t>(i));
        } catch (const std::out_of_range &) {
            caught += 1;
        } catch (const std::exception &e) {
            caught += static_cast<int>(std::string(e.what()).size() % 10);
        }
    }
    std::cout << caught << '\n';
    try {
        std::cout << std::vector<double>(static_cast<std::size_t>(1) << 58).size() << '\n';
    } catch (const std::bad_alloc &) {
        std::cout << "bad_alloc\n";
    } catch (const std::length_error &) {
        std::cout << "length_error\n";
    }
#ifdef MODERN
    auto even = std::views::iota(1, 100000) | std::views::filter([](int i) { return i % 7 == 0; }) |
                std::views::transform([](int i) { return std::to_string(i); }) | std::views::reverse |
                std::views::take(5);
    for (const auto &s : even) std::cout << s << ' ';
    std::vector<std::string> names{"c", "a", "b"};
    std::ranges::sort(names, std::ranges::greater{});
    std::cout << names.front() << '\n';
#endif
}
