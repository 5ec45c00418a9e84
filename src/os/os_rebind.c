/* os_rebind.c - calls of a function of the C library's, taken over after the program has been linked.
 *
 * A library that is there from the start stands in front of the C library when names are looked up. One that is
 * loaded later comes too late for that: the program's names are bound by then. What is bound to what stands in
 * a word for each name and module, which the dynamic linker filled (the "global offset table") and which calls
 * go through. So that word can be changed:
 *
 *     program:   call *word  ──>  pthread_create of the C library          before
 *                call *word  ──>  ours  ──>  the C library's               after
 *
 * Words that the linker has made read-only since (RELRO) are made writable for that moment. A word that is
 * bound to anything else is left alone: somebody stands in front already, and calls us or the C library in
 * turn.
 *
 * That is for the modules that are there. For those that come later, the function's entry in the C library's
 * own table of symbols, where the linker will look the name up, is led to ours:
 *
 *     linker:    "pthread_create"  ──>  where the C library lies + value of the symbol
 *
 * (Not a stand-in for dlopen, after which the modules could be gone through again: what a module's constructors
 * do is over by then, and dlopen looks at its return address to tell whose search path applies.) The names have
 * one entry for each version of the C library's interface. They are found as the linker finds them, by hash:
 * dladdr goes through the whole table for each, and seventeen names cost a process a millisecond.
 */
#include "os/os_stack.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__x86_64__)
enum { BY_CALL = R_X86_64_JUMP_SLOT, BY_ADDRESS = R_X86_64_GLOB_DAT, IN_DATA = R_X86_64_64 };
#elif defined(__aarch64__)
enum { BY_CALL = R_AARCH64_JUMP_SLOT, BY_ADDRESS = R_AARCH64_GLOB_DAT, IN_DATA = R_AARCH64_ABS64 };
#endif

struct rebind {
    const struct fh_os_rebinding *list, *end;
    uintptr_t least, most; /* of what the words are bound to */
    uintptr_t self;        /* an address in our own module */
};

typedef ElfW(Sym) dynamic_symbol;
typedef ElfW(Rela) relocation;

struct module {
    const struct dl_phdr_info *info;
    const dynamic_symbol *symbols;
    const char *strings;
    uintptr_t relro, relro_end;
};

static bool within(const struct dl_phdr_info *info, uintptr_t address) {
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type == PT_LOAD && address - (info->dlpi_addr + part->p_vaddr) < part->p_memsz) return true;
    }
    return false;
}

static void write_word(const struct module *module, uintptr_t *word, uintptr_t value) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)word & ~(page - 1);
    bool closed = (uintptr_t)word >= module->relro && (uintptr_t)word < module->relro_end;
    if (closed && mprotect((void *)at, page, PROT_READ | PROT_WRITE) != 0) return;
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
    if (closed) mprotect((void *)at, page, PROT_READ);
}

/* What is to become of the word, NULL when it is none of those. */
static const struct fh_os_rebinding *rebinding_of(const struct rebind *rebind, const char *name, bool by_call,
                                                  bool unbound, uintptr_t value) {
    for (const struct fh_os_rebinding *at = rebind->list; at < rebind->end; at++)
        if (at->from && (unbound || value == at->from) && (by_call || !at->only_calls) &&
            strcmp(name, at->name) == 0)
            return at;
    return NULL;
}

static void go_through(const struct module *module, const relocation *at, size_t size,
                       const struct rebind *rebind) {
    for (const relocation *end = at + size / sizeof *at; at < end; at++) {
        unsigned type = (unsigned)ELF64_R_TYPE(at->r_info);
        if (type != BY_CALL && type != BY_ADDRESS && type != IN_DATA) continue;
        uintptr_t *word = (uintptr_t *)(module->info->dlpi_addr + at->r_offset), value = *word;
        bool named = value - rebind->least <= rebind->most - rebind->least, by_call = type == BY_CALL,
             unbound = by_call && within(module->info, value); /* leads to the linker at the first call */
        if (!named && !unbound) continue;
        const dynamic_symbol *symbol = &module->symbols[ELF64_R_SYM(at->r_info)];
        if (symbol->st_shndx != SHN_UNDEF) continue;
        const struct fh_os_rebinding *found =
            rebinding_of(rebind, module->strings + symbol->st_name, by_call, unbound, value);
        if (found) write_word(module, word, found->to);
    }
}

/* An address of the dynamic section: the C library has added where the module lies, or not. */
static const void *address_in(const struct dl_phdr_info *info, uintptr_t value) {
    return (const void *)(within(info, value) ? value : info->dlpi_addr + value);
}

#ifdef __GLIBC__
/* The access that the module gives to this address; 0: it is in no part of it. */
static int access_of(const struct dl_phdr_info *info, uintptr_t address) {
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || address - (info->dlpi_addr + part->p_vaddr) >= part->p_memsz) continue;
        return (part->p_flags & PF_R ? PROT_READ : 0) | (part->p_flags & PF_W ? PROT_WRITE : 0) |
               (part->p_flags & PF_X ? PROT_EXEC : 0);
    }
    return 0;
}

static uint32_t hash_of(const char *name) {
    uint32_t hash = 5381;
    for (; *name; name++) hash = hash * 33 + (unsigned char)*name;
    return hash;
}

/* What the linker looks names up in: the hash table of the kind that glibc's own libraries have. */
struct names {
    const uint32_t *buckets, *chain; /* chain: one entry for each symbol, its hash; odd: the bucket's last */
    uint32_t count, first;
};

static struct names names_of(const uint32_t *table) {
    const uint64_t *filter = (const uint64_t *)(const void *)(table + 4);
    const uint32_t *buckets = (const uint32_t *)(filter + table[2]);
    return (struct names){buckets, buckets + table[0], table[0], table[1]};
}

/* Each entry of that name and value, one after the other: the next one from number `i` on, 0 = none. */
static uint32_t find_entry(const struct module *module, const struct names *names, const char *name,
                           uintptr_t value, uint32_t i) {
    uint32_t hash = hash_of(name);
    if (i == 0) i = names->buckets[hash % names->count];
    else if (names->chain[i++ - names->first] & 1) return 0;
    if (i < names->first) return 0;
    for (;; i++) {
        const dynamic_symbol *symbol = &module->symbols[i];
        uint32_t its = names->chain[i - names->first];
        if ((its | 1) == (hash | 1) && symbol->st_value == value && symbol->st_shndx != SHN_UNDEF &&
            strcmp(module->strings + symbol->st_name, name) == 0)
            return i;
        if (its & 1) return 0;
    }
}

static void lead_symbols(const struct module *module, const struct names *names, const struct rebind *rebind) {
    const struct dl_phdr_info *info = module->info;
    for (const struct fh_os_rebinding *at = rebind->list; at < rebind->end; at++) {
        if (at->from == 0 || at->only_calls || !within(info, at->from)) continue;
        for (uint32_t i = 0; (i = find_entry(module, names, at->name, at->from - info->dlpi_addr, i)) != 0;)
            __atomic_store_n((uintptr_t *)(uintptr_t)&module->symbols[i].st_value, at->to - info->dlpi_addr,
                             __ATOMIC_RELEASE);
    }
}

/* For modules to come. All entries are made writable at once, for that moment: the table lies in one piece. */
static void rebind_to_come(const struct module *module, const uint32_t *table, const struct rebind *rebind) {
    const struct dl_phdr_info *info = module->info;
    bool any = false;
    for (const struct fh_os_rebinding *at = rebind->list; at < rebind->end; at++)
        any |= at->from && !at->only_calls && within(info, at->from);
    if (!any || table == NULL) return;
    struct names names = names_of(table);
    uint32_t last = 0;
    for (uint32_t b = 0; b < names.count; b++)
        if (names.buckets[b] > last) last = names.buckets[b];
    if (last < names.first) return;
    while ((names.chain[last - names.first] & 1) == 0) last++;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from = (uintptr_t)&module->symbols[0] & ~(page - 1),
              to = (uintptr_t)&module->symbols[last + 1];
    int access = access_of(info, from);
    if (access == 0 || mprotect((void *)from, to - from, access | PROT_WRITE) != 0) return;
    lead_symbols(module, &names, rebind);
    mprotect((void *)from, to - from, access);
}
#endif

static int each_module(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size;
    const struct rebind *rebind = context;
    struct module module = {.info = info};
    const ElfW(Dyn) *dynamic = NULL;
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type == PT_DYNAMIC) dynamic = (const ElfW(Dyn) *)(info->dlpi_addr + part->p_vaddr);
        if (part->p_type != PT_GNU_RELRO) continue;
        module.relro = info->dlpi_addr + part->p_vaddr;
        module.relro_end = module.relro + part->p_memsz;
    }
    if (dynamic == NULL || within(info, rebind->self)) return 0;
    const relocation *calls = NULL, *others = NULL;
#ifdef __GLIBC__
    const uint32_t *table = NULL;
#endif
    size_t calls_size = 0, others_size = 0;
    for (; dynamic->d_tag != DT_NULL; dynamic++) {
        uintptr_t value = dynamic->d_un.d_ptr;
        if (dynamic->d_tag == DT_SYMTAB) module.symbols = address_in(info, value);
        if (dynamic->d_tag == DT_STRTAB) module.strings = address_in(info, value);
#ifdef __GLIBC__
        if (dynamic->d_tag == DT_GNU_HASH) table = address_in(info, value);
#endif
        if (dynamic->d_tag == DT_JMPREL) calls = address_in(info, value);
        if (dynamic->d_tag == DT_PLTRELSZ) calls_size = value;
        if (dynamic->d_tag == DT_RELA) others = address_in(info, value);
        if (dynamic->d_tag == DT_RELASZ) others_size = value;
    }
    if (module.symbols == NULL || module.strings == NULL) return 0;
#ifdef __GLIBC__
    rebind_to_come(&module, table, rebind);
#endif
    if (calls != NULL) go_through(&module, calls, calls_size, rebind);
    if (others != NULL) go_through(&module, others, others_size, rebind);
    return 0;
}

void fh_os_rebind_all(const struct fh_os_rebinding *list, unsigned count) {
    struct rebind rebind = {list, list + count, UINTPTR_MAX, 0, 0};
    for (const struct fh_os_rebinding *at = list; at < rebind.end; at++) {
        if (at->from == 0) continue;
        if (at->from < rebind.least) rebind.least = at->from;
        if (at->from > rebind.most) rebind.most = at->from;
        rebind.self = at->to;
    }
    if (rebind.self) dl_iterate_phdr(each_module, &rebind);
}

void fh_os_rebind(const char *name, uintptr_t from, uintptr_t to) {
    struct fh_os_rebinding one = {name, from, to, false};
    fh_os_rebind_all(&one, 1);
}
