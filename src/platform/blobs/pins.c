/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pins: blobs that exist while the row that refers to them does not, yet.
 *
 * The rule that makes collection safe next to writers: a blob is pinned before its object gets its
 * name, and an unpin during a collection takes effect only after it. So a blob that collection may
 * remove was there, unpinned and without a reference, when its owners were asked. Removing itself
 * happens outside the lock; whoever pins that very blob waits for it, and then writes it anew.
 */
#include <stdlib.h>

#include "base/thread.h"
#include "platform/blobs/internal.h"

/* A pin lives from put to the commit of a row: many at once are a leak. */
enum { PINS_MAX = 65536 };

struct pin {
    struct blob_id id;
    int64_t count; /* 0: unpinned during the collection that runs */
};

void blobs_pins_init(struct blobs *b)
{
    map_init(&b->pins, PINS_MAX);
    pthread_mutex_init(&b->lock, NULL);
    thread_cond_init(&b->removed);
}

void blobs_pins_deinit(struct blobs *b)
{
    size_t index = 0;
    for (struct map_slot *slot; (slot = map_next(&b->pins, &index)) != NULL;)
        free(slot->value.ptr);
    map_deinit(&b->pins);
    pthread_cond_destroy(&b->removed);
    pthread_mutex_destroy(&b->lock);
}

static bool same_id(const struct blob_id *a, const struct blob_id *b)
{
    return str_eq(str_from(a->hex, SHA256_HEX_BYTES - 1), str_from(b->hex, SHA256_HEX_BYTES - 1));
}

/* Under lock. */
static err pin_add(struct blobs *b, const struct blob_id *id)
{
    union map_value *found = map_find(&b->pins, str_of(id->hex));
    if (found) {
        ((struct pin *)found->ptr)->count++;
        return OK;
    }
    struct pin *pin = calloc(1, sizeof *pin);
    if (!pin)
        return ERR(ERR_NO_MEMORY, "pinning blob %s: out of memory", id->hex);
    pin->id = *id;
    pin->count = 1;
    bool is_new;
    err e = map_put(&b->pins, str_of(pin->id.hex), &found, &is_new);
    if (e.code) {
        free(pin);
        return err_wrap(e, "pinning blob %s: %d blobs wait for their rows", id->hex, PINS_MAX);
    }
    found->ptr = pin;
    return OK;
}

err blobs_pin(struct blobs *b, const struct blob_id *id)
{
    pthread_mutex_lock(&b->lock);
    while (b->going && same_id(b->going, id))
        pthread_cond_wait(&b->removed, &b->lock);
    err e = pin_add(b, id);
    pthread_mutex_unlock(&b->lock);
    return e;
}

/* Under lock. */
static void pin_drop(struct blobs *b, struct pin *pin)
{
    map_remove(&b->pins, str_of(pin->id.hex));
    free(pin);
}

void blob_unpin(struct blobs *b, const struct blob_id *id)
{
    pthread_mutex_lock(&b->lock);
    union map_value *found = map_find(&b->pins, str_of(id->hex));
    struct pin *pin = found ? found->ptr : NULL;
    if (pin && pin->count > 0 && --pin->count == 0 && !b->is_collecting)
        pin_drop(b, pin);
    pthread_mutex_unlock(&b->lock);
}

/* ------------------------------------------------------------------ collection */

err blobs_collect_begin(struct blobs *b)
{
    pthread_mutex_lock(&b->lock);
    bool runs = b->is_collecting;
    b->is_collecting = true;
    pthread_mutex_unlock(&b->lock);
    return runs ? ERR(ERR_BUSY, "collecting blobs: a collection is running (wait for it)") : OK;
}

/* Under lock. A removal may move entries, so each find starts over; pins are few. */
static struct pin *find_unpinned(struct blobs *b)
{
    size_t index = 0;
    for (struct map_slot *slot; (slot = map_next(&b->pins, &index)) != NULL;)
        if (((struct pin *)slot->value.ptr)->count == 0)
            return slot->value.ptr;
    return NULL;
}

void blobs_collect_end(struct blobs *b)
{
    pthread_mutex_lock(&b->lock);
    b->is_collecting = false;
    for (struct pin *pin; (pin = find_unpinned(b)) != NULL;)
        pin_drop(b, pin);
    pthread_mutex_unlock(&b->lock);
}

bool blobs_removal_begin(struct blobs *b, const struct blob_id *id)
{
    pthread_mutex_lock(&b->lock);
    bool free_to_go = !map_find(&b->pins, str_of(id->hex));
    if (free_to_go)
        b->going = id;
    pthread_mutex_unlock(&b->lock);
    return free_to_go;
}

void blobs_removal_end(struct blobs *b)
{
    pthread_mutex_lock(&b->lock);
    b->going = NULL;
    pthread_cond_broadcast(&b->removed);
    pthread_mutex_unlock(&b->lock);
}

/* ------------------------------------------------------------------ verified digests */

static struct blob_id *verified_slot(struct blobs *b, const struct blob_id *id)
{
    uint64_t hash = str_hash(str_of(id->hex));
    return &b->verified[hash % BLOBS_VERIFIED_SLOTS];
}

bool blobs_is_verified(struct blobs *b, const struct blob_id *id)
{
    pthread_mutex_lock(&b->lock);
    bool found = same_id(verified_slot(b, id), id);
    pthread_mutex_unlock(&b->lock);
    return found;
}

void blobs_set_verified(struct blobs *b, const struct blob_id *id, bool verified)
{
    pthread_mutex_lock(&b->lock);
    struct blob_id *slot = verified_slot(b, id);
    if (verified)
        *slot = *id;
    else if (same_id(slot, id))
        slot->hex[0] = '\0';
    pthread_mutex_unlock(&b->lock);
}
