//! How a board, or a tool, opens a database that its settings name.

use std::sync::Arc;

use callboard_actors::{OpenFailure, OpenStore, Opening, Schema, SchemaStep};
use callboard_tasks::Store;
use futures::future::BoxFuture;

use super::{PostgresOptions, PostgresStore, migrate, migration_sql, status};

impl OpenStore for PostgresOptions {
    fn kind(&self) -> &'static str {
        "postgres"
    }

    fn open(&self, opening: Opening) -> BoxFuture<'static, Result<Arc<dyn Store>, OpenFailure>> {
        let Opening { clock, keep_successful, keep_failed, .. } = opening;
        let options = Self { clock, keep_successful, keep_failed, ..self.clone() };
        Box::pin(async move { Ok(Arc::new(PostgresStore::open(options).await?) as _) })
    }

    fn schema(&self) -> Option<Box<dyn Schema>> {
        Some(Box::new(DatabaseSchema(self.clone())))
    }
}

/// The schema of this database.
struct DatabaseSchema(PostgresOptions);

impl Schema for DatabaseSchema {
    fn status(&self) -> BoxFuture<'static, Result<Vec<SchemaStep>, OpenFailure>> {
        let options = self.0.clone();
        Box::pin(async move { Ok(status(&options).await?) })
    }

    fn bring_up(&self) -> BoxFuture<'static, Result<Vec<SchemaStep>, OpenFailure>> {
        let options = self.0.clone();
        Box::pin(async move {
            migrate(&options).await?;
            Ok(status(&options).await?)
        })
    }

    fn sql(&self) -> String {
        migration_sql(&self.0.schema)
    }
}
