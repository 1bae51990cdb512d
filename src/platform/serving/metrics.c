/* SPDX-License-Identifier: GPL-3.0-or-later */
/* metrics.c -- what this room counts. Labels are bounded: families and aliases are of tables, and a
 * version's own series go with it. */
#include "platform/serving/serving_internal.h"

enum { SLOT_CELLS_MAX = SERVING_FAMILIES_MAX * SERVING_SLOTS * 2 + 1, MODEL_CELLS_MAX = 256 };

const struct metric_family serving_metrics[] = {
    [SERVING_M_PREDICTIONS] = { .name = "skerry_serving_predictions_total",
                                .type = METRIC_COUNTER,
                                .help = "Predictions of a slot, decisive or as a shadow.",
                                .labels = { "family", "alias" },
                                .cells_max = SLOT_CELLS_MAX },
    [SERVING_M_CORRECT] = { .name = "skerry_serving_correct_total",
                            .type = METRIC_COUNTER,
                            .help = "Predictions whose likeliest class came true.",
                            .labels = { "family", "alias" },
                            .cells_max = SLOT_CELLS_MAX },
    [SERVING_M_MODEL_PREDICTIONS] = { .name = "skerry_serving_model_predictions_total",
                                      .type = METRIC_COUNTER,
                                      .help = "Predictions of a version (name@version) while it is "
                                              "in memory.",
                                      .labels = { "model" },
                                      .cells_max = MODEL_CELLS_MAX },
    [SERVING_M_SECONDS] = { .name = "skerry_serving_seconds",
                            .type = METRIC_HISTOGRAM,
                            .help = "How long a prediction took, shadows included.",
                            .labels = { "family" } },
    [SERVING_M_EXPOSURES] = { .name = "skerry_serving_exposures_total",
                              .type = METRIC_COUNTER,
                              .help = "Subjects that were assigned to an alias.",
                              .labels = { "family", "alias" },
                              .cells_max = SLOT_CELLS_MAX },
    [SERVING_M_FALLBACKS] = { .name = "skerry_serving_fallbacks_total",
                              .type = METRIC_COUNTER,
                              .help = "Answers that an app gave without a model, by why.",
                              .labels = { "family", "alias", "reason" } },
    [SERVING_M_VERSION] = { .name = "skerry_serving_version",
                            .type = METRIC_GAUGE,
                            .help = "The version that serves in a slot here; 0: none.",
                            .labels = { "family", "alias" },
                            .cells_max = SLOT_CELLS_MAX },
    [SERVING_M_LOAD_SECONDS] = { .name = "skerry_serving_load_seconds",
                                 .type = METRIC_HISTOGRAM,
                                 .help = "How long it took to load a version.",
                                 .labels = { "family" } },
    [SERVING_M_LOAD_FAILURES] = { .name = "skerry_serving_load_failures_total",
                                  .type = METRIC_COUNTER,
                                  .help = "Versions that could not be loaded, by the code of the "
                                          "error.",
                                  .labels = { "family", "reason" } },
    [SERVING_M_ACCURACY] = { .name = "skerry_serving_accuracy",
                             .type = METRIC_GAUGE,
                             .help =
                                 "Share of a slot's judged predictions that came true, over the "
                                 "window, of the version that is there now.",
                             .labels = { "family", "alias" },
                             .cells_max = SLOT_CELLS_MAX },
    [SERVING_M_LOG_LOSS] = { .name = "skerry_serving_log_loss",
                             .type = METRIC_GAUGE,
                             .help = "Mean negative logarithm of what came true, over the window.",
                             .labels = { "family", "alias" },
                             .cells_max = SLOT_CELLS_MAX },
    [SERVING_M_CALIBRATION] = { .name = "skerry_serving_calibration_error",
                                .type = METRIC_GAUGE,
                                .help = "Expected calibration error in tenths, over the window.",
                                .labels = { "family", "alias" },
                                .cells_max = SLOT_CELLS_MAX },
    [SERVING_M_DRIFT] = { .name = "skerry_serving_drift",
                          .type = METRIC_GAUGE,
                          .help =
                              "Population stability index against training, over the window: of "
                              "the input that moved most, and of the predictions.",
                          .labels = { "family", "alias", "scope" },
                          .cells_max = SLOT_CELLS_MAX },
    [SERVING_M_ALARM] = { .name = "skerry_serving_alarm",
                          .type = METRIC_GAUGE,
                          .help =
                              "1 while a slot is worse than its record (accuracy), or sees other "
                              "things than in training (drift).",
                          .labels = { "family", "alias", "reason" },
                          .cells_max = SLOT_CELLS_MAX },
    [SERVING_M_DROPPED] = { .name = "skerry_serving_dropped_total",
                            .type = METRIC_COUNTER,
                            .help =
                                "What was not kept: notes and calls that found their queue full, "
                                "outcomes that came after the version had left.",
                            .labels = { "what" } },
    [SERVING_M_UNJOINED] = { .name = "skerry_serving_unjoined_total",
                             .type = METRIC_COUNTER,
                             .help = "Truths that came for a key without a call.",
                             .labels = { "family" } },
    [SERVING_M_FLUSH_SECONDS] = { .name = "skerry_serving_flush_seconds",
                                  .type = METRIC_HISTOGRAM,
                                  .help = "How long it took to write what was noted." },
    [SERVING_M_DECISIONS] = { .name = "skerry_serving_decisions_total",
                              .type = METRIC_COUNTER,
                              .help = "Decisions about promotion.",
                              .labels = { "family", "decision" } },
    { .name = NULL },
};

void serving_cells_make(struct served_family *f)
{
    struct serving *s = f->s;
    str family = str_of(f->row->name);
    f->seconds = SERVING_CELL(s, SERVING_M_SECONDS, family);
    for (int i = 0; i < SERVING_SLOTS; i++) {
        str alias = str_of(serving_aliases[i]);
        f->cells[i] = (struct slot_cells){
            .predictions = SERVING_CELL(s, SERVING_M_PREDICTIONS, family, alias),
            .correct = SERVING_CELL(s, SERVING_M_CORRECT, family, alias),
            .exposures = SERVING_CELL(s, SERVING_M_EXPOSURES, family, alias),
            .version = SERVING_CELL(s, SERVING_M_VERSION, family, alias),
            .accuracy = SERVING_CELL(s, SERVING_M_ACCURACY, family, alias),
            .log_loss = SERVING_CELL(s, SERVING_M_LOG_LOSS, family, alias),
            .calibration = SERVING_CELL(s, SERVING_M_CALIBRATION, family, alias),
            .drift_inputs = SERVING_CELL(s, SERVING_M_DRIFT, family, alias, STR("inputs")),
            .drift_predictions = SERVING_CELL(s, SERVING_M_DRIFT, family, alias,
                                              STR("predictions")),
            .alarms = { SERVING_CELL(s, SERVING_M_ALARM, family, alias, STR("accuracy")),
                        SERVING_CELL(s, SERVING_M_ALARM, family, alias, STR("drift")) },
        };
    }
}

void serving_dropped(struct serving *s, const char *what, double count)
{
    metric_add(SERVING_CELL(s, SERVING_M_DROPPED, str_of(what)), count);
}
