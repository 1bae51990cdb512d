/* SPDX-License-Identifier: GPL-3.0-or-later */
/* power.h -- what a disk is sure to hold when the power fails.
 *
 * A program that links power.c has its fsync and fdatasync watched. A file's content counts from
 * its last sync; a name counts from the last sync of its folder; nothing else survives. power_image
 * builds the folder as it would be found after a power cut at this moment: the least that the rules
 * allow.
 */
#ifndef SKERRY_TEST_POWER_H
#define SKERRY_TEST_POWER_H

#include <stdbool.h>
#include <stddef.h>

/* Watches files below root from now on; what was synced is kept in memory. One at a time. */
void power_watch(const char *root);
void power_forget(void);

/* Writes the image into `folder`, which must not exist. */
void power_image(const char *folder);

/* From now on syncs below root fail with EIO, or work again. */
void power_fail_syncs(bool fail);

size_t power_sync_count(void); /* syncs seen below root */

#endif
