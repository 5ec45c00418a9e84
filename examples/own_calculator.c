/* own_calculator.c - reads expressions, keeps the last few parsed ones, and evaluates them.
 *
 *     own_calculator             calculates what stands below
 *     own_calculator TEXT...     calculates each TEXT; x is 3 and y is 4
 *
 * What owns what:
 *
 *     Expr      a tagged union: the tree below it, by Box and Vec(Box(Expr))
 *     Cache     a Map of Rc(Entry) by text, and the same entries in a list by age: each owns the next older one,
 *               and knows the next newer one by a Weak, since two owners in a circle would never be freed
 *     Scope     the variables, in an Rc(RefCell()): whoever evaluates borrows it for as long as it looks
 *
 * Errors are values: a Result carries an errno, the parser's complaint is a Str. */
#include <freehold/names.h>

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* ---- expressions ---- */
enum expr_kind { EXPR_NONE, EXPR_NUMBER, EXPR_NAME, EXPR_BINARY, EXPR_CALL };
TYPE(Expr);
struct Expr {
    enum expr_kind kind;
    union {
        double number;
        Str name;
        struct {
            char op;
            Box(Expr) left, right;
        } binary;
        struct {
            Str function;
            Vec(Box(Expr)) arguments;
        } call;
    };
};
DROP_ENUM(Expr, kind, (EXPR_NAME, Str, name), (EXPR_BINARY, Box(Expr), binary.left),
          (EXPR_BINARY, Box(Expr), binary.right), (EXPR_CALL, Str, call.function),
          (EXPR_CALL, Vec(Box(Expr)), call.arguments))

typedef struct {
    StrView rest;
    Str error; /* empty: none */
} Parser;
static void Parser_drop(Parser *p) { drop(Str, &p->error); }

static void skip(Parser *p) {
    while (p->rest.len && isspace((unsigned char)*p->rest.ptr)) p->rest.ptr++, p->rest.len--;
}
static char peek(Parser *p) {
    skip(p);
    return p->rest.len ? *p->rest.ptr : 0;
}
static bool eat(Parser *p, char c) {
    if (peek(p) != c) return false;
    p->rest.ptr++, p->rest.len--;
    return true;
}
static Box(Expr) sum(Parser *p);

static StrView word(Parser *p) {
    StrView w = {p->rest.ptr, 0};
    while (w.len < p->rest.len && (isalnum((unsigned char)w.ptr[w.len]) || w.ptr[w.len] == '.')) w.len++;
    p->rest.ptr += w.len, p->rest.len -= w.len;
    return w;
}

static Box(Expr) name_or_call(Parser *p) {
    own(Str) name = str_from_view(word(p));
    if (!eat(p, '(')) return box(Expr, .kind = EXPR_NAME, .name = move(name));
    own(Box(Expr)) call = box(Expr, .kind = EXPR_CALL);
    call->call.function = move(name);
    while (peek(p) != ')') {
        own(Box(Expr)) argument = sum(p);
        if (argument == NULL) return NULL;
        vec_push(&call->call.arguments, move(argument));
        if (!eat(p, ',')) break;
    }
    if (!eat(p, ')')) {
        str_push(&p->error, "expected )");
        return NULL;
    }
    return move(call);
}

static Box(Expr) number(Parser *p) {
    double value;
    StrView text = word(p);
    if (!view_to_double(text, &value)) {
        str_format(&p->error, "no number: %.*s", FH_PRINT(text));
        return NULL;
    }
    return box(Expr, .kind = EXPR_NUMBER, .number = value);
}

static Box(Expr) atom(Parser *p) {
    char c = peek(p);
    if (eat(p, '(')) {
        own(Box(Expr)) e = sum(p);
        if (e && !eat(p, ')')) {
            str_format(&p->error, "expected ) before \"%.*s\"", FH_PRINT(p->rest));
            return NULL;
        }
        return move(e);
    }
    if (isdigit((unsigned char)c)) return number(p);
    if (isalpha((unsigned char)c)) return name_or_call(p);
    if (c) str_format(&p->error, "unexpected '%c'", c);
    else str_push(&p->error, "unexpected end");
    return NULL;
}

static Box(Expr) product(Parser *p) {
    own(Box(Expr)) left = atom(p);
    while (left && (peek(p) == '*' || peek(p) == '/')) {
        char op = *p->rest.ptr;
        eat(p, op);
        own(Box(Expr)) right = atom(p);
        if (right == NULL) return NULL;
        left = box(Expr, .kind = EXPR_BINARY, .binary = {op, move(left), move(right)});
    }
    return move(left);
}
static Box(Expr) sum(Parser *p) {
    own(Box(Expr)) left = product(p);
    while (left && (peek(p) == '+' || peek(p) == '-')) {
        char op = *p->rest.ptr;
        eat(p, op);
        own(Box(Expr)) right = product(p);
        if (right == NULL) return NULL;
        left = box(Expr, .kind = EXPR_BINARY, .binary = {op, move(left), move(right)});
    }
    return move(left);
}

MAP(Str, double)

TYPE(Scope);
struct Scope {
    Map(Str, double) values;
    unsigned lookups;
};
DROP(Scope, (Map(Str, double), values))

static Result(double) eval(const Expr *e, Rc(RefCell(Scope)) scope);

static Result(double) look_up(const Str *name, Rc(RefCell(Scope)) scope) {
    own(RefMut(Scope)) s = borrow_mut(scope);
    s.ptr->lookups++;
    double *found = map_get(&s.ptr->values, str_as_view(name));
    return found ? ok(double, *found) : err(double, ENOENT);
}

static Result(double) eval_binary(const Expr *e, Rc(RefCell(Scope)) scope) {
    Result(double) left = eval(e->binary.left, scope);
    if (left.error) return left;
    Result(double) right = eval(e->binary.right, scope);
    if (right.error) return right;
    switch (e->binary.op) {
        case '+': return ok(double, left.value + right.value);
        case '-': return ok(double, left.value - right.value);
        case '*': return ok(double, left.value *right.value);
        default: return right.value == 0 ? err(double, EDOM) : ok(double, left.value / right.value);
    }
}

static Result(double) eval_call(const Expr *e, Rc(RefCell(Scope)) scope) {
    own(Vec(double)) values = {0};
    vec_each(argument, &e->call.arguments) {
        Result(double) value = eval(*argument, scope);
        if (value.error) return value;
        vec_push(&values, value.value);
    }
    if (str_is(&e->call.function, "square") && values.len == 1)
        return ok(double, values.ptr[0] * values.ptr[0]);
    if (str_is(&e->call.function, "max") && values.len > 0) {
        double most = values.ptr[0];
        vec_each(v, &values) if (*v > most) most = *v;
        return ok(double, most);
    }
    return err(double, ENOSYS);
}

static Result(double) eval(const Expr *e, Rc(RefCell(Scope)) scope) {
    switch (e->kind) {
        case EXPR_NUMBER: return ok(double, e->number);
        case EXPR_NAME: return look_up(&e->name, scope);
        case EXPR_BINARY: return eval_binary(e, scope);
        case EXPR_CALL: return eval_call(e, scope);
        case EXPR_NONE: break;
    }
    return err(double, EINVAL);
}

/* ---- the cache ---- */
TYPE(Entry);
struct Entry {
    Str key;
    Box(Expr) value;
    Rc(Entry) older;
    Weak(Entry) newer;
};
DROP(Entry, (Str, key), (Box(Expr), value), (Rc(Entry), older), (Weak(Entry), newer))
MAP(Str, Rc(Entry))

TYPE(Cache);
struct Cache {
    Map(Str, Rc(Entry)) entries;
    Rc(Entry) newest;
    Weak(Entry) oldest;
    size_t most;
    unsigned hits, misses;
};
DROP(Cache, (Map(Str, Rc(Entry)), entries), (Rc(Entry), newest), (Weak(Entry), oldest))

static void unlink_entry(Cache *c, Entry *e) {
    own(Rc(Entry)) newer = weak_upgrade(e->newer);
    own(Rc(Entry)) older = take(e->older);
    if (older) set(Weak(Entry), &older->newer, newer ? rc_downgrade(Entry, newer) : (Weak(Entry)){0});
    else set(Weak(Entry), &c->oldest, newer ? rc_downgrade(Entry, newer) : (Weak(Entry)){0});
    if (newer) set(Rc(Entry), &newer->older, move(older));
    else set(Rc(Entry), &c->newest, move(older));
    drop(Weak(Entry), &e->newer);
}
static void to_front(Cache *c, Rc(Entry) e) { /* lends */
    if (c->newest) set(Weak(Entry), &c->newest->newer, rc_downgrade(Entry, e));
    else set(Weak(Entry), &c->oldest, rc_downgrade(Entry, e));
    e->older = take(c->newest);
    c->newest = rc_clone(e);
}
static void make_room(Cache *c) {
    if (c->entries.len < c->most) return;
    own(Rc(Entry)) last = weak_upgrade(c->oldest);
    unlink_entry(c, last);
    map_delete(Map(Str, Rc(Entry)), &c->entries, str_as_view(&last->key));
}

/* The expression is the cache's: good until the next call. NULL: see *error. */
static const Expr *cached(Cache *c, StrView text, Str *error) {
    Rc(Entry) *found = map_get(&c->entries, text);
    if (found) {
        own(Rc(Entry)) e = rc_clone(*found);
        c->hits++;
        unlink_entry(c, e);
        to_front(c, e);
        return e->value;
    }
    c->misses++;
    own(Parser) p = {.rest = text};
    own(Box(Expr)) parsed = sum(&p);
    if (parsed == NULL || peek(&p)) {
        set(Str, error, p.error.len ? move(p.error) : str_from("something follows"));
        return NULL;
    }
    make_room(c);
    own(Rc(Entry)) e = rc(Entry, .key = str_from_view(text), .value = move(parsed));
    to_front(c, e);
    *map_entry(&c->entries, text) = rc_clone(e);
    return e->value;
}

static void calculate(Cache *cache, Rc(RefCell(Scope)) scope, const char *text) {
    own(Str) error = {0};
    const Expr *e = cached(cache, view_of(text), &error);
    if (e == NULL) {
        printf("%s: %s\n", text, str_c(&error));
        return;
    }
    Result(double) r = eval(e, scope);
    if (r.error) printf("%s: %s\n", text, strerror(r.error));
    else printf("%s = %g\n", text, r.value);
}

int main(int argc, char **argv) {
    own(Rc(RefCell(Scope))) scope = rc_of(RefCell(Scope), refcell(Scope, .lookups = 0));
    {
        own(RefMut(Scope)) s = borrow_mut(scope);
        *map_entry(&s.ptr->values, view("x")) = 3;
        *map_entry(&s.ptr->values, view("y")) = 4;
    }
    own(Cache) cache = {.most = 3};
    static const char *const texts[] = {"x*x + y*y", "square(x + y)", "max(1, x, y) / 2", "x*x + y*y", "1 +",
                                        "z",         "x*x + y*y",     "2*(3+4)",          "1/0",       "(1"};
    for (int i = 1; i < argc; i++) calculate(&cache, scope, argv[i]);
    for (size_t i = 0; argc == 1 && i < sizeof texts / sizeof *texts; i++) calculate(&cache, scope, texts[i]);
    own(Ref(Scope)) look = borrow(scope);
    printf("%u found in the cache, %u parsed; %u variables looked up; %zu expressions kept\n", cache.hits,
           cache.misses, look.ptr->lookups, cache.entries.len);
    return 0;
}
