/* assume.h - facts that hold because of an invariant stated elsewhere.
 *
 *     FH_ASSUME(n >= 1 && n <= 64);
 *
 * In the sanitizer builds it is checked, and a fact that does not hold ends the process. Otherwise it costs
 * nothing: compilers and analyzers take it as known. So it is for what no input can break; what a wrong call
 * can break is checked always, with a report. The condition may not have side effects.
 */
#ifndef FH_BASE_ASSUME_H
#define FH_BASE_ASSUME_H

#ifdef FH_SANITIZED
#include "report.h"
#define FH_ASSUME(fact) ((fact) ? (void)0 : fh_fatal("%s:%d: not so: %s", __FILE__, __LINE__, #fact))
#else
#define FH_ASSUME(fact) ((fact) ? (void)0 : __builtin_unreachable())
#endif

#endif
