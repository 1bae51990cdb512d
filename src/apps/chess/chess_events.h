/* SPDX-License-Identifier: GPL-3.0-or-later */
/* chess_events.h -- what the chess app tells the outbox, in the transactions that it tells of: a
 * game that was played here, one by one; games that were imported, an event for each import,
 * however many they are. All do nothing when nobody takes events.
 */
#ifndef SKERRY_APPS_CHESS_CHESS_EVENTS_H
#define SKERRY_APPS_CHESS_CHESS_EVENTS_H

#include "apps/chess/play_store.h"
#include "platform/app/app.h"

/* "game.finished", about the game's id. */
MUST_USE err chess_tell_game(struct house *h, struct store_tx *tx, const struct play *p);

struct chess_import {
    const char *run_id;
    const char *state; /* "succeeded", "failed" */
    const char *error; /* "" when it succeeded */
    str source, dataset;
    int64_t added, duplicates, refused, positions, bytes;
};
/* "games.imported" or "games.import_failed", about the run. */
MUST_USE err chess_tell_import(struct house *h, struct store_tx *tx, const struct chess_import *i);

#endif
