/* gdb_subject.c - owners for gdb.py to look at, where main calls stop_here. */
#include <freehold/names.h>

TYPE(Node);
struct Node {
    Box(Node) next;
    Str name;
    int id;
};
DROP(Node, (Box(Node), next), (Str, name))
MAP(Str, int)

void stop_here(void);
__attribute__((noinline)) void stop_here(void) { __asm__ volatile(""); }

int main(void) {
    own(Box(Node)) n = box(Node, .name = str_from("first"), .id = 1);
    n->next = box(Node, .id = 2);
    own(Vec(Str)) names = vec_of(Str, str_from("a"), str_from("b"));
    own(Rc(Node)) shared = rc(Node, .id = 3);
    own(Rc(Node)) again = rc_clone(shared);
    own(Weak(Node)) weak = rc_downgrade(Node, shared);
    own(Map(Str, int)) counts = {0};
    *map_entry(&counts, view("to")) = 2;
    own(Option(int)) o = some(int, 5);
    RefCell(int) cell = refcell(int, 7);
    own(RefMut(int)) borrowed = borrow_mut(&cell);
    StrView part = view("part of it");
    own(Str) moved = str_from("x");
    own(Str) t = move(moved);
    own(Vec(int)) numbers = vec_of(int, 1, 2, 3);
    Slice(int) some_numbers = slice(&numbers, 1, 3);
    stop_here();
    return part.len + some_numbers.len == 0 || again == NULL;
}
