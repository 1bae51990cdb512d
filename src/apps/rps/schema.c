/* SPDX-License-Identifier: GPL-3.0-or-later */
/* schema.c -- the tables of this app, step by step. A step is never edited once released.
 *
 * A game has a number of ours, so that rounds of games that are played at the same time lie beside
 * each other on the disk: a commit for many players writes few pages. The public id is `key`.
 */
#include "apps/rps/ledger.h"

static const char step_1_games[] =
    "CREATE TABLE rps_games ("
    "  id @id,"
    "  key @text NOT NULL UNIQUE," /* game_id of the API */
    "  session_id @text NOT NULL,"
    "  player_name @text NOT NULL,"
    "  policy @text NOT NULL,"       /* brian, forrest, logan, or a bot that follows a rule */
    "  model_type @text NOT NULL,"   /* family; empty: no model is asked */
    "  alias @text NOT NULL,"        /* chosen once, read back ever after; empty: no model */
    "  model_version @int NOT NULL," /* that decided rounds; 0: none yet, -1: several did */
    "  model_run_id @text NOT NULL," /* run that trained it */
    "  opening_name @text NOT NULL," /* gambit; empty: none */
    "  opening_seq @text NOT NULL,"  /* its moves as JSON names */
    "  easy_mode @int NOT NULL,"     /* of a mode that was retired: 0 in new games */
    "  is_test @int NOT NULL,"
    "  origin @text NOT NULL,"     /* where an imported game comes from; empty: played here */
    "  user_score @real NOT NULL," /* at the end; 0 while it goes on (see the last round) */
    "  bot_score @real NOT NULL,"
    "  rounds @int NOT NULL," /* at the end */
    "  winner @int NOT NULL," /* enum rps_winner; 0: it goes on */
    "  created_ms @int NOT NULL,"
    "  finished_ms @int NOT NULL" /* 0: it goes on */
    ")@strict;"
    "CREATE INDEX rps_games_created ON rps_games (created_ms);"
    "CREATE INDEX rps_games_session ON rps_games (session_id);"
    "CREATE INDEX rps_games_player ON rps_games (player_name, created_ms);"

    /* Moves are enum rps_move, the result is enum rps_outcome (the user's view). */
    "CREATE TABLE rps_rounds ("
    "  game_id @int NOT NULL REFERENCES rps_games (id) ON DELETE CASCADE,"
    "  step_no @int NOT NULL," /* from 1 */
    "  user_move @int NOT NULL,"
    "  bot_move @int NOT NULL,"
    "  result @int NOT NULL,"
    "  user_delta @real NOT NULL,"
    "  bot_delta @real NOT NULL,"
    "  user_score @real NOT NULL," /* after the round */
    "  bot_score @real NOT NULL,"
    "  rock_pts @real NOT NULL,"
    "  paper_pts @real NOT NULL,"
    "  scissors_pts @real NOT NULL,"
    "  source @int NOT NULL,"         /* enum rps_source: who chose the bot's move */
    "  model_version @int NOT NULL,"  /* that predicted; 0: none */
    "  probabilities @blob NOT NULL," /* of the user's move, three little-endian doubles; or empty
                                       */
    "  created_ms @int NOT NULL,"
    "  PRIMARY KEY (game_id, step_no)"
    ")@clustered;";

/* What a game knows of its player (past.h). Of games that ended before there was such a thing, each
 * counts as having begun when the ones before it were over. */
static const char step_3_players[] =
    "ALTER TABLE rps_games ADD COLUMN person_seq @int NOT NULL DEFAULT 0;"  /* among the finished
                                                                                games of its player,
                                                                                from 1; 0: not
                                                                                remembered */
    "ALTER TABLE rps_games ADD COLUMN person_seen @int NOT NULL DEFAULT 0;" /* how many there were
                                                                                when it began */
    "UPDATE rps_games SET person_seq = numbered.n, person_seen = numbered.n - 1 FROM ("
    "  SELECT id, ROW_NUMBER() OVER (PARTITION BY player_name ORDER BY created_ms, id) AS n"
    "  FROM rps_games WHERE winner <> 0 AND origin = '' AND is_test = 0 AND player_name <> '' AND"
    "  lower(player_name) <> 'player' AND"
    "  NOT (lower(substr(player_name, 1, 7)) = 'player-' AND length(player_name) <= 10)"
    ") AS numbered WHERE numbered.id = rps_games.id;"
    "CREATE INDEX rps_games_person ON rps_games (player_name, person_seq) WHERE person_seq > 0;";

const struct store_migration rps_migrations[] = {
    { 1, step_1_games },
    { 2, rps_schema_events },
    { 3, step_3_players },
    { 0 },
};
