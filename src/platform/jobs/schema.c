/* SPDX-License-Identifier: GPL-3.0-or-later */
/* schema.c -- the tables of this room, and how a row becomes a struct job_info. */
#include "platform/jobs/jobs_internal.h"

/* One unfinished job of a kind with a key, by what no claim changes. */
#define JOBS_KEY                                           \
    "DROP INDEX jobs_key;"                                 \
    "CREATE UNIQUE INDEX jobs_key ON jobs (kind, job_key)" \
    "  WHERE finished_ms IS NULL AND job_key IS NOT NULL;"

/* What waits and what is held, for who asks often. SQLite finds it by indexes on the state.
 * PostgreSQL writes a row anew when it changes, with an entry in each index of the table, unless no
 * index has a column that changed; so `jobs` has no index there on what a claim or a heartbeat
 * changes. What is open stands in narrow tables, kept by triggers in the transaction that changes
 * the job; a claim keeps them itself (claim.c). ADR 020. */
static const char open_jobs[] = JOBS_KEY
    "CREATE VIEW jobs_queue (job_no, kind, state, priority, next_try_ms, place) AS"
    "  SELECT job_no, kind, state, priority, next_try_ms, place FROM jobs"
    "  WHERE state IN ('waiting','queued');"
    "CREATE VIEW jobs_held (job_no, kind, lease_until_ms) AS"
    "  SELECT job_no, kind, lease_until_ms FROM jobs WHERE state = 'running';";

#define OPEN_STATES "('waiting','queued','running')"
#define QUEUE_ROW "kind, state, priority, next_try_ms, place"

static const char open_jobs_postgresql[] = JOBS_KEY
    "DROP INDEX jobs_claim;"
    "DROP INDEX jobs_due;"
    "DROP INDEX jobs_leases;"
    "DROP INDEX jobs_kind;"
    /* room on each page for what its rows become, which is longer */
    "ALTER TABLE jobs SET (fillfactor = 45);"
    "CREATE INDEX jobs_kind ON jobs (kind);"
    "CREATE TABLE jobs_queue ("
    "  job_no      @int NOT NULL PRIMARY KEY,"
    "  kind        @text NOT NULL,"
    "  state       @text NOT NULL,"
    "  priority    @int NOT NULL,"
    "  next_try_ms @int NOT NULL,"
    "  place       @text"
    ");"
    "CREATE INDEX jobs_claim ON jobs_queue (priority DESC, next_try_ms, job_no)"
    "  WHERE state = 'queued';"
    "CREATE INDEX jobs_due ON jobs_queue (next_try_ms) WHERE state = 'queued';"
    "CREATE INDEX jobs_queue_kind ON jobs_queue (kind, state);"
    "CREATE TABLE jobs_held ("
    "  job_no         @int NOT NULL PRIMARY KEY,"
    "  kind           @text NOT NULL,"
    "  lease_until_ms @int"
    ");"
    "COMMENT ON TABLE jobs_queue IS 'derived: jobs that are waiting or queued';"
    "COMMENT ON TABLE jobs_held IS 'derived: jobs that are running';"
    "INSERT INTO jobs_queue (job_no, " QUEUE_ROW ") SELECT job_no, " QUEUE_ROW " FROM jobs"
    "  WHERE state IN ('waiting','queued');"
    "INSERT INTO jobs_held (job_no, kind, lease_until_ms)"
    "  SELECT job_no, kind, lease_until_ms FROM jobs WHERE state = 'running';"
    "CREATE FUNCTION jobs_derive() RETURNS trigger LANGUAGE plpgsql AS '"
    " BEGIN"
    "  IF TG_OP = ''UPDATE'' THEN"
    "   IF OLD.state = ''running'' AND NEW.state = ''running'' THEN"
    "    UPDATE jobs_held SET lease_until_ms = NEW.lease_until_ms WHERE job_no = NEW.job_no;"
    "    RETURN NULL;"
    "   END IF;"
    "  END IF;"
    "  IF TG_OP <> ''INSERT'' THEN"
    "   IF OLD.state = ''running'' THEN"
    "    DELETE FROM jobs_held WHERE job_no = OLD.job_no;"
    "   ELSIF OLD.state IN (''waiting'', ''queued'') THEN"
    "    DELETE FROM jobs_queue WHERE job_no = OLD.job_no;"
    "   END IF;"
    "  END IF;"
    "  IF TG_OP <> ''DELETE'' THEN"
    "   IF NEW.state = ''running'' THEN"
    "    INSERT INTO jobs_held (job_no, kind, lease_until_ms)"
    "     VALUES (NEW.job_no, NEW.kind, NEW.lease_until_ms);"
    "   ELSIF NEW.state IN (''waiting'', ''queued'') THEN"
    "    INSERT INTO jobs_queue (job_no, " QUEUE_ROW ")"
    "     VALUES (NEW.job_no, NEW.kind, NEW.state, NEW.priority, NEW.next_try_ms, NEW.place);"
    "   END IF;"
    "  END IF;"
    "  RETURN NULL;"
    " END';"
    "CREATE TRIGGER jobs_added AFTER INSERT ON jobs FOR EACH ROW"
    "  WHEN (NEW.state IN " OPEN_STATES ") EXECUTE FUNCTION jobs_derive();"
    "CREATE TRIGGER jobs_removed AFTER DELETE ON jobs FOR EACH ROW"
    "  WHEN (OLD.state IN " OPEN_STATES ") EXECUTE FUNCTION jobs_derive();"
    /* Short, as it is read anew by each statement that changes a job. */
    "CREATE TRIGGER jobs_changed AFTER UPDATE OF " QUEUE_ROW ", lease_until_ms ON jobs"
    "  FOR EACH ROW WHEN (OLD.state <> 'queued' OR NEW.state <> 'running'"
    "  OR current_setting('skerry.claims', true) IS NULL)"
    "  EXECUTE FUNCTION jobs_derive();";

const struct store_migration jobs_migrations[] = {
    { 1,
      "CREATE TABLE jobs ("
      "  job_no         @id," /* order of adding: first come, first served */
      "  id             @text NOT NULL UNIQUE,"
      "  kind           @text NOT NULL,"
      "  state          @text NOT NULL CHECK (state IN ('waiting','queued','running','paused',"
      "                                                 'succeeded','failed','stopped')),"
      "  priority       @int NOT NULL,"
      "  payload        @text NOT NULL,"
      "  job_key        @text," /* unique among unfinished jobs of the kind */
      "  username       @text NOT NULL,"
      "  schedule       @text,"          /* the schedule that made it */
      "  run_id         @text NOT NULL," /* all tries of a job share a run */
      "  tries_max      @int NOT NULL,"
      "  attempts       @int NOT NULL," /* tries that count; the running one included */
      "  crashes        @int NOT NULL," /* in a row, since the last new cursor */
      "  resume_cursor  @text,"
      "  result         @text,"
      "  error          @text," /* of the last try that failed */
      "  error_code     @text,"
      "  blocked_by     @text," /* failed because this job, which it needs, did */
      "  pause_wanted   @int NOT NULL,"
      "  stop_wanted    @int NOT NULL,"
      "  worker         @text,"         /* who holds, or last held, the lease */
      "  lease_no       @int NOT NULL," /* goes up with each claim: an old number is fenced off */
      "  lease_moved    @int NOT NULL," /* a new cursor was saved under this lease */
      "  lease_until_ms @int,"
      "  created_ms     @int NOT NULL,"
      "  started_ms     @int," /* first try */
      "  finished_ms    @int,"
      "  next_try_ms    @int NOT NULL,"
      "  done           @int NOT NULL,"
      "  total          @int NOT NULL,"
      "  eta_s          @real NOT NULL" /* negative: unknown */
      ") @strict;"
      "CREATE UNIQUE INDEX jobs_run ON jobs (run_id);"
      "CREATE UNIQUE INDEX jobs_key ON jobs (kind, job_key)"
      "  WHERE state IN ('waiting','queued','running','paused') AND job_key IS NOT NULL;"
      "CREATE INDEX jobs_claim ON jobs (priority DESC, next_try_ms, job_no) WHERE state = 'queued';"
      "CREATE INDEX jobs_due ON jobs (next_try_ms) WHERE state = 'queued';"
      "CREATE INDEX jobs_leases ON jobs (lease_until_ms) WHERE state = 'running';"
      "CREATE INDEX jobs_kind ON jobs (kind, state);"
      "CREATE INDEX jobs_finished ON jobs (finished_ms) WHERE finished_ms IS NOT NULL;"
      "CREATE TABLE job_needs ("
      "  job_id   @text NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,"
      "  needs_id @text NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,"
      "  PRIMARY KEY (job_id, needs_id)"
      ") @strict;"
      "CREATE INDEX job_needs_back ON job_needs (needs_id);"
      "CREATE TABLE job_events ("
      "  event_no   @id,"
      "  job_id     @text NOT NULL,"
      "  at_ms      @int NOT NULL,"
      "  event      @text NOT NULL,"
      "  from_state @text," /* NULL: the job is new */
      "  to_state   @text NOT NULL,"
      "  attempt    @int NOT NULL,"
      "  took_ms    @int NOT NULL," /* how long the state that ended lasted; -1: not said */
      "  by_worker  @text NOT NULL,"
      "  detail     @text"
      ") @strict;"
      "CREATE INDEX job_events_job ON job_events (job_id, event_no);"
      "CREATE TABLE job_schedules ("
      "  name        @text NOT NULL PRIMARY KEY,"
      "  cron        @text NOT NULL,"
      "  next_ms     @int NOT NULL,"
      "  last_ms     @int,"
      "  last_job_id @text"
      ") @strict;" },
    /* crashes counts those of the job's own making, kills the other deaths of its worker */
    { 2, "ALTER TABLE jobs ADD COLUMN kills @int NOT NULL DEFAULT 0;" },
    { 3, "ALTER TABLE jobs ADD COLUMN place @text;" /* only processes of this data folder */
         "CREATE TABLE workers ("
         "  worker       @text NOT NULL PRIMARY KEY," /* as in leases */
         "  name         @text NOT NULL,"
         "  role         @text NOT NULL,"
         "  version      @text NOT NULL,"
         "  place        @text NOT NULL,"
         "  cores        @int NOT NULL,"
         "  memory_bytes @int NOT NULL,"
         "  gpu          @text NOT NULL," /* empty: none */
         "  kinds        @text NOT NULL," /* ",chess.train,core.collect," */
         "  places       @int NOT NULL,"  /* jobs at once */
         "  state        @text NOT NULL CHECK (state IN ('active', 'draining', 'gone')),"
         "  drain_wanted @int NOT NULL,"
         "  started_ms   @int NOT NULL,"
         "  seen_ms      @int NOT NULL,"
         "  until_ms     @int NOT NULL" /* silent after it: gone */
         ") @strict;" },
    { 4, open_jobs, open_jobs_postgresql },
    { 0, NULL },
};

err job_row_read(struct store_rows *rows, arena *keep, struct job_info *ret_info)
{
    struct job_info info = { .state = JOB_WAITING };
    str id = store_col_text(rows, 0), kind = store_col_text(rows, 1),
        state = store_col_text(rows, 2);
    snprintf(info.id, sizeof(info.id), "%.*s", STR_ARG(id));
    snprintf(info.kind, sizeof(info.kind), "%.*s", STR_ARG(kind));
    if (!job_state_parse(state, &info.state))
        return ERR(ERR_CORRUPT, "job %s is in the unknown state '%.*s'", info.id, STR_ARG(state));
    info.priority = (int)store_col_int(rows, 3);
    info.attempts = (int)store_col_int(rows, 4);
    info.tries_max = (int)store_col_int(rows, 5);
    info.pause_wanted = store_col_int(rows, 6) != 0;
    info.stop_wanted = store_col_int(rows, 7) != 0;
    str *const texts[] = { &info.payload, &info.cursor,   &info.result, &info.error,
                           &info.key,     &info.username, &info.run_id };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        if (store_col_is_null(rows, 8 + (int)i))
            continue;
        *texts[i] = store_col_text_keep(rows, 8 + (int)i, keep);
        ARENA_TRY(texts[i]->ptr);
    }
    info.created_ms = store_col_int(rows, 15);
    info.started_ms = store_col_int(rows, 16);
    info.finished_ms = store_col_int(rows, 17);
    info.next_try_ms = store_col_int(rows, 18);
    info.lease_until_ms = store_col_int(rows, 19);
    info.done = store_col_int(rows, 20);
    info.total = store_col_int(rows, 21);
    info.eta_s = store_col_real(rows, 22);
    info.error_code = store_col_text_keep(rows, 23, keep);
    info.place = store_col_text_keep(rows, 24, keep);
    *ret_info = info;
    return OK;
}

err job_row_get(struct store_read *rd, str id, arena *keep, struct job_info *ret_info)
{
    struct store_rows *rows;
    TRY(store_query(rd, "SELECT " JOB_COLUMNS " FROM jobs WHERE id = ?1", ARGS(sql_text(id)),
                    &rows));
    struct job_info info;
    bool found = store_next(rows);
    err e = found ? job_row_read(rows, keep, &info) : OK;
    e = err_first(e, store_rows_close(rows));
    if (e.code)
        return e;
    if (!found)
        return ERR(ERR_NOT_FOUND, "there is no job '%.*s'", STR_ARG(id));
    *ret_info = info;
    return OK;
}
