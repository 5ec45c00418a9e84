/* overflow_report.c - a stack overflow in words.
 *
 * The stack is walked once, from the fault to its end, and nothing is kept of most frames: a million of them
 * are counted by function, and compared with the frame one period before.
 *
 *     head     the first frames: enough to find the period of the recursion, and the top of the backtrace
 *     tally    functions: how often, how large at most
 *     tail     the last frames: the bottom of the backtrace
 *
 * The period p is the least for which the frames repeat: frame[i] and frame[i + p] are in the same function,
 * from a start s on. For a recursion that is not so regular (a tree of calls) the tally says which functions it
 * is made of.
 */
#include "stack/overflow.h"

#include "base/report.h"
#include "os/os.h"
#include "stack/callstack.h"

#include <string.h>

enum {
    HEAD = 512,
    TAIL = 12,
    PERIOD_MOST = 64,
    START_MOST = 48,
    FUNCTIONS = 1024,
    SHOWN_FIRST = 20,
    SHOWN_FUNCTIONS = 6,
    LOOK_AT_CLOCK_EVERY = 1 << 16,
    MOST_MS = 5000,
};

struct function {
    uintptr_t start; /* 0: empty slot */
    uint64_t count, largest, bytes;
};

struct place {
    uintptr_t pc;
    uintptr_t function;
    bool exact;
    uint64_t bytes; /* of its frame */
};

struct room {
    struct fh_os_modules modules;
    struct fh_os_unwind walk;
    uint64_t depth;
    bool cut; /* the walk was given up, it took too long */
    struct place head[HEAD], tail[TAIL];
    uintptr_t ring[PERIOD_MOST]; /* functions of the last frames */
    size_t start, period;        /* of the recursion, 0: none is regular */
    bool running;                /* it has not ended so far */
    uint64_t repeated;           /* frames in it */
    struct function functions[FUNCTIONS];
    _Alignas(64) char rows[];
};

size_t fh_report_room(void) { return sizeof(struct room) + fh_os_unwind_rows_size(); }

/* ---------------------------------------------------------------- counting ----------------------------- */

/* Functions that find no room in the table are not in the tally: a thousand others are. */
static void count(struct room *room, uintptr_t start, uint64_t bytes) {
    size_t slot = (start >> 4) * 0x9e3779b97f4a7c15u >> 54;
    for (size_t tries = 0; tries < FUNCTIONS / 2; tries++, slot = (slot + 1) % FUNCTIONS) {
        struct function *function = &room->functions[slot];
        if (function->start == 0) function->start = start;
        if (function->start != start) continue;
        function->count++;
        function->bytes += bytes;
        if (bytes > function->largest) function->largest = bytes;
        return;
    }
}

/* How many frames from `start` on are equal to the ones `period` further. */
static size_t run_length(const struct place *head, size_t n, size_t start, size_t period) {
    size_t length = 0;
    while (start + length + period < n &&
           head[start + length].function == head[start + length + period].function)
        length++;
    return length;
}

/* The least period that covers at least half of what was seen, and repeats three times at least. */
static void find_period(struct room *room, size_t n) {
    for (size_t period = 1; period <= PERIOD_MOST && 3 * period <= n; period++) {
        size_t best = 0, best_start = 0;
        for (size_t start = 0; start < START_MOST && start + 3 * period <= n; start++) {
            size_t length = run_length(room->head, n, start, period);
            if (length <= best) continue;
            best = length;
            best_start = start;
        }
        if (best < 2 * period || best + period < n / 2) continue;
        room->period = period;
        room->start = best_start;
        room->repeated = best + period;
        room->running = best_start + best + period == n;
        return;
    }
}

static void see(struct room *room, const struct place *place) {
    uint64_t i = room->depth++;
    if (i < HEAD) room->head[i] = *place;
    room->tail[i % TAIL] = *place;
    if (i == HEAD) find_period(room, HEAD);
    if (room->running) {
        room->running = place->function == room->ring[(i - room->period) % PERIOD_MOST];
        if (room->running) room->repeated++;
    }
    room->ring[i % PERIOD_MOST] = place->function;
    count(room, place->function, place->bytes);
}

static void walk(struct room *room, const struct fh_os_registers *registers) {
    struct fh_os_unwind *walk = &room->walk;
    uint64_t began = fh_os_ticks();
    bool more = true;
    fh_os_unwind_begin(walk, &room->modules, registers, room->rows);
    while (more && !room->cut) {
        struct place place = {walk->now.pc, walk->function, walk->exact, 0};
        uintptr_t sp = walk->now.r[FH_OS_SP];
        more = fh_os_unwind_next(walk);
        uintptr_t caller = walk->now.r[FH_OS_SP];
        bool other_stack = place.function == (uintptr_t)fh_os_call_on || caller < sp;
        if (more && !other_stack) place.bytes = caller - sp;
        see(room, &place);
        if (room->depth % LOOK_AT_CLOCK_EVERY == 0) room->cut = fh_os_ticks() - began > MOST_MS;
    }
    if (room->depth <= HEAD) find_period(room, (size_t)room->depth);
}

/* ---------------------------------------------------------------- words -------------------------------- */

static const char *last_part(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* "value", or "libx.so+0x1234" */
static void name_function(struct room *room, uintptr_t address, char *buf, size_t size) {
    uintptr_t offset;
    const char *name = fh_os_function_name(&room->modules, address, &offset);
    const struct fh_os_module *module = fh_os_module_of(&room->modules, address);
    if (name != NULL) {
        fh_format(buf, size, "%s", name);
    } else if (module != NULL) {
        fh_format(buf, size, "%s+%p", last_part(module->path), (void *)(address - module->bias));
    } else {
        fh_format(buf, size, "%p", (void *)address);
    }
}

/* 1234567 -> "1 234 567" */
static const char *grouped(uint64_t n, char buf[32]) {
    char *at = buf + 31;
    *at = '\0';
    unsigned digits = 0;
    do {
        if (digits > 0 && digits % 3 == 0) *--at = ' ';
        *--at = (char)('0' + n % 10);
        digits++;
        n /= 10;
    } while (n > 0);
    return at;
}

enum { NAME = 120, CYCLE_NAMES = 8, CYCLE = CYCLE_NAMES * (NAME + 4) + 24 }; /* every name fits */

static void name_cycle(struct room *room, char buf[CYCLE]) {
    char name[NAME];
    size_t at = 0, shown = room->period < CYCLE_NAMES ? room->period : CYCLE_NAMES;
    for (size_t i = 0; i < shown; i++) { /* callers first: head is innermost first */
        size_t frame = room->start + room->period - 1 - i;
        name_function(room, room->head[frame].function, name, sizeof name);
        at += fh_format(buf + at, CYCLE - at, "%s%s", i ? " -> " : "", name);
    }
    if (shown < room->period) fh_format(buf + at, CYCLE - at, " -> (%zu more)", room->period - shown);
}

/* Of the second turn: the innermost frame may have come about in part only. */
static uint64_t bytes_a_turn(const struct room *room) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < room->period; i++) bytes += room->head[room->start + room->period + i].bytes;
    return bytes;
}

/* The function with the largest frame, or that was called most often: of those that come after `after`, if it
 * is not NULL. None: one with nothing of either. */
static const struct function *next_by(const struct room *room, bool by_size, const struct function *after) {
    static const struct function none;
    const struct function *best = NULL;
    for (size_t i = 0; i < FUNCTIONS; i++) {
        const struct function *f = &room->functions[i];
        if (f->start == 0) continue;
        uint64_t value = by_size ? f->largest : f->count,
                 limit = after ? (by_size ? after->largest : after->count) : UINT64_MAX;
        if (value > limit || (value == limit && f <= after)) continue;
        uint64_t found = best ? (by_size ? best->largest : best->count) : 0;
        if (value > found || best == NULL) best = f;
    }
    return best ? best : &none;
}

static void say_who(const struct fh_fault *fault) {
    char name[16];
    bool main;
    unsigned id = fh_os_thread_id(&main);
    fh_os_thread_name(name);
    if (fault->kind == FH_FAULT_FRAME) {
        fh_print(2, "  thread       \"%s\" (%u%s)\n", name, id, main ? ", the main thread" : "");
        return;
    }
    fh_print(2, "freehold: stack overflow in thread \"%s\" (%u%s)\n", name, id,
             main ? ", the main thread" : "");
}

static void say_stack(const struct fh_fault *fault) {
    size_t size = (size_t)(fault->stack.high - fault->stack.low);
    const char *what = fault->further ? " (a further stack of fh_stack_grow)" : "";
    fh_print(2, "  stack        %H%s, %p to %p; the fault is at %p\n", size, what, (void *)fault->stack.low,
             (void *)fault->stack.high, (void *)fault->address);
    if (!fault->further) return;
    size_t all = (size_t)(fault->thread->own.high - fault->thread->own.low) + fault->thread->further;
    fh_print(2, "               with the stacks before it %H\n", all);
}

static void say_recursion(struct room *room) {
    char number[32], text[CYCLE];
    fh_print(2, "  depth        %s%s calls\n", room->cut ? "more than " : "", grouped(room->depth, number));
    if (room->period > 0) {
        name_cycle(room, text);
        fh_print(2, "  recursion    %s, ", text);
        fh_print(2, "%s times, %H each time round\n", grouped(room->repeated / room->period, number),
                 (size_t)bytes_a_turn(room));
        return;
    }
    const struct function *f = next_by(room, false, NULL);
    if (f->count < 8) return;
    fh_print(2, "  recursion    not in a regular circle; most often\n");
    for (unsigned i = 0; i < SHOWN_FUNCTIONS && f->count >= 8; i++, f = next_by(room, false, f)) {
        name_function(room, f->start, text, sizeof text);
        fh_print(2, "               %12s x  %s\n", grouped(f->count, number), text);
    }
}

static void say_largest(struct room *room) {
    char number[32], text[200];
    const struct function *f = next_by(room, true, NULL);
    if (f->largest > 0) fh_print(2, "  largest frames\n");
    for (unsigned i = 0; i < SHOWN_FUNCTIONS && f->largest > 0; i++, f = next_by(room, true, f)) {
        name_function(room, f->start, text, sizeof text);
        fh_print(2, "    %12H  %s, called %s times\n", (size_t)f->largest, text, grouped(f->count, number));
    }
}

static void say_frame(struct room *room, uint64_t number, const struct place *place) {
    uintptr_t pc = place->exact ? place->pc : place->pc - 1, offset;
    const char *name = fh_os_function_name(&room->modules, pc, &offset);
    const struct fh_os_module *module = fh_os_module_of(&room->modules, pc);
    char text[32];
    fh_print(2, "    #%-10s %p  ", grouped(number, text), (void *)place->pc);
    if (name != NULL) fh_print(2, "%s+%p  ", name, (void *)(offset + (place->exact ? 0 : 1)));
    if (module != NULL) fh_print(2, "(%s+%p)\n", module->path, (void *)(place->pc - module->bias));
    if (module == NULL) fh_print(2, "(in no file)\n");
}

static void say_backtrace(struct room *room) {
    fh_print(2, "  backtrace, innermost first\n");
    uint64_t first = room->depth < SHOWN_FIRST ? room->depth : SHOWN_FIRST;
    uint64_t two_turns = room->start + 2 * room->period;
    if (room->period > 0 && two_turns < first) first = two_turns;
    for (uint64_t i = 0; i < first; i++) say_frame(room, i, &room->head[i]);
    uint64_t rest = room->depth - first, last = rest < TAIL ? rest : TAIL,
             regular = room->start + room->repeated;
    if (room->period > 0) { /* of the bottom, what the recursion began with and one turn of it */
        uint64_t wanted = room->depth - regular + room->period;
        if (wanted < last) last = wanted;
    }
    char number[32];
    if (rest > last) fh_print(2, "    ...         %s more\n", grouped(rest - last, number));
    for (uint64_t i = room->depth - last; i < room->depth; i++) say_frame(room, i, &room->tail[i % TAIL]);
}

static void say_advice(struct room *room, const struct fh_fault *fault) {
    char text[200], number[32];
    size_t size = (size_t)(fault->stack.high - fault->stack.low);
    const struct function *largest = next_by(room, true, NULL);
    fh_print(2, "  what to do\n");
    if (room->period > 0 && room->repeated > 16) {
        name_function(room, room->head[room->start].function, text, sizeof text);
        fh_print(2, "    - Does the recursion end? Look at what should stop %s after %s calls.\n", text,
                 grouped(room->repeated, number));
        fh_print(
            2,
            "    - If it must go this deep: fh_stack_grow() in %s lets it go on as long as there is memory.\n",
            text);
    }
    if (largest->largest > size / 8) {
        name_function(room, largest->start, text, sizeof text);
        fh_print(2,
                 "    - A frame of %s takes %H of the %H. Put its arrays on the region stack (FH_FRAME, "
                 "fh_push_array) or "
                 "the heap.\n",
                 text, (size_t)largest->largest, size);
    }
    if (fault->further) {
        fh_print(2, "    - Call fh_stack_grow() more often, with a larger red zone, or with a larger size.\n");
    } else if (fault->stack.main) {
        fh_print(2, "    - A larger stack: `ulimit -s KIB` in the shell that starts the program (now %zu).\n",
                 size / 1024);
    } else {
        fh_print(
            2, "    - A larger stack: pthread_attr_setstacksize() where the thread is created (now %zu KiB).\n",
            size / 1024);
    }
}

void fh_report_overflow(const struct fh_fault *fault, void *memory) {
    struct room *room = memory;
    if (fault->kind == FH_FAULT_SIGNAL_OVERFLOW) {
        char name[16];
        bool main;
        unsigned id = fh_os_thread_id(&main);
        fh_os_thread_name(name);
        fh_say("a signal handler overflowed the alternate signal stack of thread \"%s\" (%u); the fault is at "
               "%p, below it. "
               "The thread's own stack did not overflow. Give sigaltstack() more memory, or let the handler do "
               "less.",
               name, id, (void *)fault->address);
        return;
    }
    say_who(fault);
    if (fault->kind == FH_FAULT_OVERFLOW) say_stack(fault);
    if (!fh_os_modules_read(&room->modules)) {
        fh_print(2, "  no /proc here: the calls cannot be listed. pc %p\n", (void *)fault->registers.pc);
        return;
    }
    walk(room, &fault->registers);
    if (fault->kind == FH_FAULT_OVERFLOW) {
        say_recursion(room);
        say_largest(room);
    }
    say_backtrace(room);
    if (fault->kind == FH_FAULT_OVERFLOW) say_advice(room, fault);
    fh_os_modules_close(&room->modules);
}
