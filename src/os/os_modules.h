/* os_modules.h - the programs and libraries in this process, as files and as code; in a handler.
 *
 * Read from /proc/self/maps and from the ELF headers in memory, so no lock of the loader is needed, and
 * libraries loaded a moment ago are there.
 */
#ifndef FH_OS_MODULES_H
#define FH_OS_MODULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fh_os_module {
    uintptr_t low, high;              /* one executable mapping                                              */
    uintptr_t header;                 /* the ELF header in memory                                            */
    uintptr_t bias;                   /* address in memory - address in the file                             */
    uintptr_t eh_frame_hdr;           /* sorted table of unwind information, 0 for none                     */
    uintptr_t eh_frame, eh_frame_end; /* without the table: the whole, 0 for none                  */
    const char *path;
    /* the file's symbols, once looked for: */
    bool opened;
    const void *file, *debug_file;
    size_t file_size, debug_size;
};

struct fh_os_modules {
    size_t count;
    size_t text_used;
    struct fh_os_module list[512];
    char text[128 << 10];
};

/* Fills *modules, which is large: 200 KiB. False: no /proc. */
bool fh_os_modules_read(struct fh_os_modules *modules);
struct fh_os_module *fh_os_module_of(struct fh_os_modules *modules, uintptr_t address);

/* The function at the address, from the file's symbol table (static functions too) or that of its separate
 * debug file, else its dynamic symbols. NULL: not known. *offset: of the address in it. The name is valid until
 * the modules are closed. */
const char *fh_os_function_name(struct fh_os_modules *modules, uintptr_t address, uintptr_t *offset);

/* Does the module export an operator new or delete, or is it C++ code that imports none? */
bool fh_os_module_has_own_new(struct fh_os_module *module);

void fh_os_modules_close(struct fh_os_modules *modules);

#endif
