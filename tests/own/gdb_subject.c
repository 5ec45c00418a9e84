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

/* Tagged unions: without a name and with one; arms that own nothing stand in no DROP_ENUM. */
enum kind { NONE, NUMBER, TEXT, LIST };
TYPE(Value);
struct Value {
    enum kind kind;
    union {
        double number;
        Str text;
        Vec(Value) list;
    };
};
DROP_ENUM(Value, kind, (TEXT, Str, text), /* (NUMBER, no, owner) */
          (LIST, Vec(Value), list))
enum { EVENT_NONE, EVENT_KEY, EVENT_PASTE };
TYPE(Event);
struct Event {
    int type; /* no enum: the names of its cases are looked up */
    union {
        int key, x, y;
        struct {
            Str what, from;
            int at;
        } paste;
    } as;
    int time;
};
#define SHAPE_NAMED 1 /* what gdb cannot know */
TYPE(Shape);
struct Shape {
    int kind;
    union {
        Str name;
        int corners;
    };
};
DROP_ENUM(Shape, kind, (SHAPE_NAMED, Str, name))
DROP_ENUM(Event, type, (EVENT_PASTE, Str, as.paste.what), (EVENT_PASTE, Str, as.paste.from))

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
    own(Value) four = {.kind = TEXT, .text = str_from("four")};
    own(Value) values = {.kind = LIST};
    vec_push(&values.list, (Value){.kind = NUMBER, .number = 4});
    vec_push(&values.list, (Value){.kind = TEXT, .text = str_from("five")});
    own(Box(Value)) boxed = box(Value, .kind = NUMBER, .number = 1.5);
    own(Event) paste = {EVENT_PASTE, {.paste = {str_from("this"), str_from("there"), 3}}, 10};
    own(Event) key = {EVENT_KEY, {.key = 65}, 11};
    own(Shape) shape = {SHAPE_NAMED, {.name = str_from("square")}};
    stop_here();
    return part.len + some_numbers.len == 0 || again == NULL;
}
