/* test_rooms.c - the memory under Vec, Str and Map: that the room they say is there is there, that what is too
 * large is refused, that growth is geometric and nothing is copied that need not be, and that each block goes
 * back once, with the size it was asked for.
 *
 * Each room is filled to its last byte, so that guard mode sees one that is too small. The allocator of the
 * VecIns here does the same in every mode: it writes down what it gave, and has bytes of its own behind each
 * block. */
#include <freehold/names.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct {
    char bytes[24];
} Wide;
typedef struct {
    char bytes[3];
} Odd;
typedef struct {
    _Alignas(64) char bytes[64];
} Line;
PLAIN(Wide)
PLAIN(Odd)
PLAIN(Line)

MAP(Str, int)
MAP(int, Wide)

/* ---- an allocator that keeps books ---- */

enum { BEHIND = 32, BLOCKS = 64, UNTOUCHED = 0x5a, GIVEN = 0xa5 };

struct books {
    struct fh_alloc alloc;
    struct {
        char *at;
        size_t size, align;
    } blocks[BLOCKS];
    size_t live, gets;
    bool refuse;
};

static void *books_get(struct fh_alloc *self, size_t size, size_t align) {
    struct books *books = (struct books *)(void *)self;
    if (books->refuse) {
        errno = ENOMEM;
        return NULL;
    }
    size_t least = align < sizeof(void *) ? sizeof(void *) : align;
    char *at = aligned_alloc(least, (size + BEHIND + least - 1) / least * least);
    assert_non_null(at);
    memset(at, GIVEN, size);
    memset(at + size, UNTOUCHED, BEHIND);
    size_t i = 0;
    while (books->blocks[i].at != NULL) i++;
    assert_true(i < BLOCKS);
    books->blocks[i].at = at;
    books->blocks[i].size = size;
    books->blocks[i].align = align;
    books->live++;
    books->gets++;
    return at;
}

static void books_give(struct fh_alloc *self, void *p, size_t size, size_t align) {
    struct books *books = (struct books *)(void *)self;
    size_t i = 0;
    while (i < BLOCKS && books->blocks[i].at != p) i++;
    assert_true(i < BLOCKS);
    assert_int_equal(size, books->blocks[i].size);
    assert_int_equal(align, books->blocks[i].align);
    for (size_t b = 0; b < BEHIND; b++) assert_int_equal(books->blocks[i].at[size + b], UNTOUCHED);
    books->blocks[i].at = NULL;
    books->live--;
    memset(p, ~GIVEN, size);
    free(p);
}

static bool is_tight; /* modes that check owners: a short one moves at each push (docs/OWNERS.md) */
static struct books books;
static struct fh_alloc *fresh_books(void) {
    memset(&books, 0, sizeof books);
    books.alloc.get = books_get;
    books.alloc.give = books_give;
    return &books.alloc;
}

/* ---- Vec ---- */

/* A Vec of any element: pushes, room to the last byte, inserts, cuts, shrinking. `make(i)` has the number i in
 * its first byte. */
#define VEC_KEEPS_ITS_ROOM(T, number)                                                        \
    do {                                                                                     \
        own(VecIn(T)) v = {.alloc = fresh_books()};                                          \
        for (size_t n = 0; n < 100; n++) {                                                   \
            T element;                                                                       \
            memset(&element, (int)n, sizeof element);                                        \
            vec_push(&v, element);                                                           \
            assert_true(v.len == n + 1 && v.len <= v.cap);                                   \
            memset((void *)(v.ptr + v.len), 0xff, (v.cap - v.len) * sizeof(T));              \
            for (size_t i = 0; i <= n; i++) assert_int_equal(number(v.ptr[i]), i);           \
        }                                                                                    \
        assert_int_equal(books.live, 1);                                                     \
        assert_true(is_tight || books.gets <= 7); /* 4, 8, 16, 32, 64, 128 at the most */    \
        vec_reserve(&v, 300);                                                                \
        assert_true(v.cap >= 400 && books.live == 1);                                        \
        memset((void *)(v.ptr + v.len), 0xff, (v.cap - v.len) * sizeof(T));                  \
        size_t gets = books.gets;                                                            \
        vec_reserve(&v, v.cap - v.len);                                                      \
        assert_true(books.gets == gets); /* it was there */                                  \
        {                                                                                    \
            own(VecIn(T)) cut = vec_drain(&v, 10, 30);                                       \
            assert_true(cut.len == 20 && cut.alloc == v.alloc && books.live == 2);           \
            assert_true(cut.cap * sizeof(T) <= 25 * sizeof(T) + 64); /* no room for more */  \
            assert_true(number(cut.ptr[0]) == 10 && number(v.ptr[10]) == 30 && v.len == 80); \
            own(VecIn(T)) none = vec_drain(&v, 5, 5);                                        \
            assert_true(none.len == 0 && none.cap == 0 && books.live == 2);                  \
        }                                                                                    \
        vec_shrink(&v);                                                                      \
        assert_true(v.len == 80 && v.cap == 80 && books.live == 1);                          \
        assert_int_equal(number(v.ptr[79]), 99);                                             \
        gets = books.gets;                                                                   \
        vec_shrink(&v);                                                                      \
        assert_true(books.gets == gets);                                                     \
        vec_insert(&v, 0, v.ptr[79]);                                                        \
        assert_true(number(v.ptr[0]) == 99 && number(v.ptr[80]) == 99 && v.cap >= 81);       \
        books.refuse = true;                                                                 \
        errno = 0;                                                                           \
        assert_false(vec_try_reserve(&v, 1000));                                             \
        assert_int_equal(errno, ENOMEM);                                                     \
        vec_shrink(&v); /* cannot get the smaller block */                                   \
        assert_true(v.len == 81 && v.cap >= 81 && number(v.ptr[80]) == 99);                  \
        books.refuse = false;                                                                \
        vec_truncate(VecIn(T), &v, 0);                                                       \
        assert_true(v.cap >= 81 && books.live == 1);                                         \
        vec_shrink(&v);                                                                      \
        assert_true(v.ptr == NULL && v.len == 0 && v.cap == 0 && books.live == 0);           \
        vec_push(&v, (T){0});                                                                \
        vec_pop(&v);                                                                         \
        drop(VecIn(T), &v);                                                                  \
        assert_true(v.ptr == NULL && v.len == 0 && v.cap == 0 && books.live == 0);           \
    } while (0)

#define ITSELF(x) (x)
#define FIRST_BYTE(x) (x).bytes[0]

/* VecIn has no truncate of its own. */
#define fh_VecIn_char_truncate(v, n) ((v)->len = (n))
#define fh_VecIn_Wide_truncate(v, n) ((v)->len = (n))
#define fh_VecIn_Odd_truncate(v, n) ((v)->len = (n))
#define fh_VecIn_Line_truncate(v, n) ((v)->len = (n))

static void a_vec_in_an_allocator_gives_back_what_it_took(void **state) {
    (void)state;
    VEC_KEEPS_ITS_ROOM(char, ITSELF);
    VEC_KEEPS_ITS_ROOM(Wide, FIRST_BYTE);
    VEC_KEEPS_ITS_ROOM(Odd, FIRST_BYTE);
    VEC_KEEPS_ITS_ROOM(Line, FIRST_BYTE);
}

static void a_vec_on_the_heap_has_the_room_that_it_says(void **state) {
    (void)state;
    for (size_t n = 1; n < 400; n += 1 + n / 7) {
        own(Vec(Odd)) odd = {0};
        vec_reserve(&odd, n);
        assert_true(odd.cap >= n && odd.len == 0);
        memset((void *)odd.ptr, 1, odd.cap * sizeof(Odd));
        own(Vec(Line)) lines = {0};
        for (size_t i = 0; i < n; i++) {
            vec_push(&lines, (Line){.bytes = {(char)i}});
            assert_true((uintptr_t)lines.ptr % 64 == 0);
            memset((void *)(lines.ptr + lines.len), 1, (lines.cap - lines.len) * sizeof(Line));
        }
        for (size_t i = 0; i < n; i++) assert_int_equal(lines.ptr[i].bytes[0], (char)i);
        vec_shrink(&lines);
        assert_true(lines.cap == n && lines.ptr[n - 1].bytes[0] == (char)(n - 1));
        own(Vec(Odd)) exact = vec_with(Odd, n);
        assert_true(exact.cap >= n && exact.cap <= n * 2 + 32);
        memset((void *)exact.ptr, 1, exact.cap * sizeof(Odd));
    }
}

/* 20 doublings, not 100 000 moves. */
static void growth_is_geometric(void **state) {
    (void)state;
    own(Vec(int)) v = {0};
    own(Str) s = {0};
    own(Map(int, Wide)) m = {0};
    unsigned moves[3] = {0};
    for (int i = 0; i < 100000; i++) {
        size_t caps[] = {v.cap, s.cap, m.mask};
        vec_push(&v, i);
        str_push(&s, "ab");
        if (i < 20000) map_entry(&m, i)->bytes[0] = (char)i;
        moves[0] += v.cap != caps[0] && v.len > 64;
        moves[1] += s.cap != caps[1] && s.len > 256;
        moves[2] += m.mask != caps[2];
    }
    assert_true(moves[0] <= 12 && moves[1] <= 12 && moves[2] <= 12);
    assert_true(v.cap <= 2 * v.len + 64 && s.cap <= 2 * s.len + 64);
    assert_true((m.mask + 1) * 16 <= 32768 * 2);
}

static void what_is_too_large_is_refused(void **state) {
    (void)state;
    own(Vec(Wide)) v = vec_with(Wide, 3);
    vec_push(&v, (Wide){"one"});
    own(Str) s = str_from("text");
    own(Map(int, Wide)) m = {0};
    map_entry(&m, 1)->bytes[0] = 'x';
    size_t most = PTRDIFF_MAX / sizeof(Wide);
#define REFUSED(rooms, call)                                       \
    for (size_t i = 0; i < sizeof(rooms) / sizeof *(rooms); i++) { \
        errno = 0;                                                 \
        assert_false(call);                                        \
        assert_int_equal(errno, ENOMEM);                           \
    }
    const size_t vec_rooms[] = {SIZE_MAX, SIZE_MAX / 2, most, most + 1, most - 1, SIZE_MAX / sizeof(Wide) + 2};
    REFUSED(vec_rooms, vec_try_reserve(&v, vec_rooms[i]))
    const size_t str_rooms[] = {SIZE_MAX, PTRDIFF_MAX, PTRDIFF_MAX - 4, PTRDIFF_MAX - 5, SIZE_MAX - 4};
    REFUSED(str_rooms, str_try_reserve(&s, str_rooms[i]))
    REFUSED(str_rooms, str_try_push(&s, (StrView){s.ptr, str_rooms[i]}))
    const size_t map_rooms[] = {SIZE_MAX, PTRDIFF_MAX / 25, SIZE_MAX / 32, PTRDIFF_MAX};
    REFUSED(map_rooms, fh_map_room(&m, sizeof *m.slots, sizeof m.slots->key, map_rooms[i], true))
    Str none = {0};
    assert_false(str_try_from(&none, (StrView){"", PTRDIFF_MAX}));
    assert_true(none.cap == 0 && v.cap >= 3 && v.len == 1 && m.len == 1 && m.mask == 0 &&
                strcmp(str_c(&s), "text") == 0);
}

/* A Vec that says it has more than half of all there can be cannot double, and is refused as any other. */
static void what_cannot_double_is_refused(void **state) {
    (void)state;
    size_t len = PTRDIFF_MAX / 2 + 100;
    struct fh_raw_vec raw = {.len = len, .cap = len};
    errno = 0;
    assert_false(fh_vec_try_room(&raw, 1, 1, offsetof(struct fh_raw_vec, alloc), 1));
    assert_int_equal(errno, ENOMEM);
    assert_true(raw.ptr == NULL && raw.len == len && raw.cap == len);
}

static int order(const int *a, const int *b) { return (*a > *b) - (*a < *b); }
static void an_empty_vec_has_nothing(void **state) {
    (void)state;
    own(Vec(int)) v = {0};
    assert_null(vec_search(&v, &(int){5}, order));
    vec_push(&v, 5);
    assert_non_null(vec_search(&v, &(int){5}, order));
    fh_vec_free(&v, sizeof(int), _Alignof(int), sizeof v);
    fh_vec_free(&v, sizeof(int), _Alignof(int), sizeof v); /* again: there is nothing to free */
    assert_true(v.ptr == NULL && v.cap == 0);
}

/* ---- Arena ---- */

static void an_arena_has_room_for_each_thing_where_it_wants_it(void **state) {
    (void)state;
    fh_alloc_give(&fh_alloc_heap, NULL, 0, 1); /* nothing is given back to anybody */
    fh_alloc_give(NULL, NULL, 0, 1);
    own(Arena) arena = {0};
    size_t aligns[] = {1, 4096, 8, 16384, 1, 64};
    for (int i = 0; i < 1000; i++) { /* five MiB: chunks no longer double by then */
        size_t align = aligns[i % 6];
        char *p = fh_arena_get(&arena, 5000, align);
        assert_true(p != NULL && (uintptr_t)p % align == 0);
        memset(p, i, 5000);
    }
    if (arena.alloc.give != NULL)
        arena.alloc.give(&arena.alloc, &aligns, 8, 8); /* not the arena's: left alone */
    frame {
        own(Arena) short_lived = fh_arena_in_frame();
        for (int i = 0; i < 100; i++) {
            char *p = fh_arena_get(&short_lived, 100, aligns[i % 6]);
            assert_true(p != NULL && (uintptr_t)p % aligns[i % 6] == 0);
            memset(p, i, 100);
        }
        assert_null(fh_arena_get(&short_lived, (size_t)1 << 45, 16));
    }
}

/* ---- Str ---- */

static void a_str_has_the_room_that_it_says(void **state) {
    (void)state;
    for (size_t room = 0; room < 600; room += 1 + room / 9) {
        own(Str) with = str_with(room);
        assert_true(with.len == 0 && with.cap > room && with.cap <= room + room / 4 + 32 && *str_c(&with) == 0);
        memset(with.ptr, 'x', with.cap);
        own(Str) s = str_from("four");
        str_reserve(&s, room);
        assert_true(s.cap > 4 + room && s.len == 4 && strcmp(str_c(&s), "four") == 0);
        memset(s.ptr + 5, 'x', s.cap - 5);
        size_t cap = s.cap;
        const char *at = s.ptr;
        for (size_t i = 0; i < room; i++) str_push(&s, "y");
        assert_true(s.cap == cap && s.ptr == at && s.len == room + 4);
        str_insert(&s, 2, view("12345678901234567890123456789012345678901234567890"));
        assert_true(s.len < s.cap && s.ptr[s.len] == 0 && memcmp(s.ptr + 50, "90ur", 4) == 0);
        str_shrink(&s);
        assert_true(s.cap == s.len + 1 && strlen(s.ptr) == s.len);
        own(Str) copy = clone(Str, &s);
        assert_true(copy.ptr != s.ptr && str_equal(&copy, &s));
        str_truncate(&s, 0);
        str_shrink(&s);
        assert_true(s.ptr == NULL && s.cap == 0);
        str_shrink(&s);
        str_shrink(&with);
        assert_true(with.ptr == NULL && with.cap == 0);
    }
    own(Str) nothing = str_from("");
    str_push_view(&nothing, view(""));
    str_push(&nothing, NULL);
    assert_true(str_try_push(&nothing, view("")) && nothing.cap <= 16);
}

static size_t __attribute__((format(printf, 2, 3))) format_onto(Str *s, const char *format, ...) {
    va_list args;
    va_start(args, format);
    size_t n = str_vformat(s, format, args);
    va_end(args);
    return n;
}

static void a_long_str_shrinks_where_it_is(void **state) {
    (void)state;
    own(Str) s = str_with(200000);
    while (s.len < 100000) str_push(&s, "ten bytes.");
    str_shrink(&s);
    assert_true(s.cap == 100001 && s.len == 100000 && s.ptr[100000] == 0);
    assert_int_equal(memcmp(s.ptr + 99990, "ten bytes.", 10), 0);
}

static void formatted_text_of_any_length_is_whole(void **state) {
    (void)state;
    static char letters[700];
    memset(letters, 'z', sizeof letters - 1);
    for (int n = 0; n < 600; n++) {
        own(Str) made = str_of("%.*s", n, letters);
        assert_true(made.len == (size_t)n && made.cap < 2 * (size_t)n + 64 &&
                    strlen(str_c(&made)) == (size_t)n);
        own(Str) added = str_from("+");
        assert_int_equal(str_format(&added, "%.*s", n, letters), n);
        assert_true(added.len == (size_t)n + 1 && strlen(str_c(&added)) == added.len);
        assert_memory_equal(added.ptr + 1, letters, n);
        assert_int_equal(format_onto(&made, "%.*s", n, letters), n);
        assert_true(made.len == 2 * (size_t)n && strlen(str_c(&made)) == made.len);
        memset(added.ptr + added.len, 'x', added.cap - added.len);
        added.ptr[added.len] = 0;
    }
}

int main(void) {
    const char *settings = getenv("FREEHOLD");
    is_tight = settings != NULL && strstr(settings, "mode=fast") == NULL;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vec_in_an_allocator_gives_back_what_it_took),
        cmocka_unit_test(a_vec_on_the_heap_has_the_room_that_it_says),
        cmocka_unit_test(growth_is_geometric),
        cmocka_unit_test(what_is_too_large_is_refused),
        cmocka_unit_test(what_cannot_double_is_refused),
        cmocka_unit_test(an_empty_vec_has_nothing),
        cmocka_unit_test(an_arena_has_room_for_each_thing_where_it_wants_it),
        cmocka_unit_test(a_str_has_the_room_that_it_says),
        cmocka_unit_test(a_long_str_shrinks_where_it_is),
        cmocka_unit_test(formatted_text_of_any_length_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
