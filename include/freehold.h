/* freehold.h - all of Freehold: Rust's memory model for C programs.
 *
 * Each part also stands alone: <freehold/heap.h> and the others beside it. The short spellings (own, move,
 * Box(T), frame ...) are in <freehold/names.h>, for who wants them.
 */
#ifndef FREEHOLD_H
#define FREEHOLD_H

#include <freehold/heap.h>
#include <freehold/heaps.h>
#include <freehold/map.h>
#include <freehold/settings.h>
#include <freehold/stack.h>
#include <freehold/str.h>
#include <freehold/type.h>

#endif
