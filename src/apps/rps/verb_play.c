/* SPDX-License-Identifier: GPL-3.0-or-later */
/* verb_play.c -- skerry rps play: a game in the terminal. With a server running it is played there,
 * over its API; else here, into the same tables. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/rps/game_store.h"
#include "platform/app/server_client.h"

enum { ANSWER_BYTES_MAX = 64 * 1024, KEEP_BYTES_MAX = 1 << 20, LINE_BYTES = 64, BAR = 20 };

/* A game, wherever it is played. */
struct seat {
    struct house *house;
    bool is_remote, is_json, is_bright;
    struct server_address server;
    struct rps_live live; /* when it is played here */
    char id[RPS_ID_BYTES_MAX + 1];
    int64_t round;
    double user_score, bot_score;
};

/* ------------------------------------------------------------------ the game */

static err start_remote(struct seat *seat, const struct rps_policy *policy, str name, arena *keep)
{
    struct buf body;
    struct json_out w;
    str answer = STR_NONE;
    const struct json *root = NULL;
    buf_init(&body, 4096);
    json_out_init(&w, &body);
    json_object_begin(&w);
    json_kv_cstr(&w, "policy", policy->name);
    json_kv_str(&w, "player_name", name);
    json_object_end(&w);
    err e = server_post(&seat->server, "/v1/rps/start_game", buf_str(&body), keep, &answer);
    buf_deinit(&body);
    if (!e.code)
        e = json_parse(keep, answer, &root);
    str id = json_str(json_get(root, "game_id"), STR_NONE);
    if (!e.code && (id.len == 0 || id.len > RPS_ID_BYTES_MAX))
        e = ERR(ERR_UPSTREAM, "the server started a game without an id");
    if (!e.code)
        memcpy(seat->id, id.ptr, id.len);
    return e;
}

static err start(struct seat *seat, const struct rps_policy *policy, str name, arena *keep)
{
    seat->is_remote = server_find(house_home(seat->house), &seat->server);
    if (seat->is_remote)
        return start_remote(seat, policy, name, keep);
    TRY(serving_follow(house_serving(seat->house)));
    TRY(rps_start_now(rps_state(seat->house), policy, name, &seat->live));
    memcpy(seat->id, seat->live.id, sizeof seat->id);
    return OK;
}

static err play_remote(struct seat *seat, unsigned move, arena *keep, str *ret_answer)
{
    str body = arena_fmt(keep, "{\"game_id\":\"%s\",\"user_move\":\"%s\",\"round\":%lld}", seat->id,
                         rps_move_name(move), (long long)seat->round + 1);
    ARENA_TRY(body.ptr);
    return server_post(&seat->server, "/v1/rps/play", body, keep, ret_answer);
}

static err play_here(struct seat *seat, unsigned move, arena *keep, str *ret_answer)
{
    struct buf answer;
    struct json_out w;
    buf_init(&answer, ANSWER_BYTES_MAX);
    json_out_init(&w, &answer);
    err e = rps_play_now(rps_state(seat->house), &seat->live, move, &w);
    if (!e.code)
        e = buf_check(&answer);
    if (!e.code) {
        *ret_answer = arena_str(keep, buf_str(&answer));
        e = arena_check(keep);
    }
    buf_deinit(&answer);
    return e;
}

/* ------------------------------------------------------------------ what is shown */

static void show_score(const struct seat *seat, const char *who, double score)
{
    int full = (int)(score * BAR / RPS_TARGET);
    printf("%-4s %4.1f ", who, score);
    for (int i = 0; i < BAR; i++)
        fputs(i < full ? (seat->is_bright ? "\u2588" : "#") : (seat->is_bright ? "\u2591" : "."),
              stdout);
}

static void show_round(const struct seat *seat)
{
    struct rps_points points;
    rps_round_points(str_of(seat->id), seat->round + 1, &points);
    printf("\nRound %-3lld ", (long long)seat->round + 1);
    show_score(seat, "you", seat->user_score);
    fputs("   ", stdout);
    show_score(seat, "bot", seat->bot_score);
    printf("\n  rock %.1f   paper %.1f   scissors %.1f\n", points.of[RPS_ROCK],
           points.of[RPS_PAPER], points.of[RPS_SCISSORS]);
}

static void show_expectation(const struct json *debug)
{
    const struct json *p = json_get(debug, "probabilities");
    const struct json *info = json_get(debug, "model_info");
    str source = json_str(json_get(debug, "probability_source"), STR_NONE);
    if (!str_eq(source, STR("mlflow"))) {
        bool is_gambit = str_eq(source, STR("gambit"));
        printf("  it %s\n", is_gambit ? "opens with a gambit"
                            : str_eq(source, STR("heuristic"))
                                ? "follows its rule"
                                : "has no model, and took the best by points");
        return;
    }
    printf(
        "  it expected rock %.0f %%, paper %.0f %%, scissors %.0f %%  (%.*s@%.*s, version %.*s)\n",
        100 * json_num(json_get(p, "rock"), 0), 100 * json_num(json_get(p, "paper"), 0),
        100 * json_num(json_get(p, "scissors"), 0),
        STR_ARG(json_str(json_get(info, "model_type"), STR_NONE)),
        STR_ARG(json_str(json_get(info, "model_alias"), STR_NONE)),
        STR_ARG(json_str(json_get(info, "model_version"), STR_NONE)));
}

/* Takes over the scores; true while the game goes on. */
static bool take_answer(struct seat *seat, str text, const struct json *root)
{
    seat->round = json_int(json_get(root, "round"), seat->round + 1);
    seat->user_score = json_num(json_get(root, "user_score"), 0);
    seat->bot_score = json_num(json_get(root, "bot_score"), 0);
    if (seat->is_json) {
        printf("%.*s\n", STR_ARG(text));
    } else {
        printf("  %.*s\n", STR_ARG(json_str(json_get(root, "message"), STR_NONE)));
        show_expectation(json_get(root, "debug"));
    }
    return !json_bool(json_get(root, "finished"), false);
}

/* ------------------------------------------------------------------ the verb */

enum wish { WISH_MOVE, WISH_QUIT };

/* Asks until it is a move, or the end. */
static enum wish read_move(const struct seat *seat, unsigned *ret_move)
{
    char line[LINE_BYTES];
    for (;;) {
        if (!seat->is_json) {
            fputs("your move (r, p, s; q ends)> ", stdout);
            fflush(stdout);
        }
        if (!fgets(line, sizeof line, stdin))
            return WISH_QUIT;
        str word = str_trim(str_of(line));
        if (str_eq_nocase(word, STR("q")) || str_eq_nocase(word, STR("quit")))
            return WISH_QUIT;
        *ret_move = word.len == 1 ? rps_move_of_letter(word.ptr[0]) : rps_move_find(word);
        if (*ret_move != RPS_NO_MOVE)
            return WISH_MOVE;
        if (!seat->is_json)
            puts("  that is no move");
    }
}

static err play_on(struct seat *seat)
{
    bool goes_on = true;
    while (goes_on) {
        unsigned move;
        arena keep;
        str answer = STR_NONE;
        const struct json *root = NULL;
        if (!seat->is_json)
            show_round(seat);
        if (read_move(seat, &move) == WISH_QUIT) {
            if (!seat->is_json)
                puts("\nThe game stays where it is.");
            return OK;
        }
        arena_init(&keep, KEEP_BYTES_MAX);
        err e = seat->is_remote ? play_remote(seat, move, &keep, &answer)
                                : play_here(seat, move, &keep, &answer);
        if (!e.code)
            e = json_parse(&keep, answer, &root);
        if (!e.code)
            goes_on = take_answer(seat, answer, root);
        arena_deinit(&keep);
        TRY(e);
    }
    if (!seat->is_json)
        printf("\n%.1f to %.1f after %lld rounds.\n", seat->user_score, seat->bot_score,
               (long long)seat->round);
    return OK;
}

static err read_options(const struct verb_args *args, const struct rps_policy **policy, str *name)
{
    for (int i = 0; i < args->count; i += 2) {
        const char *option = args->values[i];
        bool is_retired;
        if (i + 1 == args->count)
            return ERR(ERR_INVALID, "%s needs a value", option);
        if (strcmp(option, "--policy") == 0)
            *policy = rps_policy_find(str_of(args->values[i + 1]), &is_retired);
        else if (strcmp(option, "--name") == 0)
            *name = str_of(args->values[i + 1]);
        else
            return ERR(ERR_INVALID, "'%s' is not an option here; see: skerry help rps play",
                       option);
        if (!*policy)
            return ERR(ERR_INVALID,
                       "there is no policy '%s'; there are brian, forrest and logan, and the bots "
                       "ace, bob, cal, dan, edd, fox, gus and hal",
                       args->values[i + 1]);
    }
    if (name->len == 0 || name->len > RPS_NAME_BYTES_MAX || str_utf8_valid_len(*name) != name->len)
        return ERR(ERR_INVALID, "--name must have 1 to %d bytes of UTF-8", RPS_NAME_BYTES_MAX);
    return OK;
}

err rps_verb_play(struct house *h, const struct verb_args *args)
{
    const struct rps_policy *policy = rps_policy_at(RPS_LOGISTIC);
    str name = setting_str(h, "SKERRY_USER");
    arena keep;
    TRY(read_options(args, &policy, &name));
    struct seat seat = { .house = h, .is_json = args->json, .is_bright = isatty(1) };
    arena_init(&keep, KEEP_BYTES_MAX);
    err e = start(&seat, policy, name, &keep);
    arena_deinit(&keep);
    TRY(e);
    if (!seat.is_json)
        printf("You play %s. Rock beats scissors, scissors beats paper, paper beats rock; a move "
               "that wins\nscores its points, a draw half a point for both. First to 10 wins.\n",
               policy->name);
    return play_on(&seat);
}
