/* SPDX-License-Identifier: GPL-3.0-or-later */
/* player_file.c -- populations and players as bytes.
 *
 * Both begin with four letters and a version, and end with eight bytes of the SHA-256 of what is
 * before; for a population these eight are its digest. Numbers are little-endian, floats are kept
 * to the bit. Of a player's contexts only those that came up are written: how many cells to skip,
 * then three counts.
 */
#include "engine/rps/player.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "engine/rps/player_internal.h"

enum { VERSION = 1, CHECKSUM_BYTES = 8 };
static const char population_magic[4] = { 'R', 'P', 'O', 'P' };
static const char player_magic[4] = { 'R', 'P', 'L', 'Y' };
/* Far above what fitting and playing make, and low enough that mixing cannot overflow. */
static const float weight_max = 1e4f, count_max = 1e9f, prior_max = 1e6f;
/* A prior of nothing would make a probability of nothing out of nothing. */
static const float prior_min = 1e-9f;

static uint64_t checksum(str bytes)
{
    uint8_t digest[SHA256_BYTES];
    uint64_t sum = 0;

    sha256_of(bytes, digest);
    for (int i = 0; i < CHECKSUM_BYTES; i++)
        sum |= (uint64_t)digest[i] << 8 * i;
    return sum;
}

static void put_floats(struct buf *out, const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_add_f32(out, values[i]);
}

/* False when one is not a number in low..high. */
static bool get_floats(struct cursor *c, float *values, size_t count, float low, float high)
{
    bool good = true;
    for (size_t i = 0; i < count; i++) {
        values[i] = cursor_f32(c);
        good = good && values[i] >= low && values[i] <= high;
    }
    return good && !c->bad;
}

/* Checks letters, version and checksum; the cursor is then behind the version. */
static err open_bytes(str bytes, const char magic[4], const char *what, struct cursor *ret_cursor)
{
    const size_t head = 4 + 2;
    struct cursor c = cursor_of(bytes);

    if (bytes.len < head + CHECKSUM_BYTES || memcmp(bytes.ptr, magic, 4) != 0)
        return ERR(ERR_CORRUPT, "reading %s: %zu bytes that are none", what, bytes.len);
    (void)cursor_bytes(&c, 4);
    unsigned version = cursor_u16(&c);
    if (version != VERSION)
        return ERR(ERR_UNSUPPORTED, "reading %s: version %u; this program reads version %d", what,
                   version, VERSION);
    str body = str_sub(bytes, 0, bytes.len - CHECKSUM_BYTES);
    struct cursor end = cursor_of(str_sub(bytes, body.len, CHECKSUM_BYTES));
    if (cursor_u64(&end) != checksum(body))
        return ERR(ERR_CORRUPT, "reading %s: the checksum is wrong", what);
    *ret_cursor = cursor_of(str_sub(body, head, body.len));
    return OK;
}

/* ---------------------------------------------------------------- populations */

static void population_body(const struct rps_population *p, struct buf *out)
{
    buf_add_bytes(out, population_magic, sizeof population_magic);
    buf_add_u16(out, VERSION);
    buf_add_u16(out, RPS_EXPERTS);
    buf_add_u32(out, rps_population_cells(p));
    buf_add_f32(out, p->rate);
    buf_add_f32(out, p->hedge_rate);
    put_floats(out, &p->weights[0][0], WEIGHT_AGES * RPS_EXPERTS);
    for (size_t i = 0; i < rps_population_cells(p); i++)
        put_floats(out, p->prior[i].of, RPS_MOVES);
}

err rps_population_seal(struct rps_population *population)
{
    struct buf body;

    buf_init(&body, RPS_POPULATION_BYTES_MAX);
    population_body(population, &body);
    err e = buf_check(&body);
    if (!e.code)
        population->digest = checksum(buf_str(&body));
    buf_deinit(&body);
    return e;
}

void rps_population_write(const struct rps_population *population, struct buf *out)
{
    population_body(population, out);
    buf_add_u64(out, population->digest);
}

err rps_population_read(str bytes, struct rps_population **ret_population)
{
    struct cursor c;

    TRY(open_bytes(bytes, population_magic, "a population", &c));
    struct rps_population *p = rps_population_blank();
    if (!p)
        return ERR(ERR_NO_MEMORY, "reading a population: out of memory");
    bool good = cursor_u16(&c) == RPS_EXPERTS && cursor_u32(&c) == rps_population_cells(p);
    good = good && get_floats(&c, &p->rate, 1, 0, 1) && get_floats(&c, &p->hedge_rate, 1, 0, 1);
    good = good &&
           get_floats(&c, &p->weights[0][0], WEIGHT_AGES * RPS_EXPERTS, -weight_max, weight_max);
    for (size_t i = 0; good && i < rps_population_cells(p); i++)
        good = get_floats(&c, p->prior[i].of, RPS_MOVES, prior_min, prior_max);
    if (!good || cursor_left(&c) != 0) {
        rps_population_free(p);
        return ERR(ERR_CORRUPT, "reading a population: its numbers are not those of one");
    }
    struct cursor end = cursor_of(str_sub(bytes, bytes.len - CHECKSUM_BYTES, CHECKSUM_BYTES));
    p->digest = cursor_u64(&end);
    *ret_population = p;
    return OK;
}

/* ---------------------------------------------------------------- players */

static bool is_touched(const struct cell *cell)
{
    return cell->of[0] != 0 || cell->of[1] != 0 || cell->of[2] != 0;
}

void rps_player_write(const struct rps_population *population, const struct rps_player *player,
                      struct buf *out)
{
    size_t start = out->len, cells = rps_population_cells(population), last = 0, touched = 0;

    buf_add_bytes(out, player_magic, sizeof player_magic);
    buf_add_u16(out, VERSION);
    buf_add_u64(out, player->population);
    buf_add_u32(out, player->rounds);
    buf_add_u32(out, player->games);
    buf_add_u8(out, player->recent.known);
    buf_add_bytes(out, player->recent.digits, sizeof player->recent.digits);
    put_floats(out, &player->guesses[0][0].of[0], GUESSES * GUESS_CONTEXTS * RPS_MOVES);
    put_floats(out, player->drift, RPS_EXPERTS);
    put_floats(out, player->hedge, RPS_EXPERTS);
    for (size_t i = 0; i < cells; i++)
        touched += is_touched(&player->counts[i]);
    buf_add_varint(out, touched);
    for (size_t i = 0; i < cells; i++) {
        if (!is_touched(&player->counts[i]))
            continue;
        buf_add_varint(out, i - last);
        put_floats(out, player->counts[i].of, RPS_MOVES);
        last = i + 1;
    }
    if (!out->failed)
        buf_add_u64(out, checksum(str_from(out->ptr + start, out->len - start)));
}

/* Digits are digits, and what is known of the last rounds has moves. */
static bool recent_check(const struct recent *recent)
{
    if (recent->known > LAGS)
        return false;
    for (size_t kind = 0; kind < DIGIT_RECENT; kind++) {
        for (size_t lag = 0; lag <= LAGS; lag++) {
            bool is_move = kind == DIGIT_USER || kind == DIGIT_BOT;
            bool is_known = lag >= 1 && lag <= recent->known;
            uint8_t digit = recent->digits[kind][lag];
            if (digit > NO_DIGIT || (!is_known && digit != NO_DIGIT) ||
                (is_known && is_move && digit == NO_DIGIT))
                return false;
        }
    }
    return true;
}

static bool player_body(struct cursor *c, size_t cells, struct rps_player *player)
{
    player->rounds = cursor_u32(c);
    player->games = cursor_u32(c);
    player->recent.known = cursor_u8(c);
    str digits = cursor_bytes(c, sizeof player->recent.digits);
    if (c->bad)
        return false;
    memcpy(player->recent.digits, digits.ptr, digits.len);
    bool good = recent_check(&player->recent) &&
                get_floats(c, &player->guesses[0][0].of[0], GUESSES * GUESS_CONTEXTS * RPS_MOVES, 0,
                           count_max) &&
                get_floats(c, player->drift, RPS_EXPERTS, -weight_max, weight_max) &&
                get_floats(c, player->hedge, RPS_EXPERTS, -weight_max, weight_max);
    uint64_t touched = good ? cursor_varint(c) : 0;
    size_t next = 0;
    for (uint64_t i = 0; good && i < touched; i++) {
        uint64_t skip = cursor_varint(c);
        good = !c->bad && skip < cells - next;
        if (!good)
            break;
        next += skip;
        good = get_floats(c, player->counts[next++].of, RPS_MOVES, 0, count_max) && next <= cells;
    }
    return good && cursor_left(c) == 0;
}

err rps_player_read(const struct rps_population *population, str bytes,
                    struct rps_player **ret_player)
{
    struct rps_player *player = NULL;
    struct cursor c;

    TRY(open_bytes(bytes, player_magic, "a player's memory", &c));
    uint64_t digest = cursor_u64(&c);
    if (digest != population->digest)
        return ERR(ERR_CONFLICT, "reading a player's memory: it belongs to another population "
                                 "(make it again from the player's rounds)");
    TRY(rps_player_new(population, &player));
    if (!player_body(&c, rps_population_cells(population), player)) {
        rps_player_free(player);
        return ERR(ERR_CORRUPT, "reading a player's memory: its numbers are not those of one");
    }
    *ret_player = player;
    return OK;
}
