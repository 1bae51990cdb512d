/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dataset_select.h -- the games a dataset is made from, page by page in the order they were stored.
 *
 * The newest game is noted at the beginning, so games that arrive during a build do not change it.
 * Pages are separate short reads: a build of an hour must not hold a snapshot for an hour.
 */
#ifndef SKERRY_APPS_CHESS_DATASET_SELECT_H
#define SKERRY_APPS_CHESS_DATASET_SELECT_H

#include "apps/chess/dataset_filter.h"
#include "platform/blobs/blobs.h"

enum { SELECT_PAGE_GAMES = 1024, SELECT_PLAYERS_MAX = 16 };

struct selected_game {
    struct chess_row_game game; /* all but its rows and split */
    int64_t id, pack_id, end_ms;
    bool has_time;
    uint32_t pack_index;
    struct blob_id pack;
    uint64_t moves_hash;
    int player_color; /* of the filter's player; -1: there is none */
};

struct game_selection {
    struct store *store;
    const struct row_filter *filter;
    struct buf where; /* " AND ..." of the filter */
    struct store_value values[ROW_FILTER_ARGS_MAX];
    size_t value_count;
    int64_t max_id, games, no_date;
    int64_t players[SELECT_PLAYERS_MAX];
    size_t player_count;
    int64_t last_id; /* of the page before */
    struct selected_game *page;
    size_t page_count;
};

/* Counts the games, and sets the time borders of a plan that splits by time; games without a date
 * cannot take part in such a plan. The filter is borrowed. */
MUST_USE err game_selection_open(struct store *store, const struct row_filter *filter,
                                 struct split_plan *plan, struct game_selection *ret_selection);
void game_selection_close(struct game_selection *s); /* accepts all zero */
void game_selection_rewind(struct game_selection *s);
/* Fills page and page_count; 0 games at the end. */
MUST_USE err game_selection_next(struct game_selection *s);
/* Digests of the packs behind the selection; the array lives in keep. */
MUST_USE err game_selection_packs(struct game_selection *s, arena *keep, struct blob_id **ret_packs,
                                  size_t *ret_count);

#endif
