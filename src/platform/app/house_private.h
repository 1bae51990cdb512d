/* SPDX-License-Identifier: GPL-3.0-or-later */
/* house_private.h -- what the files of this room share about the house. */
#ifndef SKERRY_APP_HOUSE_PRIVATE_H
#define SKERRY_APP_HOUSE_PRIVATE_H

#include <stdatomic.h>

#include "platform/app/app.h"
#include "platform/app/settings.h"

enum { HOUSE_APPS_MAX = 32, HOUSE_ROUTES_MAX = 1024, HOUSE_STATUS_COUNT = 20 };

/* How often a route may write its request line to the log; beyond, lines are counted and the next
 * one says how many there were. 20 a second: a person can follow, and 30,000 requests/s cost
 * nothing. */
enum { REQUEST_LINES_PER_S = 20 };

struct route_watch {
    const struct route *route;
    _Atomic int64_t second; /* the second that `lines` counts */
    _Atomic int lines;
    _Atomic int64_t suppressed;  /* since the last line written */
    struct metric_cell *seconds; /* duration histogram */
    bool is_registry;            /* counted as chs_model_registry_requests_total, too */
    /* By status (its place in house_statuses) and user kind, made when first needed. */
    struct metric_cell *_Atomic requests[HOUSE_STATUS_COUNT][2];
};

struct house {
    enum house_mode mode;
    const struct app *const *apps;
    size_t app_count;
    arena keep; /* the server's lifetime */
    char *home;
    int lock_fd; /* serve.lock of a server, verbs.lock of a verb; -1: none */
    int64_t started_ms;
    struct settings settings;

    struct log *log;
    struct metrics *metrics;
    struct store *store;
    struct blobs *blobs;
    struct track *track;
    struct auth *auth;
    struct jobs *jobs;
    struct history *history;
    struct pool *compute;
    struct http_server *http;

    void *states[HOUSE_APPS_MAX];
    bool started[HOUSE_APPS_MAX]; /* start() was called, so stop() must be */

    struct route_watch watches[HOUSE_ROUTES_MAX];
    size_t watch_count;
    struct route_watch unknown; /* requests that match no route: their log lines are limited, too */
};

/* house_hooks.c: what happens around requests and jobs. */
err house_watch_routes(struct house *h);
err house_authorise(void *ctx, struct http_request *rq, enum access needed);
void house_request_finished(void *ctx, const struct http_request *rq, int status,
                            int64_t duration_ns, int64_t bytes_out, const err *e);
err house_execute_job(void *arg, struct job *job, const struct job_kind *kind);
/* Brings the metrics up to date that are read when asked for. The argument is struct house *. */
void house_refresh_metrics(void *house);
extern const struct metric_family house_metrics_table[];

/* house_blobs.c: the store of blobs that SKERRY_BLOBS and SKERRY_S3_* name. */
err house_open_blobs(struct house *h);

/* house_settle.c: what a job leaves open when it ends without its stage. */
void house_job_observed(void *arg, const struct job_info *info, const char *event);
err house_settle_datasets(struct house *h); /* at start */

#endif
