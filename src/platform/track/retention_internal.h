/* SPDX-License-Identifier: GPL-3.0-or-later */
/* retention_internal.h -- what the files about retention share. Not for other rooms. */
#ifndef SKERRY_TRACK_RETENTION_INTERNAL_H
#define SKERRY_TRACK_RETENTION_INTERNAL_H

#include "platform/track/retention.h"
#include "platform/track/track_internal.h"

/* Things in one transaction: other writers wait for none of them long. */
enum { RETENTION_STEP = 50, RETENTION_ARENA_BYTES = 4 * 1024 * 1024 };

/* A pass under way. */
struct retention_pass {
    struct track *track;
    const struct retention *want;
    struct retention_report report;
};

void retention_tell(struct retention_pass *p, enum retention_act act, str id, str files);
MUST_USE err retention_check(const struct retention_pass *p);

/* A place in a list that is walked in steps: the last that was seen. */
struct retention_cursor {
    int64_t at;
    char id[TRACK_KEY_BYTES_MAX + 1];
};
void retention_cursor_set(struct retention_cursor *c, int64_t at, str id);

/* retention_needs.c. Within a transaction: does something that stays need this run? */
MUST_USE err retention_needs_run(struct store_read *rd, str run_id, bool *ret_is_needed);
MUST_USE err retention_needs_model(struct store_read *rd, str model_id, bool *ret_is_needed);

/* retention_purge.c: what has been in the trash for long. */
MUST_USE err retention_purge(struct retention_pass *p);

/* retention_traces.c: removes traces by rules. */
MUST_USE err retention_traces(struct retention_pass *p);
/* All traces of an experiment that goes, with their files. */
MUST_USE err retention_traces_of(struct retention_pass *p, int64_t experiment_id);

/* retention.c: a rule's days, 0 without one. */
MUST_USE err retention_rule(struct store_read *rd, int64_t experiment_id, const char *key,
                            int64_t *ret_value, bool *ret_is_wrong);
/* The path of `uri` below our root, if it is one and `id` is a part of it; else empty: what a
 * client wrote into a location must not make us remove the files of others. */
MUST_USE err retention_files(str uri, str id, arena *keep, str *ret_path);
/* The rows of all files below that path. */
MUST_USE err retention_files_remove(struct store_tx *tx, str path, arena *scratch);

#endif
