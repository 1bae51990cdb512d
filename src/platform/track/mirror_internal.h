/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mirror_internal.h -- what the files of mirror.h share. */
#ifndef SKERRY_TRACK_MIRROR_INTERNAL_H
#define SKERRY_TRACK_MIRROR_INTERNAL_H

#include "platform/net/api.h"
#include "platform/track/import_internal.h"
#include "platform/track/mirror.h"

enum { MIRROR_ARENA_BYTES = 256 * 1024 * 1024, MIRROR_BODY_MAX = 16 * 1024 * 1024 };

struct mirror {
    const struct mirror_config *config;
    struct net_api *api;
    arena keep; /* of one event */
    struct buf body;
    const struct outbox_batch *batch; /* being sent: when to give up */
};

/* A run as the other side has it. */
struct mirror_run {
    str id, artifact_uri; /* there; empty id: it is none that is mirrored */
};
/* Makes it when it is not there. */
MUST_USE err mirror_run_need(struct mirror *m, str run_id, struct mirror_run *ret_run);
/* All it has logged, and how it ended. */
MUST_USE err mirror_run_fill(struct mirror *m, str run_id, const struct mirror_run *run);
/* A blob below the run's artifacts there. ERR_UNSUPPORTED when that server does not take files. */
MUST_USE err mirror_upload(struct mirror *m, const struct mirror_run *run, str path, str blob);
/* The first row of (path, blob, bytes) that `sql` finds; an empty path when there is none. Texts
 * live in m->keep. */
struct mirror_file {
    str path, blob;
    int64_t bytes;
};
MUST_USE err mirror_next_file(struct mirror *m, const char *sql, struct store_args args,
                              struct mirror_file *ret_file);

/* All of our files below `folder`, as far as they are small enough, to the other side's `root`,
 * below `target`; an empty one is the root itself. `key` is whose files they are: a next try goes
 * on where this one ended. ERR_UNSUPPORTED as above. */
MUST_USE err mirror_folder(struct mirror *m, str key, const struct mirror_run *root, str folder,
                           str target);
MUST_USE err mirror_experiment_need(struct mirror *m, str name, str *ret_id);
struct own_tags {
    const char *sql; /* key, value of ?1 */
    str key;
    arena *keep;
    struct track_tag *list;
    size_t count, room;
};
MUST_USE err mirror_tags_read(struct mirror *m, const char *sql, str key,
                              struct own_tags *ret_tags);
/* Into an open array. How things are found again is not for clients to say: tags that are called
 * skerry.* are left out. */
void mirror_tags_write(const struct own_tags *t, struct json_out *w);

/* A logged model as the other side has it; empty id: it is not there, or that server is of MLflow
 * 2 and has none. */
struct mirror_logged {
    str id, artifact_uri;
    bool is_new;
};
MUST_USE err mirror_logged_need(struct mirror *m, str model_id, struct mirror_logged *ret_model);
/* Params, tags, how it ended and, with files, what it consists of. */
MUST_USE err mirror_logged_fill(struct mirror *m, str model_id, bool with_files);
/* As mirror_logged_need, and filled when it has just been made or is not finished. */
MUST_USE err mirror_logged_whole(struct mirror *m, str model_id, struct mirror_logged *ret_model);
MUST_USE err mirror_logged_delete(struct mirror *m, str model_id);
/* The models that a run read and made, and what it measured of them. */
MUST_USE err mirror_run_models(struct mirror *m, str run_id, const struct mirror_run *run);

/* The datasets that a run read, each with the tags of its use. */
MUST_USE err mirror_run_inputs(struct mirror *m, str run_id, const struct mirror_run *run);

/* Tags there: of a run, a version, a logged model our id; of a name, that the mirror has made it.
 * What has one here, with a value as long as an id of ours, was made by the mirror of another
 * server, or by our own that was pointed at us: it is not sent on, it would go in circles. */
#define MIRROR_TAG_RUN "skerry.run_id"
#define MIRROR_TAG_VERSION "skerry.model_version_id"
#define MIRROR_TAG_LOGGED "skerry.model_id"
#define MIRROR_TAG_KIND "skerry.kind"

/* A version as an event names it. */
struct mirror_wanted {
    str name, id; /* id: of the row; empty: by the name and the number */
    int64_t version;
    bool is_new; /* just registered: made there also where its name was imported */
};
/* And as the other side has it: empty number, it has not. */
struct mirror_version {
    str name, number;
};
MUST_USE err mirror_version_find(struct mirror *m, str id, struct mirror_version *ret_version);
/* Makes it when it is not there, with its name. None for what is here no more, and for versions
 * that came with an import, which are there already. */
MUST_USE err mirror_version_need(struct mirror *m, const struct mirror_wanted *wanted,
                                 struct mirror_version *ret_version);
MUST_USE err mirror_name_need(struct mirror *m, str name);
MUST_USE err mirror_alias(struct mirror *m, str name, str alias, int64_t version);
MUST_USE err mirror_stage(struct mirror *m, const struct mirror_version *there, str stage);
/* what: "description", "stage", "tag", of which key is the key; empty: that it is there at all. */
MUST_USE err mirror_change(struct mirror *m, const struct mirror_wanted *wanted, str what, str key);
MUST_USE err mirror_rename(struct mirror *m, str from, str to);
MUST_USE err mirror_version_delete(struct mirror *m, str id);
MUST_USE err mirror_name_delete(struct mirror *m, str name);

/* ERR_TIMEOUT or ERR_CANCELLED when this try is over. */
MUST_USE err mirror_go_on(const struct mirror *m);
/* A body from members; the call; its answer, which lives in m->keep. */
struct json_out mirror_body(struct mirror *m);
MUST_USE err mirror_ask(struct mirror *m, const char *method, const char *path,
                        const struct json **ret_reply);
/* True when the answer is an error of that code. */
MUST_USE err mirror_try(struct mirror *m, const char *method, const char *path, const char *code,
                        bool *ret_is_code, const struct json **ret_reply);
void mirror_key_value(struct json_out *w, const char *key, str value);

#endif
