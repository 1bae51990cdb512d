/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Runs of clients: do they keep MLflow's rules, and read as MLflow's clients expect? */
#include "track_fixture.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

#include "platform/track/client_runs.h"

static str begin(struct fixture *f, const char *name)
{
    char id[HEX_ID_BYTES];
    assert_ok(client_run_create(
        f->track, &(struct client_run_spec){ .user_id = STR("ada"), .name = str_of(name) }, id));
    return arena_str(&f->mem, str_of(id));
}

static struct client_run *get(struct fixture *f, str id)
{
    struct client_run *run;
    assert_ok(client_runs_read(f->track, &id, 1, &f->mem, &run));
    return run;
}

/* A list of the run's data: "metrics", "params" or "tags". */
static const struct json *list_of(struct fixture *f, const struct client_run *r, const char *list)
{
    const struct json *data;
    assert_ok(json_parse(&f->mem, r->data, &data));
    return json_get(data, list);
}

static const struct json *item_of(struct fixture *f, const struct client_run *r, const char *list,
                                  const char *key)
{
    const struct json *items = list_of(f, r, list);
    for (size_t i = 0; i < json_count(items); i++)
        if (str_eq(json_str(json_get(json_at(items, i), "key"), STR_NONE), str_of(key)))
            return json_at(items, i);
    return NULL;
}

static str text_of(struct fixture *f, const struct client_run *r, const char *list, const char *key)
{
    return json_str(json_get(item_of(f, r, list, key), "value"), STR_NONE);
}

static struct client_metric metric_of(struct fixture *f, const struct client_run *r,
                                      const char *key)
{
    const struct json *item = item_of(f, r, "metrics", key), *value = json_get(item, "value");
    if (!item)
        fail_msg("no metric %s", key);
    bool is_nan = str_eq(json_str(value, STR_NONE), STR("NaN"));
    return (struct client_metric){ .value = is_nan ? NAN : json_num(value, -12345),
                                   .ts_ms = json_int(json_get(item, "timestamp"), -1),
                                   .step = json_int(json_get(item, "step"), -1) };
}

static err log_texts(struct fixture *f, str id, const struct track_tag *params, size_t param_count,
                     const struct track_tag *tags, size_t tag_count,
                     struct client_conflicts *ret_conflicts)
{
    struct client_batch batch = {
        .params = params, .param_count = param_count, .tags = tags, .tag_count = tag_count
    };
    return client_run_log(f->track, id, &batch, &f->mem, ret_conflicts);
}

static err log_metrics(struct fixture *f, str id, const struct client_metric *metrics, size_t count)
{
    struct client_conflicts none;
    struct client_batch batch = { .metrics = metrics, .metric_count = count };
    return client_run_log(f->track, id, &batch, &f->mem, &none);
}

static err tag_one(struct fixture *f, str id, const char *key, const char *value)
{
    struct client_conflicts none;
    struct track_tag tag = { str_of(key), str_of(value) };
    return log_texts(f, id, NULL, 0, &tag, 1, &none);
}

/* ------------------------------------------------------------------ life */

static void a_run_is_made_with_its_name_in_both_places(void **state)
{
    struct fixture *f = *state;
    struct client_run *r = get(f, begin(f, "morning"));
    assert_int_equal(r->run_id.len, 32);
    assert_string_equal(r->status.ptr, "RUNNING");
    assert_string_equal(r->name.ptr, "morning");
    assert_string_equal(r->user_id.ptr, "ada");
    assert_string_equal(text_of(f, r, "tags", "mlflow.runName").ptr, "morning");
    assert_true(r->start_ms > 0 && r->end_ms == 0 && !r->is_deleted);
    assert_true(str_starts(r->artifact_uri, STR("mlflow-artifacts:/0/")) &&
                str_ends(r->artifact_uri, STR("/artifacts")));

    /* and by the tag, which may not say another thing */
    struct track_tag tag = { STR("mlflow.runName"), STR("evening") };
    struct client_run_spec spec = { .tags = &tag, .tag_count = 1 };
    char id[HEX_ID_BYTES];
    assert_ok(client_run_create(f->track, &spec, id));
    assert_string_equal(get(f, str_of(id))->name.ptr, "evening");
    spec.name = STR("night");
    assert_err(client_run_create(f->track, &spec, id), ERR_INVALID);

    assert_ok(client_run_create(f->track, &(struct client_run_spec){ .start_ms = 7 }, id));
    r = get(f, str_of(id));
    assert_true(r->name.len > 5 && r->start_ms == 7);
    assert_err(client_run_create(f->track, &(struct client_run_spec){ .experiment_id = 9 }, id),
               ERR_NOT_FOUND);
}

static void the_name_changes_both_ways(void **state)
{
    struct fixture *f = *state;
    str id = begin(f, "a");
    assert_ok(client_run_update(f->track, id,
                                &(struct client_run_change){ .end_ms = -1, .name = STR("b") }));
    assert_string_equal(text_of(f, get(f, id), "tags", "mlflow.runName").ptr, "b");
    assert_ok(tag_one(f, id, "mlflow.runName", "c"));
    assert_string_equal(get(f, id)->name.ptr, "c");
    assert_ok(tag_one(f, id, "mlflow.runName", "")); /* a run has a name */
    assert_string_equal(get(f, id)->name.ptr, "c");
    assert_string_equal(get(f, id)->status.ptr, "RUNNING"); /* unset is unchanged */

    assert_ok(client_run_update(
        f->track, id, &(struct client_run_change){ .status = STR("FAILED"), .end_ms = 99 }));
    assert_string_equal(get(f, id)->status.ptr, "FAILED");
    assert_int_equal(get(f, id)->end_ms, 99);
    assert_true(fixture_exposed(f, "skerry_runs_total{component=\"mlflow\",status=\"FAILED\"} 1"));
    assert_int_equal(fixture_logged(f, "run.ended", NULL), 1);
}

static void a_deleted_run_is_read_and_not_written(void **state)
{
    struct fixture *f = *state;
    struct client_metric point = { .key = STR("m"), .value = 1 };
    str id = begin(f, "a");
    assert_ok(tag_one(f, id, "k", "v"));
    assert_ok(client_run_delete(f->track, id));
    assert_ok(client_run_delete(f->track, id));
    assert_true(get(f, id)->is_deleted);
    assert_err(log_metrics(f, id, &point, 1), ERR_INVALID);
    assert_err(tag_one(f, id, "k", "w"), ERR_INVALID);
    assert_err(client_run_tag_delete(f->track, id, STR("k")), ERR_INVALID);
    assert_err(client_run_update(f->track, id, &(struct client_run_change){ .end_ms = 1 }),
               ERR_INVALID);
    assert_err(client_run_inputs(f->track, id, NULL, 0, NULL, 0), ERR_INVALID);
    assert_err(client_run_outputs(f->track, id, NULL, 0), ERR_INVALID);
    assert_err(client_run_model_note(f->track, id, STR("{}"), &f->mem), ERR_INVALID);
    assert_ok(client_run_restore(f->track, id));
    assert_ok(client_run_restore(f->track, id));
    assert_ok(log_metrics(f, id, &point, 1));
    assert_ok(client_run_tag_delete(f->track, id, STR("k")));
    assert_err(client_run_tag_delete(f->track, id, STR("k")), ERR_NOT_FOUND);

    str nobody = STR("00000000000000000000000000000000");
    struct client_run *none;
    assert_err(client_run_delete(f->track, nobody), ERR_NOT_FOUND);
    assert_err(client_run_restore(f->track, nobody), ERR_NOT_FOUND);
    assert_err(log_metrics(f, nobody, &point, 1), ERR_NOT_FOUND);
    assert_err(client_runs_read(f->track, &nobody, 1, &f->mem, &none), ERR_NOT_FOUND);
}

static void a_run_goes_and_comes_with_its_experiment(void **state)
{
    struct fixture *f = *state;
    int64_t experiment;
    char id[HEX_ID_BYTES];
    assert_ok(
        experiment_create(f->track, &(struct experiment_spec){ .name = STR("e") }, &experiment));
    struct client_run_spec spec = { .experiment_id = experiment };
    assert_ok(client_run_create(f->track, &spec, id));
    assert_ok(experiment_delete(f->track, experiment));
    assert_true(get(f, str_of(id))->is_deleted);
    assert_err(client_run_create(f->track, &spec, id), ERR_INVALID);
    assert_ok(experiment_restore(f->track, experiment));
    assert_false(get(f, str_of(id))->is_deleted);
}

/* ------------------------------------------------------------------ params and tags */

static void params_do_not_change(void **state)
{
    struct fixture *f = *state;
    struct client_conflicts conflicts;
    struct track_tag first[] = { { STR("a"), STR("1") }, { STR("b"), STR("") } };
    struct track_tag second[] = { { STR("new"), STR("1") },
                                  { STR("a"), STR("2") },
                                  { STR("b"), STR("") } };
    struct track_tag tag = { STR("t"), STR("1") };
    str id = begin(f, "a");
    assert_ok(log_texts(f, id, first, 2, NULL, 0, &conflicts));
    assert_ok(log_texts(f, id, first, 2, NULL, 0, &conflicts)); /* the same again */
    assert_int_equal(conflicts.count, 0);
    assert_err(log_texts(f, id, second, 3, &tag, 1, &conflicts), ERR_INVALID);
    assert_int_equal(conflicts.count, 1);
    assert_string_equal(conflicts.items[0].key.ptr, "a");
    assert_string_equal(conflicts.items[0].old_value.ptr, "1");
    assert_string_equal(conflicts.items[0].new_value.ptr, "2");
    struct client_run *r = get(f, id); /* nothing of that batch */
    assert_int_equal(json_count(list_of(f, r, "params")), 2);
    assert_int_equal(text_of(f, r, "tags", "t").len, 0);

    struct track_tag twice[] = { { STR("x"), STR("1") }, { STR("x"), STR("1") } };
    assert_err(log_texts(f, id, twice, 2, NULL, 0, &conflicts), ERR_INVALID);
    assert_int_equal(conflicts.count, 0);
    assert_ok(log_texts(f, id, NULL, 0, twice, 2, &conflicts)); /* tags may come twice */
}

static void long_texts_are_cut_by_characters(void **state)
{
    struct fixture *f = *state;
    struct client_conflicts none;
    static char wide[9000 * 2 + 1]; /* 9000 characters of two bytes */
    for (size_t i = 0; i < 9000; i++)
        memcpy(wide + 2 * i, "\xC3\xA9", 2);
    struct track_tag text = { STR("k"), str_from(wide, 2 * 9000) };
    str id = begin(f, "a");
    assert_ok(log_texts(f, id, &text, 1, &text, 1, &none));
    assert_ok(log_texts(f, id, &text, 1, NULL, 0, &none)); /* the same, cut the same way */
    struct client_run *r = get(f, id);
    assert_int_equal(text_of(f, r, "params", "k").len, 2 * 6000);
    assert_int_equal(text_of(f, r, "tags", "k").len, 2 * 8000);
}

static void keys_are_mlflows(void **state)
{
    struct fixture *f = *state;
    static const char *const good[] = { "a", "a/b", "a b-c_d.e:f", "\xC3\xA9", "..a", "v1..2" };
    static const char *const bad[] = { "",     "/a",    "a/",  "a//b", ".",   "..",
                                       "../a", "a/./b", "a#b", "a,b",  "a\nb" };
    char longest[252];
    str id = begin(f, "a");
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_ok(tag_one(f, id, good[i], "v"));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_err(tag_one(f, id, bad[i], "v"), ERR_INVALID);
    memset(longest, 'k', sizeof longest);
    longest[251] = '\0';
    assert_err(tag_one(f, id, longest, "v"), ERR_INVALID);
    longest[250] = '\0';
    assert_ok(tag_one(f, id, longest, "v"));
}

static void a_batch_has_limits(void **state)
{
    struct fixture *f = *state;
    struct client_conflicts none;
    struct client_batch batch = { 0 };
    struct client_metric *metrics = NEW_ARRAY(&f->mem, struct client_metric, 1001);
    struct track_tag *texts = NEW_ARRAY(&f->mem, struct track_tag, 101);
    for (int i = 0; i < 1001; i++)
        metrics[i] = (struct client_metric){ .key = STR("m"), .step = i };
    for (int i = 0; i < 101; i++)
        texts[i] = (struct track_tag){ arena_fmt(&f->mem, "k%d", i), STR("v") };
    str id = begin(f, "a");
    batch.metrics = metrics;
    batch.params = batch.tags = texts;
    static const struct {
        size_t metrics, params, tags;
        bool fits;
    } cases[] = {
        { 1000, 0, 0, true },    { 1001, 0, 0, false },    { 0, 100, 0, true },
        { 0, 101, 0, false },    { 0, 0, 100, true },      { 0, 0, 101, false },
        { 800, 100, 100, true }, { 801, 100, 100, false }, { 0, 0, 0, true },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        batch.metric_count = cases[i].metrics;
        batch.param_count = cases[i].params;
        batch.tag_count = cases[i].tags;
        err e = client_run_log(f->track, id, &batch, &f->mem, &none);
        assert_int_equal(e.code, cases[i].fits ? ERR_NONE : ERR_INVALID);
    }
}

static void a_model_is_noted_in_a_list(void **state)
{
    struct fixture *f = *state;
    str id = begin(f, "a");
    assert_ok(client_run_model_note(f->track, id, STR("{\"a\":1}"), &f->mem));
    assert_ok(client_run_model_note(f->track, id, STR("{\"b\":2}"), &f->mem));
    struct client_run *r = get(f, id);
    assert_string_equal(text_of(f, r, "tags", "mlflow.log-model.history").ptr,
                        "[{\"a\":1}, {\"b\":2}]");
    assert_ok(tag_one(f, id, "mlflow.log-model.history", "mine"));
    assert_err(client_run_model_note(f->track, id, STR("{}"), &f->mem), ERR_INVALID);
}

/* ------------------------------------------------------------------ metrics */

/* What MLflow calls the latest: the largest (step, time, value), a NaN counting as 0. */
static bool is_later(const struct client_metric *a, const struct client_metric *b)
{
    double x = isnan(a->value) ? 0 : a->value, y = isnan(b->value) ? 0 : b->value;
    return a->step != b->step     ? a->step > b->step
           : a->ts_ms != b->ts_ms ? a->ts_ms > b->ts_ms
                                  : x > y;
}

static void the_latest_point_is_the_largest_of_the_history(void **state)
{
    struct fixture *f = *state;
    enum { KEYS = 7, BATCHES = 60, POINTS = 40 };
    struct client_metric points[POINTS], best[KEYS];
    bool has[KEYS] = { false };
    str keys[KEYS];
    struct rng rng;
    str id = begin(f, "a");

    rng_init(&rng, 4);
    for (int k = 0; k < KEYS; k++)
        keys[k] = arena_fmt(&f->mem, "m/%d", k);
    for (int b = 0; b < BATCHES; b++) {
        size_t count = 1 + rng_below(&rng, POINTS);
        for (size_t i = 0; i < count; i++) { /* few values, so that points meet */
            size_t k = rng_below(&rng, KEYS);
            points[i] = (struct client_metric){
                .key = keys[k],
                .value = rng_below(&rng, 10) ? (double)rng_below(&rng, 5) - 2 : (double)NAN,
                .ts_ms = (int64_t)rng_below(&rng, 4),
                .step = (int64_t)rng_below(&rng, 6) - 2,
            };
            if (!has[k] || is_later(&points[i], &best[k]))
                best[k] = points[i];
            has[k] = true;
        }
        assert_ok(log_metrics(f, id, points, count));
    }
    struct client_run *r = get(f, id);
    assert_int_equal(json_count(list_of(f, r, "metrics")), KEYS);
    for (int k = 0; k < KEYS; k++) {
        struct client_metric m = metric_of(f, r, keys[k].ptr);
        assert_int_equal(m.step, best[k].step);
        assert_int_equal(m.ts_ms, best[k].ts_ms);
        /* 0 and NaN are the same place: whichever came first stays */
        if (!isnan(m.value) && !isnan(best[k].value))
            assert_true(m.value == best[k].value);
    }
    /* the tables agree with themselves, too */
    assert_int_equal(fixture_int(f,
                                 "SELECT COUNT(*) FROM latest_metrics l JOIN metrics m"
                                 " ON m.metric_id = l.metric_id WHERE (m.step, m.ts_ms, m.value) >"
                                 " (l.step, l.ts_ms, l.value)"),
                     0);
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM latest_metrics l JOIN metrics m"
                                    " ON m.metric_id = l.metric_id AND m.step = l.step AND"
                                    " m.ts_ms = l.ts_ms AND m.value = l.value AND"
                                    " m.is_nan = l.is_nan"),
                     fixture_int(f, "SELECT COUNT(*) FROM latest_metrics"));
}

/* Keys are looked for many at a time: those that are there with an earlier point, with a later one,
 * and those that are not. */
static void a_batch_meets_keys_that_are_there(void **state)
{
    struct fixture *f = *state;
    enum { OLD = 40, ALL = 70 };
    struct client_metric points[ALL];
    str id = begin(f, "wide"), other = begin(f, "other");
    for (int i = 0; i < ALL; i++)
        points[i] = (struct client_metric){ .key = arena_fmt(&f->mem, "k%d", i), .step = 5 };
    assert_ok(log_metrics(f, id, points, OLD));
    assert_ok(log_metrics(f, other, points, ALL)); /* of no concern */
    for (int i = 0; i < ALL; i++)
        points[i].step = i % 2 ? 1 : 9;
    for (int again = 0; again < 2; again++)
        assert_ok(log_metrics(f, id, points, ALL));
    for (int i = 0; i < ALL; i++) {
        struct client_point *history;
        size_t count;
        str next;
        struct client_metric m = metric_of(f, get(f, id), points[i].key.ptr);
        assert_int_equal(m.step, i % 2 == 0 ? 9 : i < OLD ? 5 : 1);
        assert_ok(client_metric_history(f->track, id, points[i].key, STR_NONE, 0, &f->mem, &history,
                                        &count, &next));
        assert_int_equal(count, i < OLD ? 2 : 1);
        assert_int_equal(metric_of(f, get(f, other), points[i].key.ptr).step, 5);
    }
}

static void values_that_are_no_numbers_are_kept(void **state)
{
    struct fixture *f = *state;
    str id = begin(f, "a"), next;
    struct client_point *points;
    size_t count;
    struct client_metric in[] = {
        { .key = STR("nan"), .value = (double)NAN },
        { .key = STR("nan"), .value = 0 }, /* not the same point */
        { .key = STR("nan"), .value = 0 }, /* this one is */
        { .key = STR("up"), .value = (double)INFINITY },
        { .key = STR("down"), .value = (double)-INFINITY },
    };
    assert_ok(log_metrics(f, id, in, COUNT_OF(in)));
    struct client_run *r = get(f, id);
    assert_true(isnan(metric_of(f, r, "nan").value));
    assert_true(metric_of(f, r, "up").value == DBL_MAX);
    assert_true(metric_of(f, r, "down").value == -DBL_MAX);
    assert_ok(client_metric_history(f->track, id, STR("nan"), STR_NONE, 0, &f->mem, &points, &count,
                                    &next));
    assert_int_equal(count, 2);
    assert_true(points[0].value == 0 && isnan(points[1].value));
    in[0].ts_ms = -1;
    assert_err(log_metrics(f, id, in, 1), ERR_INVALID);
}

static void metrics_of_a_logged_model_are_its_own_too(void **state)
{
    struct fixture *f = *state;
    str id = begin(f, "a");
    struct client_metric m = { .key = STR("acc"),
                               .value = 0.5,
                               .ts_ms = 3,
                               .step = 1,
                               .model_id = STR("m-1"),
                               .dataset_name = STR("d"),
                               .dataset_digest = STR("x") };
    assert_err(log_metrics(f, id, &m, 1), ERR_NOT_FOUND);
    assert_int_equal(json_count(list_of(f, get(f, id), "metrics")), 0); /* all or nothing */
    fixture_exec(f, "INSERT INTO logged_models (model_id, experiment_id, name, artifact_location,"
                    " created_ms, updated_ms, status, lifecycle_stage) VALUES ('m-1', 0, 'n', 'a',"
                    " 1, 1, 'LOGGED_MODEL_PENDING', 'active')");
    assert_ok(log_metrics(f, id, &m, 1));
    assert_ok(log_metrics(f, id, &m, 1));
    assert_true(metric_of(f, get(f, id), "acc").value == 0.5);
    assert_int_equal(fixture_int(f,
                                 "SELECT COUNT(*) FROM logged_model_metrics WHERE model_id = 'm-1'"
                                 " AND key = 'acc' AND dataset_name = 'd' AND value = 0.5"),
                     1);
}

/* ------------------------------------------------------------------ histories */

static void histories_come_in_pages(void **state)
{
    struct fixture *f = *state;
    struct client_metric points[100];
    struct client_point *page;
    size_t count, total = 0;
    str id = begin(f, "a"), token = STR_NONE;
    for (int i = 0; i < 100; i++)
        points[i] = (struct client_metric){
            .key = STR("m"), .value = i % 3 ? i : (double)NAN, .ts_ms = i / 10, .step = -(i % 10)
        };
    assert_ok(log_metrics(f, id, points, 100));
    int64_t last_ms = -1;
    do {
        assert_ok(client_metric_history(f->track, id, STR("m"), token, 7, &f->mem, &page, &count,
                                        &token));
        assert_true(count == 7 || token.len == 0);
        for (size_t i = 0; i < count; i++) {
            assert_true(page[i].ts_ms >= last_ms);
            last_ms = page[i].ts_ms;
        }
        total += count;
    } while (token.len);
    assert_int_equal(total, 100);
    assert_ok(client_metric_history(f->track, id, STR("m"), STR_NONE, 100, &f->mem, &page, &count,
                                    &token));
    assert_true(count == 100 && token.len == 0);
    assert_ok(client_metric_history(f->track, id, STR("other"), STR_NONE, 0, &f->mem, &page, &count,
                                    &token));
    assert_int_equal(count, 0);
    assert_err(client_metric_history(f->track, STR("none"), STR("m"), STR_NONE, 0, &f->mem, &page,
                                     &count, &token),
               ERR_NOT_FOUND);
    static const char *const wrong[] = { "x", "MS4y", "MS4yLjMuNC41", "eyJvZmZzZXQiOiAzfQ==",
                                         "MS4yLjkyMjMzNzIwMzY4NTQ3NzU4MDcuMA==" };
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_err(client_metric_history(f->track, id, STR("m"), str_of(wrong[i]), 0, &f->mem,
                                         &page, &count, &token),
                   ERR_INVALID);
}

static void samples_are_spread_evenly(void **state)
{
    struct fixture *f = *state;
    struct client_metric points[1000];
    struct client_point *got;
    size_t count;
    str id = begin(f, "a");
    for (int i = 0; i < 1000; i++)
        points[i] = (struct client_metric){ .key = STR("m"), .value = i, .ts_ms = i, .step = i };
    assert_ok(log_metrics(f, id, points, 1000));
    struct client_sampling s = { .limit = 10 };
    assert_ok(client_metric_sample(f->track, id, STR("m"), &s, &f->mem, &got, &count));
    assert_int_equal(count, 10);
    assert_int_equal(got[0].step, 0);
    assert_int_equal(got[9].step, 999);
    for (size_t i = 1; i < 9; i++)
        assert_int_equal(got[i].step, i * 100);
    s = (struct client_sampling){
        .limit = 2500, .has_range = true, .from_step = 10, .to_step = 19
    };
    assert_ok(client_metric_sample(f->track, id, STR("m"), &s, &f->mem, &got, &count));
    assert_int_equal(count, 10);
    s = (struct client_sampling){ .limit = 1 };
    assert_ok(client_metric_sample(f->track, id, STR("m"), &s, &f->mem, &got, &count));
    assert_true(count == 1 && got[0].step == 999);
    s.limit = 0;
    assert_err(client_metric_sample(f->track, id, STR("m"), &s, &f->mem, &got, &count),
               ERR_INVALID);
}

/* ------------------------------------------------------------------ inputs and outputs */

static void a_dataset_is_one_row_however_often_it_is_logged(void **state)
{
    struct fixture *f = *state;
    struct track_tag tags[] = { { STR("mlflow.data.context"), STR("training") },
                                { STR("z"), STR("1") },
                                { STR("b"), STR("2") } };
    struct client_dataset d = { .name = STR("tiny"),
                                .digest = STR("abc"),
                                .source_type = STR("http"),
                                .source = STR("{}"),
                                .schema = STR("[1]"),
                                .tags = tags,
                                .tag_count = 3 };
    struct client_dataset other = { .name = STR("tiny"), .digest = STR("def") };
    str first = begin(f, "a"), second = begin(f, "b");
    assert_ok(client_run_inputs(f->track, first, &d, 1, NULL, 0));
    d.schema = STR("[2]");
    tags[0].value = STR("evaluation");
    assert_ok(client_run_inputs(f->track, first, &d, 1, NULL, 0)); /* what was said first stands */
    struct client_dataset both[] = { d, other };
    assert_ok(client_run_inputs(f->track, second, both, 2, NULL, 0));
    assert_int_equal(fixture_int(f, "SELECT COUNT(*) FROM datasets WHERE kind = 'mlflow'"), 2);

    struct client_run *r = get(f, first);
    assert_int_equal(r->dataset_count, 1);
    assert_string_equal(r->datasets[0].name.ptr, "tiny");
    assert_string_equal(r->datasets[0].digest.ptr, "abc");
    assert_string_equal(r->datasets[0].schema.ptr, "[1]");
    assert_int_equal(r->datasets[0].tag_count, 3);
    assert_string_equal(r->datasets[0].tags[0].value.ptr, "training");
    assert_string_equal(r->datasets[0].tags[1].key.ptr, "b");
    r = get(f, second);
    assert_int_equal(r->dataset_count, 2);
    assert_string_equal(r->datasets[0].tags[0].value.ptr, "evaluation");

    int64_t experiments[] = { 0, 77 };
    struct client_dataset_use *uses;
    size_t count;
    assert_ok(client_datasets_used(f->track, experiments, 2, &f->mem, &uses, &count));
    assert_int_equal(count, 3);
    assert_string_equal(uses[0].context.ptr, "evaluation");
    assert_string_equal(uses[1].context.ptr, "training");

    d.digest = STR("");
    assert_err(client_run_inputs(f->track, first, &d, 1, NULL, 0), ERR_INVALID);
    d.digest = STR("0123456789012345678901234567890123456");
    assert_err(client_run_inputs(f->track, first, &d, 1, NULL, 0), ERR_INVALID);
}

static void a_dataset_of_ours_is_recognised_and_never_hidden(void **state)
{
    struct fixture *f = *state;
    struct dataset_info ours = fixture_dataset(f, "lichess", STR("bytes")), found;
    struct client_dataset known = { .name = STR("lichess"), .digest = ours.version };
    struct client_dataset unknown = { .name = STR("lichess"), .digest = STR("of-a-client") };
    str id = begin(f, "a");
    assert_ok(client_run_inputs(f->track, id, &known, 1, NULL, 0));
    assert_ok(client_run_inputs(f->track, id, &unknown, 1, NULL, 0));
    struct client_run *r = get(f, id);
    assert_int_equal(r->dataset_count, 2);
    assert_string_equal(r->datasets[0].id.ptr, ours.id);
    assert_string_equal(r->datasets[0].source_type.ptr, "skerry");
    /* by its name alone it is still the one that has bytes */
    assert_ok(dataset_get(f->track, STR("lichess"), STR_NONE, &f->mem, &found));
    assert_string_equal(found.id, ours.id);
    assert_ok(dataset_get(f->track, STR("lichess"), STR("of-a-client"), &f->mem, &found));
    assert_string_equal(found.kind.ptr, "mlflow");
    /* one that was deleted and is logged again is there again */
    assert_ok(dataset_delete(f->track, str_of(found.id)));
    assert_ok(client_run_inputs(f->track, begin(f, "b"), &unknown, 1, NULL, 0));
    assert_ok(dataset_get(f->track, STR("lichess"), STR("of-a-client"), &f->mem, &found));
}

static void models_are_edges(void **state)
{
    struct fixture *f = *state;
    struct client_model in = { .model_id = STR("m-in") };
    struct client_model out[] = { { STR("m-out"), 3 }, { STR("m-too"), 4 } };
    str id = begin(f, "a");
    assert_ok(client_run_inputs(f->track, id, NULL, 0, &in, 1));
    assert_ok(client_run_outputs(f->track, id, out, 2));
    assert_ok(client_run_outputs(f->track, id, out, 1));
    struct client_run *r = get(f, id);
    assert_int_equal(r->model_in_count, 1);
    assert_int_equal(r->model_out_count, 2);
    assert_string_equal(r->models_out[0].model_id.ptr, "m-out");
    assert_int_equal(r->models_out[0].step, 3);
    out[0].model_id = STR("");
    assert_err(client_run_outputs(f->track, id, out, 1), ERR_INVALID);
}

/* ------------------------------------------------------------------ ours and theirs */

static void our_runs_read_like_theirs(void **state)
{
    struct fixture *f = *state;
    struct run *r = fixture_run(f, "training");
    struct dataset_info d = fixture_dataset(f, "lichess", STR("bytes"));
    str id = arena_str(&f->mem, str_of(run_id(r)));
    assert_ok(run_param(r, "lr", STR("0.1")));
    assert_ok(run_metric(r, "loss", 0.5, 1));
    assert_ok(run_dataset_in(r, str_of(d.id), "training"));

    /* a client does not end what a stage works on, nor take it away */
    assert_ok(run_flush(r));
    assert_err(
        client_run_update(f->track, id,
                          &(struct client_run_change){ .status = STR("FINISHED"), .end_ms = -1 }),
        ERR_INVALID);
    assert_err(client_run_delete(f->track, id), ERR_INVALID);
    assert_ok(tag_one(f, id, "mlflow.note.content", "look"));
    fixture_end(r, ERR_NONE);

    struct client_run *got = get(f, id);
    assert_string_equal(got->status.ptr, "FINISHED");
    assert_string_equal(text_of(f, got, "params", "lr").ptr, "0.1");
    assert_string_equal(text_of(f, got, "tags", "mlflow.note.content").ptr, "look");
    assert_true(metric_of(f, got, "loss").value == 0.5);
    assert_int_equal(got->dataset_count, 1);
    assert_int_equal(got->datasets[0].digest.len, 64);
    assert_string_equal(got->datasets[0].tags[0].value.ptr, "training");
    assert_ok(client_run_delete(f->track, id));
}

#define MANY "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 1099) "

static void many_runs_are_read_in_the_order_asked_for(void **state)
{
    struct fixture *f = *state;
    enum { RUNS = 1100 }; /* three pages */
    str *ids = NEW_ARRAY(&f->mem, str, RUNS);
    struct client_run *runs;
    struct rng rng;
    rng_init(&rng, 9);
    fixture_exec(f, MANY "INSERT INTO runs (run_id, experiment_id, run_name, user_id, component,"
                         " origin, status, lifecycle_stage, created_ms, attempts)"
                         " SELECT 'r' || CAST(i AS @text), 0, 'n' || CAST(i AS @text), 'u',"
                         " 'mlflow', 'client', 'RUNNING', 'active', i, 1 FROM n");
    fixture_exec(f, MANY "INSERT INTO tags (run_id, key, value) SELECT 'r' || CAST(i AS @text),"
                         " 'mlflow.runName', 'n' || CAST(i AS @text) FROM n");
    fixture_exec(f,
                 MANY "INSERT INTO latest_metrics (run_id, key, step, ts_ms, value, is_nan)"
                      " SELECT 'r' || CAST(i AS @text), 'm', 0, 0, i, 0 FROM n WHERE i % 3 <> 0");
    for (int i = 0; i < RUNS; i++)
        ids[i] = arena_fmt(&f->mem, "r%d", i);
    for (int i = RUNS - 1; i > 0; i--) {
        size_t j = rng_below(&rng, (uint64_t)i + 1);
        str kept = ids[i];
        ids[i] = ids[j];
        ids[j] = kept;
    }
    assert_ok(client_runs_read(f->track, ids, RUNS, &f->mem, &runs));
    for (int i = 0; i < RUNS; i++) {
        assert_true(str_eq(runs[i].run_id, ids[i]));
        int64_t number = -1;
        assert_ok(str_to_i64(str_sub(runs[i].name, 1, 9), &number));
        assert_string_equal(text_of(f, &runs[i], "tags", "mlflow.runName").ptr, runs[i].name.ptr);
        assert_int_equal(json_count(list_of(f, &runs[i], "metrics")), number % 3 ? 1 : 0);
        if (number % 3)
            assert_true(json_num(json_get(json_at(list_of(f, &runs[i], "metrics"), 0), "value"),
                                 -1) == (double)number);
    }
    assert_ok(client_runs_read(f->track, ids, 0, &f->mem, &runs));
}

static void runs_of_clients_survive_our_restart(void **state)
{
    struct fixture *f = *state;
    str id = begin(f, "a");
    struct client_metric m = { .key = STR("m"), .value = 1 };
    assert_ok(log_metrics(f, id, &m, 1));
    fixture_shut(f);
    assert_ok(fixture_try_open(f));
    assert_string_equal(get(f, id)->status.ptr, "RUNNING");
    struct run_info *infos;
    size_t count;
    assert_ok(track_run_list(f->track, &(struct run_filter){ .component = STR("mlflow") }, &f->mem,
                             &infos, &count));
    assert_int_equal(count, 1);
    assert_string_equal(infos[0].username.ptr, "ada");
}

/* A store that an earlier release made: its points are all there afterwards. */
static void points_move_with_the_table(void **state)
{
    struct fixture f;
    (void)state;
    fixture_folder(&f);
    assert_ok(store_open(&(struct store_options){ .url = f.db_url }, &f.store));
    const struct store_migration released[] = {
        track_migrations[0], track_migrations[1], track_migrations[2], { 0, NULL }
    };
    assert_ok(store_migrate(f.store, "track", released));
    fixture_exec(&f, "INSERT INTO experiments VALUES (0, 'Default', 'x:/0', 'active', 1, 1)");
    fixture_exec(&f,
                 "INSERT INTO runs (run_id, experiment_id, run_name, user_id, component, origin,"
                 " status, lifecycle_stage, created_ms, attempts) VALUES ('abc', 0, 'n', 'u',"
                 " 'c', 'house', 'FINISHED', 'active', 1, 1)");
    fixture_exec(&f, "INSERT INTO latest_metrics (run_id, key, step, ts_ms, value, is_nan)"
                     " VALUES ('abc', 'm', 2, 20, 0.25, 0)");
    fixture_exec(&f, "INSERT INTO metrics SELECT metric_id, 10, 1, 0.5, 0 FROM latest_metrics");
    fixture_exec(&f, "INSERT INTO metrics SELECT metric_id, 20, 2, 0.25, 0 FROM latest_metrics");
    store_close(f.store);
    assert_ok(fixture_try_open(&f));
    struct client_point *points;
    size_t count;
    str next;
    assert_ok(client_metric_history(f.track, STR("abc"), STR("m"), STR_NONE, 0, &f.mem, &points,
                                    &count, &next));
    assert_int_equal(count, 2);
    assert_true(points[0].value == 0.5 && points[1].step == 2);
    fixture_shut(&f);
    fixture_folder_remove(&f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_init, fixture_deinit)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_run_is_made_with_its_name_in_both_places),
        TEST(the_name_changes_both_ways),
        TEST(a_deleted_run_is_read_and_not_written),
        TEST(a_run_goes_and_comes_with_its_experiment),
        TEST(params_do_not_change),
        TEST(long_texts_are_cut_by_characters),
        TEST(keys_are_mlflows),
        TEST(a_batch_has_limits),
        TEST(a_model_is_noted_in_a_list),
        TEST(the_latest_point_is_the_largest_of_the_history),
        TEST(a_batch_meets_keys_that_are_there),
        TEST(values_that_are_no_numbers_are_kept),
        TEST(metrics_of_a_logged_model_are_its_own_too),
        TEST(histories_come_in_pages),
        TEST(samples_are_spread_evenly),
        TEST(a_dataset_is_one_row_however_often_it_is_logged),
        TEST(a_dataset_of_ours_is_recognised_and_never_hidden),
        TEST(models_are_edges),
        TEST(our_runs_read_like_theirs),
        TEST(many_runs_are_read_in_the_order_asked_for),
        TEST(runs_of_clients_survive_our_restart),
        cmocka_unit_test(points_move_with_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
