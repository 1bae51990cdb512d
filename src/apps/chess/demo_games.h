/* SPDX-License-Identifier: GPL-3.0-or-later */
/* demo_games.h -- games that come with the program: 692 of one Lichess player, CC0, as .pgn.zst.
 * examples/games/SOURCES.md says where they are from. */
#ifndef SKERRY_APPS_CHESS_DEMO_GAMES_H
#define SKERRY_APPS_CHESS_DEMO_GAMES_H

/* From the first byte to the one behind the last. Written by demo_games.sh at build time. */
extern const char demo_games_bytes[], demo_games_end[];

#endif
