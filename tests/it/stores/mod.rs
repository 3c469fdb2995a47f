//! The durable stores against the suite that every store must pass, and against the world: other processes, crashes,
//! full disks, broken connections.

mod fifty;
mod postgres;
mod sqlite;

use callboard::store::{JobSpec, Json};
use callboard::{Clock, JobId, RetryPolicy};

/// The task of plain jobs.
pub const TASK: &str = "world.play";

/// A plain job, due now.
pub fn spec() -> JobSpec {
    let now = Clock::system().now();
    JobSpec {
        id: JobId::new(now),
        task: TASK.into(),
        args: Json::from_stored(r#"{"n":1}"#.into()),
        queue: "default".into(),
        priority: 0,
        enqueued_at: now,
        run_after: None,
        expires_at: None,
        timeout: None,
        retry: RetryPolicy::default(),
        tags: Vec::new(),
        metadata: None,
        traceparent: None,
        unique: None,
        limit_key: None,
    }
}

/// A schema of its own on a real server, for other tests.
pub fn postgres_options() -> callboard::store::postgres::PostgresOptions {
    postgres::server::fresh(postgres::server::server())
}

/// Runs statements on that server.
pub fn run_sql(url: &str, sql: &str) {
    postgres::server::run(url, sql);
}
