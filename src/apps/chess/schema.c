/* SPDX-License-Identifier: GPL-3.0-or-later */
/* schema.c -- the tables of the chess app, step by step.
 *
 * A game's moves are not here: they lie packed in blobs of thousands of games (chess_packs), and a
 * row of chess_games says where. Columns hold what is searched and filtered by. Players and
 * openings are interned, so that a game's row stays under 200 bytes.
 *
 * A step is never edited once released; new tables go into new steps at the end.
 */
#include "apps/chess/chess_app.h"
#include "apps/chess/prefs.h"

static const char step_1_games[] =
    "CREATE TABLE chess_players ("
    "  id @id,"
    "  platform @int NOT NULL,"  /* enum chess_platform: names are only unique within one */
    "  name @text NOT NULL,"     /* as first seen */
    "  name_key @text NOT NULL," /* lower case */
    "  UNIQUE (name_key, platform)"
    ")@strict;"

    "CREATE TABLE chess_openings ("
    "  id @id,"
    "  eco @text NOT NULL,"
    "  name @text NOT NULL,"
    "  UNIQUE (eco, name)"
    ")@strict;"

    /* One import. The job knows its state; here is what it did, also after the job is forgotten. */
    "CREATE TABLE chess_ingests ("
    "  id @id,"
    "  run_id @text NOT NULL UNIQUE,"
    "  username @text NOT NULL,"
    "  source @text NOT NULL,"  /* file name as the client said it */
    "  dataset @text NOT NULL," /* what the client filed it under: datasetId, version */
    "  version @text NOT NULL,"
    "  note @text NOT NULL,"
    "  tags @text NOT NULL,"
    "  state @text NOT NULL," /* running | succeeded | failed | stopped */
    "  error @text NOT NULL,"
    "  bytes @int NOT NULL,"
    "  games @int NOT NULL," /* added */
    "  duplicates @int NOT NULL,"
    "  refused @int NOT NULL,"
    "  plies @int NOT NULL,"
    "  packs @int NOT NULL,"
    "  started_ms @int NOT NULL,"
    "  finished_ms @int NOT NULL" /* 0: not yet */
    ")@strict;"

    "CREATE TABLE chess_packs ("
    "  id @id,"
    "  blob @text NOT NULL," /* SHA-256 */
    "  games @int NOT NULL,"
    "  bytes @int NOT NULL,"
    "  ingest_id @int NOT NULL REFERENCES chess_ingests (id),"
    "  created_ms @int NOT NULL"
    ")@strict;"
    "CREATE INDEX chess_packs_ingest ON chess_packs (ingest_id);"

    "CREATE TABLE chess_games ("
    "  id @id,"
    "  key @blob NOT NULL UNIQUE," /* 16 bytes, also the public id; see game_record.h */
    "  pack_id @int NOT NULL REFERENCES chess_packs (id),"
    "  pack_index @int NOT NULL,"
    "  platform @int NOT NULL,"
    "  external_id @text,"
    "  white_id @int NOT NULL REFERENCES chess_players (id),"
    "  black_id @int NOT NULL REFERENCES chess_players (id),"
    "  white_rating @int,"
    "  black_rating @int,"
    "  white_title @text,"
    "  black_title @text,"
    "  result @int NOT NULL," /* enum chess_result */
    "  rated @int,"
    "  speed @int NOT NULL," /* enum chess_speed */
    "  time_control @text,"  /* as written */
    "  initial_s @int,"
    "  increment_s @int NOT NULL,"
    "  date @int NOT NULL," /* 20211001; unknown parts 00 */
    "  start_ms @int,"
    "  end_ms @int,"
    "  eco @int," /* 0..499 */
    "  opening_id @int REFERENCES chess_openings (id),"
    "  plies @int NOT NULL,"
    "  flags @int NOT NULL," /* GAME_HAS_... */
    "  moves_hash @int NOT NULL"
    ")@strict;"
    "CREATE INDEX chess_games_white ON chess_games (white_id, end_ms);"
    "CREATE INDEX chess_games_black ON chess_games (black_id, end_ms);"
    "CREATE INDEX chess_games_end ON chess_games (end_ms);";

const struct store_migration chess_migrations[] = {
    { 1, step_1_games },
    { 2, chess_schema_plays },
    { 3, chess_schema_analytics },
    { 4, chess_schema_prefs },
    { 0 },
};
