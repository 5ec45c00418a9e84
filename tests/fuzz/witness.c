/* witness.c - see witness.h. */
#include "witness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NOTES = 2048 };

static __thread unsigned notes[NOTES];
static __thread size_t note_count;

const char *witness_text(unsigned id, char room[80]) {
    if (id % 3 == 0) return NULL;
    snprintf(room, 80, id % 3 == 1 ? "%u" : "number %u, with a text that is long enough not to be short", id);
    return room;
}

bool witness_make(Witness *w, unsigned id, bool may_fail) {
    char room[80];
    const char *text = witness_text(id, room);
    *w = (Witness){.id = id, .twice = 2 * id};
    if (text == NULL || str_try_from(&w->name, view_of(text))) return true;
    refused(may_fail, "a text", strlen(text));
    return false;
}

void witness_verify(const Witness *w, unsigned id) {
    char room[80];
    CHECKF(w->id == id && w->twice == 2 * id, "it is number %u that is here, and not %u", w->id, id);
    const char *text = witness_text(id, room);
    CHECKF(str_is(&w->name, text), "number %u is called %s", id, str_c(&w->name));
}

void witness_gone(Witness *w) {
    witness_verify(w, w->id);
    CHECK(note_count < NOTES);
    notes[note_count++] = w->id;
}

void drops_were(const unsigned *ids, size_t n) {
    CHECKF(note_count == n, "%zu were dropped instead of %zu", note_count, n);
    for (size_t i = 0; i < n; i++)
        CHECKF(notes[i] == ids[i], "drop %zu was that of number %u and not of %u", i, notes[i], ids[i]);
    note_count = 0;
}

static int by_number(const void *a, const void *b) {
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
    return (x > y) - (x < y);
}

void drops_were_in_any_order(const unsigned *ids, size_t n) {
    unsigned sorted[NOTES];
    CHECK(n <= NOTES);
    if (n > 0) memcpy(sorted, ids, n * sizeof *ids);
    qsort(sorted, n, sizeof *sorted, by_number);
    qsort(notes, note_count, sizeof *notes, by_number);
    drops_were(sorted, n);
}
