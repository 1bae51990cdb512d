/* SPDX-License-Identifier: GPL-3.0-or-later */
/* predict.c -- what is known of policies, and predictions without a game: the caller tells the
 * history. They see what a game would see when the caller also tells points and scores of the past
 * rounds, which are optional. */
#include <math.h>
#include <string.h>

#include "apps/rps/choose.h"
#include "apps/rps/past.h"
#include "apps/rps/round_reply.h"
#include "apps/rps/wire.h"

enum { HISTORY_MAX = 1000, BATCH_MAX = 256, NUMBER_MAX = 1000000 };

err rps_policies(struct http_request *rq, struct http_reply *rp)
{
    (void)rq;
    struct json_out *w = http_json(rp);
    json_array_begin(w);
    for (enum rps_family f = 0; f < RPS_FAMILIES; f++)
        json_out_cstr(w, rps_family_policy(f));
    json_array_end(w);
    return OK;
}

err rps_predict_policies(struct http_request *rq, struct http_reply *rp)
{
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_key(w, "policies");
    TRY(rps_policies(rq, rp));
    json_kv_raw(w, "difficulty_modes", STR("[\"normal\"]"));
    json_kv_cstr(w, "description",
                 "Policies and difficulty modes that POST /predict takes; each policy is played by "
                 "a family of models that predicts the player's next move.");
    json_object_end(w);
    return OK;
}

err rps_predict_example(struct http_request *rq, struct http_reply *rp)
{
    static const uint8_t user[] = { RPS_ROCK, RPS_PAPER, RPS_SCISSORS },
                         bot[] = { RPS_SCISSORS, RPS_ROCK, RPS_PAPER },
                         results[] = { RPS_WIN, RPS_WIN, RPS_WIN };
    (void)rq;
    double features[RPS_FEATURES];
    struct rps_predict_input in = { .user = user,
                                    .bot = bot,
                                    .user_count = 3,
                                    .bot_count = 3,
                                    .results = results,
                                    .result_count = 3,
                                    .now = { { 1.0, 1.2, 1.7 } } };
    rps_features_predict(&in, features);
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_raw(w, "example_request",
                STR("{\"policy\":\"brian\",\"difficulty_mode\":\"normal\",\"player_history\":["
                    "\"rock\",\"paper\",\"scissors\"],\"bot_history\":[\"scissors\",\"rock\","
                    "\"paper\"],\"result_history\":[\"win\",\"win\",\"win\"],\"round_values\":{"
                    "\"rock\":1.0,\"paper\":1.2,\"scissors\":1.7}}"));
    json_kv_int(w, "feature_count", RPS_FEATURES);
    json_key(w, "features");
    json_object_begin(w);
    for (size_t i = 0; i < RPS_FEATURES; i++)
        json_kv_real(w, rps_feature_name(i), features[i]);
    json_object_end(w);
    json_object_end(w);
    return OK;
}

/* ------------------------------------------------------------------ what is asked */

struct wish {
    const struct rps_policy *policy;
    enum rps_alias alias;
    str player; /* whose games are known; empty: nobody's */
    struct rps_sight sight;
};

/* A list of names, as bytes; `find` gives `none` for what it does not know. */
static const uint8_t *read_names(struct rps_input *in, const char *name, const struct json *list,
                                 unsigned (*find)(str), unsigned none, size_t *ret_count)
{
    size_t count = json_count(list);
    uint8_t *values = NEW_ARRAY(http_arena(in->rq), uint8_t, count + 1);
    *ret_count = values ? count : 0;
    for (size_t i = 0; values && i < count; i++) {
        unsigned value = find(json_str(json_at(list, i), STR_NONE));
        if (value == none) {
            rps_issue(in, "body", name, "value_error", "Item %zu is none of the known words", i);
            return values;
        }
        values[i] = (uint8_t)value;
    }
    return values;
}

static unsigned find_outcome(str name)
{
    unsigned i = 0;
    while (i < RPS_OUTCOMES && !str_eq_nocase(name, str_of(rps_outcome_name((enum rps_outcome)i))))
        i++;
    return i;
}

/* A number that a model can work with; `absent` where there is none (NAN: there has to be). */
static double read_number(struct rps_input *in, const char *name, const struct json *node,
                          double absent)
{
    double number = json_kind(node) <= JSON_IS_NULL ? absent : json_num(node, NAN);
    if (!(fabs(number) <= NUMBER_MAX)) /* NAN: it is none */
        rps_issue(in, "body", name, "float_type", "Input should be numbers of at most %d",
                  NUMBER_MAX);
    return number;
}

static struct rps_points read_points(struct rps_input *in, const char *name,
                                     const struct json *object)
{
    struct rps_points points;
    for (unsigned move = 0; move < RPS_MOVES; move++)
        points.of[move] = read_number(in, name, json_get(object, rps_move_name(move)), 1.0);
    return points;
}

static const double *read_numbers(struct rps_input *in, const char *name, size_t *ret_count)
{
    const struct json *list = rps_in_list(in, name, HISTORY_MAX);
    double *values = NEW_ARRAY(http_arena(in->rq), double, json_count(list) + 1);
    *ret_count = values ? json_count(list) : 0;
    for (size_t i = 0; i < *ret_count; i++)
        values[i] = read_number(in, name, json_at(list, i), NAN);
    return values;
}

static const struct rps_points *read_points_list(struct rps_input *in, size_t *ret_count)
{
    static const char name[] = "round_points_history";
    const struct json *list = rps_in_list(in, name, HISTORY_MAX);
    struct rps_points *points = NEW_ARRAY(http_arena(in->rq), struct rps_points,
                                          json_count(list) + 1);
    *ret_count = points ? json_count(list) : 0;
    for (size_t i = 0; i < *ret_count; i++) {
        if (json_kind(json_at(list, i)) != JSON_IS_OBJECT)
            rps_issue(in, "body", name, "dict_type", "Item %zu should be an object", i);
        points[i] = read_points(in, name, json_at(list, i));
    }
    return points;
}

/* The rounds that are told, as a game that is not ours. */
static void read_moment(struct rps_input *in, const struct rps_predict_input *p,
                        struct rps_moment *ret)
{
    size_t count = p->user_count < p->bot_count ? p->user_count : p->bot_count;
    struct rps_turn *turns = NEW_ARRAY(http_arena(in->rq), struct rps_turn, count + 1);
    for (size_t i = 0; turns && i < count; i++)
        turns[i] = (struct rps_turn){ .points = i < p->points_count ? p->points[i] : p->now,
                                      .user = p->user[i],
                                      .bot = p->bot[i] };
    *ret = (struct rps_moment){ .turns = turns, .turn_count = turns ? count : 0, .points = p->now };
}

static void read_history(struct rps_input *in, const char *user_name, const char *bot_name,
                         bool is_easy, struct rps_sight *sight)
{
    struct rps_predict_input p = { .is_easy = is_easy };
    p.user = read_names(in, user_name, rps_in_list(in, user_name, HISTORY_MAX), rps_move_find,
                        RPS_NO_MOVE, &p.user_count);
    p.bot = read_names(in, bot_name, rps_in_list(in, bot_name, HISTORY_MAX), rps_move_find,
                       RPS_NO_MOVE, &p.bot_count);
    p.results = read_names(in, "result_history", rps_in_list(in, "result_history", HISTORY_MAX),
                           find_outcome, RPS_OUTCOMES, &p.result_count);
    p.now = read_points(in, "round_values", rps_in_object(in, "round_values"));
    p.points = read_points_list(in, &p.points_count);
    p.user_scores = read_numbers(in, "user_score_history", &p.user_scores_count);
    p.bot_scores = read_numbers(in, "bot_score_history", &p.bot_scores_count);
    p.user_score = read_number(in, "user_score", json_get(in->body, "user_score"), 0);
    p.bot_score = read_number(in, "bot_score", json_get(in->body, "bot_score"), 0);
    if (in->count)
        return;
    rps_features_predict(&p, sight->contract);
    read_moment(in, &p, &sight->moment);
}

/* ab_assignment is {"alias":...}, as /play gives it, or the alias alone. */
static void read_alias(struct rps_input *in, struct wish *wish)
{
    const struct json *node = json_get(in->body, "ab_assignment");
    if (json_kind(node) == JSON_IS_OBJECT)
        node = json_get(node, "alias");
    /* What is no text is no alias. */
    str name = json_kind(node) <= JSON_IS_NULL ? STR("Production") : json_str(node, STR_NONE);
    wish->alias = rps_alias_find(name);
    if (wish->alias == RPS_ALIASES)
        rps_issue(in, "body", "ab_assignment", "value_error",
                  "The alias is Production, B, shadow1 or shadow2");
}

static void read_policy(struct rps_input *in, struct wish *wish, bool *ret_is_easy)
{
    str policy = STR("brian"), difficulty = STR("normal");
    bool is_retired;
    rps_in_str(in, "policy", RPS_OPTIONAL, RPS_NAME_BYTES_MAX, &policy);
    rps_in_str(in, "difficulty_mode", RPS_OPTIONAL, RPS_NAME_BYTES_MAX, &difficulty);
    *ret_is_easy = str_eq(difficulty, STR("easy"));
    wish->policy = rps_policy_find(policy, &is_retired);
    if (!wish->policy || wish->policy->family == RPS_FAMILIES)
        rps_issue(in, "body", "policy", "value_error",
                  "There is no such policy: brian, forrest and logan predict");
}

static void read_wish(struct rps_input *in, struct wish *wish)
{
    bool is_easy = false;
    *wish = (struct wish){ .alias = RPS_PRODUCTION };
    read_policy(in, wish, &is_easy);
    read_alias(in, wish);
    rps_in_str(in, "player_name", RPS_OPTIONAL, RPS_NAME_BYTES_MAX, &wish->player);
    wish->player = str_trim(wish->player);
    if (!rps_is_person(wish->player))
        wish->player = STR_NONE;
    read_history(in, "player_history", "bot_history", is_easy, &wish->sight);
}

/* ------------------------------------------------------------------ what is answered */

struct answer {
    struct serving_call call;
    double p[RPS_MOVES];
    bool is_model;
};

static err count_games(struct store_read *rd, void *arg)
{
    struct wish *wish = arg;
    return rps_past_count(rd, wish->player, &wish->sight.moment.seen);
}

/* ERR_BUSY: it has to be done on a worker, which may wait for the store. */
static err ask(struct rps_state *s, struct wish *wish, bool may_read, struct answer *ret)
{
    const char *why = "forced_fallback";
    memcpy(ret->p, RPS_UNIFORM, sizeof ret->p);
    wish->sight.memory = s->memory;
    wish->sight.may_read = may_read;
    if (wish->player.len && !may_read)
        return ERR(ERR_BUSY, "the player's games have to be counted first");
    if (wish->player.len) {
        TRY(store_read(house_store(s->house), count_games, wish));
        wish->sight.moment.person = wish->player;
    }
    if (!s->is_fallback_forced)
        TRY(rps_ask(s, wish->policy->family, wish->alias, false, &wish->sight, &ret->call, ret->p,
                    &why));
    ret->is_model = !why;
    if (why)
        serving_fallback(s->served[wish->policy->family], (enum serving_slot)wish->alias, why);
    return OK;
}

static void write_info(struct json_out *w, const struct wish *wish, const struct answer *a)
{
    json_key(w, "model_info");
    json_object_begin(w);
    json_kv_cstr(w, "model_type", wish->policy->model_type);
    json_kv_cstr(w, "alias", rps_alias_name(wish->alias));
    json_key(w, "version");
    if (a->is_model)
        json_out_fmt(w, "%lld", (long long)a->call.answers[wish->alias].version);
    else
        json_out_null(w);
    json_kv_cstr(w, "probability_source", a->is_model ? "mlflow" : "fallback");
    json_object_end(w);
}

/* Members of an open object. */
static void write_prediction(struct json_out *w, const struct answer *a)
{
    json_kv_cstr(w, "prediction", rps_move_name(rps_choose(a->p)));
    rps_write_moves(w, "probabilities", a->p);
}

static void write_answer(struct json_out *w, const struct wish *wish, const struct answer *a)
{
    write_prediction(w, a);
    json_kv_cstr(w, "policy", wish->policy->name);
    json_kv_cstr(w, "difficulty_mode", "normal");
    write_info(w, wish, a);
    json_kv_int(w, "features_used", RPS_FEATURES);
}

static err predict_slow(struct http_request *rq, struct http_reply *rp);

static err predict(struct http_request *rq, struct http_reply *rp, bool may_read)
{
    struct rps_input in;
    struct wish wish;
    struct answer answer;
    rps_input_open(rq, false, &in);
    read_wish(&in, &wish);
    TRY(arena_check(http_arena(rq)));
    if (in.count)
        return rps_refuse(&in, rp);
    err e = ask(rps_state(rq_house(rq)), &wish, may_read, &answer);
    if (e.code == ERR_BUSY && !may_read) {
        http_on_worker(rq, predict_slow);
        return OK;
    }
    TRY(e);
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    write_answer(w, &wish, &answer);
    json_object_end(w);
    return OK;
}

static err predict_slow(struct http_request *rq, struct http_reply *rp)
{
    return predict(rq, rp, true);
}

err rps_predict(struct http_request *rq, struct http_reply *rp)
{
    return predict(rq, rp, false);
}

/* On a worker, as the batch is. */
static err write_batch_item(struct rps_state *s, struct json_out *w, struct rps_input *in,
                            const struct json *item)
{
    struct wish wish;
    struct answer answer;
    in->count = 0;
    rps_input_from(in, item);
    if (json_kind(item) != JSON_IS_OBJECT)
        rps_issue(in, "body", NULL, "model_attributes_type", "Input should be an object");
    else
        read_wish(in, &wish);
    if (in->count == 0)
        TRY(ask(s, &wish, true, &answer));
    json_object_begin(w);
    json_kv_bool(w, "success", in->count == 0);
    if (in->count) {
        json_kv_str(w, "policy", str_sub(json_str(json_get(item, "policy"), STR("brian")), 0, 64));
        json_key(w, "error");
        json_out_fmt(w, "%s%s%s", in->issues[0].name ? in->issues[0].name : "",
                     in->issues[0].name ? ": " : "", in->issues[0].msg);
    } else {
        write_answer(w, &wish, &answer);
    }
    json_object_end(w);
    return OK;
}

err rps_predict_batch(struct http_request *rq, struct http_reply *rp)
{
    struct rps_input in;
    rps_input_open(rq, true, &in);
    const struct json *list = in.body;
    if (list && json_count(list) > BATCH_MAX)
        rps_issue(&in, "body", NULL, "too_long", "List should have at most %d items", BATCH_MAX);
    if (in.count)
        return rps_refuse(&in, rp);
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_key(w, "results");
    json_array_begin(w);
    for (size_t i = 0; i < json_count(list); i++)
        TRY(write_batch_item(rps_state(rq_house(rq)), w, &in, json_at(list, i)));
    json_array_end(w);
    json_object_end(w);
    return arena_check(http_arena(rq));
}

err rps_predict_context(struct http_request *rq, struct http_reply *rp)
{
    struct rps_input in;
    struct wish wish;
    struct answer answer;
    str player_move = STR_NONE;
    rps_input_open(rq, false, &in);
    rps_in_str(&in, "player_move", RPS_OPTIONAL, RPS_NAME_BYTES_MAX, &player_move);
    if (player_move.len && rps_move_find(player_move) == RPS_NO_MOVE)
        rps_issue(&in, "body", "player_move", "value_error", "The move is rock, paper or scissors");
    size_t told; /* not used, and no place for mistakes all the same */
    (void)read_names(&in, "opponent_history", rps_in_list(&in, "opponent_history", HISTORY_MAX),
                     rps_move_find, RPS_NO_MOVE, &told);
    const struct json *context = rps_in_object(&in, "context");
    if (in.body && !context && in.count == 0)
        rps_issue(&in, "body", "context", "missing", "Field required");
    if (context) {
        rps_input_from(&in, context);
        read_wish(&in, &wish);
    }
    TRY(arena_check(http_arena(rq)));
    if (in.count)
        return rps_refuse(&in, rp);
    TRY(ask(rps_state(rq_house(rq)), &wish, true, &answer));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    write_prediction(w, &answer);
    json_kv_cstr(w, "context_policy", wish.policy->name);
    json_kv_cstr(w, "context_difficulty", "normal");
    write_info(w, &wish, &answer);
    json_kv_str(w, "player_move", player_move);
    json_kv_int(w, "features_extracted", RPS_FEATURES);
    json_object_end(w);
    return OK;
}
