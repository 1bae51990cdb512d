/* SPDX-License-Identifier: GPL-3.0-or-later */
/* train_bench.c -- how fast the network trains, and how well it then predicts games it has not
 * seen.
 *
 * usage: train_bench GAMES.pgn[.zst] [MINUTES]      TRAIN_MINUTES in the environment does the same
 *
 * Games are split by a hash of their number: 10 % are held out, and every position of those is
 * judged. Training runs for MINUTES (5) of wall time on all cores. No peer of the same kind is
 * packaged in Debian, so the lines have none. Progress goes to standard error.
 *
 * Positions are kept as moves, with a full position every eighth, so that five million fit in 150
 * MB and any one is found by making three or four moves.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "engine/chess/net.h"
#include "engine/chess/pgn.h"
#include "engine/learn/metrics.h"
#include "engine/learn/split.h"

enum { STRIDE = 8, ROWS_MAX = 64 << 20 };

struct game {
    struct chess_position start;
    struct chess_conditions white; /* as white sees them */
    uint8_t result;
    size_t first; /* row */
};

struct part {
    struct game *games;
    chess_move *moves;
    uint32_t *game_of;
    struct chess_position *every_eighth;
    size_t game_count, game_room, count, room;
};

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "train_bench: %s\n", what);
    exit(1);
}

static void need(err e)
{
    if (e.code)
        die(e.msg);
}

static void *grow(void *old, size_t count, size_t size)
{
    void *p = reallocarray(old, count, size);
    if (!p)
        die("out of memory");
    return p;
}

static void make_room(struct part *part, size_t rows)
{
    if (part->game_count == part->game_room) {
        part->game_room = part->game_room ? part->game_room * 2 : 1024;
        part->games = grow(part->games, part->game_room, sizeof *part->games);
    }
    if (part->count + rows <= part->room)
        return;
    part->room = (part->room + rows) * 2;
    if (part->room > ROWS_MAX)
        die("more positions than this program holds");
    part->moves = grow(part->moves, part->room, sizeof *part->moves);
    part->game_of = grow(part->game_of, part->room, sizeof *part->game_of);
    part->every_eighth = grow(part->every_eighth, part->room / STRIDE + 1,
                              sizeof *part->every_eighth);
}

static uint16_t rating_of(const struct pgn_game *g, const char *tag)
{
    int64_t rating;
    err e = str_to_i64(pgn_game_tag(g, tag), &rating);
    return e.code || rating < 0 || rating > 4000 ? 0 : (uint16_t)rating;
}

static void add_game(struct part *part, const struct pgn_game *g)
{
    struct chess_position p = g->start;
    make_room(part, g->ply_count);
    part->games[part->game_count] = (struct game){
        .start = p,
        .result = (uint8_t)g->result,
        .first = part->count,
        .white = { .rating_self = rating_of(g, "WhiteElo"),
                   .rating_opponent = rating_of(g, "BlackElo") },
    };
    for (size_t ply = 0; ply < g->ply_count; ply++) {
        if (part->count % STRIDE == 0)
            part->every_eighth[part->count / STRIDE] = p;
        part->game_of[part->count] = (uint32_t)part->game_count;
        part->moves[part->count++] = g->moves[ply];
        chess_move_make(&p, g->moves[ply]);
    }
    part->game_count++;
}

static void get(void *arg, size_t index, struct chess_sample *ret_sample)
{
    const struct part *part = arg;
    struct chess_position p = part->every_eighth[index / STRIDE];
    for (size_t row = index / STRIDE * STRIDE; row < index; row++) {
        if (part->game_of[row + 1] != part->game_of[row])
            p = part->games[part->game_of[row + 1]].start;
        else
            chess_move_make(&p, part->moves[row]);
    }
    const struct game *g = &part->games[part->game_of[index]];
    bool black = p.turn == CHESS_BLACK;
    int white_outcome = g->result == CHESS_WHITE_WIN   ? 1
                        : g->result == CHESS_BLACK_WIN ? -1
                        : g->result == CHESS_DRAW      ? 0
                                                       : 2;
    *ret_sample = (struct chess_sample){
        .position = p,
        .move = part->moves[index],
        .game = part->game_of[index],
        .ply = (uint16_t)(index - g->first),
        .outcome = (int8_t)(black && white_outcome != 2 ? -white_outcome : white_outcome),
        .conditions = { .rating_self = black ? g->white.rating_opponent : g->white.rating_self,
                        .rating_opponent = black ? g->white.rating_self
                                                 : g->white.rating_opponent },
    };
}

static void read_games(const char *path, struct part *train, struct part *held_out)
{
    const struct pgn_options options = { .moves_only = true };
    const struct learn_shares shares = { .test = 0.1 };
    const struct pgn_game *game = NULL;
    struct pgn_source *source = NULL;
    struct pgn_reader *reader = NULL;
    uint64_t number = 0;

    need(pgn_source_open(path, &source));
    need(pgn_reader_open(source, &options, &reader));
    for (;;) {
        need(pgn_next(reader, &game));
        if (!game)
            break;
        add_game(learn_split_group(1, number++, &shares) == LEARN_TEST ? held_out : train, game);
    }
    pgn_reader_close(reader);
    pgn_source_close(source);
    if (train->count == 0 || held_out->count == 0)
        die("too few games to train on and to hold some out");
}

struct shown {
    int64_t at_ns;
    int64_t steps;
};

static err progress(void *arg, const struct chess_train_report *r)
{
    struct shown *shown = arg;
    int64_t now = clock_mono_ns();
    shown->steps = r->step;
    if (now - shown->at_ns < 10000000000 && r->progress < 1)
        return OK;
    shown->at_ns = now;
    (void)fprintf(stderr, "  %3.0f %%  step %lld  %.0f positions/s  loss %.3f  top-1 %.1f %%\n",
                  100 * r->progress, (long long)r->step, r->samples_per_s, r->policy_loss,
                  100 * r->top1);
    return OK;
}

static void print_line(const char *bench, double ours, const char *unit)
{
    (void)printf("{\"bench\": \"%s\", \"ours\": %.6g, \"peer\": null, \"theirs\": null, \"unit\": "
                 "\"%s\", \"ratio\": null}\n",
                 bench, ours, unit);
    (void)fflush(stdout);
}

static void judge(const struct chess_net *net, const struct chess_sample_source *held_out,
                  struct pool *pool, const char *name)
{
    struct chess_score score;
    need(chess_net_score(net, held_out, NULL, NULL, pool, &score));
    struct learn_interval interval = learn_wilson(
        (uint64_t)(score.top1 * (double)score.positions + 0.5), score.positions, LEARN_Z95);
    (void)fprintf(stderr,
                  "%s: %zu held-out positions, top-1 %.2f %% [%.2f, %.2f], top-3 %.2f, log loss "
                  "%.4f, ECE %.4f, "
                  "value %.4f against %.4f for the constant\n",
                  name, score.positions, 100 * score.top1, 100 * interval.low, 100 * interval.high,
                  100 * score.top3, score.log_loss, score.ece, score.value_log_loss,
                  score.value_baseline_log_loss);
    print_line(name, 100 * score.top1, "%");
}

int main(int argc, char **argv)
{
    static struct part train, held_out;
    const char *minutes_text = argc > 2 ? argv[2] : getenv("TRAIN_MINUTES");
    double minutes = 5;
    if (argc < 2)
        die("usage: train_bench GAMES.pgn[.zst] [MINUTES]");
    if (minutes_text)
        need(str_to_f64(str_of(minutes_text), &minutes));
    if (!(minutes > 0 && minutes < 100000))
        die("MINUTES must be a positive number");

    chess_init();
    read_games(argv[1], &train, &held_out);
    struct chess_sample_source train_source = { train.count, get, &train },
                               held_out_source = { held_out.count, get, &held_out };
    struct chess_train_options options = chess_train_defaults(train.count);
    options.epochs = CHESS_TRAIN_EPOCHS_MAX;
    options.minutes_max = minutes;
    options.book = false;

    struct chess_trainer *trainer;
    struct chess_net *net;
    struct pool *pool = NULL;
    int cores = thread_core_count();
    if (cores > 1)
        need(pool_open("train", cores, 64, &pool));
    /* no validation set: the held-out games are for the end, and the last weights are taken */
    need(chess_trainer_new(&options, &train_source, NULL, &trainer));
    (void)fprintf(stderr,
                  "train_bench: %zu positions to train, %zu held out, %d cores, %.3g minutes\n",
                  train.count, held_out.count, cores, minutes);
    struct shown shown = { 0 };
    int64_t wall = clock_mono_ns(), cpu = clock_cpu_ns();
    need(chess_trainer_run(trainer, pool, progress, &shown));
    double wall_s = (double)(clock_mono_ns() - wall) * 1e-9,
           cpu_s = (double)(clock_cpu_ns() - cpu) * 1e-9;
    double samples = (double)shown.steps * options.batch_size;
    need(chess_trainer_net(trainer, &net));

    char name[64];
    (void)fprintf(stderr,
                  "train_bench: %zu parameters, %.0f positions in %.1f s of wall time and %.1f s "
                  "of CPU time\n",
                  chess_net_parameters(net), samples, wall_s, cpu_s);
    print_line("train", samples / wall_s, "positions/s");
    print_line("train-cpu", cpu_s / samples * 1e6, "us CPU/position");
    (void)snprintf(name, sizeof name, "top1-%.3gmin", minutes);
    judge(net, &held_out_source, pool, name);
    need(chess_net_add_book(net, &train_source));
    (void)snprintf(name, sizeof name, "top1-%.3gmin-book", minutes);
    judge(net, &held_out_source, pool, name);
    chess_net_free(net);
    chess_trainer_free(trainer);
    pool_close(pool);
    return 0;
}
