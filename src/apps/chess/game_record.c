/* SPDX-License-Identifier: GPL-3.0-or-later */
/* game_record.c -- tags as they are seen in the wild, read once, with one meaning each.
 *
 * Sources differ: Lichess writes UTCDate, UTCTime and a Site that is the game's address; chess.com
 * adds EndDate, EndTime and Link; collections of master games have a Date with question marks and
 * no time control. Broadcasts write minutes where everybody else writes seconds ("90+30"), which
 * only the clocks of the moves give away.
 */
#include "apps/chess/game_record.h"

#include <stdio.h>
#include <string.h>

#include "apps/chess/dataset_file.h"
#include "base/clock.h"
#include "base/hash.h"
#include "engine/chess/openings.h"
#include "engine/chess/pack.h"

/* ------------------------------------------------------------------ names of values */

static const char *const platform_names[CHESS_PLATFORM_COUNT] = { "PGN", "LICHESS", "CHESS_COM" };
static const char *const result_names[] = { "UNKNOWN", "WHITE_WIN", "BLACK_WIN", "DRAW",
                                            "ABORTED" };
static const char *const speed_names[] = {
    "UNKNOWN", "ULTRABULLET", "BULLET", "BLITZ", "RAPID", "CLASSICAL", "CORRESPONDENCE",
};

const char *chess_platform_name(enum chess_platform platform)
{
    return platform < CHESS_PLATFORM_COUNT ? platform_names[platform] : "PGN";
}

const char *chess_result_name(enum chess_result result)
{
    return (size_t)result < COUNT_OF(result_names) ? result_names[result] : "UNKNOWN";
}

bool chess_result_find(str text, enum chess_result *ret_result)
{
    static const struct {
        const char *name;
        enum chess_result result;
    } also[] = {
        { "1-0", CHESS_WHITE_WIN },   { "white", CHESS_WHITE_WIN }, { "0-1", CHESS_BLACK_WIN },
        { "black", CHESS_BLACK_WIN }, { "1/2-1/2", CHESS_DRAW },
    };
    for (size_t i = 1; i < COUNT_OF(result_names); i++) {
        if (str_eq_nocase(text, str_of(result_names[i]))) {
            *ret_result = (enum chess_result)i;
            return true;
        }
    }
    for (size_t i = 0; i < COUNT_OF(also); i++) {
        if (str_eq_nocase(text, str_of(also[i].name))) {
            *ret_result = also[i].result;
            return true;
        }
    }
    return false;
}

const char *chess_winner_name(enum chess_result result)
{
    return result == CHESS_WHITE_WIN   ? "white"
           : result == CHESS_BLACK_WIN ? "black"
           : result == CHESS_DRAW      ? "draw"
                                       : NULL;
}

const char *chess_speed_name(enum chess_speed speed)
{
    return (size_t)speed < COUNT_OF(speed_names) ? speed_names[speed] : "UNKNOWN";
}

bool chess_speed_find(str text, enum chess_speed *ret_speed)
{
    for (size_t i = 0; i < COUNT_OF(speed_names); i++) {
        if (str_eq_nocase(text, str_of(speed_names[i]))) {
            *ret_speed = (enum chess_speed)i;
            return true;
        }
    }
    return false;
}

/* ------------------------------------------------------------------ numbers in tags */

/* Takes decimal digits off the front of *s; false when there are none or the number is beyond max.
 */
static bool take_digits(str *s, int64_t max, int64_t *ret_value)
{
    int64_t value = 0;
    size_t i = 0;
    for (; i < s->len && s->ptr[i] >= '0' && s->ptr[i] <= '9'; i++) {
        value = value * 10 + (s->ptr[i] - '0');
        if (value > max)
            return false;
    }
    if (i == 0)
        return false;
    *s = str_sub(*s, i, s->len);
    *ret_value = value;
    return true;
}

uint16_t rating_read(str text)
{
    int64_t value = 0;
    str rest = str_trim(text);
    /* "1500?" is a provisional rating, and still the best guess there is. */
    if (!take_digits(&rest, 4000, &value) || (rest.len && rest.ptr[0] != '?'))
        return 0;
    return (uint16_t)value;
}

uint32_t date_read(str text)
{
    int64_t part[3] = { 0, 0, 0 };
    static const int64_t max[3] = { 9999, 12, 31 };
    str rest = str_trim(text);
    for (int i = 0; i < 3; i++) {
        size_t cut = 0;
        while (cut < rest.len && rest.ptr[cut] != '.' && rest.ptr[cut] != '-' &&
               rest.ptr[cut] != '/')
            cut++;
        str field = str_sub(rest, 0, cut);
        rest = str_sub(rest, cut + 1, rest.len);
        if (!take_digits(&field, max[i], &part[i]) || field.len) {
            part[i] = 0;
            break; /* a day in an unknown month says nothing */
        }
    }
    if (part[0] < 1000)
        return 0;
    return (uint32_t)(part[0] * 10000 + part[1] * 100 + part[2]);
}

/* A date and an optional "HH:MM:SS" as ms since 1970. Unknown parts read as the first of theirs. */
static int64_t time_of(uint32_t date, str time)
{
    if (date == 0)
        return GAME_TIME_NONE;
    unsigned month = date / 100 % 100, day = date % 100;
    char text[40];
    int used = snprintf(text, sizeof text, "%04u-%02u-%02u", date / 10000, month ? month : 1,
                        day ? day : 1);
    int64_t at = 0, precise = 0;
    err e = clock_parse(str_from(text, (size_t)used), &at);
    if (e.code)
        return GAME_TIME_NONE; /* 30 February */
    time = str_trim(time);
    if (month && day && time.len >= 8) {
        used = snprintf(text + used, sizeof text - (size_t)used, "T%.8sZ", time.ptr);
        e = clock_parse(str_of(text), &precise);
        if (!e.code)
            return precise;
    }
    return at;
}

/* ------------------------------------------------------------------ time control */

/* Classes by expected length of a 40-move game: initial + 40 increments, in seconds. */
static enum chess_speed speed_of(int64_t initial_s, int64_t increment_s)
{
    int64_t expected_s = initial_s + 40 * increment_s;
    return expected_s < 30     ? CHESS_ULTRABULLET
           : expected_s < 180  ? CHESS_BULLET
           : expected_s < 480  ? CHESS_BLITZ
           : expected_s < 1500 ? CHESS_RAPID
                               : CHESS_CLASSICAL;
}

/* "15 min. + 10 s. per move" and its relatives: the first number is minutes, the one after "+"
 * seconds. */
static bool minutes_in_words(str text, int64_t *ret_initial_s, int64_t *ret_increment_s)
{
    str rest = text;
    int64_t minutes = 0, seconds = 0;
    if (!take_digits(&rest, 1000, &minutes) || !str_starts(str_trim(rest), STR("min")))
        return false;
    ptrdiff_t plus = str_find_char(rest, '+');
    if (plus >= 0) {
        str after = str_trim(str_sub(rest, (size_t)plus + 1, rest.len));
        if (!take_digits(&after, 3600, &seconds))
            seconds = 0;
    }
    *ret_initial_s = minutes * 60;
    *ret_increment_s = seconds;
    return true;
}

void time_control_read(str text, enum chess_speed *ret_speed, int32_t *ret_initial_s,
                       uint16_t *ret_increment_s)
{
    *ret_speed = CHESS_SPEED_UNKNOWN;
    *ret_initial_s = -1;
    *ret_increment_s = 0;
    text = str_trim(text);
    int64_t initial = 0, increment = 0, seconds = 0;
    str rest = text;
    if (minutes_in_words(text, &initial, &increment)) {
        rest = STR_NONE;
    } else if (!take_digits(&rest, 10000000, &initial)) {
        return;
    } else if (rest.len && rest.ptr[0] == '/') {
        int64_t moves = initial;
        rest = str_sub(rest, 1, rest.len);
        if (!take_digits(&rest, 100000000, &seconds))
            return;
        initial = seconds;
        if (moves == 1 && seconds >= 3600) {
            *ret_speed = CHESS_CORRESPONDENCE;
            *ret_initial_s = (int32_t)seconds;
            return;
        }
        rest = str_sub(rest, 0, 0); /* later periods do not change the class */
    }
    if (rest.len && rest.ptr[0] == '+') {
        rest = str_sub(rest, 1, rest.len);
        if (!take_digits(&rest, 3600, &increment))
            return;
    }
    if (rest.len && rest.ptr[0] != ':')
        return;
    *ret_speed = speed_of(initial, increment);
    *ret_initial_s = (int32_t)initial;
    *ret_increment_s = (uint16_t)increment;
}

/* Sites name the speed in the event where they give no time control. */
static enum chess_speed speed_in_event(str event)
{
    static const struct {
        const char *word;
        enum chess_speed speed;
    } words[] = {
        { "UltraBullet", CHESS_ULTRABULLET },
        { "Bullet", CHESS_BULLET },
        { "Blitz", CHESS_BLITZ },
        { "Rapid", CHESS_RAPID },
        { "Classical", CHESS_CLASSICAL },
        { "Correspondence", CHESS_CORRESPONDENCE },
    };
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (str_contains(event, str_of(words[i].word)))
            return words[i].speed;
    }
    return CHESS_SPEED_UNKNOWN;
}

static void record_speed(const struct pgn_game *g, struct game_record *r)
{
    r->time_control = pgn_game_tag(g, "TimeControl");
    time_control_read(r->time_control, &r->speed, &r->initial_s, &r->increment_s);
    /* A clock that shows ten times the time there was at the start: the tag meant minutes. */
    if (r->initial_s > 0 && r->speed != CHESS_CORRESPONDENCE && g->clock_cs && g->ply_count &&
        g->clock_cs[0] != PGN_CLOCK_NONE &&
        g->clock_cs[0] / 100 > 10 * ((uint32_t)r->initial_s + r->increment_s)) {
        r->initial_s *= 60;
        r->speed = speed_of(r->initial_s, r->increment_s);
    }
    if (r->speed == CHESS_SPEED_UNKNOWN)
        r->speed = speed_in_event(pgn_game_tag(g, "Event"));
}

/* ------------------------------------------------------------------ identity */

static bool is_alphanumeric(str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
            return false;
    }
    return s.len > 0;
}

/* Lichess games have ids of eight characters; links to one player's view have four more. */
static bool lichess_id(const struct pgn_game *g, str *ret_id)
{
    static const char *const hosts[] = { "https://lichess.org/", "http://lichess.org/",
                                         "lichess.org/" };
    str site = pgn_game_tag(g, "Site");
    str rest = STR_NONE;
    for (size_t i = 0; i < COUNT_OF(hosts) && !rest.len; i++) {
        if (str_starts(site, str_of(hosts[i])))
            rest = str_sub(site, strlen(hosts[i]), site.len);
    }
    if (!rest.len)
        return false;
    str tag = pgn_game_tag(g, "GameId");
    if (tag.len == 8 && is_alphanumeric(tag)) {
        *ret_id = tag;
        return true;
    }
    str first = str_split(&rest, '/');
    str fragment = first;
    first = str_split(&fragment, '#');
    if ((first.len != 8 && first.len != 12) || !is_alphanumeric(first))
        return false; /* a study or broadcast: chapters are edited, so their address is no identity
                       */
    *ret_id = str_sub(first, 0, 8);
    return true;
}

/* "https://www.chess.com/live/game/998800720" and "https://www.chess.com/game/live/998800720" */
static bool chesscom_id(const struct pgn_game *g, str *ret_id)
{
    str link = pgn_game_tag(g, "Link");
    ptrdiff_t host = str_find(link, STR("chess.com/"));
    if (host < 0)
        return false;
    str rest = str_sub(link, (size_t)host + 10, link.len);
    bool live = str_contains(rest, STR("live/"));
    if (!live && !str_contains(rest, STR("daily/")))
        return false;
    size_t end = rest.len;
    ptrdiff_t query = str_find_char(rest, '?');
    if (query >= 0)
        end = (size_t)query;
    size_t begin = end;
    while (begin > 0 && rest.ptr[begin - 1] >= '0' && rest.ptr[begin - 1] <= '9')
        begin--;
    if (begin == end || end - begin > 20)
        return false;
    *ret_id = str_sub(rest, begin, end - begin);
    return true;
}

static bool chesscom_is_daily(const struct pgn_game *g)
{
    return str_contains(pgn_game_tag(g, "Link"), STR("daily/"));
}

/* Version 8 (made by our own rule) and the RFC variant, so that a key is a valid UUID as it stands.
 */
static void key_seal(uint8_t key[GAME_KEY_BYTES])
{
    key[6] = (uint8_t)((key[6] & 0x0F) | 0x80);
    key[8] = (uint8_t)((key[8] & 0x3F) | 0x80);
}

void game_key_of_external(enum chess_platform platform, str external_id,
                          uint8_t ret_key[GAME_KEY_BYTES])
{
    uint8_t digest[SHA256_BYTES];
    struct sha256 h;
    const char *name = chess_platform_name(platform);
    sha256_begin(&h);
    sha256_add(&h, name, strlen(name) + 1);
    sha256_add(&h, external_id.ptr, external_id.len);
    sha256_end(&h, digest);
    memcpy(ret_key, digest, GAME_KEY_BYTES);
    key_seal(ret_key);
}

void game_id_write(const uint8_t key[GAME_KEY_BYTES], char out[UUID_BYTES])
{
    char hex[2 * GAME_KEY_BYTES + 1];
    hex_encode(key, GAME_KEY_BYTES, hex);
    snprintf(out, UUID_BYTES, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
             hex + 20);
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

err game_id_parse(str text, uint8_t ret_key[GAME_KEY_BYTES])
{
    if (str_starts(text, STR("lichess:")) && text.len == 16) {
        game_key_of_external(CHESS_LICHESS, str_sub(text, 8, 8), ret_key);
        return OK;
    }
    if (str_starts(text, STR("chess.com:")) && text.len > 10 && text.len < 64) {
        game_key_of_external(CHESS_CHESSCOM, str_sub(text, 10, text.len), ret_key);
        return OK;
    }
    uint8_t key[GAME_KEY_BYTES];
    size_t digits = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '-')
            continue;
        int value = hex_digit(text.ptr[i]);
        if (value < 0 || digits >= 2 * GAME_KEY_BYTES)
            goto unknown;
        key[digits / 2] = (uint8_t)(digits % 2 ? key[digits / 2] << 4 | value : value);
        digits++;
    }
    if (digits != 2 * GAME_KEY_BYTES)
        goto unknown;
    memcpy(ret_key, key, sizeof key);
    return OK;
unknown:
    return ERR(ERR_NOT_FOUND,
               "there is no game '%.*s': ids are UUIDs, lichess:ID or chess.com:live/ID",
               STR_ARG(str_sub(text, 0, 60)));
}

/* FNV-1a (public domain) over the start position and the moves: stored, so it never may change. */
static uint64_t moves_hash_of(const struct pgn_game *g)
{
    const uint64_t prime = 0x100000001b3;
    uint64_t h = 0xcbf29ce484222325;
    uint64_t start = g->has_fen ? g->start.key : 0;
    for (int i = 0; i < 8; i++)
        h = (h ^ (start >> (8 * i) & 0xFF)) * prime;
    for (size_t i = 0; i < g->ply_count; i++) {
        h = (h ^ (g->moves[i] & 0xFF)) * prime;
        h = (h ^ (g->moves[i] >> 8)) * prime;
    }
    return h;
}

static void record_identity(const struct pgn_game *g, struct game_record *r)
{
    str id = STR_NONE;
    if (lichess_id(g, &id)) {
        r->platform = CHESS_LICHESS;
        snprintf(r->external_id, sizeof r->external_id, "%.*s", STR_ARG(id));
    } else if (chesscom_id(g, &id)) {
        r->platform = CHESS_CHESSCOM;
        snprintf(r->external_id, sizeof r->external_id, "%s/%.*s",
                 chesscom_is_daily(g) ? "daily" : "live", STR_ARG(id));
    }
    if (r->external_id[0]) {
        game_key_of_external(r->platform, str_of(r->external_id), r->key);
    } else {
        pack_game_identity(g, r->key);
        key_seal(r->key);
    }
    r->moves_hash = moves_hash_of(g);
}

/* ------------------------------------------------------------------ the record */

static void record_times(const struct pgn_game *g, struct game_record *r)
{
    uint32_t utc_date = date_read(pgn_game_tag(g, "UTCDate"));
    r->date = utc_date ? utc_date : date_read(pgn_game_tag(g, "Date"));
    str time = pgn_game_tag(g, "UTCTime");
    if (!time.len)
        time = pgn_game_tag(g, "StartTime");
    r->start_ms = time_of(r->date, time);
    r->end_ms = time_of(date_read(pgn_game_tag(g, "EndDate")), pgn_game_tag(g, "EndTime"));
    if (r->end_ms == GAME_TIME_NONE)
        r->end_ms = r->start_ms;
}

static void record_opening(const struct pgn_game *g, struct game_record *r)
{
    struct chess_opening opening;
    r->eco = chess_eco_parse(pgn_game_tag(g, "ECO"));
    r->opening = pgn_game_tag(g, "Opening");
    if (!g->has_fen && chess_opening_of_game(&g->start, g->moves, g->ply_count, &opening)) {
        r->eco = chess_eco_parse(str_of(opening.eco));
        r->opening = str_of(opening.name);
    }
}

static str name_or_unknown(str name)
{
    name = str_trim(name);
    return name.len ? name : STR("?");
}

void game_record_of(const struct pgn_game *g, struct game_record *ret_record)
{
    struct game_record r = { 0 };
    record_identity(g, &r);
    r.white = name_or_unknown(pgn_game_tag(g, "White"));
    r.black = name_or_unknown(pgn_game_tag(g, "Black"));
    r.white_title = pgn_game_tag(g, "WhiteTitle");
    r.black_title = pgn_game_tag(g, "BlackTitle");
    r.white_rating = rating_read(pgn_game_tag(g, "WhiteElo"));
    r.black_rating = rating_read(pgn_game_tag(g, "BlackElo"));
    r.result = g->result;

    str event = pgn_game_tag(g, "Event");
    r.rated = str_starts(event, STR("Rated ")) ? 1 : str_starts(event, STR("Casual ")) ? 0 : -1;
    record_speed(g, &r);
    record_times(g, &r);
    record_opening(g, &r);
    r.ply_count = (uint32_t)g->ply_count;
    r.has_clocks = g->clock_cs != NULL;
    r.has_evals = g->eval_cp != NULL;
    r.has_fen = g->has_fen;
    r.is_960 = g->start.is_960;
    *ret_record = r;
}
