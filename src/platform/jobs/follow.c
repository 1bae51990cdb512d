/* SPDX-License-Identifier: GPL-3.0-or-later */
/* follow.c -- what is new about jobs, for who follows all of them. */
#include "platform/jobs/jobs_internal.h"

enum { ALL_MAX = JOB_NEWS_CHANGED_MAX + JOB_NEWS_RUNNING_MAX };

struct news_read {
    int64_t after;
    arena *keep;
    struct job_news *news;
    size_t count;
};

static err read_rows(struct news_read *n, struct store_rows *rows)
{
    err e = OK;
    while (!e.code && n->count < ALL_MAX && store_next(rows)) {
        struct job_news *one = &n->news[n->count];
        e = job_row_read(rows, n->keep, &one->info);
        one->event_no = store_col_int(rows, JOB_COLUMN_COUNT);
        if (!e.code)
            n->count++;
    }
    return err_first(e, store_rows_close(rows));
}

static err news_query(struct store_read *rd, void *arg)
{
    struct news_read *n = arg;
    struct store_rows *rows;
    n->count = 0;
    n->news = NEW_ARRAY(n->keep, struct job_news, ALL_MAX);
    ARENA_TRY(n->news);
    TRY(store_query(rd,
                    "SELECT " JOB_COLUMNS_LIGHT ", last_no FROM (SELECT job_id, max(event_no) AS "
                    "last_no FROM job_events WHERE event_no > ?1 GROUP BY job_id) AS news "
                    "JOIN jobs ON id = job_id ORDER BY last_no LIMIT ?2",
                    ARGS(sql_int(n->after), sql_int(JOB_NEWS_CHANGED_MAX)), &rows));
    TRY(read_rows(n, rows));
    TRY(store_query(rd,
                    "SELECT " JOB_COLUMNS_LIGHT ", 0 FROM jobs "
                    "WHERE job_no IN (SELECT job_no FROM jobs_held) ORDER BY job_no LIMIT ?1",
                    ARGS(sql_int(JOB_NEWS_RUNNING_MAX)), &rows));
    return read_rows(n, rows);
}

err job_news_since(struct jobs *j, int64_t event_no, arena *keep, struct job_news **ret,
                   size_t *ret_count)
{
    struct news_read n = { .after = event_no, .keep = keep };
    TRY(store_read(j->options.store, news_query, &n));
    for (size_t i = 0; i < n.count; i++)
        job_progress_freshen(j, &n.news[i].info);
    *ret = n.news;
    *ret_count = n.count;
    return OK;
}

static err newest_query(struct store_read *rd, void *arg)
{
    return store_get_int(rd, "SELECT COALESCE(max(event_no), 0) FROM job_events", NO_ARGS, arg);
}

err job_news_newest(struct jobs *j, int64_t *ret_event_no)
{
    return store_read(j->options.store, newest_query, ret_event_no);
}
