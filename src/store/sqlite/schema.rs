//! The schema, its ledger, and how a file is brought up to date.

use std::path::Path;
use std::time::Duration;

use callboard_tasks::Timestamp;
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use super::fault::open_error;
use super::{BUSY, open};
use crate::store::OpenError;
use crate::store::migrate::{Applied, Migration, pending};

const STEPS: &[Migration] = &[
    Migration { version: 1, name: "tables", sql: include_str!("schema_1.sql") },
    Migration { version: 2, name: "keys, limits and schedules", sql: include_str!("schema_2.sql") },
    Migration { version: 3, name: "the order of ends", sql: include_str!("schema_3.sql") },
];

/// The steps of the schema, in order.
#[must_use]
pub const fn migrations() -> &'static [Migration] {
    STEPS
}

/// What a file has of the schema, and what it lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaStatus {
    /// The steps that were taken, by number.
    pub applied: Vec<Applied>,
    /// The steps of this program that were not.
    pub pending: Vec<&'static Migration>,
}

/// Brings the schema of a file up to date, and makes the file if there is none; opening a store does it too. The
/// steps that were taken now.
///
/// # Errors
///
/// [`OpenError`] if the file cannot be used, or was made by a newer version.
pub fn migrate(path: impl AsRef<Path>) -> Result<Vec<&'static Migration>, OpenError> {
    let file = open::check(path.as_ref())?;
    let lock = open::lock(&file)?;
    prepare(&file, &lock, BUSY).map(|(_, taken)| taken)
}

/// Which steps a file has; a file that is not there has none, and is not made.
///
/// # Errors
///
/// [`OpenError`] if the file cannot be read, or was made by a newer version.
pub fn status(path: impl AsRef<Path>) -> Result<SchemaStatus, OpenError> {
    let file = open::check(path.as_ref())?;
    if !file.exists() {
        return Ok(SchemaStatus { applied: Vec::new(), pending: STEPS.iter().collect() });
    }
    let connection = open::reader(&file, BUSY).map_err(|error| open_error(&file, error))?;
    let applied = ledger(&connection).map_err(|error| open_error(&file, error))?;
    let pending = pending(&file.display().to_string(), STEPS, &applied)?;
    Ok(SchemaStatus { applied, pending })
}

/// The connection that writes to a file whose schema is up to date then, and the steps that this took.
pub(super) fn prepare(
    file: &Path,
    lock: &super::lock::WriteLock,
    busy: Duration,
) -> Result<(Connection, Vec<&'static Migration>), OpenError> {
    if !lock.take_within(busy) {
        return Err(OpenError::Unreachable {
            place: file.display().to_string(),
            source: "another process has held its lock for too long".into(),
        });
    }
    let prepared = open::writer(file, busy).and_then(|connection| {
        let taken = bring_up_to_date(file, &connection)?;
        Ok((connection, taken))
    });
    lock.release();
    prepared
}

fn bring_up_to_date(file: &Path, connection: &Connection) -> Result<Vec<&'static Migration>, OpenError> {
    let failed = |error| open_error(file, error);
    let place = file.display().to_string();
    // The usual case, without a write.
    let applied = ledger(connection).map_err(failed)?;
    if pending(&place, STEPS, &applied)?.is_empty() {
        // A file without permission to write opens all the same, and refuses only here. Whoever writes just now shows
        // that it can be written.
        return match connection.execute("DELETE FROM callboard_migrations WHERE version = 0", []) {
            Err(error) if error.sqlite_error_code() != Some(ErrorCode::DatabaseBusy) => Err(failed(error)),
            _ => Ok(Vec::new()),
        };
    }
    connection.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
    let taken = ledger(connection).map_err(failed).and_then(|applied| {
        let pending = pending(&place, STEPS, &applied)?;
        take(connection, &pending).map_err(failed)?;
        Ok(pending)
    });
    let end = if taken.is_ok() { "COMMIT" } else { "ROLLBACK" };
    match connection.execute_batch(end) {
        Err(error) if taken.is_ok() => Err(failed(error)),
        _ => taken,
    }
}

fn take(connection: &Connection, steps: &[&Migration]) -> rusqlite::Result<()> {
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS callboard_migrations (
             version INTEGER NOT NULL PRIMARY KEY,
             name TEXT NOT NULL,
             checksum TEXT NOT NULL,
             applied_at INTEGER NOT NULL
         ) STRICT",
    )?;
    for step in steps {
        connection.execute_batch(step.sql)?;
        // The machine's time: this is for people to read.
        connection.execute(
            "INSERT INTO callboard_migrations (version, name, checksum, applied_at) VALUES (?, ?, ?, ?)",
            params![step.version, step.name, step.checksum(), Timestamp::now().as_microsecond()],
        )?;
    }
    Ok(())
}

/// The steps that a file says were taken.
fn ledger(connection: &Connection) -> rusqlite::Result<Vec<Applied>> {
    let table = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'callboard_migrations'";
    if connection.query_row(table, [], |_| Ok(())).optional()?.is_none() {
        return Ok(Vec::new());
    }
    let mut rows =
        connection.prepare("SELECT version, checksum, applied_at FROM callboard_migrations ORDER BY version")?;
    let taken = |row: &rusqlite::Row<'_>| {
        let applied_at = Timestamp::from_microsecond(row.get(2)?).unwrap_or(Timestamp::UNIX_EPOCH);
        Ok(Applied { version: row.get(0)?, checksum: row.get(1)?, applied_at })
    };
    rows.query_map([], taken)?.collect()
}
