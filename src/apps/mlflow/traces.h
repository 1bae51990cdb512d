/* SPDX-License-Identifier: GPL-3.0-or-later */
/* traces.h -- what the files of this app about traces share. */
#ifndef SKERRY_MLFLOW_TRACES_H
#define SKERRY_MLFLOW_TRACES_H

#include "apps/mlflow/mlflow_app.h"
#include "platform/track/traces.h"

enum { TRACE_SEARCH_DEFAULT = 100 };

/* MLflow 3's TraceInfo, and MLflow 2's. */
void trace_write_info(struct json_out *w, const struct trace_info *info);
void trace_write_info_2(struct json_out *w, const struct trace_info *info);
void trace_write_assessment(struct json_out *w, const struct assessment *a);
/* An assessment as clients send it. */
MUST_USE err trace_assessment_of(const struct json *node, arena *keep, struct assessment *ret_a);

/* Instants and durations of protobuf's JSON: 2020-09-13T12:26:40.5Z, 1.5s. Absent keeps *ms. */
void trace_kv_time(struct json_out *w, const char *key, int64_t ms);
MUST_USE err trace_time_of(const struct wire_args *a, const char *name, int64_t *ms);
/* {"key": "value"} */
MUST_USE err trace_pairs_of(const struct wire_args *a, const char *name, arena *keep,
                            struct track_tag **ret_pairs, size_t *ret_count);
void trace_kv_pairs(struct json_out *w, const char *name, const struct track_tag *pairs,
                    size_t count);

#endif
