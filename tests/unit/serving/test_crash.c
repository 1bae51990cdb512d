/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A kill -9 in the middle: is what an app noted in its transactions counted exactly once, with the
 * app's own rows, and is at most the last moment lost of what was noted in memory? */
#include "serving_fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

enum { ROUNDS = 6, WAIT_MS = 20000 };

struct round {
    struct toys *t;
    uint64_t number;
};

/* The app's own row, and the note. */
static err round_fn(struct store_tx *tx, void *arg)
{
    struct round *r = arg;
    struct toy_input in = toys_input(r->number);
    struct serving_call call;
    if (!serving_predict(r->t->family, SERVING_PRODUCTION, true, &in, &call, NULL))
        return ERR(ERR_INTERNAL, "no answer");
    TRY(store_exec(tx, "INSERT INTO toy_rounds (number, is_right) VALUES (?1, ?2)",
                   ARGS(sql_int((int64_t)r->number),
                        sql_int(call.answers[SERVING_PRODUCTION].best == in.truth)),
                   NULL));
    return serving_note_tx(r->t->family, tx, &call, in.truth);
}

/* The child: another process on the same store, until it is killed. Says on the pipe when it has
 * begun. */
static void live(struct toys *t, uint64_t from, int pipe_end)
{
    if (fixture_try_open(t->f).code || metrics_register(t->f->metrics, serving_metrics).code)
        _exit(3);
    t->s = toys_open(t, NULL); /* a flush every 50 ms */
    t->family = serving_find(t->s, STR("toy"));
    if (serving_start(t->s).code)
        _exit(4);
    for (uint64_t i = 0;; i++) {
        struct round r = { t, from + i };
        if (store_write(t->f->store, round_fn, &r).code)
            _exit(5);
        if (i == 200 && write(pipe_end, "x", 1) != 1)
            _exit(6);
    }
}

static int setup(void **state)
{
    if (toys_init(state))
        return -1;
    struct toys *t = *state;
    toys_move(t, "toy_model", SERVING_PRODUCTION, toys_version(t, "toy_model", 60));
    toys_move(t, "toy_model", SERVING_B, toys_version(t, "toy_model", 50));
    fixture_exec(
        t->f, "CREATE TABLE toy_rounds (number @int PRIMARY KEY, is_right @int NOT NULL) @strict");
    return 0;
}

static void reopen(struct toys *t)
{
    assert_ok(fixture_try_open(t->f));
    assert_ok(metrics_register(t->f->metrics, serving_metrics));
    t->s = toys_open(t, NULL);
    t->family = serving_find(t->s, STR("toy"));
}

static void a_kill_loses_nothing_and_counts_nothing_twice(void **state)
{
    struct toys *t = *state;
    int64_t made = 0;
    for (int i = 0; i < ROUNDS; i++) {
        int ends[2];
        char begun;
        serving_close(t->s);
        t->s = NULL;
        fixture_shut(t->f);
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            live(t, (uint64_t)i * 1000000, ends[1]);
        assert_int_equal(read(ends[0], &begun, 1), 1);
        clock_sleep_ms(20 + 35 * i); /* in the middle of something else each time */
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        close(ends[0]);
        close(ends[1]);
        reopen(t);
        assert_ok(serving_flush(t->s));
        made = fixture_int(t->f, "SELECT COUNT(*) FROM toy_rounds");
        assert_int_equal(toys_sum(t, "CASE WHEN slot = 0 THEN made ELSE 0 END"), made);
        assert_int_equal(toys_sum(t, "CASE WHEN slot = 1 THEN judged ELSE 0 END"), made);
        assert_int_equal(toys_sum(t, "CASE WHEN slot = 0 THEN correct ELSE 0 END"),
                         fixture_int(t->f, "SELECT CAST(SUM(is_right) AS @int) FROM toy_rounds"));
        assert_int_equal(fixture_int(t->f, "SELECT COUNT(*) FROM serving_pending"), 0);
    }
    assert_true(made > ROUNDS * 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_kill_loses_nothing_and_counts_nothing_twice, setup,
                                        toys_deinit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
