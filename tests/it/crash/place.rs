//! The store that the victims share.

use std::path::PathBuf;
use std::sync::Arc;

use callboard::Backend;
use callboard::store::Store;
use callboard::store::postgres::{PostgresOptions, PostgresStore};
use callboard::store::sqlite::{SqliteOptions, SqliteStore};
use futures::executor::block_on;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Place {
    Sqlite(PathBuf),
    Postgres { url: String, schema: String },
}

impl Place {
    fn postgres(url: &str, schema: &str) -> PostgresOptions {
        let mut options = PostgresOptions::new(url);
        options.schema = schema.to_owned();
        options
    }

    /// A backend of a board.
    pub fn backend(&self) -> Backend {
        match self {
            Self::Sqlite(path) => Backend::open(SqliteOptions::new(path)),
            Self::Postgres { url, schema } => Backend::open(Self::postgres(url, schema)),
        }
    }

    /// A handle of its own, which runs nothing.
    pub fn open(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(path) => Arc::new(SqliteStore::open(SqliteOptions::new(path)).unwrap()),
            Self::Postgres { url, schema } => {
                Arc::new(block_on(PostgresStore::open(Self::postgres(url, schema))).unwrap())
            }
        }
    }

    /// What the database itself says of its own soundness.
    pub fn must_be_sound(&self) {
        match self {
            Self::Sqlite(path) => {
                let connection = rusqlite::Connection::open(path).unwrap();
                let verdict: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
                assert_eq!(verdict, "ok");
            }
            // A row is nowhere or in one place; orphans would show as jobs that never end. The schema goes.
            Self::Postgres { url, schema } => {
                crate::stores::run_sql(url, &format!("DROP SCHEMA {schema} CASCADE"));
            }
        }
    }
}
