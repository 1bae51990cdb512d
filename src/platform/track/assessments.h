/* SPDX-License-Identifier: GPL-3.0-or-later */
/* assessments.h -- what people, programs and models say of a trace: feedback on what it did, or
 * expectations of what it should have done.
 *
 * One that overrides another makes that one invalid; deleting it makes the other valid again. Any
 * thread.
 */
#ifndef SKERRY_TRACK_ASSESSMENTS_H
#define SKERRY_TRACK_ASSESSMENTS_H

#include "platform/track/experiments.h"

enum { ASSESSMENTS_MAX = 1000, ASSESSMENT_VALUE_BYTES_MAX = 1024 * 1024 };

struct assessment {
    str id, trace_id;
    str name;
    const char *kind; /* "feedback", "expectation" */
    str json;         /* the value */
    str error;        /* JSON; ptr NULL: none, as are the next ones */
    str rationale, metadata /* JSON: texts by key */, span_id, run_id, overrides;
    str source_type, source_id;
    bool is_valid;
    int64_t created_ms, updated_ms;
};

/* Gives it an id. Times of 0 are now. ERR_NOT_FOUND: no such trace, or none to override. */
MUST_USE err assessment_add(struct track *t, const struct assessment *a, arena *keep,
                            struct assessment *ret_made);
/* ERR_NOT_FOUND. */
MUST_USE err assessment_read(struct track *t, str trace_id, str id, arena *keep,
                             struct assessment *ret_a);
/* What changes: those whose ptr is not NULL. Metadata is merged. ERR_INVALID: a value of the other
 * kind. */
struct assessment_change {
    str name, rationale, metadata;
    const char *kind; /* of the value; NULL: the value stays */
    str json, error;
};
MUST_USE err assessment_change(struct track *t, str trace_id, str id,
                               const struct assessment_change *change, arena *keep,
                               struct assessment *ret_a);
/* Nothing happens when it is not there. */
MUST_USE err assessment_delete(struct track *t, str trace_id, str id);

/* Within a transaction of trace_start. */
MUST_USE err assessment_put(struct store_tx *tx, int64_t trace, const struct assessment *a);

#endif
