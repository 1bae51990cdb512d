/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Notes: are the small tables exactly what happened, by version and slot, however the truth came?
 */
#include "serving_fixture.h"

#include <math.h>

#include "base/clock.h"
#include "platform/serving/serving_internal.h"

static int setup(void **state)
{
    if (toys_init(state))
        return -1;
    struct toys *t = *state;
    toys_move(t, "toy_model", SERVING_PRODUCTION, toys_version(t, "toy_model", 60));
    toys_move(t, "toy_model", SERVING_SHADOW1, toys_version(t, "toy_model", 30));
    assert_ok(serving_follow(t->s));
    return 0;
}

/* What the toys said, counted by the test itself. */
struct expected {
    int64_t correct[SERVING_SLOTS];
    double log_loss[SERVING_SLOTS];
};

static struct serving_call call_of(struct toys *t, uint64_t number, struct expected *e)
{
    struct toy_input in = toys_input(number);
    struct serving_call call;
    assert_true(serving_predict(t->family, SERVING_PRODUCTION, true, &in, &call, NULL));
    for (int i = 0; i < SERVING_SLOTS; i++) {
        if (!call.answers[i].is_there)
            continue;
        e->correct[i] += call.answers[i].best == in.truth;
        e->log_loss[i] -= log(call.answers[i].best == in.truth ? 0.6 : 0.2);
    }
    return call;
}

static void check_slot(struct toys *t, int slot, int64_t version, int64_t judged,
                       const struct expected *e)
{
    struct serving_slot_report slots[SERVING_SLOTS];
    assert_ok(serving_report(t->family, 24, slots));
    const struct serving_tally *sum = &slots[slot].tally;
    int64_t features = 0, classes = 0;
    assert_int_equal(slots[slot].version, version);
    assert_int_equal(sum->made, judged);
    assert_int_equal(sum->judged, judged);
    assert_int_equal(sum->correct, e->correct[slot]);
    assert_true(fabs(sum->log_loss - e->log_loss[slot]) < 0.001 * (double)judged);
    assert_int_equal(sum->confidence[6], judged);
    assert_int_equal(sum->calibration_count[6], judged);
    assert_int_equal(sum->calibration_hits[6], e->correct[slot]);
    assert_true(fabs(serving_calibration_error(sum) - fabs(0.6 - serving_accuracy(sum))) < 1e-4);
    for (int i = 0; i < SERVING_BINS; i++)
        features += sum->features[1][i];
    for (int i = 0; i < SERVING_CLASSES_MAX; i++)
        classes += sum->classes[i];
    assert_int_equal(features, judged);
    assert_int_equal(classes, judged);
    /* The inputs are as in training, and so are the answers. */
    if (judged >= 1000)
        assert_true(slots[slot].drift_inputs < 0.05 && slots[slot].drift_predictions < 0.05);
}

static void what_is_noted_in_memory_is_in_the_tables(void **state)
{
    struct toys *t = *state;
    struct expected e = { { 0 } };
    for (uint64_t i = 0; i < 2000; i++) {
        struct serving_call call = call_of(t, i, &e);
        serving_note(t->family, &call, toys_input(i).truth);
        if (i % 500 == 0)
            assert_ok(serving_flush(t->s));
    }
    assert_ok(serving_flush(t->s));
    check_slot(t, SERVING_PRODUCTION, 1, 2000, &e);
    check_slot(t, SERVING_SHADOW1, 2, 2000, &e);
    assert_int_equal(fixture_int(t->f, "SELECT COUNT(*) FROM serving_calls"), 0); /* no sample */
    char line[128];
    snprintf(line, sizeof line,
             "skerry_serving_correct_total{family=\"toy\",alias=\"shadow1\"} %lld",
             (long long)e.correct[SERVING_SHADOW1]);
    assert_true(fixture_exposed(t->f, line));
}

struct noting {
    struct toys *t;
    const struct serving_call *call;
    int truth;
    bool fails;
};

static err note_fn(struct store_tx *tx, void *arg)
{
    struct noting *n = arg;
    TRY(serving_note_tx(n->t->family, tx, n->call, n->truth));
    TRY(serving_outcome_tx(n->t->family, tx, SERVING_PRODUCTION, 1, n->truth == 0));
    return n->fails ? ERR(ERR_CONFLICT, "the app's own row was refused") : OK;
}

static void a_note_goes_with_its_transaction(void **state)
{
    struct toys *t = *state;
    serving_close(t->s);
    t->s = toys_open(t, &(struct serving_options){ .log_percent = 20, .flush_ms = 50 });
    t->family = serving_find(t->s, STR("toy"));
    assert_ok(serving_follow(t->s));
    struct expected e = { { 0 } }, refused = { { 0 } };
    int64_t wins = 0;
    for (uint64_t i = 0; i < 1500; i++) { /* several writes of adding up */
        bool fails = i % 3 == 0;
        struct serving_call call = call_of(t, i, fails ? &refused : &e);
        struct noting n = { t, &call, toys_input(i).truth, fails };
        wins += !fails && n.truth == 0;
        err done = store_write(t->f->store, note_fn, &n);
        assert_int_equal(done.code, fails ? ERR_CONFLICT : ERR_NONE);
    }
    assert_ok(serving_flush(t->s));
    assert_ok(serving_flush(t->s)); /* once more: adds nothing */
    assert_int_equal(fixture_int(t->f, "SELECT COUNT(*) FROM serving_pending"), 0);
    check_slot(t, SERVING_PRODUCTION, 1, 1000, &e);
    check_slot(t, SERVING_SHADOW1, 2, 1000, &e);
    assert_in_range(fixture_int(t->f, "SELECT COUNT(*) FROM serving_calls"), 120, 280);
    assert_int_equal(toys_sum(t, "trials"), 1000);
    assert_int_equal(toys_sum(t, "wins"), wins);
}

struct many {
    struct toys *t;
    const struct serving_call *calls;
    size_t count;
};

static err many_fn(struct store_tx *tx, void *arg)
{
    const struct many *m = arg;
    struct serving_notes notes;
    serving_notes_begin(m->t->family, &notes);
    for (size_t i = 0; i < m->count; i++) {
        serving_notes_add(&notes, &m->calls[i], toys_input(i).truth);
        serving_notes_add_outcome(&notes, SERVING_PRODUCTION, 1, toys_input(i).truth == 0);
    }
    return serving_notes_end(&notes, tx);
}

/* If this failed, rounds that are written together would count for one, or not at all. */
static void many_notes_are_one_row_and_each_counts(void **state)
{
    struct toys *t = *state;
    enum { MANY = 500 };
    static struct serving_call calls[MANY];
    struct expected e = { { 0 } };
    int64_t wins = 0;
    for (uint64_t i = 0; i < MANY; i++) {
        calls[i] = call_of(t, i, &e);
        calls[i].at_ms -= (int64_t)(i % 40) * 3600 *
                          1000; /* more hours than sums fit into a table */
        wins += toys_input(i).truth == 0;
    }
    serving_close(t->s); /* nobody adds up meanwhile */
    t->s = toys_open(t, &(struct serving_options){ .flush_ms = 3600 * 1000 });
    t->family = serving_find(t->s, STR("toy"));
    assert_ok(serving_follow(t->s));
    for (int i = 0; i < 3; i++)
        assert_ok(store_write(t->f->store, many_fn, &(struct many){ t, calls, MANY }));
    assert_ok(store_write(t->f->store, many_fn, &(struct many){ t, calls, 0 })); /* no row */
    assert_int_equal(fixture_int(t->f, "SELECT COUNT(*) FROM serving_pending"), 3);
    assert_ok(serving_flush(t->s));
    assert_int_equal(fixture_int(t->f, "SELECT COUNT(*) FROM serving_pending"), 0);
    assert_int_equal(toys_sum(t, "made"), 3 * 2 * MANY);
    assert_int_equal(toys_sum(t, "correct"), 3 * (e.correct[0] + e.correct[SERVING_SHADOW1]));
    assert_int_equal(toys_sum(t, "trials"), 3 * MANY);
    assert_int_equal(toys_sum(t, "wins"), 3 * wins);
    assert_int_equal(fixture_int(t->f, "SELECT COUNT(DISTINCT hour) FROM serving_windows"), 40);
}

static err torn_fn(struct store_tx *tx, void *arg)
{
    (void)arg; /* many notes, the first of which is longer than what is there */
    return store_exec(tx, "INSERT INTO serving_pending (family, at_ms, note) VALUES ('toy', 0, ?1)",
                      ARGS(sql_blob(str_from("\x03\x00\x05\x01", 4))), NULL);
}

static void a_row_that_is_cut_off_is_dropped_and_told(void **state)
{
    struct toys *t = *state;
    assert_ok(store_write(t->f->store, torn_fn, NULL));
    assert_ok(serving_flush(t->s));
    assert_int_equal(fixture_int(t->f, "SELECT COUNT(*) FROM serving_pending"), 0);
    assert_true(fixture_exposed(t->f, "skerry_serving_dropped_total{what=\"unreadable\"} 1"));
}

static void a_truth_that_comes_late_is_joined_with_its_call(void **state)
{
    struct toys *t = *state;
    struct expected e = { { 0 } };
    char key[32];
    for (uint64_t i = 0; i < 300; i++) {
        struct serving_call call = call_of(t, i, &e);
        call.at_ms -= (int64_t)(i % 48) * 3600 * 1000; /* two days of hours */
        snprintf(key, sizeof key, "house-%llu", (unsigned long long)i);
        assert_true(serving_log(t->family, &call, str_of(key)));
    }
    assert_ok(serving_flush(t->s));
    assert_int_equal(toys_sum(t, "made"), 600);
    assert_int_equal(toys_sum(t, "judged"), 0);
    assert_int_equal(fixture_int(t->f, "SELECT COUNT(*) FROM serving_calls WHERE truth IS NULL"),
                     300);
    struct serving *other = toys_open(t, NULL); /* the truth comes to another server */
    struct served_family *f = serving_find(other, STR("toy"));
    for (int again = 0; again < 2; again++) {
        for (uint64_t i = 0; i < 300; i++) {
            snprintf(key, sizeof key, "house-%llu", (unsigned long long)i);
            assert_true(serving_truth(f, str_of(key), toys_input(i).truth));
        }
        assert_ok(serving_flush(other));
    }
    assert_int_equal(toys_sum(t, "judged"), 600); /* told twice, counted once */
    assert_int_equal(toys_sum(t, "correct"), e.correct[0] + e.correct[SERVING_SHADOW1]);
    assert_int_equal(fixture_int(t->f, "SELECT COUNT(*) FROM serving_calls WHERE truth IS NULL"),
                     0);
    /* It is counted in the hour of the call. */
    assert_int_equal(fixture_int(t->f, "SELECT COUNT(DISTINCT hour) FROM serving_windows"), 48);
    /* A truth without a call is waited for, and then counted as such. */
    assert_true(serving_truth(f, STR("nobody"), 1));
    for (int i = 0; i < 10; i++)
        assert_ok(serving_flush(other));
    assert_true(fixture_exposed(t->f, "skerry_serving_unjoined_total{family=\"toy\"} 1"));
    /* One that comes before its call is joined when that is there. */
    struct serving_call call = call_of(t, 7, &e);
    assert_true(serving_truth(f, STR("early"), 0));
    assert_ok(serving_flush(other));
    assert_true(serving_log(t->family, &call, STR("early")));
    assert_ok(serving_flush(t->s));
    assert_ok(serving_flush(other));
    assert_int_equal(toys_sum(t, "judged"), 602);
    serving_close(other);
}

static void outcomes_are_of_the_version_that_is_there(void **state)
{
    struct toys *t = *state;
    serving_outcome(t->family, SERVING_PRODUCTION, 1, true);
    serving_outcome(t->family, SERVING_PRODUCTION, 1, false);
    toys_move(t, "toy_model", SERVING_PRODUCTION, 2);
    assert_ok(serving_follow(t->s));
    serving_outcome(t->family, SERVING_PRODUCTION, 1, true); /* began before the swap */
    serving_outcome(t->family, SERVING_PRODUCTION, 2, true);
    assert_ok(serving_flush(t->s));
    assert_int_equal(toys_sum(t, "trials"), 3);
    assert_int_equal(toys_sum(t, "CASE WHEN version = 1 THEN wins ELSE 0 END"), 1);
    assert_int_equal(toys_sum(t, "CASE WHEN version = 2 THEN wins ELSE 0 END"), 1);
    assert_true(fixture_exposed(t->f, "skerry_serving_dropped_total{what=\"late_outcome\"} 1"));
}

static void a_full_queue_drops_and_says_so(void **state)
{
    struct toys *t = *state;
    struct expected e = { { 0 } };
    struct serving_call call = call_of(t, 1, &e);
    int64_t kept = 0, lost = 0;
    t->s->queue.bytes_max = 256 * 1024; /* fills sooner */
    while (lost < 10) {
        if (serving_log(t->family, &call, STR("the same key for all of them")))
            kept++;
        else
            lost++;
        assert_true(kept < 1000000); /* there is an end to it */
    }
    assert_true(fixture_exposed(t->f, "skerry_serving_dropped_total{what=\"call\"} 10"));
    assert_true(kept > 1000);
}

static void a_sample_is_kept_one_by_one_and_forgotten(void **state)
{
    struct toys *t = *state;
    serving_close(t->s);
    t->s = toys_open(t, &(struct serving_options){ .log_percent = 20, .flush_ms = 50 });
    t->family = serving_find(t->s, STR("toy"));
    assert_ok(serving_follow(t->s));
    toys_play(t, t->family, 0, 2000);
    assert_ok(serving_flush(t->s));
    assert_in_range(fixture_int(t->f, "SELECT COUNT(*) FROM serving_calls"), 300, 500);
    assert_int_equal(toys_sum(t, "made"), 4000); /* the sums are whole all the same */
    fixture_exec(t->f, "UPDATE serving_calls SET at_ms = 1");
    fixture_exec(t->f, "UPDATE serving_windows SET hour = 1 WHERE slot = 0");
    struct serving_hour *hours;
    size_t count;
    assert_ok(serving_hours(t->family, 0, 0, &t->f->mem, &hours, &count));
    assert_int_equal(count, 2);
    assert_int_equal(hours[0].slot, SERVING_SHADOW1);
    assert_int_equal(hours[1].tally.made, 2000);
    /* Decisions that moved something stay, and so does the newest. */
    for (int i = 0; i < 3; i++)
        fixture_exec(t->f,
                     "INSERT INTO serving_decisions (family, decision, at_ms, is_reordered, reason,"
                     " username, source, data)"
                     " VALUES ('toy', 'retain_production', 1, 0, '', '', '', '{}')");
    fixture_exec(t->f, "UPDATE serving_decisions SET decision = 'rollback' WHERE id ="
                       " (SELECT MIN(id) FROM serving_decisions)");
    assert_ok(serving_purge(t->s));
    assert_int_equal(fixture_int(t->f, "SELECT COUNT(*) FROM serving_calls"), 0);
    assert_int_equal(fixture_int(t->f, "SELECT COUNT(*) FROM serving_windows"), 1);
    assert_int_equal(fixture_int(t->f, "SELECT COUNT(*) FROM serving_decisions"), 2);
}

static void other_inputs_than_in_training_are_drift(void **state)
{
    struct toys *t = *state;
    struct serving_slot_report slots[SERVING_SLOTS];
    for (uint64_t i = 0; i < 1000; i++) {
        struct toy_input in = toys_input(i);
        struct serving_call call;
        in.features[1] = in.features[1] / 2; /* never above a half now */
        assert_true(serving_predict(t->family, SERVING_PRODUCTION, false, &in, &call, NULL));
        serving_note(t->family, &call, in.truth);
    }
    assert_ok(serving_flush(t->s));
    assert_ok(serving_report(t->family, 24, slots));
    assert_true(slots[SERVING_PRODUCTION].drift_inputs > 1);
    assert_true(slots[SERVING_PRODUCTION].drift_predictions < 0.05);
    assert_true(isnan(slots[SERVING_SHADOW1].drift_inputs)); /* saw nothing */
    assert_ok(serving_start(t->s));                          /* looks at once */
    assert_true(fixture_exposed(
        t->f, "skerry_serving_alarm{family=\"toy\",alias=\"Production\",reason=\"drift\"} 1"));
    str line;
    assert_int_equal(fixture_logged(t->f, "serving.alarm", &line), 1);
    assert_true(str_contains(line, STR("\"level\":\"warn\"")));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, toys_deinit)
    const struct CMUnitTest tests[] = {
        TEST(what_is_noted_in_memory_is_in_the_tables),
        TEST(a_note_goes_with_its_transaction),
        TEST(many_notes_are_one_row_and_each_counts),
        TEST(a_row_that_is_cut_off_is_dropped_and_told),
        TEST(a_truth_that_comes_late_is_joined_with_its_call),
        TEST(outcomes_are_of_the_version_that_is_there),
        TEST(a_full_queue_drops_and_says_so),
        TEST(a_sample_is_kept_one_by_one_and_forgotten),
        TEST(other_inputs_than_in_training_are_drift),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
