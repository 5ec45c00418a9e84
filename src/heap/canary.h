/* canary.h - bytes that tell when somebody wrote where nothing may be written.
 *
 * A canary byte is one number for the whole process, chosen at its start: with its highest bit set and none of
 * the favourites of programs (0xff, 0xaa, 0xcc ...), so that neither the end of a string nor any other text
 * passes for it. It is one number, so that two threads that write the canary between their blocks write the
 * same.
 *
 * The last byte of each block that was ever handed out is a canary at all times, whoever has the block: so a
 * block can tell from the byte before it whether somebody wrote in front of it. The first blocks of a span are
 * never handed out (span.c), so that each has such a byte before it.
 */
#ifndef FH_HEAP_CANARY_H
#define FH_HEAP_CANARY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

extern unsigned char fh_canary __attribute__((visibility("hidden")));
extern unsigned char fh_canaries[32] __attribute__((aligned(32), visibility("hidden")));
extern unsigned char fh_freed_fill __attribute__((visibility("hidden")));

enum { FH_NEW_FILL = 0xbe }; /* new blocks, with fill_alloc=on */

/* The first byte of [at, at + size) that is not `byte`; NULL when all are. */
static inline const unsigned char *fh_first_other(const void *from, size_t size, unsigned char byte) {
    typedef uint64_t pair __attribute__((vector_size(16), aligned(1), may_alias));
    const unsigned char *at = from, *end = at + size;
    uint64_t all = byte * 0x0101010101010101u, word;
    pair both = {all, all};
    for (; end - at >= 64; at += 64) {
        const pair *p = (const pair *)(const void *)at;
        pair bad = (p[0] ^ both) | (p[1] ^ both) | (p[2] ^ both) | (p[3] ^ both);
        if (bad[0] | bad[1]) break;
    }
    for (; end - at >= 16; at += 16) {
        pair bad = *(const pair *)(const void *)at ^ both;
        if (bad[0] | bad[1]) break;
    }
    for (; end - at >= 8; at += 8) {
        memcpy(&word, at, 8);
        if (word != all) break;
    }
    for (; at < end; at++)
        if (*at != byte) return at;
    return NULL;
}

#endif
