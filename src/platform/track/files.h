/* SPDX-License-Identifier: GPL-3.0-or-later */
/* files.h -- files that clients keep with us under a path: of runs, logged models, traces,
 * anything.
 *
 * A path stands below the root that clients call mlflow-artifacts:/ . Below the artifact root of a
 * run that exists, "<location of its experiment>/<run id>/artifacts", it is an artifact of that
 * run, in the same rows as those of our own stages. Any other path is a row of `files`. The bytes
 * are a blob, put and pinned before the path is stored.
 *
 * Directories are not stored: one is there while a file is below it. What clients store is a file
 * or a directory, never both. Deleting leaves blobs to collection. Messages of errors are MLflow's
 * where clients read them. Any thread.
 */
#ifndef SKERRY_TRACK_FILES_H
#define SKERRY_TRACK_FILES_H

#include "platform/track/track.h"

enum { FILES_PATH_BYTES_MAX = 1024 };

struct file_info {
    str path; /* of a list: the name in the directory */
    bool is_directory;
    struct blob_id blob; /* and the rest: of files */
    int64_t bytes, created_ms;
};

/* ------------------------------------------------------------------ paths */

/* What a client sent as a path, percent-decoded until nothing changes, without empty parts and ".";
 * empty is the root. ERR_INVALID, "Invalid path", for what could lead outside: "..", an absolute
 * path, a drive letter, "file:", backslashes, '#', control characters, text that is not UTF-8, more
 * than FILES_PATH_BYTES_MAX bytes. */
MUST_USE err files_path(str text, arena *keep, str *ret_path);
/* The path that an artifact URI of ours names: "mlflow-artifacts:/1/x" or with a host in it.
 * ERR_INVALID for other schemes: those files are elsewhere. */
MUST_USE err files_uri_path(str uri, arena *keep, str *ret_path);
/* Below a directory, which may be the root. */
MUST_USE err files_join(str directory, str path, arena *keep, str *ret_path);

/* ------------------------------------------------------------------ files */

/* Paths come from the functions above. */

/* Replaces what is there. ERR_INVALID for the root, a directory, or a path below a file. */
MUST_USE err files_put(struct track *t, str path, const struct blob_info *blob);
/* ERR_NOT_FOUND, ERR_INVALID for a directory. */
MUST_USE err files_get(struct track *t, str path, arena *keep, struct file_info *ret_info);

struct files_page {
    struct file_info *files; /* by name */
    size_t count;
    str next; /* what the next call gets as `after`; empty: that was all */
};
/* What is in a directory, at most `max` entries. A file, or nothing, has an empty list. The parts
 * of paths that lead to runs are no entries: a directory has its files, a run's root its artifacts.
 */
MUST_USE err files_list(struct track *t, str directory, str after, size_t max, arena *keep,
                        struct files_page *ret_page);
/* The file, or all below the directory; nothing there is fine. Artifacts of runs go only with a
 * path at or below the run's root. ERR_INVALID for the root. */
MUST_USE err files_delete(struct track *t, str path, int64_t *ret_count);

/* ------------------------------------------------------------------ whose files are where */

/* Artifact URIs, also of what is deleted but kept. ERR_NOT_FOUND. */
MUST_USE err files_root_of_run(struct track *t, str run_id, arena *keep, str *ret_uri);
MUST_USE err files_root_of_logged_model(struct track *t, str model_id, arena *keep, str *ret_uri);
MUST_USE err files_root_of_trace(struct track *t, str trace_id, arena *keep, str *ret_uri);
/* "runs:/" and "models:/" sources are followed to the run, logged model or version they name. */
MUST_USE err files_root_of_version(struct track *t, str name, str version, arena *keep,
                                   str *ret_uri);

#endif
