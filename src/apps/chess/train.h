/* SPDX-License-Identifier: GPL-3.0-or-later */
/* train.h -- the parameters of a training, read from a request once and the same everywhere. */
#ifndef SKERRY_APPS_CHESS_TRAIN_H
#define SKERRY_APPS_CHESS_TRAIN_H

#include "base/json.h"
#include "engine/chess/net.h"

/* Reads epochs, batchSize, learningRate, weightDecay, dropout, seed, minutes, patience, book and
 * threads. ERR_INVALID names the field and its range. What is absent keeps the trainer's default.
 */
MUST_USE err train_params_read(const struct json *params, struct chess_train_options *ret_options);

#endif
