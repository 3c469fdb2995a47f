//! Enqueueing within the caller's own transaction: what is committed with it wakes workers, what is rolled back is gone.

use std::sync::Arc;

use callboard_tasks::{JobSpec, StoreError};
use tokio_postgres::GenericClient;

use super::columns::Columns;
use super::fault::Fault;
use super::sql::{ADD, Statements};
use crate::store::record;

/// Enqueues jobs within a transaction of the caller's, or on a connection of the caller's as a transaction of its own.
/// Workers hear of it when that commits; if it is rolled back, there never was a job.
///
/// `schema` is the one of the store's [`PostgresOptions`](super::PostgresOptions).
///
/// # Errors
///
/// [`StoreError::DuplicateId`] if an id is taken, [`StoreError::Refused`] for data that the database cannot keep, or
/// another failure of the database. The transaction cannot go on after an error, as after any failed statement.
pub async fn enqueue_in(client: &impl GenericClient, schema: &str, specs: &[Arc<JobSpec>]) -> Result<(), StoreError> {
    if specs.is_empty() {
        return Ok(());
    }
    let sql = Statements::new(schema);
    let mut columns = Columns::new(specs.len(), None);
    columns.unit(specs, false);
    let parameters: Vec<_> = columns.parameters().into_iter().zip(ADD.iter().cloned()).collect();
    let failed = |error: tokio_postgres::Error| Fault::from(error).into_error(None);
    client.query_typed(&sql.add.text, &parameters).await.map_err(failed)?;
    let notify = [(&"work" as &(dyn tokio_postgres::types::ToSql + Sync), sql.notify.types[0].clone())];
    client.query_typed(&sql.notify.text, &notify).await.map_err(failed)?;
    Ok(())
}

/// A job as a statement that any driver can run, within whatever transaction it likes: `SELECT
/// callboard.enqueue(...)`, with its parameters as text. It answers the job's id.
///
/// A parameter that is `None` is NULL; the types are in the statement.
#[must_use]
pub fn to_sql(schema: &str, spec: &JobSpec) -> (String, Vec<Option<String>>) {
    let text = format!(
        "SELECT {schema}.enqueue(id => $1::text::uuid, task => $2::text, args => $3::text::json, queue => $4::text, \
         priority => $5::text::integer, run_after => $6::text::timestamptz, expires_at => $7::text::timestamptz, \
         max_attempts => $8::text::integer, metadata => $9::text::json, details => $10::text::json)"
    );
    let attempts = i32::try_from(spec.retry.max_attempts).unwrap_or(i32::MAX);
    let parameters = vec![
        Some(spec.id.to_string()),
        Some(spec.task.to_string()),
        Some(spec.args.to_string()),
        Some(spec.queue.to_string()),
        Some(spec.priority.to_string()),
        spec.run_after.map(|at| at.to_string()),
        spec.expires_at.map(|at| at.to_string()),
        Some(attempts.to_string()),
        spec.metadata.as_ref().map(ToString::to_string),
        record::rare(spec),
    ];
    (text, parameters)
}
