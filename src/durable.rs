//! Durable backends for a builder: what the runtime does not know of, because it names no store.

#[cfg(feature = "sqlite")]
use std::path::PathBuf;

use callboard_actors::{Backend, Builder};

/// Durable backends by one word: `Callboard::builder().sqlite("callboard.db")`.
pub trait Durable: Sized {
    /// The backend `default` keeps its jobs in this SQLite file, which is made if it is not there.
    #[cfg(feature = "sqlite")]
    #[must_use]
    fn sqlite(self, path: impl Into<PathBuf>) -> Self;

    /// The backend `default` keeps its jobs in this PostgreSQL database, in a schema of its own.
    #[cfg(feature = "postgres")]
    #[must_use]
    fn postgres(self, url: impl Into<String>) -> Self;
}

impl Durable for Builder {
    #[cfg(feature = "sqlite")]
    fn sqlite(self, path: impl Into<PathBuf>) -> Self {
        self.backend("default", Backend::open(crate::store::sqlite::SqliteOptions::new(path)))
    }

    #[cfg(feature = "postgres")]
    fn postgres(self, url: impl Into<String>) -> Self {
        self.backend("default", Backend::open(crate::store::postgres::PostgresOptions::new(url)))
    }
}
