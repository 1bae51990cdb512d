/* SPDX-License-Identifier: GPL-3.0-or-later */
/* batch_scan.h -- reads the metrics out of a log-batch without a tree.
 *
 * A batch of 1000 metrics as clients write it is the same few bytes over and over; making a tree of
 * it takes longer than storing it. The scan takes what is plain: objects with the members that a
 * metric has, numbers, texts without escapes. Whatever is otherwise, right or wrong, is left to the
 * tree: the scan says no and nothing is lost but its time.
 */
#ifndef SKERRY_MLFLOW_BATCH_SCAN_H
#define SKERRY_MLFLOW_BATCH_SCAN_H

#include "platform/track/client_runs.h"

struct batch_scan {
    struct client_metric *metrics; /* texts are slices of the body */
    size_t count;
    str rest; /* the body with [] in the place of its metrics: still to be parsed */
};
/* True when the member "metrics" of the body is an array of plain metrics, 1 to CLIENT_METRICS_MAX
 * of them. Then a parser that accepts `rest` would have accepted the body, and would have read the
 * same metrics. False also without memory. */
bool batch_scan(str body, arena *keep, struct batch_scan *ret_scan);

#endif
