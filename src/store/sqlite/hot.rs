//! The statements of a job's usual life, prepared once: enqueued, claimed or handed off, succeeded at the first try.
//!
//! With 64 producers the writer has about 4 µs for the whole life of a job, so the text of a statement is not even
//! looked up here. All others are prepared when they are first needed.

use rusqlite::{Connection, Statement};

use super::rows::spec_columns;

pub(super) struct Hot<'c> {
    pub(super) begin: Statement<'c>,
    pub(super) commit: Statement<'c>,
    pub(super) version: Statement<'c>,
    pub(super) insert_job: Statement<'c>,
    pub(super) insert_ready: Statement<'c>,
    pub(super) delete_ready: Statement<'c>,
    pub(super) line: Statement<'c>,
    pub(super) line_behind: Statement<'c>,
    pub(super) delete_ready_range: Statement<'c>,
    pub(super) insert_done: Statement<'c>,
}

pub(super) const INSERT_JOB: &str = "INSERT INTO callboard_jobs
    (id, task, queue, priority, enqueued_at, run_after, expires_at, args, metadata, rare)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";

pub(super) const INSERT_READY: &str = "INSERT INTO callboard_ready (queue, rank, at, id, task, version, kept)
    VALUES (?1, ?2, ?3, ?4, ?5, 1, 0)";

pub(super) const INSERT_LATER: &str = "INSERT INTO callboard_later
    (at, id, queue, rank, task, phase, version, kept) VALUES (?1, ?2, ?3, ?4, ?5, 1, 1, 0)";

pub(super) const INSERT_EXPIRING: &str = "INSERT OR REPLACE INTO callboard_expiring (at, id) VALUES (?1, ?2)";

/// The line of a queue from its start, with all that a worker needs of each job.
pub(super) const LINE: &str = concat!(
    "SELECT ",
    spec_columns!(),
    ", w.rank, w.at, w.version, w.kept FROM callboard_ready w CROSS JOIN callboard_jobs j ON j.id = w.id
     WHERE w.queue = ?1 ORDER BY w.rank, w.at, w.id LIMIT ?2"
);

/// The same from behind a place.
pub(super) const LINE_BEHIND: &str = concat!(
    "SELECT ",
    spec_columns!(),
    ", w.rank, w.at, w.version, w.kept FROM callboard_ready w CROSS JOIN callboard_jobs j ON j.id = w.id
     WHERE w.queue = ?1 AND (w.rank, w.at, w.id) > (?3, ?4, ?5) ORDER BY w.rank, w.at, w.id LIMIT ?2"
);

impl<'c> Hot<'c> {
    pub(super) fn prepare(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            begin: connection.prepare("BEGIN IMMEDIATE")?,
            commit: connection.prepare("COMMIT")?,
            version: connection.prepare("PRAGMA data_version")?,
            insert_job: connection.prepare(INSERT_JOB)?,
            insert_ready: connection.prepare(INSERT_READY)?,
            delete_ready: connection
                .prepare("DELETE FROM callboard_ready WHERE queue = ?1 AND rank = ?2 AND at = ?3 AND id = ?4")?,
            line: connection.prepare(LINE)?,
            line_behind: connection.prepare(LINE_BEHIND)?,
            delete_ready_range: connection.prepare(
                "DELETE FROM callboard_ready
                 WHERE queue = ?1 AND (rank, at, id) >= (?2, ?3, ?4) AND (rank, at, id) <= (?5, ?6, ?7)",
            )?,
            insert_done: connection.prepare(
                "INSERT INTO callboard_done (id, phase, at, started_at, worker, version, kept, value)
                 VALUES (?1, 7, ?2, ?3, ?4, ?5, 0, ?6)",
            )?,
        })
    }
}
