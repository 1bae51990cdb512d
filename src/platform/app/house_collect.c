/* SPDX-License-Identifier: GPL-3.0-or-later */
/* house_collect.c -- collection of blobs, and how young a blob may be that it takes.
 *
 * A blob without a row may be on its way into one. Writers of this process pin theirs. Those of
 * others, which are verbs of this data folder, cannot; they hold verbs.lock for as long as they
 * live. When nobody holds it, no blob of before that moment is anybody's, and however young it is,
 * it may go: so that who deletes something has its room at once. Else an hour must pass, which is
 * far more than any stage needs between a blob and its row.
 */
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "platform/app/house_private.h"
#include "platform/app/server_client.h"

enum { MIN_AGE_MS = 3600 * 1000, LOCK_TRIES = 50, LOCK_TRY_MS = 100 };

/* Best effort: without the lock only old blobs are collected. */
static int lock_verbs(const struct house *h, int how)
{
    char path[FS_PATH_BYTES];
    err e = fs_join(path, h->home, "verbs.lock");
    int fd = e.code ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd >= 0 && flock(fd, how | LOCK_NB) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* A server holds it alone for as long as it looks, and a starting one while it collects. */
int house_lock_verbs(const struct house *h)
{
    int fd = lock_verbs(h, LOCK_SH);
    for (int i = 0; fd < 0 && i < LOCK_TRIES; i++) {
        clock_sleep_ms(LOCK_TRY_MS);
        fd = lock_verbs(h, LOCK_SH);
    }
    return fd;
}

static bool is_alone(struct house *h)
{
    struct server_address server;
    if (store_is_shared(h->store) || h->mode == HOUSE_WORK)
        return false; /* others may be on other machines */
    if (h->mode == HOUSE_SERVE) {
        int fd = lock_verbs(h, LOCK_EX);
        if (fd >= 0)
            close(fd);
        return fd >= 0;
    }
    if (h->lock_fd < 0 || flock(h->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return false;
    bool is_served = server_find(h->home, &server);
    return flock(h->lock_fd, LOCK_SH) == 0 && !is_served;
}

void house_collect_options(struct house *h, struct blob_gc_options *ret_options)
{
    *ret_options = (struct blob_gc_options){ .min_age_ms = is_alone(h) ? 0 : MIN_AGE_MS,
                                             .stale_age_ms = MIN_AGE_MS,
                                             .spares_newcomers = true };
}

static err collect(struct house *h, const struct blob_gc_options *options,
                   struct blob_gc_report *ret_report)
{
    const struct blob_owner owners[] = { { house_roots, h } };
    struct blob_gc_report report;
    TRY(blobs_collect_with(h->blobs, owners, COUNT_OF(owners), options, &report));
    enum log_level level = report.missing_count ? LOG_ERROR : LOG_INFO;
    log_event(h->log, level, NULL, "blobs.collected", NULL, F_INT("kept", report.kept_count),
              F_INT("removed", report.removed_count), F_INT("removed_bytes", report.removed_bytes),
              F_INT("young", report.young_count), F_INT("missing", report.missing_count));
    *ret_report = report;
    return OK;
}

err house_collect(struct house *h, struct blob_gc_report *ret_report)
{
    struct blob_gc_options options;
    house_collect_options(h, &options);
    TRY(collect(h, &options, ret_report));
    err measured = house_room_measure(h, true); /* there is room again, from now on */
    if (measured.code)
        log_error(h->log, NULL, "disk.not_measured", &measured);
    return OK;
}

/* What a killed process left: blobs whose rows were never written, half-written temporary files. */
err house_collect_at_start(struct house *h)
{
    struct blob_gc_report report;
    int alone = lock_verbs(h, LOCK_EX);
    int64_t age_ms = alone >= 0 ? 0 : MIN_AGE_MS;
    err e = collect(h, &(struct blob_gc_options){ .min_age_ms = age_ms, .stale_age_ms = age_ms },
                    &report);
    if (alone >= 0)
        close(alone);
    return e;
}
