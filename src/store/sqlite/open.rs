//! Opening a file: what is checked first, and how each connection is set up.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::fault::open_error;
use super::lock::WriteLock;
use crate::store::OpenError;

/// Checks what SQLite would tell in fewer words; the path from the root on, so that no name of a file (`:memory:`,
/// `file:x`) means anything else.
pub(super) fn check(path: &Path) -> Result<PathBuf, OpenError> {
    let invalid = |problem: String| OpenError::Invalid { place: path.display().to_string(), problem };
    if path.as_os_str().is_empty() || path == Path::new(":memory:") {
        return Err(invalid("is not the name of a file; for jobs in memory use the memory backend".into()));
    }
    let file = std::path::absolute(path).map_err(|error| invalid(format!("is not a path: {error}")))?;
    if file.is_dir() {
        return Err(invalid("is a directory; name a file in it, such as callboard.db".into()));
    }
    match file.parent() {
        Some(directory) if !directory.exists() => {
            Err(invalid(format!("cannot be made because {} does not exist: make that directory", directory.display())))
        }
        Some(directory) if !directory.is_dir() => {
            Err(invalid(format!("cannot be made because {} is not a directory", directory.display())))
        }
        _ => Ok(file),
    }
}

/// The lock file, made beside the database: the first thing that fails where nothing can be written.
pub(super) fn lock(file: &Path) -> Result<WriteLock, OpenError> {
    WriteLock::open(file).map_err(|error| OpenError::Invalid {
        place: file.display().to_string(),
        problem: format!(
            "needs a lock file beside it, and {} cannot be written: {error}",
            super::lock::lock_path(file).display()
        ),
    })
}

/// The connection that writes. The lock must be held, because the first one ever turns the file to WAL.
pub(super) fn writer(file: &Path, busy: Duration) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // It holds the arguments of every job, so it is nobody else's business; SQLite gives the same rights to what it puts
    // beside it. If it cannot be made, SQLite says why. One that is there must not even be opened: closing it would let go
    // of the locks that other connections of this process hold on it.
    let _ = crate::private::file().write(true).create_new(true).open(file);
    let connection = Connection::open_with_flags(file, flags).map_err(|error| open_error(file, error))?;
    let set_up = || {
        connection.busy_timeout(busy)?;
        steady(&connection)?;
        let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        // FULL: the log is flushed before a COMMIT returns, so what was answered survives a power cut.
        connection.execute_batch(
            "PRAGMA synchronous = FULL;
             PRAGMA cache_size = -4096;
             PRAGMA temp_store = MEMORY;
             PRAGMA wal_autocheckpoint = 0;",
        )?;
        connection.set_prepared_statement_cache_capacity(128);
        Ok(mode)
    };
    let mode = set_up().map_err(|error| open_error(file, error))?;
    if mode != "wal" {
        return Err(OpenError::Invalid {
            place: file.display().to_string(),
            problem: format!(
                "cannot have a write-ahead log (its journal mode is {mode}): it must be on a disk of this machine"
            ),
        });
    }
    Ok(connection)
}

/// Plans do not depend on bound values. Else SQLite, if built with statistics, prepares each statement anew whenever the
/// value of a LIMIT or a range is bound again, which costs more than most of our statements do.
fn steady(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

/// A connection that only reads.
pub(super) fn reader(file: &Path, busy: Duration) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(busy)?;
    steady(&connection)?;
    connection.execute_batch("PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 268435456;")?;
    Ok(connection)
}
