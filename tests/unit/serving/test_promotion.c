/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Promotion: does a better version win, an equal one not, a beaten one stay away until it wins
 * anew, and does a version that turned bad go back by itself? */
#include "serving_fixture.h"

#include <math.h>

#include "base/rand.h"

/* So many games each for Production and B of the toy family, won with these chances in hundred. */
static void games(struct toys *t, struct rng *r, int count, int production, int b)
{
    struct serving_slot_report slots[SERVING_SLOTS];
    assert_ok(serving_report(t->family, 1, slots));
    for (int i = 0; i < count; i++) {
        serving_outcome(t->family, SERVING_PRODUCTION, slots[SERVING_PRODUCTION].version,
                        (int)rng_below(r, 100) < production);
        serving_outcome(t->family, SERVING_B, slots[SERVING_B].version, (int)rng_below(r, 100) < b);
    }
}

static struct serving_decision decide(struct toys *t, struct served_family *f)
{
    struct serving_decision d;
    assert_ok(serving_judge(f, &t->f->mem, &d));
    d.username = STR("auto");
    assert_ok(serving_apply(f, &d, NULL));
    assert_ok(serving_follow(t->s));
    assert_true(d.reason.len > 10);
    return d;
}

static int64_t points_at(struct toys *t, const char *model, const char *alias)
{
    struct model_version_info info;
    assert_ok(model_get(t->f->track, str_of(model), str_of(alias), &t->f->mem, &info));
    return info.version;
}

static int setup(void **state)
{
    if (toys_init(state))
        return -1;
    struct toys *t = *state;
    static const char *const models[] = { "toy_model", "plain_model" };
    static const int quality[] = { 40, 42, 60, 50 };
    for (size_t m = 0; m < COUNT_OF(models); m++)
        for (int i = 0; i < SERVING_SLOTS; i++)
            toys_move(t, models[m], (enum serving_slot)i, toys_version(t, models[m], quality[i]));
    assert_ok(serving_follow(t->s));
    return 0;
}

static void little_evidence_decides_nothing(void **state)
{
    struct toys *t = *state;
    struct rng r;
    rng_init(&r, 1);
    games(t, &r, 19, 0, 100); /* however clear: 20 are the minimum */
    struct serving_decision d = decide(t, t->family);
    assert_int_equal(d.verdict, SERVING_INSUFFICIENT);
    assert_false(d.has_test);
    assert_true(str_contains(d.reason, STR("each needs 20")));
    assert_int_equal(points_at(t, "toy_model", "Production"), 1);
    assert_int_equal(d.cycles_since_swap, 1);
}

static void a_better_b_becomes_production_and_does_not_flip_back(void **state)
{
    struct toys *t = *state;
    struct rng r;
    struct serving_decision d;
    rng_init(&r, 2);
    games(t, &r, 30, 50, 50);
    assert_int_equal(decide(t, t->family).verdict, SERVING_RETAIN);
    games(t, &r, 300, 40, 70);
    d = decide(t, t->family);
    assert_int_equal(d.verdict, SERVING_SWAP);
    assert_true(d.has_test && d.test.p <= d.alpha && d.test.low > 0);
    assert_int_equal(d.meetings, 1);
    assert_true(fabs(d.alpha - 0.025) < 1e-12);
    assert_int_equal(d.cycles_since_swap, 0);
    assert_int_equal(points_at(t, "toy_model", "Production"), 2);
    assert_int_equal(points_at(t, "toy_model", "B"), 1);
    /* The reference's mistake: the same counts swap back. Here they are of other tenures. */
    for (int i = 0; i < 3; i++) {
        d = decide(t, t->family);
        assert_int_equal(d.verdict, SERVING_INSUFFICIENT);
        assert_int_equal(d.cycles_since_swap, i + 1);
    }
    assert_int_equal(points_at(t, "toy_model", "Production"), 2);
    /* It may come back by winning anew, against a stricter test. */
    games(t, &r, 400, 65, 90);
    d = decide(t, t->family);
    assert_int_equal(d.verdict, SERVING_SWAP);
    assert_int_equal(d.meetings, 2);
    assert_true(fabs(d.alpha - 0.05 / 6) < 1e-12);
    assert_int_equal(points_at(t, "toy_model", "Production"), 1);
    /* The registry's own ledger tells it, too. */
    struct promotion *rows;
    size_t count;
    assert_ok(model_promotions(t->f->track, STR("toy_model"), 2, &t->f->mem, &rows, &count));
    assert_int_equal(count, 2);
    assert_true(str_contains(rows[0].reason, STR("they change places")));
    /* And reading gives back what was written. */
    struct serving_decision *all;
    assert_ok(serving_decisions(t->s,
                                &(struct serving_decision_filter){ .family = t->family,
                                                                   .has_verdict = true,
                                                                   .verdict = SERVING_SWAP },
                                &t->f->mem, &all, &count));
    assert_int_equal(count, 2);
    assert_int_equal(all[0].id, d.id);
    assert_true(str_eq(all[0].reason, d.reason));
    assert_int_equal(all[0].challenger.hits, d.challenger.hits);
    assert_true(fabs(all[0].test.p - d.test.p) < 1e-12);
    assert_int_equal(all[0].slots[SERVING_PRODUCTION].source, SERVING_B);
    assert_int_equal(all[0].slots[SERVING_PRODUCTION].version_after, 1);
    int64_t totals[SERVING_VERDICTS];
    assert_ok(serving_decision_totals(t->family, 7, totals));
    assert_int_equal(totals[SERVING_SWAP], 2);
    assert_int_equal(totals[SERVING_INSUFFICIENT], 3);
}

static void equal_versions_stay_where_they_are(void **state)
{
    struct toys *t = *state;
    struct rng r;
    rng_init(&r, 3);
    for (int i = 0; i < 40; i++) {
        games(t, &r, 25, 50, 50);
        assert_int_not_equal(decide(t, t->family).verdict, SERVING_SWAP);
    }
    assert_int_equal(points_at(t, "toy_model", "Production"), 1);
}

/* Two versions that were not there at the same time are compared by the time when both were. */
static void only_the_time_in_which_both_were_there_counts(void **state)
{
    struct toys *t = *state;
    struct rng r;
    rng_init(&r, 4);
    games(t, &r, 500, 10, 15); /* hard days for Production */
    toys_move(t, "toy_model", SERVING_B, 4);
    assert_ok(serving_follow(t->s));
    games(t, &r, 500, 50, 50); /* easy days for both */
    struct serving_decision d = decide(t, t->family);
    assert_int_equal(d.verdict, SERVING_RETAIN);
    assert_int_equal(d.champion.total, 500);
    assert_int_equal(d.slots[SERVING_PRODUCTION].trials, 1000);
}

static void challengers_are_ordered_by_accuracy(void **state)
{
    struct toys *t = *state;
    toys_play(t, t->family, 0, 100);
    assert_false(decide(t, t->family).is_reordered); /* fewer than the minimum */
    toys_play(t, t->family, 1000, 2500);
    struct serving_decision d = decide(t, t->family);
    assert_int_equal(d.verdict, SERVING_REORDER);
    assert_true(d.is_reordered);
    /* 42, 60, 50 -> 60, 50, 42 */
    assert_int_equal(points_at(t, "toy_model", "B"), 3);
    assert_int_equal(points_at(t, "toy_model", "shadow1"), 4);
    assert_int_equal(points_at(t, "toy_model", "shadow2"), 2);
    assert_int_equal(points_at(t, "toy_model", "Production"), 1);
    assert_int_equal(d.slots[SERVING_B].source, SERVING_SHADOW1);
    assert_int_equal(d.slots[SERVING_SHADOW2].source, SERVING_B);
    toys_play(t, t->family, 9000, 2000);
    assert_false(decide(t, t->family).is_reordered);
}

/* A family without outcomes goes by its predictions; Production falls ill after the swap. */
static void what_fell_goes_back_by_itself(void **state)
{
    struct toys *t = *state;
    struct serving_decision d;
    toys_move(t, "plain_model", SERVING_B, toys_version(t, "plain_model", 70));
    assert_ok(serving_follow(t->s));
    toys_play(t, t->plain, 0, 1000);
    d = decide(t, t->plain);
    assert_int_equal(d.verdict, SERVING_SWAP);
    assert_int_equal(points_at(t, "plain_model", "Production"), 5);
    /* Well as ever: stays. */
    toys_play(t, t->plain, 5000, 1000);
    assert_int_equal(decide(t, t->plain).verdict, SERVING_RETAIN);
    /* The world turns: it is wrong from now on, and so is what it replaced. Going back is no help.
     */
    for (uint64_t i = 0; i < 1000; i++) {
        struct toy_input in = toys_input(20000 + i);
        struct serving_call call;
        assert_true(serving_predict(t->plain, SERVING_PRODUCTION, true, &in, &call, NULL));
        bool was_right = call.answers[SERVING_PRODUCTION].best == in.truth;
        for (int k = 0; k < SERVING_SLOTS; k++)
            call.answers[k].best = (in.truth + (was_right ? 1 : 0)) % TOY_CLASSES;
        for (int k = 1; k < SERVING_SLOTS; k++)
            call.answers[k].best = (in.truth + 1) % TOY_CLASSES;
        serving_note(t->plain, &call, in.truth);
    }
    d = decide(t, t->plain);
    assert_int_not_equal(d.verdict, SERVING_ROLLBACK);
    assert_int_equal(points_at(t, "plain_model", "Production"), 5);
    /* Now what it replaced is the better one. */
    for (uint64_t i = 0; i < 2500; i++) {
        struct toy_input in = toys_input(30000 + i);
        struct serving_call call;
        assert_true(serving_predict(t->plain, SERVING_PRODUCTION, true, &in, &call, NULL));
        call.answers[SERVING_PRODUCTION].best = (in.truth + 1) % TOY_CLASSES;
        serving_note(t->plain, &call, in.truth);
    }
    d = decide(t, t->plain);
    assert_int_equal(d.verdict, SERVING_ROLLBACK);
    assert_int_equal(points_at(t, "plain_model", "Production"), 1);
    assert_true(str_contains(d.reason, STR("It comes back")));
    assert_int_equal(fixture_logged(t->f, "serving.decided", NULL), 4);
    assert_true(fixture_exposed(
        t->f, "skerry_serving_decisions_total{family=\"plain\",decision=\"rollback\"} 1"));
    /* And what fell does not come back without new evidence. */
    assert_int_equal(decide(t, t->plain).verdict, SERVING_INSUFFICIENT);
}

static void the_alarm_says_that_production_fell(void **state)
{
    struct toys *t = *state;
    toys_move(t, "plain_model", SERVING_B, toys_version(t, "plain_model", 70));
    assert_ok(serving_follow(t->s));
    toys_play(t, t->plain, 0, 1000);
    assert_int_equal(decide(t, t->plain).verdict, SERVING_SWAP);
    for (uint64_t i = 0; i < 1000; i++) {
        struct toy_input in = toys_input(30000 + i);
        struct serving_call call;
        assert_true(serving_predict(t->plain, SERVING_PRODUCTION, true, &in, &call, NULL));
        call.answers[SERVING_PRODUCTION].best = (in.truth + 1) % TOY_CLASSES;
        serving_note(t->plain, &call, in.truth);
    }
    assert_ok(serving_flush(t->s));
    assert_ok(serving_start(t->s));
    assert_true(fixture_exposed(
        t->f, "skerry_serving_alarm{family=\"plain\",alias=\"Production\",reason=\"accuracy\"} 1"));
}

static void a_decision_about_yesterday_is_not_carried_out(void **state)
{
    struct toys *t = *state;
    struct rng r;
    struct serving_decision d;
    rng_init(&r, 6);
    games(t, &r, 300, 30, 70);
    assert_ok(serving_judge(t->family, &t->f->mem, &d));
    assert_int_equal(d.verdict, SERVING_SWAP);
    toys_move(t, "toy_model", SERVING_PRODUCTION, 4); /* somebody was faster */
    d.username = STR("auto");
    assert_err(serving_apply(t->family, &d, NULL), ERR_CONFLICT);
    assert_int_equal(points_at(t, "toy_model", "Production"), 4);
    assert_int_equal(points_at(t, "toy_model", "B"), 2);
    assert_int_equal(fixture_int(t->f, "SELECT COUNT(*) FROM serving_decisions"), 0);
}

static void by_hand_and_from_outside(void **state)
{
    struct toys *t = *state;
    struct serving_decision d;
    struct rng r;
    assert_err(serving_rollback(t->family, STR("ada"), STR("why not"), &t->f->mem, &d),
               ERR_CONFLICT);
    rng_init(&r, 7);
    games(t, &r, 300, 30, 70);
    assert_int_equal(decide(t, t->family).verdict, SERVING_SWAP);
    assert_ok(serving_rollback(t->family, STR("ada"), STR("players complain"), &t->f->mem, &d));
    assert_int_equal(points_at(t, "toy_model", "Production"), 1);
    assert_int_equal(points_at(t, "toy_model", "B"), 2);
    struct serving_decision told = { .verdict = SERVING_RETAIN,
                                     .reason = STR("said the script"),
                                     .username = STR("bob"),
                                     .source = STR("script") };
    assert_ok(serving_decision_add(t->family, &told));
    assert_int_equal(told.cycles_since_swap, 1);
    struct serving_decision *all;
    size_t count;
    assert_ok(serving_decisions(t->s, &(struct serving_decision_filter){ .limit = 2 }, &t->f->mem,
                                &all, &count));
    assert_int_equal(count, 2);
    assert_true(str_eq(all[0].source, STR("script")));
    assert_true(str_eq(all[1].reason, STR("players complain")));
}

static void the_stage_tells_its_run(void **state)
{
    struct toys *t = *state;
    struct rng r;
    struct artifact_info *artifacts;
    size_t count;
    rng_init(&r, 8);
    games(t, &r, 300, 30, 70);
    toys_play(t, t->family, 0, 300);
    struct run *run = fixture_run(t->f, "serving");
    char id[HEX_ID_BYTES];
    snprintf(id, sizeof id, "%s", run_id(run));
    assert_err(serving_promotion_run(t->s, run, STR("nobody")), ERR_NOT_FOUND);
    assert_ok(serving_promotion_run(t->s, run, STR_NONE));
    fixture_end(run, ERR_NONE);
    assert_int_equal(points_at(t, "toy_model", "Production"), 2);
    assert_ok(track_artifact_list(t->f->track, str_of(id), &t->f->mem, &artifacts, &count));
    assert_int_equal(count, 1);
    assert_true(str_eq(artifacts[0].path, STR("promotion.json")));
    assert_int_equal(fixture_logged(t->f, "promotion.completed", NULL), 1);
    assert_int_equal(fixture_int(t->f, "SELECT COUNT(*) FROM serving_decisions"), 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, toys_deinit)
    const struct CMUnitTest tests[] = {
        TEST(little_evidence_decides_nothing),
        TEST(a_better_b_becomes_production_and_does_not_flip_back),
        TEST(equal_versions_stay_where_they_are),
        TEST(only_the_time_in_which_both_were_there_counts),
        TEST(challengers_are_ordered_by_accuracy),
        TEST(what_fell_goes_back_by_itself),
        TEST(the_alarm_says_that_production_fell),
        TEST(a_decision_about_yesterday_is_not_carried_out),
        TEST(by_hand_and_from_outside),
        TEST(the_stage_tells_its_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
