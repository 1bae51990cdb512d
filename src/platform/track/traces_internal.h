/* SPDX-License-Identifier: GPL-3.0-or-later */
/* traces_internal.h -- what the files about traces share. Not for other rooms. */
#ifndef SKERRY_TRACK_TRACES_INTERNAL_H
#define SKERRY_TRACK_TRACES_INTERNAL_H

#include "platform/track/client_internal.h"
#include "platform/track/traces.h"

enum { TRACE_VALUE_CHARACTERS_MAX = 8000 };
#define TRACE_TAG_LOCATION STR("mlflow.artifactLocation")
#define TRACE_TAG_SPANS STR("mlflow.trace.spansLocation")
#define TRACE_TAG_PROMPTS STR("mlflow.linkedPrompts")
#define TRACE_METADATA_RUN STR("mlflow.sourceRun")

/* Within a transaction: its row, or ERR_NOT_FOUND. */
MUST_USE err trace_number(struct store_read *rd, str trace_id, int64_t *ret_number);
MUST_USE err trace_tag_put(struct store_tx *tx, int64_t trace, const struct track_tag *tag);
MUST_USE err trace_run_put(struct store_tx *tx, str trace_id, str run_id);
/* All rows of a trace. */
MUST_USE err trace_row_delete(struct store_tx *tx, int64_t trace, str trace_id);
/* All of a trace that was just found in `rd`. */
MUST_USE err trace_assessments_read(struct store_read *rd, struct trace_info *infos, size_t count,
                                    arena *keep);
/* "1,2,3": numbers of rows, for IN lists. */
void trace_numbers_add(struct buf *sql, const struct trace_info *infos, size_t count);
/* The one of this row among infos. */
struct trace_info *trace_of_number(struct trace_info *infos, size_t count, int64_t number);

#endif
