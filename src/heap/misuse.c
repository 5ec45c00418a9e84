/* misuse.c - see misuse.h.
 *
 *     freehold: heap misuse: write behind a block (1 byte past its end)
 *       found by     free(0x7f..., in ./prog (pid 4711, thread 4711)
 *       block        0x7f... .. 0x7f...: 10 bytes asked for, 16 usable, in use
 *       damage       byte 10 of the block: 0x61 'a' where 0x9e stood
 *       use          main+0x2a (prog)                      <- innermost first
 *                    __libc_start_main+0x85 (libc.so.6)
 *       allocated    main+0x11 (prog)
 *       what next    ...
 *
 * The report is built line by line in a buffer and written with as few calls as possible: the stacks apart from
 * the rest, and what does not fit behind what does. For names come from the files' symbol tables, and for the
 * first frames of each stack addr2line is asked for the line, where it is installed; that uses the C library
 * and its memory, which the program may have damaged. What the reporter itself meets there is not told: the
 * first mistake is.
 */
#include "misuse.h"

#include "../base/reporter.h"
#include "../base/settings.h"
#include "../os/os.h"
#include "../os/os_backtrace.h"
#include "../os/os_own.h"
#include "../os/os_stack.h"
#include "sites.h"

#include <string.h>

enum { USE_FRAMES = 24, LINES_ASKED = 4 };

static const struct {
    const char *name, *title, *next;
} kinds[FH_MISUSE_KINDS] = {
    [FH_DOUBLE_FREE] = {"double-free", "block freed twice",
                        "Which of the two frees owns the block? Set the pointer to NULL where it was given up, "
                        "or hand it on."},
    [FH_INVALID_FREE] = {"invalid-free", "this address is no block of the heap",
                         "Only what malloc and its kin returned may be freed. Is the variable initialised?"},
    [FH_INTERIOR_FREE] = {"interior-free", "this address lies inside a block, not at its start",
                          "Keep the pointer that the allocation returned, and free that one."},
    [FH_OVERFLOW] = {"overflow", "somebody wrote behind a block",
                     "Look for a length without its last byte (strlen + 1), or a loop that goes to <= size. "
                     "FREEHOLD=mode=guard stops the program at the very write."},
    [FH_UNDERFLOW] =
        {"underflow", "somebody wrote before a block",
         "Look for an index below zero. FREEHOLD=mode=guard,guard=start stops the program at the very write."},
    [FH_WRITE_AFTER_FREE] =
        {"write-after-free", "somebody wrote into a block after it was freed",
         "Who else keeps a pointer to it? FREEHOLD=mode=guard stops the program at the very write."},
    [FH_USE_AFTER_FREE] = {"use-after-free", "this block has been freed", "Who else keeps a pointer to it?"},
    [FH_SIZE_MISMATCH] =
        {"size-mismatch", "the size said at the free is not the one asked for",
         "Is it deleted through a pointer to another type (a base class without a virtual destructor)?"},
    [FH_ALIGN_MISMATCH] = {"alignment-mismatch", "the alignment said at the free is not the one asked for",
                           "Allocate and free through the same type."},
    [FH_KIND_MISMATCH] = {"kind-mismatch", "allocated by one family of functions, freed by another",
                          "new goes with delete, new[] with delete[], malloc with free. (check_kinds=off turns "
                          "this check off.)"},
    [FH_FAULT_BEHIND] = {"access-behind", "access behind the end of a block",
                         "Look at the index or length used here."},
    [FH_FAULT_BEFORE] = {"access-before", "access before the start of a block", "Look at the index used here."},
    [FH_FAULT_FREED] = {"access-after-free", "access to a block after it was freed",
                        "Who else keeps a pointer to it?"},
    [FH_FAULT_THROUGH] = {"access-through-freed",
                          "a pointer was followed that was read from a freed block, or from a new one that "
                          "nobody has written to",
                          "Where does the pointer come from? FREEHOLD=mode=guard stops the program at the read "
                          "of a freed block."},
    [FH_FAULT_NOWHERE] =
        {"access-nowhere", "access to a part of the heap where no block is",
         "Look at the index or length used here. FREEHOLD=mode=guard stops the program nearer to its mistake."},
    [FH_FAULT_NULL] =
        {"access-null", "NULL was followed, in a thread to which memory had been refused",
         "What malloc and its kin return is NULL when there is no memory, or when the size is nonsense: "
         "look at it before it is used."},
    [FH_FAULT_ALIGNMENT] =
        {"misaligned-access", "this instruction wants a block at a multiple of 16, and in guard mode it is not",
         "Nothing is wrong with the program. FREEHOLD=mode=guard,guard_align=16 keeps all blocks "
         "at such addresses."},
};

/* ---- stacks ---- */

struct stack {
    const uintptr_t *pcs;
    unsigned count;
    bool exact; /* the first is the instruction itself */
};

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void put_frame(uintptr_t pc, bool exact, bool ask) {
    struct fh_os_code code;
    char line[300];
    fh_os_code_of(pc, exact, &code);
    if (ask && code.module) {
        fh_os_describe_code(exact ? pc + 1 : pc, line, sizeof line);
        if (strstr(line, ":")) {
            fh_reporter_put("%s", line);
            return;
        }
    }
    if (code.function)
        fh_reporter_put("%s+0x%zx (%s)", code.function, (size_t)code.offset, base_name(code.module));
    else if (code.module) fh_reporter_put("%s+0x%zx", base_name(code.module), (size_t)code.offset);
    else fh_reporter_put("0x%zx", (size_t)pc);
}

static void put_stack(const char *label, struct stack stack) {
    for (unsigned i = 0; i < stack.count; i++) {
        fh_reporter_put("  %-12s ", i == 0 ? label : "");
        put_frame(stack.pcs[i], stack.exact && i == 0, i < LINES_ASKED);
        fh_reporter_put("\n");
    }
}

static struct stack stack_at(uint32_t site) {
    struct stack stack = {0};
    stack.pcs = fh_site_stack(site, &stack.count);
    return stack;
}

static uintptr_t left_out, left_out_size;

void fh_misuse_leave_out(const void *from, const void *to) {
    left_out = (uintptr_t)from;
    left_out_size = (uintptr_t)to - (uintptr_t)from;
}

static struct stack stack_of_use(const struct fh_misuse *m, uintptr_t pcs[USE_FRAMES]) {
    struct stack stack = {.pcs = pcs, .exact = m->registers != NULL};
    stack.count = m->registers ? fh_os_backtrace_from(pcs, USE_FRAMES, m->registers)
                               : fh_os_backtrace(pcs, USE_FRAMES, m->caller);
    if (stack.count == 0 && m->caller) {
        pcs[0] = m->caller;
        stack.count = 1;
    }
    if (stack.exact && stack.count > 1 && pcs[0] - left_out < left_out_size)
        stack = (struct stack){.pcs = pcs + 1, .count = stack.count - 1};
    return stack;
}

/* ---- text ---- */

static void put_offset(const struct fh_misuse *m) {
    ptrdiff_t end = (ptrdiff_t)m->asked;
    if (m->offset < 0)
        fh_reporter_put("%zu byte%s before its start", (size_t)-m->offset, m->offset == -1 ? "" : "s");
    else if (m->offset >= end)
        fh_reporter_put("%zu byte%s past its end", (size_t)(m->offset - end + 1), m->offset == end ? "" : "s");
    else fh_reporter_put("at its byte %zu", (size_t)m->offset);
}

static bool has_offset(const struct fh_misuse *m) { return m->block && m->kind != FH_DOUBLE_FREE; }

static void put_block(const struct fh_misuse *m) {
    fh_reporter_put("  %-12s %p: %zu bytes asked for", "block", m->block, m->asked);
    if (m->usable > m->asked) fh_reporter_put(" (in a place of %zu)", m->usable);
    fh_reporter_put(", %s\n", m->freed ? "freed" : "in use");
}

static void put_damage(const struct fh_misuse *m) {
    fh_reporter_put("  %-12s 0x%02x", "found", m->found);
    if (m->found >= ' ' && m->found < 127) fh_reporter_put(" '%c'", m->found);
    fh_reporter_put(" where 0x%02x was put\n", m->expected);
}

static void put_beside(const struct fh_misuse *m) {
    fh_reporter_put("  %-12s %p: %zu bytes asked for, in use. Or somebody wrote %s that one.\n", "beside",
                    m->beside, m->beside_asked, m->beside < m->block ? "behind" : "before");
    put_stack("allocated in", stack_at(m->beside_allocated));
}

static void put_text(const struct fh_misuse *m, struct stack use) {
    bool main;
    unsigned thread = fh_os_thread_id(&main);
    fh_reporter_put("freehold: heap misuse: %s", kinds[m->kind].title);
    if (has_offset(m) && m->kind != FH_SIZE_MISMATCH && m->kind != FH_ALIGN_MISMATCH &&
        m->kind != FH_KIND_MISMATCH && m->kind != FH_USE_AFTER_FREE) {
        fh_reporter_put(" (");
        put_offset(m);
        fh_reporter_put(")");
    }
    fh_reporter_put("\n");
    if (m->call)
        fh_reporter_put("  %-12s %s of %p, thread %u%s\n", "found by", m->call, m->address, thread,
                        main ? " (main)" : "");
    else
        fh_reporter_put("  %-12s an access to %p, thread %u%s\n", "found by", m->address, thread,
                        main ? " (main)" : "");
    if (m->detail) fh_reporter_put("  %-12s %s\n", "", m->detail);
    if (m->block) put_block(m);
    if (m->damaged) put_damage(m);
    fh_reporter_write();
    put_stack(m->call ? "called from" : "accessed in", use);
    put_stack("allocated in", stack_at(m->allocated));
    put_stack("freed in", stack_at(m->freed_at));
    if (m->beside) put_beside(m);
    fh_reporter_put("  %-12s %s\n", "what next", kinds[m->kind].next);
    if (m->block && m->allocated && fh_settings.stacks <= 1)
        fh_reporter_put("  %-12s FREEHOLD=...,stacks=16 shows more of who called the allocation.\n", "");
}

/* ---- JSON ---- */

static void put_json_stack(const char *label, struct stack stack) {
    fh_reporter_put(",\"%s\":[", label);
    for (unsigned i = 0; i < stack.count; i++) {
        struct fh_os_code code;
        fh_os_code_of(stack.pcs[i], stack.exact && i == 0, &code);
        fh_reporter_put("%s{\"pc\":\"0x%zx\",\"offset\":%zu", i ? "," : "", (size_t)stack.pcs[i],
                        (size_t)code.offset);
        if (code.module) {
            fh_reporter_put(",\"module\":");
            fh_reporter_put_json(code.module);
        }
        if (code.function) {
            fh_reporter_put(",\"function\":");
            fh_reporter_put_json(code.function);
        }
        fh_reporter_put("}");
    }
    fh_reporter_put("]");
}

static void put_json(const struct fh_misuse *m, struct stack use) {
    bool main;
    fh_reporter_put("{\"freehold\":\"heap-misuse\",\"kind\":\"%s\",\"what\":\"%s\"", kinds[m->kind].name,
                    kinds[m->kind].title);
    fh_reporter_put(",\"call\":\"%s\",\"address\":\"%p\",\"thread\":%u", m->call ? m->call : "access",
                    m->address, fh_os_thread_id(&main));
    if (m->detail) {
        fh_reporter_put(",\"detail\":");
        fh_reporter_put_json(m->detail);
    }
    if (m->block) {
        fh_reporter_put(
            ",\"block\":{\"address\":\"%p\",\"asked\":%zu,\"usable\":%zu,\"state\":\"%s\"},\"offset\":%s%zu",
            m->block, m->asked, m->usable, m->freed ? "freed" : "live", m->offset < 0 ? "-" : "",
            (size_t)(m->offset < 0 ? -m->offset : m->offset));
    }
    if (m->damaged) fh_reporter_put(",\"found\":%u,\"expected\":%u", m->found, m->expected);
    put_json_stack("stack", use);
    put_json_stack("allocated", stack_at(m->allocated));
    put_json_stack("freed", stack_at(m->freed_at));
    if (m->beside) {
        fh_reporter_put(",\"beside\":{\"address\":\"%p\",\"asked\":%zu}", m->beside, m->beside_asked);
        put_json_stack("beside_allocated", stack_at(m->beside_allocated));
    }
    fh_reporter_put(",\"next\":");
    fh_reporter_put_json(kinds[m->kind].next);
    fh_reporter_put("}\n");
}

/* ---- the report ---- */

bool fh_misuse_write(const struct fh_misuse *m) {
    uintptr_t pcs[USE_FRAMES];
    if (!fh_reporter_enter()) return false;
    struct stack use = stack_of_use(m, pcs);
    if (fh_settings.error_format == FH_ERROR_JSON) put_json(m, use);
    else put_text(m, use);
    fh_reporter_write();
    fh_reporter_leave();
    return true;
}

void fh_misuse_report(const struct fh_misuse *m) {
    if (!fh_misuse_write(m)) return;
    if (fh_settings.on_error == FH_ON_ERROR_ABORT) fh_os_abort();
}
