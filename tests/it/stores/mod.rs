//! The durable stores against the suite that every store must pass, and against the world: other processes, crashes,
//! full disks, broken connections.

mod fifty;
mod postgres;
mod sqlite;

/// A schema of its own on a real server, for other tests.
pub fn postgres_options() -> callboard::store::postgres::PostgresOptions {
    postgres::server::fresh(postgres::server::server())
}

/// Runs statements on that server.
pub fn run_sql(url: &str, sql: &str) {
    postgres::server::run(url, sql);
}
