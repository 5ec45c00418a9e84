/* os_maps.h - the mappings of this process, read from /proc/self/maps without allocating; in a handler too. */
#ifndef FH_OS_MAPS_H
#define FH_OS_MAPS_H

#include <stdbool.h>
#include <stdint.h>

struct fh_os_mapping {
    uintptr_t low, high;
    bool read, write, execute;
    uint64_t offset;
    uint64_t device, inode;
    const char *name; /* path or [stack] and the like, "" for none; valid during the call; long ones are cut */
};

/* Calls visit for each mapping, lowest first, until it returns false. False: there is no /proc here. */
bool fh_os_maps(bool (*visit)(const struct fh_os_mapping *mapping, void *context), void *context);

#endif
