/* SPDX-License-Identifier: GPL-3.0-or-later */
/* train_players.c -- rows in the features of player-history. They are made by the functions that
 * serving uses (engine/rps/player_past.h), from the same games of a person: those that were over
 * when the game of the row began. */
#include <stdlib.h>
#include <string.h>

#include "apps/rps/past.h"
#include "apps/rps/train.h"

enum { PARTS = 2 + LEARN_PIPELINE_FOLDS }; /* hold-out, candidate, folds */

/* One person, or one game of somebody whom nobody knows. */
struct career {
    size_t first, count;      /* of `order` */
    struct rps_finished past; /* of a game that was played here: what the store has */
};

struct rps_players {
    const struct rps_rows *rows;
    struct learn_table table;
    uint32_t *order;     /* games, of each person together, oldest first */
    uint32_t *by_number; /* games by rps_games.id */
    uint32_t *game_of;   /* of each row */
    struct career *careers;
    size_t career_count;
    struct rps_population *populations[PARTS];
    struct buf part; /* the candidate's population */
};

/* ------------------------------------------------------------------ who played what */

/* qsort has no argument to hand on: the keys lie beside the indices. */
struct sortable {
    uint64_t key;
    uint32_t index;
};

static int by_key(const void *a, const void *b)
{
    const struct sortable *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static err sort_games(const struct rps_rows *rows, bool by_person, uint32_t *ret_order)
{
    struct sortable *s = calloc(rows->game_count, sizeof *s);
    if (!s)
        return ERR(ERR_NO_MEMORY, "%zu games to sort", rows->game_count);
    for (size_t i = 0; i < rows->game_count; i++)
        s[i] = (struct sortable){ by_person ? rows->games[i].person
                                            : (uint64_t)rows->games[i].number,
                                  (uint32_t)i };
    qsort(s, rows->game_count, sizeof *s, by_key);
    for (size_t i = 0; i < rows->game_count; i++)
        ret_order[i] = s[i].index;
    free(s);
    return OK;
}

static const struct rps_row_game *game_at(const struct rps_players *p, const struct career *c,
                                          size_t at)
{
    return &p->rows->games[p->order[c->first + at]];
}

/* How many of the person's games a game sees. Imported ones were played one after the other. */
static int64_t seen_by(const struct rps_players *p, const struct career *c, size_t at)
{
    return p->rows->is_people ? (int64_t)at : game_at(p, c, at)->seen;
}

static void find_careers(struct rps_players *p)
{
    for (size_t i = 0; i < p->rows->game_count; i++) {
        const struct rps_row_game *game = &p->rows->games[p->order[i]];
        bool is_same = i > 0 && p->rows->games[p->order[i - 1]].person == game->person;
        if (!is_same)
            p->careers[p->career_count++].first = i;
        p->careers[p->career_count - 1].count++;
    }
}

static err read_past(struct store_read *rd, struct rps_players *p, struct career *c)
{
    int64_t from = INT64_MAX, to = 0;
    for (size_t i = 0; i < c->count; i++) {
        int64_t seen = seen_by(p, c, i), first = rps_past_first(seen);
        from = first < from ? first : from;
        to = seen > to ? seen : to;
    }
    rps_past_deinit(&c->past);
    return rps_past_read(rd, str_of(game_at(p, c, 0)->player), from, to, &c->past);
}

static err read_pasts(struct store_read *rd, void *arg)
{
    struct rps_players *p = arg;
    for (size_t i = 0; i < p->career_count && !p->rows->is_people; i++)
        if (game_at(p, &p->careers[i], 0)->player[0])
            TRY(read_past(rd, p, &p->careers[i]));
    return OK;
}

/* Rows that stand where those of the contract stand, still without values. */
static err fill_table(struct rps_players *p)
{
    const double nothing[RPS_PLAYER_FEATURES] = { 0 };
    const struct learn_table *from = &p->rows->table;
    TRY(learn_table_init(&p->table, RPS_PLAYER_FEATURES, RPS_MOVES, from->row_count));
    for (size_t i = 0; i < from->row_count; i++)
        TRY(learn_table_add(&p->table, nothing, from->labels[i], from->groups[i], from->times[i]));
    for (size_t g = 0; g < p->rows->game_count; g++) {
        const struct rps_row_game *game = &p->rows->games[g];
        if (game->turn_count != game->count + RPS_FIRST_MODEL_ROUND - 1)
            return ERR(ERR_CORRUPT, "game %s lacks a round", game->key);
        for (size_t k = 0; k < game->count; k++)
            p->game_of[game->first + k] = (uint32_t)g;
    }
    return OK;
}

static err open_players(struct house *h, struct rps_players *p)
{
    size_t games = p->rows->game_count;
    p->order = calloc(games, sizeof *p->order);
    p->by_number = calloc(games, sizeof *p->by_number);
    p->game_of = calloc(p->rows->table.row_count, sizeof *p->game_of);
    p->careers = calloc(games, sizeof *p->careers);
    if (!p->order || !p->by_number || !p->game_of || !p->careers)
        return ERR(ERR_NO_MEMORY, "%zu games of players", games);
    TRY(sort_games(p->rows, true, p->order));
    TRY(sort_games(p->rows, false, p->by_number));
    find_careers(p);
    TRY(store_read(house_store(h), read_pasts, p));
    return fill_table(p);
}

err rps_players_open(struct house *h, const struct rps_rows *rows, struct rps_players **ret_players)
{
    struct rps_players *p = calloc(1, sizeof *p);
    if (!p)
        return ERR(ERR_NO_MEMORY, "opening the games of players");
    p->rows = rows;
    buf_init(&p->part, RPS_POPULATION_BYTES_MAX);
    err e = open_players(h, p);
    if (e.code) {
        rps_players_close(p);
        return e;
    }
    *ret_players = p;
    return OK;
}

void rps_players_close(struct rps_players *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->career_count; i++)
        rps_past_deinit(&p->careers[i].past);
    for (size_t i = 0; i < PARTS; i++)
        rps_population_free(p->populations[i]);
    buf_deinit(&p->part);
    learn_table_deinit(&p->table);
    free(p->order);
    free(p->by_number);
    free(p->game_of);
    free(p->careers);
    free(p);
}

const struct learn_table *rps_players_table(const struct rps_players *p)
{
    return &p->table;
}

/* ------------------------------------------------------------------ a population */

/* The games of a person that are used, as the fit walks them. */
static void add_career(const struct rps_players *p, const struct career *c, const bool *use,
                       struct rps_people *people, struct rps_person *person,
                       struct rps_people_game *games, struct rps_pair *rounds,
                       struct rps_points *points)
{
    *person = (struct rps_person){ .first_game = (uint32_t)people->game_count,
                                   .first = (uint32_t)people->round_count };
    for (size_t i = 0; i < c->count; i++) {
        const struct rps_row_game *game = game_at(p, c, i);
        if (!use[game - p->rows->games])
            continue;
        games[people->game_count++] = (struct rps_people_game){
            .person = (uint32_t)people->person_count,
            .first = (uint32_t)people->round_count,
            .count = (uint32_t)game->turn_count,
        };
        person->game_count++;
        person->count += (uint32_t)game->turn_count;
        for (size_t t = 0; t < game->turn_count; t++) {
            const struct rps_turn *turn = &p->rows->turns[game->first_turn + t];
            const struct rps_points *seen = rps_turn_points(turn);
            rounds[people->round_count] = (struct rps_pair){ turn->user, turn->bot };
            points[people->round_count++] = seen ? *seen : (struct rps_points){ { 0 } };
        }
    }
    people->person_count += person->game_count > 0;
}

static err fit(const struct rps_players *p, const bool *use,
               err (*progress)(void *arg, double done), void *arg,
               struct rps_population **ret_population)
{
    struct rps_person *persons = calloc(p->career_count, sizeof *persons);
    struct rps_people_game *games = calloc(p->rows->game_count, sizeof *games);
    struct rps_pair *rounds = calloc(p->rows->turn_count, sizeof *rounds);
    struct rps_points *points = calloc(p->rows->turn_count, sizeof *points);
    struct rps_people people = {
        .people = persons, .games = games, .rounds = rounds, .points = points
    };
    err e = persons && games && rounds && points
                ? OK
                : ERR(ERR_NO_MEMORY, "%zu rounds to fit a population on", p->rows->turn_count);
    for (size_t i = 0; i < p->career_count && !e.code; i++)
        add_career(p, &p->careers[i], use, &people, &persons[people.person_count], games, rounds,
                   points);
    if (!e.code)
        e = rps_population_fit(&people, NULL, progress, arg, ret_population);
    free(persons);
    free(games);
    free(rounds);
    free(points);
    return e;
}

/* ------------------------------------------------------------------ features */

/* One person's games, as they are walked. */
struct walk {
    const struct rps_players *p;
    const struct rps_population *population;
    const struct career *career;
    const bool *rows_of; /* games whose rows are filled in; NULL: all */
    const bool *known;   /* of the games that train and judge, those that may be known; NULL: all */
    struct learn_table *table;
};

static bool is_hidden(const struct walk *w, int64_t number)
{
    const struct rps_rows *rows = w->p->rows;
    size_t low = 0, high = rows->game_count;
    while (w->known && low < high) {
        size_t middle = low + (high - low) / 2;
        uint32_t game = w->p->by_number[middle];
        if (rows->games[game].number == number)
            return !w->known[game];
        if (rows->games[game].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static err past_game(void *arg, int64_t number, const struct rps_turn **ret_turns,
                     size_t *ret_count)
{
    const struct walk *w = arg;
    struct rps_finished past = w->career->past;
    int64_t id;
    if (w->p->rows->is_people) {
        const struct rps_row_game *game = game_at(w->p, w->career, (size_t)number - 1);
        *ret_turns = w->p->rows->turns + game->first_turn;
        *ret_count = game->turn_count;
        id = game->number;
    } else {
        TRY(rps_past_turns(&past, number, ret_turns, ret_count));
        id = past.games[number - past.first].id;
    }
    if (is_hidden(w, id))
        *ret_count = 0;
    return OK;
}

static void play(const struct walk *w, const struct rps_row_game *game, struct rps_player *player)
{
    rps_player_begin_game(player);
    for (size_t i = 0; i < game->turn_count; i++) {
        const struct rps_turn *turn = &w->p->rows->turns[game->first_turn + i];
        if (i + 1 >= RPS_FIRST_MODEL_ROUND) {
            size_t row = game->first + (i + 1 - RPS_FIRST_MODEL_ROUND);
            rps_player_see(w->population, player, &turn->points,
                           w->table->values + row * RPS_PLAYER_FEATURES);
        }
        rps_player_take(w->population, player, turn);
    }
}

static err fill_career(struct walk *w)
{
    struct rps_recall recall = { 0 };
    err e = OK;
    for (size_t i = 0; i < w->career->count && !e.code; i++) {
        const struct rps_row_game *game = game_at(w->p, w->career, i);
        struct rps_player *player = NULL;
        if (w->rows_of && !w->rows_of[game - w->p->rows->games])
            continue;
        e = rps_recall_to(w->population, &recall, seen_by(w->p, w->career, i), past_game, w);
        if (!e.code)
            e = rps_player_copy(w->population, recall.player, &player);
        if (!e.code)
            play(w, game, player);
        rps_player_free(player);
    }
    rps_recall_deinit(&recall);
    return e;
}

static err fill(struct rps_players *p, const struct rps_population *population, const bool *rows_of,
                const bool *known)
{
    struct walk w = {
        .p = p, .population = population, .rows_of = rows_of, .known = known, .table = &p->table
    };
    for (size_t i = 0; i < p->career_count; i++) {
        w.career = &p->careers[i];
        TRY(fill_career(&w));
    }
    return OK;
}

err rps_players_fill(struct rps_players *p, const struct rps_population *population)
{
    return fill(p, population, NULL, NULL);
}

/* ------------------------------------------------------------------ a training */

/* The folds are of games, and a person may have some in each. What trains knows only what trains;
 * what is judged knows all, as it will when it serves. */
static err fill_fold(struct rps_players *p, const struct rps_population *population,
                     const bool *trains)
{
    bool *judged = calloc(p->rows->game_count, sizeof *judged);
    if (!judged)
        return ERR(ERR_NO_MEMORY, "a fold of %zu games", p->rows->game_count);
    for (size_t i = 0; i < p->rows->game_count; i++)
        judged[i] = !trains[i];
    err e = fill(p, population, trains, trains);
    if (!e.code)
        e = fill(p, population, judged, NULL);
    free(judged);
    return e;
}

err rps_players_prepare(struct rps_players *p, enum learn_stage stage, int part,
                        struct learn_rows train, err (*progress)(void *arg, double done), void *arg,
                        str *ret_part)
{
    size_t at = stage == LEARN_STAGE_FOLDS ? 2 + (size_t)part : stage == LEARN_STAGE_CANDIDATE;
    bool *trains = calloc(p->rows->game_count, sizeof *trains);
    err e = trains ? OK : ERR(ERR_NO_MEMORY, "%zu games to train on", p->rows->game_count);
    for (size_t i = 0; i < train.count && !e.code; i++)
        trains[p->game_of[train.index[i]]] = true;
    if (!e.code && !p->populations[at])
        e = fit(p, trains, progress, arg, &p->populations[at]);
    if (!e.code)
        e = stage == LEARN_STAGE_FOLDS ? fill_fold(p, p->populations[at], trains)
                                       : fill(p, p->populations[at], NULL, NULL);
    free(trains);
    TRY(e);
    if (stage == LEARN_STAGE_CANDIDATE && p->part.len == 0)
        rps_population_write(p->populations[at], &p->part);
    *ret_part = buf_str(&p->part);
    return buf_check(&p->part);
}
