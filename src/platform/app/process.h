/* SPDX-License-Identifier: GPL-3.0-or-later */
/* process.h -- the standard process_* metrics (CPU, memory, descriptors, start time), read when
 * asked. */
#ifndef SKERRY_APP_PROCESS_H
#define SKERRY_APP_PROCESS_H

#include "platform/observe/metrics.h"

extern const struct metric_family process_metrics[];

/* Reads /proc/self and sets the cells. Cheap enough for every scrape; any thread. */
void process_metrics_update(struct metrics *m);

/* Resident memory of this process in bytes, 0 when unknown. */
int64_t process_resident_bytes(void);

#endif
