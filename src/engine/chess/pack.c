/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pack.c -- one game in about a byte a move.
 *
 * The format, byte by byte. Numbers of several bytes are little-endian; a varint is LEB128, seven
 * bits a byte, the lowest first; a zigzag number is a varint of 2n for n >= 0 and -2n-1 for n < 0.
 *
 *   bytes       what
 *   4           CRC-32 (the one of zip and gzip) of everything behind these four bytes
 *   1           version: 1
 *   1           flags: 1 start position given, 2 Chess960, 4 clocks, 8 evals, 16 glyphs
 *   1           result: enum chess_result
 *   varint      half-moves, at most PGN_PLIES_MAX
 *   varint      length of the moves in bytes
 *   varint      length of the clocks, only with flag 4
 *   varint      length of the evals, only with flag 8
 *   varint      length of the glyphs, only with flag 16
 *   varint, n   start position in FEN, only with flag 1
 *   moves       for each half-move the number chess_move_index gives it: one byte below 255; or 255
 * and a second byte that is added to 255 clocks      a byte with the unit in centiseconds (1, 10 or
 * 100), then for each half-move a varint: 0 for no clock, else 1 + the zigzag of how much less than
 * before this side has, in units (both sides start from 0) evals       for each half-move a varint:
 * 0 for none, else 1 + the zigzag of the change in centipawns since the last eval there was (the
 * first changes from 0) glyphs      for each half-move that has one: a varint, the half-moves since
 * the last one that had, and the glyph in a byte varint      number of tags, at most PGN_TAGS_MAX;
 * for each (pack_tags.c has the two word lists): 1         number of its name in the list of names;
 * or 255, and varint, n: the name 1         number of a beginning in the list of beginnings; 0 is
 * the empty one varint, n the rest of the value
 *
 * Clocks fall by few units a move and evals change by little, so both take about a byte a move too.
 * A reader needs to trust nothing: lengths are checked against the bytes there are, moves are
 * looked up among the legal ones, and the start position has to pass the checks of any FEN.
 */
#include <string.h>
#include <zlib.h>

#include "base/hash.h"
#include "engine/chess/pack.h"
#include "engine/chess/pack_internal.h"

/* ------------------------------------------------------------------ writing */

/* Bytes of one array while it is made; each is large enough for PGN_PLIES_MAX entries. */
struct part {
    unsigned char *next;
    unsigned char bytes[PGN_PLIES_MAX * 5 + 16];
};

static void part_begin(struct part *p)
{
    p->next = p->bytes;
}

static size_t part_len(const struct part *p)
{
    return (size_t)(p->next - p->bytes);
}

static void part_varint(struct part *p, uint32_t v)
{
    for (; v >= 0x80; v >>= 7)
        *p->next++ = (unsigned char)(v | 0x80);
    *p->next++ = (unsigned char)v;
}

static uint32_t zigzag(int32_t n)
{
    return ((uint32_t)n << 1) ^ (n < 0 ? UINT32_MAX : 0);
}

static err write_moves(const struct pgn_game *g, struct part *part)
{
    struct chess_position p = g->start;
    for (size_t ply = 0; ply < g->ply_count; ply++) {
        int index = chess_move_index(&p, g->moves[ply]);
        if (index < 0)
            return ERR(ERR_INVALID, "packing a game: half-move %zu is not legal", ply + 1);
        if (index >= PACK_INDEX_ESCAPE) {
            *part->next++ = PACK_INDEX_ESCAPE;
            index -= PACK_INDEX_ESCAPE;
        }
        *part->next++ = (unsigned char)index;
        chess_move_make(&p, g->moves[ply]);
    }
    return OK;
}

/* The largest of 100, 10 and 1 that divides all clocks: sites keep whole seconds or tenths. */
static uint32_t clock_unit(const struct pgn_game *g)
{
    uint32_t unit = 100;
    for (size_t ply = 0; ply < g->ply_count && unit > 1; ply++) {
        while (g->clock_cs[ply] != PGN_CLOCK_NONE && g->clock_cs[ply] % unit)
            unit /= 10;
    }
    return unit;
}

static err write_clocks(const struct pgn_game *g, struct part *part)
{
    uint32_t unit = clock_unit(g), last[2] = { 0, 0 };
    *part->next++ = (unsigned char)unit;
    for (size_t ply = 0; ply < g->ply_count; ply++) {
        uint32_t clock_cs = g->clock_cs[ply];
        if (clock_cs == PGN_CLOCK_NONE) {
            part_varint(part, 0);
            continue;
        }
        if (clock_cs > PACK_CLOCK_CS_MAX)
            return ERR(ERR_INVALID, "packing a game: the clock of half-move %zu is out of range",
                       ply + 1);
        uint32_t now = clock_cs / unit;
        part_varint(part, 1 + zigzag((int32_t)last[ply & 1] - (int32_t)now));
        last[ply & 1] = now;
    }
    return OK;
}

static void write_evals(const struct pgn_game *g, struct part *part)
{
    int32_t last = 0;
    for (size_t ply = 0; ply < g->ply_count; ply++) {
        if (g->eval_cp[ply] == PGN_EVAL_NONE) {
            part_varint(part, 0);
            continue;
        }
        part_varint(part, 1 + zigzag(g->eval_cp[ply] - last));
        last = g->eval_cp[ply];
    }
}

static void write_nags(const struct pgn_game *g, struct part *part)
{
    size_t last = 0;
    for (size_t ply = 0; ply < g->ply_count; ply++) {
        if (!g->nags[ply])
            continue;
        part_varint(part, (uint32_t)(ply - last));
        *part->next++ = g->nags[ply];
        last = ply;
    }
}

static void add_text(struct buf *out, str text)
{
    buf_add_varint(out, text.len);
    buf_add(out, text);
}

static void put_u32(char *at, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        at[i] = (char)(v >> (8 * i));
}

/* Everything but the checksum. The parts are made first, because their lengths come first. */
static err write_body(const struct pgn_game *g, struct buf *out)
{
    enum { MOVES, CLOCKS, EVALS, NAGS, PARTS };
    struct part parts[PARTS];
    for (int i = 0; i < PARTS; i++)
        part_begin(&parts[i]);
    TRY(write_moves(g, &parts[MOVES]));
    if (g->clock_cs)
        TRY(write_clocks(g, &parts[CLOCKS]));
    if (g->eval_cp)
        write_evals(g, &parts[EVALS]);
    if (g->nags)
        write_nags(g, &parts[NAGS]);

    bool present[PARTS] = { true, g->clock_cs != NULL, g->eval_cp != NULL, g->nags != NULL };
    buf_add_u8(out, PACK_GAME_VERSION);
    buf_add_u8(out,
               (uint8_t)((g->has_fen ? PACK_HAS_FEN : 0) | (g->start.is_960 ? PACK_IS_960 : 0) |
                         (present[CLOCKS] ? PACK_HAS_CLOCKS : 0) |
                         (present[EVALS] ? PACK_HAS_EVALS : 0) |
                         (present[NAGS] ? PACK_HAS_NAGS : 0)));
    buf_add_u8(out, (uint8_t)g->result);
    buf_add_varint(out, g->ply_count);
    for (int i = 0; i < PARTS; i++) {
        if (present[i])
            buf_add_varint(out, part_len(&parts[i]));
    }
    if (g->has_fen) {
        char fen[CHESS_FEN_BYTES];
        chess_fen_write(&g->start, fen);
        add_text(out, str_of(fen));
    }
    for (int i = 0; i < PARTS; i++)
        buf_add_bytes(out, parts[i].bytes, part_len(&parts[i]));
    buf_add_varint(out, g->tag_count);
    for (size_t i = 0; i < g->tag_count; i++)
        pack_tag_write(&g->tags[i], out);
    return OK;
}

err pack_game_write(const struct pgn_game *g, struct buf *out)
{
    size_t before = out->len;
    if (g->ply_count > PGN_PLIES_MAX || g->tag_count > PGN_TAGS_MAX)
        return ERR(ERR_TOO_BIG,
                   "packing a game: %zu half-moves and %zu tags; at most %d and %d fit",
                   g->ply_count, g->tag_count, PGN_PLIES_MAX, PGN_TAGS_MAX);
    buf_add_u32(out, 0);
    err e = write_body(g, out);
    if (!e.code)
        e = buf_check(out);
    if (e.code) {
        if (out->len > before)
            out->len = before; /* nothing half written is left behind */
        return e;
    }
    const char *body = out->ptr + before + PACK_CHECKSUM_BYTES;
    put_u32(out->ptr + before, pack_crc(str_from(body, out->len - before - PACK_CHECKSUM_BYTES)));
    return OK;
}

/* ------------------------------------------------------------------ reading */

uint32_t pack_crc(str bytes)
{
    return (uint32_t)crc32_z(crc32_z(0, NULL, 0), (const Bytef *)bytes.ptr, bytes.len);
}

err pack_checksum_verify(str game)
{
    struct cursor c = cursor_of(game);
    uint32_t wanted = cursor_u32(&c);
    if (c.bad || pack_crc(str_from(c.next, cursor_left(&c))) != wanted)
        return ERR(ERR_CORRUPT, "reading a packed game of %zu bytes: its checksum does not match",
                   game.len);
    return OK;
}

#define PACK_BAD(what) ERR(ERR_CORRUPT, "reading a packed game: " what)

err pack_head_read(str game, struct pack_head *ret_head)
{
    struct cursor c = cursor_of(game);
    struct pack_head h = { 0 };
    (void)cursor_u32(&c);
    uint8_t version = cursor_u8(&c);
    h.flags = cursor_u8(&c);
    uint8_t result = cursor_u8(&c);
    uint64_t plies = cursor_varint(&c), lengths[4] = { 0 };
    lengths[0] = cursor_varint(&c);
    for (int i = 1; i < 4; i++) {
        if (h.flags & (PACK_HAS_CLOCKS << (i - 1)))
            lengths[i] = cursor_varint(&c);
    }
    if (c.bad)
        return PACK_BAD("it ends in its head");
    if (version != PACK_GAME_VERSION)
        return ERR(ERR_UNSUPPORTED,
                   "reading a packed game: version %d; this program reads version %d", version,
                   PACK_GAME_VERSION);
    if (plies > PGN_PLIES_MAX || result > CHESS_ABORTED || lengths[0] < plies ||
        lengths[0] > 2 * plies || (h.flags & ~PACK_FLAGS))
        return PACK_BAD("its head makes no sense");
    chess_position_start(&h.start);
    if (h.flags & PACK_HAS_FEN) {
        uint64_t len = cursor_varint(&c);
        str fen = cursor_bytes(&c, len < CHESS_FEN_BYTES ? (size_t)len : SIZE_MAX);
        if (c.bad || chess_fen_parse(fen, &h.start).code)
            return PACK_BAD("its start position makes no sense");
    }
    if (h.flags & PACK_IS_960)
        h.start.is_960 = 1;
    h.ply_count = (size_t)plies;
    h.result = (enum chess_result)result;
    struct cursor *parts[4] = { &h.moves, &h.clocks, &h.evals, &h.nags };
    for (int i = 0; i < 4; i++)
        *parts[i] = cursor_of(
            cursor_bytes(&c, lengths[i] < game.len ? (size_t)lengths[i] : SIZE_MAX));
    h.tags = c;
    h.clock_unit = h.flags & PACK_HAS_CLOCKS ? cursor_u8(&h.clocks) : 1;
    if (c.bad || h.clocks.bad || (h.clock_unit != 1 && h.clock_unit != 10 && h.clock_unit != 100))
        return PACK_BAD("its parts are longer than it is");
    *ret_head = h;
    return OK;
}

static err read_nags(const struct pack_head *h, arena *keep, const uint8_t **ret_nags)
{
    uint8_t *nags = NEW_ARRAY(keep, uint8_t, h->ply_count ? h->ply_count : 1);
    ARENA_TRY(nags);
    struct cursor c = h->nags;
    uint64_t ply = 0;
    while (cursor_left(&c) && !c.bad) {
        uint64_t step = cursor_varint(&c);
        uint8_t nag = cursor_u8(&c);
        if (c.bad || step >= h->ply_count || (ply += step) >= h->ply_count)
            return PACK_BAD("a glyph belongs to no move");
        nags[ply] = nag;
    }
    *ret_nags = nags;
    return c.bad ? PACK_BAD("it ends in its glyphs") : OK;
}

/* Moves, clocks and evals, by walking through the game as everybody else does. */
static err read_plies(str bytes, arena *keep, struct pgn_game *g)
{
    struct pack_walk w;
    TRY(pack_walk_begin(bytes, &w));
    bool has_clocks = w.has_clocks, has_evals = w.has_evals;
    size_t count = w.ply_count ? w.ply_count : 1;
    chess_move *moves = NEW_ARRAY(keep, chess_move, count);
    uint32_t *clock_cs = has_clocks ? NEW_ARRAY(keep, uint32_t, count) : NULL;
    int16_t *eval_cp = has_evals ? NEW_ARRAY(keep, int16_t, count) : NULL;
    ARENA_TRY(moves && (clock_cs || !has_clocks) && (eval_cp || !has_evals));
    while (pack_walk_next(&w)) {
        moves[w.ply] = w.move;
        if (has_clocks)
            clock_cs[w.ply] = w.clock_cs;
        if (has_evals)
            eval_cp[w.ply] = w.eval_cp;
    }
    g->ply_count = w.ply_count;
    g->moves = moves;
    g->clock_cs = clock_cs;
    g->eval_cp = eval_cp;
    return pack_walk_end(&w);
}

err pack_game_read(str bytes, arena *keep, struct pgn_game *ret_game)
{
    struct pack_head h;
    TRY(pack_checksum_verify(bytes));
    TRY(pack_head_read(bytes, &h));
    struct pgn_game *g = NEW(keep, struct pgn_game);
    ARENA_TRY(g);
    g->start = h.start;
    g->has_fen = h.flags & PACK_HAS_FEN;
    g->result = h.result;
    TRY(read_plies(bytes, keep, g));
    if (h.flags & PACK_HAS_NAGS)
        TRY(read_nags(&h, keep, &g->nags));
    uint64_t tag_count = cursor_varint(&h.tags);
    if (h.tags.bad || tag_count > PGN_TAGS_MAX)
        return PACK_BAD("it has too many tags");
    for (; g->tag_count < tag_count; g->tag_count++)
        TRY(pack_tag_read(&h.tags, keep, &g->tags[g->tag_count]));
    if (cursor_left(&h.tags))
        return PACK_BAD("bytes are left behind its end");
    *ret_game = *g;
    return OK;
}

/* ------------------------------------------------------------------ identity */

/* A tag that says nothing ("?", "????.??.??", "-") is the same as none: exported games have one
 * where the original had the other. */
static bool says_nothing(str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '?' && text.ptr[i] != '.' && text.ptr[i] != '-')
            return false;
    }
    return true;
}

static void hash_text(struct sha256 *h, str text)
{
    text = str_trim(text);
    if (says_nothing(text))
        text = STR_NONE;
    uint32_t len = (uint32_t)text.len; /* so that "ab","c" and "a","bc" differ */
    sha256_add(h, &len, sizeof len);
    sha256_add(h, text.ptr, text.len);
}

void pack_game_identity(const struct pgn_game *g, uint8_t out[16])
{
    struct sha256 h;
    uint8_t digest[SHA256_BYTES], result = (uint8_t)g->result;
    char fen[CHESS_FEN_BYTES];
    chess_fen_write(&g->start, fen);
    sha256_begin(&h);
    hash_text(&h, str_of(fen));
    for (size_t ply = 0; ply < g->ply_count; ply++) {
        uint8_t move[2] = { (uint8_t)g->moves[ply], (uint8_t)(g->moves[ply] >> 8) };
        sha256_add(&h, move, sizeof move);
    }
    hash_text(&h, pgn_game_tag(g, "White"));
    hash_text(&h, pgn_game_tag(g, "Black"));
    hash_text(&h, pgn_game_tag(g, "Date"));
    sha256_add(&h, &result, 1);
    sha256_end(&h, digest);
    memcpy(out, digest, 16);
}
