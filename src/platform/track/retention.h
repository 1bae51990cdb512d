/* SPDX-License-Identifier: GPL-3.0-or-later */
/* retention.h -- what goes, and when: rules of experiments, and the trash.
 *
 * Two steps. A rule (tags of an experiment, set by whoever may write it) moves runs into the trash,
 * exactly as runs/delete does: they can be read and restored. What has been in the trash for long
 * enough, whoever put it there, goes for good: runs, logged models, experiments. Traces have no
 * trash in MLflow: their rule removes them.
 *
 *   skerry.keep_runs = N         the newest N runs stay
 *   skerry.keep_days = D         runs stay for D days after their end
 *   skerry.keep_traces_days = D  traces stay for D days
 * With both of the first two, what either keeps stays. 0 is no rule; for traces it is one: they
 * stay, whatever the default is.
 *
 * Whatever the rules and the trash say, these stay: runs with the tag "keep" (of any value but
 * "false"), runs at work, runs and logged models that a registered version came from, runs that
 * made what such a run read, and so on to the first; runs that built a dataset of ours that is
 * there; the parents of all these. Each is looked at in the transaction that would take it.
 *
 * A process may die anywhere: a run that is going (runs.purge_ms) is in the trash and cannot be
 * restored, and the next pass begins with it. Blobs are left to collection. Any thread; one pass at
 * a time is enough, two do no harm.
 */
#ifndef SKERRY_TRACK_RETENTION_H
#define SKERRY_TRACK_RETENTION_H

#include "platform/track/track.h"

#define RETENTION_TAG_RUNS "skerry.keep_runs"
#define RETENTION_TAG_DAYS "skerry.keep_days"
#define RETENTION_TAG_TRACES "skerry.keep_traces_days"
#define RETENTION_TAG_KEEP "keep" /* of a run or a trace */

enum retention_act {
    RETENTION_TRASH_RUN,        /* by a rule; can be restored */
    RETENTION_REMOVE_TRACE,     /* by a rule, for good */
    RETENTION_PURGE_RUN,        /* for good, as the rest */
    RETENTION_PURGE_MODEL,      /* a logged model */
    RETENTION_PURGE_EXPERIMENT, /* id: its number */
    RETENTION_KEEP_RUN,         /* a rule or the trash would take it, but it is needed */
    RETENTION_KEEP_MODEL,
    RETENTION_ACT_COUNT
};
const char *retention_act_name(enum retention_act act); /* "purge_run" */

struct retention {
    int64_t now_ms;
    /* What went into the trash before this goes for good; 0: nothing does. */
    int64_t deleted_before_ms;
    int64_t traces_days; /* of experiments without a rule of their own; 0: they stay */
    bool is_rehearsal;   /* says what it would do, and does nothing */
    /* Called for each thing once it is done, outside of transactions. `files` is the path below
     * which its files were, or empty: those of runs go by the run's id. May be NULL. */
    void (*tell)(void *arg, enum retention_act act, str id, str files);
    /* Called between steps: an error ends the pass. May be NULL. */
    err (*check)(void *arg);
    void *arg;
};

struct retention_report {
    int64_t counts[RETENTION_ACT_COUNT];
    int64_t rules;       /* experiments that have one */
    int64_t rules_wrong; /* whose value is no number: they keep everything */
    int64_t datasets;    /* of clients, that no run reads any more: rows without bytes */
};

MUST_USE err retention_apply(struct track *t, const struct retention *pass,
                             struct retention_report *ret_report);

/* ERR_INVALID, with what is possible, when `key` is a rule's and `value` is none. */
MUST_USE err retention_check_tag(str key, str value);

/* track_roots without what is_going says would go: what a rehearsal asks to know the bytes. run_id
 * is empty for files that belong to no run, path for those that do. */
struct retention_roots {
    struct store *store;
    bool (*is_going)(void *arg, str run_id, str path);
    void *arg;
};
err retention_roots(void *retention_roots, blob_mark_fn mark, void *mark_arg);

#endif
