/* SPDX-License-Identifier: GPL-3.0-or-later */
/* train_people.c -- logs of people playing (engine/rps/people.h) as games of real players.
 *
 * A game's id is a hash of who played it, of its place among that person's games and of its id in
 * the file, so that the same file, and one that has grown, adds only what is new. Nobody saw points
 * in these games: every move counts 1. A batch of games is a transaction; a job that is cut short
 * finds the games that are there and goes on.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/rps/train.h"
#include "base/clock.h"
#include "base/hash.h"
#include "engine/rps/people.h"

enum {
    ARENA_BYTES = 1 << 30,
    KEY_HEX = 40,
    BATCH_ROUNDS = 2000,
    NAME_BYTES = 100,
    VERB_ARENA_BYTES = 4 * 1024 * 1024,
    BODY_BYTES_MAX = 64 << 20,
};

struct import {
    struct run *run;
    struct rps_people people;
    char origin[NAME_BYTES + 8]; /* "people:brockbank_v1.csv.zst" */
    int64_t now_ms;
    size_t next_game;      /* first of the batch */
    size_t end_game;       /* behind its last; set by the batch */
    int64_t games, rounds; /* that were new, of what is committed */
    int64_t batch_games, batch_rounds;
};

/* ------------------------------------------------------------------ one game */

static const struct rps_person *person_of(const struct import *im, size_t game)
{
    return &im->people.people[im->people.games[game].person];
}

static void add_part(struct sha256 *h, str part)
{
    sha256_add(h, part.ptr, part.len);
    sha256_add(h, "", 1);
}

static void key_of(const struct import *im, size_t game, char out[KEY_HEX + 1])
{
    const struct rps_person *person = person_of(im, game);
    const struct rps_people_game *g = &im->people.games[game];
    char place[32], hex[SHA256_HEX_BYTES];
    struct sha256 h;
    int len = snprintf(place, sizeof place, "%zu", game - person->first_game);
    sha256_begin(&h);
    add_part(&h, person->id);
    add_part(&h, person->group);
    add_part(&h, str_of(rps_against_name(person->against)));
    add_part(&h, str_from(place, (size_t)len));
    add_part(&h, g->id);
    add_part(&h, g->opponent);
    sha256_end_hex(&h, hex);
    memcpy(out, hex, KEY_HEX);
    out[KEY_HEX] = '\0';
}

static void play(const struct rps_pair *pair, int64_t number, double scores[2],
                 struct rps_round *ret)
{
    enum rps_outcome outcome = rps_outcome(pair->user, pair->bot);
    *ret = (struct rps_round){ .user = pair->user,
                               .bot = pair->bot,
                               .outcome = (uint8_t)outcome,
                               .number = number,
                               .points = { { 1, 1, 1 } },
                               .user_delta = outcome == RPS_WIN    ? 1
                                             : outcome == RPS_DRAW ? 0.5
                                                                   : 0,
                               .bot_delta = outcome == RPS_LOSE   ? 1
                                            : outcome == RPS_DRAW ? 0.5
                                                                  : 0 };
    ret->user_score = scores[0] += ret->user_delta;
    ret->bot_score = scores[1] += ret->bot_delta;
}

/* 0: it is there already. */
static err insert_game(struct store_tx *tx, const struct import *im, size_t game,
                       const double scores[2], int64_t *ret_number)
{
    const struct rps_people_game *g = &im->people.games[game];
    const struct rps_person *person = person_of(im, game);
    int64_t at_ms = g->started_ms > 0 ? g->started_ms : 0;
    int winner = scores[0] > scores[1]   ? RPS_USER_WINS
                 : scores[0] < scores[1] ? RPS_BOT_WINS
                                         : RPS_TIE;
    struct store_rows *rows;
    char key[KEY_HEX + 1];
    key_of(im, game, key);
    *ret_number = 0;
    TRY(store_query(
        store_tx_read(tx),
        "INSERT INTO rps_games (key, session_id, player_name, policy, model_type, alias, "
        "model_version, model_run_id, opening_name, opening_seq, easy_mode, is_test, origin, "
        "user_score, bot_score, rounds, winner, created_ms, finished_ms) VALUES (?1, ?2, ?3, ?4, "
        "'', '', 0, '', '', '', 0, 0, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT (key) DO NOTHING "
        "RETURNING id",
        ARGS(sql_cstr(key), sql_text(person->group), sql_text(person->id),
             sql_cstr(rps_against_name(person->against)), sql_cstr(im->origin), sql_real(scores[0]),
             sql_real(scores[1]), sql_int(g->count), sql_int(winner), sql_int(at_ms),
             sql_int(at_ms ? at_ms : im->now_ms)),
        &rows));
    if (store_next(rows))
        *ret_number = store_col_int(rows, 0);
    return store_rows_close(rows);
}

static err insert_round(struct store_tx *tx, int64_t game, const struct rps_round *r, int64_t at_ms)
{
    return store_exec(
        tx,
        "INSERT INTO rps_rounds (game_id, step_no, user_move, bot_move, result, user_delta, "
        "bot_delta, user_score, bot_score, rock_pts, paper_pts, scissors_pts, source, "
        "model_version, probabilities, created_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
        "1.0, 1.0, 1.0, ?10, 0, ?11, ?12)",
        ARGS(sql_int(game), sql_int(r->number), sql_int(r->user), sql_int(r->bot),
             sql_int(r->outcome), sql_real(r->user_delta), sql_real(r->bot_delta),
             sql_real(r->user_score), sql_real(r->bot_score), sql_int(RPS_SOURCE_IMPORTED),
             sql_blob(STR("")), sql_int(at_ms)),
        NULL);
}

static err add_game(struct store_tx *tx, struct import *im, size_t game)
{
    const struct rps_people_game *g = &im->people.games[game];
    const struct rps_pair *pairs = im->people.rounds + g->first;
    double total[2] = { 0 }, scores[2] = { 0 };
    struct rps_round round;
    int64_t number;
    for (size_t i = 0; i < g->count; i++)
        play(&pairs[i], (int64_t)i + 1, total, &round);
    TRY(insert_game(tx, im, game, total, &number));
    if (!number)
        return OK;
    im->batch_games++;
    im->batch_rounds += g->count;
    for (size_t i = 0; i < g->count; i++) {
        play(&pairs[i], (int64_t)i + 1, scores, &round);
        TRY(insert_round(tx, number, &round, im->now_ms));
    }
    return OK;
}

/* ------------------------------------------------------------------ a file */

static err add_batch(struct store_tx *tx, void *arg)
{
    struct import *im = arg;
    size_t rounds = 0;
    im->batch_games = im->batch_rounds = 0;
    im->end_game = im->next_game;
    while (im->end_game < im->people.game_count && rounds < BATCH_ROUNDS) {
        rounds += im->people.games[im->end_game].count;
        TRY(add_game(tx, im, im->end_game++));
    }
    return OK;
}

static err check_games(const struct import *im)
{
    for (size_t i = 0; i < im->people.game_count; i++) {
        const struct rps_people_game *g = &im->people.games[i];
        if (g->count > RPS_IMPORTED_ROUNDS_MAX)
            return ERR(ERR_TOO_BIG, "game '%.*s' has %u rounds; %d are allowed",
                       STR_ARG(str_sub(g->id, 0, 60)), g->count, RPS_IMPORTED_ROUNDS_MAX);
    }
    return OK;
}

static err add_all(struct import *im)
{
    TRY(check_games(im));
    while (im->next_game < im->people.game_count) {
        TRY(run_check(im->run));
        TRY(job_write(run_job(im->run), run_store(im->run), add_batch, im));
        im->next_game = im->end_game;
        im->games += im->batch_games;
        im->rounds += im->batch_rounds;
        run_progress(im->run, (int64_t)im->next_game, (int64_t)im->people.game_count);
    }
    return OK;
}

static err tell(struct import *im)
{
    struct buf text;
    struct json_out w;
    buf_init(&text, 16 * 1024);
    json_out_init(&w, &text);
    json_object_begin(&w);
    json_kv_cstr(&w, "origin", im->origin);
    json_kv_int(&w, "people", (int64_t)im->people.person_count);
    json_kv_int(&w, "games", (int64_t)im->people.game_count);
    json_kv_int(&w, "newGames", im->games);
    json_kv_int(&w, "newRounds", im->rounds);
    json_kv_int(&w, "skippedRounds", (int64_t)im->people.skipped);
    json_object_end(&w);
    err e = buf_check(&text);
    if (!e.code)
        e = run_artifact(im->run, "report.json", buf_str(&text));
    if (!e.code)
        e = run_result(im->run, buf_str(&text));
    buf_deinit(&text);
    RUN_LOG(im->run, LOG_INFO, "rps.import_completed", NULL, F_CSTR("origin", im->origin),
            F_INT("games", im->games), F_INT("rounds", im->rounds));
    return e;
}

static err read_people(struct import *im, const struct json *payload, arena *keep)
{
    str path = STR_NONE, blob = STR_NONE, name = STR("upload"), bytes;
    struct blob_id id;
    TRY(json_opt_str(payload, "path", &path));
    TRY(json_opt_str(payload, "blob", &blob));
    TRY(json_opt_str(payload, "name", &name));
    snprintf(im->origin, sizeof im->origin, "people:%.*s", STR_ARG(str_sub(name, 0, NAME_BYTES)));
    TRY(run_param(im->run, "origin", str_of(im->origin)));
    if (path.len) {
        const char *file = arena_cstr(keep, path);
        ARENA_TRY(file);
        return rps_people_load(keep, file, &im->people);
    }
    TRY(blob_id_parse(blob, &id));
    TRY(blob_get(run_blobs(im->run), &id, keep, BODY_BYTES_MAX, &bytes));
    return rps_people_read(keep, bytes, &im->people);
}

err rps_import_run(struct run *run, const struct json *payload)
{
    struct import im = { .run = run, .now_ms = clock_wall_ms() };
    arena keep;
    arena_init(&keep, ARENA_BYTES);
    struct blob_id id;
    err e = read_people(&im, payload, &keep);
    if (!e.code)
        e = add_all(&im);
    if (!e.code)
        e = tell(&im);
    if (!e.code && !blob_id_parse(json_str(json_get(payload, "blob"), STR_NONE), &id).code)
        blob_unpin(run_blobs(run), &id); /* nobody needs the bytes any more */
    arena_deinit(&keep);
    return e;
}

/* ------------------------------------------------------------------ asking for it */

static err write_payload(const char *key, str value, str name, struct buf *out)
{
    struct json_out w;
    json_out_init(&w, out);
    json_object_begin(&w);
    json_kv_str(&w, key, value);
    json_kv_str(&w, "name", name);
    json_object_end(&w);
    return buf_check(out);
}

/* The bytes are a blob until the job has read them. It is read here already, so that a file that is
 * none is refused at once. */
err rps_import_start(struct http_request *rq, struct http_reply *rp)
{
    struct house *h = rq_house(rq);
    struct rps_people people;
    struct blob_info blob;
    struct buf payload;
    str name = http_query(rq, "name");
    arena keep;
    arena_init(&keep, ARENA_BYTES);
    err e = rps_people_read(&keep, http_body(rq), &people);
    arena_deinit(&keep);
    TRY(e);
    TRY(blob_put(house_blobs(h), http_body(rq), &blob)); /* pinned; the job unpins it, and
                                                               until then names it */
    buf_init(&payload, JOB_PAYLOAD_MAX);
    e = write_payload("blob", str_of(blob.id.hex), name.len ? name : STR("upload"), &payload);
    struct job_spec job = { .kind = "rps.import",
                            .payload = buf_str(&payload),
                            .key = str_of(blob.id.hex) };
    if (!e.code)
        e = app_start_job(rq, rp, &job, 202, "/v1/runs/");
    buf_deinit(&payload);
    return e;
}

static err import_one(struct house *h, const char *file, bool json)
{
    char path[PATH_MAX];
    struct buf payload;
    struct job_info info;
    arena keep;
    if (!realpath(file, path))
        return ERR_SYS("importing '%s'", file);
    const char *slash = strrchr(path, '/');
    arena_init(&keep, VERB_ARENA_BYTES);
    buf_init(&payload, JOB_PAYLOAD_MAX);
    err e = write_payload("path", str_of(path), str_of(slash ? slash + 1 : path), &payload);
    struct job_spec job = { .kind = "rps.import", .payload = buf_str(&payload), .is_here = true };
    if (!e.code)
        e = app_run_job(h, &job, json, &keep, &info);
    buf_deinit(&payload);
    arena_deinit(&keep);
    return e;
}

err rps_verb_import(struct house *h, const struct verb_args *args)
{
    if (args->count == 0)
        return ERR(ERR_INVALID, "name the logs to import: skerry rps import FILE...");
    for (int i = 0; i < args->count; i++)
        TRY(import_one(h, args->values[i], args->json));
    return OK;
}
