/* SPDX-License-Identifier: GPL-3.0-or-later */
/* schema.c -- tables of this room. Times are ms since 1970, hours count from then. */
#include "platform/serving/serving_internal.h"

static const char step_1[] =
    /* Sums by version, slot and hour. `tenure` is the row of the registry's ledger that gave the
     * version its alias, `generation` the newest such row of the family: rows of two versions with
     * the same generation are of the same time. */
    "CREATE TABLE serving_windows ("
    " family @text NOT NULL,"
    " tenure @int NOT NULL,"
    " slot @int NOT NULL,"
    " generation @int NOT NULL,"
    " version @int NOT NULL,"
    " hour @int NOT NULL,"
    " made @int NOT NULL,"
    " judged @int NOT NULL,"
    " correct @int NOT NULL,"
    " trials @int NOT NULL,"
    " wins @int NOT NULL,"
    " log_loss @real NOT NULL,"
    " bins @blob NOT NULL," /* tally_pack */
    " PRIMARY KEY (family, tenure, slot, generation, version, hour)) @strict;"
    "CREATE INDEX serving_windows_by_hour ON serving_windows (family, hour);"
    /* Noted in an app's transaction, until it is added up. */
    "CREATE TABLE serving_pending ("
    " id @id,"
    " family @text NOT NULL,"
    " at_ms @int NOT NULL,"
    " note @blob NOT NULL) @strict;"
    /* Calls one by one: those that wait for their truth, and a sample of the others. */
    "CREATE TABLE serving_calls ("
    " id @id,"
    " family @text NOT NULL,"
    " key @text,"
    " at_ms @int NOT NULL,"
    " truth @int," /* class; NULL: not known yet */
    " judged_ms @int,"
    " note @blob NOT NULL) @strict;"
    "CREATE INDEX serving_calls_by_key ON serving_calls (family, key);"
    "CREATE INDEX serving_calls_by_time ON serving_calls (at_ms);"
    /* What was decided about promotion, and why. */
    "CREATE TABLE serving_decisions ("
    " id @id,"
    " family @text NOT NULL,"
    " decision @text NOT NULL,"
    " at_ms @int NOT NULL,"
    " is_reordered @int NOT NULL,"
    " reason @text NOT NULL,"
    " username @text NOT NULL,"
    " source @text NOT NULL,"
    " run_id @text,"
    " data @text NOT NULL) @strict;" /* JSON: evidence, test, moves */
    "CREATE INDEX serving_decisions_by_family ON serving_decisions (family, id)";

const struct store_migration serving_migrations[] = {
    { 1, step_1 },
    { 0, NULL },
};
