/* SPDX-License-Identifier: GPL-3.0-or-later */
/* house_settle.c -- what a job leaves open when it ends without its stage.
 *
 * A stage that fails ends its run and fails its dataset itself. But a job may be stopped before its
 * turn or while it is paused, or be given up because its process died again and again: then no
 * stage is there to do it, and a run would be SCHEDULED and a dataset "building" for ever. Here
 * every job that ends badly is looked at once more. A process that dies between the two is made up
 * for at the next start.
 */
#include <string.h>

#include "platform/app/house_private.h"

enum { SCRATCH_BYTES = 64 * 1024 * 1024, DATASETS_MAX = 1000, ACTIVE_MAX = 10000 };

static bool builds_datasets(const struct house *h, const char *job_kind)
{
    for (size_t i = 0; i < h->app_count; i++)
        for (const struct dataset_kind *k = h->apps[i]->dataset_kinds; k && k->name; k++)
            if (strcmp(k->build_job, job_kind) == 0)
                return true;
    return false;
}

static err fail_if_building(struct house *h, str id, str reason, arena *keep)
{
    struct dataset_info dataset;
    err e = dataset_get(h->track, id, STR_NONE, keep, &dataset);
    if (e.code == ERR_NOT_FOUND)
        return OK;
    TRY(e);
    return str_eq(dataset.state, STR("building"))
               ? dataset_fail(h->track, NULL, str_of(dataset.id), reason)
               : OK;
}

static err settle_dataset(struct house *h, const struct job_info *info, str reason)
{
    arena keep;
    const struct json *payload = NULL;
    arena_init(&keep, SCRATCH_BYTES);
    err e = json_parse(&keep, info->payload, &payload);
    str id = e.code ? STR_NONE : json_str(json_get(payload, "datasetId"), STR_NONE);
    if (id.len)
        e = fail_if_building(h, id, reason, &keep);
    arena_deinit(&keep);
    return e;
}

void house_job_observed(void *arg, const struct job_info *info, const char *event)
{
    struct house *h = arg;
    bool is_stopped = info->state == JOB_STOPPED;
    if ((!is_stopped && info->state != JOB_FAILED) || !h->track)
        return;
    str reason = info->error.len ? info->error : STR("somebody stopped it");
    err e = track_run_abandon(h->track, info->run_id, is_stopped ? "KILLED" : "FAILED", reason);
    if (!e.code && builds_datasets(h, info->kind))
        e = settle_dataset(h, info, reason);
    if (e.code)
        log_error(h->log, NULL, "job.not_settled", &e);
}

/* ------------------------------------------------------------------ at start */

static bool is_being_built(const struct job_info *active, size_t count, const char *dataset_id)
{
    for (size_t i = 0; i < count; i++)
        if (str_contains(active[i].payload, str_of(dataset_id)))
            return true;
    return false;
}

static err settle_kind(struct house *h, const struct dataset_kind *kind, arena *keep)
{
    struct dataset_info *datasets;
    struct job_info *active;
    size_t dataset_count, active_count;
    struct dataset_filter building = { .kind = str_of(kind->name),
                                       .state = STR("building"),
                                       .limit = DATASETS_MAX };
    struct job_filter unfinished = { .kind = str_of(kind->build_job),
                                     .state = STR("active"),
                                     .limit = ACTIVE_MAX };
    TRY(dataset_list(h->track, &building, keep, &datasets, &dataset_count));
    if (dataset_count == 0)
        return OK;
    TRY(job_list(h->jobs, &unfinished, keep, &active, &active_count));
    for (size_t i = 0; i < dataset_count; i++)
        if (!is_being_built(active, active_count, datasets[i].id))
            TRY(dataset_fail(h->track, NULL, str_of(datasets[i].id),
                             STR("the server died while it was built, and it was given up: "
                                 "look at its job, then build another version")));
    return OK;
}

err house_settle_datasets(struct house *h)
{
    err e = OK;
    for (size_t i = 0; i < h->app_count; i++) {
        for (const struct dataset_kind *k = h->apps[i]->dataset_kinds; k && k->name; k++) {
            arena keep;
            arena_init(&keep, SCRATCH_BYTES);
            e = err_first(e, settle_kind(h, k, &keep));
            arena_deinit(&keep);
        }
    }
    return e;
}
