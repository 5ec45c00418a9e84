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
 * one entry for each version of the C library's interface; dladdr1 gives one after the other, because it no
 * longer finds those that lead elsewhere.
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
    const char *name;
    uintptr_t from, to, self; /* self: an address in our own module */
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

static void go_through(const struct module *module, const relocation *at, size_t size,
                       const struct rebind *rebind) {
    for (const relocation *end = at + size / sizeof *at; at < end; at++) {
        unsigned type = (unsigned)ELF64_R_TYPE(at->r_info);
        if (type != BY_CALL && type != BY_ADDRESS && type != IN_DATA) continue;
        const dynamic_symbol *symbol = &module->symbols[ELF64_R_SYM(at->r_info)];
        if (symbol->st_shndx != SHN_UNDEF || strcmp(module->strings + symbol->st_name, rebind->name) != 0)
            continue;
        uintptr_t *word = (uintptr_t *)(module->info->dlpi_addr + at->r_offset);
        bool unbound =
            type == BY_CALL && within(module->info, *word); /* leads to the linker at the first call */
        if (unbound || *word == rebind->from) write_word(module, word, rebind->to);
    }
}

/* An address of the dynamic section: the C library has added where the module lies, or not. */
static const void *address_in(const struct dl_phdr_info *info, uintptr_t value) {
    return (const void *)(within(info, value) ? value : info->dlpi_addr + value);
}

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
    size_t calls_size = 0, others_size = 0;
    for (; dynamic->d_tag != DT_NULL; dynamic++) {
        uintptr_t value = dynamic->d_un.d_ptr;
        if (dynamic->d_tag == DT_SYMTAB) module.symbols = address_in(info, value);
        if (dynamic->d_tag == DT_STRTAB) module.strings = address_in(info, value);
        if (dynamic->d_tag == DT_JMPREL) calls = address_in(info, value);
        if (dynamic->d_tag == DT_PLTRELSZ) calls_size = value;
        if (dynamic->d_tag == DT_RELA) others = address_in(info, value);
        if (dynamic->d_tag == DT_RELASZ) others_size = value;
    }
    if (module.symbols == NULL || module.strings == NULL) return 0;
    if (calls != NULL) go_through(&module, calls, calls_size, rebind);
    if (others != NULL) go_through(&module, others, others_size, rebind);
    return 0;
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

struct place {
    uintptr_t address, module; /* module: what is added to values of its symbols */
    int access;
};

static int find_place(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size;
    struct place *place = context;
    place->access = access_of(info, place->address);
    place->module = info->dlpi_addr;
    return place->access != 0;
}

/* The value lies within one page: entries are aligned to 8 bytes, and so is the value in them. */
static bool lead_symbol(dynamic_symbol *symbol, uintptr_t to) {
    struct place place = {.address = (uintptr_t)&symbol->st_value};
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    void *at = (void *)(place.address & ~(page - 1));
    if (!dl_iterate_phdr(find_place, &place)) return false;
    if (mprotect(at, page, place.access | PROT_WRITE) != 0) return false;
    __atomic_store_n(&symbol->st_value, to - place.module, __ATOMIC_RELEASE);
    mprotect(at, page, place.access);
    return true;
}

static void rebind_to_come(const struct rebind *rebind) {
    Dl_info found;
    union {
        void *any;
        dynamic_symbol *symbol;
    } entry;
    while (dladdr1((void *)rebind->from, &found, &entry.any, RTLD_DL_SYMENT) && entry.any != NULL &&
           (uintptr_t)found.dli_saddr == rebind->from && strcmp(found.dli_sname, rebind->name) == 0)
        if (!lead_symbol(entry.symbol, rebind->to)) return;
}
#endif

void fh_os_rebind(const char *name, uintptr_t from, uintptr_t to) {
    struct rebind rebind = {name, from, to, to};
#ifdef __GLIBC__
    rebind_to_come(&rebind);
#endif
    dl_iterate_phdr(each_module, &rebind);
}
