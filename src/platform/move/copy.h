/* SPDX-License-Identifier: GPL-3.0-or-later */
/* copy.h -- tables made equal, blobs copied, schemas made: the parts that move, backup and restore
 * share. Private to this room.
 */
#ifndef SKERRY_MOVE_COPY_H
#define SKERRY_MOVE_COPY_H

#include "platform/move/move.h"
#include "platform/move/rows.h"

/* ------------------------------------------------------------------ schema.c */

/* How far an owner's migrations have come. */
struct schema_step {
    str owner;
    int number;
};
MUST_USE err schema_steps(struct store_read *rd, arena *keep, struct schema_step **ret_steps,
                          size_t *ret_count);
/* Brings a store to these steps. ERR_UNSUPPORTED for an owner or a step that this program lacks. */
MUST_USE err schema_apply(struct store *s, const struct move_schema *schemas,
                          const struct schema_step *steps, size_t count);
/* store_migrations and move_notes: a store has them before anything else, and they never move. */
bool schema_is_own_affair(str table_name);
/* Plans of all tables but those that are the store's own affair. */
MUST_USE err schema_plans(struct store_read *rd, arena *keep, struct table_plan **ret_plans,
                          size_t *ret_count);
MUST_USE err schema_plans_of(struct store *s, arena *keep, struct table_plan **ret_plans,
                             size_t *ret_count);
/* ERR_CONFLICT, with the first difference, unless both have the same tables and columns. */
MUST_USE err schema_compare(const struct table_plan *a, size_t a_count, const struct table_plan *b,
                            size_t b_count);

/* ------------------------------------------------------------------ sync.c */

struct sync_report {
    struct table_digest digest; /* of the source */
    int64_t changed;            /* rows inserted, updated or deleted */
};
/* Deletes rows of `target` that the source lacks; to be done for children before their parents. */
MUST_USE err sync_delete(struct row_source *source, struct store *target,
                         const struct table_plan *t, struct sync_report *ret_report);
/* Inserts and updates; for parents before their children. Ids go on above what was written. */
MUST_USE err sync_write(struct row_source *source, struct store *target, const struct table_plan *t,
                        struct sync_report *ret_report);

/* ------------------------------------------------------------------ blob_copy.c */

/* Digests, sorted, each once. */
struct blob_list {
    struct blob_info *items;
    size_t count, capacity;
};
void blob_list_deinit(struct blob_list *l);
MUST_USE err blob_list_add(struct blob_list *l, const struct blob_id *id, int64_t bytes);
void blob_list_sort(struct blob_list *l);
/* What the owner names now; sizes are unknown (-1). Inside a read of its store: in that snapshot.
 */
MUST_USE err blob_list_named(struct blob_list *l, blob_roots_fn roots, void *roots_arg);

/* Copies one blob unless it is there with the same size; reads back what it wrote with `check`.
 * Fills in info->bytes. ERR_NOT_FOUND when the source lacks it. */
MUST_USE err blob_copy(struct blobs *from, struct blobs *to, struct blob_info *info, bool check,
                       bool *ret_copied);

/* ------------------------------------------------------------------ backup.c, restore.c */

struct manifest;
#define BACKUP_TEXTS "backups" /* manifests */

/* A place that is open: its folder locked, or the caller's objects. */
struct backup_open_place {
    struct blobs *objects;
    const char *where; /* for people */
    int lock_fd;       /* -1: none */
    bool is_ours;      /* objects are to be closed */
};
MUST_USE err backup_place_open(const struct backup_place *place,
                               struct backup_open_place *ret_place);
void backup_place_close(struct backup_open_place *place);
MUST_USE err backup_newest(const struct backup_open_place *place, arena *keep,
                           const char **ret_name);
/* The blobs that the lists of a manifest name. */
MUST_USE err backup_list(struct blobs *objects, const struct manifest *m, arena *keep,
                         struct blob_list *list);

/* Tells progress; ERR_CANCELLED when the work is to stop. */
MUST_USE err move_tell(const struct move_progress *progress, const char *what, int64_t done,
                       int64_t total);

#endif
