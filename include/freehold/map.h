/* map.h - Map(K, V): a hash map that owns its keys and values. K is Str or an integer.
 *
 *     #include <freehold/map.h>
 *     #include <stdio.h>
 *
 *     FH_MAP(fh_str, int)                                              // declares fh_Map(fh_str, int)
 *
 *     int main(void) {
 *         fh_own(fh_Map(fh_str, int)) count = {0};
 *         fh_str_each_split(word, fh_view("to be or not to be"), fh_view(" "))
 *             ++*fh_map_entry(&count, word);                           // an int *, zero when new; the key is copied then
 *         int *be = fh_map_get(&count, fh_view("be"));                 // NULL when there is none
 *         fh_map_each(e, &count) printf("%s %d\n", fh_str_c(&e->key), e->value);
 *         return be && *be == 2 && count.len == 4 ? 0 : 1;
 *     }
 *
 *     fh_Map(K, V)   { slots, mask, len, left, seed }      five words; all zero is empty and holds no memory
 *     memory         [ slot 0 | slot 1 | ... | slot n-1 | tag 0 | ... | tag n-1 ]     one block, n = 16 * 2^k
 *     tag            0 empty, 1 deleted, 0x80 | 7 bits of the hash: full
 *     len + deleted + left = n * 7/8
 *
 * The algorithm is the "Swiss table" of Abseil (Kulukundis, CppCon 2017), which Rust's hashbrown uses as well,
 * in the form with aligned groups: a key's hash chooses a group of 16 tags, one SSE2 comparison (or two words
 * of plain C elsewhere) finds the slots whose tag matches, and a group with an empty tag ends the search; else
 * the next group, at triangular distances. It was chosen over robin hood hashing because a lookup that fails
 * reads one cache line of tags and no slot, and removal needs no shifting.
 *
 * Hashing: folded 128-bit multiplication (as wyhash and foldhash) under a secret seed of the process, mixed
 * anew for each map. Who can choose keys but not see the seed cannot aim at a bucket; should an insertion
 * nevertheless meet a chain longer than chance allows, the map changes to SipHash-1-3 with a fresh key and
 * rehashes itself. Iteration order is unspecified.
 *
 * m is a pointer to a Map throughout. A pointer to a value is good until the next insertion or removal. All is
 * O(1) on the mean, but for clear and the growth of the table. Out of memory is reported, then abort, except by
 * fh_map_try_entry. For one thread at a time; several may look at once while none changes it.
 */
#ifndef FREEHOLD_MAP_H
#define FREEHOLD_MAP_H

#include <freehold/str.h>

/* The type, after FH_MAP(K, V) has declared it; FH_MAP_CLONE(K, V) after that when it shall be cloned. Both
 * arguments are one token each. A typedef for an integer type may be a key after FH_MAP_KEY(K).
 *
 * A type T that has a Map of Ts, or of Box(T)s: FH_MAP_NAME(K, T) before struct T, and FH_MAP_BODY(K, T) after
 * its FH_DROP. To be cloned: FH_MAP_CLONE_LATER(K, T) before FH_CLONE(T, ...), FH_MAP_CLONE(K, T) at the end.
 * */
#define fh_Map(K, V) FH_CAT(FH_CAT(FH_CAT(fh_Map_, K), _), V)

/* fh_map_get(m, key)           a V *, or NULL. The key of a Str map is a view here: no Str has to be made to look
 * fh_map_entry(m, key)         a V *, all zero (an empty owner) when the key was not there; a Str key is copied then
 * fh_map_try_entry(m, key)     the same, but NULL and ENOMEM when there is no memory
 * fh_map_insert(X, m, key, value)      X is the Map's type. Takes over key and value; the old value is dropped
 * fh_map_remove(m, key)        the value, handed over; all zero when there is none
 * fh_map_delete(X, m, key)     drops the entry; false when there is none
 * fh_map_clear(X, m)           drops all entries, keeps the memory
 * fh_map_reserve(m, n)         room for n more entries
 * fh_map_each(e, m) statement  for each entry: e->key and e->value; values may change, nothing may be inserted
 * or removed
 */
#define fh_map_get(m, key) FH_MAP_GET(m, key, FH_UNIQUE(fh_m_), FH_UNIQUE(fh_k_))
#define fh_map_entry(m, key) FH_MAP_ENTRY(m, key, false, FH_UNIQUE(fh_m_), FH_UNIQUE(fh_k_))
#define fh_map_try_entry(m, key) FH_MAP_ENTRY(m, key, true, FH_UNIQUE(fh_m_), FH_UNIQUE(fh_k_))
#define fh_map_insert(X, m, key, ...) \
    FH_CAT(X, _insert)(FH_USED(X, m, "map_insert(" #m ")"), (key), (__VA_ARGS__))
#define fh_map_remove(m, key) FH_MAP_REMOVE(m, key, FH_UNIQUE(fh_m_), FH_UNIQUE(fh_k_), FH_UNIQUE(fh_v_))
#define fh_map_delete(X, m, key) FH_CAT(X, _delete)(FH_USED(X, m, "map_delete(" #m ")"), (key))
#define fh_map_clear(X, m) FH_CAT(X, _clear)(FH_USED(X, m, "map_clear(" #m ")"))
#define fh_map_reserve(m, n) FH_MAP_RESERVE(m, n, FH_UNIQUE(fh_m_))
#define fh_map_each(e, m) \
    FH_MAP_EACH(e, m, "map_each(" #m ")", FH_UNIQUE(fh_m_), FH_UNIQUE(fh_once_), FH_UNIQUE(fh_first_))

/* ---------------------------------------------------------------- how ---------------------------------- */

#ifdef __cplusplus
extern "C" {
#endif

#define FH_MAP_GROUP 16u
#define FH_MAP_EMPTY 0
#define FH_MAP_DELETED 1

/* Any Map seen without its types. */
struct fh_raw_map {
    char *slots;
    size_t mask;   /* groups - 1                                                    */
    size_t len;    /* full slots                                                    */
    size_t left;   /* empty slots that may still be filled before the table grows    */
    uint64_t seed; /* even: folded multiplication; odd: SipHash                   */
};

/* Out of line: room for n more; false and ENOMEM when there is none (quiet), else reported. */
FH_API bool fh_map_room(void *map, size_t slot, size_t key, size_t n, bool quiet);
FH_API void fh_map_free(void *map, size_t slot);
FH_API uint64_t fh_hash_strong(const void *p, size_t n, uint64_t seed);
FH_API uint64_t fh_hash_long(const unsigned char *p, size_t n, uint64_t seed);

/* The high and low half of the product of two words, folded into one. */
FH_INLINE uint64_t fh_fold(uint64_t a, uint64_t b) {
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}
/* Odd constants with as many ones as zeros. */
#define FH_HASH_A 0x9e3779b97f4a7c15ull
#define FH_HASH_B 0xd1b54a32d192ed03ull

FH_INLINE uint64_t fh_read8(const void *p) {
    uint64_t word;
    __builtin_memcpy(&word, p, 8);
    return word;
}
FH_INLINE uint64_t fh_read4(const void *p) {
    uint32_t word;
    __builtin_memcpy(&word, p, 4);
    return word;
}
FH_INLINE uint64_t fh_hash_bytes(const void *text, size_t n, uint64_t seed) {
    const unsigned char *p = (const unsigned char *)text;
    uint64_t a = 0, b = 0;
    if (FH_UNLIKELY(seed & 1)) return fh_hash_strong(text, n, seed);
    if (n > 16) return fh_hash_long(p, n, seed);
    if (n >= 8) a = fh_read8(p), b = fh_read8(p + n - 8);
    else if (n >= 4) a = fh_read4(p), b = fh_read4(p + n - 4);
    else if (n > 0) a = (uint64_t)p[0] << 16 | (uint64_t)p[n >> 1] << 8 | p[n - 1];
    return fh_fold(fh_fold(a ^ FH_HASH_A, b ^ seed) ^ n, FH_HASH_B);
}
FH_INLINE uint64_t fh_hash_word(uint64_t word, uint64_t seed) {
    if (FH_UNLIKELY(seed & 1)) return fh_hash_strong(&word, sizeof word, seed);
    return fh_fold(word ^ seed, FH_HASH_A);
}

/* The tags of a group that equal `tag`: bit i for slot i. */
FH_INLINE uint32_t fh_group_match(const unsigned char *tags, unsigned char tag) {
#ifdef __SSE2__
    typedef char bytes __attribute__((vector_size(16)));
    char t = (char)tag;
    bytes group, wanted = {t, t, t, t, t, t, t, t, t, t, t, t, t, t, t, t};
    __builtin_memcpy(&group, tags, 16);
    return (uint32_t)__builtin_ia32_pmovmskb128((bytes)(group == wanted));
#else
    uint32_t found = 0; /* eight tags at a time: a byte of `zero` is 0x80 exactly where the difference is 0 */
    for (unsigned half = 0; half < 2; half++) {
        uint64_t x = fh_read8(tags + 8 * half) ^ 0x0101010101010101ull * tag;
        uint64_t zero = ~(((x & 0x7f7f7f7f7f7f7f7full) + 0x7f7f7f7f7f7f7f7full) | x | 0x7f7f7f7f7f7f7f7full);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        zero = __builtin_bswap64(zero);
#endif
        found |= (uint32_t)((zero >> 7) * 0x0102040810204080ull >> 56) << (8 * half);
    }
    return found;
#endif
}

FH_INLINE unsigned char *fh_map_tags(const void *slots, size_t mask, size_t slot) {
    return (unsigned char *)(uintptr_t)slots + (mask + 1) * FH_MAP_GROUP * slot;
}
FH_INLINE unsigned char fh_map_tag(uint64_t hash) { return (unsigned char)(0x80 | hash >> 57); }

/* Keys: 24 bytes are a Str, looked up by a view; anything shorter is an integer, by its value. */
FH_INLINE bool fh_key_is_str(size_t key) { return key == sizeof(fh_str); }
FH_INLINE uint64_t fh_key_word(const void *key, size_t size) {
    uint64_t word = 0;
    __builtin_memcpy(&word, key, size);
    return word;
}
FH_INLINE uint64_t fh_key_hash(const void *lookup, size_t key, uint64_t seed) {
    if (!fh_key_is_str(key)) return fh_hash_word(fh_key_word(lookup, key > 8 ? 8 : key), seed);
    const fh_str_view *view = (const fh_str_view *)lookup;
    return fh_hash_bytes(view->ptr, view->len, seed);
}
FH_INLINE bool fh_key_equal(const void *slot, const void *lookup, size_t key) {
    if (!fh_key_is_str(key)) return __builtin_memcmp(slot, lookup, key > 8 ? 8 : key) == 0;
    return fh_view_equal(fh_view_n(((const fh_str *)slot)->ptr, ((const fh_str *)slot)->len),
                         *(const fh_str_view *)lookup);
}

/* The slot of a key, or NULL. slot and key are sizes, and constants. */
FH_INLINE char *fh_map_find(const struct fh_raw_map *map, const void *lookup, size_t slot, size_t key,
                            uint64_t hash) {
    if (map->len == 0) return NULL;
    const unsigned char *tags = fh_map_tags(map->slots, map->mask, slot);
    size_t group = hash & map->mask;
    for (size_t step = 1;; step++) {
        const unsigned char *here = tags + group * FH_MAP_GROUP;
        for (uint32_t found = fh_group_match(here, fh_map_tag(hash)); found != 0; found &= found - 1) {
            char *at = map->slots + (group * FH_MAP_GROUP + (unsigned)__builtin_ctz(found)) * slot;
            if (FH_LIKELY(fh_key_equal(at, lookup, key))) return at;
        }
        if (FH_LIKELY(fh_group_match(here, FH_MAP_EMPTY) != 0)) return NULL;
        group = (group + step) & map->mask;
    }
}

/* Chains this long do not happen by chance at 7/8 full (measured: 1 in 10^9 insertions reaches 9). */
#define FH_MAP_LONG_CHAIN 24u

/* Takes the first slot on the key's way that is not full. `left` must not be 0. */
FH_INLINE char *fh_map_claim(struct fh_raw_map *map, size_t slot, uint64_t hash) {
    unsigned char *tags = fh_map_tags(map->slots, map->mask, slot);
    size_t group = hash & map->mask;
    for (size_t step = 1;; step++) {
        unsigned char *here = tags + group * FH_MAP_GROUP;
        uint32_t room = fh_group_match(here, FH_MAP_EMPTY);
        if (room == 0) room = fh_group_match(here, FH_MAP_DELETED);
        if (FH_LIKELY(room != 0)) {
            unsigned i = (unsigned)__builtin_ctz(room);
            map->left -= here[i] == FH_MAP_EMPTY;
            here[i] = fh_map_tag(hash);
            map->len++;
            if (FH_UNLIKELY(step > FH_MAP_LONG_CHAIN) && !(map->seed & 1)) map->left = 0; /* see map.c */
            return map->slots + (group * FH_MAP_GROUP + i) * slot;
        }
        group = (group + step) & map->mask;
    }
}

/* The slot of a key, made when it is not there: then its value is all zero and *is_new true, and the key is for
 * the caller to fill in. NULL when there is no memory and quiet. */
FH_INLINE char *fh_map_make(struct fh_raw_map *map, const void *lookup, size_t slot, size_t key, bool quiet,
                            bool *is_new) {
    uint64_t hash = fh_key_hash(lookup, key, map->seed);
    char *at = fh_map_find(map, lookup, slot, key, hash);
    *is_new = at == NULL;
    if (at != NULL) return at;
    if (FH_UNLIKELY(map->left == 0)) {
        if (!fh_map_room(map, slot, key, 1, quiet)) return NULL;
        hash = fh_key_hash(lookup, key, map->seed);
    }
    at = fh_map_claim(map, slot, hash);
    __builtin_memset(at, 0, slot);
    return at;
}

/* Empties the slot that `at` points to. A group that still has an empty tag ends every search, so then no mark
 * is needed. */
FH_INLINE void fh_map_vacate(struct fh_raw_map *map, const char *at, size_t slot) {
    size_t i = (size_t)(at - map->slots) / slot;
    unsigned char *tags = fh_map_tags(map->slots, map->mask, slot);
    bool ends = fh_group_match(tags + (i & ~(size_t)15), FH_MAP_EMPTY) != 0;
    tags[i] = ends ? FH_MAP_EMPTY : FH_MAP_DELETED;
    map->left += ends;
    map->len--;
}

/* The full slot after `at` (the first for NULL), or NULL. */
FH_INLINE void *fh_map_next(const void *slots, size_t mask, size_t len, const void *at, size_t slot) {
    if (len == 0) return NULL;
    size_t n = (mask + 1) * FH_MAP_GROUP;
    const unsigned char *tags = fh_map_tags(slots, mask, slot);
    size_t i = at == NULL ? 0 : (size_t)((const char *)at - (const char *)slots) / slot + 1;
    while (i < n && tags[i] < 0x80) i++;
    return i < n ? (char *)(uintptr_t)slots + i * slot : NULL;
}

/* Another number after each insertion and removal (and after both, when a mark was left). */
FH_INLINE size_t fh_map_stamp(const void *slots, size_t len, size_t left) {
    return (size_t)slots + len * 31 + left * 1021;
}

#define FH_MAP_RAW(m) ((struct fh_raw_map *)(uintptr_t)(m))
#define FH_MAP_KEYS(m) sizeof *(m)->slots, sizeof(m)->slots->key

/* As FH_VEC_EACH. With -DFH_CHECKED each turn asks whether there are still the same entries in the same
 * table. */
#define FH_EACH_SLOT(e, m, same)                                                           \
    for (__typeof__(*(m)->slots) *e =                                                      \
             (__typeof__(e))fh_map_next((m)->slots, (m)->mask, (m)->len, NULL, sizeof *e); \
         e != NULL;                                                                        \
         (void)(same), e = (__typeof__(e))fh_map_next((m)->slots, (m)->mask, (m)->len, e, sizeof *e))
#define FH_MAP_EACH(e, m, text, mm, once, first)                                                     \
    for (__typeof__(*(m)) *mm = (m), **once = (FH_USE_AT(mm, text), &mm); once != NULL; once = NULL) \
        for (__attribute__((unused)) size_t first = FH_MAP_STAMP(mm); once != NULL; once = NULL)     \
    FH_EACH_SLOT(e, mm, FH_SAME(first == FH_MAP_STAMP(mm), text))
#ifdef FH_CHECKED
#define FH_MAP_STAMP(m) fh_map_stamp((m)->slots, (m)->len, (m)->left)
#else
#define FH_MAP_STAMP(m) 0
#endif

#define FH_MAP_GET(m, k, mm, kk)                                                                      \
    __extension__({                                                                                   \
        __typeof__(m) mm = (m);                                                                       \
        __typeof__(*mm->fh_lookup[0]) kk = (k);                                                       \
        FH_USE_AT(mm, "map_get(" #m ")");                                                             \
        __typeof__(mm->slots) fh_at_ = (__typeof__(mm->slots))(void *)fh_map_find(                    \
            FH_MAP_RAW(mm), &kk, FH_MAP_KEYS(mm), fh_key_hash(&kk, sizeof mm->slots->key, mm->seed)); \
        fh_at_ != NULL ? &fh_at_->value : NULL;                                                       \
    })
#define FH_MAP_ENTRY(m, k, quiet, mm, kk)                                                                      \
    __extension__({                                                                                            \
        __typeof__(m) mm = (m);                                                                                \
        __typeof__(*mm->fh_lookup[0]) kk = (k);                                                                \
        FH_USE_AT(mm, "map_entry(" #m ")");                                                                    \
        bool fh_new_;                                                                                          \
        __typeof__(mm->slots) fh_at_ =                                                                         \
            (__typeof__(mm->slots))(void *)fh_map_make(FH_MAP_RAW(mm), &kk, FH_MAP_KEYS(mm), quiet, &fh_new_); \
        if (FH_UNLIKELY(fh_new_) && fh_at_ != NULL &&                                                          \
            !fh_map_set_key(FH_MAP_RAW(mm), (char *)fh_at_, &kk, FH_MAP_KEYS(mm), quiet))                      \
            fh_at_ = NULL;                                                                                     \
        fh_at_ != NULL ? &fh_at_->value : NULL;                                                                \
    })
#define FH_MAP_REMOVE(m, k, mm, kk, vv)                                                               \
    __extension__({                                                                                   \
        __typeof__(m) mm = (m);                                                                       \
        __typeof__(*mm->fh_lookup[0]) kk = (k);                                                       \
        FH_USE_AT(mm, "map_remove(" #m ")");                                                          \
        __typeof__(mm->slots->value) vv;                                                              \
        __typeof__(mm->slots) fh_at_ = (__typeof__(mm->slots))(void *)fh_map_find(                    \
            FH_MAP_RAW(mm), &kk, FH_MAP_KEYS(mm), fh_key_hash(&kk, sizeof mm->slots->key, mm->seed)); \
        if (fh_at_ != NULL) {                                                                         \
            vv = fh_at_->value;                                                                       \
            if (fh_key_is_str(sizeof fh_at_->key)) fh_str_drop((fh_str *)(void *)&fh_at_->key);       \
            fh_map_vacate(FH_MAP_RAW(mm), (char *)fh_at_, sizeof *fh_at_);                            \
        } else {                                                                                      \
            __builtin_memset((void *)&vv, 0, sizeof vv);                                              \
        }                                                                                             \
        vv;                                                                                           \
    })
#define FH_MAP_RESERVE(m, n, mm)                                    \
    __extension__({                                                 \
        __typeof__(m) mm = (m);                                     \
        FH_USE_AT(mm, "map_reserve(" #m ")");                       \
        (void)fh_map_room((void *)mm, FH_MAP_KEYS(mm), (n), false); \
    })

/* Fills in the key of a new slot; a Str's text is copied. False when there is no memory and quiet: the slot is
 * empty again. */
FH_INLINE bool fh_map_set_key(struct fh_raw_map *map, char *at, const void *lookup, size_t slot, size_t key,
                              bool quiet) {
    if (!fh_key_is_str(key)) {
        __builtin_memcpy(at, lookup, key > 8 ? 8 : key);
        return true;
    }
    fh_str *text = (fh_str *)(void *)at;
    if (!quiet) {
        *text = (fh_str_from_view)(*(const fh_str_view *)lookup);
        return true;
    }
    if (fh_str_try_from(text, *(const fh_str_view *)lookup)) return true;
    fh_map_vacate(map, at, slot);
    return false;
}

#ifdef __cplusplus
}
#endif

/* By what a key is looked up. */
typedef fh_str_view fh_Lookup_fh_str;
FH_INLINE fh_str_view fh_lookup_fh_str(const fh_str *key) { return fh_view_n(key->ptr, key->len); }
#define FH_MAP_KEY(K) FH_MAP_KEY_I(K)
#define FH_MAP_KEY_I(K)      \
    typedef K fh_Lookup_##K; \
    FH_GLUE K fh_lookup_##K(const K *key) { return *key; }
FH_MAP_KEY(char)
FH_MAP_KEY(short)
FH_MAP_KEY(int)
FH_MAP_KEY(long)
FH_MAP_KEY(unsigned)
FH_MAP_KEY(size_t)
FH_MAP_KEY(int8_t)
FH_MAP_KEY(int16_t)
FH_MAP_KEY(int32_t)
FH_MAP_KEY(int64_t)
FH_MAP_KEY(uint8_t)
FH_MAP_KEY(uint16_t)
FH_MAP_KEY(uint32_t)
FH_MAP_KEY(uint64_t)
FH_MAP_KEY(uintptr_t)

/* The Map itself, and what it is made of and can do. */
#define FH_MAP(K, V) FH_MAP_NAME(K, V) FH_MAP_BODY(K, V)
#define FH_MAP_NAME(K, V) FH_MAP_NAME_I(K, V, FH_CAT(FH_CAT(FH_CAT(fh_Map_, K), _), V))
#define FH_MAP_NAME_I(K, V, M) FH_MAP_NAME_II(K, V, M)
#define FH_MAP_NAME_II(K, V, M)       \
    typedef struct M##_slot M##_slot; \
    __extension__ typedef struct M {  \
        M##_slot *slots;              \
        size_t mask, len, left;       \
        uint64_t seed;                \
        fh_Lookup_##K *fh_lookup[0];  \
    } M FH_NOTE("fh:map");            \
    FH_GLUE void M##_drop(M *map);
#define FH_MAP_BODY(K, V) FH_MAP_BODY_I(K, V, FH_CAT(FH_CAT(FH_CAT(fh_Map_, K), _), V))
#define FH_MAP_BODY_I(K, V, M) FH_MAP_BODY_II(K, V, M)
#define FH_MAP_BODY_II(K, V, M)                                                                               \
    FH_STATIC_ASSERT(sizeof(K) <= 8 || sizeof(K) == sizeof(fh_str), "a key is an integer or a Str");          \
    struct M##_slot {                                                                                         \
        K key;                                                                                                \
        V value;                                                                                              \
    };                                                                                                        \
    FH_GLUE void M##_clear(M *map) {                                                                          \
        M fh_old_ = *map;                                                                                     \
        if (fh_plain_##K && fh_plain_##V) {                                                                   \
            fh_map_forget_all(FH_MAP_RAW(map), sizeof *map->slots);                                           \
            return;                                                                                           \
        }                                                                                                     \
        __builtin_memset((void *)map, 0, sizeof *map);                                                        \
        FH_EACH_SLOT(fh_e_, &fh_old_, true) {                                                                 \
            fh_drop_##K(&fh_e_->key);                                                                         \
            fh_drop_##V(&fh_e_->value);                                                                       \
        }                                                                                                     \
        fh_map_forget_all(FH_MAP_RAW(&fh_old_), sizeof *map->slots);                                          \
        if (map->slots == NULL) *map = fh_old_;                                                               \
        else fh_map_free(&fh_old_, sizeof *map->slots);                                                       \
    }                                                                                                         \
    FH_GLUE void M##_run(void *p, size_t len, size_t mask) {                                                  \
        M fh_map_ = FH_ZERO(M);                                                                               \
        fh_map_.slots = (M##_slot *)p, fh_map_.len = len, fh_map_.mask = mask;                                \
        FH_EACH_SLOT(fh_e_, &fh_map_, true) {                                                                 \
            fh_drop_##K(&fh_e_->key);                                                                         \
            fh_drop_##V(&fh_e_->value);                                                                       \
        }                                                                                                     \
        fh_map_free(&fh_map_, sizeof *fh_map_.slots);                                                         \
    }                                                                                                         \
    FH_GLUE void M##_drop(M *map) {                                                                           \
        M fh_old_ = *map;                                                                                     \
        FH_DROPPED(map);                                                                                      \
        if (fh_old_.slots == NULL) return;                                                                    \
        __builtin_memset((void *)map, 0, sizeof *map);                                                        \
        if (fh_old_.len == 0 || (fh_plain_##K && fh_plain_##V)) fh_map_free(&fh_old_, sizeof *fh_old_.slots); \
        else fh_drop_guarded(M##_run, fh_old_.slots, fh_old_.len, fh_old_.mask);                              \
    }                                                                                                         \
    FH_GLUE void M##_insert(M *map, K key, V value) {                                                         \
        bool fh_new_;                                                                                         \
        fh_Lookup_##K fh_k_ = fh_lookup_##K(&key);                                                            \
        M##_slot *fh_at_ =                                                                                    \
            (M##_slot *)(void *)fh_map_make(FH_MAP_RAW(map), &fh_k_, FH_MAP_KEYS(map), false, &fh_new_);      \
        V fh_old_ = fh_at_->value;                                                                            \
        fh_at_->value = value;                                                                                \
        if (fh_new_) {                                                                                        \
            fh_at_->key = key;                                                                                \
        } else {                                                                                              \
            fh_drop_##K(&key);                                                                                \
            fh_drop_##V(&fh_old_);                                                                            \
        }                                                                                                     \
    }                                                                                                         \
    FH_GLUE bool M##_delete(M *map, fh_Lookup_##K key) {                                                      \
        M##_slot *fh_at_ = (M##_slot *)(void *)fh_map_find(FH_MAP_RAW(map), &key, FH_MAP_KEYS(map),           \
                                                           fh_key_hash(&key, sizeof(K), map->seed));          \
        if (fh_at_ == NULL) return false;                                                                     \
        M##_slot fh_old_ = *fh_at_;                                                                           \
        fh_map_vacate(FH_MAP_RAW(map), (char *)fh_at_, sizeof *fh_at_);                                       \
        fh_drop_##K(&fh_old_.key);                                                                            \
        fh_drop_##V(&fh_old_.value);                                                                          \
        return true;                                                                                          \
    }                                                                                                         \
    FH_GLUE void fh_drop_##M(M *map) { M##_drop(map); }                                                       \
    enum { fh_plain_##M = 0 };

#define FH_MAP_CLONE_LATER(K, V) FH_MAP_CLONE_LATER_I(FH_CAT(FH_CAT(FH_CAT(fh_Map_, K), _), V))
#define FH_MAP_CLONE_LATER_I(M) FH_MAP_CLONE_LATER_II(M)
#define FH_MAP_CLONE_LATER_II(M) FH_GLUE M M##_clone(const M *map);
#define FH_MAP_CLONE(K, V) FH_MAP_CLONE_I(K, V, FH_CAT(FH_CAT(FH_CAT(fh_Map_, K), _), V))
#define FH_MAP_CLONE_I(K, V, M) FH_MAP_CLONE_II(K, V, M)
#define FH_MAP_CLONE_II(K, V, M)                                                           \
    FH_GLUE M M##_clone(const M *map) {                                                    \
        M fh_copy_ = FH_ZERO(M);                                                           \
        if (map->len > 0) (void)fh_map_room(&fh_copy_, FH_MAP_KEYS(map), map->len, false); \
        FH_EACH_SLOT(fh_e_, map, true)                                                     \
        M##_insert(&fh_copy_, fh_clone_##K(&fh_e_->key), fh_clone_##V(&fh_e_->value));     \
        return fh_copy_;                                                                   \
    }

/* All slots are empty, and their memory is kept. */
FH_INLINE void fh_map_forget_all(struct fh_raw_map *map, size_t slot) {
    if (map->slots == NULL) return;
    size_t n = (map->mask + 1) * FH_MAP_GROUP;
    __builtin_memset(fh_map_tags(map->slots, map->mask, slot), FH_MAP_EMPTY, n);
    map->len = 0;
    map->left = n / 8 * 7;
}

#endif
