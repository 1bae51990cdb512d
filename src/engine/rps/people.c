/* SPDX-License-Identifier: GPL-3.0-or-later */
/* people.c -- reads logs of people playing from CSV.
 *
 * A row becomes one or two seats: who sat there, against whom, and both moves. Seats of one person
 * are gathered afterwards, because in the first form two people's rounds are woven into each other.
 */
#include "engine/rps/people.h"

#include <string.h>
#include <zstd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/map.h"

enum {
    COLUMNS_MAX = 32,
    FIELD_BYTES_MAX = 256,
    GROUP_OF_SIX = 6,
};

const char *rps_against_name(enum rps_against against)
{
    static const char *const names[RPS_AGAINST_KINDS] = { "people", "stable bots",
                                                          "adaptive bots" };
    return against < RPS_AGAINST_KINDS ? names[against] : "?";
}

/* ---------------------------------------------------------------- rows */

enum form { FORM_TABLE, FORM_GROUPS, FORM_ONE, FORM_COUNT };

/* What the reader asks of each form; the order of the columns in a file is free. */
enum { COLUMN_COUNT = 10 };
static const struct {
    const char *columns[COLUMN_COUNT];
} forms[FORM_COUNT] = {
    [FORM_TABLE] = { { "exp", "game_id", "round", "p1", "p2", "p1_move", "p2_move",
                       "round_begin_ms", "bot_strategy" } },
    [FORM_GROUPS] = { { "id", "game", "period", "choice", "other.choice" } },
    [FORM_ONE] = { { "id", "enemy_name", "round", "my_move", "enemy_move" } },
};

struct reader {
    arena *keep;
    enum form form;
    size_t at[COLUMN_COUNT]; /* where each column of the form is in a row */
    size_t line;
    struct map person_of; /* "source/id" -> person */
    struct buf people;    /* struct rps_person */
    struct buf games;     /* struct rps_people_game; `first` is a seat */
    struct buf seats;     /* struct seat */
    int64_t open_game[2]; /* of each side of the table; -1 none */
    size_t skipped;
};

/* One side of one round, in the order of the file. */
struct seat {
    uint32_t game;
    struct rps_pair pair;
};

static size_t split_row(str row, str fields[COLUMNS_MAX])
{
    size_t count = 0;
    bool is_more = true;
    while (is_more && count < COLUMNS_MAX) {
        is_more = str_find_char(row, ',') >= 0;
        fields[count++] = str_split(&row, ',');
    }
    return is_more ? COLUMNS_MAX + 1 : count;
}

/* Finds the form whose columns are all in the first line. */
static err read_head(struct reader *r, str head)
{
    str fields[COLUMNS_MAX];
    size_t count = split_row(head, fields);

    for (int form = 0; form < FORM_COUNT && count <= COLUMNS_MAX; form++) {
        size_t wanted = 0, found = 0;
        for (; wanted < COLUMN_COUNT && forms[form].columns[wanted]; wanted++) {
            for (size_t i = 0; i < count; i++) {
                if (str_eq(fields[i], str_of(forms[form].columns[wanted]))) {
                    r->at[wanted] = i;
                    found++;
                    break;
                }
            }
        }
        if (found == wanted) {
            r->form = (enum form)form;
            return OK;
        }
    }
    return ERR(ERR_INVALID, "the first line names no known columns (exp,game_id,round,p1,p2,... or "
                            "id,game,period,choice,... or id,enemy_name,round,my_move,...)");
}

/* 'R', 'rock' and so on; RPS_NO_MOVE for "" and "-", which mean that nobody moved. */
static err read_move(const struct reader *r, str field, unsigned *ret_move)
{
    unsigned move = field.len == 1 ? rps_move_of_letter(field.ptr[0]) : rps_move_find(field);
    if (move == RPS_NO_MOVE && field.len && !str_eq(field, STR("-")))
        return ERR(ERR_INVALID, "line %zu: '%.*s' is not a move (r, p, s, or - for none)", r->line,
                   (int)(field.len < 32 ? field.len : 32), field.ptr);
    *ret_move = move;
    return OK;
}

static err person_find(struct reader *r, str id, str group, enum rps_against against,
                       uint32_t *ret_person)
{
    union map_value *value;
    bool is_new;

    TRY(map_put(&r->person_of, id, &value, &is_new));
    if (is_new) {
        struct rps_person person = { .id = id, .group = group, .against = against };
        value->num = (int64_t)(r->people.len / sizeof person);
        buf_add_bytes(&r->people, &person, sizeof person);
        TRY(buf_check(&r->people));
    }
    *ret_person = (uint32_t)value->num;
    return OK;
}

/* A side of a round: opens a game when it is another one than this side's last. */
static err add_seat(struct reader *r, int side, const struct rps_people_game *game,
                    struct rps_pair pair)
{
    struct rps_people_game *games = (struct rps_people_game *)(void *)r->games.ptr;
    int64_t open = r->open_game[side];

    if (open < 0 || games[open].person != game->person || !str_eq(games[open].id, game->id)) {
        open = (int64_t)(r->games.len / sizeof *game);
        r->open_game[side] = open;
        buf_add_bytes(&r->games, game, sizeof *game);
        TRY(buf_check(&r->games));
    }
    struct seat seat = { .game = (uint32_t)open, .pair = pair };
    buf_add_bytes(&r->seats, &seat, sizeof seat);
    return buf_check(&r->seats);
}

static err add_table_row(struct reader *r, const str *f, unsigned one, unsigned two)
{
    str exp = f[r->at[0]], game_id = f[r->at[1]], strategy = f[r->at[8]];
    bool is_bot = str_eq(f[r->at[4]], STR("bot"));
    int64_t started_ms = 0;
    uint32_t person;

    if (f[r->at[7]].len)
        TRY(str_to_i64(f[r->at[7]], &started_ms));
    enum rps_against against = !is_bot                  ? RPS_AGAINST_PEOPLE
                               : str_eq(exp, STR("v3")) ? RPS_AGAINST_ADAPTIVE
                                                        : RPS_AGAINST_STABLE;
    /* two people of one table belong together, a person against a bot to nobody */
    for (int side = 0; side < (is_bot ? 1 : 2); side++) {
        str me = f[r->at[3 + side]], other = f[r->at[4 - side]];
        struct rps_people_game game = { .id = game_id,
                                        .opponent = is_bot ? strategy : other,
                                        .started_ms = started_ms };
        struct rps_pair pair = { (uint8_t)(side ? two : one), (uint8_t)(side ? one : two) };

        TRY(person_find(r, me, is_bot ? me : game_id, against, &person));
        game.person = person;
        TRY(add_seat(r, side, &game, pair));
    }
    return OK;
}

static err add_group_row(struct reader *r, const str *f, struct rps_pair pair)
{
    struct rps_people_game game = { .id = f[r->at[1]] };
    int64_t number;

    TRY(str_to_i64(f[r->at[0]], &number));
    if (number < 1)
        return ERR(ERR_INVALID, "people are numbered from 1");
    str group = arena_fmt(r->keep, "group %lld", (long long)((number - 1) / GROUP_OF_SIX));
    ARENA_TRY(group.ptr);
    TRY(person_find(r, f[r->at[0]], group, RPS_AGAINST_PEOPLE, &game.person));
    return add_seat(r, 0, &game, pair);
}

static err add_one_row(struct reader *r, const str *f, struct rps_pair pair)
{
    struct rps_people_game game = { .id = f[r->at[0]], .opponent = f[r->at[1]] };

    TRY(person_find(r, STR("one"), STR("one"), RPS_AGAINST_PEOPLE, &game.person));
    return add_seat(r, 0, &game, pair);
}

static err read_row(struct reader *r, str row)
{
    str f[COLUMNS_MAX];
    size_t count = split_row(row, f);
    unsigned one, two;
    int64_t number;

    if (str_find_char(row, '"') >= 0)
        return ERR(ERR_INVALID, "line %zu: quoted fields are not read", r->line);
    for (size_t i = 0; i < COLUMN_COUNT && forms[r->form].columns[i]; i++) {
        if (r->at[i] >= count || count > COLUMNS_MAX)
            return ERR(ERR_INVALID, "line %zu: %zu fields; the first line names others", r->line,
                       count);
        if (f[r->at[i]].len > FIELD_BYTES_MAX)
            return ERR(ERR_TOO_BIG, "line %zu: a field of %zu bytes (%d are allowed)", r->line,
                       f[r->at[i]].len, FIELD_BYTES_MAX);
    }
    size_t first_move = r->form == FORM_TABLE ? 5 : 3;
    TRY(read_move(r, f[r->at[first_move]], &one));
    TRY(read_move(r, f[r->at[first_move + 1]], &two));
    err e = str_to_i64(f[r->at[2]], &number);
    if (e.code || number < 1)
        return ERR(ERR_INVALID, "line %zu: rounds are numbered from 1", r->line);
    if (one == RPS_NO_MOVE || two == RPS_NO_MOVE) {
        r->skipped++;
        return OK;
    }
    struct rps_pair pair = { (uint8_t)one, (uint8_t)two };
    switch (r->form) {
    case FORM_GROUPS:
        e = add_group_row(r, f, pair);
        break;
    case FORM_ONE:
        e = add_one_row(r, f, pair);
        break;
    case FORM_TABLE:
    case FORM_COUNT:
        e = add_table_row(r, f, one, two);
        break;
    }
    return e.code ? err_wrap(e, "line %zu", r->line) : OK;
}

/* ---------------------------------------------------------------- gathering */

/* Sorts by counting: games by their person, rounds by their game; both keep the file's order. */
static err gather(struct reader *r, struct rps_people *ret_people)
{
    size_t person_count = r->people.len / sizeof(struct rps_person),
           game_count = r->games.len / sizeof(struct rps_people_game),
           seat_count = r->seats.len / sizeof(struct seat);
    const struct seat *seats = (const struct seat *)(const void *)r->seats.ptr;
    struct rps_people_game *found = (struct rps_people_game *)(void *)r->games.ptr;
    struct rps_person *people = NEW_ARRAY(r->keep, struct rps_person, person_count + 1);
    struct rps_people_game *games = NEW_ARRAY(r->keep, struct rps_people_game, game_count + 1);
    struct rps_pair *rounds = NEW_ARRAY(r->keep, struct rps_pair, seat_count + 1);
    uint32_t *place = NEW_ARRAY(r->keep, uint32_t, game_count + 1);
    TRY(arena_check(r->keep));

    if (person_count)
        memcpy(people, r->people.ptr, r->people.len);
    for (size_t i = 0; i < seat_count; i++)
        found[seats[i].game].count++;
    for (size_t i = 0; i < game_count; i++) {
        people[found[i].person].game_count++;
        people[found[i].person].count += found[i].count;
    }
    for (size_t i = 1; i < person_count; i++) {
        people[i].first_game = people[i - 1].first_game + people[i - 1].game_count;
        people[i].first = people[i - 1].first + people[i - 1].count;
    }
    for (size_t i = 0; i < person_count; i++)
        people[i].game_count = people[i].count = 0;
    for (size_t i = 0; i < game_count; i++) {
        struct rps_person *person = &people[found[i].person];
        place[i] = person->first_game + person->game_count++;
        games[place[i]] = found[i];
        games[place[i]].first = person->first + person->count;
        person->count += found[i].count;
        games[place[i]].count = 0;
    }
    for (size_t i = 0; i < seat_count; i++) {
        struct rps_people_game *game = &games[place[seats[i].game]];
        rounds[game->first + game->count++] = seats[i].pair;
    }
    *ret_people = (struct rps_people){ .people = people,
                                       .games = games,
                                       .rounds = rounds,
                                       .person_count = person_count,
                                       .game_count = game_count,
                                       .round_count = seat_count,
                                       .skipped = r->skipped };
    return OK;
}

static err read_text(arena *keep, str text, struct rps_people *ret_people)
{
    struct reader r = { .keep = keep, .line = 1, .open_game = { -1, -1 } };
    err e;

    if (str_starts(text, STR("\xEF\xBB\xBF")))
        text = str_sub(text, 3, text.len);
    map_init(&r.person_of, RPS_PEOPLE_MAX);
    buf_init(&r.people, sizeof(struct rps_person) * RPS_PEOPLE_MAX);
    buf_init(&r.games, sizeof(struct rps_people_game) * (RPS_PEOPLE_ROUNDS_MAX / 4));
    buf_init(&r.seats, sizeof(struct seat) * RPS_PEOPLE_ROUNDS_MAX);
    e = read_head(&r, str_trim(str_split(&text, '\n')));
    while (!e.code && text.len) {
        str row = str_trim(str_split(&text, '\n'));
        r.line++;
        if (row.len)
            e = read_row(&r, row);
    }
    if (!e.code)
        e = gather(&r, ret_people);
    buf_deinit(&r.seats);
    buf_deinit(&r.games);
    buf_deinit(&r.people);
    map_deinit(&r.person_of);
    return e;
}

/* ---------------------------------------------------------------- bytes */

static const unsigned char zstd_magic[4] = { 0x28, 0xB5, 0x2F, 0xFD };

static err unpack(str bytes, struct buf *out)
{
    enum { STEP = 1 << 20, WINDOW_LOG_MAX = 27 };
    ZSTD_inBuffer in = { bytes.ptr, bytes.len, 0 };
    ZSTD_DStream *stream = ZSTD_createDStream();
    size_t left = 1;
    err e = OK;

    if (!stream)
        return ERR(ERR_NO_MEMORY, "unpacking zstd: out of memory");
    ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    while (!e.code && (in.pos < in.size || left)) {
        char *room = buf_reserve(out, STEP);
        if (!room) {
            e = buf_check(out);
            break;
        }
        ZSTD_outBuffer to = { room, STEP, 0 };
        size_t before = in.pos;
        left = ZSTD_decompressStream(stream, &to, &in);
        out->len += to.pos;
        if (ZSTD_isError(left))
            e = ERR(ERR_INVALID, "unpacking zstd: %s", ZSTD_getErrorName(left));
        else if (left && to.pos == 0 && in.pos == before)
            e = ERR(ERR_INVALID, "unpacking zstd: the file ends too early");
    }
    ZSTD_freeDStream(stream);
    return e;
}

err rps_people_read(arena *keep, str bytes, struct rps_people *ret_people)
{
    struct buf text;
    str kept;
    err e;

    if (bytes.len < sizeof zstd_magic || memcmp(bytes.ptr, zstd_magic, sizeof zstd_magic) != 0) {
        if (bytes.len > RPS_PEOPLE_BYTES_MAX)
            return ERR(ERR_TOO_BIG, "%zu bytes of text (%d are allowed)", bytes.len,
                       RPS_PEOPLE_BYTES_MAX);
        kept = arena_str(keep, bytes);
        if (bytes.len)
            ARENA_TRY(kept.ptr);
        return read_text(keep, kept, ret_people);
    }
    buf_init(&text, RPS_PEOPLE_BYTES_MAX);
    e = unpack(bytes, &text);
    if (!e.code) {
        kept = arena_str(keep, buf_str(&text));
        if (text.len && !kept.ptr)
            e = arena_check(keep);
        else
            e = read_text(keep, kept, ret_people);
    }
    buf_deinit(&text);
    return e;
}

err rps_people_load(arena *keep, const char *path, struct rps_people *ret_people)
{
    struct fs_map map;

    TRY(fs_map_open(path, &map));
    err e = rps_people_read(keep, str_from(map.bytes, map.count), ret_people);
    fs_map_close(&map);
    return e.code ? err_wrap(e, "reading '%s'", path) : OK;
}

err rps_people_join(arena *keep, const struct rps_people *parts, size_t count,
                    struct rps_people *ret_people)
{
    struct rps_people all = { 0 };
    bool has_points = false;

    for (size_t i = 0; i < count; i++) {
        has_points = has_points || parts[i].points;
        all.person_count += parts[i].person_count;
        all.game_count += parts[i].game_count;
        all.round_count += parts[i].round_count;
        all.skipped += parts[i].skipped;
    }
    if (all.round_count > UINT32_MAX)
        return ERR(ERR_TOO_BIG, "%zu rounds together", all.round_count);
    struct rps_person *people = NEW_ARRAY(keep, struct rps_person, all.person_count + 1);
    struct rps_people_game *games = NEW_ARRAY(keep, struct rps_people_game, all.game_count + 1);
    struct rps_pair *rounds = NEW_ARRAY(keep, struct rps_pair, all.round_count + 1);
    struct rps_points *points = has_points ? NEW_ARRAY(keep, struct rps_points, all.round_count + 1)
                                           : NULL;
    TRY(arena_check(keep));

    size_t person = 0, game = 0, round = 0;
    for (size_t i = 0; i < count; i++) {
        const struct rps_people *part = &parts[i];
        for (size_t k = 0; k < part->person_count; k++) {
            people[person + k] = part->people[k];
            people[person + k].first_game += (uint32_t)game;
            people[person + k].first += (uint32_t)round;
        }
        for (size_t k = 0; k < part->game_count; k++) {
            games[game + k] = part->games[k];
            games[game + k].person += (uint32_t)person;
            games[game + k].first += (uint32_t)round;
        }
        if (part->round_count)
            memcpy(rounds + round, part->rounds, part->round_count * sizeof *rounds);
        if (part->points)
            memcpy(points + round, part->points, part->round_count * sizeof *points);
        person += part->person_count;
        game += part->game_count;
        round += part->round_count;
    }
    all.people = people;
    all.games = games;
    all.rounds = rounds;
    all.points = points;
    *ret_people = all;
    return OK;
}
