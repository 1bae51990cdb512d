/* SPDX-License-Identifier: GPL-3.0-or-later */
/* analytics.h -- what plugins say about games: which games are pending, and the answers, versioned.
 *
 * An analytic is a plugin's name and version. The games it has not seen are those without a result
 * row (an anti-join), so a new game, a new plugin and a new version are all the same case. A failed
 * row is tried again after a while, a few times.
 */
#ifndef SKERRY_APPS_CHESS_ANALYTICS_H
#define SKERRY_APPS_CHESS_ANALYTICS_H

#include "apps/chess/plugin_child.h"
#include "platform/app/app.h"

enum { ANALYTIC_TRIES_MAX = 4, ANALYTIC_BATCH = 256 };

struct analytic {
    int64_t id;
    str name, version, summary, origin; /* origin: "builtin:castling" or the file's name */
    uint32_t needs;
    bool active; /* its plugin is there now */
    int64_t first_seen_ms;
    int64_t done, skipped, failed, pending;
};

struct pending_game {
    int64_t game_id;
    int64_t attempts;
    uint8_t key[16];
    struct blob_id pack;
    uint32_t index;
};

struct analytic_answer {
    int64_t game_id;
    enum plugin_status status;
    int64_t attempts; /* with this one */
    str text;         /* JSON, or the reason */
};

/* Finds or adds the row of a plugin and marks it active. */
MUST_USE err analytic_register(struct store *s, struct job *job, const struct plugin_info *info,
                               str origin, int64_t *ret_id);
/* Marks all inactive: before the plugins that are there are registered again. */
MUST_USE err analytic_retire_all(struct store *s, struct job *job);
MUST_USE err analytic_pending(struct store *s, int64_t analytic_id, uint32_t needs,
                              int64_t after_game, arena *keep, struct pending_game **ret_games,
                              size_t *ret_count);
MUST_USE err analytic_retries(struct store *s, int64_t analytic_id, arena *keep,
                              struct pending_game **ret_games, size_t *ret_count);
MUST_USE err analytic_list(struct store *s, arena *keep, struct analytic **ret_rows,
                           size_t *ret_count);

/* One batch of answers and the job's cursor, in one transaction. */
struct analytic_batch {
    int64_t analytic_id;
    const struct analytic_answer *answers;
    size_t count;
    struct job *job;
    str cursor;
};
MUST_USE err analytic_store(struct store *s, const struct analytic_batch *batch);

/* The folder of plugins that people drop in. */
MUST_USE err analytics_folder(const struct house *h, char out[4096]);
#define ANALYTICS_KIND "chess.analyse"
/* The job that is a pass over all that is there now. One that has begun may have passed by a plugin
 * that was just built, or a game that was just stored: then it is the next one, which all share who
 * ask before it begins. */
MUST_USE err analytics_spec(struct house *h, struct job_spec *ret_spec);
/* Asks for a pass over all plugins soon: after an import, a new plugin. */
MUST_USE err analytics_wake(struct house *h);

#endif
