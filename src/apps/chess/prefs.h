/* SPDX-License-Identifier: GPL-3.0-or-later */
/* prefs.h -- how a user likes to play: what POST /v1/play/new takes where its body says nothing. */
#ifndef SKERRY_APPS_CHESS_PREFS_H
#define SKERRY_APPS_CHESS_PREFS_H

#include "base/err.h"
#include "engine/chess/position.h"
#include "platform/store/store.h"

struct chess_prefs {
    double temperature;     /* 0 takes the most probable move, 1 plays as often as people do */
    int64_t top_k;          /* among so many of the most probable moves; 0: among all */
    enum chess_color board; /* the side that the board shows below */
    bool use_for_training;  /* finished games are imported */
};

extern const char chess_schema_prefs[]; /* a migration step */

/* The user's own, or the defaults where there are none yet. */
MUST_USE err prefs_read(struct store *store, str username, struct chess_prefs *ret_prefs);

#endif
