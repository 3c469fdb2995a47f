//! The schema's steps: taken once each, in order, by one process at a time, each in a transaction of its own.

use callboard_actors::SchemaStep;
use tokio_postgres::Client;

use super::options::Target;
use crate::store::OpenError;
use crate::store::migrate::{Applied, Migration, pending, steps};

/// The steps of the schema, in order. `{schema}` stands for its name.
#[must_use]
pub fn migrations() -> &'static [Migration] {
    const ALL: [Migration; 9] = [
        Migration { version: 1, name: "tables", sql: include_str!("schema/0001_tables.sql") },
        Migration { version: 2, name: "what every job goes through", sql: include_str!("schema/0002_hot.sql") },
        Migration { version: 3, name: "what happens now and then", sql: include_str!("schema/0003_rest.sql") },
        Migration { version: 4, name: "keys of which there is one", sql: include_str!("schema/0004_keys.sql") },
        Migration { version: 5, name: "limits of queues", sql: include_str!("schema/0005_limits.sql") },
        Migration { version: 6, name: "schedules", sql: include_str!("schema/0006_schedules.sql") },
        Migration { version: 7, name: "the order of ends", sql: include_str!("schema/0007_follow.sql") },
        Migration { version: 8, name: "floods of one limit key", sql: include_str!("schema/0008_flood.sql") },
        Migration { version: 9, name: "lists of failures", sql: include_str!("schema/0009_failures.sql") },
    ];
    &ALL
}

/// All steps as one script for those who change their schema by hand; it makes the ledger too.
#[must_use]
pub fn migration_sql(schema: &str) -> String {
    let mut script = format!("BEGIN;\n{}\n", ledger(schema));
    for step in migrations() {
        script.push_str(&format!("\n-- Step {}: {}\n{}", step.version, step.name, of_schema(step.sql, schema)));
        script.push_str(&format!("{};\n", taken(step, schema)));
    }
    script.push_str("\nCOMMIT;\n");
    script
}

pub(super) fn of_schema(sql: &str, schema: &str) -> String {
    sql.replace("{schema}", schema)
}

fn ledger(schema: &str) -> String {
    format!(
        "CREATE SCHEMA IF NOT EXISTS {schema};\n\
         CREATE TABLE IF NOT EXISTS {schema}.migration (version integer PRIMARY KEY, name text NOT NULL, \
         checksum text NOT NULL, taken_at timestamptz NOT NULL DEFAULT clock_timestamp());"
    )
}

fn taken(step: &Migration, schema: &str) -> String {
    format!(
        "INSERT INTO {schema}.migration (version, name, checksum) VALUES ({}, '{}', '{}')",
        step.version,
        step.name.replace('\'', "''"),
        step.checksum()
    )
}

fn unreachable(target: &Target, error: tokio_postgres::Error) -> OpenError {
    OpenError::Unreachable { place: target.place.clone(), source: error.into() }
}

/// Which steps the database has taken; none if there is no ledger.
async fn applied(client: &Client, target: &Target, schema: &str) -> Result<Vec<Applied>, OpenError> {
    let failed = |error| unreachable(target, error);
    // Asked of the catalogue's own tables: what this connection has cached of names may be older than the lock.
    let there = format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = '{schema}' AND c.relname = 'migration')"
    );
    let there = client.simple_query(&there).await;
    let there = there.map_err(failed)?;
    let there = there.iter().any(|m| matches!(m, tokio_postgres::SimpleQueryMessage::Row(r) if r.get(0) == Some("t")));
    if !there {
        return Ok(Vec::new());
    }
    let rows = client.simple_query(&format!("SELECT version, checksum, to_char(taken_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') FROM {schema}.migration")).await;
    let steps = rows.map_err(failed)?.into_iter().filter_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => {
            let version = row.get(0)?.parse().ok()?;
            let applied_at = row.get(2)?.parse().ok()?;
            Some(Applied { version, checksum: row.get(1)?.to_owned(), applied_at })
        }
        _ => None,
    });
    Ok(steps.collect())
}

/// The steps of this program, with when the database took each.
pub(super) async fn status(client: &Client, target: &Target, schema: &str) -> Result<Vec<SchemaStep>, OpenError> {
    let applied = applied(client, target, schema).await?;
    pending(&target.place, migrations(), &applied)?;
    Ok(steps(migrations(), &applied))
}

/// The steps that the database still needs.
async fn left(client: &Client, target: &Target, schema: &str) -> Result<Vec<&'static Migration>, OpenError> {
    pending(&target.place, migrations(), &applied(client, target, schema).await?)
}

/// Takes the steps that are still to be taken; which they were. Who comes second waits, and finds nothing to do.
pub(super) async fn run(client: &Client, target: &Target, schema: &str) -> Result<Vec<&'static Migration>, OpenError> {
    let mut done = Vec::new();
    while !left(client, target, schema).await?.is_empty() {
        match step(client, target, schema).await {
            Ok(Some(step)) => done.push(step),
            Ok(None) => {}
            Err(error) => {
                // What it began is undone with the transaction.
                let _already_failed = client.batch_execute("ROLLBACK").await;
                return Err(error);
            }
        }
    }
    Ok(done)
}

async fn step(client: &Client, target: &Target, schema: &str) -> Result<Option<&'static Migration>, OpenError> {
    let failed = |error| unreachable(target, error);
    // One lock for each schema; the number says that it is ours.
    let lock = format!("BEGIN; SELECT pg_advisory_xact_lock(1128352834, hashtext('{schema}'))");
    client.batch_execute(&lock).await.map_err(failed)?;
    let pending = left(client, target, schema).await?;
    if let Some(step) = pending.first() {
        if step.version == 1 {
            client.batch_execute(&ledger(schema)).await.map_err(failed)?;
        }
        client.batch_execute(&of_schema(step.sql, schema)).await.map_err(failed)?;
        client.batch_execute(&taken(step, schema)).await.map_err(failed)?;
    }
    client.batch_execute("COMMIT").await.map_err(failed)?;
    Ok(pending.first().copied())
}
