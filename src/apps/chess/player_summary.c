/* SPDX-License-Identifier: GPL-3.0-or-later */
/* player_summary.c -- GET /v1/players/{name}/summary: how somebody does, over the newest games.
 *
 * Results, ratings and openings come from the games' rows. Phases and the use of time need moves
 * and clocks, which lie in packs: they are read of the newest games only (`sample` says of how
 * many).
 */
#include <stdlib.h>
#include <string.h>

#include "apps/chess/chess_app.h"
#include "apps/chess/chess_metrics.h"
#include "apps/chess/dataset_file.h"
#include "apps/chess/dataset_filter.h"
#include "apps/chess/game_store.h"
#include "base/clock.h"

enum {
    GAMES_DEFAULT = 2000,
    GAMES_MAX = 5000,
    SAMPLE_MAX = 200,
    OPENINGS_MAX = 512, /* different ones that are told apart; rarer ones are left out */
    OPENINGS_SHOWN = 24,
    CLOCK_STEP = 5, /* moves between two points of the curve of clocks */
    CLOCK_POINTS = 12,
    NAME_BYTES_MAX = 200,
    DAY_DIGITS = 10,
};

struct outcomes {
    int64_t games, wins, draws, losses;
};

struct opening_row {
    str eco_text, name;
    enum chess_color color;
    struct outcomes outcomes;
};

struct phase_row {
    int64_t moves, timed;
    double seconds;
    struct outcomes ended;
};

struct summary {
    str name;
    const struct stored_game *games;
    size_t count;
    struct outcomes all, by_color[2];
    struct opening_row *openings;
    size_t opening_count;
    struct phase_row phases[CHESS_PHASE_COUNT];
    struct {
        int64_t games;
        double left;
    } clock[CLOCK_POINTS];
    size_t sample;
};

/* ------------------------------------------------------------------ counting */

static enum chess_color color_of(const struct summary *s, const struct stored_game *g)
{
    return str_eq_nocase(g->white, s->name) ? CHESS_WHITE : CHESS_BLACK;
}

static void count_game(struct outcomes *o, enum chess_result result, enum chess_color color)
{
    o->games++;
    if (result == CHESS_DRAW)
        o->draws++;
    else if (result == (color == CHESS_WHITE ? CHESS_WHITE_WIN : CHESS_BLACK_WIN))
        o->wins++;
    else if (result == CHESS_WHITE_WIN || result == CHESS_BLACK_WIN)
        o->losses++;
}

/* "Sicilian Defense" of "Sicilian Defense: Najdorf Variation": lines would scatter the games. */
static str family_of(str opening)
{
    str rest = opening;
    return str_trim(str_split(&rest, ':'));
}

static void count_opening(struct summary *s, const struct stored_game *g, enum chess_color color,
                          arena *keep)
{
    str name = family_of(g->opening);
    if (!name.len)
        return;
    for (size_t i = 0; i < s->opening_count; i++) {
        struct opening_row *row = &s->openings[i];
        if (row->color == color && str_eq(row->name, name)) {
            count_game(&row->outcomes, g->result, color);
            return;
        }
    }
    if (s->opening_count == OPENINGS_MAX)
        return;
    char eco[4];
    chess_eco_write(g->eco, eco);
    struct opening_row *row = &s->openings[s->opening_count++];
    *row = (struct opening_row){ .name = name, .color = color };
    row->eco_text = arena_str(keep, str_of(eco));
    count_game(&row->outcomes, g->result, color);
}

static int most_played(const void *a, const void *b)
{
    const struct opening_row *x = a, *y = b;
    if (x->outcomes.games != y->outcomes.games)
        return x->outcomes.games < y->outcomes.games ? 1 : -1;
    return str_cmp(x->name, y->name);
}

/* ------------------------------------------------------------------ moves and clocks */

struct clock_reading {
    int32_t initial_s;
    uint16_t increment_s;
    int64_t left_cs; /* of the player, after the last move that was seen */
};

/* How long the move took, and how much is left of what there was at the start. */
static void count_clock(struct summary *s, struct clock_reading *c, struct phase_row *phase,
                        uint32_t after_cs, size_t move_number)
{
    int64_t spent_cs = c->left_cs + (int64_t)c->increment_s * 100 - (int64_t)after_cs;
    c->left_cs = after_cs;
    if (spent_cs >= 0) {
        phase->timed++;
        phase->seconds += (double)spent_cs / 100;
    }
    size_t point = move_number / CLOCK_STEP;
    if (move_number % CLOCK_STEP == 0 && point >= 1 && point <= CLOCK_POINTS) {
        s->clock[point - 1].games++;
        s->clock[point - 1].left += (double)after_cs / ((double)c->initial_s * 100);
    }
}

static void count_moves(struct summary *s, const struct stored_game *g, enum chess_color color,
                        const struct pgn_game *moves)
{
    struct chess_position p = moves->start;
    enum chess_speed speed;
    struct clock_reading c = { 0 };
    enum chess_phase phase = CHESS_OPENING_PHASE;
    time_control_read(g->time_control, &speed, &c.initial_s, &c.increment_s);
    bool timed = moves->clock_cs && c.initial_s > 0 && speed != CHESS_CORRESPONDENCE;
    c.left_cs = (int64_t)c.initial_s * 100;
    for (size_t ply = 0; ply < moves->ply_count; ply++) {
        phase = chess_phase_of(&p, ply);
        if ((enum chess_color)p.turn == color) {
            s->phases[phase].moves++;
            if (timed && moves->clock_cs[ply] != PGN_CLOCK_NONE)
                count_clock(s, &c, &s->phases[phase], moves->clock_cs[ply], ply / 2 + 1);
        }
        chess_move_make(&p, moves->moves[ply]);
    }
    count_game(&s->phases[phase].ended, g->result, color);
}

/* The arena of each game goes at once: a pack stays mapped no longer than its game is read. */
static err read_sample(struct house *h, struct summary *s)
{
    arena keep;
    struct pgn_game *moves = malloc(sizeof *moves);
    if (!moves)
        return ERR(ERR_NO_MEMORY, "no memory for a game's moves");
    arena_init(&keep, 64 * 1024 * 1024);
    err e = OK;
    for (size_t i = 0; i < s->count && i < SAMPLE_MAX && !e.code; i++) {
        e = stored_game_read(house_blobs(h), &s->games[i], &keep, moves);
        if (!e.code) {
            count_moves(s, &s->games[i], color_of(s, &s->games[i]), moves);
            s->sample++;
        }
        arena_reset(&keep);
    }
    arena_deinit(&keep);
    free(moves);
    return e;
}

/* ------------------------------------------------------------------ the reply */

static void write_outcomes(struct json_out *w, const struct outcomes *o)
{
    json_kv_int(w, "games", o->games);
    json_kv_int(w, "wins", o->wins);
    json_kv_int(w, "draws", o->draws);
    json_kv_int(w, "losses", o->losses);
}

static void write_colors(struct json_out *w, const struct summary *s)
{
    json_key(w, "colors");
    json_array_begin(w);
    for (int color = 0; color < 2; color++) {
        json_object_begin(w);
        json_kv_cstr(w, "color", color == CHESS_WHITE ? "white" : "black");
        write_outcomes(w, &s->by_color[color]);
        json_object_end(w);
    }
    json_array_end(w);
}

static int64_t rating_of(const struct summary *s, const struct stored_game *g)
{
    return color_of(s, g) == CHESS_WHITE ? g->white_rating : g->black_rating;
}

/* The rating of the last game of each day, oldest first. */
static void write_points(struct json_out *w, const struct summary *s, enum chess_speed speed)
{
    char last_day[DAY_DIGITS + 1] = "", at[CLOCK_ISO_BYTES];
    const struct stored_game *last = NULL;
    json_key(w, "points");
    json_array_begin(w);
    for (size_t i = s->count + 1; i-- > 0;) {
        const struct stored_game *g = i ? &s->games[i - 1] : NULL;
        if (g && (g->speed != speed || !g->has_time || !rating_of(s, g)))
            continue;
        if (g)
            clock_iso(g->end_ms, at);
        if (last && (!g || strncmp(at, last_day, DAY_DIGITS) != 0)) {
            json_object_begin(w);
            json_kv_time_ms(w, "at", last->end_ms);
            json_kv_int(w, "rating", rating_of(s, last));
            json_object_end(w);
        }
        if (g)
            memcpy(last_day, at, DAY_DIGITS);
        last = g;
    }
    json_array_end(w);
}

static void write_rating(struct json_out *w, const char *name, int64_t rating)
{
    json_key(w, name);
    if (rating)
        json_out_int(w, rating);
    else
        json_out_null(w);
}

static void write_speeds(struct json_out *w, const struct summary *s)
{
    json_key(w, "speeds");
    json_array_begin(w);
    for (int speed = 0; speed <= CHESS_CORRESPONDENCE; speed++) {
        struct outcomes o = { 0 };
        int64_t newest = 0, highest = 0;
        for (size_t i = 0; i < s->count; i++) {
            const struct stored_game *g = &s->games[i];
            if (g->speed != (enum chess_speed)speed)
                continue;
            int64_t rating = rating_of(s, g);
            count_game(&o, g->result, color_of(s, g));
            newest = newest ? newest : rating;
            highest = rating > highest ? rating : highest;
        }
        if (!o.games)
            continue;
        json_object_begin(w);
        json_kv_cstr(w, "speed", chess_speed_name((enum chess_speed)speed));
        write_outcomes(w, &o);
        write_rating(w, "rating", newest);
        write_rating(w, "ratingMax", highest);
        write_points(w, s, (enum chess_speed)speed);
        json_object_end(w);
    }
    json_array_end(w);
}

static void write_openings(struct json_out *w, const struct summary *s)
{
    json_key(w, "openings");
    json_array_begin(w);
    for (size_t i = 0; i < s->opening_count && i < OPENINGS_SHOWN; i++) {
        const struct opening_row *row = &s->openings[i];
        json_object_begin(w);
        json_kv_cstr(w, "color", row->color == CHESS_WHITE ? "white" : "black");
        json_kv_str(w, "eco", row->eco_text);
        json_kv_str(w, "opening", row->name);
        write_outcomes(w, &row->outcomes);
        json_object_end(w);
    }
    json_array_end(w);
}

static void write_time_use(struct json_out *w, const struct summary *s)
{
    json_kv_int(w, "sample", (int64_t)s->sample);
    json_key(w, "phases");
    json_array_begin(w);
    for (int i = 0; i < CHESS_PHASE_COUNT; i++) {
        const struct phase_row *phase = &s->phases[i];
        json_object_begin(w);
        json_kv_cstr(w, "phase", chess_phase_name((enum chess_phase)i));
        json_kv_int(w, "moves", phase->moves);
        json_key(w, "secondsPerMove");
        if (phase->timed)
            json_out_real(w, phase->seconds / (double)phase->timed);
        else
            json_out_null(w);
        json_key(w, "ended");
        json_object_begin(w);
        write_outcomes(w, &phase->ended);
        json_object_end(w);
        json_object_end(w);
    }
    json_array_end(w);
    json_key(w, "clock");
    json_array_begin(w);
    for (int i = 0; i < CLOCK_POINTS; i++) {
        if (!s->clock[i].games)
            continue;
        json_object_begin(w);
        json_kv_int(w, "move", (i + 1) * CLOCK_STEP);
        json_kv_int(w, "games", s->clock[i].games);
        json_kv_real(w, "leftShare", s->clock[i].left / (double)s->clock[i].games);
        json_object_end(w);
    }
    json_array_end(w);
}

/* ------------------------------------------------------------------ the route */

static err read_games(struct http_request *rq, struct summary *s, bool *ret_has_more)
{
    struct game_query q = { .player = s->name, .limit = GAMES_DEFAULT };
    struct stored_game *games;
    if (s->name.len > NAME_BYTES_MAX)
        return ERR(ERR_INVALID, "player names have at most %d bytes", NAME_BYTES_MAX);
    TRY(http_query_int(rq, "games", 1, GAMES_MAX, &q.limit));
    int64_t wanted = q.limit++;
    TRY(stored_game_list(house_store(rq_house(rq)), &q, http_arena(rq), &games, &s->count));
    if (!s->count)
        return ERR(ERR_NOT_FOUND, "there is no stored game of a player '%.*s'", STR_ARG(s->name));
    *ret_has_more = (int64_t)s->count > wanted;
    s->count -= *ret_has_more;
    s->games = games;
    s->name = color_of(s, &games[0]) == CHESS_WHITE ? games[0].white : games[0].black;
    return OK;
}

err player_summary(struct http_request *rq, struct http_reply *rp)
{
    struct summary *s = NEW(http_arena(rq), struct summary);
    bool has_more = false;
    ARENA_TRY(s);
    *s = (struct summary){ .name = http_param(rq, "name") };
    s->openings = NEW_ARRAY(http_arena(rq), struct opening_row, OPENINGS_MAX);
    ARENA_TRY(s->openings);
    TRY(read_games(rq, s, &has_more));
    for (size_t i = 0; i < s->count; i++) {
        const struct stored_game *g = &s->games[i];
        enum chess_color color = color_of(s, g);
        count_game(&s->all, g->result, color);
        count_game(&s->by_color[color], g->result, color);
        count_opening(s, g, color, http_arena(rq));
    }
    TRY(arena_check(http_arena(rq)));
    qsort(s->openings, s->opening_count, sizeof *s->openings, most_played);
    TRY(read_sample(rq_house(rq), s));
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_str(w, "name", s->name);
    write_outcomes(w, &s->all);
    json_kv_bool(w, "hasMore", has_more);
    json_kv_time_ms(w, "since",
                    s->games[s->count - 1].has_time ? s->games[s->count - 1].end_ms : 0);
    json_kv_time_ms(w, "until", s->games[0].has_time ? s->games[0].end_ms : 0);
    write_colors(w, s);
    write_speeds(w, s);
    write_openings(w, s);
    write_time_use(w, s);
    json_object_end(w);
    metric_add(CHESS_CELL(house_metrics(rq_house(rq)), CHESS_M_GAME_READS, STR("summary")), 1);
    return OK;
}
