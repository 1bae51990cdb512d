/* SPDX-License-Identifier: GPL-3.0-or-later */
/* registry.h -- registered models and their versions as MLflow's clients see and change them.
 *
 * They are the rows of track.h's models: what our own stages registered appears here with tags,
 * stages and a source that clients can fetch from, and what clients register appears in model_list.
 * Names and versions of clients are of kind REGISTRY_KIND_CLIENT. A version's number is never given
 * again while its name is there; a name that is deleted is gone, and begins anew.
 *
 * Aliases move through the same ledger as model_promote's. Messages of errors are MLflow's where
 * clients read them. Any thread.
 */
#ifndef SKERRY_TRACK_REGISTRY_H
#define SKERRY_TRACK_REGISTRY_H

#include "platform/track/experiments.h"

/* The kind of names and versions that clients made. */
#define REGISTRY_KIND_CLIENT "mlflow"

enum {
    REGISTRY_READ_MODELS_MAX = 1000,
    REGISTRY_READ_VERSIONS_MAX = 200000,
    REGISTRY_STAGES = 4,
};
/* In order of their names: "Archived", "None", "Production", "Staging". */
extern const char *const registry_stages[REGISTRY_STAGES];

/* ------------------------------------------------------------------ reading */

struct registry_version {
    str id; /* our own, of lineage */
    str name;
    int64_t version, created_ms, updated_ms;
    str kind, stage, status;
    /* source: of ours, the artifact directory of the run that made it, if it keeps it there */
    /* ptr NULL: not set, which is not the same as empty */
    str description, source, run_id, run_link, user_id, status_message, model_id;
    str location; /* where the files are when the source only names something; else empty */
    struct track_tag *tags; /* by key */
    str *aliases;           /* by name */
    size_t tag_count, alias_count;
};

struct registry_alias {
    str alias;
    int64_t version;
};

struct registry_model {
    str name, kind, description;
    int64_t created_ms, updated_ms;
    struct track_tag *tags;
    struct registry_alias *aliases;
    struct registry_version *latest; /* the newest of each stage, by version; without aliases */
    size_t tag_count, alias_count, latest_count;
};

/* Reads registered models with all that hangs on them, in five queries for up to 500 of them.
 * ret_models has the order of names. ERR_NOT_FOUND names one that is not there. At most
 * REGISTRY_READ_MODELS_MAX, none twice. */
MUST_USE err registry_models_read(struct track *t, const str *names, size_t count, arena *keep,
                                  struct registry_model **ret_models);
/* The same for versions, by their ids (model_versions.id), in two or three queries. A deleted one
 * is ERR_NOT_FOUND. */
MUST_USE err registry_versions_read(struct track *t, const str *ids, size_t count,
                                    bool with_aliases, arena *keep,
                                    struct registry_version **ret_versions);

/* ------------------------------------------------------------------ names */

/* Any text but one with '/' or ':', of at most 1000 bytes. ERR_CONFLICT when it is there. The last
 * of several tags with one key counts. */
MUST_USE err registry_model_create(struct track *t, str name, str description,
                                   const struct track_tag *tags, size_t tag_count);
MUST_USE err registry_model_describe(struct track *t, str name, str description);
/* Versions, aliases, tags and the ledger go along. */
MUST_USE err registry_model_rename(struct track *t, str name, str new_name);
/* With all its versions; the ledger says that its aliases went. ERR_INVALID for a model with
 * versions that were made here: lineage needs their rows. */
MUST_USE err registry_model_delete(struct track *t, str name, str username);
MUST_USE err registry_model_tag_set(struct track *t, str name, str key, str value);
/* A tag that is not there is fine. */
MUST_USE err registry_model_tag_delete(struct track *t, str name, str key);

/* ------------------------------------------------------------------ versions */

struct registry_version_spec {
    str name, source, run_id, run_link, description, model_id;
    const struct track_tag *tags;
    size_t tag_count;
    str username; /* for the log */
};
/* The next version, READY. A source below mlflow-artifacts:/ must belong to the run or the logged
 * model that is named; "models:/" and "runs:/" must name something that is there. A logged model
 * is told of its version (tag mlflow.modelVersions), as MLflow does it. Prompts have no source. */
MUST_USE err registry_version_create(struct track *t, const struct registry_version_spec *spec,
                                     arena *keep, int64_t *ret_version);
MUST_USE err registry_version_get(struct track *t, str name, int64_t version, arena *keep,
                                  struct registry_version **ret_version);
/* ERR_INVALID without such an alias, ERR_NOT_FOUND without such a model: as MLflow. */
MUST_USE err registry_alias_get(struct track *t, str name, str alias, arena *keep,
                                struct registry_version **ret_version);
/* No such alias is fine. */
MUST_USE err registry_alias_remove(struct track *t, str name, str alias, str username);
MUST_USE err registry_version_describe(struct track *t, str name, int64_t version, str description,
                                       bool has_description);
/* stage: None, Staging, Production or Archived, in any case. `archive_others`: those that are in
 * this stage go to Archived; for Staging and Production only. */
MUST_USE err registry_version_stage(struct track *t, str name, int64_t version, str stage,
                                    bool archive_others);
/* "production" -> "Production". ERR_INVALID. */
MUST_USE err registry_stage_name(str text, str *ret_stage);
/* Its aliases go, with rows in the ledger. The row stays, without what it said; its number is not
 * given again. ERR_INVALID for one that was made here and has an alias: it may be serving. */
MUST_USE err registry_version_delete(struct track *t, str name, int64_t version, str username);
MUST_USE err registry_version_tag_set(struct track *t, str name, int64_t version, str key,
                                      str value);
MUST_USE err registry_version_tag_delete(struct track *t, str name, int64_t version, str key);

/* ------------------------------------------------------------------ models:/ */

/* "models:/m-0f..." | "models:/name/7" | "models:/name/Production" | "models:/name/latest" |
 * "models:/name@alias": slices of the text; empty what it does not say. */
struct registry_uri {
    str model_id, name, version, alias; /* version: a number, a stage or "latest" */
};
/* ERR_INVALID. */
MUST_USE err registry_uri_parse(str text, struct registry_uri *ret_uri);

#endif
