/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pack_tags.c -- tags in few bytes: names and beginnings of values that keep coming back are
 * numbers.
 *
 * Both lists are part of the format: entries may be added at the end (below 255), never moved.
 */
#include <string.h>

#include "engine/chess/pack_internal.h"

enum { NAME_ESCAPE = 255 };

static const str names[] = {
    STR_INIT("Event"),
    STR_INIT("Site"),
    STR_INIT("Date"),
    STR_INIT("Round"),
    STR_INIT("White"),
    STR_INIT("Black"),
    STR_INIT("Result"),
    STR_INIT("UTCDate"),
    STR_INIT("UTCTime"),
    STR_INIT("WhiteElo"),
    STR_INIT("BlackElo"),
    STR_INIT("WhiteRatingDiff"),
    STR_INIT("BlackRatingDiff"),
    STR_INIT("WhiteTitle"),
    STR_INIT("BlackTitle"),
    STR_INIT("ECO"),
    STR_INIT("Opening"),
    STR_INIT("TimeControl"),
    STR_INIT("Termination"),
    STR_INIT("Variant"),
    STR_INIT("FEN"),
    STR_INIT("SetUp"),
    STR_INIT("CurrentPosition"),
    STR_INIT("Timezone"),
    STR_INIT("ECOUrl"),
    STR_INIT("StartTime"),
    STR_INIT("EndDate"),
    STR_INIT("EndTime"),
    STR_INIT("Link"),
    STR_INIT("GameId"),
    STR_INIT("EventDate"),
    STR_INIT("EventType"),
    STR_INIT("PlyCount"),
    STR_INIT("Annotator"),
    STR_INIT("Variation"),
    STR_INIT("SubVariation"),
    STR_INIT("WhiteFideId"),
    STR_INIT("BlackFideId"),
    STR_INIT("WhiteTeam"),
    STR_INIT("BlackTeam"),
    STR_INIT("Board"),
    STR_INIT("StudyName"),
    STR_INIT("ChapterName"),
    STR_INIT("ChapterURL"),
    STR_INIT("BroadcastName"),
    STR_INIT("BroadcastURL"),
    STR_INIT("GameURL"),
    STR_INIT("Tournament"),
    STR_INIT("Time"),
    STR_INIT("Mode"),
    STR_INIT("Source"),
    STR_INIT("SourceDate"),
    STR_INIT("NIC"),
    STR_INIT("Orientation"),
    STR_INIT("WhiteType"),
    STR_INIT("BlackType"),
};

static const str beginnings[] = {
    STR_INIT(""),
    STR_INIT("https://lichess.org/"),
    STR_INIT("https://www.chess.com/live/game/"),
    STR_INIT("https://www.chess.com/daily/game/"),
    STR_INIT("https://www.chess.com/game/live/"),
    STR_INIT("https://www.chess.com/openings/"),
    STR_INIT("https://www.chess.com/"),
    STR_INIT("https://"),
    STR_INIT("Rated Bullet game"),
    STR_INIT("Rated Blitz game"),
    STR_INIT("Rated Rapid game"),
    STR_INIT("Rated Classical game"),
    STR_INIT("Rated Correspondence game"),
    STR_INIT("Rated UltraBullet game"),
    STR_INIT("Rated bullet game"),
    STR_INIT("Rated blitz game"),
    STR_INIT("Rated rapid game"),
    STR_INIT("Rated Bullet tournament https://lichess.org/tournament/"),
    STR_INIT("Rated Blitz tournament https://lichess.org/tournament/"),
    STR_INIT("Rated Rapid tournament https://lichess.org/tournament/"),
    STR_INIT("Rated "),
    STR_INIT("Casual Bullet game"),
    STR_INIT("Casual Blitz game"),
    STR_INIT("Casual Rapid game"),
    STR_INIT("Casual "),
    STR_INIT("Live Chess"),
    STR_INIT("Chess.com"),
    STR_INIT("Normal"),
    STR_INIT("Time forfeit"),
    STR_INIT("Abandoned"),
    STR_INIT("Standard"),
    STR_INIT("Chess960"),
    STR_INIT("1-0"),
    STR_INIT("0-1"),
    STR_INIT("1/2-1/2"),
    STR_INIT("UTC"),
    STR_INIT("????.??.??"),
    STR_INIT("Sicilian Defense: "),
    STR_INIT("Sicilian Defense"),
    STR_INIT("French Defense: "),
    STR_INIT("French Defense"),
    STR_INIT("Caro-Kann Defense"),
    STR_INIT("Queen's Gambit Declined"),
    STR_INIT("Queen's Gambit "),
    STR_INIT("Queen's Pawn Game"),
    STR_INIT("King's Gambit"),
    STR_INIT("King's Indian Defense"),
    STR_INIT("King's Pawn Game"),
    STR_INIT("Scandinavian Defense"),
    STR_INIT("Italian Game"),
    STR_INIT("Ruy Lopez"),
    STR_INIT("English Opening"),
    STR_INIT("Nimzo-Indian Defense"),
    STR_INIT("Slav Defense"),
    STR_INIT("Philidor Defense"),
    STR_INIT("Pirc Defense"),
    STR_INIT("Modern Defense"),
    STR_INIT("Indian Defense"),
    STR_INIT("Four Knights Game"),
    STR_INIT("Scotch Game"),
    STR_INIT("Vienna Game"),
    STR_INIT("Bishop's Opening"),
    STR_INIT("Zukertort Opening"),
    STR_INIT(" won by resignation"),
    STR_INIT(" won on time"),
    STR_INIT(" won by checkmate"),
    STR_INIT("60+0"),
    STR_INIT("180+0"),
    STR_INIT("180+2"),
    STR_INIT("300+0"),
    STR_INIT("300+3"),
    STR_INIT("600+0"),
};

_Static_assert(COUNT_OF(names) < NAME_ESCAPE && COUNT_OF(beginnings) <= 256, "numbers are bytes");

static size_t name_number(str name)
{
    size_t i = 0;
    while (i < COUNT_OF(names) &&
           (names[i].len != name.len || memcmp(names[i].ptr, name.ptr, name.len) != 0))
        i++;
    return i;
}

/* The longest beginning. */
static size_t beginning_number(str value)
{
    size_t best = 0;
    for (size_t i = 1; value.len > 0 && i < COUNT_OF(beginnings); i++) {
        str b = beginnings[i];
        if (b.ptr[0] == value.ptr[0] && b.len > beginnings[best].len && b.len <= value.len &&
            memcmp(b.ptr, value.ptr, b.len) == 0)
            best = i;
    }
    return best;
}

void pack_tag_write(const struct pgn_tag *tag, struct buf *out)
{
    size_t name = name_number(tag->name), beginning = beginning_number(tag->value);
    if (name == COUNT_OF(names)) {
        buf_add_u8(out, NAME_ESCAPE);
        buf_add_varint(out, tag->name.len);
        buf_add(out, tag->name);
    } else {
        buf_add_u8(out, (uint8_t)name);
    }
    buf_add_u8(out, (uint8_t)beginning);
    str rest = str_sub(tag->value, beginnings[beginning].len, tag->value.len);
    buf_add_varint(out, rest.len);
    buf_add(out, rest);
}

/* A text with its length before it; empty and bad when it is longer than a tag may be. */
static str read_text(struct cursor *c)
{
    uint64_t len = cursor_varint(c);
    return cursor_bytes(c, len <= PGN_TAG_BYTES_MAX ? (size_t)len : SIZE_MAX);
}

err pack_tag_read(struct cursor *c, arena *keep, struct pgn_tag *ret_tag)
{
    uint8_t name = cursor_u8(c);
    str written = STR_NONE;
    if (name == NAME_ESCAPE)
        written = read_text(c);
    else if (name >= COUNT_OF(names))
        c->bad = true;
    uint8_t beginning = cursor_u8(c);
    str rest = read_text(c);
    if (c->bad || beginning >= COUNT_OF(beginnings))
        return ERR(ERR_CORRUPT, "reading a packed game: a tag makes no sense");
    struct pgn_tag tag = { .name = name == NAME_ESCAPE ? arena_str(keep, written) : names[name] };
    size_t first = beginnings[beginning].len;
    char *value = NEW_ARRAY(keep, char, first + rest.len + 1);
    ARENA_TRY(value && (tag.name.ptr || tag.name.len == 0));
    memcpy(value, beginnings[beginning].ptr, first);
    if (rest.len)
        memcpy(value + first, rest.ptr, rest.len);
    tag.value = str_from(value, first + rest.len);
    *ret_tag = tag;
    return OK;
}
