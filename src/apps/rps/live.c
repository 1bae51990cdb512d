/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "apps/rps/live.h"

#include <stdlib.h>

#include "base/map.h"

/* How many games in use are passed by in search of one that can make room. */
enum { EVICT_TRIES_MAX = 64 };

struct rps_live_table {
    pthread_mutex_t lock;
    struct map map;     /* guarded by lock; keys are the games' own ids */
    struct list by_use; /* guarded by lock; longest ago first */
    size_t games_max;
};

err rps_live_open(size_t games_max, struct rps_live_table **ret_table)
{
    struct rps_live_table *t = calloc(1, sizeof *t);
    if (!t)
        return ERR(ERR_NO_MEMORY, "opening the table of games: out of memory");
    pthread_mutex_init(&t->lock, NULL);
    map_init(&t->map, games_max);
    list_init(&t->by_use);
    t->games_max = games_max;
    *ret_table = t;
    return OK;
}

void rps_live_close(struct rps_live_table *t)
{
    if (!t)
        return;
    for (struct list_link *x; (x = list_pop(&t->by_use));)
        free(LIST_ENTRY(x, struct rps_live, link));
    map_deinit(&t->map);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

size_t rps_live_count(struct rps_live_table *t)
{
    pthread_mutex_lock(&t->lock);
    size_t count = t->map.count;
    pthread_mutex_unlock(&t->lock);
    return count;
}

static enum rps_take take_locked(struct rps_live_table *t, str id, struct rps_live **ret_live)
{
    union map_value *found = map_find(&t->map, id);
    if (!found)
        return RPS_NOT_HERE;
    struct rps_live *live = found->ptr;
    if (live->is_busy)
        return RPS_TAKEN_BY_OTHERS;
    live->is_busy = true;
    *ret_live = live;
    return RPS_TAKEN;
}

enum rps_take rps_live_take(struct rps_live_table *t, str id, struct rps_live **ret_live)
{
    pthread_mutex_lock(&t->lock);
    enum rps_take how = take_locked(t, id, ret_live);
    pthread_mutex_unlock(&t->lock);
    return how;
}

void rps_live_give(struct rps_live_table *t, struct rps_live *live)
{
    pthread_mutex_lock(&t->lock);
    live->is_busy = false;
    list_remove(&live->link);
    list_push(&t->by_use, &live->link);
    pthread_mutex_unlock(&t->lock);
}

static void drop_locked(struct rps_live_table *t, struct rps_live *live)
{
    map_remove(&t->map, str_of(live->id));
    list_remove(&live->link);
    free(live);
}

void rps_live_drop(struct rps_live_table *t, struct rps_live *live)
{
    pthread_mutex_lock(&t->lock);
    drop_locked(t, live);
    pthread_mutex_unlock(&t->lock);
}

err rps_live_new(struct rps_live **ret_live)
{
    *ret_live = calloc(1, sizeof **ret_live);
    return *ret_live ? OK : ERR(ERR_NO_MEMORY, "no memory for a game");
}

/* Makes room for one more; false: all that were looked at are in use. */
static bool make_room(struct rps_live_table *t)
{
    if (t->map.count < t->games_max)
        return true;
    struct list_link *x = t->by_use.head.next;
    for (int tries = 0; tries < EVICT_TRIES_MAX && x != &t->by_use.head; tries++, x = x->next) {
        struct rps_live *live = LIST_ENTRY(x, struct rps_live, link);
        if (live->is_busy)
            continue;
        drop_locked(t, live);
        return true;
    }
    return false;
}

enum rps_take rps_live_add(struct rps_live_table *t, struct rps_live *live,
                           struct rps_live **ret_live)
{
    union map_value *slot;
    bool is_new = false;
    pthread_mutex_lock(&t->lock);
    enum rps_take how = take_locked(t, str_of(live->id), ret_live);
    if (how == RPS_NOT_HERE && make_room(t)) {
        err e = map_put(&t->map, str_of(live->id), &slot, &is_new);
        if (!e.code) {
            slot->ptr = live;
            live->is_busy = true;
            list_push(&t->by_use, &live->link);
            *ret_live = live;
            how = RPS_TAKEN;
        }
    }
    pthread_mutex_unlock(&t->lock);
    if (!is_new)
        free(live);
    return how;
}

void rps_live_advance(struct rps_live *live, const struct rps_game *game,
                      const struct rps_round *round)
{
    live->rounds[live->game.rounds] = *round;
    rps_history_add(&live->history, round);
    live->game = *game;
}
