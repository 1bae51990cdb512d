/* SPDX-License-Identifier: GPL-3.0-or-later */
/* internal.c -- what other programs report: promotions, trainings; and the history of promotion.
 * Nothing is counted before all of a report was checked and stored. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "apps/rps/counts.h"
#include "apps/rps/ledger.h"
#include "apps/rps/wire.h"
#include "base/clock.h"
#include "platform/serving/promotion.h"

enum { PAYLOAD_BYTES_MAX = 64 * 1024, SLOTS_MAX = 4, DAY_MS = 24 * 3600 * 1000 };
#define COUNT_MAX 4503599627370496.0 /* 2^52 */

static const char *const decisions[] = { "swap_production_b", "retain_production",
                                         "insufficient_data", "alias_reorder" };

static bool is_decision(str text)
{
    for (size_t i = 0; i < COUNT_OF(decisions); i++)
        if (str_eq(text, str_of(decisions[i])))
            return true;
    return false;
}

/* ------------------------------------------------------------------ a report */

static err check_rankings(const struct json *list)
{
    bool seen_alias[RPS_ALIASES] = { false }, seen_rank[SLOTS_MAX] = { false };
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json *row = json_at(list, i);
        str alias = json_str(json_get(row, "alias"), STR_NONE);
        enum rps_alias slot = rps_alias_find(alias);
        int64_t rank = json_int(json_get(row, "rank"), 0);
        if (slot == RPS_ALIASES || slot == RPS_PRODUCTION || seen_alias[slot])
            return ERR(ERR_INVALID,
                       "Invalid alias in alias_rankings: '%.*s' (B, shadow1 and "
                       "shadow2, each once)",
                       STR_ARG(str_sub(alias, 0, 40)));
        if (rank < 1 || rank > 3 || seen_rank[rank])
            return ERR(ERR_INVALID, "Invalid rank in alias_rankings: 1 to 3, each once");
        seen_alias[slot] = seen_rank[rank] = true;
    }
    return OK;
}

static err check_aliases(const struct json *list, const char *name)
{
    for (size_t i = 0; i < json_count(list); i++) {
        str alias = json_str(json_get(json_at(list, i), "alias"), STR_NONE);
        str source = json_str(json_get(json_at(list, i), "source_alias"), alias);
        if (rps_alias_find(alias) == RPS_ALIASES || rps_alias_find(source) == RPS_ALIASES)
            return ERR(
                ERR_INVALID, "Invalid alias in %s: '%.*s'", name,
                STR_ARG(str_sub(rps_alias_find(alias) == RPS_ALIASES ? alias : source, 0, 40)));
    }
    return OK;
}

/* What is counted or compared in a row of a list has to be a number. */
static void check_numbers(struct rps_input *in, const struct json *list, const char *name)
{
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json *accuracy = json_get(json_at(list, i), "accuracy");
        const struct json *total = json_get(json_at(list, i), "total_predictions");
        double share = json_kind(accuracy) <= JSON_IS_NULL ? 0 : json_num(accuracy, NAN);
        double count = json_kind(total) <= JSON_IS_NULL ? 0 : json_num(total, NAN);
        if (!(share >= 0 && share <= 1))
            rps_issue(in, "body", name, "value_error",
                      "Item %zu: accuracy should be a number from 0 to 1", i);
        if (!(count >= 0 && count <= COUNT_MAX && count == floor(count)))
            rps_issue(in, "body", name, "value_error",
                      "Item %zu: total_predictions should be a whole number", i);
    }
}

/* ISO; without a zone it is UTC, as all times here. */
static err read_time(const char *name, str text, arena *keep, int64_t *ret_ms)
{
    err e = clock_parse(text, ret_ms);
    if (e.code)
        e = clock_parse(arena_fmt(keep, "%.*sZ", STR_ARG(text)), ret_ms);
    return e.code ? ERR(ERR_INVALID, "Invalid %s: %.*s", name, STR_ARG(str_sub(text, 0, 60))) : OK;
}

static str list_text(const struct json *list, arena *keep)
{
    struct buf text;
    if (!list)
        return STR("[]");
    buf_init(&text, PAYLOAD_BYTES_MAX);
    json_dump(list, &text);
    str copy = arena_str(keep, buf_str(&text));
    buf_deinit(&text);
    return copy;
}

struct report {
    struct rps_event event;
    bool computes_since;
    str payload;
    const struct json *rankings;
    str created;
};

static void read_numbers(struct rps_input *in, struct report *r)
{
    struct rps_event *e = &r->event;
    const struct {
        const char *name;
        int64_t *to;
    } counts[] = {
        { "production_wins", &e->production_wins },
        { "production_total_games", &e->production_games },
        { "b_wins", &e->b_wins },
        { "b_total_games", &e->b_games },
        { "production_games_since_swap", &e->production_since },
        { "b_games_since_swap", &e->b_since },
        { "promotion_cycles_since_swap", &e->cycles },
    };
    e->production_since = e->b_since = e->cycles = -1;
    for (size_t i = 0; i < COUNT_OF(counts); i++)
        rps_in_int(in, counts[i].name, RPS_OPTIONAL, 0, INT64_C(1) << 52, counts[i].to);
    r->computes_since = e->production_since < 0 && e->b_since < 0 && e->cycles < 0;
    e->production_since = e->production_since < 0 ? 0 : e->production_since;
    e->b_since = e->b_since < 0 ? 0 : e->b_since;
    e->cycles = e->cycles < 0 ? 0 : e->cycles;
    e->z = e->p = NAN;
    rps_in_real(in, "z_statistic", RPS_OPTIONAL, &e->z);
    rps_in_real(in, "p_value", RPS_OPTIONAL, &e->p);
}

static err read_report(struct rps_input *in, struct report *r)
{
    struct rps_event *e = &r->event;
    arena *keep = http_arena(in->rq);
    *r = (struct report){ .event = { .source = STR("auto_promotion") } };
    rps_in_str(in, "model_type", RPS_REQUIRED, 64, &e->model_type);
    rps_in_str(in, "decision", RPS_REQUIRED, 64, &e->decision);
    rps_in_str(in, "reason", RPS_OPTIONAL, 1000, &e->reason);
    rps_in_str(in, "source", RPS_OPTIONAL, 100, &e->source);
    rps_in_str(in, "created_ts_utc", RPS_OPTIONAL, 64, &r->created);
    rps_in_bool(in, "reorder_applied", &e->is_reordered);
    read_numbers(in, r);
    r->rankings = rps_in_list(in, "alias_rankings", 3);
    const struct json *accuracies = rps_in_list(in, "alias_accuracies", SLOTS_MAX);
    const struct json *assignments = rps_in_list(in, "alias_assignments", SLOTS_MAX);
    check_numbers(in, r->rankings, "alias_rankings");
    check_numbers(in, accuracies, "alias_accuracies");
    if (in->count)
        return OK;
    if (rps_family_find(e->model_type) == RPS_FAMILIES)
        return ERR(ERR_INVALID, "Invalid model_type: %.*s", STR_ARG(e->model_type));
    if (!is_decision(e->decision))
        return ERR(ERR_INVALID, "Invalid decision: %.*s", STR_ARG(e->decision));
    TRY(check_rankings(r->rankings));
    TRY(check_aliases(r->rankings, "alias_rankings"));
    TRY(check_aliases(accuracies, "alias_accuracies"));
    TRY(check_aliases(assignments, "alias_assignments"));
    e->at_ms = clock_wall_ms();
    if (r->created.len)
        TRY(read_time("created_ts_utc", r->created, keep, &e->at_ms));
    e->rankings = list_text(r->rankings, keep);
    e->accuracies = list_text(accuracies, keep);
    e->assignments = list_text(assignments, keep);
    r->payload = http_body(in->rq);
    return arena_check(keep);
}

static err insert(struct store_tx *tx, void *arg)
{
    struct report *r = arg;
    struct rps_event event = r->event;
    TRY(rps_event_insert(tx, &event, r->computes_since, r->payload));
    r->event = event;
    return OK;
}

static void write_since(struct json_out *w, const struct rps_event *e)
{
    json_kv_int(w, "production_games_since_swap", e->production_since);
    json_kv_int(w, "b_games_since_swap", e->b_since);
    json_kv_int(w, "promotion_cycles_since_swap", e->cycles);
}

err rps_promotion_report(struct http_request *rq, struct http_reply *rp)
{
    struct rps_state *s = rps_state(rq_house(rq));
    struct rps_input in;
    struct report r;
    rps_input_open(rq, false, &in);
    TRY(read_report(&in, &r));
    if (in.count)
        return rps_refuse(&in, rp);
    TRY(store_write(house_store(s->house), insert, &r));
    rps_count_promotion(s->counts, &r.event, r.rankings);
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_bool(w, "success", true);
    json_kv_str(w, "model_type", r.event.model_type);
    json_kv_str(w, "decision", r.event.decision);
    json_kv_bool(w, "reorder_applied", r.event.is_reordered);
    json_kv_raw(w, "alias_rankings", r.event.rankings);
    json_kv_raw(w, "alias_accuracies", r.event.accuracies);
    json_kv_raw(w, "alias_assignments", r.event.assignments);
    json_key(w, "reason");
    if (r.event.reason.len)
        json_out_str(w, r.event.reason);
    else
        json_out_null(w);
    write_since(w, &r.event);
    json_kv_int(w, "event_id", r.event.id);
    json_object_end(w);
    return OK;
}

/* ------------------------------------------------------------------ history */

static const struct json *by_rank(const struct json *list, int64_t rank)
{
    for (size_t i = 0; i < json_count(list); i++)
        if (json_int(json_get(json_at(list, i), "rank"), 0) == rank)
            return json_at(list, i);
    return NULL;
}

enum summary { SUMMARY_RANK, SUMMARY_ORDER, SUMMARY_ACCURACY, SUMMARY_SOURCES };

static void add_summary(struct buf *out, const struct json *row, enum summary what)
{
    str alias = json_str(json_get(row, "alias"), STR_NONE);
    str source = json_str(json_get(row, "source_alias"), alias);
    double percent = 100 * json_num(json_get(row, "accuracy"), 0);
    if (what == SUMMARY_ORDER)
        buf_add_fmt(out, "%s%.*s", out->len ? " > " : "", STR_ARG(source));
    else if (what == SUMMARY_ACCURACY)
        buf_add_fmt(out, "%s%.*s: %.1f%%", out->len ? ", " : "", STR_ARG(alias), percent);
    else if (what == SUMMARY_SOURCES)
        buf_add_fmt(out, "%s%.*s src=%.*s", out->len ? ", " : "", STR_ARG(alias), STR_ARG(source));
    else
        buf_add_fmt(out, "%.*s <- %.*s (%lld preds, %.1f%%)", STR_ARG(alias), STR_ARG(source),
                    (long long)json_int(json_get(row, "total_predictions"), 0), percent);
}

/* Of one rank, or of all (0) in their order; "-" without rankings. */
static void write_summary(struct json_out *w, const char *name, const struct json *rankings,
                          int64_t rank, enum summary what)
{
    struct buf text;
    buf_init(&text, 4096);
    for (int64_t i = rank ? rank : 1; i <= (rank ? rank : 3); i++)
        if (by_rank(rankings, i))
            add_summary(&text, by_rank(rankings, i), what);
    json_kv_str(w, name, text.len ? buf_str(&text) : STR("-"));
    buf_deinit(&text);
}

static void write_rate(struct json_out *w, const char *name, int64_t wins, int64_t games)
{
    json_kv_real(w, name, games > 0 ? (double)wins / (double)games : NAN);
}

static err write_event(struct json_out *w, const struct rps_event *e, arena *keep)
{
    const struct json *rankings = NULL;
    TRY(json_parse(keep, e->rankings, &rankings));
    json_object_begin(w);
    json_kv_int(w, "id", e->id);
    json_kv_time_ms(w, "created_ts_utc", e->at_ms);
    json_kv_str(w, "model_type", e->model_type);
    json_kv_str(w, "decision", e->decision);
    json_kv_real(w, "z_statistic", e->z);
    json_kv_real(w, "p_value", e->p);
    json_kv_int(w, "production_wins", e->production_wins);
    json_kv_int(w, "production_total_games", e->production_games);
    json_kv_int(w, "b_wins", e->b_wins);
    json_kv_int(w, "b_total_games", e->b_games);
    write_rate(w, "production_win_rate", e->production_wins, e->production_games);
    write_rate(w, "b_win_rate", e->b_wins, e->b_games);
    json_kv_bool(w, "reorder_applied", e->is_reordered);
    json_kv_raw(w, "alias_rankings", e->rankings);
    json_kv_raw(w, "alias_accuracies", e->accuracies);
    json_kv_raw(w, "alias_assignments", e->assignments);
    write_since(w, e);
    json_kv_str(w, "reason", e->reason);
    json_kv_str(w, "source", e->source);
    write_summary(w, "rank1_summary", rankings, 1, SUMMARY_RANK);
    write_summary(w, "rank2_summary", rankings, 2, SUMMARY_RANK);
    write_summary(w, "rank3_summary", rankings, 3, SUMMARY_RANK);
    write_summary(w, "step2_order", rankings, 0, SUMMARY_ORDER);
    write_summary(w, "step2_accuracy", rankings, 0, SUMMARY_ACCURACY);
    write_summary(w, "step2_sources", rankings, 0, SUMMARY_SOURCES);
    json_object_end(w);
    return OK;
}

err rps_promotion_history(struct http_request *rq, struct http_reply *rp)
{
    struct rps_input in;
    struct rps_event *events;
    size_t count;
    struct rps_event_filter filter = { .limit = 20,
                                       .model_type = http_query(rq, "model_type"),
                                       .decision = http_query(rq, "decision") };
    str since = http_query(rq, "since");
    rps_query_open(rq, &in);
    rps_query_int(&in, "limit", 1, 200, &filter.limit);
    if (in.count)
        return rps_refuse(&in, rp);
    if (since.len)
        TRY(read_time("since", since, http_arena(rq), &filter.since_ms));
    if (filter.model_type.len && rps_family_find(filter.model_type) == RPS_FAMILIES)
        return ERR(ERR_INVALID, "Invalid model_type: %.*s",
                   STR_ARG(str_sub(filter.model_type, 0, 60)));
    enum serving_verdict ours; /* has one that nobody reports: rollback */
    err none = serving_verdict_parse(filter.decision, &ours);
    if (filter.decision.len && !is_decision(filter.decision) && none.code)
        return ERR(ERR_INVALID, "Invalid decision: %.*s", STR_ARG(str_sub(filter.decision, 0, 60)));
    TRY(rps_events_read(rq_house(rq), &filter, http_arena(rq), &events, &count));
    struct json_out *w = http_json(rp);
    json_array_begin(w);
    for (size_t i = 0; i < count; i++)
        TRY(write_event(w, &events[i], http_arena(rq)));
    json_array_end(w);
    return OK;
}

/* ------------------------------------------------------------------ totals */

struct totals {
    int64_t since_ms;
    int64_t counts[RPS_FAMILIES][COUNT_OF(decisions)];
};

static err read_totals(struct store_read *rd, void *arg)
{
    struct totals *t = arg;
    struct store_rows *rows;
    memset(t->counts, 0, sizeof t->counts);
    TRY(store_query(rd,
                    "SELECT model_type, decision, COUNT(*) FROM rps_promotion_events WHERE "
                    "created_ms >= ?1 GROUP BY model_type, decision",
                    ARGS(sql_int(t->since_ms)), &rows));
    while (store_next(rows)) {
        enum rps_family family = rps_family_find(store_col_text(rows, 0));
        for (size_t i = 0; family != RPS_FAMILIES && i < COUNT_OF(decisions); i++)
            if (str_eq(store_col_text(rows, 1), str_of(decisions[i])))
                t->counts[family][i] = store_col_int(rows, 2);
    }
    return store_rows_close(rows);
}

/* What our own promotion decided, under the names of the contract: a rollback swaps, too. */
static err add_own(struct rps_state *s, int days, struct totals *t)
{
    static const size_t as[SERVING_VERDICTS] = { [SERVING_SWAP] = 0,
                                                 [SERVING_RETAIN] = 1,
                                                 [SERVING_INSUFFICIENT] = 2,
                                                 [SERVING_REORDER] = 3,
                                                 [SERVING_ROLLBACK] = 0 };
    int64_t own[SERVING_VERDICTS];
    for (enum rps_family family = 0; family < RPS_FAMILIES; family++) {
        TRY(serving_decision_totals(s->served[family], days, own));
        for (size_t v = 0; v < SERVING_VERDICTS; v++)
            t->counts[family][as[v]] += own[v];
    }
    return OK;
}

static void write_totals(struct json_out *w, const char *model, int64_t from_ms, int64_t to_ms,
                         const int64_t counts[COUNT_OF(decisions)])
{
    int64_t total = 0;
    json_object_begin(w);
    json_kv_cstr(w, "model", model);
    json_kv_time_ms(w, "period_start", from_ms);
    json_kv_time_ms(w, "period_end", to_ms);
    for (size_t i = 0; i < COUNT_OF(decisions); i++) {
        json_kv_int(w, decisions[i], counts[i]);
        total += counts[i];
    }
    json_kv_int(w, "total_events", total);
    json_object_end(w);
}

err rps_promotion_totals(struct http_request *rq, struct http_reply *rp)
{
    static const enum rps_family order[] = { RPS_XGBOOST, RPS_FEEDFORWARD, RPS_LOGISTIC };
    struct rps_state *s = rps_state(rq_house(rq));
    struct rps_input in;
    int64_t days = 7, now_ms = clock_wall_ms(), all[COUNT_OF(decisions)] = { 0 };
    rps_query_open(rq, &in);
    rps_query_int(&in, "days", 1, 90, &days);
    if (in.count)
        return rps_refuse(&in, rp);
    struct totals t = { .since_ms = now_ms - days * DAY_MS };
    TRY(store_read(house_store(s->house), read_totals, &t));
    TRY(add_own(s, (int)days, &t));
    struct json_out *w = http_json(rp);
    json_array_begin(w);
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        write_totals(w, rps_family_name(order[i]), t.since_ms, now_ms, t.counts[order[i]]);
        for (size_t d = 0; d < COUNT_OF(decisions); d++)
            all[d] += t.counts[order[i]][d];
    }
    write_totals(w, "ALL", t.since_ms, now_ms, all);
    json_array_end(w);
    return OK;
}

/* ------------------------------------------------------------------ trainings */

err rps_training_complete(struct http_request *rq, struct http_reply *rp)
{
    struct rps_state *s = rps_state(rq_house(rq));
    struct rps_input in;
    str type = STR_NONE, status = STR_NONE, alias = STR_NONE, source = STR_NONE;
    double seconds = NAN;
    rps_input_open(rq, false, &in);
    rps_in_str(&in, "model_type", RPS_REQUIRED, 64, &type);
    rps_in_str(&in, "status", RPS_REQUIRED, 64, &status);
    rps_in_str(&in, "alias", RPS_OPTIONAL, 64, &alias);
    rps_in_str(&in, "source", RPS_OPTIONAL, 100, &source);
    rps_in_real(&in, "duration_seconds", RPS_OPTIONAL, &seconds);
    if (seconds < 0)
        rps_issue(&in, "body", "duration_seconds", "greater_than_equal",
                  "Input should be greater than or equal to 0");
    if (in.count)
        return rps_refuse(&in, rp);
    bool is_success = str_eq(status, STR("success"));
    if (rps_family_find(type) == RPS_FAMILIES)
        return ERR(ERR_INVALID, "Invalid model_type: %.*s", STR_ARG(type));
    if (!is_success && !str_eq(status, STR("failure")))
        return ERR(ERR_INVALID, "Invalid status: %.*s", STR_ARG(status));
    if (alias.len && rps_alias_find(alias) == RPS_ALIASES)
        return ERR(ERR_INVALID, "Invalid alias: %.*s", STR_ARG(alias));
    rps_count_training(s->counts, rps_family_find(type), is_success, seconds);
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_bool(w, "success", true);
    json_kv_str(w, "model_type", type);
    json_kv_str(w, "status", status);
    json_kv_real(w, "duration_seconds", seconds);
    json_kv_cstr(w, "alias", alias.len ? rps_alias_name(rps_alias_find(alias)) : NULL);
    json_key(w, "source");
    if (source.len)
        json_out_str(w, source);
    else
        json_out_null(w);
    json_object_end(w);
    return OK;
}
