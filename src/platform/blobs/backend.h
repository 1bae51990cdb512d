/* SPDX-License-Identifier: GPL-3.0-or-later */
/* backend.h -- what a place for objects provides to blobs.c. Private to this room.
 *
 * blobs.c owns what is the same everywhere: names, digests, pins, collection. A backend keeps bytes
 * under a name, whole or not at all. Any function may be called by any thread; one put and one get
 * belong to one thread at a time.
 */
#ifndef SKERRY_BLOBS_BACKEND_H
#define SKERRY_BLOBS_BACKEND_H

#include "platform/blobs/blobs.h"

struct blob_object {
    struct blob_id id;
    int64_t bytes;
    int64_t age_ms; /* since it was put last */
};

struct blob_backend {
    const char *scheme; /* "file" */

    err (*open)(const struct blobs_options *options, const char *location, void **ret_engine);
    void (*close)(void *engine);

    /* An object whose name is known only at its end. Commit replaces an object of that name, is
     * durable when it returns OK, and frees the put in any case; abort frees it and leaves nothing.
     */
    err (*put_begin)(void *engine, void **ret_put);
    err (*put_write)(void *put, const void *bytes, size_t count);
    err (*put_commit)(void *put, const struct blob_id *id);
    void (*put_abort)(void *put);

    err (*get_open)(void *engine, const struct blob_id *id, int64_t offset, void **ret_get,
                    int64_t *ret_bytes_total);
    err (*get_read)(void *get, void *out, size_t count, size_t *ret_count); /* 0 only at the end */
    void (*get_close)(void *get);

    /* Memory that munmap() gives back; a sibling without files maps its local copy. */
    err (*map)(void *engine, const struct blob_id *id, struct blob_map *ret_map);

    err (*stat)(void *engine, const struct blob_id *id, int64_t *ret_bytes);
    /* Removes the object unless it turns out to be younger than min_age_ms: somebody else may have
     * put it again since it was listed. A missing object is fine. */
    err (*remove)(void *engine, const struct blob_id *id, int64_t min_age_ms, bool *ret_is_gone);
    /* Calls fn for every object, in no order; fn may remove it. Stops at its first error. */
    err (*each)(void *engine, err (*fn)(void *arg, const struct blob_object *object), void *arg);
    /* Removes what puts of a dead process left behind. */
    err (*sweep)(void *engine, int64_t min_age_ms, int64_t *ret_count, int64_t *ret_bytes);

    /* Texts, see blobs.h; folder and name are checked. */
    err (*text_put)(void *engine, const char *folder, const char *name, str text);
    err (*text_get)(void *engine, const char *folder, const char *name, arena *keep,
                    size_t bytes_max, str *ret_text);
    err (*text_remove)(void *engine, const char *folder, const char *name);
    err (*text_each)(void *engine, const char *folder, err (*fn)(void *arg, const char *name),
                     void *arg);
    err (*put_aside)(void *engine, const struct blob_id *id);

    /* The rest may be NULL. */

    /* Objects younger than this are not collected, whatever the caller says. */
    int64_t (*grace_ms)(void *engine);
    /* Drops a local copy whose bytes are wrong; true when there was one and the object itself can
     * be read instead. */
    bool (*forget)(void *engine, const struct blob_id *id);
    err (*url)(void *engine, const struct blob_id *id, int64_t valid_s, struct buf *out);
};

extern const struct blob_backend blob_backend_folder;
extern const struct blob_backend blob_backend_s3;

#endif
