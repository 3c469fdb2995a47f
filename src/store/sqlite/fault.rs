//! What SQLite says, in words that help.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use callboard_tasks::{InvalidMove, StoreError};
use rusqlite::ErrorCode;

use crate::store::OpenError;
use crate::store::record::Damaged;

/// Why an operation was not done.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The answer is no, for a reason of the store's rules. The operation has written nothing.
    Refused(StoreError),
    /// The database failed; what the operation wrote before must be undone.
    Failed(Fault),
}

/// Why the database failed: can be told to everyone who was in the batch.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) kind: Kind,
    what: Arc<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Somebody else writes for too long.
    Busy,
    /// It is about the file, not about one operation: asking again for each one is no use.
    Whole,
    /// It may be about one operation alone.
    Single,
}

impl Fault {
    pub(super) fn new(kind: Kind, what: impl Into<Arc<str>>) -> Self {
        Self { kind, what: what.into() }
    }

    pub(super) fn closed() -> Self {
        Self::new(Kind::Whole, "the store was closed")
    }

    pub(super) fn into_error(self, place: &Path) -> StoreError {
        match self.kind {
            Kind::Busy => StoreError::Busy(self.what.to_string()),
            Kind::Whole | Kind::Single => StoreError::Unavailable(format!("{}: {}", place.display(), self.what).into()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        let kind = match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Kind::Busy,
            Some(
                ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::OutOfMemory
                | ErrorCode::PermissionDenied,
            ) => Kind::Whole,
            _ => Kind::Single,
        };
        Self::new(kind, words(&error))
    }
}

/// SQLite's message with what it means here.
fn words(error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            "the disk is full (or the file has reached its largest size); nothing of this was kept: make room, then \
             it goes on by itself"
                .into()
        }
        Some(ErrorCode::NotADatabase) => "it is not an SQLite database".into(),
        Some(ErrorCode::DatabaseCorrupt) => {
            format!("the file is damaged ({error}): copy it and its -wal file, then try `sqlite3 FILE .recover`")
        }
        Some(ErrorCode::ReadOnly) => "the file or its directory cannot be written: check their permissions".into(),
        Some(ErrorCode::SystemIoFailure) => format!("the disk failed: {error}"),
        _ if error.to_string().contains("no such table: callboard_") => {
            "it has no tables of Callboard: open the store on this file once before".into()
        }
        _ => error.to_string(),
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Damaged> for Trouble {
    fn from(damaged: Damaged) -> Self {
        Self::Failed(damaged.into())
    }
}

impl From<Damaged> for Fault {
    fn from(damaged: Damaged) -> Self {
        Self::new(Kind::Single, damaged.to_string())
    }
}

/// A move of the store's own that its tables promised to be possible.
impl From<InvalidMove> for Trouble {
    fn from(invalid: InvalidMove) -> Self {
        Self::Failed(Fault::new(Kind::Single, format!("a row is where it cannot be: {invalid}")))
    }
}

/// Why a file could not be opened.
pub(super) fn open_error(place: &Path, error: rusqlite::Error) -> OpenError {
    let file = place.display().to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::Unreachable {
            place: file,
            source: "another connection has held it for too long: end its transaction".into(),
        },
        Some(ErrorCode::NotADatabase | ErrorCode::ReadOnly | ErrorCode::DatabaseCorrupt) => {
            OpenError::Invalid { place: file, problem: words(&error) }
        }
        _ => OpenError::Unreachable { place: file, source: Box::new(error) },
    }
}

/// The same error for each of so many units.
pub(super) fn repeated<T>(error: &StoreError, count: usize) -> Vec<Result<T, StoreError>> {
    let copy = |error: &StoreError| match error {
        StoreError::Busy(text) => StoreError::Busy(text.clone()),
        StoreError::Unavailable(source) => StoreError::Unavailable(source.to_string().into()),
        other => StoreError::Unavailable(other.to_string().into()),
    };
    (0..count).map(|_| Err(copy(error))).collect()
}
