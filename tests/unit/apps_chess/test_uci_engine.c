/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If these fail, an engine that misbehaves takes the server's memory or time, or stays behind when
 * its work is done. The engine is tests/http/fake_engine.py in each of its modes; this program is
 * also the child that becomes it. */
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "apps/chess/uci_engine.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"

/* Patience where an answer must come: the machine may be busy. Where none may come, the wait is
 * cut short. */
enum { LONG_MS = 60000, SHORT_MS = 1500, START_MS = 60000 };

struct fixture {
    char folder[64], program[128];
    struct chess_position start;
};

static void write_file(const struct fixture *f, const char *name, str text, bool is_program)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", f->folder, name);
    assert_int_equal(fs_write_durable(path, text).code, ERR_NONE);
    if (is_program)
        assert_int_equal(chmod(path, 0700), 0);
}

static void set_mode(const struct fixture *f, const char *mode)
{
    write_file(f, "mode", str_of(mode), false);
}

/* The fake must be told which moves are legal. */
static void write_table(const struct fixture *f)
{
    struct buf text;
    struct json_out w;
    char fen[CHESS_FEN_BYTES], uci[CHESS_UCI_BYTES];
    chess_move moves[CHESS_MOVES_MAX];
    int count = chess_moves(&f->start, moves);
    buf_init(&text, 64 * 1024);
    chess_fen_write(&f->start, fen);
    json_out_init(&w, &text);
    json_object_begin(&w);
    json_key(&w, fen);
    json_array_begin(&w);
    for (int i = 0; i < count; i++) {
        chess_uci_write(&f->start, moves[i], uci);
        json_out_cstr(&w, uci);
    }
    json_array_end(&w);
    json_object_end(&w);
    write_file(f, "table.json", buf_str(&text), false);
    buf_deinit(&text);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    const char *named = getenv("FAKE_ENGINE");
    char fake[PATH_MAX], script[PATH_MAX + 128];
    assert_non_null(f);
    assert_non_null(realpath(named ? named : "tests/http/fake_engine.py", fake));
    snprintf(f->folder, sizeof f->folder, "/tmp/skerry-engine-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->program, sizeof f->program, "%s/engine", f->folder);
    snprintf(script, sizeof script, "#!/bin/sh\nexec python3 '%s' '%s'\n", fake, f->folder);
    write_file(f, "engine", str_of(script), true);
    chess_init();
    chess_position_start(&f->start);
    write_table(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    (void)fs_remove_tree(f->folder).code;
    free(f);
    return 0;
}

static struct uci_engine *open_engine(struct fixture *f, const char *mode, int64_t answer_ms)
{
    struct uci_engine *engine = NULL;
    set_mode(f, mode);
    err e = uci_engine_open(&(struct uci_engine_options){ .program = f->program,
                                                          .nodes = 1,
                                                          .start_wait_ms = START_MS,
                                                          .answer_wait_ms = answer_ms },
                            &engine);
    if (e.code)
        fail_msg("%s", e.msg);
    return engine;
}

/* No child of ours is left, not even a dead one. */
static void assert_no_child(void)
{
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void an_answer_is_the_same_each_time(void **state)
{
    struct fixture *f = *state;
    struct uci_engine *engine = open_engine(f, "good", LONG_MS);
    struct uci_score best, same, alone;
    chess_move move = CHESS_MOVE_NONE, again = CHESS_MOVE_NONE, other = CHESS_MOVE_NONE;
    assert_string_equal(uci_engine_name(engine), "Fake Engine 1.0");
    assert_int_equal(uci_engine_ask(engine, &f->start, 0, &best, &move).code, ERR_NONE);
    assert_true(chess_move_is_legal(&f->start, move));
    assert_int_equal(uci_engine_ask(engine, &f->start, move, &same, &again).code, ERR_NONE);
    assert_int_equal(again, move);
    assert_int_equal(uci_score_cp(&same, 1000), uci_score_cp(&best, 1000));
    assert_int_equal(chess_uci_parse(&f->start, STR("a2a3"), &other).code, ERR_NONE);
    assert_int_equal(uci_engine_ask(engine, &f->start, other, &alone, NULL).code, ERR_NONE);
    assert_true(uci_score_cp(&alone, 1000) <= uci_score_cp(&best, 1000));
    uci_engine_close(engine);
    assert_no_child();
}

/* Each of these costs one question, is named, and the next question is answered. */
static void bad_answers(void **state)
{
    static const struct {
        const char *mode, *says;
        enum err_code code;
        bool is_slow; /* nothing comes: only the deadline helps */
    } cases[] = {
        { "crash", "it crashed: Aborted", ERR_UPSTREAM, false },
        { "exit", "it ended with exit code 3", ERR_UPSTREAM, false },
        { "endless", "a line of more than 16384 bytes", ERR_UPSTREAM, false },
        { "flood", "more than 16 MiB and no answer", ERR_UPSTREAM, false },
        { "illegal", "its best move 'a1h8' is not legal", ERR_UPSTREAM, false },
        { "scoreless", "a move without a score", ERR_UPSTREAM, false },
        { "deaf", "does not know 'searchmoves'", ERR_UPSTREAM, false },
        { "silent", "did not answer in time", ERR_TIMEOUT, true },
        { "garbage", "did not answer in time", ERR_TIMEOUT, true },
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct uci_engine *engine = open_engine(f, cases[i].mode,
                                                cases[i].is_slow ? SHORT_MS : LONG_MS);
        struct uci_score score = { .value = 4711 };
        chess_move a2a3 = CHESS_MOVE_NONE;
        assert_int_equal(chess_uci_parse(&f->start, STR("a2a3"), &a2a3).code, ERR_NONE);
        err e = uci_engine_ask(engine, &f->start, a2a3, &score, NULL);
        if (e.code != cases[i].code || !strstr(e.msg, cases[i].says) ||
            !strstr(e.msg, "chess engine Fake Engine 1.0"))
            fail_msg("%s: %s", cases[i].mode, e.msg);
        assert_int_equal(score.value, 4711);
        assert_no_child();
        set_mode(f, "good");
        if (!cases[i].is_slow)
            assert_int_equal(uci_engine_ask(engine, &f->start, a2a3, &score, NULL).code, ERR_NONE);
        uci_engine_close(engine);
        assert_no_child();
    }
}

static void bad_starts(void **state)
{
    static const struct {
        const char *mode, *says;
        enum err_code code;
    } cases[] = {
        { "mute", "did not answer in time", ERR_TIMEOUT },
        { "wordy", "a line of more than 16384 bytes", ERR_UPSTREAM },
    };
    struct fixture *f = *state;
    struct uci_engine *engine = NULL;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        set_mode(f, cases[i].mode);
        err e = uci_engine_open(
            &(struct uci_engine_options){ .program = f->program,
                                          .nodes = 1,
                                          .start_wait_ms = i ? START_MS : SHORT_MS,
                                          .answer_wait_ms = LONG_MS },
            &engine);
        assert_int_equal(e.code, cases[i].code);
        assert_non_null(strstr(e.msg, cases[i].says));
        assert_non_null(strstr(e.msg, f->program));
        assert_null(engine);
        assert_no_child();
    }
    write_file(f, "engine", STR("this is no program\n"), true);
    err e = uci_engine_open(
        &(struct uci_engine_options){ .program = f->program, .answer_wait_ms = LONG_MS }, &engine);
    assert_int_equal(e.code, ERR_UPSTREAM);
    assert_non_null(strstr(e.msg, "could not be run"));
    assert_no_child();
}

static void an_engine_sees_nothing_of_ours(void **state)
{
    struct fixture *f = *state;
    int leak = open("/dev/null", O_RDONLY); /* as a library might: without O_CLOEXEC */
    assert_true(leak > 2);
    setenv("SKERRY_SECRET", "key", 1);
    struct uci_engine *engine = open_engine(f, "prisoner", LONG_MS);
    assert_string_equal(uci_engine_name(engine),
                        "fds=0,1,2 leads=True secret=False memory=4096 files=64 written=0 core=0 "
                        "idle=True");
    uci_engine_close(engine);
    close(leak);
    unsetenv("SKERRY_SECRET");
}

static err enough(void *arg)
{
    int *calls = arg;
    return ++*calls < 3 ? OK : ERR(ERR_CANCELLED, "somebody asked");
}

/* A person who stops an evaluation does not wait for the engine. */
static void a_wait_can_be_cut_short(void **state)
{
    struct fixture *f = *state;
    struct uci_engine *engine = NULL;
    struct uci_score score;
    int calls = -1000;
    set_mode(f, "silent");
    assert_int_equal(uci_engine_open(&(struct uci_engine_options){ .program = f->program,
                                                                   .nodes = 1,
                                                                   .start_wait_ms = START_MS,
                                                                   .answer_wait_ms = 3600 * 1000,
                                                                   .check = enough,
                                                                   .arg = &calls },
                                     &engine)
                         .code,
                     ERR_NONE);
    calls = 0;
    err e = uci_engine_ask(engine, &f->start, 0, &score, NULL);
    assert_int_equal(e.code, ERR_CANCELLED);
    assert_string_equal(e.msg, "somebody asked");
    assert_no_child();
    uci_engine_close(engine);
}

static void finding_the_program(void **state)
{
    struct fixture *f = *state;
    char path[FS_PATH_BYTES] = "untouched";
    static const char *const none[] = { "",        " ", "off", "/nowhere/engine", "no-such-engine",
                                        "./engine" };
    for (size_t i = 0; i < COUNT_OF(none); i++) {
        err e = uci_engine_find(str_of(none[i]), path);
        assert_int_equal(e.code, ERR_NOT_FOUND);
        assert_non_null(strstr(e.msg, "CHESS_ENGINE"));
        assert_string_equal(path, "untouched");
    }
    assert_int_equal(uci_engine_find(str_of(f->program), path).code, ERR_NONE);
    assert_string_equal(path, f->program);
    setenv("PATH", f->folder, 1);
    assert_int_equal(uci_engine_find(STR("engine"), path).code, ERR_NONE);
    assert_string_equal(path, f->program);
    write_file(f, "stockfish", STR("#!/bin/sh\n"), true);
    assert_int_equal(uci_engine_find(STR("auto"), path).code, ERR_NONE);
    assert_true(str_starts(str_of(path), str_of(f->folder)));
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--role=engine") == 0)
        return uci_engine_role(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_answer_is_the_same_each_time, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_starts, setup, teardown),
        cmocka_unit_test_setup_teardown(an_engine_sees_nothing_of_ours, setup, teardown),
        cmocka_unit_test_setup_teardown(a_wait_can_be_cut_short, setup, teardown),
        cmocka_unit_test_setup_teardown(finding_the_program, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
