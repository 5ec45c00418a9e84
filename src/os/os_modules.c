/* os_modules.c - ELF modules of the process and their symbols.
 *
 * A file is mapped when a name in it is first wanted, and its symbol table is gone through from end to end for
 * each name: a report asks for some dozens, and an index would take memory that a dying process should not be
 * asked for.
 */
#include "os/os_modules.h"

#include "os/os.h"
#include "os/os_maps.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef ElfW(Ehdr) Ehdr;
typedef ElfW(Phdr) Phdr;
typedef ElfW(Shdr) Shdr;
typedef ElfW(Sym) Sym;
typedef ElfW(Nhdr) Nhdr;

/* ---------------------------------------------------------------- modules ------------------------------ */

struct collect {
    struct fh_os_modules *modules;
    uint64_t device, inode;
    uintptr_t header, header_high; /* mapping of the current file's offset 0 */
};

static bool is_elf(const void *at) { return memcmp(at, ELFMAG, SELFMAG) == 0; }

static const char *keep_text(struct fh_os_modules *modules, const char *text) {
    size_t length = strlen(text) + 1;
    if (modules->count > 0 && strcmp(modules->list[modules->count - 1].path, text) == 0)
        return modules->list[modules->count - 1].path;
    if (length > sizeof modules->text - modules->text_used) return "";
    char *copy = memcpy(modules->text + modules->text_used, text, length);
    modules->text_used += length;
    return copy;
}

static void read_header(struct fh_os_module *module, uintptr_t room) {
    const Ehdr *elf = (const Ehdr *)module->header;
    if (elf->e_phoff + (uintptr_t)elf->e_phnum * sizeof(Phdr) > room) return;
    const Phdr *segments = (const Phdr *)(module->header + elf->e_phoff);
    for (size_t i = 0; i < elf->e_phnum; i++) /* one that is all zeros lies nowhere in the file: at 0, too */
        if (segments[i].p_type == PT_LOAD && segments[i].p_offset == 0 && segments[i].p_filesz != 0)
            module->bias = module->header - segments[i].p_vaddr;
    for (size_t i = 0; i < elf->e_phnum; i++)
        if (segments[i].p_type == PT_GNU_EH_FRAME) module->eh_frame_hdr = module->bias + segments[i].p_vaddr;
}

static bool collect(const struct fh_os_mapping *mapping, void *context) {
    struct collect *state = context;
    struct fh_os_modules *modules = state->modules;
    bool vdso = strcmp(mapping->name, "[vdso]") == 0;
    if (mapping->inode == 0 && !vdso) return true;
    if (mapping->offset == 0 && mapping->read) {
        *state = (struct collect){modules, mapping->device, mapping->inode, 0, 0};
        if (is_elf((const void *)mapping->low)) {
            state->header = mapping->low;
            state->header_high = mapping->high;
        }
    }
    bool ours = state->header != 0 && state->device == mapping->device && state->inode == mapping->inode;
    if (!mapping->execute || !ours || modules->count == sizeof modules->list / sizeof modules->list[0])
        return true;
    struct fh_os_module *module = &modules->list[modules->count];
    memset(module, 0, sizeof *module);
    module->low = mapping->low;
    module->high = mapping->high;
    module->header = state->header;
    module->path = keep_text(modules, mapping->name);
    read_header(module, state->header_high - state->header);
    modules->count++;
    return true;
}

struct fh_os_module *fh_os_module_of(struct fh_os_modules *modules, uintptr_t address) {
    for (size_t i = 0; i < modules->count; i++)
        if (address >= modules->list[i].low && address < modules->list[i].high) return &modules->list[i];
    return NULL;
}

/* ---------------------------------------------------------------- files -------------------------------- */

static const void *map_file(const char *path, size_t *size) {
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return NULL;
    void *file = MAP_FAILED;
    if (fstat(fd, &status) == 0 && status.st_size > (off_t)sizeof(Ehdr)) {
        *size = (size_t)status.st_size;
        file = mmap(NULL, *size, PROT_READ, MAP_PRIVATE, fd, 0);
    }
    close(fd);
    if (file == MAP_FAILED) return NULL;
    if (is_elf(file)) return file;
    munmap(file, *size);
    return NULL;
}

/* Section i of the file, NULL when the table or the section does not lie within it. */
static const Shdr *section(const void *file, size_t size, size_t i) {
    const Ehdr *elf = file;
    if (i >= elf->e_shnum || elf->e_shentsize != sizeof(Shdr)) return NULL;
    if (elf->e_shoff > size || (size - elf->e_shoff) / sizeof(Shdr) < elf->e_shnum) return NULL;
    const Shdr *found = (const Shdr *)(const void *)((const char *)file + elf->e_shoff) + i;
    if (found->sh_type != SHT_NOBITS && (found->sh_offset > size || found->sh_size > size - found->sh_offset))
        return NULL;
    return found;
}

static const Shdr *section_of_type(const void *file, size_t size, uint32_t type) {
    const Shdr *found;
    for (size_t i = 0; (found = section(file, size, i)) != NULL; i++)
        if (found->sh_type == type) return found;
    return NULL;
}

static const Shdr *section_named(const void *file, size_t size, const char *name) {
    const Shdr *names = section(file, size, ((const Ehdr *)file)->e_shstrndx), *found;
    if (names == NULL) return NULL;
    for (size_t i = 0; (found = section(file, size, i)) != NULL; i++) {
        if (found->sh_name + strlen(name) + 1 > names->sh_size) continue;
        if (strcmp((const char *)file + names->sh_offset + found->sh_name, name) == 0) return found;
    }
    return NULL;
}

/* /usr/lib/debug/.build-id/ab/cdef....debug, by the note in the file. */
static const void *map_debug_file(const void *file, size_t size, size_t *debug_size) {
    const Shdr *note = section_named(file, size, ".note.gnu.build-id");
    if (note == NULL || note->sh_size < sizeof(Nhdr) + 4 + 2) return NULL;
    const Nhdr *header = (const Nhdr *)(const void *)((const char *)file + note->sh_offset);
    const unsigned char *id = (const unsigned char *)(header + 1) + 4;
    if (header->n_namesz != 4 || header->n_descsz > 32 || note->sh_size < sizeof(Nhdr) + 4 + header->n_descsz)
        return NULL;
    char path[sizeof "/usr/lib/debug/.build-id/" + 2 * 32 + sizeof "/.debug"] = "/usr/lib/debug/.build-id/";
    size_t at = strlen(path);
    for (size_t i = 0; i < header->n_descsz; i++) {
        path[at++] = "0123456789abcdef"[id[i] >> 4];
        path[at++] = "0123456789abcdef"[id[i] & 15];
        if (i == 0) path[at++] = '/';
    }
    memcpy(path + at, ".debug", sizeof ".debug");
    return map_file(path, debug_size);
}

static void open_file(struct fh_os_module *module) {
    if (module->opened) return;
    module->opened = true;
    if (module->path[0] != '/') return;
    module->file = map_file(module->path, &module->file_size);
    if (module->file == NULL) return;
    if (section_of_type(module->file, module->file_size, SHT_SYMTAB) == NULL)
        module->debug_file = map_debug_file(module->file, module->file_size, &module->debug_size);
}

/* A static program often has no sorted table of its unwind information; then the whole is found by its section.
 * */
static void find_eh_frame(struct fh_os_module *module) {
    if (module->eh_frame_hdr != 0) return;
    open_file(module);
    if (module->file == NULL) return;
    const Shdr *found = section_named(module->file, module->file_size, ".eh_frame");
    if (found == NULL) return;
    module->eh_frame = module->bias + found->sh_addr;
    module->eh_frame_end = module->eh_frame + found->sh_size;
}

bool fh_os_modules_read(struct fh_os_modules *modules) {
    struct collect state = {modules, 0, 0, 0, 0};
    modules->count = modules->text_used = 0;
    if (!fh_os_maps(collect, &state)) return false;
    for (size_t i = 0; i < modules->count; i++) find_eh_frame(&modules->list[i]);
    return true;
}

void fh_os_modules_close(struct fh_os_modules *modules) {
    for (size_t i = 0; i < modules->count; i++) {
        struct fh_os_module *module = &modules->list[i];
        if (module->file) munmap((void *)(uintptr_t)module->file, module->file_size);
        if (module->debug_file) munmap((void *)(uintptr_t)module->debug_file, module->debug_size);
    }
    modules->count = 0;
}

/* ---------------------------------------------------------------- names -------------------------------- */

static bool is_function(const Sym *symbol) {
    unsigned type = ELF64_ST_TYPE(symbol->st_info);
    return (type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_NOTYPE) && symbol->st_shndx != SHN_UNDEF &&
           symbol->st_name != 0;
}

/* The symbol of the table that covers the address; of those without a size (assembly), the nearest below. */
static const char *search(const void *file, size_t size, uint32_t type, uintptr_t address, uintptr_t *offset) {
    const Shdr *table = file ? section_of_type(file, size, type) : NULL;
    const Shdr *names = table ? section(file, size, table->sh_link) : NULL;
    if (names == NULL || names->sh_type == SHT_NOBITS) return NULL;
    const Sym *symbols = (const Sym *)(const void *)((const char *)file + table->sh_offset), *best = NULL;
    const char *text = (const char *)file + names->sh_offset;
    for (size_t i = 0; i < table->sh_size / sizeof(Sym); i++) {
        const Sym *symbol = &symbols[i];
        if (symbol->st_value > address || !is_function(symbol)) continue;
        bool covers = address - symbol->st_value < symbol->st_size;
        if (!covers && (symbol->st_size != 0 || address - symbol->st_value > 256)) continue;
        if (symbol->st_name < names->sh_size && text[symbol->st_name] == '$')
            continue; /* aarch64: marks code, is no name */
        if (best == NULL || symbol->st_value > best->st_value || (symbol->st_value == best->st_value && covers))
            best = symbol;
    }
    if (best == NULL || best->st_name >= names->sh_size) return NULL;
    *offset = address - best->st_value;
    return text + best->st_name;
}

const char *fh_os_function_name(struct fh_os_modules *modules, uintptr_t address, uintptr_t *offset) {
    struct fh_os_module *module = fh_os_module_of(modules, address);
    if (module == NULL) return NULL;
    open_file(module);
    uintptr_t in_file = address - module->bias;
    const char *name = search(module->file, module->file_size, SHT_SYMTAB, in_file, offset);
    if (name == NULL) name = search(module->debug_file, module->debug_size, SHT_SYMTAB, in_file, offset);
    if (name == NULL) name = search(module->file, module->file_size, SHT_DYNSYM, in_file, offset);
    return name;
}

/* Mangled names of operator new, new[], delete and delete[] begin so. */
static bool is_new_or_delete(const char *name) {
    static const char *const beginnings[] = {"_Znw", "_Zna", "_Zdl", "_Zda"};
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (strncmp(name, beginnings[i], 4) == 0) return true;
    return false;
}

/* The plain ones: who brings a runtime of his own has these. (Placement new is no allocation; without
 * optimisation a compiler leaves a copy of it in every module: _ZnwmPv.) */
static bool is_plain_new_or_delete(const char *name) {
    return strcmp(name, "_ZdlPv") == 0 || strcmp(name, "_ZdaPv") == 0 ||
           ((strncmp(name, "_Znw", 4) == 0 || strncmp(name, "_Zna", 4) == 0) && name[4] && name[5] == 0);
}

/* A static libstdc++ or libc++ that is hidden shows no operator new; but then what else belongs to it is not
 * imported either. The personality routine is, by all code with destructors. */
static bool is_of_the_runtime(const char *name) { return strcmp(name, "__gxx_personality_v0") == 0; }

bool fh_os_module_has_own_new(struct fh_os_module *module) {
    open_file(module);
    const void *file = module->file;
    const Shdr *table = file ? section_of_type(file, module->file_size, SHT_DYNSYM) : NULL;
    const Shdr *names = table ? section(file, module->file_size, table->sh_link) : NULL;
    if (names == NULL) return false;
    const Sym *symbols = (const Sym *)(const void *)((const char *)file + table->sh_offset);
    const char *text = (const char *)file + names->sh_offset;
    bool cxx = false, imported = false;
    for (size_t i = 0; i < table->sh_size / sizeof(Sym); i++) {
        if (symbols[i].st_name + 4 >= names->sh_size) continue;
        const char *name = text + symbols[i].st_name;
        bool defined = symbols[i].st_shndx != SHN_UNDEF;
        if (defined && is_plain_new_or_delete(name)) return true;
        imported = imported || (!defined && (is_new_or_delete(name) || is_of_the_runtime(name)));
        cxx = cxx || strncmp(name, "_Z", 2) == 0;
    }
    return cxx && !imported;
}
