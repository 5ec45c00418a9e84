/* map.c - Map's growth, and its two hashes for what is not worth inlining: see freehold/map.h.
 *
 * A table is rebuilt when no empty slot may be filled any more: at twice the size when it is really full, at
 * the same size when it is mostly marks of deleted entries. A claim that met a chain of FH_MAP_LONG_CHAIN
 * groups sets `left` to 0 early; that is how a rebuild knows: there are more empty tags than 1/8, and then the
 * new table's hash is SipHash.
 */
#include <freehold/map.h>

#include "os/os_own.h"
#include "own/buffer.h"
#include "own/checked.h"

#include <errno.h>
#include <string.h>

/* ---- seeds ---- */

static uint64_t secret;  /* of this process; even, not 0 once it is made */
static uint64_t sip_key; /* the second half of each key; the first is the table's seed */

static uint64_t make_secret(void) {
    uint64_t bytes[3], none = 0;
    fh_os_random(bytes, sizeof bytes);
    bytes[0] = (bytes[0] | 4) & ~(uint64_t)1;
    if (__atomic_compare_exchange_n(&secret, &none, bytes[0], false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return bytes[0];
    return none;
}

/* Each table hashes its own way: an order found out in one says nothing about another. */
static uint64_t new_seed(const void *table) {
    uint64_t all = __atomic_load_n(&secret, __ATOMIC_ACQUIRE);
    if (all == 0) all = make_secret();
    return fh_fold(all ^ (uintptr_t)table, FH_HASH_B) & ~(uint64_t)1;
}

/* ---- hashes ---- */

uint64_t fh_hash_long(const unsigned char *p, size_t n, uint64_t seed) {
    size_t left = n;
    uint64_t other = seed ^ FH_HASH_B;
    if (left > 32) {
        uint64_t a = seed, b = other;
        for (; left > 32; left -= 32, p += 32) {
            a = fh_fold(fh_read8(p) ^ FH_HASH_A, fh_read8(p + 8) ^ a);
            b = fh_fold(fh_read8(p + 16) ^ FH_HASH_B, fh_read8(p + 24) ^ b);
        }
        seed = a ^ b;
    }
    if (left > 16) {
        seed = fh_fold(fh_read8(p) ^ FH_HASH_B, fh_read8(p + 8) ^ seed);
        p += 16, left -= 16;
    }
    /* the last 16 bytes; they may overlap what was taken already */
    return fh_fold(fh_fold(fh_read8(p + left - 16) ^ FH_HASH_A, fh_read8(p + left - 8) ^ seed) ^ n, FH_HASH_B);
}

/* SipHash-1-3 (Aumasson and Bernstein, 2012; one and three rounds, as in Rust's HashMap). */
#define ROTATE(x, n) ((x) << (n) | (x) >> (64 - (n)))
static void sip_round(uint64_t v[4]) {
    v[0] += v[1], v[1] = ROTATE(v[1], 13) ^ v[0], v[0] = ROTATE(v[0], 32);
    v[2] += v[3], v[3] = ROTATE(v[3], 16) ^ v[2];
    v[0] += v[3], v[3] = ROTATE(v[3], 21) ^ v[0];
    v[2] += v[1], v[1] = ROTATE(v[1], 17) ^ v[2], v[2] = ROTATE(v[2], 32);
}

uint64_t fh_hash_strong(const void *text, size_t n, uint64_t seed) {
    const unsigned char *p = text;
    uint64_t k0 = seed, k1 = fh_fold(seed, FH_HASH_B) ^ __atomic_load_n(&sip_key, __ATOMIC_RELAXED);
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575ull, k1 ^ 0x646f72616e646f6dull, k0 ^ 0x6c7967656e657261ull,
                     k1 ^ 0x7465646279746573ull};
    uint64_t last = (uint64_t)n << 56;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t word = fh_read8(p + i);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    for (size_t j = 0; i + j < n; j++) last |= (uint64_t)p[i + j] << (8 * j);
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int round = 0; round < 3; round++) sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint64_t strong_seed(void) {
    uint64_t random[2];
    fh_os_random(random, sizeof random);
    uint64_t none = 0;
    __atomic_compare_exchange_n(&sip_key, &none, random[1] | 1, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    return random[0] | 1;
}

/* ---- tables ---- */

/* SIZE_MAX when that is no number of bytes. */
static size_t bytes_of(size_t groups, size_t slot) {
    size_t bytes;
    return __builtin_mul_overflow(groups * FH_MAP_GROUP, slot + 1, &bytes) ? SIZE_MAX : bytes;
}

static uint64_t hash_of(const char *at, size_t key, uint64_t seed) {
    if (!fh_key_is_str(key)) return fh_hash_word(fh_key_word(at, key > 8 ? 8 : key), seed);
    const fh_str *text = (const fh_str *)(const void *)at;
    return fh_hash_bytes(text->ptr, text->len, seed);
}

static void copy_slot(char *to, const char *from, size_t slot) {
    switch (slot) { /* the common sizes, as constants */
        case 8: memcpy(to, from, 8); break;
        case 16: memcpy(to, from, 16); break;
        case 32: memcpy(to, from, 32); break;
        case 48: memcpy(to, from, 48); break;
        default: memcpy(to, from, slot);
    }
}

/* Moves all entries into a table of that many groups, hashed with that seed. */
static bool rebuild(struct fh_raw_map *map, size_t slot, size_t key, size_t groups, uint64_t seed) {
    size_t bytes = bytes_of(groups, slot);
    if (bytes > PTRDIFF_MAX) return false;
    struct fh_raw_map fresh = {.slots = fh_buffer_get(bytes, 16, "Map"), .mask = groups - 1};
    if (fresh.slots == NULL) return false;
    fresh.seed = seed != 0 ? seed : new_seed(fresh.slots);
    fresh.left = groups * FH_MAP_GROUP / 8 * 7;
    memset(fh_map_tags(fresh.slots, fresh.mask, slot), FH_MAP_EMPTY, groups * FH_MAP_GROUP);
    for (char *at = fh_map_next(map->slots, map->mask, map->len, NULL, slot); at != NULL;
         at = fh_map_next(map->slots, map->mask, map->len, at, slot)) {
        copy_slot(fh_map_claim(&fresh, slot, hash_of(at, key, fresh.seed)), at, slot);
    }
    if (map->slots != NULL) fh_buffer_leave(map->slots, bytes_of(map->mask + 1, slot), 16);
    *map = fresh;
    return true;
}

static bool was_attacked(const struct fh_raw_map *map, size_t slot) {
    if (map->slots == NULL || map->left > 0 || (map->seed & 1)) return false;
    size_t n = (map->mask + 1) * FH_MAP_GROUP, empty = 0;
    const unsigned char *tags = fh_map_tags(map->slots, map->mask, slot);
    for (size_t i = 0; i < n; i++) empty += tags[i] == FH_MAP_EMPTY;
    return empty > n / 8;
}

/* How many groups the rebuilt table shall have: a table that is at most half full need not grow, it was full of
 * marks; and the next rebuild is far away then, too. */
static size_t groups_for(const struct fh_raw_map *map, size_t wanted) {
    size_t groups = map->slots ? map->mask + 1 : 1;
    if (map->len > groups * FH_MAP_GROUP / 16 * 7) groups *= 2;
    while (wanted > groups * FH_MAP_GROUP / 8 * 7 && groups < SIZE_MAX / 64) groups *= 2;
    return groups;
}

bool fh_map_room(void *raw, size_t slot, size_t key, size_t n, bool quiet) {
    FH_ENTER;
    struct fh_raw_map *map = raw;
    if (n <= map->left) return true;
    size_t wanted = map->len + n, groups = groups_for(map, wanted);
    uint64_t seed = was_attacked(map, slot) ? strong_seed() : map->seed & 1 ? map->seed : 0;
    if (wanted < n || !rebuild(map, slot, key, groups, seed) ||
        (map->left < n &&
         !rebuild(map, slot, key, groups, strong_seed()))) { /* an attack met while rebuilding */
        errno = ENOMEM;
        if (quiet) return false;
        fh_own_no_memory("Map", bytes_of(groups, slot));
    }
    return true;
}

void fh_map_free(void *raw, size_t slot) {
    FH_ENTER;
    struct fh_raw_map *map = raw;
    if (map->slots != NULL) fh_buffer_free(map->slots, bytes_of(map->mask + 1, slot), 16);
    memset(map, 0, sizeof *map);
}
