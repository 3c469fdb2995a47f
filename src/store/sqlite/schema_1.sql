-- Ids are 16 bytes, times are microseconds since 1970, phases are numbers (1 scheduled, 2 ready, 3 parked, 4 running,
-- 5 cancelling, 6 retry_wait, 7 successful, 8 failed, 9 cancelled, 10 expired, 11 quarantined).

-- Written once, at the enqueue (a reschedule changes it). Ids grow with time, so rows are appended.
CREATE TABLE callboard_jobs (
    id BLOB NOT NULL PRIMARY KEY,
    task TEXT NOT NULL,
    queue TEXT NOT NULL,
    priority INTEGER NOT NULL,
    enqueued_at INTEGER NOT NULL,
    run_after INTEGER,
    expires_at INTEGER,
    args TEXT NOT NULL,
    metadata TEXT,
    rare TEXT
) STRICT, WITHOUT ROWID;

-- What a job with a past has behind it: its whole state, but for the return value. A job that waits for its first
-- run, is in it, or succeeded in it has no row here (kept = 0 in its other row says so).
CREATE TABLE callboard_states (
    id BLOB NOT NULL PRIMARY KEY,
    state TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The line of each queue, best first: rank is the priority, negated; at is the effective time. A claim reads from its
-- start, and nothing that cannot be given stands here.
CREATE TABLE callboard_ready (
    queue TEXT NOT NULL,
    rank INTEGER NOT NULL,
    at INTEGER NOT NULL,
    id BLOB NOT NULL,
    task TEXT NOT NULL,
    version INTEGER NOT NULL,
    kept INTEGER NOT NULL,
    PRIMARY KEY (queue, rank, at, id)
) STRICT, WITHOUT ROWID;

-- Ready jobs that were lost before: a process runs one at a time, so they must not stand in the way of others.
CREATE TABLE callboard_suspects (
    queue TEXT NOT NULL,
    rank INTEGER NOT NULL,
    at INTEGER NOT NULL,
    id BLOB NOT NULL,
    task TEXT NOT NULL,
    version INTEGER NOT NULL,
    kept INTEGER NOT NULL,
    PRIMARY KEY (queue, rank, at, id)
) STRICT, WITHOUT ROWID;

-- Jobs that wait for a time.
CREATE TABLE callboard_later (
    at INTEGER NOT NULL,
    id BLOB NOT NULL,
    queue TEXT NOT NULL,
    rank INTEGER NOT NULL,
    task TEXT NOT NULL,
    phase INTEGER NOT NULL,
    version INTEGER NOT NULL,
    kept INTEGER NOT NULL,
    PRIMARY KEY (at, id)
) STRICT, WITHOUT ROWID;

-- Due jobs whose task no live process has.
CREATE TABLE callboard_parked (
    task TEXT NOT NULL,
    id BLOB NOT NULL,
    queue TEXT NOT NULL,
    rank INTEGER NOT NULL,
    at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    kept INTEGER NOT NULL,
    PRIMARY KEY (task, id)
) STRICT, WITHOUT ROWID;

-- When jobs expire. A row may outlive its reason: it is looked at when its time comes.
CREATE TABLE callboard_expiring (
    at INTEGER NOT NULL,
    id BLOB NOT NULL,
    PRIMARY KEY (at, id)
) STRICT, WITHOUT ROWID;

-- Jobs in their first run, many in one row: those of one claim (or of the hand-offs of one commit), by their ids. A row of
-- its own for each, inserted and deleted, was a third of what the whole life of a job cost. Which of them have ended
-- since, the other tables say; when none is left the row goes.
CREATE TABLE callboard_claims (
    seq INTEGER PRIMARY KEY,
    worker BLOB NOT NULL,
    queue TEXT NOT NULL,
    claimed_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    jobs INTEGER NOT NULL,
    ids BLOB NOT NULL
) STRICT;

-- Other jobs that run: those with a past.
CREATE TABLE callboard_running (
    id BLOB NOT NULL PRIMARY KEY,
    worker BLOB NOT NULL,
    run INTEGER NOT NULL,
    claimed_at INTEGER NOT NULL,
    queue TEXT NOT NULL,
    phase INTEGER NOT NULL,
    version INTEGER NOT NULL,
    -- Whether it was lost before, and whether somebody has asked to cancel it.
    suspect INTEGER NOT NULL,
    asked INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX callboard_asked ON callboard_running (worker) WHERE asked = 1;
CREATE INDEX callboard_running_suspects ON callboard_running (worker) WHERE suspect = 1;

CREATE TABLE callboard_done (
    id BLOB NOT NULL PRIMARY KEY,
    phase INTEGER NOT NULL,
    at INTEGER NOT NULL,
    started_at INTEGER,
    worker BLOB,
    version INTEGER NOT NULL,
    kept INTEGER NOT NULL,
    value TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX callboard_failures ON callboard_done (phase, id) WHERE phase > 7;

-- The order in which jobs ended, for their retention: each row has the ids (16 bytes each) of many that ended in one
-- commit, which costs a tenth of an index. An id that has ended again since, or is gone, is passed over.
CREATE TABLE callboard_ends (
    failed INTEGER NOT NULL,
    at INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    ids BLOB NOT NULL,
    PRIMARY KEY (failed, at, seq)
) STRICT, WITHOUT ROWID;

-- How many finished jobs there are, so that nobody has to count history.
CREATE TABLE callboard_counts (
    queue TEXT NOT NULL,
    phase INTEGER NOT NULL,
    jobs INTEGER NOT NULL,
    PRIMARY KEY (queue, phase)
) STRICT, WITHOUT ROWID;

-- The last jobs that were removed after their end.
CREATE TABLE callboard_pruned (
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE
) STRICT;

-- Worker processes; owner tells the handle of the store that they belong to.
CREATE TABLE callboard_workers (
    id BLOB NOT NULL PRIMARY KEY,
    lease_ends INTEGER NOT NULL,
    owner BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE callboard_worker_tasks (
    task TEXT NOT NULL,
    worker BLOB NOT NULL,
    PRIMARY KEY (task, worker)
) STRICT, WITHOUT ROWID;
CREATE INDEX callboard_tasks_of_worker ON callboard_worker_tasks (worker);

CREATE TABLE callboard_paused (
    queue TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE callboard_published (
    name TEXT NOT NULL PRIMARY KEY,
    task TEXT NOT NULL
) STRICT, WITHOUT ROWID;
