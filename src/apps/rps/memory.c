/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "apps/rps/memory.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "apps/rps/past.h"
#include "base/list.h"
#include "base/map.h"

enum {
    NAME_MAX_BYTES = 64,
    KEY_BYTES = 8 + 1 + NAME_MAX_BYTES,
    PENDING_MAX = 4,   /* rounds that ended a game before anybody was asked again */
    TURNS_AT_ONCE = 64 /* that the event thread may take in */
};

struct key {
    char bytes[KEY_BYTES]; /* population, kind, name */
    size_t len;
};

/* One state of one population; in the table, or taken out by who uses it. */
struct state {
    struct list_link link; /* by last use, longest ago first */
    struct key key;
    struct rps_recall recall;             /* of a game: the person it began with, and its rounds */
    size_t turns;                         /* of the game; 0 for a person */
    struct rps_turn pending[PENDING_MAX]; /* of a person: the end of the last game */
    size_t pending_count;
};

struct rps_memory {
    struct store *store;
    size_t states_max;
    pthread_mutex_t lock;
    struct map map; /* guarded by lock, like the rest */
    struct list by_use;
    struct metric_cell *cells[RPS_RECALLS]; /* NULL: nobody counts */
};

err rps_memory_open(struct store *store, size_t states_max, struct rps_memory **ret_memory)
{
    struct rps_memory *m = calloc(1, sizeof *m);
    if (!m)
        return ERR(ERR_NO_MEMORY, "opening the memory of players: out of memory");
    m->store = store;
    m->states_max = states_max;
    pthread_mutex_init(&m->lock, NULL);
    map_init(&m->map, states_max);
    list_init(&m->by_use);
    *ret_memory = m;
    return OK;
}

static void state_free(struct state *s)
{
    if (!s)
        return;
    rps_recall_deinit(&s->recall);
    free(s);
}

void rps_memory_close(struct rps_memory *m)
{
    if (!m)
        return;
    for (struct list_link *x; (x = list_pop(&m->by_use));)
        state_free(LIST_ENTRY(x, struct state, link));
    map_deinit(&m->map);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

void rps_memory_tell(struct rps_memory *m, struct metric_cell *const cells[RPS_RECALLS])
{
    memcpy(m->cells, cells, sizeof m->cells);
}

size_t rps_memory_states(struct rps_memory *m)
{
    pthread_mutex_lock(&m->lock);
    size_t states = m->map.count;
    pthread_mutex_unlock(&m->lock);
    return states;
}

/* ------------------------------------------------------------------ the table */

static void count(struct rps_memory *m, enum rps_recall_result result)
{
    if (m->cells[result])
        metric_add(m->cells[result], 1);
}

enum kind { OF_GAME = 'g', OF_PERSON = 'p' };

/* False: the name is longer than any that is kept. */
static bool key_make(uint64_t population, enum kind kind, str name, struct key *ret_key)
{
    if (name.len > NAME_MAX_BYTES)
        return false;
    memcpy(ret_key->bytes, &population, sizeof population);
    ret_key->bytes[sizeof population] = (char)kind;
    if (name.len)
        memcpy(ret_key->bytes + sizeof population + 1, name.ptr, name.len);
    ret_key->len = sizeof population + 1 + name.len;
    return true;
}

static str key_str(const struct key *key)
{
    return str_from(key->bytes, key->len);
}

static struct state *state_new(uint64_t population, enum kind kind, str name)
{
    struct key key;
    struct state *s = key_make(population, kind, name, &key) ? calloc(1, sizeof *s) : NULL;
    if (s)
        s->key = key;
    return s;
}

static void remove_locked(struct rps_memory *m, struct state *s)
{
    map_remove(&m->map, key_str(&s->key));
    list_remove(&s->link);
}

/* Out of the table; NULL: it is not there, or in use. */
static struct state *take(struct rps_memory *m, uint64_t population, enum kind kind, str name)
{
    struct state *found = NULL;
    struct key key;
    if (!key_make(population, kind, name, &key))
        return NULL;
    pthread_mutex_lock(&m->lock);
    union map_value *slot = map_find(&m->map, key_str(&key));
    if (slot) {
        found = slot->ptr;
        remove_locked(m, found);
    }
    pthread_mutex_unlock(&m->lock);
    return found;
}

/* Into the table, in the place of what is there under its key unless that knows more. Takes it
 * over; without memory it is simply forgotten. */
static void put(struct rps_memory *m, struct state *s)
{
    union map_value *slot;
    struct state *old = NULL;
    bool is_new = false;
    pthread_mutex_lock(&m->lock);
    union map_value *there = map_find(&m->map, key_str(&s->key));
    if (!there && m->map.count >= m->states_max) {
        old = LIST_ENTRY(m->by_use.head.next, struct state, link);
        remove_locked(m, old);
        count(m, RPS_RECALL_EVICTED);
    }
    if (there && ((struct state *)there->ptr)->recall.seen > s->recall.seen) {
        old = s;
    } else {
        if (there) {
            old = there->ptr;
            remove_locked(m, old);
        }
        err e = map_put(&m->map, key_str(&s->key), &slot, &is_new);
        if (is_new && !e.code) {
            slot->ptr = s;
            list_push(&m->by_use, &s->link);
        } else {
            old = s;
        }
    }
    pthread_mutex_unlock(&m->lock);
    state_free(old);
}

/* ------------------------------------------------------------------ a person, between games */

struct reading {
    str name;
    int64_t from, to;
    struct rps_finished past;
};

static err read_past(struct store_read *rd, void *arg)
{
    struct reading *r = arg;
    rps_past_deinit(&r->past);
    return rps_past_read(rd, r->name, r->from, r->to, &r->past);
}

static err recall(struct rps_memory *m, const struct rps_population *population, str person,
                  int64_t seen, struct rps_recall *recall)
{
    struct reading r = { .name = person, .from = rps_recall_needs(recall, seen), .to = seen };
    err e = OK;
    if (r.from <= r.to) {
        e = store_read(m->store, read_past, &r);
        count(m, RPS_RECALL_READ);
    }
    if (!e.code)
        e = rps_recall_to(population, recall, seen, rps_past_turns, &r.past);
    rps_past_deinit(&r.past);
    return e;
}

static void take_pending(const struct rps_population *population, struct state *s)
{
    for (size_t i = 0; i < s->pending_count; i++)
        rps_player_take(population, s->recall.player, &s->pending[i]);
    s->pending_count = 0;
}

/* Somebody as known when `seen` games were over, for the caller to play on with. */
static err begin(struct rps_memory *m, const struct rps_population *population,
                 const struct rps_moment *moment, bool may_read, struct rps_recall *ret,
                 bool *ret_is_ready)
{
    uint64_t digest = rps_population_digest(population);
    err e = OK;
    *ret = (struct rps_recall){ .first = rps_past_first(moment->seen), .seen = moment->seen };
    *ret_is_ready = true;
    if (moment->person.len == 0 || moment->seen == 0) {
        count(m, RPS_RECALL_BEGUN);
        return rps_player_new(population, &ret->player);
    }
    struct state *s = take(m, digest, OF_PERSON, moment->person);
    /* A game that began before another ended: what is known by now is for the next one. */
    bool is_late = s && s->recall.seen > moment->seen;
    if (is_late) {
        put(m, s);
        s = NULL;
    }
    if (!s && !(s = state_new(digest, OF_PERSON, moment->person)))
        return ERR(ERR_NO_MEMORY, "remembering a player: out of memory");
    if (s->recall.player)
        take_pending(population, s);
    *ret_is_ready = may_read || rps_recall_needs(&s->recall, moment->seen) > moment->seen;
    if (*ret_is_ready)
        e = recall(m, population, moment->person, moment->seen, &s->recall);
    if (*ret_is_ready && !e.code)
        e = rps_player_copy(population, s->recall.player, &ret->player);
    if (s->recall.player && !is_late)
        put(m, s);
    else
        state_free(s);
    return e;
}

/* ------------------------------------------------------------------ a game */

/* Before the turns that are missing. */
static err game_state(struct rps_memory *m, const struct rps_population *population,
                      const struct rps_moment *moment, bool may_read, struct state **ret_state,
                      bool *ret_is_ready)
{
    uint64_t digest = rps_population_digest(population);
    struct state *s = moment->game.len ? take(m, digest, OF_GAME, moment->game) : NULL;
    *ret_is_ready = true;
    if (s && s->turns <= moment->turn_count && s->recall.seen == moment->seen) {
        count(m, RPS_RECALL_KEPT);
        *ret_state = s;
        return OK;
    }
    state_free(s);
    s = state_new(digest, OF_GAME, moment->game);
    if (!s)
        return ERR(ERR_NO_MEMORY, "remembering a game: out of memory");
    err e = begin(m, population, moment, may_read, &s->recall, ret_is_ready);
    if (e.code || !*ret_is_ready) {
        state_free(s);
        return e;
    }
    rps_player_begin_game(s->recall.player);
    *ret_state = s;
    return OK;
}

err rps_memory_see(struct rps_memory *m, const struct rps_population *population,
                   const struct rps_moment *moment, bool may_read, double out[RPS_PLAYER_FEATURES],
                   bool *ret_is_ready)
{
    struct state *s = NULL;
    *ret_is_ready = may_read || moment->turn_count <= TURNS_AT_ONCE;
    if (*ret_is_ready)
        TRY(game_state(m, population, moment, may_read, &s, ret_is_ready));
    if (!*ret_is_ready)
        return OK;
    while (s->turns < moment->turn_count)
        rps_player_take(population, s->recall.player, &moment->turns[s->turns++]);
    rps_player_see(population, s->recall.player, &moment->points, out);
    if (moment->game.len)
        put(m, s);
    else
        state_free(s);
    return OK;
}

/* What is known in the game is what will be known of the person, unless another of their games
 * ended meanwhile: then the store tells. */
void rps_memory_end(struct rps_memory *m, uint64_t population, const struct rps_moment *moment,
                    int64_t number)
{
    struct state *s = take(m, population, OF_GAME, moment->game);
    bool is_next = s && moment->person.len && number == moment->seen + 1 &&
                   s->recall.seen == moment->seen && s->turns <= moment->turn_count &&
                   moment->turn_count - s->turns <= PENDING_MAX;
    struct state *person = is_next ? state_new(population, OF_PERSON, moment->person) : NULL;
    if (person) {
        person->recall = s->recall;
        person->recall.seen = number;
        s->recall = (struct rps_recall){ 0 };
        for (size_t i = s->turns; i < moment->turn_count; i++)
            person->pending[person->pending_count++] = moment->turns[i];
        put(m, person);
    }
    state_free(s);
}
