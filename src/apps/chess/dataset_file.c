/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dataset_file.c -- rows of 48 bytes, split by split, then the games, then a footer.
 *
 *   0            16 bytes   "SKERRY-CHESS-DS1"
 *   16           rows of train, of valid, of test: 48 bytes each, games never mixed
 *   then         games: 48 bytes each, in the order in which rows were written
 *   last 64      footer: "SKDF", u16 schema version, u16 row bytes, u16 game bytes, u16 zero,
 *                u32 zero, u64 rows of train, of valid, of test, u64 games, u64 offset of the games
 *
 * The counts stand at the end because a writer learns them last, and a blob is written in one go.
 * All numbers are little-endian.
 *
 * A row:
 *    0  u64  occupied squares, bit n = square n
 *    8  16 x u8  one nibble for each occupied square, lowest square first, low nibble first:
 *            piece (0 pawn .. 5 king) | colour << 3; 6 | colour << 3 is a rook that may still
 * castle, 7 | colour << 3 a pawn that can be taken en passant. So castling rights and en passant,
 *            Chess960 included, need no fields of their own.
 *   24  u8   bit 0 side to move, bit 1 Chess960, bits 2-3 outcome + 1 for the side to move (3
 * unknown), bits 4-6 speed 25  u8   half moves since a capture or pawn move, at most 255 26  u16
 * full move number 28  u16  the move that was played (chess_move) 30  u16  ply of that move, from 0
 *   32  u16  rating of the side to move, 0 unknown      34  u16  rating of the opponent
 *   36  u32  game: index into the table of games
 *   40  u32  centiseconds the mover had left before the move, 0xFFFFFFFF unknown
 *   44  i16  evaluation after the move, white's view, -32768 unknown
 *   46  u16  zero
 *
 * A game: key 16, u64 first row, u32 rows, u8 split, u8 result, u8 speed, u8 platform, u16 white
 * rating, u16 black rating, u32 date, i32 initial seconds, u16 increment, u16 ECO.
 */
#include "apps/chess/dataset_file.h"

#include <stdlib.h>
#include <string.h>

#include "engine/chess/pgn.h"

static const char head_magic[CHESS_DATASET_HEAD_BYTES] = "SKERRY-CHESS-DS1";
static const char foot_magic[4] = { 'S', 'K', 'D', 'F' };

enum { CODE_CASTLING_ROOK = 6, CODE_EN_PASSANT_PAWN = 7, PIECES_MAX = 32 };

struct chess_dataset {
    struct blob_map map;
    const unsigned char *rows[CHESS_SPLIT_COUNT];
    size_t row_count[CHESS_SPLIT_COUNT];
    const unsigned char *games;
    size_t game_count;
    struct chess_view {
        const unsigned char *rows;
    } views[CHESS_SPLIT_COUNT];
};

/* ------------------------------------------------------------------ names */

static const char *const split_names[CHESS_SPLIT_COUNT] = { "train", "valid", "test" };

const char *chess_split_name(enum chess_split split)
{
    return split_names[split];
}

err chess_split_parse(str text, enum chess_split *ret_split)
{
    for (int i = 0; i < CHESS_SPLIT_COUNT; i++) {
        if (str_eq(text, str_of(split_names[i]))) {
            *ret_split = (enum chess_split)i;
            return OK;
        }
    }
    if (str_eq(text, STR("val"))) {
        *ret_split = CHESS_VALID;
        return OK;
    }
    return ERR(ERR_INVALID, "split '%.*s' is not known: use train, valid or test", STR_ARG(text));
}

void chess_eco_write(uint16_t eco, char out[4])
{
    if (eco >= 500) {
        out[0] = '\0';
        return;
    }
    out[0] = (char)('A' + eco / 100);
    out[1] = (char)('0' + eco / 10 % 10);
    out[2] = (char)('0' + eco % 10);
    out[3] = '\0';
}

uint16_t chess_eco_parse(str text)
{
    if (text.len < 3)
        return CHESS_ECO_NONE;
    char letter = text.ptr[0], tens = text.ptr[1], ones = text.ptr[2];
    if (letter < 'A' || letter > 'E' || tens < '0' || tens > '9' || ones < '0' || ones > '9')
        return CHESS_ECO_NONE;
    return (uint16_t)((letter - 'A') * 100 + (tens - '0') * 10 + (ones - '0'));
}

/* ------------------------------------------------------------------ little-endian fields */

static void put_u16(unsigned char *p, uint16_t v)
{
    memcpy(p, &v, sizeof v);
}

static void put_u32(unsigned char *p, uint32_t v)
{
    memcpy(p, &v, sizeof v);
}

static void put_u64(unsigned char *p, uint64_t v)
{
    memcpy(p, &v, sizeof v);
}

static uint16_t get_u16(const unsigned char *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static uint32_t get_u32(const unsigned char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static uint64_t get_u64(const unsigned char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "rows are copied as they are: a big-endian machine needs swaps in put_ and get_");

/* ------------------------------------------------------------------ rows */

static void place(unsigned char *nibbles, chess_bits occupied, int square, unsigned code)
{
    int slot = __builtin_popcountll(occupied & (((chess_bits)1 << square) - 1));
    unsigned shift = (unsigned)(slot & 1) * 4;
    nibbles[slot / 2] = (unsigned char)((nibbles[slot / 2] & ~(15u << shift)) | code << shift);
}

bool chess_row_pack(const struct chess_row *row, unsigned char out[CHESS_ROW_BYTES])
{
    const struct chess_position *p = &row->sample.position;
    chess_bits occupied = p->colors[0] | p->colors[1];
    if (__builtin_popcountll(occupied) > PIECES_MAX)
        return false;

    unsigned char nibbles[PIECES_MAX / 2] = { 0 };
    int slot = 0;
    for (chess_bits left = occupied; left; left &= left - 1, slot++) {
        unsigned code = p->board[__builtin_ctzll(left)] & 15u;
        nibbles[slot / 2] = (unsigned char)(nibbles[slot / 2] | code << ((unsigned)(slot & 1) * 4));
    }
    for (int color = 0; color < 2; color++) {
        for (int side = 0; side < 2; side++) {
            int rook = p->castling_rook[color][side];
            if (rook < CHESS_NO_SQUARE)
                place(nibbles, occupied, rook, CODE_CASTLING_ROOK | (unsigned)color << 3);
        }
    }
    if (p->en_passant < CHESS_NO_SQUARE) {
        /* The pawn stands one step beyond its target, seen from the side that just moved. */
        int pawn = p->turn == CHESS_WHITE ? p->en_passant - 8 : p->en_passant + 8;
        place(nibbles, occupied, pawn, CODE_EN_PASSANT_PAWN | (unsigned)(p->turn ^ 1) << 3);
    }

    const struct chess_sample *s = &row->sample;
    put_u64(out, occupied);
    memcpy(out + 8, nibbles, sizeof nibbles);
    out[24] = (unsigned char)(p->turn | (p->is_960 ? 2 : 0) | (s->outcome + 1) << 2 |
                              (s->conditions.speed & 7) << 4);
    out[25] = (unsigned char)(p->halfmoves > 255 ? 255 : p->halfmoves);
    put_u16(out + 26, p->fullmoves);
    put_u16(out + 28, s->move);
    put_u16(out + 30, s->ply);
    put_u16(out + 32, s->conditions.rating_self);
    put_u16(out + 34, s->conditions.rating_opponent);
    put_u32(out + 36, s->game);
    put_u32(out + 40, row->clock_cs);
    put_u16(out + 44, (uint16_t)row->eval_cp);
    put_u16(out + 46, 0);
    return true;
}

/* Puts one nibble's piece onto the board; remembers rooks that may castle in the king's absence. */
static void unplace(struct chess_position *p, int square, unsigned code, chess_bits castlers[2])
{
    unsigned color = code >> 3;
    unsigned piece = code & 7;
    chess_bits bit = (chess_bits)1 << square;
    if (piece == CODE_CASTLING_ROOK) {
        castlers[color] |= bit;
        piece = CHESS_ROOK;
    } else if (piece == CODE_EN_PASSANT_PAWN) {
        p->en_passant = (uint8_t)(color == CHESS_WHITE ? square - 8 : square + 8);
        piece = CHESS_PAWN;
    }
    p->pieces[piece] |= bit;
    p->colors[color] |= bit;
    p->board[square] = (uint8_t)(piece | color << 3);
}

void chess_row_unpack(const unsigned char bytes[CHESS_ROW_BYTES], struct chess_row *ret_row)
{
    struct chess_sample *s = &ret_row->sample;
    struct chess_position *p = &s->position;
    memset(p, 0, sizeof *p);
    memset(p->board, CHESS_NO_PIECE, sizeof p->board);
    memset(p->castling_rook, CHESS_NO_SQUARE, sizeof p->castling_rook);
    p->en_passant = CHESS_NO_SQUARE;

    chess_bits castlers[2] = { 0, 0 };
    int slot = 0;
    for (chess_bits left = get_u64(bytes); left && slot < PIECES_MAX; left &= left - 1, slot++) {
        unsigned code = bytes[8 + slot / 2] >> ((unsigned)(slot & 1) * 4) & 15u;
        unplace(p, __builtin_ctzll(left), code, castlers);
    }
    for (int color = 0; color < 2; color++) {
        chess_bits king = p->pieces[CHESS_KING] & p->colors[color];
        for (chess_bits left = castlers[color]; left; left &= left - 1) {
            int rook = __builtin_ctzll(left);
            int side = king && rook > __builtin_ctzll(king) ? 0 : 1;
            p->castling_rook[color][side] = (uint8_t)rook;
        }
    }
    p->turn = bytes[24] & 1;
    p->is_960 = bytes[24] >> 1 & 1;
    p->halfmoves = bytes[25];
    p->fullmoves = get_u16(bytes + 26);
    p->key = chess_position_key(p);

    s->outcome = (int8_t)((bytes[24] >> 2 & 3) - 1);
    s->conditions.speed = bytes[24] >> 4 & 7;
    s->conditions.rating_self = get_u16(bytes + 32);
    s->conditions.rating_opponent = get_u16(bytes + 34);
    s->move = get_u16(bytes + 28);
    s->ply = get_u16(bytes + 30);
    s->game = get_u32(bytes + 36);
    ret_row->clock_cs = get_u32(bytes + 40);
    ret_row->eval_cp = (int16_t)get_u16(bytes + 44);
}

void chess_row_game_pack(const struct chess_row_game *game, unsigned char out[CHESS_ROW_GAME_BYTES])
{
    memcpy(out, game->key, 16);
    put_u64(out + 16, game->first_row);
    put_u32(out + 24, game->row_count);
    out[28] = game->split;
    out[29] = game->result;
    out[30] = game->speed;
    out[31] = game->platform;
    put_u16(out + 32, game->white_rating);
    put_u16(out + 34, game->black_rating);
    put_u32(out + 36, game->date);
    put_u32(out + 40, (uint32_t)game->initial_s);
    put_u16(out + 44, game->increment_s);
    put_u16(out + 46, game->eco);
}

void chess_row_game_unpack(const unsigned char bytes[CHESS_ROW_GAME_BYTES],
                           struct chess_row_game *ret_game)
{
    memcpy(ret_game->key, bytes, 16);
    ret_game->first_row = get_u64(bytes + 16);
    ret_game->row_count = get_u32(bytes + 24);
    ret_game->split = bytes[28];
    ret_game->result = bytes[29];
    ret_game->speed = bytes[30];
    ret_game->platform = bytes[31];
    ret_game->white_rating = get_u16(bytes + 32);
    ret_game->black_rating = get_u16(bytes + 34);
    ret_game->date = get_u32(bytes + 36);
    ret_game->initial_s = (int32_t)get_u32(bytes + 40);
    ret_game->increment_s = get_u16(bytes + 44);
    ret_game->eco = get_u16(bytes + 46);
}

/* ------------------------------------------------------------------ the file's ends */

void chess_dataset_head(unsigned char out[CHESS_DATASET_HEAD_BYTES])
{
    memcpy(out, head_magic, CHESS_DATASET_HEAD_BYTES);
}

void chess_dataset_foot(const uint64_t rows[CHESS_SPLIT_COUNT], uint64_t games,
                        unsigned char out[CHESS_DATASET_FOOT_BYTES])
{
    uint64_t total = 0;
    memset(out, 0, CHESS_DATASET_FOOT_BYTES);
    memcpy(out, foot_magic, sizeof foot_magic);
    put_u16(out + 4, CHESS_DATASET_SCHEMA);
    put_u16(out + 6, CHESS_ROW_BYTES);
    put_u16(out + 8, CHESS_ROW_GAME_BYTES);
    for (int i = 0; i < CHESS_SPLIT_COUNT; i++) {
        put_u64(out + 16 + 8 * i, rows[i]);
        total += rows[i];
    }
    put_u64(out + 40, games);
    put_u64(out + 48, CHESS_DATASET_HEAD_BYTES + total * CHESS_ROW_BYTES);
}

/* ------------------------------------------------------------------ reading */

/* Checks that head, footer and length agree, and finds the sections. */
static err sections_find(struct chess_dataset *ds, str bytes)
{
    if (bytes.len < CHESS_DATASET_HEAD_BYTES + CHESS_DATASET_FOOT_BYTES ||
        memcmp(bytes.ptr, head_magic, CHESS_DATASET_HEAD_BYTES) != 0)
        return ERR(ERR_CORRUPT, "this is not a chess dataset file (%zu bytes, wrong beginning)",
                   bytes.len);
    const unsigned char *base = (const unsigned char *)bytes.ptr;
    const unsigned char *foot = base + bytes.len - CHESS_DATASET_FOOT_BYTES;
    if (memcmp(foot, foot_magic, sizeof foot_magic) != 0)
        return ERR(ERR_CORRUPT, "the dataset file has no footer: it was cut off; build it again");
    if (get_u16(foot + 4) != CHESS_DATASET_SCHEMA || get_u16(foot + 6) != CHESS_ROW_BYTES ||
        get_u16(foot + 8) != CHESS_ROW_GAME_BYTES)
        return ERR(ERR_UNSUPPORTED,
                   "the dataset has row format %u, this program reads %d: build it again",
                   get_u16(foot + 4), CHESS_DATASET_SCHEMA);

    uint64_t body = bytes.len - CHESS_DATASET_HEAD_BYTES - CHESS_DATASET_FOOT_BYTES;
    uint64_t at = CHESS_DATASET_HEAD_BYTES;
    for (int i = 0; i < CHESS_SPLIT_COUNT; i++) {
        uint64_t count = get_u64(foot + 16 + 8 * i);
        if (count > body / CHESS_ROW_BYTES)
            return ERR(ERR_CORRUPT, "the dataset's footer counts more rows than the file holds");
        body -= count * CHESS_ROW_BYTES;
        ds->rows[i] = base + at;
        ds->row_count[i] = count;
        at += count * CHESS_ROW_BYTES;
    }
    uint64_t games = get_u64(foot + 40);
    if (get_u64(foot + 48) != at || games > UINT32_MAX || games * CHESS_ROW_GAME_BYTES != body)
        return ERR(ERR_CORRUPT, "the dataset's table of games does not fill its place");
    ds->games = base + at;
    ds->game_count = games;
    return OK;
}

static err dataset_new(str bytes, struct chess_dataset **ret_dataset)
{
    struct chess_dataset *ds = calloc(1, sizeof *ds);
    if (!ds)
        return ERR(ERR_NO_MEMORY, "opening a dataset: out of memory");
    err e = sections_find(ds, bytes);
    if (e.code) {
        free(ds);
        return e;
    }
    for (int i = 0; i < CHESS_SPLIT_COUNT; i++)
        ds->views[i].rows = ds->rows[i];
    *ret_dataset = ds;
    return OK;
}

err chess_dataset_open_bytes(str bytes, struct chess_dataset **ret_dataset)
{
    return dataset_new(bytes, ret_dataset);
}

err chess_dataset_open(struct blobs *blobs, const struct dataset_info *info,
                       struct chess_dataset **ret_dataset)
{
    if (!str_eq(info->state, STR("ready")))
        return ERR(ERR_CONFLICT, "dataset '%.*s' version %.*s is %.*s, not ready",
                   STR_ARG(info->name), STR_ARG(info->version), STR_ARG(info->state));
    struct blob_map map = { 0 };
    TRY(blob_map(blobs, &info->blob, &map));
    struct chess_dataset *ds = NULL;
    err e = dataset_new(str_from(map.bytes, map.count), &ds);
    if (e.code) {
        blob_unmap(&map);
        return err_wrap(e, "opening dataset '%.*s'", STR_ARG(info->name));
    }
    ds->map = map;
    *ret_dataset = ds;
    return OK;
}

void chess_dataset_close(struct chess_dataset *ds)
{
    if (!ds)
        return;
    blob_unmap(&ds->map);
    free(ds);
}

size_t chess_dataset_rows(const struct chess_dataset *ds, enum chess_split split)
{
    return ds->row_count[split];
}

size_t chess_dataset_rows_all(const struct chess_dataset *ds)
{
    size_t total = 0;
    for (int i = 0; i < CHESS_SPLIT_COUNT; i++)
        total += ds->row_count[i];
    return total;
}

size_t chess_dataset_games(const struct chess_dataset *ds)
{
    return ds->game_count;
}

void chess_dataset_row(const struct chess_dataset *ds, enum chess_split split, size_t index,
                       struct chess_row *ret_row)
{
    chess_row_unpack(ds->rows[split] + index * CHESS_ROW_BYTES, ret_row);
}

void chess_dataset_game(const struct chess_dataset *ds, size_t index,
                        struct chess_row_game *ret_game)
{
    chess_row_game_unpack(ds->games + index * CHESS_ROW_GAME_BYTES, ret_game);
}

static void view_get(void *arg, size_t index, struct chess_sample *ret_sample)
{
    const struct chess_view *view = arg;
    struct chess_row row;
    chess_row_unpack(view->rows + index * CHESS_ROW_BYTES, &row);
    *ret_sample = row.sample;
}

void chess_dataset_source(struct chess_dataset *ds, enum chess_split split,
                          struct chess_sample_source *ret_source)
{
    *ret_source = (struct chess_sample_source){
        .count = ds->row_count[split],
        .get = view_get,
        .arg = &ds->views[split],
    };
}
