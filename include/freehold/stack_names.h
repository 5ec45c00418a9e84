/* freehold/stack_names.h - short spellings for frames; <freehold/names.h> includes it.
 *
 *     frame { char *text = push_str("gone at the brace"); puts(text); }
 *
 * `frame`, `scratch`, `outside` and the push words are macros: include this after headers that use these words
 * as names.
 */
#ifndef FREEHOLD_STACK_NAMES_H
#define FREEHOLD_STACK_NAMES_H

#include <freehold/stack.h>

#define frame FH_FRAME
#define frame_here FH_FRAME_HERE
#define frame_on(region) FH_FRAME_ON(region)
#define scratch FH_SCRATCH
#define scratch_here FH_SCRATCH_HERE
#define outside FH_OUTSIDE

#ifndef __cplusplus /* std::stack has it: there it is fh_push */
#define push(T) fh_push(T)
#endif
#define push_zero(T) fh_push_zero(T)
#define push_value(T, ...) fh_push_value(T, __VA_ARGS__)
#define push_array(T, n) fh_push_array(T, n)
#define push_array_zero(T, n) fh_push_array_zero(T, n)
#define push_array_copy(T, from, n) fh_push_array_copy(T, from, n)
#define push_bytes(size) fh_push_bytes(size)
#define push_aligned(size, align) fh_push_aligned(size, align)
#define push_copy(from, size) fh_push_copy(from, size)
#define push_str(text) fh_push_str(text)
#define push_strn(text, n) fh_push_strn(text, n)
#define push_format(...) fh_push_format(__VA_ARGS__)

#endif
