/* moves.c - owners that were moved from: which variables are empty because of a move, and must not be used
 * before they are set.
 *
 * Programs built with -DFH_CHECKED tell each move (address, size and name of the owner, frame, place), each
 * scope that declares an owner, and each drop. Per thread:
 *
 *     scopes   a stack of the scopes that are open: frame address, function, size of the owner
 *     moves    owners moved from and, as far as known, not set since
 *
 * An address on the stack is used again and again by other variables, by the same one of a loop's next turn
 * even, and a new one may begin as empty as the moved one ended. Only what is surely the same variable is ever
 * reported:
 *
 *     declared by own()    surely, until it is dropped as its scope ends, which the glue of its type tells. Where
 *                          X_drop was written by hand, nothing tells: there, until an own() of its size ends that
 *                          was open at the move
 *     a parameter          surely, where it stands above the frame; until the function's last scope closes
 *     any other local      never: nothing tells its end. Its note only explains a fault that happens anyway
 *
 * A move is noted only inside a function that has a scope open, and holds while what that function's outermost
 * scope has left on the stack stands there: longjmp leaves functions without a word, and the next one called
 * may have its variables in the same places. A moved-from owner that is no longer all zero
 * was set again; its note goes. An owner in the heap (a field) is not noted: taking a field out and looking at
 * it later is what `take` is for, and moves out of fields are checked by the compiler's const alone.
 */
#include "own/checked.h"

#include <string.h>

enum { SCOPES = 512, MOVES = 256, FAR = 1 << 20 };

struct open_scope {
    struct fh_scope scope;
    const struct fh_scope *at;
    bool told; /* that its owner is dropped */
};

struct move {
    const void *owner;
    size_t size;
    const void *frame;
    const struct fh_site *site;
    struct fh_where born;        /* of what it held */
    size_t depth;                /* how many scopes were open */
    bool sure;                   /* that its end will be told */
    struct open_scope outermost; /* of its function */
};

/* Both arrays are made when checked mode first needs them: static TLS is scarce where the library is dlopened.
 * */
static __thread struct open_scope *scopes;
static __thread size_t scope_count; /* may rise above SCOPES: then the rest is not noted */
static __thread struct move *moves;
static __thread size_t move_count;

static bool all_zero(const void *p, size_t size) {
    const unsigned char *bytes = p;
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0) return false;
    return true;
}

static void forget_move(size_t i) { moves[i] = moves[--move_count]; }

/* Scopes that longjmp left open stand below the frame that is entered now. */
static void drop_stale_scopes(const void *frame) {
    while (scope_count > 0 && scope_count <= SCOPES &&
           (uintptr_t)scopes[scope_count - 1].scope.frame < (uintptr_t)frame)
        scope_count--;
}

struct fh_scope fh_scope_enter(struct fh_scope *at, const void *frame, const struct fh_site *site,
                               size_t size) {
    static __thread size_t number;
    struct fh_scope scope = {frame, site, size, ++number};
    if (!fh_checked_on()) return scope;
    if (scopes == NULL) scopes = fh_calloc(SCOPES, sizeof *scopes);
    if (scopes == NULL) return scope;
    drop_stale_scopes(frame);
    if (scope_count < SCOPES) scopes[scope_count] = (struct open_scope){.scope = scope, .at = at};
    scope_count++;
    fh_here = site;
    return scope;
}

struct fh_where fh_where_dropped(uintptr_t pc) {
    if (fh_dropping || scope_count == 0 || scope_count > SCOPES)
        return (struct fh_where){.site = fh_dropping, .pc = pc};
    return (struct fh_where){.site = scopes[scope_count - 1].scope.site, .pc = pc, .scope_end = true};
}

static bool same_function(const struct fh_scope *a, const void *frame, const struct fh_site *site) {
    return a->frame == frame && strcmp(a->site->function, site->function) == 0;
}

static struct move *find(const void *owner) {
    for (size_t i = move_count; i-- > 0;)
        if (moves[i].owner == owner) return &moves[i];
    return NULL;
}

/* Whether the variable at hand is the one that was moved from. */
static bool is_the_same(const struct move *move) {
    return move->sure && memcmp(move->outermost.at, &move->outermost.scope, sizeof(struct fh_scope)) == 0;
}

static const struct open_scope *outermost_of(const void *frame, const struct fh_site *site) {
    size_t i = scope_count - 1;
    while (i > 0 && same_function(&scopes[i - 1].scope, frame, site)) i--;
    return &scopes[i];
}

/* ---- the ends of variables ---- */

static struct open_scope *innermost(void) {
    return scope_count > 0 && scope_count <= SCOPES ? &scopes[scope_count - 1] : NULL;
}

/* Below the frame's address stand a function's own locals, and those of what it calls. */
static bool is_local(const void *owner, const void *frame) { return (uintptr_t)frame - (uintptr_t)owner < FAR; }

void fh_note_gone(const void *owner, size_t size) {
    struct open_scope *open;
    if (!fh_checked_on() || fh_dropping || (open = innermost()) == NULL) return;
    if (!is_local(owner, open->scope.frame)) return;
    if (size == open->scope.size) open->told = true;
    struct move *known = find(owner);
    if (known) forget_move((size_t)(known - moves));
}

/* Of what the innermost scope declared, when no glue has told of its drop: the variables that it may be. */
static void forget_candidates(const struct open_scope *open) {
    for (size_t i = move_count; i-- > 0;)
        if (moves[i].depth >= scope_count && moves[i].size == open->scope.size) forget_move(i);
}

static void forget_all_of(const struct fh_scope *scope) {
    for (size_t i = move_count; i-- > 0;)
        if (moves[i].frame == scope->frame && strcmp(moves[i].site->function, scope->site->function) == 0)
            forget_move(i);
}

void fh_scope_leave(struct fh_scope *scope) {
    if (!fh_checked_on() || scope_count == 0) return;
    const struct open_scope *open = innermost();
    if (open && !open->told) forget_candidates(open);
    scope_count--;
    open = innermost();
    if (open == NULL || !same_function(&open->scope, scope->frame, scope->site)) forget_all_of(scope);
}

/* ---- moves and uses ---- */

static _Noreturn void stop_moved(const struct move *move, const struct fh_site *site, const char *what) {
    fh_report_begin("E0382", "use of moved value: `%s`", move->site->text);
    fh_report_line(what, (struct fh_where){.site = site});
    fh_report_line("moved here", (struct fh_where){.site = move->site});
    fh_report_line("created here", move->born);
    fh_report_note(
        "a moved-from owner is empty; set() it before it is used again, or clone() instead of move()");
    fh_report_end();
}

static struct fh_where born_of(const void *owner) {
    uintptr_t block;
    memcpy(&block, owner, sizeof block);
    return fh_born(block);
}

void fh_note_move(const void *owner, size_t size, const void *frame, const struct fh_site *site, bool by_own) {
    if (!fh_checked_on()) return;
    struct move *known = find(owner);
    bool empty = all_zero(owner, size);
    if (known && empty && is_the_same(known)) stop_moved(known, site, "moved again here");
    if (known) forget_move((size_t)(known - moves));
    const struct open_scope *open = innermost();
    if (empty || open == NULL || !same_function(&open->scope, frame, site)) return;
    uintptr_t distance = (uintptr_t)owner - (uintptr_t)frame + 65536;
    if (distance > 2 * 65536) return; /* not a local of this function */
    if (moves == NULL) moves = fh_calloc(MOVES, sizeof *moves);
    if (moves == NULL) return;
    if (move_count == MOVES) forget_move(0);
    moves[move_count++] = (struct move){.owner = owner,
                                        .size = size,
                                        .frame = frame,
                                        .site = site,
                                        .born = size >= sizeof(void *) ? born_of(owner) : (struct fh_where){0},
                                        .depth = scope_count,
                                        .sure = by_own || !is_local(owner, frame),
                                        .outermost = *outermost_of(frame, site)};
}

void fh_note_use(const void *owner, size_t size, const struct fh_site *site) {
    if (move_count == 0) return;
    struct move *known = find(owner);
    if (known == NULL) return;
    if (size == known->size && all_zero(owner, size) && is_the_same(known))
        stop_moved(known, site, "used here");
    forget_move((size_t)(known - moves));
}

void fh_note_set(const void *owner) {
    struct move *known = find(owner);
    if (known) forget_move((size_t)(known - moves));
}

void fh_note_empty(const char *name, const void *frame, const struct fh_site *site) {
    for (size_t i = move_count; i-- > 0;)
        if (moves[i].frame == frame && strcmp(moves[i].site->text, name) == 0 &&
            all_zero(moves[i].owner, moves[i].size) && is_the_same(&moves[i]))
            stop_moved(&moves[i], site, "used here");
}

void fh_note_changed(const struct fh_site *loop) {
    if (!fh_checked_on()) return;
    fh_report_begin("E0502", "changed while a loop walks it: %s", loop->text);
    if (fh_here && fh_here != loop) fh_report_line("changed here", (struct fh_where){.site = fh_here});
    fh_report_line("walked here", (struct fh_where){.site = loop});
    fh_report_note("the loop goes on with elements that may have moved or gone; change it after the loop");
    fh_report_end();
}

const char *fh_moved_name(void) {
    for (size_t i = move_count; i-- > 0;)
        if (all_zero(moves[i].owner, moves[i].size)) return moves[i].site->text;
    return NULL;
}

/* For a fault at a small address: which owners of this thread are empty because they were moved from. */
void fh_moves_explain(void) {
    for (size_t i = move_count; i-- > 0;) {
        if (!all_zero(moves[i].owner, moves[i].size)) continue;
        fh_report_line("moved here, and empty since", (struct fh_where){.site = moves[i].site});
        fh_report_line("created here", moves[i].born);
    }
}
