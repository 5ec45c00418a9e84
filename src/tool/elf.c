/* elf.c - reads the parts of an ELF file that decide whether a library can be preloaded into it.
 *
 *     header ──> program headers ──┬─ PT_INTERP   the loader's path; none: static, or the loader itself
 *                                  ├─ PT_NOTE     a note "Freehold": our heap is linked in
 *                                  ├─ PT_LOAD     address ──> offset in the file
 *                                  └─ PT_DYNAMIC ──> DT_NEEDED names (libc.so.6, libasan.so ...), DT_SONAME
 *
 * Files may be damaged or hostile: every read is a pread of a fixed size at an offset from the file, and a read
 * that finds less than it asked for ends the inquiry. Files for another machine are only named. What is not
 * understood is left to the kernel and the loader, which have the last word.
 */
#include "tool/elf.h"

#include "record/record.h"

#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef ElfW(Ehdr) header;
typedef ElfW(Phdr) segment;
typedef ElfW(Dyn) dynamic;
typedef ElfW(Nhdr) note;

enum { SEGMENTS_READ = 64, DYNAMIC_READ = 4096, NOTES_READ = 64 };

#if defined __x86_64__
enum { OUR_MACHINE = EM_X86_64 };
#elif defined __aarch64__
enum { OUR_MACHINE = EM_AARCH64 };
#else
#error "say here which machine this is"
#endif

static bool read_at(int fd, void *into, size_t size, uint64_t offset) {
    return offset <= INT64_MAX && pread(fd, into, size, (off_t)offset) == (ssize_t)size;
}

/* As much text as there is at this place, cut to fit and ended by NUL. */
static void read_text_at(int fd, char *text, size_t room, uint64_t offset) {
    ssize_t got = offset <= INT64_MAX ? pread(fd, text, room - 1, (off_t)offset) : 0;
    text[got > 0 ? got : 0] = '\0';
}

/* ---------------------------------------------------------------- the machine -------------------------- */

static void name_machine(const header *head, struct fh_elf *elf) {
    static const struct {
        unsigned machine;
        const char *name;
    } names[] = {
        {EM_X86_64, "x86-64"}, {EM_386, "x86"},       {EM_AARCH64, "aarch64"}, {EM_ARM, "ARM"},
        {EM_RISCV, "RISC-V"},  {EM_PPC64, "POWER"},   {EM_PPC, "PowerPC"},     {EM_S390, "s390"},
        {EM_MIPS, "MIPS"},     {EM_SPARCV9, "SPARC"},
    };
    bool big = head->e_ident[EI_DATA] == ELFDATA2MSB;
    unsigned machine = head->e_machine;
    if (big) machine = (machine >> 8 | machine << 8) & 0xffff;
    const char *bits = head->e_ident[EI_CLASS] == ELFCLASS32 ? "32-bit " : "";
    snprintf(elf->machine, sizeof elf->machine, "%smachine %u", bits, machine);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].machine == machine)
            snprintf(elf->machine, sizeof elf->machine, "%s%s", bits, names[i].name);
    elf->same_machine = machine == OUR_MACHINE && !big && head->e_ident[EI_CLASS] == ELFCLASS64;
}

/* ---------------------------------------------------------------- segments ----------------------------- */

struct segments {
    segment list[SEGMENTS_READ];
    size_t count;
};

static bool read_segments(int fd, const header *head, struct segments *segments) {
    segments->count = head->e_phnum < SEGMENTS_READ ? head->e_phnum : SEGMENTS_READ;
    if (head->e_phentsize != sizeof(segment)) return segments->count == 0;
    return read_at(fd, segments->list, segments->count * sizeof(segment), head->e_phoff);
}

/* The offset in the file of what will stand at this address; UINT64_MAX: nowhere. */
static uint64_t offset_of(const struct segments *segments, uint64_t address) {
    for (size_t i = 0; i < segments->count; i++) {
        const segment *s = &segments->list[i];
        if (s->p_type == PT_LOAD && address >= s->p_vaddr && address - s->p_vaddr < s->p_filesz)
            return address - s->p_vaddr + s->p_offset;
    }
    return UINT64_MAX;
}

/* ---------------------------------------------------------------- what it needs ------------------------- */

static void judge_needed(const char *name, struct fh_elf *elf) {
    static const char *const sanitizers[] = {"libasan.so", "libtsan.so", "liblsan.so", "libhwasan.so",
                                             "libclang_rt."};
    if (strcmp(name, "libc.so.6") == 0) elf->glibc = true;
    for (size_t i = 0; i < sizeof sanitizers / sizeof sanitizers[0]; i++)
        if (strncmp(name, sanitizers[i], strlen(sanitizers[i])) == 0)
            snprintf(elf->sanitizer, sizeof elf->sanitizer, "%s", name);
}

static void read_dynamic(int fd, const struct segments *segments, const segment *where, struct fh_elf *elf) {
    dynamic entry;
    uint64_t strings = UINT64_MAX;
    uint64_t count = where->p_filesz / sizeof entry;
    if (count > DYNAMIC_READ) count = DYNAMIC_READ;
    for (uint64_t i = 0; i < count && read_at(fd, &entry, sizeof entry, where->p_offset + i * sizeof entry);
         i++) {
        if (entry.d_tag == DT_STRTAB) strings = offset_of(segments, entry.d_un.d_ptr);
        if (entry.d_tag == DT_SONAME) elf->is_loader = true;
        if (entry.d_tag == DT_NULL) break;
    }
    if (strings == UINT64_MAX) return;
    for (uint64_t i = 0; i < count && read_at(fd, &entry, sizeof entry, where->p_offset + i * sizeof entry);
         i++) {
        char name[64];
        if (entry.d_tag == DT_NULL) break;
        if (entry.d_tag != DT_NEEDED) continue;
        read_text_at(fd, name, sizeof name, strings + entry.d_un.d_val);
        judge_needed(name, elf);
    }
}

/* Notes follow each other: sizes, type, name, contents, the latter two padded to four bytes. */
static void read_notes(int fd, const segment *where, struct fh_elf *elf) {
    uint64_t at = where->p_offset, end = where->p_offset + where->p_filesz;
    for (int i = 0; i < NOTES_READ && at < end; i++) {
        note head;
        char name[sizeof FH_NOTE_NAME] = "";
        if (!read_at(fd, &head, sizeof head, at)) return;
        if (head.n_namesz == sizeof name && head.n_type == FH_NOTE_TYPE &&
            read_at(fd, name, sizeof name, at + sizeof head) && memcmp(name, FH_NOTE_NAME, sizeof name) == 0)
            elf->has_freehold = true;
        at += sizeof head + ((uint64_t)head.n_namesz + 3) / 4 * 4 + ((uint64_t)head.n_descsz + 3) / 4 * 4;
    }
}

/* ---------------------------------------------------------------- the file ------------------------------ */

enum fh_elf_read fh_elf_read(int fd, struct fh_elf *elf) {
    header head;
    struct segments segments;
    memset(elf, 0, sizeof *elf);
    if (!read_at(fd, &head, SELFMAG, 0) || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0) return FH_ELF_NOT_ELF;
    if (!read_at(fd, &head, offsetof(header, e_version), 0)) return FH_ELF_DAMAGED;
    name_machine(&head, elf);
    if (!elf->same_machine) return FH_ELF_OK;
    if (!read_at(fd, &head, sizeof head, 0) || (head.e_type != ET_EXEC && head.e_type != ET_DYN))
        return FH_ELF_DAMAGED;
    if (!read_segments(fd, &head, &segments)) return FH_ELF_DAMAGED;
    for (size_t i = 0; i < segments.count; i++) {
        const segment *s = &segments.list[i];
        if (s->p_type == PT_NOTE) read_notes(fd, s, elf);
        if (s->p_type == PT_DYNAMIC) read_dynamic(fd, &segments, s, elf);
        if (s->p_type != PT_INTERP || s->p_filesz >= sizeof elf->interpreter) continue;
        elf->loads_libraries = true;
        read_text_at(fd, elf->interpreter, s->p_filesz + 1, s->p_offset);
    }
    return FH_ELF_OK;
}
