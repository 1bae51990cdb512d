/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Real files: every game that people really exported is read, and nothing is read that is not
 * chess. */
#include "pgn_help.h"

#include <unistd.h>

/* Where the examples of the project and, beside the checkout, the larger data are. */
static const char *folder(const char *variable, const char *otherwise)
{
    const char *value = getenv(variable);

    return value && *value ? value : otherwise;
}

struct file {
    const char *name;
    unsigned games, empty, other_rules, plies, clocks, evals;
};

/* Games were counted by their first tags, half-moves, clocks and evals by a script that splits the
 * text at white space; the refused ones are of other variants. */
static const struct file examples[] = {
    { "lichess_db_2021-10_excerpt.pgn.zst", 799, 10, 0, 53627, 53627, 4496 },
    { "lichess_user_cubicinfinity.pgn.zst", 679, 1, 13, 39458, 0, 0 },
    { "lichess_user_rivergrove.pgn.zst", 701, 1, 31, 48045, 19803, 21976 },
};

static const struct file shared[] = {
    { "chess/lichess_db_2021-10_excerpt.pgn", 799, 10, 0, 53627, 53627, 4496 },
    { "chess/lichess_carlsen_clk.pgn", 334, 1, 0, 30139, 30139, 0 },
    { "chess/chesscom_user_cancer0707.pgn", 1333, 9, 0, 71195, 53249, 0 },
    { "chess/lichess_broadcast_2025.pgn", 403, 1, 0, 32468, 32362, 0 },
    { "chess/lichess_broadcast_fwwrc2024.pgn", 605, 605, 0, 0, 0, 0 },
    { "chess/masters.pgn.zst", 68077, 0, 0, 5552151, 0, 0 },
    { "chess/odd/python-chess/data__pgn__uci-moves.pgn", 1, 0, 0, 113, 0, 0 },
    { "chess/odd/python-chess/data__pgn__utf8-bom.pgn", 2, 2, 0, 0, 0, 0 },
    { "chess/odd/python-chess/data__pgn__chessbase-empty-line.pgn", 1, 0, 0, 134, 0, 0 },
    { "chess/odd/python-chess/data__pgn__cutechess-fischerrandom.pgn", 4, 0, 0, 396, 0, 0 },
    { "chess/odd/python-chess/data__pgn__kasparov-deep-blue-1997.pgn", 6, 0, 0, 519, 0, 0 },
    { "chess/odd/python-chess/data__pgn__stockfish-learning.pgn", 1, 0, 0, 154, 0, 0 },
    { "chess/odd/python-chess/data__pgn__antichess-programfox.pgn", 0, 0, 2, 0, 0, 0 },
    { "chess/odd/python-chess/data__pgn__saturs-jannlee-zh-lichess.pgn", 0, 0, 1, 0, 0, 0 },
    { "chess/odd/pgn-extract/infiles/fischer.pgn", 34, 0, 0, 3160, 0, 0 },
    { "chess/odd/pgn-extract/infiles/petrosian.pgn", 35, 0, 0, 2631, 0, 0 },
    { "chess/odd/pgn-extract/infiles/najdorf.pgn", 8, 0, 0, 608, 0, 0 },
    { "chess/odd/pgn-extract/infiles/test-splitvariants.pgn", 1, 0, 0, 3, 0, 0 },
    { "chess/odd/pgn-extract/infiles/test-nobadresults.pgn", 9, 0, 0, 9, 0, 0 },
    { "chess/odd/pgn-extract/infiles/test-notags.pgn", 1, 0, 0, 72, 0, 0 },
    { "chess/odd/pgn-extract/infiles/test-promotion-in.pgn", 8, 0, 0, 8, 0, 0 },
    { "chess/odd/pgn-extract/golden/test-WWxlalg-out.pgn", 1, 0, 0, 72, 0, 0 },
    { "chess/odd/pgn-extract/golden/test-WWhalg-out.pgn", 1, 0, 0, 72, 0, 0 },
    { "chess/odd/pgn-extract/golden/test-WWuci-out.pgn", 1, 0, 0, 72, 0, 0 },
    { "chess/odd/pgn-extract/eco.pgn", 2014, 0, 0, 20697, 0, 0 },
};

static void check_file(const char *path, const struct file *file)
{
    struct pgn_source *source;
    struct pgn_reader *reader;
    const struct pgn_game *g;
    struct pgn_stats stats;
    struct seen seen = { 0 };
    struct pgn_options options = { .problem = seen_problem, .arg = &seen };
    unsigned clocks = 0, evals = 0;

    err e = pgn_source_open(path, &source);
    if (e.code)
        fail_msg("%s", e.msg);
    assert_int_equal(pgn_reader_open(source, &options, &reader).code, ERR_NONE);
    for (;;) {
        e = pgn_next(reader, &g);
        if (e.code)
            fail_msg("%s: %s", path, e.msg);
        if (!g)
            break;
        assert_game(g);
        for (size_t ply = 0; ply < g->ply_count; ply++) {
            clocks += g->clock_cs && g->clock_cs[ply] != PGN_CLOCK_NONE;
            evals += g->eval_cp && g->eval_cp[ply] != PGN_EVAL_NONE;
        }
    }
    pgn_reader_stats(reader, &stats);
    if (stats.games != file->games || stats.empty != file->empty ||
        stats.refused != file->other_rules || stats.plies != file->plies ||
        clocks != file->clocks || evals != file->evals)
        fail_msg("%s: %u games, %u empty, %u refused, %u plies, %u clocks, %u evals; %s", path,
                 (unsigned)stats.games, (unsigned)stats.empty, (unsigned)stats.refused,
                 (unsigned)stats.plies, clocks, evals,
                 seen.problem_count ? seen.problems[0].reason : "");
    for (size_t i = 0; i < seen.problem_count && i < SEEN_PROBLEMS_MAX; i++)
        assert_non_null(strstr(seen.problems[i].reason, "variant"));
    pgn_reader_close(reader);
    pgn_source_close(source);
}

static void example_games(void **state)
{
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        char path[512];

        snprintf(path, sizeof path, "%s/%s", folder("SKERRY_EXAMPLES", "examples/games"),
                 examples[i].name);
        check_file(path, &examples[i]);
    }
}

static void shared_games(void **state)
{
    const char *where = folder("SKERRY_SHARED", "../shared");
    char path[512];

    snprintf(path, sizeof path, "%s/data", where);
    if (access(path, R_OK) != 0) {
        print_message("no larger data at %s: the examples alone were read\n", path);
        skip();
    }
    for (size_t i = 0; i < COUNT_OF(shared); i++) {
        snprintf(path, sizeof path, "%s/data/%s", where, shared[i].name);
        check_file(path, &shared[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(example_games),
        cmocka_unit_test(shared_games),
    };

    return cmocka_run_group_tests_name("pgn_files", tests, NULL, NULL);
}
