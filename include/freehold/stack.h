/* freehold/stack.h - the two stacks: frames on a region (frame.h), and the call stack made visible
 * (callstack.h). */
#ifndef FREEHOLD_STACK_H
#define FREEHOLD_STACK_H

#include <freehold/callstack.h>
#include <freehold/frame.h>

#endif
