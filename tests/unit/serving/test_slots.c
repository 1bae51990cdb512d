/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Slots: would a swap drop a request, show half of itself, or leak the old version; would a version
 * that cannot be loaded take away what served? */
#include "serving_fixture.h"

#include <math.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/thread.h"

enum { WAIT_MS = 20000 };

static int64_t served(struct served_family *f, enum serving_slot slot)
{
    struct toy_input in = toys_input(1);
    struct serving_call call;
    return serving_predict(f, slot, false, &in, &call, NULL) ? call.answers[slot].version : 0;
}

static void aliases_say_what_serves(void **state)
{
    struct toys *t = *state;
    int64_t one = toys_version(t, "toy_model", 50), two = toys_version(t, "toy_model", 60);
    struct toy_input in = toys_input(1);
    struct serving_call call;
    const char *why = "";
    assert_false(serving_predict(t->family, SERVING_PRODUCTION, true, &in, &call, &why));
    assert_string_equal(why, "not_assigned");
    toys_move(t, "toy_model", SERVING_PRODUCTION, one);
    toys_move(t, "toy_model", SERVING_B, two);
    assert_ok(serving_follow(t->s));
    assert_int_equal(served(t->family, SERVING_PRODUCTION), one);
    assert_int_equal(served(t->family, SERVING_B), two);
    assert_int_equal(atomic_load(&t->counts.loads), 2);
    /* They change places, and nothing is loaded for it. */
    toys_move(t, "toy_model", SERVING_PRODUCTION, two);
    toys_move(t, "toy_model", SERVING_B, one);
    assert_ok(serving_follow(t->s));
    assert_int_equal(served(t->family, SERVING_PRODUCTION), two);
    assert_int_equal(served(t->family, SERVING_B), one);
    assert_int_equal(atomic_load(&t->counts.loads), 2);
    assert_true(
        fixture_exposed(t->f, "skerry_serving_version{family=\"toy\",alias=\"Production\"} 2"));
    /* An alias that is taken away empties its slot, and frees the version. */
    assert_ok(model_alias_remove(t->f->track, STR("toy_model"), STR("B"), STR("ada"), STR("")));
    assert_ok(serving_follow(t->s));
    assert_int_equal(served(t->family, SERVING_B), 0);
    assert_int_equal(atomic_load(&t->counts.alive), 1);
    assert_false(serving_predict(t->plain, SERVING_B, true, &in, &call, &why));
}

/* An input is made ready once, for the models that will be asked; when it cannot be, none is. */
static void inputs_are_prepared(void **state)
{
    struct toys *t = *state;
    struct toy_preparation preparation = { 0 };
    struct toy_input in = toys_input(1);
    struct serving_call call;
    const char *why = "";
    in.preparation = &preparation;
    toys_move(t, "toy_model", SERVING_PRODUCTION, toys_version(t, "toy_model", 50));
    toys_move(t, "toy_model", SERVING_SHADOW1, toys_version(t, "toy_model", 60));
    assert_ok(serving_follow(t->s));
    assert_true(serving_predict(t->family, SERVING_PRODUCTION, true, &in, &call, &why));
    assert_true(preparation.calls == 1 && preparation.models == 2);
    assert_true(serving_predict(t->family, SERVING_PRODUCTION, false, &in, &call, &why));
    assert_true(preparation.calls == 2 && preparation.models == 1);
    preparation.refuses = true;
    assert_false(serving_predict(t->family, SERVING_PRODUCTION, true, &in, &call, &why));
    assert_string_equal(why, SERVING_NOT_PREPARED);
    assert_false(call.answers[SERVING_SHADOW1].is_there);
    assert_true(fixture_exposed(t->f, "skerry_serving_predictions_total{family=\"toy\",alias="
                                      "\"Production\"} 2"));
}

static void what_cannot_be_loaded_changes_nothing(void **state)
{
    struct toys *t = *state;
    serving_close(t->s);
    t->s = toys_open(t, &(struct serving_options){ .cooldown_ms = 3600 * 1000 });
    t->family = serving_find(t->s, STR("toy"));
    int64_t good = toys_version(t, "toy_model", 50), bad = toys_broken(t, "toy_model");
    toys_move(t, "toy_model", SERVING_PRODUCTION, good);
    assert_ok(serving_follow(t->s));
    toys_move(t, "toy_model", SERVING_PRODUCTION, bad);
    for (int i = 0; i < 10; i++)
        assert_ok(serving_follow(t->s));
    assert_int_equal(served(t->family, SERVING_PRODUCTION), good);
    /* Tried once: then it is left alone for a while. */
    assert_true(fixture_exposed(
        t->f, "skerry_serving_load_failures_total{family=\"toy\",reason=\"corrupt\"} 1"));
    assert_int_equal(fixture_logged(t->f, "serving.load_failed", NULL), 1);
    struct serving_slot_report slots[SERVING_SLOTS];
    assert_ok(serving_report(t->family, 24, slots));
    assert_int_equal(slots[SERVING_PRODUCTION].alias_version, bad);
    assert_int_equal(slots[SERVING_PRODUCTION].version, good);
    assert_true(strstr(slots[SERVING_PRODUCTION].failure, "this toy is broken"));
    /* Who asks by name is told why, and does not wait for the cool-down. */
    struct model_version_info info;
    assert_ok(model_get(t->f->track, STR("toy_model"), STR("2"), &t->f->mem, &info));
    assert_err(serving_load(t->s, &info, STR("Production")), ERR_CONFLICT);
    assert_true(fixture_exposed(
        t->f, "skerry_serving_load_failures_total{family=\"toy\",reason=\"corrupt\"} 2"));
    assert_err(serving_load(t->s, &info, STR("prod")), ERR_INVALID);
    assert_ok(serving_load(t->s, &info, STR("champion"))); /* a label: nothing serves behind it */
    /* A slot that never had anything: the request learns why. */
    toys_move(t, "toy_model", SERVING_B, bad);
    assert_ok(serving_follow(t->s));
    struct toy_input in = toys_input(1);
    struct serving_call call;
    const char *why = "";
    assert_false(serving_predict(t->family, SERVING_B, false, &in, &call, &why));
    assert_string_equal(why, "load_failed");
    serving_fallback(t->family, SERVING_B, why);
    assert_true(fixture_exposed(t->f, "skerry_serving_fallbacks_total{family=\"toy\",alias=\"B\","
                                      "reason=\"load_failed\"} 1"));
    /* Repaired by another version. */
    toys_move(t, "toy_model", SERVING_PRODUCTION, toys_version(t, "toy_model", 55));
    assert_ok(serving_follow(t->s));
    assert_int_equal(served(t->family, SERVING_PRODUCTION), 3);
}

static void another_server_follows_by_itself(void **state)
{
    struct toys *t = *state;
    struct serving_options often = { .poll_ms = 3600 * 1000, .flush_ms = 3600 * 1000 };
    struct serving *other = toys_open(t, &often); /* hears of it, or would wait an hour */
    toys_move(t, "toy_model", SERVING_PRODUCTION, toys_version(t, "toy_model", 50));
    assert_ok(serving_start(other));
    struct served_family *f = serving_find(other, STR("toy"));
    assert_int_equal(served(f, SERVING_PRODUCTION), 1);
    toys_move(t, "toy_model", SERVING_PRODUCTION, toys_version(t, "toy_model", 60));
    int64_t deadline = clock_mono_ns() + WAIT_MS * INT64_C(1000000);
    while (served(f, SERVING_PRODUCTION) != 2 && clock_mono_ns() < deadline)
        clock_sleep_ms(5);
    assert_int_equal(served(f, SERVING_PRODUCTION), 2);
    serving_close(other);
}

/* ------------------------------------------------------------------ under load */

enum { THREADS = 4, SWAPS = 60 };

struct asker {
    struct toys *t;
    atomic_bool *is_over;
    int index;
    int64_t asked, missed, torn;
};

/* Production and B always hold versions 1 and 2, one each. */
static void *ask(void *arg)
{
    struct asker *a = arg;
    while (!atomic_load(a->is_over)) {
        struct toy_input in = toys_input((uint64_t)a->asked);
        struct serving_call call;
        bool there = serving_predict(a->t->family, SERVING_PRODUCTION, true, &in, &call, NULL);
        a->asked++;
        a->missed += !there || !call.answers[SERVING_B].is_there;
        a->torn += call.answers[SERVING_PRODUCTION].version == call.answers[SERVING_B].version;
        serving_note(a->t->family, &call, in.truth);
        serving_assign(a->t->family, STR("somebody"));
        if (a->asked % 64 == 0)
            clock_sleep_ms(1); /* a busy server, not a busy loop */
        if (a->asked % 128 == 0) {
            char key[32];
            snprintf(key, sizeof key, "%d-%lld", a->index, (long long)a->asked);
            serving_log(a->t->plain, &call, str_of(key));
            serving_truth(a->t->plain, str_of(key), in.truth);
            serving_outcome(a->t->family, SERVING_PRODUCTION,
                            call.answers[SERVING_PRODUCTION].version, true);
        }
    }
    return NULL;
}

struct both_moves {
    struct toys *t;
    int64_t production, b;
};

static err both_fn(struct store_tx *tx, void *arg)
{
    struct both_moves *m = arg;
    struct promotion moves[] = {
        { .name = STR("toy_model"),
          .alias = STR("Production"),
          .username = STR("ada"),
          .to_version = m->production },
        { .name = STR("toy_model"), .alias = STR("B"), .username = STR("ada"), .to_version = m->b },
    };
    for (size_t i = 0; i < COUNT_OF(moves); i++)
        TRY(model_promote_tx(m->t->f->track, tx, &moves[i]));
    return OK;
}

static void a_swap_under_load_loses_and_tears_nothing(void **state)
{
    struct toys *t = *state;
    atomic_bool is_over = false;
    pthread_t threads[THREADS];
    struct asker askers[THREADS];
    int64_t asked = 0;
    toys_version(t, "toy_model", 50);
    toys_version(t, "toy_model", 60);
    assert_ok(store_write(t->f->store, both_fn, &(struct both_moves){ t, 1, 2 }));
    assert_ok(serving_start(t->s)); /* its thread flushes and follows meanwhile */
    for (int i = 0; i < THREADS; i++) {
        askers[i] = (struct asker){ .t = t, .is_over = &is_over, .index = i };
        assert_ok(thread_start(&threads[i], "asker", ask, &askers[i]));
    }
    for (int i = 0; i < SWAPS; i++) {
        struct both_moves m = { t, 1 + i % 2, 2 - i % 2 };
        assert_ok(store_write(t->f->store, both_fn, &m));
        assert_ok(serving_follow(t->s));
        if (i % 10 == 0) /* a fresh version in a shadow: loads and frees, too */
            toys_move(t, "toy_model", SERVING_SHADOW1, toys_version(t, "toy_model", i));
    }
    atomic_store(&is_over, true);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        asked += askers[i].asked;
        assert_int_equal(askers[i].missed, 0);
        assert_int_equal(askers[i].torn, 0);
    }
    assert_true(asked > 0);
    assert_ok(serving_flush(t->s));
    /* All that was noted is in the sums: nothing lost, nothing twice. */
    assert_false(fixture_exposed(t->f, "skerry_serving_dropped_total{what=\"note\"}"));
    assert_int_equal(fixture_int(t->f, "SELECT CAST(SUM(judged) AS @int) FROM serving_windows"
                                       " WHERE family = 'toy' AND slot = 0"),
                     asked);
    assert_int_equal(fixture_int(t->f, "SELECT COUNT(*) FROM serving_calls WHERE truth IS NULL"),
                     0);
    assert_int_equal(fixture_int(t->f, "SELECT COUNT(*) FROM serving_calls"),
                     fixture_int(t->f, "SELECT CAST(SUM(judged) AS @int) FROM serving_windows"
                                       " WHERE family = 'plain' AND slot = 0"));
}

/* ------------------------------------------------------------------ assignment */

static void assignment_is_a_hash_and_its_share_is_the_ratio(void **state)
{
    struct toys *t = *state;
    /* printf 'g1|xgboost' | sha256sum begins with 954f369b6c00001c. */
    assert_true(serving_share(STR("g1"), STR("xgboost")) == 0.5832399491737306);
    assert_true(serving_share(STR("g1"), STR("xgboost")) !=
                serving_share(STR("g1"), STR("feedforward_nn")));
    assert_int_equal(serving_split(0.2, 0.5), SERVING_PRODUCTION);
    assert_int_equal(serving_split(0.5, 0.5), SERVING_B);
    assert_int_equal(serving_split(0.0, 0), SERVING_B);
    assert_int_equal(serving_split(0.999, 1), SERVING_PRODUCTION);
    serving_ratio_set(t->family, 0.3);
    int production = 0;
    char subject[32];
    toys_move(t, "toy_model", SERVING_PRODUCTION, toys_version(t, "toy_model", 50));
    for (int i = 0; i < 100; i++) {
        snprintf(subject, sizeof subject, "s%d", i);
        assert_int_equal(serving_assign(t->family, str_of(subject)), SERVING_PRODUCTION);
    }
    toys_move(t, "toy_model", SERVING_B, toys_version(t, "toy_model", 60));
    assert_ok(serving_follow(t->s));
    for (int i = 0; i < 10000; i++) {
        snprintf(subject, sizeof subject, "s%d", i);
        enum serving_slot slot = serving_assign(t->family, str_of(subject));
        production += slot == SERVING_PRODUCTION;
        assert_int_equal(serving_assign(t->family, str_of(subject)), slot);
    }
    assert_in_range(production, 2800, 3200);
    assert_true(
        fixture_exposed(t->f, "skerry_serving_exposures_total{family=\"toy\",alias=\"B\"}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(aliases_say_what_serves, toys_init, toys_deinit),
        cmocka_unit_test_setup_teardown(inputs_are_prepared, toys_init, toys_deinit),
        cmocka_unit_test_setup_teardown(what_cannot_be_loaded_changes_nothing, toys_init,
                                        toys_deinit),
        cmocka_unit_test_setup_teardown(another_server_follows_by_itself, toys_init, toys_deinit),
        cmocka_unit_test_setup_teardown(a_swap_under_load_loses_and_tears_nothing, toys_init,
                                        toys_deinit),
        cmocka_unit_test_setup_teardown(assignment_is_a_hash_and_its_share_is_the_ratio, toys_init,
                                        toys_deinit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
