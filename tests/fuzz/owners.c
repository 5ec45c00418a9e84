/* owners.c - owners beside plain arrays: see program.h. */
#include "program.h"

#include <freehold/names.h>

#include <stdio.h>
#include <string.h>

MAP(Str, int)
MAP(uint64_t, Str)

struct owners {
    Vec(int) numbers;
    Str text;
    Map(Str, int) by_name;
    Map(uint64_t, Str) by_number;
    Rc(int) shares[SHARES];
    Box(int) box;

    int plain_numbers[NUMBERS];
    size_t number_count;
    char plain_text[LETTERS];
    size_t letter_count;
    bool named[KEYS], numbered[KEYS];
    int values[KEYS];
    unsigned named_count, numbered_count, share_count;
    int share_value, box_value;
};

static struct owners all[4];

struct owners *owners_begin(unsigned number) {
    struct owners *m = &all[number];
    memset(m, 0, sizeof *m);
    return m;
}

/* Names are short (inside the Str) or long (in the heap). */
static const char *name_of(unsigned key, char room[80]) {
    snprintf(room, 80, key % 2 ? "key %u" : "key %u, whose name is long enough to stand in the heap by itself",
             key);
    return room;
}

static void step_numbers(struct owners *m, const struct step *s, bool may_fail) {
    size_t n = m->number_count, i = n ? s->value % n : 0;
    int x = (int)(s->value >> 8);
    switch (s->slot % 8) {
        case 0:
        case 1:
        case 2:
            if (n < NUMBERS && vec_try_push(&m->numbers, x)) m->plain_numbers[m->number_count++] = x;
            else if (n < NUMBERS) refused(may_fail, "a push to a Vec", sizeof x);
            break;
        case 3:
            CHECK(vec_pop(&m->numbers) == (n ? m->plain_numbers[n - 1] : 0));
            m->number_count -= n > 0;
            break;
        case 4:
            if (n == 0) break;
            CHECK(vec_remove(&m->numbers, i) == m->plain_numbers[i]);
            memmove(m->plain_numbers + i, m->plain_numbers + i + 1, (n - i - 1) * sizeof x);
            m->number_count--;
            break;
        case 5:
            if (!vec_try_reserve(&m->numbers, s->size)) refused(may_fail, "room in a Vec", s->size * sizeof x);
            break;
        case 6: vec_shrink(&m->numbers); break;
        default: vec_truncate(Vec(int), &m->numbers, i); m->number_count = i;
    }
}

static void step_text(struct owners *m, const struct step *s, bool may_fail) {
    static const char letters[] =
        "The quick brown fox jumps over the lazy dog, and back again before anybody knows.";
    size_t n = s->value % (sizeof letters - 1), at = m->letter_count ? s->value / 256 % m->letter_count : 0;
    switch (s->slot % 4) {
        case 0:
        case 1:
            if (m->letter_count + n >= LETTERS) break;
            if (!str_try_push(&m->text, (StrView){letters, n})) {
                refused(may_fail, "a push to a Str", n);
                break;
            }
            memcpy(m->plain_text + m->letter_count, letters, n);
            m->letter_count += n;
            break;
        case 2:
            if (s->value & 1) str_shrink(&m->text);
            else if (!str_try_reserve(&m->text, s->size)) refused(may_fail, "room in a Str", s->size);
            break;
        default: {
            size_t to = at + n < m->letter_count ? at + n : m->letter_count;
            str_remove(&m->text, at, to);
            memmove(m->plain_text + at, m->plain_text + to, m->letter_count - to);
            m->letter_count -= to - at;
        }
    }
}

static void step_names(struct owners *m, const struct step *s, bool may_fail) {
    char room[80];
    unsigned key = s->value % KEYS;
    StrView name = view_of(name_of(key, room));
    int *found = map_get(&m->by_name, name);
    CHECK((found != NULL) == m->named[key] && (found == NULL || *found == m->values[key]));
    if (s->slot % 3 == 0) {
        CHECK(map_remove(&m->by_name, name) == (m->named[key] ? m->values[key] : 0));
        m->named_count -= m->named[key];
        m->named[key] = false;
        return;
    }
    int *value = map_try_entry(&m->by_name, name);
    if (value == NULL) {
        refused(may_fail, "an entry of a Map", 0);
        return;
    }
    CHECK(m->named[key] || *value == 0);
    m->named_count += !m->named[key];
    m->named[key] = true;
    *value = m->values[key] = (int)s->value;
}

static void step_by_number(struct owners *m, const struct step *s, bool may_fail) {
    char room[80];
    unsigned key = s->value % KEYS;
    uint64_t number = (uint64_t)key * 0x100000001u;
    if (s->slot % 4 == 0) {
        map_delete(Map(uint64_t, Str), &m->by_number, number);
        m->numbered_count -= m->numbered[key];
        m->numbered[key] = false;
        return;
    }
    Str *value = map_try_entry(&m->by_number, number);
    if (value == NULL) {
        refused(may_fail, "an entry of a Map", 0);
        return;
    }
    m->numbered_count += !m->numbered[key];
    m->numbered[key] = true;
    str_clear(value);
    if (!str_try_push(value, view_of(name_of(key, room)))) {
        refused(may_fail, "a push to a Str", 0);
        map_delete(Map(uint64_t, Str), &m->by_number, number);
        m->numbered_count--;
        m->numbered[key] = false;
    }
}

static void step_shares(struct owners *m, const struct step *s, bool may_fail) {
    if (m->share_count == 0) {
        m->share_value = (int)s->value;
        m->shares[0] = try_rc(int, m->share_value);
        if (m->shares[0] == NULL) refused(may_fail, "an Rc", 4);
        else m->share_count = 1;
    } else if (s->value & 1 && m->share_count < SHARES) {
        m->shares[m->share_count] = rc_clone(m->shares[s->slot % m->share_count]);
        m->share_count++;
    } else {
        m->share_count--;
        drop(Rc(int), &m->shares[m->share_count]);
    }
    if (m->share_count) {
        CHECK(*m->shares[0] == m->share_value);
        CHECK(rc_strong_count(m->shares[0]) == m->share_count);
    }
}

static void step_box(struct owners *m, const struct step *s, bool may_fail) {
    if (m->box) {
        CHECK(*m->box == m->box_value);
        drop(Box(int), &m->box);
        return;
    }
    m->box_value = (int)s->value;
    m->box = try_box(int, m->box_value);
    if (m->box == NULL) refused(may_fail, "a Box", 4);
}

void owners_step(struct owners *m, const struct step *s, bool may_fail) {
    switch (s->what % 8) {
        case 0:
        case 1:
        case 2: step_numbers(m, s, may_fail); break;
        case 3: step_text(m, s, may_fail); break;
        case 4: step_names(m, s, may_fail); break;
        case 5: step_by_number(m, s, may_fail); break;
        case 6: step_shares(m, s, may_fail); break;
        default: step_box(m, s, may_fail);
    }
}

void owners_verify(struct owners *m) {
    char room[80];
    CHECK(m->numbers.len == m->number_count);
    for (size_t i = 0; i < m->number_count; i++) CHECK(m->numbers.ptr[i] == m->plain_numbers[i]);
    CHECK(m->text.len == m->letter_count);
    CHECK(m->letter_count == 0 || memcmp(str_c(&m->text), m->plain_text, m->letter_count) == 0);
    CHECK(m->by_name.len == m->named_count && m->by_number.len == m->numbered_count);
    for (unsigned key = 0; key < KEYS; key++) {
        const Str *value = map_get(&m->by_number, (uint64_t)key * 0x100000001u);
        CHECK((value != NULL) == m->numbered[key]);
        CHECK(value == NULL || strcmp(str_c(value), name_of(key, room)) == 0);
    }
}

void owners_end(struct owners *m) {
    owners_verify(m);
    while (m->share_count) {
        m->share_count--;
        drop(Rc(int), &m->shares[m->share_count]);
    }
    drop(Box(int), &m->box);
    drop(Vec(int), &m->numbers);
    drop(Str, &m->text);
    drop(Map(Str, int), &m->by_name);
    drop(Map(uint64_t, Str), &m->by_number);
}
