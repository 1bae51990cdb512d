/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plugin_fence.h -- shuts the calling process in: limits on time and memory, and a list of the
 * system calls it may still make. Linux only; there is no way back out. */
#ifndef SKERRY_APPS_CHESS_PLUGIN_FENCE_H
#define SKERRY_APPS_CHESS_PLUGIN_FENCE_H

#include <stdint.h>

#include "base/err.h"

enum fence_stage {
    FENCE_LOADING, /* may open files for reading and map them: enough for dlopen */
    FENCE_WORKING, /* reads and writes what is open, asks for memory and time; nothing else */
};

/* A call that is not on the list ends the process with SIGSYS. Stages only narrow. */
MUST_USE err fence_enter(enum fence_stage stage);

/* One limit of this process (RLIMIT_AS, ...), soft and hard; `what` names it in the error. */
MUST_USE err fence_limit(int resource, uint64_t value, const char *what);

#endif
