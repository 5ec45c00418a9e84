/* class.c - fills the tables of class.h. */
#include "class.h"

#include "../base/settings.h"

_Alignas(64) uint8_t fh_class_table[FH_CLASS_TABLE_SIZE];
_Alignas(64) struct fh_class fh_classes[FH_CLASS_COUNT];
_Alignas(64) _Atomic uint32_t fh_class_spans[FH_CLASS_SPANS_SIZE];

enum {
    BIN_BYTES = 32 * 1024, /* a bin holds no more than this, */
    BIN_MANY = 32,      /* or fewer blocks than this if they are more: a visit of the slow path serves many, */
    BIN_LARGE = 4,      /* up to this many times as much */
    BIN_BLOCKS = 1022,  /* nor ever more blocks than this */
    BIN_FEWEST = 2,     /* but it may always hold this many */
    CHECKED_LEAST = 32, /* checked mode: no block is smaller, see check_quick.c */
    CHECKED_TIMES = 4,  /* checked mode: all of that so many times, as blocks come back late and in no order */
};

/* The largest 2^k - 2 (magazines come in these) that keeps a bin within its bounds. */
static uint32_t bin_most(uint32_t size, uint32_t bytes) {
    uint32_t most = BIN_FEWEST;
    uint32_t times = fh_mode_checks() ? CHECKED_TIMES : 1, blocks = (BIN_BLOCKS + 2) * times - 2;
    while (most * 2 + 2 <= blocks && (most * 2 + 4) * size <= bytes * times) most = most * 2 + 2;
    return most;
}

/* What a bin may hold at most. */
static uint32_t bin_bytes(uint32_t size) {
    uint32_t bytes = size * BIN_MANY;
    if (bytes < BIN_BYTES) return BIN_BYTES;
    return bytes < BIN_LARGE * BIN_BYTES ? bytes : BIN_LARGE * BIN_BYTES;
}

static void fill(unsigned c) {
    struct fh_class *class = &fh_classes[c];
    uint32_t size = (uint32_t)fh_class_size(c), blocks = (uint32_t)(FH_GRANULE / size);
    class->size = size;
    class->in_granule = (uint32_t)(((uint64_t)1 << 32) / size) + 1;
    class->blocks = (uint16_t)blocks;
    class->worth = blocks >= 256 ? 3 : blocks >= 64 ? 2 : blocks >= 16 ? 1 : 0;
    class->bin_most = (uint16_t)bin_most(size, bin_bytes(size));
    class->bin_one_way = (uint16_t)bin_most(size, BIN_BYTES / 4);
}

void fh_class_begin(void) {
    for (unsigned c = 1; c < FH_CLASS_COUNT; c++) fill(c);
    size_t smallest = fh_mode_checks() ? CHECKED_LEAST : 16;
    for (size_t i = 1; i <= FH_SMALL_MAX / 16; i++) {
        size_t size = i * 16 < smallest ? smallest : i * 16;
        __atomic_store_n(&fh_class_table[i], (uint8_t)fh_class_of(size), __ATOMIC_RELAXED);
    }
}
