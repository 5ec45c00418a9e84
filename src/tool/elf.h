/* elf.h - what an ELF file says of itself, as far as preloading into it is concerned. */
#ifndef FH_TOOL_ELF_H
#define FH_TOOL_ELF_H

#include <limits.h>
#include <stdbool.h>

struct fh_elf {
    bool same_machine;    /* the processor and word size of this command; else nothing below is known */
    char machine[24];     /* "x86-64", "32-bit ARM" ...                                               */
    bool loads_libraries; /* has an interpreter (the dynamic loader), so is not static                */
    bool is_loader;       /* is the dynamic loader itself, or another shared object without one       */
    char interpreter[PATH_MAX];
    bool glibc;         /* needs libc.so.6                                                          */
    char sanitizer[64]; /* the sanitizer's library that it needs, or ""                             */
    bool has_freehold;  /* Freehold is linked in: see the note in record.c                          */
};

enum fh_elf_read { FH_ELF_OK, FH_ELF_NOT_ELF, FH_ELF_DAMAGED };

/* Reads the file behind fd. */
enum fh_elf_read fh_elf_read(int fd, struct fh_elf *elf);

#endif
