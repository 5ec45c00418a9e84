/* check_quick_wide.c - check_quick.c once more, in pieces of 32 bytes: for processors that have them. */
#define FH_OS_WIDER
#include "../os/os_wide.h"

#if FH_OS_MAY_HAVE_WIDER
#include "../base/settings.h"
#include "canary.h"
#include "check.h"
#include "fast.h"

#include <errno.h>
#include <string.h>

FH_OS_WIDER_BEGIN
#define WAY(call) fh_check_##call##_widely
#include "check_quick.c" // NOLINT(bugprone-suspicious-include)
#endif
