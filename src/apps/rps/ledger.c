/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "apps/rps/ledger.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "platform/serving/promotion.h"

enum { EVENTS_MAX = 200, JSON_BYTES_MAX = 16 * 1024 };

const char rps_schema_events[] =
    "CREATE TABLE rps_promotion_events ("
    "  id @id,"
    "  created_ms @int NOT NULL,"
    "  model_type @text NOT NULL,"
    "  decision @text NOT NULL,"
    "  z_statistic @real," /* NULL: not known */
    "  p_value @real,"
    "  production_wins @int NOT NULL,"
    "  production_total_games @int NOT NULL,"
    "  b_wins @int NOT NULL,"
    "  b_total_games @int NOT NULL,"
    "  reorder_applied @int NOT NULL,"
    "  alias_rankings @text NOT NULL," /* JSON arrays */
    "  alias_accuracies @text NOT NULL,"
    "  alias_assignments @text NOT NULL,"
    "  production_games_since_swap @int NOT NULL,"
    "  b_games_since_swap @int NOT NULL,"
    "  promotion_cycles_since_swap @int NOT NULL,"
    "  reason @text NOT NULL,"
    "  source @text NOT NULL,"
    "  payload @text NOT NULL" /* as it came */
    ")@strict;"
    "CREATE INDEX rps_promotion_events_created ON rps_promotion_events (created_ms);"
    "CREATE INDEX rps_promotion_events_model ON rps_promotion_events (model_type, created_ms);";

void rps_two_shares(int64_t wins_b, int64_t games_b, int64_t wins_p, int64_t games_p, double *ret_z,
                    double *ret_p)
{
    *ret_z = *ret_p = NAN;
    if (games_b <= 0 || games_p <= 0)
        return;
    double nb = (double)games_b, np = (double)games_p;
    double pooled = (double)(wins_b + wins_p) / (nb + np);
    if (pooled <= 0 || pooled >= 1)
        return;
    *ret_z = ((double)wins_b / nb - (double)wins_p / np) /
             sqrt(pooled * (1 - pooled) * (1 / nb + 1 / np));
    *ret_p = erfc(*ret_z / sqrt(2)) / 2;
}

/* ------------------------------------------------------------------ reports of others */

struct events {
    const struct rps_event_filter *filter;
    arena *keep;
    struct rps_event *rows;
    size_t count;
};

static double real_or_nan(struct store_rows *rows, int column)
{
    return store_col_is_null(rows, column) ? NAN : store_col_real(rows, column);
}

static err read_reports(struct store_read *rd, void *arg)
{
    struct events *e = arg;
    struct store_rows *rows;
    e->count = 0;
    TRY(store_query(
        rd,
        "SELECT id, created_ms, model_type, decision, z_statistic, p_value, production_wins, "
        "production_total_games, b_wins, b_total_games, reorder_applied, alias_rankings, "
        "alias_accuracies, alias_assignments, production_games_since_swap, b_games_since_swap, "
        "promotion_cycles_since_swap, reason, source FROM rps_promotion_events WHERE (?1 = '' OR "
        "model_type = ?1) AND (?2 = '' OR decision = ?2) AND created_ms >= ?3 ORDER BY created_ms "
        "DESC, id DESC LIMIT ?4",
        ARGS(sql_text(e->filter->model_type), sql_text(e->filter->decision),
             sql_int(e->filter->since_ms), sql_int(e->filter->limit)),
        &rows));
    while (e->count < EVENTS_MAX && store_next(rows))
        e->rows[e->count++] = (struct rps_event){
            .id = store_col_int(rows, 0),
            .at_ms = store_col_int(rows, 1),
            .model_type = store_col_text_keep(rows, 2, e->keep),
            .decision = store_col_text_keep(rows, 3, e->keep),
            .z = real_or_nan(rows, 4),
            .p = real_or_nan(rows, 5),
            .production_wins = store_col_int(rows, 6),
            .production_games = store_col_int(rows, 7),
            .b_wins = store_col_int(rows, 8),
            .b_games = store_col_int(rows, 9),
            .is_reordered = store_col_int(rows, 10) != 0,
            .rankings = store_col_text_keep(rows, 11, e->keep),
            .accuracies = store_col_text_keep(rows, 12, e->keep),
            .assignments = store_col_text_keep(rows, 13, e->keep),
            .production_since = store_col_int(rows, 14),
            .b_since = store_col_int(rows, 15),
            .cycles = store_col_int(rows, 16),
            .reason = store_col_text_keep(rows, 17, e->keep),
            .source = store_col_text_keep(rows, 18, e->keep),
        };
    return store_rows_close(rows);
}

/* Games since the last swap are what there are now less what there were then. */
static err compute_since(struct store_tx *tx, struct rps_event *event)
{
    struct store_rows *rows;
    int64_t production = 0, b = 0;
    TRY(store_query(store_tx_read(tx),
                    "SELECT production_total_games, b_total_games FROM rps_promotion_events WHERE "
                    "model_type = ?1 AND decision = 'swap_production_b' ORDER BY created_ms DESC, "
                    "id DESC LIMIT 1",
                    ARGS(sql_text(event->model_type)), &rows));
    if (store_next(rows)) {
        production = store_col_int(rows, 0);
        b = store_col_int(rows, 1);
    }
    TRY(store_rows_close(rows));
    /* Less than then: the counters began anew. */
    event->production_since = event->production_games >= production
                                  ? event->production_games - production
                                  : event->production_games;
    event->b_since = event->b_games >= b ? event->b_games - b : event->b_games;
    event->cycles = 1;
    TRY(store_query(store_tx_read(tx),
                    "SELECT promotion_cycles_since_swap FROM rps_promotion_events WHERE model_type "
                    "= ?1 ORDER BY created_ms DESC, id DESC LIMIT 1",
                    ARGS(sql_text(event->model_type)), &rows));
    if (store_next(rows))
        event->cycles = store_col_int(rows, 0) + 1;
    return store_rows_close(rows);
}

static struct store_value real_or_null(double value)
{
    return isfinite(value) ? sql_real(value) : sql_null();
}

err rps_event_insert(struct store_tx *tx, struct rps_event *event, bool computes_since, str payload)
{
    struct store_rows *rows;
    if (computes_since)
        TRY(compute_since(tx, event));
    if (str_eq(event->decision, STR("swap_production_b")))
        event->production_since = event->b_since = event->cycles = 0;
    TRY(store_query(
        store_tx_read(tx),
        "INSERT INTO rps_promotion_events (created_ms, model_type, decision, z_statistic, p_value, "
        "production_wins, production_total_games, b_wins, b_total_games, reorder_applied, "
        "alias_rankings, alias_accuracies, alias_assignments, production_games_since_swap, "
        "b_games_since_swap, promotion_cycles_since_swap, reason, source, payload) VALUES (?1, ?2, "
        "?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19) RETURNING "
        "id",
        ARGS(sql_int(event->at_ms), sql_text(event->model_type), sql_text(event->decision),
             real_or_null(event->z), real_or_null(event->p), sql_int(event->production_wins),
             sql_int(event->production_games), sql_int(event->b_wins), sql_int(event->b_games),
             sql_int(event->is_reordered), sql_text(event->rankings), sql_text(event->accuracies),
             sql_text(event->assignments), sql_int(event->production_since),
             sql_int(event->b_since), sql_int(event->cycles), sql_text(event->reason),
             sql_text(event->source), sql_text(payload)),
        &rows));
    if (store_next(rows))
        event->id = store_col_int(rows, 0);
    return store_rows_close(rows);
}

/* ------------------------------------------------------------------ decisions of our own */

static double accuracy_of(const struct serving_standing *s)
{
    return s->judged ? (double)s->correct / (double)s->judged : 0;
}

enum part { PART_RANKINGS, PART_ACCURACIES, PART_ASSIGNMENTS };

static void write_slot(struct json_out *w, const struct serving_decision *d, enum part part,
                       size_t at)
{
    const struct serving_standing *slot = &d->slots[at], *source = &d->slots[slot->source];
    json_object_begin(w);
    json_kv_cstr(w, "alias", serving_aliases[at]);
    json_kv_cstr(w, "source_alias", serving_aliases[slot->source]);
    if (part == PART_ASSIGNMENTS) {
        json_key(w, "version");
        json_out_fmt(w, "%lld", (long long)slot->version_after);
        json_key(w, "previous_version");
        json_out_fmt(w, "%lld", (long long)slot->version_before);
        json_kv_bool(w, "changed", slot->version_after != slot->version_before);
    } else {
        if (part == PART_RANKINGS)
            json_kv_int(w, "rank", (int64_t)at);
        json_kv_real(w, "accuracy", accuracy_of(source));
        json_kv_int(w, "total_predictions", source->judged);
    }
    json_object_end(w);
}

static str part_json(const struct serving_decision *d, enum part part, arena *keep)
{
    struct buf text;
    struct json_out w;
    buf_init(&text, JSON_BYTES_MAX);
    json_out_init(&w, &text);
    json_array_begin(&w);
    for (size_t i = part == PART_RANKINGS ? SERVING_B : SERVING_PRODUCTION; i < SERVING_SLOTS; i++)
        if (d->slots[i].version_after || part == PART_ASSIGNMENTS)
            write_slot(&w, d, part, i);
    json_array_end(&w);
    str copy = arena_str(keep, buf_str(&text));
    buf_deinit(&text);
    return copy;
}

static struct rps_event event_of(const struct serving_decision *d, arena *keep)
{
    const struct serving_standing *p = &d->slots[SERVING_PRODUCTION], *b = &d->slots[SERVING_B];
    struct rps_event event = { .id = d->id,
                               .at_ms = d->at_ms,
                               .model_type = d->family,
                               .decision = str_of(serving_verdicts[d->verdict]),
                               .production_wins = p->wins,
                               .production_games = p->trials,
                               .b_wins = b->wins,
                               .b_games = b->trials,
                               .is_reordered = d->is_reordered,
                               .production_since = p->trials,
                               .b_since = b->trials,
                               .cycles = d->cycles_since_swap,
                               .reason = d->reason,
                               .source = d->source };
    /* The number that the contract knows; what decided is in `reason`. */
    rps_two_shares(b->wins, b->trials, p->wins, p->trials, &event.z, &event.p);
    event.rankings = part_json(d, PART_RANKINGS, keep);
    event.accuracies = part_json(d, PART_ACCURACIES, keep);
    event.assignments = part_json(d, PART_ASSIGNMENTS, keep);
    if (d->verdict == SERVING_SWAP || d->verdict == SERVING_ROLLBACK)
        event.production_since = event.b_since = 0; /* they begin anew */
    return event;
}

err rps_events_own(struct rps_state *s, enum rps_family family, int64_t limit, arena *keep,
                   struct rps_event **ret_events, size_t *ret_count)
{
    struct serving_decision *decisions;
    struct serving_decision_filter filter = { .family = s->served[family], .limit = limit };
    *ret_count = 0;
    TRY(serving_decisions(house_serving(s->house), &filter, keep, &decisions, ret_count));
    *ret_events = NEW_ARRAY(keep, struct rps_event, *ret_count + 1);
    ARENA_TRY(*ret_events);
    for (size_t i = 0; i < *ret_count; i++)
        (*ret_events)[i] = event_of(&decisions[i], keep);
    return arena_check(keep);
}

static err read_decisions(struct house *h, struct events *e)
{
    struct serving_decision *decisions;
    size_t count;
    struct serving_decision_filter filter = { .since_ms = e->filter->since_ms,
                                              .limit = e->filter->limit };
    if (e->filter->model_type.len) {
        filter.family = serving_find(house_serving(h), e->filter->model_type);
        if (!filter.family)
            return OK;
    }
    if (e->filter->decision.len) {
        filter.has_verdict = true;
        err none = serving_verdict_parse(e->filter->decision, &filter.verdict);
        if (none.code)
            return OK;
    }
    TRY(serving_decisions(house_serving(h), &filter, e->keep, &decisions, &count));
    for (size_t i = 0; i < count && e->count < 2 * EVENTS_MAX; i++)
        if (rps_family_find(decisions[i].family) != RPS_FAMILIES) /* of other apps */
            e->rows[e->count++] = event_of(&decisions[i], e->keep);
    return OK;
}

static int newest_first(const void *a, const void *b)
{
    const struct rps_event *x = a, *y = b;
    return x->at_ms != y->at_ms ? (x->at_ms > y->at_ms ? -1 : 1)
                                : (x->id > y->id ? -1 : x->id < y->id);
}

err rps_events_read(struct house *h, const struct rps_event_filter *filter, arena *keep,
                    struct rps_event **ret_events, size_t *ret_count)
{
    struct events e = { .filter = filter, .keep = keep };
    e.rows = NEW_ARRAY(keep, struct rps_event, 2 * EVENTS_MAX);
    ARENA_TRY(e.rows);
    TRY(store_read(house_store(h), read_reports, &e));
    TRY(read_decisions(h, &e));
    TRY(arena_check(keep));
    qsort(e.rows, e.count, sizeof *e.rows, newest_first);
    *ret_events = e.rows;
    *ret_count = e.count < (size_t)filter->limit ? e.count : (size_t)filter->limit;
    return OK;
}
