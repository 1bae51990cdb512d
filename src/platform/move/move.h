/* SPDX-License-Identifier: GPL-3.0-or-later */
/* move.h -- whole installations: copied into another store and other blobs, kept as backups, put
 * back.
 *
 * All of it rests on one thing: a snapshot of the rows, and then the blobs that the snapshot names.
 * Blobs never change, so what is copied once stays right. A blob that a collection took between the
 * two is found missing, and another snapshot is taken.
 */
#ifndef SKERRY_MOVE_MOVE_H
#define SKERRY_MOVE_MOVE_H

#include "platform/blobs/blobs.h"
#include "platform/store/store.h"

/* Migrations of everybody who may own tables; owner NULL ends the list. */
struct move_schema {
    const char *owner;
    const struct store_migration *steps;
};

struct move_progress {
    /* What is being done, how far it is, of how much. May be NULL. */
    void (*show)(void *arg, const char *what, int64_t done, int64_t total);
    /* An error ends the work at the next good moment. May be NULL. */
    err (*check)(void *arg);
    void *arg;
};

/* Where an installation is. */
struct move_place {
    struct store *store;
    struct blobs *blobs;
    blob_roots_fn roots; /* of the source: who names its blobs */
    void *roots_arg;
    const char *shown;       /* the store's address without a password */
    const char *blobs_shown; /* of the target: the blobs' */
};

struct move_report {
    int64_t tables, rows;         /* in the source */
    int64_t rows_changed;         /* written or deleted in the target by this run */
    int64_t tables_equal_already; /* of the same digest before this run */
    int64_t blobs, blob_bytes;    /* named by the rows */
    int64_t blobs_copied, blob_bytes_copied;
    bool is_complete; /* the target is whole and may be used, and the source no longer */
};

/* Makes `to` equal to `from`. Either of to->store and to->blobs may be NULL: that part stays where
 * it is. With is_final nobody else may be writing to the source: then the source is marked as
 * moved, and the target as complete; otherwise the target stays unfinished, and the next run only
 * copies what changed. Every table's count and digest is compared on both sides, and every blob
 * that was copied is read back. ERR_CONFLICT when the target holds something else. `keep` lives
 * longer than the stores. */
MUST_USE err move_run(const struct move_place *from, const struct move_place *to,
                      const struct move_schema *schemas, bool is_final,
                      const struct move_progress *progress, arena *keep,
                      struct move_report *ret_report);

/* The source of a move stays in use after all. */
MUST_USE err move_stay(struct store *s);

/* ------------------------------------------------------------------ backups
 *
 *     objects/             blobs, and rows in parts, each under its SHA-256
 *     backups/TIME-SHA256.json       a manifest: what a backup consists of, named by its digest
 *     damaged/             objects that a check found damaged
 *     backup.lock          one at a time
 *
 * Rows are kept in an engine-neutral form, in parts that are cut where the rows say, so that a
 * table that changed a little shares most parts with the backup before. A backup exists once its
 * manifest has its name; until then its objects are rubbish that the next backup uses or removes.
 * In S3 the same names stand below the prefix, without damaged/ and backup.lock.
 */

/* Where backups are. */
struct backup_place {
    const char *where;     /* a folder; of `objects` their URL, for people */
    struct blobs *objects; /* elsewhere than in a folder: open, and the caller's, who also sees to
                              it that one backup at a time is made there. NULL: in the folder */
};
struct backup_options {
    struct move_place from;
    struct backup_place place;
    const char *inbox;   /* files of unfinished work, kept too; NULL: none */
    int keep_count;      /* backups that stay; 0: all */
    const char *program; /* version, for people */
    struct move_progress progress;
};
struct backup_report {
    char name[128]; /* of the manifest, without folder */
    int64_t created_ms;
    int64_t tables, rows;
    int64_t blobs, blob_bytes;
    int64_t objects_written, bytes_written; /* that no earlier backup had */
    int64_t backups_kept, backups_dropped, objects_dropped;
};
MUST_USE err backup_make(const struct backup_options *options, struct backup_report *ret_report);

/* A backup that is open for reading; nobody else may change its place meanwhile. */
struct backup;
/* `name` NULL: the newest. ERR_NOT_FOUND, ERR_CORRUPT. */
MUST_USE err backup_open(const struct backup_place *place, const char *name,
                         struct backup **ret_backup);
void backup_close(struct backup *b); /* accepts NULL */
const char *backup_name(const struct backup *b);
int64_t backup_created_ms(const struct backup *b);
struct blobs *backup_blobs(const struct backup *b); /* the place's objects */

/* Fills a store whose tables are missing, or a restore of the same backup that did not finish.
 * Counts and digests are compared. ERR_UNSUPPORTED for a backup of a newer program. The store stays
 * "filling" until backup_restore_done. */
MUST_USE err backup_restore_rows(struct backup *b, struct store *to,
                                 const struct move_schema *schemas,
                                 const struct move_progress *progress, arena *keep,
                                 int64_t *ret_rows);
MUST_USE err backup_restore_blobs(struct backup *b, struct blobs *to, const char *inbox,
                                  const struct move_progress *progress);
MUST_USE err backup_restore_done(struct backup *b, struct store *to);

/* Reads every object that the backup consists of against its digest; puts a damaged one aside, so
 * that the next backup writes it anew. */
MUST_USE err backup_check_objects(struct backup *b, const struct move_progress *progress,
                                  int64_t *ret_count, int64_t *ret_bytes);
/* What the owner names is in the backup's list. */
MUST_USE err backup_check_named(struct backup *b, blob_roots_fn roots, void *roots_arg);

#endif
