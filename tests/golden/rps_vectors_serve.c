/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rps_vectors_serve.c -- vectors of the A/B split and of promotion. */
#include "rps_vectors.h"

#include "engine/rps/promotion_contract.h"

/* What the reference remembers of one game or session; here the hash does, so it is only a test of
 * the rules: what was decided once stays, and a certain ratio needs no draw. */
struct decided {
    str who;
    enum rps_family family;
    enum rps_alias alias;
};

enum { CALLS_MAX = 256 };

static double ratio_of(const struct json *input, enum rps_family family)
{
    double all = json_num(json_get(input, "split_ratio"), 0.5);
    return json_num(json_get(json_get(input, "overrides"), rps_family_name(family)), all);
}

bool check_alias(const struct json *input, const struct json *expected)
{
    const struct json *calls = json_get(input, "calls"), *want = json_get(expected, "calls");
    struct decided known[CALLS_MAX];
    size_t known_count = 0;

    if (json_count(calls) > CALLS_MAX || json_count(calls) != json_count(want))
        return mismatch("calls and what is expected are not of one number, or above %d", CALLS_MAX);
    for (size_t i = 0; i < json_count(calls); i++) {
        const struct json *call = json_at(calls, i);
        enum rps_family family = rps_family_find(json_str(json_at(call, 0), STR_NONE));
        str who = json_str(json_at(call, 1), STR_NONE);
        enum rps_alias alias = RPS_PRODUCTION;
        bool is_drawn = false;
        size_t k = 0;

        if (family == RPS_FAMILIES)
            return mismatch("call %zu: unknown model type", i);
        if (who.len == 0)
            who = json_str(json_at(call, 2), STR_NONE);
        if (json_bool(json_get(input, "ab_enabled"), true)) {
            while (k < known_count && (known[k].family != family || !str_eq(known[k].who, who)))
                k++;
            if (who.len && k < known_count) {
                alias = known[k].alias;
            } else {
                double ratio = ratio_of(input, family);
                is_drawn = rps_assign_needs_unit(ratio);
                alias = rps_assign(ratio, json_num(json_at(call, 3), 0));
                if (who.len)
                    known[known_count++] = (struct decided){ who, family, alias };
            }
        }
        bool same = check_text("alias", json_at(json_at(want, i), 0), rps_alias_name(alias)) &&
                    check_bool("draw consumed", json_at(json_at(want, i), 1), is_drawn);
        if (!same)
            return mismatch("in call %zu", i);
    }
    return true;
}

/* ---------------------------------------------------------------- promotion */

static struct rps_share read_share(const struct json *pair)
{
    return (struct rps_share){ json_int(json_at(pair, 0), 0), json_int(json_at(pair, 1), 0) };
}

static bool check_rankings(const struct rps_promotion_input *in, const struct rps_promotion *got,
                           const struct json *want)
{
    bool same = json_count(want) == RPS_CHALLENGERS || mismatch("not three rankings");
    for (int slot = RPS_B; slot < RPS_ALIASES && same; slot++) {
        const struct json *row = json_at(want, (size_t)slot - 1);
        enum rps_alias source = got->source[slot];

        same = check_text("slot", json_at(row, 0), rps_alias_name((enum rps_alias)slot)) &&
               check_int("rank", json_at(row, 1), slot) &&
               check_text("source", json_at(row, 2), rps_alias_name(source)) &&
               check_number("accuracy", json_at(row, 3), got->accuracy[slot]) &&
               check_int("predictions", json_at(row, 4), in->accuracy[source].total);
    }
    return same;
}

static bool check_assignments(const struct json *input, const struct rps_promotion *got,
                              const struct json *expected)
{
    const struct json *versions = json_get(input, "versions"),
                      *want = json_get(expected, "assignments"),
                      *updates = json_get(expected, "alias_updates");
    size_t update = 0;

    for (int i = 0; i < RPS_ALIASES; i++) {
        const char *name = rps_alias_name((enum rps_alias)i),
                   *source = rps_alias_name(got->source[i]);
        const struct json *row = json_get(want, name), *version = json_get(versions, source);
        str before = json_str(json_get(versions, name), STR_NONE),
            after = json_str(version, STR_NONE);
        bool is_changed = !str_eq(before, after);

        if (!str_eq(json_str(json_at(row, 0), STR_NONE), after))
            return mismatch("%s: version %.*s is not what is expected", name, STR_ARG(after));
        if (!check_text("source", json_at(row, 1), source) ||
            !check_bool("changed", json_at(row, 2), is_changed))
            return mismatch("for %s", name);
        if (!is_changed)
            continue;
        const struct json *told = json_at(updates, update++);
        if (!check_text("update", json_at(told, 0), name) ||
            !str_eq(json_str(json_at(told, 1), STR_NONE), after))
            return mismatch("alias update %zu", update - 1);
    }
    return update == json_count(updates) ||
           mismatch("%zu alias updates instead of %zu", update, json_count(updates));
}

static bool check_statistic(const char *what, const struct json *want, bool has, double got)
{
    return has ? check_close(what, want, got)
               : json_kind(want) == JSON_IS_NULL || mismatch("%s should be null", what);
}

bool check_promotion(const struct json *input, const struct json *expected)
{
    const struct json *baseline = json_get(input, "baseline");
    struct rps_promotion_input in = {
        .has_baseline = json_kind(baseline) == JSON_IS_ARRAY,
        .baseline_production_games = json_int(json_at(baseline, 1), 0),
        .baseline_b_games = json_int(json_at(baseline, 3), 0),
        .cycles_since_swap = json_int(json_get(input, "cycles_since_swap"), 0),
    };
    struct rps_promotion got;

    for (int i = 0; i < RPS_ALIASES; i++) {
        const char *name = rps_alias_name((enum rps_alias)i);
        in.games[i] = read_share(json_get(json_get(input, "games"), name));
        in.accuracy[i] = read_share(json_get(json_get(input, "accuracy"), name));
    }
    rps_promotion_decide(&in, &got);
    bool same = check_text("decision", json_get(expected, "decision"),
                           rps_decision_name(got.decision));
    same &= check_statistic("z", json_get(expected, "z"), got.has_z, got.z);
    same &= check_statistic("p", json_get(expected, "p"), got.has_z, got.p);
    same &= check_bool("swap", json_get(expected, "swap"), got.decision == RPS_SWAP);
    same &= check_bool("reorder_applied", json_get(expected, "reorder_applied"), got.is_reordered);
    same &= check_rankings(&in, &got, json_get(expected, "rankings"));
    same &= check_assignments(input, &got, expected);
    same &= check_int("production games since swap",
                      json_get(expected, "production_games_since_swap"),
                      got.production_games_since_swap);
    same &= check_int("B games since swap", json_get(expected, "b_games_since_swap"),
                      got.b_games_since_swap);
    return check_int("cycles", json_get(expected, "cycles_since_swap"), got.cycles_since_swap) &&
           same;
}
