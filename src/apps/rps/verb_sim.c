/* SPDX-License-Identifier: GPL-3.0-or-later */
/* verb_sim.c -- skerry rps sim. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/rps/sim.h"

enum { GAMES_MAX = 100000000, HOST_BYTES_MAX = 256 };

struct options {
    struct rps_sim_plan plan;
    char host[HOST_BYTES_MAX];
};

/* http://HOST:PORT */
static err read_url(const char *text, struct options *o)
{
    str rest = str_of(text);
    int64_t port = 80;
    if (!str_starts(rest, STR("http://")))
        return ERR(ERR_INVALID, "--url must be like http://127.0.0.1:8001");
    rest = str_sub(rest, 7, rest.len);
    rest = str_split(&rest, '/');
    str host = str_split(&rest, ':');
    if (rest.len)
        TRY(err_wrap(str_to_i64(rest, &port), "--url"));
    if (host.len == 0 || host.len >= HOST_BYTES_MAX || port < 1 || port > 65535)
        return ERR(ERR_INVALID, "--url must be like http://127.0.0.1:8001");
    memcpy(o->host, host.ptr, host.len);
    o->host[host.len] = '\0';
    o->plan.host = o->host;
    o->plan.port = (int)port;
    return OK;
}

static err read_count(const char *name, const char *text, int64_t max, int64_t *ret_value)
{
    err e = str_to_i64(str_of(text), ret_value);
    if (e.code || *ret_value < 1 || *ret_value > max)
        return ERR(ERR_INVALID, "%s must be from 1 to %lld, not '%s'", name, (long long)max, text);
    return OK;
}

static err read_user(const char *text, struct rps_sim_plan *plan)
{
    plan->user = rps_bot_find(str_of(text));
    if (plan->user == RPS_BOTS && strcmp(text, "random") != 0)
        return ERR(ERR_INVALID,
                   "there is no player '%s'; there are ace, bob, cal, dan, edd, fox, gus, hal and "
                   "random",
                   text);
    return OK;
}

static err read_policy(const char *text, struct rps_sim_plan *plan)
{
    bool is_retired;
    plan->policy = rps_policy_find(str_of(text), &is_retired);
    if (!plan->policy)
        return ERR(ERR_INVALID,
                   "there is no policy '%s'; there are brian, forrest and logan, and the bots ace, "
                   "bob, cal, dan, edd, fox, gus and hal",
                   text);
    return OK;
}

static err read_option(const char *name, const char *value, struct options *o)
{
    int64_t number = 0;
    if (strcmp(name, "--user") == 0)
        return read_user(value, &o->plan);
    if (strcmp(name, "--policy") == 0)
        return read_policy(value, &o->plan);
    if (strcmp(name, "--url") == 0)
        return read_url(value, o);
    if (strcmp(name, "--games") == 0)
        return read_count(name, value, GAMES_MAX, &o->plan.games);
    if (strcmp(name, "--connections") == 0) {
        TRY(read_count(name, value, RPS_SIM_CONNECTIONS_MAX, &number));
        o->plan.connections = (int)number;
        return OK;
    }
    if (strcmp(name, "--seed") == 0) {
        TRY(err_wrap(str_to_i64(str_of(value), &number), "--seed"));
        o->plan.seed = (uint64_t)number;
        return OK;
    }
    return ERR(ERR_INVALID, "'%s' is not an option here; see: skerry help rps sim", name);
}

static err read_options(const struct verb_args *args, struct options *o)
{
    for (int i = 0; i < args->count; i++) {
        if (strcmp(args->values[i], "--keep") == 0) {
            o->plan.is_kept = true;
            continue;
        }
        if (i + 1 == args->count)
            return ERR(ERR_INVALID, "%s needs a value", args->values[i]);
        TRY(read_option(args->values[i], args->values[i + 1], o));
        i++;
    }
    return OK;
}

/* ------------------------------------------------------------------ what came of it */

static void print_json(const struct rps_sim_plan *plan, const struct rps_sim_result *r)
{
    struct buf out;
    struct json_out w;
    buf_init(&out, 4096);
    json_out_init(&w, &out);
    json_object_begin(&w);
    json_kv_cstr(&w, "user", plan->user == RPS_BOTS ? "random" : rps_bot_name(plan->user));
    json_kv_cstr(&w, "policy", plan->policy->name);
    json_kv_int(&w, "games", r->games);
    json_kv_int(&w, "rounds", r->rounds);
    json_kv_int(&w, "userWins", r->user_wins);
    json_kv_int(&w, "botWins", r->bot_wins);
    json_kv_int(&w, "ties", r->ties);
    json_kv_real(&w, "seconds", r->seconds);
    json_kv_real(&w, "roundsPerSecond", r->seconds > 0 ? (double)r->rounds / r->seconds : 0);
    if (plan->host) {
        json_kv_real(&w, "p50Ms", r->p50 * 1e3);
        json_kv_real(&w, "p99Ms", r->p99 * 1e3);
        json_kv_real(&w, "longestMs", r->longest * 1e3);
        json_kv_int(&w, "failures", r->failures);
        json_kv_int(&w, "mismatches", r->mismatches);
    }
    json_object_end(&w);
    printf("%s\n", out.ptr ? out.ptr : "");
    buf_deinit(&out);
}

static void print_text(const struct rps_sim_plan *plan, const struct rps_sim_result *r)
{
    double games = r->games ? (double)r->games : 1;
    double share = (double)r->bot_wins / games;
    /* Wilson's interval: honest for few games, too */
    double z = 1.96, n = games, middle = (share + z * z / (2 * n)) / (1 + z * z / n);
    double half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n);
    printf("%s against %s: %lld games, %lld rounds (%.1f a game) in %.2f s, %.0f rounds/s\n",
           plan->user == RPS_BOTS ? "chance" : rps_bot_title(plan->user), plan->policy->name,
           (long long)r->games, (long long)r->rounds, (double)r->rounds / games, r->seconds,
           r->seconds > 0 ? (double)r->rounds / r->seconds : 0);
    printf(
        "%s wins %.1f %% of games (%.1f to %.1f with 95 %% confidence), loses %.1f %%, ties %lld\n",
        plan->policy->name, 100 * share, 100 * (middle - half), 100 * (middle + half),
        100 * (double)r->user_wins / games, (long long)r->ties);
    printf("points a game: %.2f to %.2f\n", r->bot_points / games, r->user_points / games);
    if (plan->host)
        printf("a play took %.2f ms (p50), %.2f ms (p99), %.2f ms (the longest); refused %lld, "
               "wrong %lld\n",
               r->p50 * 1e3, r->p99 * 1e3, r->longest * 1e3, (long long)r->failures,
               (long long)r->mismatches);
}

err rps_verb_sim(struct house *h, const struct verb_args *args)
{
    struct rps_sim_result result;
    struct options o = { .plan = { .user = RPS_BOTS,
                                   .policy = rps_policy_at(RPS_LOGISTIC),
                                   .games = 1000,
                                   .seed = 1,
                                   .connections = 64,
                                   .key = getenv("SKERRY_KEY") } };
    TRY(read_options(args, &o));
    if (o.plan.host) {
        TRY(rps_sim_http(&o.plan, &result));
    } else {
        TRY(serving_follow(house_serving(h)));
        TRY(rps_sim_local(rps_state(h), &o.plan, &result));
    }
    if (args->json)
        print_json(&o.plan, &result);
    else
        print_text(&o.plan, &result);
    if (result.mismatches)
        return ERR(ERR_CORRUPT, "%lld answers of the server were not what the rules say",
                   (long long)result.mismatches);
    return OK;
}
