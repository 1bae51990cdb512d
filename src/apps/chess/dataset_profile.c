/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dataset_profile.c -- histograms of small ranges, HyperLogLog for large ones.
 *
 * HyperLogLog: Flajolet, Fusy, Gandouet, Meunier 2007, with linear counting for small
 * cardinalities. */
#include "apps/chess/dataset_profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "apps/chess/game_record.h"
#include "engine/chess/pgn.h"

enum {
    PLIES = PGN_PLIES_MAX + 1,
    RATINGS = 4001,
    MOVES = 65536,
    ECOS = 500,
    EVALS = 65536,
    ELO_BUCKETS = 5,
    RESULTS = 5,
    SPEEDS = 7,
};

struct range {
    int64_t min, max;
    uint64_t nulls;
};

struct dataset_profile {
    uint64_t rows, games;
    struct distinct positions, examples, clocks, controls, dates;
    struct range ply, white_rating, black_rating, eco, clock, eval, date, control;
    uint64_t plies[PLIES];
    uint64_t white_ratings[RATINGS], black_ratings[RATINGS], mover_ratings[RATINGS];
    uint64_t ecos[ECOS];
    uint8_t moves[MOVES / 8], evals[EVALS / 8];
    uint64_t results[RESULTS], speeds[SPEEDS], elo[ELO_BUCKETS], colors[2];
    uint64_t game_results[RESULTS];
};

/* ------------------------------------------------------------------ distinct */

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 33)) * 0xFF51AFD7ED558CCD;
    x = (x ^ (x >> 33)) * 0xC4CEB9FE1A85EC53;
    return x ^ (x >> 33);
}

void distinct_add(struct distinct *d, uint64_t hash)
{
    uint64_t h = mix(hash);
    size_t index = h >> 50; /* 14 bits */
    uint8_t rank = (uint8_t)(__builtin_clzll(h << 14 | 1ULL << 13) + 1);
    if (rank > d->registers[index])
        d->registers[index] = rank;
}

double distinct_count(const struct distinct *d)
{
    const double m = DISTINCT_REGISTERS;
    const double alpha = 0.7213 / (1 + 1.079 / m);
    double sum = 0;
    int zeros = 0;
    for (int i = 0; i < DISTINCT_REGISTERS; i++) {
        sum += ldexp(1, -d->registers[i]);
        zeros += d->registers[i] == 0;
    }
    double estimate = alpha * m * m / sum;
    if (estimate <= 2.5 * m && zeros)
        estimate = m * log(m / zeros);
    return estimate;
}

/* ------------------------------------------------------------------ taking */

err dataset_profile_new(struct dataset_profile **ret_profile)
{
    struct dataset_profile *p = calloc(1, sizeof *p);
    if (!p)
        return ERR(ERR_NO_MEMORY, "profiling a dataset: out of memory");
    struct range *const ranges[] = { &p->ply,   &p->white_rating, &p->black_rating, &p->eco,
                                     &p->clock, &p->eval,         &p->date,         &p->control };
    for (size_t i = 0; i < COUNT_OF(ranges); i++) {
        ranges[i]->min = INT64_MAX;
        ranges[i]->max = INT64_MIN;
    }
    *ret_profile = p;
    return OK;
}

void dataset_profile_free(struct dataset_profile *p)
{
    free(p);
}

static void range_add(struct range *r, int64_t value, bool known)
{
    if (!known) {
        r->nulls++;
        return;
    }
    if (value < r->min)
        r->min = value;
    if (value > r->max)
        r->max = value;
}

void dataset_profile_game(struct dataset_profile *p, const struct chess_row_game *game)
{
    p->games++;
    p->game_results[game->result < RESULTS ? game->result : 0]++;
    if (game->initial_s >= 0)
        distinct_add(&p->controls, (uint64_t)game->initial_s << 16 | game->increment_s);
    if (game->date)
        distinct_add(&p->dates, game->date);
}

static void count_rating(uint64_t histogram[RATINGS], struct range *r, uint16_t rating)
{
    range_add(r, rating, rating != 0);
    if (rating && rating < RATINGS)
        histogram[rating]++;
}

static int elo_bucket(int rating)
{
    return rating < 800 ? 0 : rating < 1200 ? 1 : rating < 1600 ? 2 : rating < 2000 ? 3 : 4;
}

void dataset_profile_row(struct dataset_profile *p, const struct chess_row *row,
                         const struct chess_row_game *game)
{
    const struct chess_sample *s = &row->sample;
    uint16_t eval = (uint16_t)row->eval_cp;
    p->rows++;
    range_add(&p->ply, s->ply, true);
    if (s->ply < PLIES)
        p->plies[s->ply]++;
    distinct_add(&p->positions, s->position.key);
    distinct_add(&p->examples, s->position.key ^ mix(s->move + 1u));
    p->moves[s->move / 8] |= (uint8_t)(1u << s->move % 8);
    count_rating(p->white_ratings, &p->white_rating, game->white_rating);
    count_rating(p->black_ratings, &p->black_rating, game->black_rating);
    if (s->conditions.rating_self && s->conditions.rating_self < RATINGS) {
        p->mover_ratings[s->conditions.rating_self]++;
        p->elo[elo_bucket(s->conditions.rating_self)]++;
    }
    range_add(&p->eco, game->eco, game->eco < ECOS);
    if (game->eco < ECOS)
        p->ecos[game->eco]++;
    bool has_clock = row->clock_cs != PGN_CLOCK_NONE;
    range_add(&p->clock, (int64_t)row->clock_cs * 10, has_clock);
    if (has_clock)
        distinct_add(&p->clocks, row->clock_cs);
    bool has_eval = row->eval_cp != PGN_EVAL_NONE;
    range_add(&p->eval, row->eval_cp, has_eval);
    if (has_eval)
        p->evals[eval / 8] |= (uint8_t)(1u << eval % 8);
    range_add(&p->date, game->date, game->date != 0);
    range_add(&p->control, game->initial_s, game->initial_s >= 0);
    p->results[game->result < RESULTS ? game->result : 0]++;
    p->speeds[s->conditions.speed < SPEEDS ? s->conditions.speed : 0]++;
    p->colors[s->position.turn & 1]++;
}

/* ------------------------------------------------------------------ judging */

static double percent(double part, double whole)
{
    return whole > 0 ? 100 * part / whole : 0;
}

static uint64_t used(const uint64_t *histogram, size_t count)
{
    uint64_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += histogram[i] != 0;
    return n;
}

static uint64_t bits(const uint8_t *map, size_t bytes)
{
    uint64_t n = 0;
    for (size_t i = 0; i < bytes; i++)
        n += (uint64_t)__builtin_popcount(map[i]);
    return n;
}

static int quantile(const uint64_t histogram[RATINGS], uint64_t total, double q)
{
    uint64_t seen = 0;
    for (int i = 0; i < RATINGS; i++) {
        seen += histogram[i];
        if ((double)seen >= q * (double)total)
            return i;
    }
    return RATINGS - 1;
}

/* Rows whose mover's rating lies beyond Tukey's fences: one and a half interquartile ranges outside
 * the middle half. */
static uint64_t outliers(const struct dataset_profile *p)
{
    uint64_t total = 0, outside = 0;
    for (int i = 0; i < RATINGS; i++)
        total += p->mover_ratings[i];
    if (!total)
        return 0;
    double q1 = quantile(p->mover_ratings, total, 0.25),
           q3 = quantile(p->mover_ratings, total, 0.75);
    for (int i = 0; i < RATINGS; i++) {
        if (i < q1 - 1.5 * (q3 - q1) || i > q3 + 1.5 * (q3 - q1))
            outside += p->mover_ratings[i];
    }
    return outside;
}

/* ------------------------------------------------------------------ telling */

static void column(struct json_out *w, const struct dataset_profile *p, const char *name,
                   const char *dtype, uint64_t nulls, double distinct, const struct range *range)
{
    double rows = (double)p->rows;
    double known = rows - (double)nulls;
    json_object_begin(w);
    json_kv_cstr(w, "name", name);
    json_kv_cstr(w, "dtype", dtype);
    json_kv_real(w, "nullPct", percent((double)nulls, rows));
    json_kv_real(w, "uniquePct", fmin(100, percent(distinct, known)));
    json_key(w, "min");
    if (range && range->min <= range->max)
        json_out_int(w, range->min);
    else
        json_out_null(w);
    json_key(w, "max");
    if (range && range->min <= range->max)
        json_out_int(w, range->max);
    else
        json_out_null(w);
    json_object_end(w);
}

static void write_columns(const struct dataset_profile *p, struct json_out *w)
{
    double white = (double)used(p->white_ratings, RATINGS);
    double black = (double)used(p->black_ratings, RATINGS);
    double controls = fmin(distinct_count(&p->controls), (double)p->games);
    double dates = fmin(distinct_count(&p->dates), (double)p->games);
    json_array_begin(w);
    column(w, p, "game_id", "string", 0, (double)p->games, NULL);
    column(w, p, "ply", "int", 0, (double)used(p->plies, PLIES), &p->ply);
    column(w, p, "fen", "string", 0, distinct_count(&p->positions), NULL);
    column(w, p, "uci", "string", 0, (double)bits(p->moves, sizeof p->moves), NULL);
    column(w, p, "color", "string", 0, (double)used(p->colors, 2), NULL);
    column(w, p, "result", "string", p->results[0], (double)used(p->results + 1, RESULTS - 1),
           NULL);
    column(w, p, "time_control", "string", p->control.nulls, controls, NULL);
    column(w, p, "time_category", "string", p->speeds[0], (double)used(p->speeds + 1, SPEEDS - 1),
           NULL);
    column(w, p, "white_rating", "int", p->white_rating.nulls, white, &p->white_rating);
    column(w, p, "black_rating", "int", p->black_rating.nulls, black, &p->black_rating);
    column(w, p, "eco", "string", p->eco.nulls, (double)used(p->ecos, ECOS), NULL);
    column(w, p, "clock_ms", "int", p->clock.nulls, distinct_count(&p->clocks), &p->clock);
    column(w, p, "eval_cp", "int", p->eval.nulls, (double)bits(p->evals, sizeof p->evals),
           &p->eval);
    column(w, p, "date", "string", p->date.nulls, dates, NULL);
    json_array_end(w);
}

static void write_quality(const struct dataset_profile *p, struct json_out *w)
{
    /* The columns that can be unknown. */
    const uint64_t nulls[] = { p->results[0],         p->control.nulls,      p->speeds[0],
                               p->white_rating.nulls, p->black_rating.nulls, p->eco.nulls,
                               p->clock.nulls,        p->eval.nulls,         p->date.nulls };
    double rows = (double)p->rows, missing = 0;
    for (size_t i = 0; i < COUNT_OF(nulls); i++)
        missing += (double)nulls[i];
    double repeated = rows - distinct_count(&p->examples);
    json_object_begin(w);
    json_kv_real(w, "missingPct", percent(missing, rows * (double)COUNT_OF(nulls)));
    json_kv_real(w, "outlierPct", percent((double)outliers(p), rows));
    json_kv_real(w, "duplicatePct", repeated > 0 ? percent(repeated, rows) : 0);
    json_object_end(w);
}

static void write_histogram(struct json_out *w, const char *key, const char *const *names,
                            const uint64_t *counts, size_t count)
{
    json_key(w, key);
    json_object_begin(w);
    for (size_t i = 0; i < count; i++)
        json_kv_int(w, names[i], (int64_t)counts[i]);
    json_object_end(w);
}

void dataset_profile_stats(const struct dataset_profile *p, struct json_out *w)
{
    static const char *const bands[ELO_BUCKETS] = { "<800", "800-1199", "1200-1599", "1600-1999",
                                                    "2000+" };
    const char *results[RESULTS], *speeds[SPEEDS];
    for (int i = 0; i < RESULTS; i++)
        results[i] = chess_result_name((enum chess_result)i);
    for (int i = 0; i < SPEEDS; i++)
        speeds[i] = chess_speed_name((enum chess_speed)i);
    json_object_begin(w);
    json_kv_int(w, "rows", (int64_t)p->rows);
    json_kv_int(w, "games", (int64_t)p->games);
    json_kv_int(w, "classes", (int64_t)bits(p->moves, sizeof p->moves));
    write_histogram(w, "result", results, p->results, RESULTS);
    write_histogram(w, "games_result", results, p->game_results, RESULTS);
    write_histogram(w, "time_category", speeds, p->speeds, SPEEDS);
    write_histogram(w, "elo_buckets", bands, p->elo, ELO_BUCKETS);
    json_object_end(w);
}

void dataset_profile_write(const struct dataset_profile *p, struct json_out *w)
{
    json_object_begin(w);
    json_key(w, "schema");
    json_object_begin(w);
    json_kv_int(w, "version", CHESS_DATASET_SCHEMA);
    json_key(w, "columns");
    write_columns(p, w);
    json_object_end(w);
    json_key(w, "quality");
    write_quality(p, w);
    json_key(w, "stats");
    dataset_profile_stats(p, w);
    json_object_end(w);
}
