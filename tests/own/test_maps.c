/* test_maps.c - Map from inside: after each of many random steps the books of its table are right
 * (freehold/map.h):
 *
 *     len + deleted + left = n * 7/8      full tags = len      each key is found, on a way that an empty tag ends
 *
 * and when it grows, when it only cleans up, and when it does neither. Then its hashes: that every byte counts
 * and no other is read, and that SipHash-1-3 is SipHash-1-3. */
#include <freehold/names.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

MAP(uint32_t, uint64_t)
MAP_CLONE(uint32_t, uint64_t)
MAP(Str, int)
MAP(int8_t, Str)

static uint64_t random_state = 1;
static uint32_t next_random(uint32_t below) {
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(random_state >> 33) % below;
}

/* ---- the books ---- */

static size_t deleted_in(const struct fh_raw_map *m, size_t slot) {
    if (m->slots == NULL) {
        assert_true(m->len == 0 && m->left == 0 && m->mask == 0);
        return 0;
    }
    const unsigned char *tags = fh_map_tags(m->slots, m->mask, slot);
    size_t n = (m->mask + 1) * FH_MAP_GROUP, full = 0, deleted = 0;
    for (size_t i = 0; i < n; i++) {
        full += tags[i] >= 0x80;
        deleted += tags[i] == FH_MAP_DELETED;
        assert_true(tags[i] >= 0x80 || tags[i] <= FH_MAP_DELETED);
    }
    assert_true((m->mask & (m->mask + 1)) == 0 && m->len == full);
    assert_int_equal(m->len + deleted + m->left, n / 8 * 7);
    return deleted;
}
#define DELETED(m) deleted_in((const struct fh_raw_map *)(const void *)(m), sizeof *(m)->slots)

static void the_books_are_right_after_each_step(void **state) {
    (void)state;
    enum { KEYS = 400 };
    static bool there[KEYS];
    size_t n = 0;
    own(Map(uint32_t, uint64_t)) m = {0};
    for (int step = 0; step < 30000; step++) {
        uint32_t keys = step / 3000 % 2 ? 40 : KEYS, k = next_random(keys), key = k * 0x10001;
        if (next_random(5) < (step / 6000 % 2 ? 2 : 3)) {
            *map_entry(&m, key) = k;
            n += !there[k];
            there[k] = true;
        } else {
            assert_int_equal(map_delete(Map(uint32_t, uint64_t), &m, key), there[k]);
            n -= there[k];
            there[k] = false;
        }
        if (step % 5000 == 4999) {
            map_clear(Map(uint32_t, uint64_t), &m);
            memset(there, 0, sizeof there);
            n = 0;
        }
        assert_int_equal(m.len, n);
        DELETED(&m);
        if (step % 16) continue;
        for (uint32_t i = 0; i < KEYS; i++) assert_int_equal(map_get(&m, i * 0x10001) != NULL, there[i]);
    }
    assert_true(m.mask + 1 <= 64); /* 400 keys at the most: 32 groups, or 64 when one grew late */
}

/* ---- growing and cleaning up ---- */

static void a_table_is_filled_to_seven_eighths_and_then_doubles(void **state) {
    (void)state;
    own(Map(uint32_t, uint64_t)) m = {0};
    size_t groups = 1;
    for (uint32_t k = 0; k < 5000; k++) {
        if (k == groups * 14) groups *= 2;
        *map_entry(&m, k) = k;
        assert_int_equal(m.mask + 1, groups);
        assert_int_equal(m.left, groups * 14 - m.len);
    }
    size_t left = m.left;
    const void *slots = m.slots;
    map_reserve(&m, left);
    assert_true(m.slots == slots && m.left == left);
    map_clear(Map(uint32_t, uint64_t), &m);
    assert_true(m.slots == slots && m.left == groups * 14 && DELETED(&m) == 0);
}

static void reserved_room_is_enough_and_no_more(void **state) {
    (void)state;
    for (uint32_t n = 1; n < 3000; n += 1 + n / 6) {
        own(Map(uint32_t, uint64_t)) m = {0};
        map_reserve(&m, n);
        assert_true(m.left >= n && ((m.mask + 1) * 7 < n || m.mask == 0));
        const void *slots = m.slots;
        for (uint32_t k = 0; k < n; k++) *map_entry(&m, k) = k;
        assert_true(m.slots == slots);
        map_reserve(&m, n);
        assert_true(m.left >= n && (m.mask + 1) * 7 < 2 * n + 7 && !(m.seed & 1));
        for (uint32_t k = 0; k < n; k++) assert_int_equal(*map_get(&m, k), k);
        own(Map(Str, int)) named = {0};
        map_reserve(&named, n);
        slots = named.slots;
        memset((void *)named.slots, 1, sizeof *named.slots * 16 * (named.mask + 1)); /* it is all there */
        assert_int_equal(DELETED(&named), 0);
    }
}

/* Fills up one group after the other and empties it again, so that only marks are left there, as far as empty
 * slots may be filled; then fills those that are left with keys that stay. Keys from `key` on. */
static void fill_with_marks(Map(uint32_t, uint64_t) * m, uint32_t key) {
    const unsigned char *tags = fh_map_tags(m->slots, m->mask, sizeof *m->slots);
    for (size_t group = 0; group <= m->mask; group++, tags += FH_MAP_GROUP) {
        uint32_t first = key, last = key;
        if ((unsigned)__builtin_popcount(fh_group_match(tags, FH_MAP_EMPTY)) > m->left) continue;
        for (; fh_group_match(tags, FH_MAP_EMPTY) != 0; last++)
            if ((fh_hash_word(last, m->seed) & m->mask) == group) *map_entry(m, last) = 1;
        for (; first < last; first++)
            if ((fh_hash_word(first, m->seed) & m->mask) == group)
                map_delete(Map(uint32_t, uint64_t), m, first);
        key = last;
    }
    while (m->left > 0) *map_entry(m, key++) = 1;
}

/* Keys come and go, and few are there at a time: the marks of those that went must not make it grow. */
static void a_table_full_of_marks_is_cleaned_and_grows_only_when_more_than_half_full(void **state) {
    (void)state;
    for (uint32_t live = 0; live <= 449; live += live == 0 ? 448 : 1) {
        own(Map(uint32_t, uint64_t)) m = {0};
        map_reserve(&m, 800);
        assert_int_equal(m.mask + 1, 64);
        for (uint32_t k = 0; k < live; k++) *map_entry(&m, k) = k;
        fill_with_marks(&m, 1000);
        for (uint32_t k = 0; m.len > live;
             k++) { /* those of `live` that leave a mark make up for those that were added */
            if (!map_delete(Map(uint32_t, uint64_t), &m, k)) continue;
            if (m.left > 0) *map_entry(&m, k) = k;
        }
        assert_int_equal(m.left, 0);
        assert_int_equal(DELETED(&m), 64 * 14 - live);
        own(Map(uint32_t, uint64_t)) before = clone(Map(uint32_t, uint64_t), &m);
        *map_entry(&m, UINT32_MAX) = 5;
        assert_int_equal(m.mask + 1, live <= 448 ? 64 : 128);
        assert_true(m.len == live + 1 && DELETED(&m) == 0 && !(m.seed & 1));
        map_each(e, &before) assert_int_equal(*map_get(&m, e->key), e->value);
    }
}

static void a_new_value_is_zero_also_where_another_was(void **state) {
    (void)state;
    own(Map(uint32_t, uint64_t)) m = {0};
    for (uint32_t k = 0; k < 5000; k++) {
        uint64_t *value = map_entry(&m, k % 90);
        assert_int_equal(*value, 0);
        *value = UINT64_MAX;
        if (k >= 45) map_remove(&m, (k - 45) % 90);
    }
    own(Map(int8_t, Str)) small = {0};
    for (int k = -128; k < 128; k++) str_format(map_entry(&small, (int8_t)k), "%d", k);
    assert_int_equal(small.len, 256);
    for (int k = -128; k < 128; k++) assert_int_equal(atoi(str_c(map_get(&small, (int8_t)k))), k);
}

static void an_empty_map_has_nothing_and_is_asked_nothing(void **state) {
    (void)state;
    own(Map(Str, int)) m = {0};
    assert_null(map_get(&m, view("x")));
    assert_int_equal(map_remove(&m, view("x")), 0);
    assert_false(map_delete(Map(Str, int), &m, view("x")));
    map_clear(Map(Str, int), &m);
    map_each(e, &m) fail();
    assert_null(m.slots);
    fh_map_free(&m, sizeof *m.slots);
    ++*map_entry(&m, view(""));
    assert_int_equal(*map_get(&m, (StrView){0}), 1);
    drop(Map(Str, int), &m);
    assert_true(m.slots == NULL && m.len == 0 && m.left == 0 && m.mask == 0 && m.seed == 0);
}

static void each_table_hashes_its_own_way(void **state) {
    (void)state;
    own(Map(uint32_t, uint64_t)) a = {0};
    own(Map(uint32_t, uint64_t)) b = {0};
    *map_entry(&a, 1) = *map_entry(&b, 1) = 1;
    assert_true(a.seed != b.seed && a.seed != 0 && b.seed != 0 && !((a.seed | b.seed) & 1));
}

/* ---- an attack ---- */

/* Floods the group that a map's next keys go to, until it notices; with some of them removed, as marks must not
 * hide it. */
static void a_flood_is_noticed_also_by_a_full_table_and_in_text(void **state) {
    (void)state;
    own(Map(Str, int)) m = {0};
    map_reserve(&m, 7000);
    unsigned placed = 0;
    for (unsigned k = 0; placed < 600 && !(m.seed & 1); k++) {
        char text[24];
        size_t n = (size_t)snprintf(text, sizeof text, "%u", k);
        if ((fh_hash_bytes(text, n, m.seed) & m.mask) != 0) continue;
        ++*map_entry(&m, view_n(text, n));
        placed++;
    }
    assert_true((m.seed & 1) && placed > 24 * 16 && placed < 40 * 16);
    assert_int_equal(m.len, placed);
    map_each(e, &m) assert_true(map_get(&m, str_as_view(&e->key)) == &e->value);
    size_t mask = m.mask;
    for (unsigned k = 0; k < 20000; k++) ++*map_entry(&m, view_n((char *)&k, sizeof k));
    assert_true((m.seed & 1) && m.mask > mask && DELETED(&m) == 0);
    map_each(e, &m) assert_true(map_get(&m, str_as_view(&e->key)) == &e->value);
}

static void a_table_that_is_merely_full_keeps_its_fast_hash(void **state) {
    (void)state;
    own(Map(uint32_t, uint64_t)) m = {0};
    for (uint32_t k = 0; k < 100000; k++) {
        *map_entry(&m, k) = k;
        assert_false(m.seed & 1);
    }
}

/* ---- hashes ---- */

/* Text of each length, right before and right behind a page that may not be touched. */
static void a_hash_reads_its_text_and_nothing_else(void **state) {
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *pages = mmap(NULL, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(pages != MAP_FAILED && mprotect(pages + page, page, PROT_READ | PROT_WRITE) == 0);
    for (size_t n = 0; n < 200; n++)
        for (uint64_t seed = 2; seed < 4; seed++) {
            unsigned char *texts[2] = {pages + page, pages + 2 * page - n};
            uint64_t hashes[2];
            for (int i = 0; i < 2; i++) {
                for (size_t b = 0; b < n; b++) texts[i][b] = (unsigned char)(b * 7 + n);
                hashes[i] = fh_hash_bytes(texts[i], n, seed);
            }
            assert_true(hashes[0] == hashes[1]);
        }
    munmap(pages, 3 * page);
}

/* No bit may be without effect, and about half of the hash's bits shall change with each. */
static void every_bit_of_the_text_counts(void **state) {
    (void)state;
    static unsigned char text[150];
    for (size_t n = 1; n <= sizeof text; n++)
        for (uint64_t seed = 2; seed < 4; seed++) {
            for (size_t b = 0; b < n; b++) text[b] = (unsigned char)(b * 31 + 5);
            uint64_t before = fh_hash_bytes(text, n, seed), changed = 0;
            for (size_t bit = 0; bit < n * 8; bit++) {
                text[bit / 8] ^= (unsigned char)(1 << bit % 8);
                uint64_t difference = fh_hash_bytes(text, n, seed) ^ before;
                text[bit / 8] ^= (unsigned char)(1 << bit % 8);
                assert_true(difference != 0);
                changed += (unsigned)__builtin_popcountll(difference);
            }
            if (n >= 4) assert_true(changed > n * 8 * 25 && changed < n * 8 * 39);
            assert_true(fh_hash_bytes(text, n, seed) != fh_hash_bytes(text, n, seed + 2));
            if (n > 1) assert_true(before != fh_hash_bytes(text, n - 1, seed));
        }
}

/* Words that differ in one place, in blocks of which two may have the same sum or order: none hash alike. */
static void like_texts_hash_apart(void **state) {
    (void)state;
    own(Map(uint32_t, uint64_t))
        tops = {0}; /* of the top 32 bits: a hash that ignores something has few of them */
    char text[96];
    for (unsigned i = 0; i < 3000; i++) {
        memset(text, 'a', sizeof text);
        text[i % 96] = (char)(i / 96 + 'b');
        ++*map_entry(&tops, (uint32_t)(fh_hash_bytes(text, 96, 42) >> 32));
    }
    for (unsigned a = 0; a < 3; a++) /* whole blocks of 32 bytes change places */
        for (unsigned b = 0; b < 3; b++) {
            for (unsigned i = 0; i < 96; i++) text[i] = (char)(i / 32 == a ? 'x' : i / 32 == b ? 'y' : 'z');
            ++*map_entry(&tops, (uint32_t)(fh_hash_bytes(text, 96, 42) >> 32));
        }
    assert_int_equal(tops.len, 3009);
}

/* SipHash with c and d rounds, by the paper's text; the key's second word is fh_hash_strong's while no map was
 * attacked. */
static uint64_t rotated(uint64_t x, int n) { return x << n | x >> (64 - n); }
static void round_of(uint64_t *v0, uint64_t *v1, uint64_t *v2, uint64_t *v3) {
    *v0 += *v1;
    *v2 += *v3;
    *v1 = rotated(*v1, 13);
    *v3 = rotated(*v3, 16);
    *v1 ^= *v0;
    *v3 ^= *v2;
    *v0 = rotated(*v0, 32);
    *v2 += *v1;
    *v0 += *v3;
    *v1 = rotated(*v1, 17);
    *v3 = rotated(*v3, 21);
    *v1 ^= *v2;
    *v3 ^= *v0;
    *v2 = rotated(*v2, 32);
}
static uint64_t sip(int c, int d, const unsigned char *p, size_t n, uint64_t k0, uint64_t k1) {
    uint64_t v0 = k0 ^ 0x736f6d6570736575ull, v1 = k1 ^ 0x646f72616e646f6dull;
    uint64_t v2 = k0 ^ 0x6c7967656e657261ull, v3 = k1 ^ 0x7465646279746573ull;
    for (size_t at = 0;; at += 8) {
        uint64_t word = 0;
        bool last = n - at < 8;
        for (size_t i = 0; i < 8 && at + i < n; i++) word |= (uint64_t)p[at + i] << (8 * i);
        if (last) word |= (uint64_t)n << 56;
        v3 ^= word;
        for (int i = 0; i < c; i++) round_of(&v0, &v1, &v2, &v3);
        v0 ^= word;
        if (last) break;
    }
    v2 ^= 0xff;
    for (int i = 0; i < d; i++) round_of(&v0, &v1, &v2, &v3);
    return v0 ^ v1 ^ v2 ^ v3;
}

static void the_strong_hash_is_siphash_1_3(void **state) {
    (void)state;
    unsigned char text[70];
    for (size_t i = 0; i < sizeof text; i++) text[i] = (unsigned char)i;
    /* the paper's own vector, so that this one here is SipHash: 2-4, key 00..0f, text 00..0e */
    assert_true(sip(2, 4, text, 15, 0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull) == 0xa129ca6149be45e5ull);
    for (size_t n = 0; n < sizeof text; n++)
        for (uint64_t seed = 1; seed < 9; seed += 2)
            assert_true(fh_hash_strong(text, n, seed) == sip(1, 3, text, n, seed, fh_fold(seed, FH_HASH_B)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_strong_hash_is_siphash_1_3), /* first: before an attack gives it a key */
        cmocka_unit_test(the_books_are_right_after_each_step),
        cmocka_unit_test(a_table_is_filled_to_seven_eighths_and_then_doubles),
        cmocka_unit_test(reserved_room_is_enough_and_no_more),
        cmocka_unit_test(a_table_full_of_marks_is_cleaned_and_grows_only_when_more_than_half_full),
        cmocka_unit_test(a_new_value_is_zero_also_where_another_was),
        cmocka_unit_test(an_empty_map_has_nothing_and_is_asked_nothing),
        cmocka_unit_test(each_table_hashes_its_own_way),
        cmocka_unit_test(a_flood_is_noticed_also_by_a_full_table_and_in_text),
        cmocka_unit_test(a_table_that_is_merely_full_keeps_its_fast_hash),
        cmocka_unit_test(a_hash_reads_its_text_and_nothing_else),
        cmocka_unit_test(every_bit_of_the_text_counts),
        cmocka_unit_test(like_texts_hash_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
