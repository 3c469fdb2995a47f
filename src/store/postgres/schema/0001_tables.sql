-- Callboard's tables. A job is a row that is written once, and beside it exactly one narrow row that tells where it is:
-- waiting, running or done. `{schema}` stands for the schema's name.
--
-- Phases are numbered in the order of a job's life: 1 scheduled, 2 ready, 3 parked, 4 running, 5 cancelling,
-- 6 retry_wait, 7 successful, 8 failed, 9 cancelled, 10 expired, 11 quarantined.

-- The time, for everything: the server's, or what a test has set.
CREATE FUNCTION {schema}.now() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
  SELECT coalesce(nullif(current_setting('callboard.now', true), '')::timestamptz, clock_timestamp())
$$;

-- What was enqueued. Only a reschedule changes it. JSON is text, so that it comes back to the letter.
CREATE TABLE {schema}.job (
  id uuid PRIMARY KEY,
  enqueued_at timestamptz NOT NULL,
  run_after timestamptz,
  expires_at timestamptz,
  priority smallint NOT NULL,
  task text COLLATE "C" NOT NULL,
  queue text COLLATE "C" NOT NULL,
  args text NOT NULL,
  metadata text,
  -- Its timeout, retry policy, labels and trace context, where there are any but the usual ones.
  rare text
) WITH (autovacuum_vacuum_insert_scale_factor = 0.1);

-- Jobs that wait. `state` is empty until something has happened to a job; `phase`, `version` and `run` hold in any case.
CREATE TABLE {schema}.waiting (
  id uuid PRIMARY KEY,
  -- What it is ordered by: when it is or was due.
  at timestamptz NOT NULL,
  -- Only while it waits for its first attempt.
  expires_at timestamptz,
  version bigint NOT NULL DEFAULT 1,
  run bigint NOT NULL DEFAULT 0,
  phase smallint NOT NULL,
  -- The priority with its sign turned, so that the best come first.
  rank smallint NOT NULL,
  -- Whether it was lost before.
  suspect boolean NOT NULL DEFAULT false,
  queue text COLLATE "C" NOT NULL,
  task text COLLATE "C" NOT NULL,
  state text
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX waiting_line ON {schema}.waiting (queue, rank, at, id) WHERE phase = 2 AND NOT suspect;
CREATE INDEX waiting_suspects ON {schema}.waiting (queue, rank, at, id) WHERE phase = 2 AND suspect;
CREATE INDEX waiting_timed ON {schema}.waiting (at, id) WHERE phase IN (1, 6);
CREATE INDEX waiting_expiring ON {schema}.waiting (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX waiting_parked ON {schema}.waiting (task) WHERE phase = 3;

-- Jobs that run. `stage` tells what `state` is: 0 the job before the claim, 1 with the claim.
CREATE TABLE {schema}.running (
  id uuid PRIMARY KEY,
  worker uuid NOT NULL,
  claimed_at timestamptz NOT NULL,
  run bigint NOT NULL,
  version bigint NOT NULL,
  -- The claim that took it, so that one whose answer was lost can be read again.
  batch bigint,
  phase smallint NOT NULL DEFAULT 4,
  stage smallint NOT NULL DEFAULT 0,
  suspect boolean NOT NULL DEFAULT false,
  -- Whether somebody asked to cancel it.
  asked boolean NOT NULL DEFAULT false,
  queue text COLLATE "C" NOT NULL,
  task text COLLATE "C" NOT NULL,
  state text
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 100000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX running_asked ON {schema}.running (worker) WHERE asked;
CREATE INDEX running_suspect ON {schema}.running (worker) WHERE suspect;

-- Jobs that have ended. `stage`: 0 and 1 as above, what follows from the other columns; 2 the job as it ended, but for
-- its value.
CREATE TABLE {schema}.done (
  id uuid PRIMARY KEY,
  finished_at timestamptz NOT NULL,
  claimed_at timestamptz,
  started_at timestamptz,
  worker uuid,
  run bigint NOT NULL,
  version bigint NOT NULL,
  phase smallint NOT NULL,
  stage smallint NOT NULL,
  value text,
  state text
) WITH (autovacuum_vacuum_insert_scale_factor = 0.1);
CREATE INDEX done_old ON {schema}.done (phase, finished_at);

-- Worker processes and their leases: the only row that a beat writes.
CREATE TABLE {schema}.worker (
  id uuid PRIMARY KEY,
  lease_ends timestamptz NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

CREATE TABLE {schema}.worker_tasks (
  worker uuid PRIMARY KEY,
  tasks text[] COLLATE "C" NOT NULL
);

CREATE TABLE {schema}.paused (queue text COLLATE "C" PRIMARY KEY);

CREATE TABLE {schema}.published (task text COLLATE "C" PRIMARY KEY, definition text NOT NULL);

-- How many jobs have ended, by when and how: a row for each statement that ended or removed some, and now and then one
-- sum of them all (`fold`). A counter that is updated would have all its dead versions walked by each update, as long as
-- any transaction may still see them.
CREATE TABLE {schema}.tally (
  queue text COLLATE "C" NOT NULL,
  task text COLLATE "C" NOT NULL,
  phase smallint NOT NULL,
  hour timestamptz NOT NULL,
  jobs bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- The latest jobs that were removed after their end.
CREATE TABLE {schema}.pruned (n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id uuid NOT NULL UNIQUE);

-- Jobs that somebody in another process waits for.
CREATE TABLE {schema}.watch (id uuid PRIMARY KEY, until timestamptz NOT NULL);
