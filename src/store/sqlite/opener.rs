//! How a board, or a tool, opens a file that its settings name.

use std::future::ready;
use std::path::PathBuf;
use std::sync::Arc;

use callboard_actors::{OpenFailure, OpenStore, Opening, Schema, SchemaStep};
use callboard_tasks::Store;
use futures::future::BoxFuture;

use super::schema::{migrate, migrations, status};
use super::{SqliteOptions, SqliteStore};
use crate::store::OpenError;
use crate::store::migrate::steps;

impl OpenStore for SqliteOptions {
    fn kind(&self) -> &'static str {
        "sqlite"
    }

    fn open(&self, opening: Opening) -> BoxFuture<'static, Result<Arc<dyn Store>, OpenFailure>> {
        let Opening { clock, keep_successful, keep_failed, .. } = opening;
        let opened = SqliteStore::open(Self { clock, keep_successful, keep_failed, ..self.clone() });
        Box::pin(ready(opened.map(|store| Arc::new(store) as _).map_err(OpenFailure::from)))
    }

    fn schema(&self) -> Option<Box<dyn Schema>> {
        Some(Box::new(FileSchema(self.path.clone())))
    }
}

/// The schema of this file.
struct FileSchema(PathBuf);

impl FileSchema {
    fn steps(&self) -> Result<Vec<SchemaStep>, OpenError> {
        status(&self.0).map(|status| steps(migrations(), &status.applied))
    }
}

impl Schema for FileSchema {
    fn status(&self) -> BoxFuture<'static, Result<Vec<SchemaStep>, OpenFailure>> {
        Box::pin(ready(self.steps().map_err(OpenFailure::from)))
    }

    fn bring_up(&self) -> BoxFuture<'static, Result<Vec<SchemaStep>, OpenFailure>> {
        Box::pin(ready(migrate(&self.0).and_then(|_| self.steps()).map_err(OpenFailure::from)))
    }

    fn sql(&self) -> String {
        migrations().iter().map(|step| format!("-- {}: {}\n{}\n", step.version, step.name, step.sql)).collect()
    }
}
