/* SPDX-License-Identifier: GPL-3.0-or-later */
/* registry_internal.h -- what the files about the registry share. Not for other rooms. */
#ifndef SKERRY_TRACK_REGISTRY_INTERNAL_H
#define SKERRY_TRACK_REGISTRY_INTERNAL_H

#include "platform/track/registry.h"
#include "platform/track/track_internal.h"

err registry_no_model(str name);
err registry_no_version(str name, int64_t version);
str registry_shown(str text); /* as much of it as a message holds */
/* A copy, or STR_NONE for NULL. */
str registry_col_opt(struct store_rows *rows, int column, arena *keep);

/* The id of the row of a version that is there. */
MUST_USE err registry_version_id(struct store_read *rd, str name, int64_t version, arena *keep,
                                 str *ret_id);
MUST_USE err registry_need_model(struct store_read *rd, str name);
/* Now is when it last changed. */
MUST_USE err registry_touch(struct store_tx *tx, str name);
MUST_USE err registry_check_tags(const struct track_tag *tags, size_t count);
/* What a source names is there and may be named: *ret_location when the files are elsewhere than
 * the source says, *ret_run_id when the logged model knows its run. */
MUST_USE err registry_source_resolve(struct track *t, const struct registry_version_spec *spec,
                                     arena *keep, str *ret_location, str *ret_run_id);

#define REGISTRY_TAG_PROMPT STR("mlflow.prompt.is_prompt")

#endif
