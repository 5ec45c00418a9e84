/* os_backtrace.c - see os_backtrace.h.
 *
 * The list of loaded code is read once, and again when a return address is met that lies in none of it (a
 * library has been loaded since), at most once in some milliseconds: reading it means reading /proc/self/maps.
 */
#include "os_backtrace.h"

#include "os.h"
#include "os_maps.h"
#include "os_stack.h"

#include <string.h>

enum { REREAD_MS = 20, SKIP_MOST = 16 };

static struct fh_lock lock;
static struct room {
    struct fh_os_modules modules;
    struct fh_os_unwind walk;
    _Alignas(64) char rows[];
} * room;
static uint64_t read_at;

/* The mapping in which this thread's stack was met last: the unwinder would read /proc/self/maps each time to
 * find it. */
static __thread struct { uintptr_t low, high; } stack __attribute__((tls_model("initial-exec")));

static size_t room_size(void) {
    size_t page = fh_os_page_size();
    return (sizeof *room + fh_os_unwind_rows_size() + page - 1) & ~(page - 1);
}

static bool read_modules(void) {
    if (room == NULL) room = fh_os_map(room_size());
    if (room == NULL) return false;
    fh_os_modules_close(&room->modules);
    memset(room, 0, room_size());
    read_at = fh_os_ticks();
    return fh_os_modules_read(&room->modules);
}

/* Is the address in code that the list does not have? */
static bool is_new(uintptr_t pc) {
    return fh_os_module_of(&room->modules, pc) == NULL && fh_os_ticks() - read_at > REREAD_MS;
}

static unsigned walk(uintptr_t *pcs, unsigned most, uintptr_t caller, const struct fh_os_registers *registers) {
    struct fh_os_unwind *walk = &room->walk;
    unsigned count = 0, seen = 0;
    bool wanted = caller == 0;
    fh_os_unwind_begin(walk, &room->modules, registers, room->rows);
    if (registers->r[FH_OS_SP] >= stack.low && registers->r[FH_OS_SP] < stack.high) {
        walk->low = stack.low;
        walk->high = stack.high;
    }
    do {
        uintptr_t pc = walk->now.pc;
        if (pc == caller) wanted = true;
        if (wanted) pcs[count++] = pc;
        else if (++seen > SKIP_MOST) return 0;
    } while (count < most && fh_os_unwind_next(walk));
    stack.low = walk->low;
    stack.high = walk->high;
    return count;
}

static unsigned walk_locked(uintptr_t *pcs, unsigned most, uintptr_t caller,
                            const struct fh_os_registers *registers) {
    if (most == 0 || !fh_trylock(&lock)) return 0;
    unsigned count = 0;
    if (room != NULL || read_modules()) {
        count = walk(pcs, most, caller, registers);
        if (count && count < most && is_new(pcs[count - 1]) && read_modules())
            count = walk(pcs, most, caller, registers);
    }
    fh_unlock(&lock);
    return count;
}

/* The registers of this very moment. They are taken in the function that walks, so that its frame still stands.
 * */
static inline __attribute__((always_inline)) void registers_here(struct fh_os_registers *here) {
    memset(here, 0, sizeof *here);
#if defined(__x86_64__)
    __asm__ volatile("leaq 0(%%rip), %%rax\n\t"
                     "movq %%rax, %0\n\t"
                     "movq %%rbx, 24(%1)\n\t"
                     "movq %%rbp, 48(%1)\n\t"
                     "movq %%rsp, 56(%1)\n\t"
                     "movq %%r12, 96(%1)\n\t"
                     "movq %%r13, 104(%1)\n\t"
                     "movq %%r14, 112(%1)\n\t"
                     "movq %%r15, 120(%1)"
                     : "=m"(here->pc)
                     : "r"(here->r)
                     : "rax", "memory");
#else
    __asm__ volatile("adr x9, .\n\t"
                     "str x9, %0\n\t"
                     "stp x19, x20, [%1, #152]\n\t"
                     "stp x21, x22, [%1, #168]\n\t"
                     "stp x23, x24, [%1, #184]\n\t"
                     "stp x25, x26, [%1, #200]\n\t"
                     "stp x27, x28, [%1, #216]\n\t"
                     "stp x29, x30, [%1, #232]\n\t"
                     "mov x9, sp\n\t"
                     "str x9, [%1, #248]"
                     : "=m"(here->pc)
                     : "r"(here->r)
                     : "x9", "memory");
#endif
    here->r[FH_OS_RA] = here->pc;
}

__attribute__((noinline)) unsigned fh_os_backtrace(uintptr_t *pcs, unsigned most, uintptr_t caller) {
    struct fh_os_registers here;
    registers_here(&here);
    unsigned count = walk_locked(pcs, most, caller, &here);
    __asm__ volatile("" : : "r"(&here) : "memory"); /* no tail call: this frame must stand while it is walked */
    return count;
}

static uintptr_t search(uintptr_t address, uintptr_t caller, const struct fh_os_registers *registers) {
    struct fh_os_unwind *walk = &room->walk;
    bool wanted = false;
    fh_os_unwind_begin(walk, &room->modules, registers, room->rows);
    for (;;) {
        uintptr_t pc = walk->now.pc, low = walk->now.r[FH_OS_SP];
        bool changes_stacks = walk->function == (uintptr_t)fh_os_call_on;
        if (pc == caller) wanted = true;
        if (!fh_os_unwind_next(walk)) return 0;
        if (wanted && !changes_stacks && address >= low && address < walk->now.r[FH_OS_SP]) return pc;
    }
}

__attribute__((noinline)) uintptr_t fh_os_frame_around(const void *address, uintptr_t caller) {
    struct fh_os_registers here;
    uintptr_t found = 0;
    registers_here(&here);
    if (!fh_trylock(&lock)) return 0;
    if (room != NULL || read_modules()) {
        found = search((uintptr_t)address, caller, &here);
        if (found == 0 && is_new(room->walk.now.pc) && read_modules())
            found = search((uintptr_t)address, caller, &here);
    }
    fh_unlock(&lock);
    return found;
}

unsigned fh_os_backtrace_from(uintptr_t *pcs, unsigned most, const struct fh_os_registers *registers) {
    return walk_locked(pcs, most, 0, registers);
}

void fh_os_code_of(uintptr_t pc, bool exact, struct fh_os_code *code) {
    *code = (struct fh_os_code){.offset = pc};
    uintptr_t at = exact ? pc : pc - 1;
    if (!fh_trylock(&lock)) return;
    if ((room != NULL && fh_os_module_of(&room->modules, at)) || read_modules()) {
        const struct fh_os_module *module = fh_os_module_of(&room->modules, at);
        if (module) {
            code->module = module->path;
            code->function = fh_os_function_name(&room->modules, at, &code->offset);
            if (code->function == NULL) code->offset = at - module->bias;
            else if (!exact) code->offset++;
        }
    }
    fh_unlock(&lock);
}

struct half {
    uint32_t low;
    uintptr_t found;
};

static bool complete(const struct fh_os_mapping *mapping, void *context) {
    struct half *half = context;
    if (!mapping->execute) return true;
    uintptr_t at = ((mapping->low >> 16 >> 16) << 16 << 16) + half->low;
    if (at <= mapping->low) at += (uintptr_t)1 << 16 << 16;
    if (at > mapping->high) return true; /* a return address may stand right behind the last instruction */
    half->found = at;
    return false;
}

uintptr_t fh_os_code_from_low(uint32_t low) {
    struct half half = {low, 0};
    fh_os_maps(complete, &half);
    return half.found;
}

bool fh_os_has_own_new(uintptr_t pc) {
    uintptr_t at = pc - 1;
    if (!fh_trylock_for_a_while(&lock)) return false; /* others hold it while they note their calls */
    struct fh_os_module *module = NULL;
    if ((room != NULL && fh_os_module_of(&room->modules, at)) || read_modules())
        module = fh_os_module_of(&room->modules, at);
    bool own = module != NULL && fh_os_module_has_own_new(module);
    fh_unlock(&lock);
    return own;
}

/* ---- what an address is ---- */

struct look {
    uintptr_t address, here; /* here: in the calling thread's stack */
    enum fh_os_memory kind;
    char *name;
    size_t size;
    uintptr_t file_end; /* of the last mapping with a file's name: what follows it at once is its zeroed data */
    char last[256];
};

static void copy_name(char *to, size_t size, const char *from) {
    size_t length = strlen(from);
    if (size == 0) return;
    if (length > size - 1) length = size - 1;
    memcpy(to, from, length);
    to[length] = 0;
}

static bool look_at(const struct fh_os_mapping *mapping, void *context) {
    struct look *look = context;
    bool file = mapping->name[0] == '/',
         bss = mapping->name[0] == 0 && mapping->low == look->file_end && look->last[0];
    if (file) copy_name(look->last, sizeof look->last, mapping->name);
    if (file || bss) look->file_end = mapping->high;
    if (look->address >= mapping->high) return true;
    if (look->address < mapping->low || !mapping->read) return false;
    copy_name(look->name, look->size, file || bss ? look->last : mapping->name);
    if (strncmp(mapping->name, "[stack", 6) == 0 || (look->here >= mapping->low && look->here < mapping->high))
        look->kind = FH_OS_STACK;
    else if (file || bss) look->kind = FH_OS_PROGRAM;
    else look->kind = strcmp(mapping->name, "[heap]") == 0 ? FH_OS_BREAK : FH_OS_MAPPED;
    return false;
}

enum fh_os_memory fh_os_memory_of(const void *address, char *name, size_t size) {
    struct look look = {.address = (uintptr_t)address, .here = (uintptr_t)&look, .name = name, .size = size};
    copy_name(name, size, "");
    if (!fh_os_maps(look_at, &look)) look.kind = FH_OS_MAPPED;
    return look.kind;
}
