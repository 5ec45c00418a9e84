// owners.cpp - the loops of owners.c in C++17, with the standard library; see loops.h.
#include "loops.h"

#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

struct Node {
    std::unique_ptr<Node> next;
    uint64_t value;
    Node(std::unique_ptr<Node> n, uint64_t v) : next(std::move(n)), value(v) {}
    ~Node() { // the destructor that the compiler makes recurses until the stack ends
        for (auto n = std::move(next); n;) n = std::move(n->next);
    }
};

static uint64_t box_pair() {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < PAIRS; i++) {
        auto b = std::make_unique<uint64_t>(i);
        keep(b.get());
        sum += *b;
    }
    return sum;
}

static uint64_t box_bulk() {
    uint64_t sum = 0;
    std::unique_ptr<uint64_t> all[BULK];
    for (uint64_t round = 0; round < PAIRS / BULK; round++) {
        for (uint64_t i = 0; i < BULK; i++) all[i] = std::make_unique<uint64_t>(i);
        keep(all);
        for (auto &b : all) {
            sum += *b;
            b.reset();
        }
    }
    return sum;
}

static uint64_t box_list() {
    uint64_t sum = 0;
    std::unique_ptr<Node> list;
    for (uint64_t i = 0; i < LIST; i++) list = std::make_unique<Node>(std::move(list), i);
    for (const Node *n = list.get(); n; n = n->next.get()) sum += n->value;
    return sum;
}

static uint64_t shared_pair() {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < PAIRS; i++) {
        auto r = std::make_shared<uint64_t>(i);
        keep(r.get());
        sum += *r;
    }
    return sum;
}

static uint64_t shared_share() {
    uint64_t sum = 0;
    auto first = std::make_shared<uint64_t>(1);
    for (uint64_t i = 0; i < PAIRS; i++) {
        auto r = first;
        keep(r.get());
        sum += *r;
    }
    return sum;
}

// The same in a process of two threads.
static uint64_t shared_threads() {
    static bool begun;
    if (!begun) std::thread([] { std::this_thread::sleep_for(std::chrono::hours(1)); }).detach();
    begun = true;
    return shared_share();
}

static uint64_t vec_push_loop() {
    std::vector<uint64_t> v;
    for (uint64_t i = 0; i < PUSHES; i++) v.push_back(i);
    keep(v.data());
    return v.size() + v[PUSHES / 2];
}

static uint64_t vec_short() {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < PUSHES / 8; i++) {
        std::vector<uint64_t> v;
        for (uint64_t j = 0; j < 8; j++) v.push_back(i + j);
        keep(v.data());
        sum += v[3];
    }
    return sum;
}

static uint64_t str_push_loop() {
    std::string s;
    for (uint64_t i = 0; i < PUSHES; i++) s.append("hello, ");
    keep(s.data());
    return s.size();
}

static uint64_t str_short() {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < PUSHES; i++) {
        std::string s("a short text");
        keep(s.data());
        sum += s.size();
    }
    return sum;
}

static uint64_t map_insert_loop() {
    std::unordered_map<uint64_t, uint64_t> m;
    random_state = 1;
    for (uint64_t i = 0; i < KEYS; i++) m[next_random()] = i;
    keep(&m);
    return m.size();
}

static uint64_t map_lookup_loop() {
    static std::unordered_map<uint64_t, uint64_t> m;
    random_state = 1;
    if (m.empty())
        for (uint64_t i = 0; i < KEYS; i++) m[next_random()] = i;
    uint64_t sum = 0;
    random_state = 1;
    for (uint64_t i = 0; i < KEYS; i++) sum += m.find(next_random())->second;
    return sum;
}

static std::vector<std::string> words;
static std::unordered_map<std::string, uint64_t> count() {
    std::unordered_map<std::string, uint64_t> m;
    for (auto &w : words) ++m[w];
    return m;
}

static uint64_t map_words_lookup() {
    static auto m = count();
    uint64_t sum = 0;
    for (auto &w : words) sum += m.find(w)->second;
    return sum;
}

static const struct loop loops[] = {
    {"box", box_pair, PAIRS},
    {"box-bulk", box_bulk, PAIRS},
    {"box-list", box_list, LIST},
    {"rc", shared_pair, PAIRS},
    {"rc-clone", shared_share, PAIRS},
    {"arc", shared_pair, PAIRS},
    {"arc-clone", shared_share, PAIRS},
    {"vec-push", vec_push_loop, PUSHES},
    {"vec-short", vec_short, PUSHES / 8},
    {"str-push", str_push_loop, PUSHES},
    {"str-short", str_short, PUSHES},
    {"map-insert", map_insert_loop, KEYS},
    {"map-get", map_lookup_loop, KEYS},
    {"words-count", [] { return (uint64_t)count().size(); }, KEYS},
    {"words-get", map_words_lookup, KEYS},
    {"arc-threads", shared_threads, PAIRS},
};

int main(int argc, char **argv) {
    random_state = 7;
    for (uint64_t i = 0; i < KEYS; i++) words.push_back("w" + std::to_string(next_random() % (KEYS / 4)));
    return time_loops(loops, sizeof loops / sizeof *loops, argc, argv);
}
