//! Enqueueing within the caller's own transaction: what is committed with it wakes workers, what is rolled back is gone.

use std::sync::Arc;

use callboard_tasks::{JobSpec, Placed, StoreError, Unit};
use tokio_postgres::GenericClient;
use tokio_postgres::types::ToSql;

use super::columns::Columns;
use super::fault::Fault;
use super::keyed::{self, Keyed};
use super::sql::{Sql, Statements};
use crate::store::record;

/// Enqueues jobs within a transaction of the caller's, or on a connection of the caller's as a transaction of its own.
/// Workers hear of it when that commits; if it is rolled back, there never was a job. The answer tells which jobs were
/// found in place of new ones.
///
/// Whoever else is about to use one of the same unique keys is waited for, as long as the `lock_timeout` of the
/// transaction allows; and others wait for the caller's transaction.
///
/// `schema` is the one of the store's [`PostgresOptions`](super::PostgresOptions).
///
/// # Errors
///
/// [`StoreError::UniqueConflict`] if another job holds a unique key, and [`StoreError::Busy`] if somebody was about to
/// use it for too long; the transaction can go on then. [`StoreError::DuplicateId`] if an id is taken,
/// [`StoreError::QueueFull`] if too many jobs wait, [`StoreError::Refused`] for data that the database cannot keep, or
/// another failure of the database. The transaction cannot go on after such an error, as after any failed statement.
pub async fn enqueue_in(
    client: &impl GenericClient,
    schema: &str,
    specs: &[Arc<JobSpec>],
) -> Result<Placed, StoreError> {
    if specs.is_empty() {
        return Ok(Placed::default());
    }
    let sql = Statements::new(schema);
    let call = async |sql: &Sql, parameters: Vec<&(dyn ToSql + Sync)>| {
        let typed: Vec<_> = parameters.into_iter().zip(sql.types.iter().cloned()).collect();
        client.query_typed(&sql.text, &typed).await.map_err(|error| Fault::from(error).into_error(None))
    };
    let unit = Unit::new(specs.to_vec());
    let placed = if keyed::has_keys(&unit) {
        let keyed = Keyed::new(&[&unit], None).counted(None);
        let rows = call(&sql.add_keyed, keyed.parameters()).await?;
        let kept = keyed::read(&rows, &[&unit]).map_err(|fault| fault.into_error(None))?;
        let ids = keyed::to_be_read(&kept);
        let found = if ids.is_empty() { Vec::new() } else { call(&sql.find, vec![&ids]).await? };
        let found = keyed::jobs(&found).map_err(|fault| fault.into_error(None))?;
        kept.into_iter().map(|kept| keyed::answer(kept, &found)).collect::<Result<Vec<_>, _>>()?.remove(0)
    } else {
        let mut columns = Columns::new(specs.len(), None);
        columns.unit(specs, false);
        columns.counted = None;
        call(&sql.add, columns.parameters().to_vec()).await?;
        Placed::default()
    };
    call(&sql.notify, vec![&"work"]).await?;
    Ok(placed)
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
