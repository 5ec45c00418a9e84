/* bench/work/grow.c - arrays that grow by realloc.
 *
 * grow-step: 256 buffers grow by a few bytes at a time to some KiB, then start anew: text being read, output
 * being built by code that never heard of doubling. What counts is the test "does it still fit?".
 * grow-double: four arrays grow by half at a time, side by side, from 16 bytes to 48 MiB, and each new part
 * is written. What counts for the large ones is whether realloc copies or moves pages; and the old blocks'
 * room must serve the other arrays, or the peak is a multiple of what is live. */
#include "work.h"

static uint64_t grow_step(double scale) {
    enum { BUFFERS = 256 };
    struct {
        unsigned char *byte;
        size_t size, goal;
    } buffer[BUFFERS] = {0};
    struct rng r = {9};
    uint64_t sum = 0;
    size_t steps = scaled(24000000, scale, 1000);
    for (size_t i = 0; i < steps; i++) {
        size_t at = rng_below(&r, BUFFERS), more = 8 + (i & 31);
        size_t old = buffer[at].size;
        if (old >= buffer[at].goal) {
            if (old) sum += buffer[at].byte[old / 2];
            free(buffer[at].byte);
            buffer[at].byte = NULL;
            buffer[at].goal = rng_size(&r, 8192);
            old = 0;
        }
        buffer[at].byte = must(realloc(buffer[at].byte, old + more));
        memset(buffer[at].byte + old, (int)(i & 255), more);
        buffer[at].size = old + more;
    }
    for (size_t at = 0; at < BUFFERS; at++) {
        if (buffer[at].size) sum += buffer[at].byte[0];
        free(buffer[at].byte);
    }
    return sum;
}

/* Fills [from, to) of an array of numbers with their indices. */
static void count_up(uint32_t *array, size_t from, size_t to) {
    for (size_t i = from; i < to; i++) array[i] = (uint32_t)i;
}

static uint64_t grow_double(double scale) {
    enum { ARRAYS = 4, MOST = 12 << 20 };
    size_t rounds = scaled(10, scale, 1);
    uint64_t sum = 0;
    for (size_t r = 0; r < rounds; r++) {
        uint32_t *array[ARRAYS] = {0};
        size_t have = 0;
        for (size_t want = 4; want <= MOST; want += want / 2) {
            for (size_t a = 0; a < ARRAYS; a++) {
                array[a] = must(realloc(array[a], want * sizeof(uint32_t)));
                count_up(array[a], have, want);
            }
            have = want;
        }
        for (size_t a = 0; a < ARRAYS; a++) {
            for (size_t i = 0; i < have; i += 509) sum += array[a][i] ^ a;
            free(array[a]);
        }
    }
    return sum;
}

const struct work works_grow[] = {
    {"grow-step", "256 buffers grow by 8 to 39 bytes at a time", grow_step},
    {"grow-double", "four arrays grow by half at a time to 48 MiB", grow_double},
    {0},
};
