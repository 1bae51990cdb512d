/* SPDX-License-Identifier: GPL-3.0-or-later */
/* play.c -- /play: one round, durable before it is answered.
 *
 * On the event thread: the game is taken, the move chosen, the reply written, the rows handed to
 * the store's writer. When they are committed, and no sooner, the game in memory moves on and the
 * reply goes out. No thread waits meanwhile, so a commit carries as many rounds as come in while
 * the one before it is synced.
 *
 * A client that may have missed an answer sends the number of the round that it means ("round"):
 * the round that is due is played, one that was played with the same move is answered again, and
 * anything else is 409.
 */
#include <stdlib.h>

#include "apps/rps/counts.h"
#include "apps/rps/game_store.h"
#include "apps/rps/play_ask.h"
#include "apps/rps/round_reply.h"
#include "apps/rps/round_writer.h"
#include "apps/rps/wire.h"
#include "base/clock.h"

enum { TEXT_BYTES_MAX = 1024 };

struct ask {
    str game_id;
    unsigned move;
    int64_t round; /* 0: the one that is due */
};

struct play {
    struct rps_round_write write;
    struct http_request *rq;
    struct rps_state *s;
    struct rps_live *live;
    struct rps_choice choice;
    struct rps_round round;
    struct rps_game after;
    char run_id[HEX_ID_BYTES];
};

static const char taken_by_others[] = "A round of this game is being played by another request: "
                                      "wait for its answer, then try again";

/* False: the reply is made. */
static bool read_ask(struct http_request *rq, struct http_reply *rp, struct ask *ret_ask,
                     err *ret_e)
{
    struct rps_input in;
    str move = STR_NONE;
    struct rps_plain_ask plain;
    *ret_ask = (struct ask){ 0 };
    *ret_e = OK;
    if (rps_ask_read_plain(http_body(rq), &plain) && plain.game_id.len <= TEXT_BYTES_MAX &&
        plain.user_move.len <= TEXT_BYTES_MAX && plain.round <= RPS_ROUNDS_MAX + 1) {
        *ret_ask = (struct ask){ .game_id = plain.game_id, .round = plain.round };
        move = plain.user_move;
    } else {
        rps_input_open(rq, false, &in);
        rps_in_str(&in, "game_id", RPS_REQUIRED, TEXT_BYTES_MAX, &ret_ask->game_id);
        rps_in_str(&in, "user_move", RPS_REQUIRED, TEXT_BYTES_MAX, &move);
        rps_in_int(&in, "round", RPS_OPTIONAL, 1, RPS_ROUNDS_MAX + 1, &ret_ask->round);
        if (in.count) {
            *ret_e = rps_refuse(&in, rp);
            return false;
        }
    }
    ret_ask->move = rps_move_find(move);
    if (ret_ask->move == RPS_NO_MOVE) {
        *ret_e = ERR(ERR_INVALID, "Invalid move '%.*s': use rock, paper or scissors",
                     STR_ARG(str_sub(move, 0, 40)));
        return false;
    }
    return true;
}

/* ------------------------------------------------------------------ the store */

/* The game in memory moves on. */
static void advance(struct play *p)
{
    p->live->version = p->write.row.version;
    rps_live_advance(p->live, &p->after, &p->round);
    if (p->after.winner != RPS_NOBODY_YET)
        rps_remember(p->s, p->live, &p->choice, p->write.person_seq);
}

static void done(struct rps_round_write *write, err result)
{
    struct play *p = (struct play *)(void *)write; /* its first member */
    struct rps_state *s = p->s;
    if (result.code) {
        /* Perhaps another server played it, perhaps the store knows more than it could say: the
         * rows tell. */
        rps_live_drop(s->live, p->live);
        if (result.code == ERR_CONFLICT)
            result = ERR(ERR_CONFLICT, "%s", taken_by_others);
    } else {
        rps_count_round(s->counts, p->live, &p->choice, &p->round, &p->after);
        advance(p);
        rps_live_give(s->live, p->live);
    }
    http_later_done(p->rq, result);
}

/* ------------------------------------------------------------------ a round */

/* The version that decides the game, with this round. */
static int64_t version_after(const struct rps_live *live, int64_t version)
{
    if (version == 0 || live->version == version)
        return live->version;
    return live->version == 0 ? version : -1;
}

/* Everything but writing. Without may_read ERR_BUSY tells that a worker has to do it. */
static err prepare(struct play *p, unsigned move, bool may_read)
{
    struct rps_points points;
    struct rps_live *live = p->live;
    uint64_t die = 0;
    rps_round_points(str_of(live->id), (int64_t)live->game.rounds + 1, &points);
    if (live->policy->bot != RPS_BOTS)
        rand_bytes(&die, sizeof die); /* nothing that a player could know */
    TRY(rps_choose_move(p->s, live, &points, die, may_read, &p->choice));
    p->after = live->game;
    TRY(rps_game_play(&p->after, move, p->choice.move, &points, &p->round));
    if (p->choice.version)
        rps_run_of(p->s, live->policy->family, p->choice.version, p->run_id);
    p->write = (struct rps_round_write){
        .s = p->s,
        .row = { .live = live,
                 .round = &p->round,
                 .after = &p->after,
                 .choice = &p->choice,
                 .version = version_after(live, p->choice.version),
                 .run_id = p->run_id,
                 .now_ms = clock_wall_ms() },
        .done = done,
    };
    return OK;
}

static err play_slow(struct http_request *rq, struct http_reply *rp);

static err play_next(struct http_request *rq, struct http_reply *rp, struct rps_live *live,
                     unsigned move, bool may_read)
{
    struct rps_state *s = rps_state(rq_house(rq));
    struct play *p = NEW(http_arena(rq), struct play);
    err e = p ? OK : ERR(ERR_NO_MEMORY, "no memory for a round");
    if (!e.code) {
        p->rq = rq;
        p->s = s;
        p->live = live;
        e = prepare(p, move, may_read);
    }
    if (e.code == ERR_BUSY && !may_read) {
        rps_live_give(s->live, live);
        http_on_worker(rq, play_slow);
        return OK;
    }
    if (!e.code) {
        rps_write_round(http_json(rp), &(struct rps_round_reply){ .live = live,
                                                                  .after = &p->after,
                                                                  .round = &p->round,
                                                                  .choice = &p->choice,
                                                                  .run_id = p->run_id });
        e = http_later(rq);
    }
    if (e.code) {
        rps_live_give(s->live, live);
        return e;
    }
    e = rps_round_write_later(s->round_writer, &p->write);
    if (e.code)
        done(&p->write, e);
    return OK;
}

err rps_play_now(struct rps_state *s, struct rps_live *live, unsigned move, struct json_out *w)
{
    struct play *p = calloc(1, sizeof *p);
    err e = p ? OK : ERR(ERR_NO_MEMORY, "no memory for a round");
    if (!e.code) {
        p->s = s;
        p->live = live;
        e = prepare(p, move, true);
    }
    if (!e.code)
        e = rps_round_write_now(&p->write);
    if (!e.code) {
        rps_write_round(w, &(struct rps_round_reply){ .live = live,
                                                      .after = &p->after,
                                                      .round = &p->round,
                                                      .choice = &p->choice,
                                                      .run_id = p->run_id });
        rps_count_round(s->counts, live, &p->choice, &p->round, &p->after);
        advance(p);
    }
    free(p);
    return e;
}

/* ------------------------------------------------------------------ again */

struct again {
    const struct rps_live *before;
    int64_t number;
    struct rps_choice choice;
};

static err read_again(struct store_read *rd, void *arg)
{
    struct again *a = arg;
    return rps_choice_read(rd, a->before, a->number, &a->choice);
}

/* The answer of a round that was played: from what is stored, and what follows from it. */
static err answer_again(struct http_request *rq, struct http_reply *rp, const struct rps_live *live,
                        const struct ask *ask)
{
    struct rps_state *s = rps_state(rq_house(rq));
    char run_id[HEX_ID_BYTES] = "";
    const struct rps_round *round = &live->rounds[ask->round - 1];
    if (round->user != ask->move)
        return ERR(ERR_CONFLICT, "Round %lld was played with %s", (long long)ask->round,
                   rps_move_name(round->user));
    struct rps_live *before = NEW(http_arena(rq), struct rps_live);
    struct again *a = NEW(http_arena(rq), struct again);
    struct rps_game after;
    struct rps_round same;
    ARENA_TRY(before);
    ARENA_TRY(a);
    *before = *live;
    before->game = (struct rps_game){ 0 };
    before->history = (struct rps_history){ 0 };
    for (int64_t i = 0; i < ask->round - 1; i++) {
        after = before->game;
        TRY(rps_game_play(&after, live->rounds[i].user, live->rounds[i].bot,
                          &live->rounds[i].points, &same));
        rps_live_advance(before, &after, &same);
    }
    *a = (struct again){ .before = before, .number = ask->round };
    TRY(store_read(house_store(s->house), read_again, a));
    after = before->game;
    TRY(rps_game_play(&after, round->user, round->bot, &round->points, &same));
    if (a->choice.version)
        rps_run_of(s, live->policy->family, a->choice.version, run_id);
    rps_write_round(http_json(rp), &(struct rps_round_reply){ .live = before,
                                                              .after = &after,
                                                              .round = &same,
                                                              .choice = &a->choice,
                                                              .run_id = run_id,
                                                              .is_replayed = true });
    return OK;
}

/* With the game taken; gives it back or hands it on. */
static err play_taken(struct http_request *rq, struct http_reply *rp, struct rps_live *live,
                      const struct ask *ask, bool may_read)
{
    struct rps_state *s = rps_state(rq_house(rq));
    int64_t due = (int64_t)live->game.rounds + 1;
    bool is_over = live->game.winner != RPS_NOBODY_YET;
    err e = OK;
    if (!is_over && (ask->round == 0 || ask->round == due))
        return play_next(rq, rp, live, ask->move, may_read);
    if (ask->round && ask->round < due)
        e = answer_again(rq, rp, live, ask);
    else if (is_over)
        e = ERR(ERR_CONFLICT, "The game is finished: start another one with /start_game");
    else
        e = ERR(ERR_CONFLICT, "Round %lld cannot be played: round %lld is due",
                (long long)ask->round, (long long)due);
    rps_live_give(s->live, live);
    return e;
}

/* ------------------------------------------------------------------ a game that is not in memory
 */

struct game_read {
    str id;
    struct rps_live *live;
};

static err read_game(struct store_read *rd, void *arg)
{
    struct game_read *r = arg;
    return rps_game_read(rd, r->id, r->live);
}

/* On a worker. */
static err play_slow(struct http_request *rq, struct http_reply *rp)
{
    struct rps_state *s = rps_state(rq_house(rq));
    struct ask ask;
    struct game_read read;
    struct rps_live *live = NULL;
    err e;
    if (!read_ask(rq, rp, &ask, &e))
        return e;
    enum rps_take how = rps_live_take(s->live, ask.game_id, &live);
    /* Rounds that are not in memory may have been played at another server: the rows tell. */
    if (how == RPS_TAKEN && live->game.winner == RPS_NOBODY_YET &&
        ask.round > (int64_t)live->game.rounds + 1) {
        rps_live_drop(s->live, live);
        how = RPS_NOT_HERE;
    }
    if (how == RPS_NOT_HERE) {
        read.id = ask.game_id;
        TRY(rps_live_new(&read.live));
        e = store_read(house_store(s->house), read_game, &read);
        if (e.code) {
            free(read.live);
            return e;
        }
        how = rps_live_add(s->live, read.live, &live);
    }
    if (how == RPS_TAKEN_BY_OTHERS)
        return ERR(ERR_CONFLICT, "%s", taken_by_others);
    if (how == RPS_NOT_HERE)
        return ERR(ERR_BUSY, "too many games are being played at this moment: try again");
    return play_taken(rq, rp, live, &ask, true);
}

err rps_play(struct http_request *rq, struct http_reply *rp)
{
    struct rps_state *s = rps_state(rq_house(rq));
    struct ask ask;
    struct rps_live *live = NULL;
    err e;
    if (!read_ask(rq, rp, &ask, &e))
        return e;
    enum rps_take how = rps_live_take(s->live, ask.game_id, &live);
    if (how == RPS_TAKEN_BY_OTHERS)
        return ERR(ERR_CONFLICT, "%s", taken_by_others);
    /* What reads the store must not do so here: a game from disk, a round once more or too early,
     * or a player who is not in memory. */
    bool is_due = how == RPS_TAKEN &&
                  (ask.round == 0 || ask.round == (int64_t)live->game.rounds + 1);
    if (is_due)
        return play_taken(rq, rp, live, &ask, false);
    if (how == RPS_TAKEN)
        rps_live_give(s->live, live);
    http_on_worker(rq, play_slow);
    return OK;
}

/* ------------------------------------------------------------------ points */

err rps_points_get(struct http_request *rq, struct http_reply *rp)
{
    struct house *h = rq_house(rq);
    struct rps_input in;
    struct rps_points points;
    str id = http_query(rq, "game_id");
    int64_t number = 1;
    rps_query_open(rq, &in);
    if (id.len == 0)
        rps_issue(&in, "query", "game_id", "missing", "Field required");
    if (in.count)
        return rps_refuse(&in, rp);
    struct game_read read = { .id = id, .live = NEW(http_arena(rq), struct rps_live) };
    ARENA_TRY(read.live);
    err e = store_read(house_store(h), read_game, &read);
    if (!e.code)
        number = (int64_t)read.live->game.rounds + 1;
    else if (e.code != ERR_NOT_FOUND && e.code != ERR_CONFLICT)
        return e;
    rps_round_points(id, number, &points);
    struct json_out *w = http_json(rp);
    json_object_begin(w);
    json_kv_int(w, "round_no", number);
    rps_write_moves(w, "round_points", points.of);
    json_object_end(w);
    return OK;
}
