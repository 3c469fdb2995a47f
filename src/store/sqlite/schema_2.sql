-- Who holds which unique key. Only jobs that have one are here. A row goes with what its job held; where that was
-- for a time that is up, it stays until the next one takes the key.
CREATE TABLE callboard_unique (
    key TEXT NOT NULL PRIMARY KEY,
    id BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Requests that came with an idempotency key: the digest of each, the ids (16 bytes each) of its jobs, and when it is
-- forgotten.
CREATE TABLE callboard_requests (
    key TEXT NOT NULL PRIMARY KEY,
    request BLOB NOT NULL,
    ids BLOB NOT NULL,
    ends INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX callboard_requests_ends ON callboard_requests (ends);

-- The limits of queues, as JSON; a queue without any has no row.
CREATE TABLE callboard_limits (
    queue TEXT NOT NULL PRIMARY KEY,
    limits TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What rates have let through: when everything that has started would have started, one at a time. The key is empty
-- for the rate of the queue itself, else it is ':' and the limit key. A row whose time has passed says nothing.
CREATE TABLE callboard_rates (
    queue TEXT NOT NULL,
    key TEXT NOT NULL,
    next INTEGER NOT NULL,
    PRIMARY KEY (queue, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX callboard_rates_next ON callboard_rates (next);

-- Jobs that run and have a limit key.
CREATE TABLE callboard_keys_in_use (
    queue TEXT NOT NULL,
    key TEXT NOT NULL,
    id BLOB NOT NULL,
    PRIMARY KEY (queue, key, id)
) STRICT, WITHOUT ROWID;

-- Schedules: what was made at run time, what held last (made or declared), and how far each has come.
CREATE TABLE callboard_schedules (
    name TEXT NOT NULL PRIMARY KEY,
    made TEXT,
    held TEXT,
    paused INTEGER NOT NULL,
    since INTEGER NOT NULL,
    last_tick INTEGER
) STRICT, WITHOUT ROWID;

-- What worker processes declare.
CREATE TABLE callboard_declarations (
    name TEXT NOT NULL,
    worker BLOB NOT NULL,
    definition TEXT NOT NULL,
    PRIMARY KEY (name, worker)
) STRICT, WITHOUT ROWID;

-- How often the list of schedules has changed.
CREATE TABLE callboard_numbers (
    name TEXT NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
