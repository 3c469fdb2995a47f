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
    /// [`ROWS`] at once: a third cheaper a row than one by one.
    pub(super) insert_jobs: Statement<'c>,
    pub(super) insert_ready: Statement<'c>,
    pub(super) insert_readies: Statement<'c>,
    pub(super) delete_ready: Statement<'c>,
    pub(super) line: Statement<'c>,
    pub(super) line_behind: Statement<'c>,
    pub(super) delete_ready_range: Statement<'c>,
    pub(super) insert_done: Statement<'c>,
    pub(super) insert_dones: Statement<'c>,
}

/// So many rows are inserted by one statement where there are many.
pub(super) const ROWS: usize = 16;

/// An insert of so many rows, of which the last one has numbered parameters from 1 on.
fn many(insert: &str, parameters: usize) -> String {
    let (head, row) = insert.split_once("VALUES").unwrap_or((insert, ""));
    // FAIL keeps the rows before one that is refused: so SQLite need not be able to undo the statement, for which it
    // would copy each page before it changes it.
    let mut sql = format!("{}VALUES", head.replace("INSERT INTO", "INSERT OR FAIL INTO"));
    for n in 0..ROWS {
        sql.push_str(if n == 0 { " " } else { ", " });
        let mut rest = row;
        while let Some((before, after)) = rest.split_once('?') {
            let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
            let number: usize = after[..digits].parse().unwrap_or(0);
            sql.push_str(&format!("{before}?{}", number + n * parameters));
            rest = &after[digits..];
        }
        sql.push_str(rest);
    }
    sql
}

pub(super) const INSERT_DONE: &str = "INSERT INTO callboard_done
    (id, phase, at, started_at, worker, version, kept, value) VALUES (?1, 7, ?2, ?3, ?4, ?5, 0, ?6)";

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
            insert_jobs: connection.prepare(&many(INSERT_JOB, 10))?,
            insert_ready: connection.prepare(INSERT_READY)?,
            insert_readies: connection.prepare(&many(INSERT_READY, 5))?,
            delete_ready: connection
                .prepare("DELETE FROM callboard_ready WHERE queue = ?1 AND rank = ?2 AND at = ?3 AND id = ?4")?,
            line: connection.prepare(LINE)?,
            line_behind: connection.prepare(LINE_BEHIND)?,
            delete_ready_range: connection.prepare(
                "DELETE FROM callboard_ready
                 WHERE queue = ?1 AND (rank, at, id) >= (?2, ?3, ?4) AND (rank, at, id) <= (?5, ?6, ?7)",
            )?,
            insert_done: connection.prepare(INSERT_DONE)?,
            insert_dones: connection.prepare(&many(INSERT_DONE, 6))?,
        })
    }
}
