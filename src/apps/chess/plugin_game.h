/* SPDX-License-Identifier: GPL-3.0-or-later */
/* plugin_game.h -- a stored game as a plugin sees it. */
#ifndef SKERRY_APPS_CHESS_PLUGIN_GAME_H
#define SKERRY_APPS_CHESS_PLUGIN_GAME_H

#include <skerry/plugin.h>

#include "base/arena.h"
#include "base/err.h"
#include "engine/chess/pgn.h"

/* Everything lives in keep. */
MUST_USE err plugin_game_of(const struct pgn_game *game, const char *id, arena *keep,
                            struct skerry_game *ret_game);

#endif
