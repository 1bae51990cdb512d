/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Long histories as charts show them: do the few points tell what the many would? */
#include "track_fixture.h"

#include <math.h>

#include "platform/track/client_runs.h"

static str begin(struct fixture *f, const char *name)
{
    char id[HEX_ID_BYTES];
    assert_ok(client_run_create(
        f->track, &(struct client_run_spec){ .user_id = STR("ada"), .name = str_of(name) }, id));
    return arena_str(&f->mem, str_of(id));
}

static err log_metrics(struct fixture *f, str id, const struct client_metric *metrics, size_t count)
{
    struct client_conflicts none;
    struct client_batch batch = { .metrics = metrics, .metric_count = count };
    return client_run_log(f->track, id, &batch, &f->mem, &none);
}

static bool has_point(const struct metric_point *points, size_t count, int64_t step, double value)
{
    for (size_t i = 0; i < count; i++)
        if (points[i].step == step && points[i].value == value)
            return true;
    return false;
}

/* One point of ten thousand that stands out is what somebody looks at a chart for. */
static void a_reduced_history_keeps_ends_and_spikes(void **state)
{
    struct fixture *f = *state;
    enum { POINTS = 10000, BATCH = 1000 };
    struct client_metric points[BATCH];
    struct metric_point *got;
    size_t count;
    int64_t total;
    str id = begin(f, "a");
    for (int at = 0; at < POINTS; at += BATCH) {
        for (int i = 0; i < BATCH; i++) {
            int step = at + i;
            double value = step == 5003 ? 900 : step == 7001 ? -900 : step % 7;
            points[i] = (struct client_metric){
                /* time runs against the steps: the axis decides, not the order of the rows */
                .key = STR("m"),
                .value = value,
                .ts_ms = POINTS - step,
                .step = step
            };
        }
        assert_ok(log_metrics(f, id, points, BATCH));
    }
    struct metric_reduction how = { .limit = 100 };
    assert_ok(track_metric_reduce(f->track, id, STR("m"), &how, &f->mem, &got, &count, &total));
    assert_int_equal(total, POINTS);
    assert_true(count > 90 && count <= 100);
    assert_int_equal(got[0].step, 0);
    assert_int_equal(got[count - 1].step, POINTS - 1);
    assert_true(has_point(got, count, 5003, 900) && has_point(got, count, 7001, -900));
    for (size_t i = 1; i < count; i++)
        assert_true(got[i].step > got[i - 1].step);

    how.by_time = true;
    assert_ok(track_metric_reduce(f->track, id, STR("m"), &how, &f->mem, &got, &count, &total));
    assert_int_equal(got[0].step, POINTS - 1);
    assert_true(has_point(got, count, 5003, 900));
    for (size_t i = 1; i < count; i++)
        assert_true(got[i].ts_ms > got[i - 1].ts_ms);

    how = (struct metric_reduction){ .limit = 100, .has_range = true, .from = 4990, .to = 5010 };
    assert_ok(track_metric_reduce(f->track, id, STR("m"), &how, &f->mem, &got, &count, &total));
    assert_true(total == 21 && count == 21 && got[0].step == 4990 && got[20].step == 5010);
    how.to = 9999;
    assert_ok(track_metric_reduce(f->track, id, STR("m"), &how, &f->mem, &got, &count, &total));
    assert_true(total == 5010 && count <= 100 && has_point(got, count, 7001, -900));
}

static void a_reduced_history_has_corners(void **state)
{
    struct fixture *f = *state;
    struct metric_point *got;
    size_t count;
    int64_t total;
    str id = begin(f, "a");
    struct client_metric points[] = {
        { .key = STR("m"), .value = (double)NAN, .ts_ms = 1, .step = INT64_MIN + 1 },
        { .key = STR("m"), .value = (double)NAN, .ts_ms = 2, .step = -1 },
        { .key = STR("m"), .value = 5, .ts_ms = 3, .step = 0 },
        { .key = STR("m"), .value = (double)NAN, .ts_ms = 4, .step = 0 },
        { .key = STR("m"), .value = 6, .ts_ms = 5, .step = 1 },
        { .key = STR("m"), .value = 4, .ts_ms = 6, .step = INT64_MAX },
    };
    assert_ok(log_metrics(f, id, points, COUNT_OF(points)));
    struct metric_reduction how = { .limit = 4 };
    assert_ok(track_metric_reduce(f->track, id, STR("m"), &how, &f->mem, &got, &count, &total));
    assert_true(total == 6 && count == 3); /* both ends and the highest; the lowest is an end */
    assert_true(isnan(got[0].value) && got[2].step == INT64_MAX);
    assert_true(has_point(got, count, 1, 6));
    assert_ok(track_metric_reduce(f->track, id, STR("none"), &how, &f->mem, &got, &count, &total));
    assert_true(total == 0 && count == 0);
    how.limit = 3;
    assert_err(track_metric_reduce(f->track, id, STR("m"), &how, &f->mem, &got, &count, &total),
               ERR_INVALID);
    how = (struct metric_reduction){ .limit = 4, .has_range = true, .from = 2, .to = 1 };
    assert_err(track_metric_reduce(f->track, id, STR("m"), &how, &f->mem, &got, &count, &total),
               ERR_INVALID);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_init, fixture_deinit)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_reduced_history_keeps_ends_and_spikes),
        TEST(a_reduced_history_has_corners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
