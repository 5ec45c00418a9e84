/* buffer.h - the memory behind Vec, Str and Map: blocks of varying size, seen by the checked mode.
 *
 * All out of line: growth is rare, so each function may ask whether the checked mode is on. `what` names the
 * owner in reports. Sizes must be told at the end: the heap is spared a look-up, and checks them when it
 * checks. */
#ifndef FH_OWN_BUFFER_H
#define FH_OWN_BUFFER_H

#include <freehold/own.h>

/* NULL and ENOMEM when there is no memory. */
void *fh_buffer_get(size_t size, size_t align, const char *what);
/* The same contents with room for `size` bytes; NULL and ENOMEM, and p still there, when there is no memory. p
 * may be NULL. */
void *fh_buffer_resize(void *p, size_t old, size_t size, size_t align, const char *what);
void fh_buffer_free(void *p, size_t size, size_t align);
/* The same, when what stood in it stands in a larger one now. */
void fh_buffer_leave(void *p, size_t size, size_t align);
/* Whether a buffer of that size shall have no room to spare: in checked mode a short one has not, so that each
 * push moves it, and a pointer into it that is kept over a push is caught at once, as Rust would refuse it. */
bool fh_buffer_is_tight(size_t size);

#endif
