// test_cxx.cpp - C++17 uses the headers: owners with cleanup, a Box in a std::unique_ptr and back, exceptions
// that pass through.
#include <memory>
#include <string>
#include <utility>

#include <freehold.h>
#include <freehold/names.h>

#include <cstdio>
#include <stdexcept>

TYPE(Person);
struct Person {
    Str name;
    int age;
};
DROP(Person, (Str, name))
CLONE(Person, (Str, name))
MAP(Str, int)

static int failures;
static void check(bool good, const char *what) {
    if (good) return;
    std::printf("failed: %s\n", what);
    failures++;
}

static Box(Person) make(const char *name, int age) {
    own(Box(Person)) p = box(Person, str_from(name), age);
    return fh_move(p);
}

static void thrower() {
    own(Vec(int)) v = vec_of(int, 1, 2, 3);
    throw std::runtime_error("through an owner");
}

static size_t live() {
    static struct fh_stats stats;
    fh_stats_now(&stats);
    return stats.live_blocks;
}

int main() {
    size_t before = live();
    {
        std::unique_ptr<Person, fh_deleter(Person)> held(make("Ada", 36));
        check(held->age == 36, "a Box in a unique_ptr");
        own(Box(Person)) back = held.release();
        own(Box(Person)) copy = clone(Box(Person), &back);
        check(str_equal(&copy->name, &back->name) && copy->name.ptr != back->name.ptr, "clone");

        own(Rc(Person)) r = rc_of(Person, unbox(copy));
        own(Rc(Person)) r2 = rc_clone(r);
        own(Weak(Person)) w = rc_downgrade(Person, r);
        check(rc_strong_count(r2) == 2 && copy == nullptr, "Rc");
        own(Arc(int)) a = arc(int, 7);
        own(Arc(int)) a2 = arc_clone(a);
        check(*a2 == 7, "Arc");

        own(Vec(Str)) names = {};
        for (int i = 0; i < 100; i++) vec_push(&names, str_of("name %d", i));
        own(Str) last = vec_pop(&names);
        check(view_equal(str_as_view(&last), fh_view("name 99")), "Vec and Str");
        own(Map(Str, int)) m = {};
        vec_each(s, &names)++ *map_entry(&m, str_as_view(s));
        check(m.len == 99 && *map_get(&m, fh_view("name 5")) == 1, "Map");
        int sum = 0;
        map_each(e, &m) sum += e->value;
        check(sum == 99, "map_each");

        RefCell(int) cell = refcell(int, 1);
        {
            own(RefMut(int)) borrowed = borrow_mut(&cell);
            *borrowed.ptr = 5;
            own(Ref(int)) refused = try_borrow(&cell);
            check(refused.ptr == nullptr, "RefCell");
        }
        own(Option(int)) o = some(int, 3);
        check(unwrap(o) == 3, "Option");
        own(Arena) arena = {};
        Person *placed = place(Person, &arena, str_from("in the arena"), 1);
        check(placed->name.len == 12, "arena");
        try {
            thrower();
        } catch (const std::runtime_error &) {}
        std::string s = "std::move still works";
        check(std::move(s).size() == 21, "std::move");
    }
    check(live() == before, "everything is freed");
    return failures != 0;
}
