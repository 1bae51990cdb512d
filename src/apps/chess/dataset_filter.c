/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dataset_filter.c -- reading a filter, and asking it. */
#include "apps/chess/dataset_filter.h"

#include <math.h>
#include <string.h>

#include "apps/chess/game_record.h"
#include "apps/chess/game_store.h"
#include "base/clock.h"
#include "base/rand.h"
#include "engine/chess/pgn.h"

const char dataset_filter_schema[] =
    "\"player\":{\"type\":\"string\",\"description\":\"games of this player, on any platform\"},"
    "\"color\":{\"enum\":[\"white\",\"black\"],\"description\":\"the player's colour; without a "
    "player, "
    "the side to move\"},"
    "\"ownMoves\":{\"type\":\"boolean\",\"description\":\"only positions where the player is to "
    "move\"},"
    "\"minElo\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":4000},"
    "\"maxElo\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":4000},"
    "\"since\":{\"type\":\"string\",\"format\":\"date\"},"
    "\"until\":{\"type\":\"string\",\"format\":\"date\"},"
    "\"timeControl\":{\"type\":\"string\",\"description\":\"exactly as in the game, like 180+2\"},"
    "\"speed\":{\"type\":\"array\",\"items\":{\"enum\":[\"ULTRABULLET\",\"BULLET\",\"BLITZ\","
    "\"RAPID\","
    "\"CLASSICAL\",\"CORRESPONDENCE\",\"UNKNOWN\"]}},"
    "\"platform\":{\"type\":\"array\",\"items\":{\"enum\":[\"LICHESS\",\"CHESS_COM\",\"PGN\"]}},"
    "\"eco\":{\"type\":\"array\",\"items\":{\"type\":\"string\",\"pattern\":\"^[A-E][0-9]{0,2}$\"}}"
    ","
    "\"result\":{\"enum\":[\"WHITE_WIN\",\"BLACK_WIN\",\"DRAW\",\"ABORTED\"]},"
    "\"rated\":{\"type\":\"boolean\"},"
    "\"source\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"description\":\"imports: run "
    "ids, or "
    "the datasetId they were filed under\"},"
    "\"phase\":{\"type\":\"array\",\"items\":{\"enum\":[\"opening\",\"middlegame\",\"endgame\"]}},"
    "\"minPly\":{\"type\":\"integer\",\"minimum\":0},\"maxPly\":{\"type\":\"integer\",\"minimum\":"
    "0},"
    "\"minClock\":{\"type\":\"number\",\"minimum\":0,\"description\":\"seconds the mover had "
    "left\"},"
    "\"limit\":{\"type\":\"integer\",\"minimum\":1,\"description\":\"at most so many positions\"}";

const char dataset_split_schema[] =
    "\"by\":{\"enum\":[\"game\",\"time\"],\"description\":\"game: copies of a game stay together; "
    "time: the newest games are the test\"},"
    "\"train\":{\"type\":\"number\",\"minimum\":0,\"maximum\":1,\"default\":0.8},"
    "\"valid\":{\"type\":\"number\",\"minimum\":0,\"maximum\":1,\"default\":0.1},"
    "\"test\":{\"type\":\"number\",\"minimum\":0,\"maximum\":1,\"default\":0.1},"
    "\"seed\":{\"type\":\"integer\",\"minimum\":0}";

static const char *const phase_names[CHESS_PHASE_COUNT] = { "opening", "middlegame", "endgame" };

enum { PLY_MAX = PGN_PLIES_MAX, TEXT_MAX = 200 };
static const int64_t DAY_MS = 24 * 3600 * 1000;

/* ------------------------------------------------------------------ fields */

static err bad_field(const char *key, const char *takes)
{
    return ERR(ERR_INVALID, "filter field '%s' takes %s", key, takes);
}

/* A list, or one value standing for a list of one. */
static err list_of(const struct json *filter, const char *key, str values[ROW_FILTER_LIST_MAX],
                   size_t *ret_count)
{
    const struct json *node = json_get(filter, key);
    size_t count = json_kind(node) == JSON_IS_ARRAY ? json_count(node)
                                                    : json_kind(node) > JSON_IS_NULL;
    if (count > ROW_FILTER_LIST_MAX)
        return ERR(ERR_INVALID, "filter field '%s' has more than %d values", key,
                   ROW_FILTER_LIST_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct json *item = json_kind(node) == JSON_IS_ARRAY ? json_at(node, i) : node;
        values[i] = str_trim(json_str(item, STR_NONE));
        if (!values[i].len || values[i].len > TEXT_MAX)
            return bad_field(key, "text, or a list of texts");
    }
    *ret_count = count;
    return OK;
}

static err need_known_keys(const struct json *filter)
{
    static const char *const known[] = {
        "player",      "color",  "ownMoves", "minElo",   "maxElo", "since", "until",
        "timeControl", "speed",  "platform", "eco",      "result", "rated", "source",
        "phase",       "minPly", "maxPly",   "minClock", "limit",
    };
    void *iter = NULL;
    str key;
    const struct json *value;
    while (json_next(filter, &iter, &key, &value)) {
        size_t i = 0;
        while (i < COUNT_OF(known) && !str_eq(key, str_of(known[i])))
            i++;
        if (i == COUNT_OF(known))
            return ERR(
                ERR_INVALID,
                "the filter has no field '%.*s'; it has player, color, ownMoves, minElo, maxElo, "
                "since, until, timeControl, speed, platform, eco, result, rated, source, phase, "
                "minPly, maxPly, minClock, limit",
                STR_ARG(str_sub(key, 0, 40)));
    }
    return OK;
}

static err opt_day(const struct json *filter, const char *key, int64_t *ret_ms, bool *ret_given)
{
    str text = STR_NONE;
    TRY(json_opt_str(filter, key, &text));
    if (!text.len)
        return OK;
    TRY(err_wrap(clock_parse(text, ret_ms), "filter field '%s'", key));
    *ret_given = true;
    return OK;
}

static err opt_int(const struct json *filter, const char *key, int64_t min, int64_t max, int *value)
{
    int64_t wide = *value;
    TRY(err_wrap(json_opt_int(filter, key, min, max, &wide), "in the filter"));
    *value = (int)wide;
    return OK;
}

/* ------------------------------------------------------------------ parsing */

static err parse_lists(const struct json *filter, struct row_filter *f)
{
    str values[ROW_FILTER_LIST_MAX];
    size_t count;
    TRY(list_of(filter, "speed", values, &count));
    for (size_t i = 0; i < count; i++) {
        enum chess_speed speed;
        if (!chess_speed_find(values[i], &speed))
            return bad_field("speed",
                             "ULTRABULLET, BULLET, BLITZ, RAPID, CLASSICAL, CORRESPONDENCE or "
                             "UNKNOWN");
        f->speeds |= 1u << speed;
    }
    TRY(list_of(filter, "platform", values, &count));
    for (size_t i = 0; i < count; i++) {
        int p = 0;
        while (p < CHESS_PLATFORM_COUNT &&
               !str_eq_nocase(values[i], str_of(chess_platform_name((enum chess_platform)p))))
            p++;
        if (p == CHESS_PLATFORM_COUNT)
            return bad_field("platform", "LICHESS, CHESS_COM or PGN");
        f->platforms |= 1u << p;
    }
    TRY(list_of(filter, "phase", values, &count));
    for (size_t i = 0; i < count; i++) {
        int p = 0;
        while (p < CHESS_PHASE_COUNT && !str_eq_nocase(values[i], str_of(phase_names[p])))
            p++;
        if (p == CHESS_PHASE_COUNT)
            return bad_field("phase", "opening, middlegame or endgame");
        f->phases |= 1u << p;
    }
    TRY(list_of(filter, "eco", values, &f->eco_count));
    for (size_t i = 0; i < f->eco_count; i++)
        TRY(err_wrap(eco_range(values[i], &f->eco[i].first, &f->eco[i].last),
                     "filter field 'eco'"));
    return list_of(filter, "source", f->sources, &f->source_count);
}

static err parse_texts(const struct json *filter, arena *keep, struct row_filter *f)
{
    str color = STR_NONE, result = STR_NONE, player = STR_NONE;
    TRY(json_opt_str(filter, "player", &player));
    TRY(json_opt_str(filter, "color", &color));
    TRY(json_opt_str(filter, "result", &result));
    TRY(json_opt_str(filter, "timeControl", &f->time_control));
    if (player.len > TEXT_MAX || f->time_control.len > TEXT_MAX)
        return ERR(ERR_INVALID, "filter texts have at most %d bytes", TEXT_MAX);
    if (player.len) {
        char *name = arena_cstr(keep, player);
        ARENA_TRY(name);
        for (char *c = name; *c; c++)
            *c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
        f->player = str_of(name);
    }
    if (color.len) {
        f->color = str_eq_nocase(color, STR("black")) ? CHESS_BLACK : CHESS_WHITE;
        if (!str_eq_nocase(color, STR("black")) && !str_eq_nocase(color, STR("white")))
            return bad_field("color", "white or black");
    }
    if (result.len && !chess_result_find(result, &f->result))
        return bad_field("result", "WHITE_WIN, BLACK_WIN, DRAW or ABORTED");
    return OK;
}

err row_filter_parse(const struct json *filter, arena *keep, struct row_filter *ret_filter)
{
    struct row_filter f = { .color = -1, .rated = -1, .max_ply = -1 };
    if (json_kind(filter) > JSON_IS_NULL && json_kind(filter) != JSON_IS_OBJECT)
        return ERR(ERR_INVALID, "field 'filter' must be an object");
    TRY(need_known_keys(filter));
    TRY(parse_texts(filter, keep, &f));
    TRY(parse_lists(filter, &f));
    TRY(opt_int(filter, "minElo", 1, 4000, &f.min_elo));
    TRY(opt_int(filter, "maxElo", 1, 4000, &f.max_elo));
    TRY(opt_int(filter, "minPly", 0, PLY_MAX, &f.min_ply));
    TRY(opt_int(filter, "maxPly", 0, PLY_MAX, &f.max_ply));
    TRY(json_opt_real(filter, "minClock", 0, 1e6, &f.min_clock_s));
    TRY(json_opt_int(filter, "limit", 1, INT64_MAX / 2, &f.limit));
    TRY(json_opt_bool(filter, "ownMoves", &f.own_moves));
    if (json_kind(json_get(filter, "rated")) > JSON_IS_NULL) {
        bool rated = false;
        TRY(json_opt_bool(filter, "rated", &rated));
        f.rated = rated;
    }
    TRY(opt_day(filter, "since", &f.since_ms, &f.has_since));
    TRY(opt_day(filter, "until", &f.until_ms, &f.has_until));
    if (f.has_until && f.until_ms % DAY_MS == 0)
        f.until_ms += DAY_MS; /* a day without a time means to its end */

    if (f.max_elo && f.min_elo > f.max_elo)
        return ERR(ERR_INVALID, "filter field 'minElo' (%d) is above 'maxElo' (%d)", f.min_elo,
                   f.max_elo);
    if (f.max_ply >= 0 && f.min_ply > f.max_ply)
        return ERR(ERR_INVALID, "filter field 'minPly' (%d) is above 'maxPly' (%d)", f.min_ply,
                   f.max_ply);
    if (f.has_since && f.has_until && f.since_ms >= f.until_ms)
        return ERR(ERR_INVALID, "filter field 'since' is not before 'until'");
    if (f.own_moves && !f.player.len)
        return ERR(ERR_INVALID, "filter field 'ownMoves' needs 'player': whose moves?");
    *ret_filter = f;
    return OK;
}

/* ------------------------------------------------------------------ games */

struct where {
    struct buf *sql;
    struct store_value *values;
    size_t *count;
};

static void add(struct where *w, const char *before, struct store_value value, const char *after)
{
    w->values[(*w->count)++] = value;
    buf_add_fmt(w->sql, "%s?%zu%s", before, *w->count, after);
}

static void add_set(struct where *w, const char *column, unsigned bits)
{
    const char *between = "";
    if (!bits)
        return;
    buf_add_fmt(w->sql, " AND g.%s IN (", column);
    for (int i = 0; i < 32; i++) {
        if (bits >> i & 1) {
            buf_add_fmt(w->sql, "%s%d", between, i);
            between = ", ";
        }
    }
    buf_add_cstr(w->sql, ")");
}

static void add_player(struct where *w, const struct row_filter *f)
{
    static const char ids[] = " IN (SELECT id FROM chess_players WHERE name_key = ";
    buf_add_cstr(w->sql, " AND (");
    if (f->color != CHESS_BLACK) {
        buf_add_cstr(w->sql, "g.white_id");
        add(w, ids, sql_text(f->player), ")");
    }
    if (f->color < 0)
        buf_add_cstr(w->sql, " OR ");
    if (f->color != CHESS_WHITE) {
        buf_add_cstr(w->sql, "g.black_id");
        add(w, ids, sql_text(f->player), ")");
    }
    buf_add_cstr(w->sql, ")");
}

static void add_openings(struct where *w, const struct row_filter *f)
{
    for (size_t i = 0; i < f->eco_count; i++)
        buf_add_fmt(w->sql, "%s(g.eco >= %d AND g.eco <= %d)", i ? " OR " : " AND (",
                    f->eco[i].first, f->eco[i].last);
    if (f->eco_count)
        buf_add_cstr(w->sql, ")");
}

static void add_sources(struct where *w, const struct row_filter *f)
{
    if (!f->source_count)
        return;
    buf_add_cstr(w->sql, " AND g.pack_id IN (SELECT p.id FROM chess_packs p JOIN chess_ingests i "
                         "ON i.id = p.ingest_id WHERE ");
    for (size_t i = 0; i < f->source_count; i++) {
        add(w, i ? " OR i.run_id = " : "i.run_id = ", sql_text(f->sources[i]), "");
        add(w, " OR i.dataset = ", sql_text(f->sources[i]), "");
    }
    buf_add_cstr(w->sql, ")");
}

err row_filter_sql(const struct row_filter *f, struct buf *sql,
                   struct store_value values[ROW_FILTER_ARGS_MAX], size_t *count)
{
    struct where w = { sql, values, count };
    if (f->player.len)
        add_player(&w, f);
    if (f->min_elo) {
        add(&w, " AND g.white_rating >= ", sql_int(f->min_elo), "");
        add(&w, " AND g.black_rating >= ", sql_int(f->min_elo), "");
    }
    if (f->max_elo) {
        add(&w, " AND g.white_rating <= ", sql_int(f->max_elo), "");
        add(&w, " AND g.black_rating <= ", sql_int(f->max_elo), "");
    }
    if (f->has_since)
        add(&w, " AND g.end_ms >= ", sql_int(f->since_ms), "");
    if (f->has_until)
        add(&w, " AND g.end_ms < ", sql_int(f->until_ms), "");
    if (f->time_control.len)
        add(&w, " AND g.time_control = ", sql_text(f->time_control), "");
    add_set(&w, "speed", f->speeds);
    add_set(&w, "platform", f->platforms);
    add_openings(&w, f);
    if (f->result != CHESS_RESULT_UNKNOWN)
        add(&w, " AND g.result = ", sql_int(f->result), "");
    if (f->rated >= 0)
        add(&w, " AND g.rated = ", sql_int(f->rated), "");
    add_sources(&w, f);
    return buf_check(sql);
}

/* ------------------------------------------------------------------ positions */

const char *chess_phase_name(enum chess_phase phase)
{
    return phase_names[phase];
}

/* By what is on the board: six or fewer pieces besides kings and pawns are an endgame; before that,
 * the first twenty plies are the opening. */
enum chess_phase chess_phase_of(const struct chess_position *p, size_t ply)
{
    chess_bits officers = p->pieces[CHESS_KNIGHT] | p->pieces[CHESS_BISHOP] |
                          p->pieces[CHESS_ROOK] | p->pieces[CHESS_QUEEN];
    if (__builtin_popcountll(officers) <= 6)
        return CHESS_ENDGAME;
    return ply < 20 ? CHESS_OPENING_PHASE : CHESS_MIDDLEGAME;
}

bool row_filter_has(const struct row_filter *f, const struct chess_position *p, size_t ply,
                    uint32_t clock_cs, int player_color)
{
    if (ply < (size_t)f->min_ply || (f->max_ply >= 0 && ply > (size_t)f->max_ply))
        return false;
    if (f->own_moves && player_color >= 0 && p->turn != player_color)
        return false;
    if (!f->player.len && f->color >= 0 && p->turn != f->color)
        return false;
    if (f->min_clock_s > 0 &&
        (clock_cs == PGN_CLOCK_NONE || (double)clock_cs < f->min_clock_s * 100))
        return false;
    return !f->phases || (f->phases >> chess_phase_of(p, ply) & 1);
}

/* ------------------------------------------------------------------ splits */

static err split_known_keys(const struct json *split)
{
    static const char *const known[] = { "by", "train", "valid", "val", "test", "seed" };
    void *iter = NULL;
    str key;
    const struct json *value;
    while (json_next(split, &iter, &key, &value)) {
        size_t i = 0;
        while (i < COUNT_OF(known) && !str_eq(key, str_of(known[i])))
            i++;
        if (i == COUNT_OF(known))
            return ERR(ERR_INVALID,
                       "the split has no field '%.*s'; it has by, train, valid, test, seed",
                       STR_ARG(str_sub(key, 0, 40)));
    }
    return OK;
}

err split_plan_parse(const struct json *split, struct split_plan *ret_plan)
{
    struct split_plan plan = { .share = { 0.8, 0.1, 0.1 }, .seed = 42 };
    str by = STR("game");
    int64_t seed = 42;
    if (json_kind(split) > JSON_IS_NULL && json_kind(split) != JSON_IS_OBJECT)
        return ERR(ERR_INVALID, "field 'split' must be an object");
    TRY(split_known_keys(split));
    TRY(json_opt_str(split, "by", &by));
    TRY(json_opt_int(split, "seed", 0, INT64_MAX, &seed));
    plan.seed = (uint64_t)seed;
    plan.by_time = str_eq(by, STR("time"));
    if (!plan.by_time && !str_eq(by, STR("game")))
        return ERR(ERR_INVALID, "split field 'by' is '%.*s': use game or time", STR_ARG(by));
    bool any = json_get(split, "train") || json_get(split, "valid") || json_get(split, "val") ||
               json_get(split, "test");
    if (any) {
        memset(plan.share, 0, sizeof plan.share);
        TRY(json_opt_real(split, "train", 0, 1, &plan.share[CHESS_TRAIN]));
        TRY(json_opt_real(split, "val", 0, 1, &plan.share[CHESS_VALID]));
        TRY(json_opt_real(split, "valid", 0, 1, &plan.share[CHESS_VALID]));
        TRY(json_opt_real(split, "test", 0, 1, &plan.share[CHESS_TEST]));
    }
    double sum = plan.share[CHESS_TRAIN] + plan.share[CHESS_VALID] + plan.share[CHESS_TEST];
    if (fabs(sum - 1) > 1e-6)
        return ERR(ERR_INVALID,
                   "split fields 'train', 'valid' and 'test' sum to %g, they must sum to 1", sum);
    *ret_plan = plan;
    return OK;
}

enum chess_split split_plan_of(const struct split_plan *plan, uint64_t moves_hash, int64_t end_ms)
{
    if (plan->by_time)
        return end_ms >= plan->test_from_ms    ? CHESS_TEST
               : end_ms >= plan->valid_from_ms ? CHESS_VALID
                                               : CHESS_TRAIN;
    double unit = (double)(rand_mix(moves_hash ^ rand_mix(plan->seed)) >> 11) * 0x1p-53;
    if (unit < plan->share[CHESS_TRAIN])
        return CHESS_TRAIN;
    return unit < plan->share[CHESS_TRAIN] + plan->share[CHESS_VALID] ? CHESS_VALID : CHESS_TEST;
}
