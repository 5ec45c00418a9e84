/* witness.h - owners that tell of their drop: what the parts of a program that hold owners of owners are made
 * of.
 *
 * A Witness has a number and a text that follows from it, so that its contents can be verified wherever it has
 * been moved; when it is dropped, its number is noted, in the order of drops, for the thread that drops. A step
 * that drops something says which numbers it expects; a step that drops nothing leaves no note.
 */
#ifndef TEST_FUZZ_WITNESS_H
#define TEST_FUZZ_WITNESS_H

#include "program.h"

#include <freehold/names.h>

TYPE(Witness);
struct Witness {
    unsigned id, twice; /* twice the number: no room between fields (type.h) */
    Str name;           /* none, short or long */
};
void witness_gone(Witness *w);
DROP_WITH(Witness, witness_gone, (Str, name))
CLONE(Witness, (Str, name))

/* A new one in *w; false when there is no memory for its text. */
bool witness_make(Witness *w, unsigned id, bool may_fail);
void witness_verify(const Witness *w, unsigned id);

/* The text of that number; NULL: none. */
const char *witness_text(unsigned id, char room[80]);

/* The calling thread's drops since this was called last were these, in this order, or in any. */
void drops_were(const unsigned *ids, size_t n);
void drops_were_in_any_order(const unsigned *ids, size_t n);

#endif
