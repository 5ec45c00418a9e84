/* os_maps.c - /proc/self/maps, a line at a time through a small buffer. */
#include "os/os_maps.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct reader {
    int fd;
    size_t at, end;
    char buf[1024];
};

/* -1: the end. */
static int next(struct reader *reader) {
    if (reader->at == reader->end) {
        ssize_t got;
        do {
            got = read(reader->fd, reader->buf, sizeof reader->buf);
        } while (got < 0 && errno == EINTR);
        if (got <= 0) return -1;
        reader->at = 0;
        reader->end = (size_t)got;
    }
    return (unsigned char)reader->buf[reader->at++];
}

/* A number in the base, and the character behind it. */
static uint64_t number(struct reader *reader, unsigned base, int *behind) {
    uint64_t n = 0;
    for (;;) {
        int c = next(reader);
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                                                : 99;
        if (digit >= base) {
            *behind = c;
            return n;
        }
        n = n * base + digit;
    }
}

/* 7ffd1000-7ffd2000 rw-p 00000000 08:01 1234    /path */
static bool line(struct reader *reader, struct fh_os_mapping *mapping, char *name, size_t size) {
    int c;
    mapping->low = (uintptr_t)number(reader, 16, &c);
    if (c != '-') return false;
    mapping->high = (uintptr_t)number(reader, 16, &c);
    mapping->read = next(reader) == 'r';
    mapping->write = next(reader) == 'w';
    mapping->execute = next(reader) == 'x';
    next(reader); /* p or s */
    next(reader);
    mapping->offset = number(reader, 16, &c);
    uint64_t major = number(reader, 16, &c), minor = number(reader, 16, &c);
    mapping->device = major << 32 | minor;
    mapping->inode = number(reader, 10, &c);
    while (c == ' ') c = next(reader);
    size_t length = 0;
    for (; c != '\n' && c >= 0; c = next(reader))
        if (length + 1 < size) name[length++] = (char)c;
    name[length] = '\0';
    mapping->name = name;
    return true;
}

bool fh_os_maps(bool (*visit)(const struct fh_os_mapping *, void *), void *context) {
    int saved = errno;
    struct reader reader = {open("/proc/self/maps", O_RDONLY | O_CLOEXEC), 0, 0, {0}};
    if (reader.fd >= 0) {
        struct fh_os_mapping mapping;
        char name[512];
        while (line(&reader, &mapping, name, sizeof name) && visit(&mapping, context)) {}
        close(reader.fd);
    }
    errno = saved;
    return reader.fd >= 0;
}
