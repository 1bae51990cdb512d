/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Collection by reachability: ask every owner what it refers to, then remove what nobody named.
 *
 * The marks are 63-bit pieces of the digests in one hash set, 16 bytes a live blob; the last bit
 * says that the walk met it. Two digests that share a piece keep each other alive; nothing is ever
 * removed because of it. When an owner fails, or the set outgrows its maximum, nothing is removed
 * at all.
 *
 * Whether a marked blob is missing is known after the walk without asking for each one, which in S3
 * would be a request a blob. Only when marks were not met the owners are asked again, to name them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "platform/blobs/internal.h"

/* 8 million live blobs, 128 MiB while collecting; most servers stay at the first few pages. */
enum { MARK_SLOTS_MIN = 1024, MARK_SLOTS_MAX = 1 << 24 };

/* A file may look older than it is by a tick of the kernel's clock, 10 ms at most. */
enum { TICK_MS = 50 };

struct collection {
    struct blobs *blobs;
    const struct blob_gc_options *options;
    int64_t min_age_ms, began_ns;
    uint64_t *marks; /* 0: free */
    size_t slot_count, mark_count, met_count;
    struct blob_gc_report report;
};

/* ------------------------------------------------------------------ the set of marks */

static const uint64_t MET = 1;

/* The first 16 digits less the bit for MET. Digests are evenly spread, so this is its own hash. */
static uint64_t mark_of(const struct blob_id *id)
{
    uint64_t mark = 0;
    for (int i = 0; i < 16; i++) {
        char c = id->hex[i];
        mark = mark << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    mark &= ~MET;
    return mark ? mark : MET << 1;
}

/* The slot where `mark` is, or the free one where it belongs. */
static uint64_t *mark_slot(uint64_t *marks, size_t slot_count, uint64_t mark)
{
    size_t at = (size_t)(mark >> 1) & (slot_count - 1);
    while (marks[at] && (marks[at] & ~MET) != mark)
        at = (at + 1) & (slot_count - 1);
    return &marks[at];
}

static err marks_grow(struct collection *c)
{
    size_t count = c->slot_count ? c->slot_count * 2 : MARK_SLOTS_MIN;
    if (count > MARK_SLOTS_MAX)
        return ERR(ERR_TOO_BIG, "collecting blobs: more than %d are in use (nothing was removed)",
                   MARK_SLOTS_MAX / 2);
    uint64_t *marks = calloc(count, sizeof *marks);
    if (!marks)
        return ERR(ERR_NO_MEMORY, "collecting blobs: out of memory (nothing was removed)");
    for (size_t i = 0; i < c->slot_count; i++)
        if (c->marks[i])
            *mark_slot(marks, count, c->marks[i] & ~MET) = c->marks[i];
    free(c->marks);
    c->marks = marks;
    c->slot_count = count;
    return OK;
}

static err mark(void *arg, const struct blob_id *id)
{
    struct collection *c = arg;
    struct blob_id checked;
    TRY(blob_id_parse(str_from(id->hex, strnlen(id->hex, sizeof id->hex)), &checked));
    if (c->mark_count * 2 >= c->slot_count)
        TRY(marks_grow(c));
    uint64_t *slot = mark_slot(c->marks, c->slot_count, mark_of(&checked));
    c->mark_count += *slot == 0;
    if (*slot == 0)
        *slot = mark_of(&checked);
    return OK;
}

/* The second time an owner names its blobs: counts those that neither the walk met nor a direct
 * question finds (they may have been put after the walk passed their place). */
static err mark_missing(void *arg, const struct blob_id *id)
{
    struct collection *c = arg;
    struct blob_id checked;
    int64_t bytes;
    TRY(blob_id_parse(str_from(id->hex, strnlen(id->hex, sizeof id->hex)), &checked));
    uint64_t *slot = mark_slot(c->marks, c->slot_count, mark_of(&checked));
    if (*slot == 0 || (*slot & MET))
        return OK;
    *slot |= MET; /* each counts once */
    err e = c->blobs->backend->stat(c->blobs->engine, &checked, &bytes);
    if (e.code != ERR_NOT_FOUND)
        return e;
    if (c->report.missing_count++ == 0)
        c->report.first_missing = checked;
    return OK;
}

/* ------------------------------------------------------------------ the walk */

static err remove_unless_young(struct collection *c, const struct blob_object *object,
                               bool *ret_is_gone)
{
    struct blobs *b = c->blobs;
    int64_t min_age_ms = c->min_age_ms;
    err e = OK;
    if (c->options->spares_newcomers)
        min_age_ms += (clock_mono_ns() - c->began_ns) / 1000000 + TICK_MS;
    if (object->age_ms >= min_age_ms && blobs_removal_begin(b, &object->id)) {
        if (c->options->is_rehearsal)
            *ret_is_gone = true;
        else
            e = b->backend->remove(b->engine, &object->id, min_age_ms, ret_is_gone);
        blobs_removal_end(b);
        if (!c->options->is_rehearsal)
            blobs_set_verified(b, &object->id, false);
    }
    if (!*ret_is_gone) {
        c->report.young_count++;
        c->report.young_bytes += object->bytes;
    }
    return e;
}

static err consider(void *arg, const struct blob_object *object)
{
    struct collection *c = arg;
    uint64_t *slot = c->slot_count ? mark_slot(c->marks, c->slot_count, mark_of(&object->id))
                                   : NULL;
    bool is_gone = false;
    if (slot && *slot) {
        c->met_count += !(*slot & MET);
        *slot |= MET;
    } else {
        TRY(remove_unless_young(c, object, &is_gone));
    }
    if (!is_gone) {
        c->report.kept_count++;
        c->report.kept_bytes += object->bytes;
        return OK;
    }
    c->report.removed_count++;
    c->report.removed_bytes += object->bytes;
    return OK;
}

static err ask(const struct blob_owner *owners, size_t count, blob_mark_fn fn, struct collection *c)
{
    for (size_t i = 0; i < count; i++)
        TRY(err_wrap(owners[i].roots(owners[i].arg, fn, c), "collecting blobs: asking an owner"));
    return OK;
}

err blobs_collect_with(struct blobs *b, const struct blob_owner *owners, size_t owner_count,
                       const struct blob_gc_options *options, struct blob_gc_report *ret_report)
{
    int64_t grace_ms = b->backend->grace_ms ? b->backend->grace_ms(b->engine) : 0;
    struct collection c = { .blobs = b, .options = options, .began_ns = clock_mono_ns() };
    c.min_age_ms = options->min_age_ms > grace_ms ? options->min_age_ms : grace_ms;
    TRY(blobs_collect_begin(b));
    err e = ask(owners, owner_count, mark, &c);
    if (!e.code)
        e = b->backend->each(b->engine, consider, &c);
    if (!e.code && c.met_count < c.mark_count && !options->is_rehearsal)
        e = ask(owners, owner_count, mark_missing, &c);
    if (!e.code && !options->is_rehearsal)
        e = b->backend->sweep(b->engine, options->stale_age_ms, &c.report.stale_count,
                              &c.report.stale_bytes);
    blobs_collect_end(b);
    free(c.marks);
    if (!e.code)
        *ret_report = c.report;
    return e;
}

err blobs_collect(struct blobs *b, const struct blob_owner *owners, size_t owner_count,
                  int64_t min_age_ms, struct blob_gc_report *ret_report)
{
    struct blob_gc_options options = { .min_age_ms = min_age_ms, .stale_age_ms = min_age_ms };
    return blobs_collect_with(b, owners, owner_count, &options, ret_report);
}

static err add_usage(void *arg, const struct blob_object *object)
{
    struct blobs_usage *usage = arg;
    usage->count++;
    usage->bytes += object->bytes;
    return OK;
}

static bool usage_known(struct blobs *b, struct blobs_usage *ret_usage)
{
    pthread_mutex_lock(&b->lock);
    bool known = b->usage_ns && clock_mono_ns() - b->usage_ns < b->usage_kept_ms * 1000000;
    if (known)
        *ret_usage = b->usage;
    pthread_mutex_unlock(&b->lock);
    return known;
}

err blobs_usage(struct blobs *b, struct blobs_usage *ret_usage)
{
    struct blobs_usage usage = { 0 };
    if (usage_known(b, ret_usage))
        return OK;
    TRY(b->backend->each(b->engine, add_usage, &usage));
    pthread_mutex_lock(&b->lock);
    b->usage = usage;
    b->usage_ns = clock_mono_ns();
    pthread_mutex_unlock(&b->lock);
    *ret_usage = usage;
    return OK;
}
