/* SPDX-License-Identifier: GPL-3.0-or-later */
/* uci.c -- `skerry uci`: the served model for any chess program that speaks UCI.
 *
 * The model does not search: `go` answers at once with the move a human would play, so clocks and
 * depth are accepted and have no effect. Options say whom it imitates and how freely it chooses.
 * Protocol: "Universal Chess Interface" (Huber and Meyer-Kahlen, 2006). What is not understood is
 * ignored, as the protocol asks.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/chess/chess_app.h"
#include "apps/chess/uci_reply.h"
#include "base/clock.h"

enum { LINE_BYTES_MAX = 64 * 1024, MULTI_MAX = 20 };

struct uci {
    struct served_model *model;
    struct chess_position position;
    struct chess_conditions conditions;
    double temperature;
    int64_t top_k, multi;
    struct rng rng;
    bool is_960;
};

static void say_hello(const struct uci *u)
{
    printf("id name Skerry %s@%s\nid author the Skerry engineers\n", u->model->name,
           u->model->version);
    printf("option name Rating type spin default %d min 0 max 4000\n", u->conditions.rating_self);
    printf("option name OpponentRating type spin default %d min 0 max 4000\n",
           u->conditions.rating_opponent);
    printf("option name Temperature type spin default %d min 0 max 1000\n",
           (int)(u->temperature * 100));
    printf("option name TopK type spin default %d min 0 max 256\n", (int)u->top_k);
    printf("option name MultiPV type spin default 1 min 1 max %d\n", MULTI_MAX);
    printf("option name UCI_Chess960 type check default false\n");
    printf("uciok\n");
}

/* setoption name X value Y */
static void set_option(struct uci *u, str rest)
{
    uci_word(&rest); /* "name" */
    str name = uci_word(&rest);
    uci_word(&rest); /* "value" */
    str value = str_trim(rest);
    int64_t number = 0;
    err e = str_to_i64(value, &number);
    bool is_number = !e.code && number >= 0;
    if (str_eq_nocase(name, STR("UCI_Chess960")))
        u->is_960 = str_eq_nocase(value, STR("true"));
    else if (is_number && number <= 4000 && str_eq_nocase(name, STR("Rating")))
        u->conditions.rating_self = (uint16_t)number;
    else if (is_number && number <= 4000 && str_eq_nocase(name, STR("OpponentRating")))
        u->conditions.rating_opponent = (uint16_t)number;
    else if (is_number && number <= 1000 && str_eq_nocase(name, STR("Temperature")))
        u->temperature = (double)number / 100;
    else if (is_number && number <= CHESS_MOVES_MAX && str_eq_nocase(name, STR("TopK")))
        u->top_k = number;
    else if (is_number && number >= 1 && number <= MULTI_MAX && str_eq_nocase(name, STR("MultiPV")))
        u->multi = number;
    else
        printf("info string option %.*s=%.*s is not known or out of range\n", STR_ARG(name),
               STR_ARG(value));
}

/* position [startpos | fen F] [moves m...]: a position with an illegal move is not taken over. */
static void set_position(struct uci *u, str rest)
{
    struct chess_position p;
    str kind = uci_word(&rest);
    ptrdiff_t moves_at = str_find(rest, STR("moves"));
    str fen = str_trim(moves_at >= 0 ? str_sub(rest, 0, (size_t)moves_at) : rest);
    str moves = moves_at >= 0 ? str_sub(rest, (size_t)moves_at + 5, rest.len) : STR_NONE;
    err e = OK;
    if (str_eq(kind, STR("startpos")))
        chess_position_start(&p);
    else
        e = chess_fen_parse(fen, &p);
    if (!e.code && u->is_960)
        p.is_960 = 1;
    for (str word = uci_word(&moves); !e.code && word.len; word = uci_word(&moves)) {
        chess_move m = CHESS_MOVE_NONE;
        e = chess_uci_parse(&p, word, &m);
        if (!e.code)
            chess_move_make(&p, m);
    }
    if (e.code)
        printf("info string %s\n", e.msg);
    else
        u->position = p;
}

/* The value as centipawns: the inverse of the winning-chances curve of lichess.org/page/accuracy.
 */
static int centipawns(const struct chess_prediction *pred)
{
    double share = pred->win + pred->draw / 2;
    share = share < 0.001 ? 0.001 : share > 0.999 ? 0.999 : share;
    return (int)(log(share / (1 - share)) / 0.00368208);
}

static void show_lines(const struct uci *u, const struct chess_prediction *pred)
{
    bool shown[CHESS_MOVES_MAX] = { false };
    for (int line = 1; line <= u->multi && line <= pred->move_count; line++) {
        int best = -1;
        for (int i = 0; i < pred->move_count; i++)
            if (!shown[i] && (best < 0 || pred->probability[i] > pred->probability[best]))
                best = i;
        char uci[CHESS_UCI_BYTES];
        shown[best] = true;
        chess_uci_write(&u->position, pred->moves[best], uci);
        printf("info depth 1 multipv %d score cp %d nodes 1 pv %s\n", line, centipawns(pred), uci);
        printf("info string %s %.1f %%\n", uci, (double)pred->probability[best] * 100);
    }
}

static void go(struct uci *u)
{
    struct chess_prediction pred;
    chess_net_predict(u->model->net, &u->position, &u->conditions, &pred);
    if (pred.move_count == 0) {
        printf("bestmove (none)\n");
        return;
    }
    char uci[CHESS_UCI_BYTES];
    show_lines(u, &pred);
    chess_uci_write(&u->position,
                    chess_prediction_pick(&pred, u->temperature, (int)u->top_k, &u->rng), uci);
    printf("bestmove %s\n", uci);
}

/* False when the program is to end. */
static bool obey(struct uci *u, str line)
{
    str command = uci_word(&line);
    if (str_eq(command, STR("quit")))
        return false;
    if (str_eq(command, STR("uci")))
        say_hello(u);
    else if (str_eq(command, STR("isready")))
        printf("readyok\n");
    else if (str_eq(command, STR("ucinewgame")))
        chess_position_start(&u->position);
    else if (str_eq(command, STR("setoption")))
        set_option(u, line);
    else if (str_eq(command, STR("position")))
        set_position(u, line);
    else if (str_eq(command, STR("go")))
        go(u);
    fflush(stdout);
    return true;
}

static err talk(struct uci *u)
{
    char *line = malloc(LINE_BYTES_MAX);
    if (!line)
        return ERR(ERR_NO_MEMORY, "no memory for a line of UCI");
    bool cut = false; /* inside a line that is too long: its rest is not a command */
    while (fgets(line, LINE_BYTES_MAX, stdin)) {
        str text = str_of(line);
        bool whole = str_ends(text, STR("\n"));
        if (!cut && (whole || feof(stdin)) && !obey(u, str_trim(text)))
            break;
        if (!cut && !whole && !feof(stdin))
            printf("info string a line of more than %d bytes is ignored\n", LINE_BYTES_MAX - 2);
        cut = !whole;
    }
    free(line);
    return OK;
}

err verb_uci(struct house *h, const struct verb_args *args)
{
    struct uci u = {
        .conditions = { .rating_self = 1500, .rating_opponent = 1500, .speed = CHESS_RAPID },
        .multi = 1
    };
    str version = args->count ? str_of(args->values[0]) : STR_NONE;
    str name = str_split(&version, '@');
    rng_init(&u.rng, (uint64_t)clock_mono_ns());
    chess_position_start(&u.position);
    TRY(model_acquire(h, name, version, &u.model));
    err e = talk(&u);
    model_release(u.model);
    return e;
}
