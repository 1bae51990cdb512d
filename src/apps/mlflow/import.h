/* SPDX-License-Identifier: GPL-3.0-or-later */
/* import.h -- what the files that read another MLflow share: its SQLite file, its folder of files,
 * its server. They read, and say rows to platform/track/import.h.
 */
#ifndef SKERRY_MLFLOW_IMPORT_H
#define SKERRY_MLFLOW_IMPORT_H

#include "base/fs.h"
#include "platform/app/app.h"
#include "platform/track/import.h"

enum {
    IMPORT_PATH_BYTES_MAX = 1000, /* of an artifact */
    IMPORT_DEPTH_MAX = 32,        /* folders in folders */
};

struct import_work {
    struct run *run;
    struct import *im;
    const char *source;       /* an absolute path, or an address */
    const char *artifacts;    /* the folder that mlflow-artifacts:/ stands for; NULL: unknown */
    char home[FS_PATH_BYTES]; /* the folder that the source is in */
    int64_t done, total;      /* for progress: of rows, or, with a `done`, of runs */
    int64_t unreadable;       /* files and entries that were passed over */
    char first_unreadable[200];
};

/* Says all there is, from the place on that an earlier try had reached. */
MUST_USE err import_from_sqlite(struct import_work *w);
MUST_USE err import_from_folder(struct import_work *w);
MUST_USE err import_from_server(struct import_work *w, const char *token);

/* Passed over, counted, and the first one named in the report. */
void import_pass_over(struct import_work *w, str what, const char *why);
/* ERR_CANCELLED and friends; tells how far it is. */
MUST_USE err import_step(struct import_work *w);

/* ------------------------------------------------------------------ import_files.c */

/* Whose files they are: a run's, or those below a path of an experiment. */
struct import_owner {
    str run_id;
    int64_t experiment;
    str below; /* "models/m-.../artifacts"; empty for a run */
};
/* All files in a folder and its folders, into blobs. Links are not followed. A folder that is not
 * there has none. */
MUST_USE err import_files(struct import_work *w, const struct import_owner *owner,
                          const char *folder);
/* The same for what an artifact URI names, if that is a folder that may be read: below `home` or
 * `artifacts`; a stranger's database must not make us copy whatever it likes. Others are counted.
 */
MUST_USE err import_uri(struct import_work *w, const struct import_owner *owner, str uri);

/* ------------------------------------------------------------------ import_yaml.c: outside input
 */

/* A meta.yaml of MLflow: "key: value" lines, values plain or quoted; of a map inside, its own such
 * lines; lists and what is deeper are passed over. At most IMPORT_YAML_MAX fields; slices point
 * into the text or live in keep. */
enum { IMPORT_YAML_MAX = 64, IMPORT_YAML_BYTES_MAX = 1024 * 1024 };
struct import_field {
    str parent; /* the key of the map that it is in; empty: none */
    str key, value;
    bool is_null;
};
struct import_meta {
    struct import_field fields[IMPORT_YAML_MAX];
    size_t count;
};
/* ERR_INVALID names the line. */
MUST_USE err import_yaml(str text, arena *keep, struct import_meta *ret_meta);
str import_meta_str(const struct import_meta *m, const char *key); /* empty: absent or null */
/* A number as MLflow writes it, or otherwise. */
int64_t import_meta_int(const struct import_meta *m, const char *key, int64_t otherwise);

/* A line of a metric's file: "time value step", in old ones "time value", and what follows. */
struct import_point {
    int64_t ts_ms, step;
    double value; /* NAN and infinities, too */
    str rest;     /* "run_id name digest" of a logged model's, "name digest", or empty */
};
bool import_point_parse(str line, struct import_point *ret_point);

extern const struct job_kind import_jobs[];
extern const struct verb import_verbs[];
extern const struct setting import_settings[];

#endif
