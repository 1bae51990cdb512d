/* SPDX-License-Identifier: GPL-3.0-or-later */
/* clock.h -- wall time for people (ms since 1970, UTC) and monotonic time for durations (ns). */
#ifndef SKERRY_BASE_CLOCK_H
#define SKERRY_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"
#include "base/str.h"

int64_t clock_wall_ms(void);
int64_t clock_wall_ns(void);
int64_t clock_mono_ns(void);
int64_t clock_cpu_ns(void); /* CPU time of this process, all threads */

/* A CLOCK_MONOTONIC deadline `ms` from now, for pthread_cond_timedwait on thread_cond_init
 * conditions. */
struct timespec clock_deadline(int64_t ms);

void clock_sleep_ms(int64_t ms);

enum { CLOCK_ISO_BYTES = 25 }; /* 2026-11-21T10:22:33.123Z and the NUL */
void clock_iso(int64_t wall_ms, char out[CLOCK_ISO_BYTES]);

/* Reads YYYY-MM-DD, or a full ISO 8601 instant with Z or an offset, as ms since 1970 UTC. */
MUST_USE err clock_parse(str text, int64_t *ret_wall_ms);

#endif
