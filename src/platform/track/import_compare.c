/* SPDX-License-Identifier: GPL-3.0-or-later */
/* import_compare.c -- what is here of a source, counted and summed up, to be held against what the
 * source said. Run by run, so that no read of the store is long. */
#include <stdio.h>
#include <string.h>

#include "platform/track/import_internal.h"

enum { PAGE_RUNS = 200, COLUMNS_MAX = 8 };

/* Rows of the runs of a page, with the columns that the source's digest covers, in its order.
 * types: t text, i number, r real; '!' numbers where NULL stays NULL. */
struct side {
    enum import_kind kind;
    const char *types, *places;
    const char *sql;
};

/* ?1 the source, ?2 after this run, ?3 up to it */
#define OF_PAGE                                                               \
    " JOIN tags i ON i.run_id = x.run_id AND i.key = '" IMPORT_TAG_SOURCE "'" \
    " AND i.value = ?1 WHERE x.run_id > ?2 AND x.run_id <= ?3"

static const struct side sides[] = {
    { IMPORT_RUN, "tttinn", "012345",
      "SELECT x.run_id, x.run_name, x.status, CASE WHEN x.lifecycle_stage = 'deleted' THEN 1 ELSE 0"
      " END, x.start_ms, x.end_ms FROM runs x" OF_PAGE },
    { IMPORT_PARAM, "ttt", "012", "SELECT x.run_id, x.key, x.value FROM params x" OF_PAGE },
    { IMPORT_TAG, "ttt", "012",
      "SELECT x.run_id, x.key, x.value FROM tags x" OF_PAGE " AND x.key <> '" IMPORT_TAG_SOURCE
      "'" },
    { IMPORT_METRIC, "ttiiri", "012345",
      "SELECT x.run_id, x.key, m.ts_ms, m.step, m.value, m.is_nan FROM latest_metrics x"
      " JOIN metrics m ON m.metric_id = x.metric_id" OF_PAGE },
    { IMPORT_ARTIFACT, "ttti", "0123",
      "SELECT x.run_id, x.path, x.blob, x.bytes FROM artifacts x" OF_PAGE },
};

struct page {
    struct import *im;
    str after; /* the last run of the page before */
    char last[HEX_ID_BYTES + 40];
    int64_t counts[COUNT_OF(sides)];
    struct import_sum sums[COUNT_OF(sides)];
    bool is_end;
};

static err sum_side(struct store_read *rd, struct page *p, size_t which)
{
    const struct side *s = &sides[which];
    struct store_value values[COLUMNS_MAX];
    struct store_rows *rows;
    TRY(store_query(rd, s->sql,
                    ARGS(sql_text(p->im->source), sql_text(p->after), sql_cstr(p->last)), &rows));
    while (store_next(rows)) {
        for (int c = 0; s->types[c]; c++) {
            if (s->types[c] == 't')
                values[c] = sql_text(store_col_text(rows, c));
            else if (s->types[c] == 'r')
                values[c] = sql_real(store_col_real(rows, c));
            else if (s->types[c] == 'n' && store_col_is_null(rows, c))
                values[c] = sql_null();
            else
                values[c] = sql_int(store_col_int(rows, c));
        }
        import_sum_add(&p->sums[which], s->places, values);
        p->counts[which]++;
    }
    return store_rows_close(rows);
}

static err page_fn(struct store_read *rd, void *arg)
{
    struct page *p = arg;
    struct store_rows *rows;
    int64_t runs = 0;
    memset(p->counts, 0, sizeof p->counts);
    memset(p->sums, 0, sizeof p->sums);
    TRY(store_query(rd,
                    "SELECT run_id FROM tags WHERE key = '" IMPORT_TAG_SOURCE "' AND value = ?1"
                    " AND run_id > ?2 ORDER BY run_id LIMIT ?3",
                    ARGS(sql_text(p->im->source), sql_text(p->after), sql_int(PAGE_RUNS)), &rows));
    while (store_next(rows)) {
        snprintf(p->last, sizeof p->last, "%.*s", STR_ARG(store_col_text(rows, 0)));
        runs++;
    }
    TRY(store_rows_close(rows));
    p->is_end = runs < PAGE_RUNS;
    for (size_t i = 0; runs && i < COUNT_OF(sides); i++)
        TRY(sum_side(rd, p, i));
    return OK;
}

err import_compare(struct import *im)
{
    struct page p = { .im = im, .after = STR("") };
    char after[sizeof p.last];
    TRY(import_flush(im));
    memset(im->here, 0, sizeof im->here);
    for (size_t i = 0; i < COUNT_OF(sides); i++)
        im->tally.counts[sides[i].kind].here = 0;
    while (!p.is_end) {
        TRY(run_check(im->run));
        TRY(store_read(im->track->store, page_fn, &p));
        for (size_t i = 0; i < COUNT_OF(sides); i++) {
            im->tally.counts[sides[i].kind].here += p.counts[i];
            for (int k = 0; k < IMPORT_SUM_WORDS; k++)
                im->here[sides[i].kind].words[k] += p.sums[i].words[k];
        }
        memcpy(after, p.last, sizeof after);
        p.after = str_of(after);
    }
    return OK;
}
