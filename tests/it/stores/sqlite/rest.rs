//! What is left in the tables: nothing that does not belong there.

use std::time::Duration;

use callboard::store::sqlite::{SqliteOptions, SqliteStore};
use callboard::store::{Change, Control, Ending, Outcome, QueueLimits, Store};
use callboard::{Clock, Timestamp};
use callboard_tasks::Unique;
use futures::executor::block_on;
use rusqlite::Connection;

use super::support::{claim, put, register, spec};
use crate::support::Folder;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Jobs that end in every way there is, some of them after more than one attempt.
fn mixed_run(store: &SqliteStore, clock: &Clock) {
    let worker = register(store);
    let limits = QueueLimits {
        concurrency: Some(20),
        key_concurrency: Some(6),
        key_rate: Some("9/1s".parse().unwrap()),
        depth: Some(1_000),
        ..QueueLimits::default()
    };
    block_on(store.control(Control::Limit { queue: "b".into(), limits })).unwrap();
    for n in 0..200_u64 {
        let mut job = spec();
        job.queue = ["a", "b", "c"][n as usize % 3].into();
        job.priority = (n % 5) as i8 - 2;
        job.enqueued_at = clock.now();
        job.run_after = (n % 7 == 0).then(|| clock.now() + Duration::from_secs(1));
        job.expires_at = (n % 11 == 0).then(|| clock.now() + Duration::from_secs(n % 3 * 3600));
        if n % 13 == 0 {
            job.task = "nobody.knows".into();
        }
        if n % 3 != 1 {
            job.limit_key = Some(format!("key-{}", n % 4).into());
        }
        if n % 4 == 0 {
            let unique = Unique::by_key(n.to_string());
            let unique = [unique.clone(), unique.clone().until_started(), unique.within(Duration::from_secs(1))];
            job.unique = Some(Box::new(unique[n as usize % 3].key_of(&job.task, &job.args, clock.now())));
        }
        put(store, job);
    }
    clock.advance(Duration::from_secs(2));
    block_on(store.control(Control::Park)).unwrap();
    for round in 0..4_u64 {
        for (n, job) in (0_u64..).zip(claim(store, worker, 60)) {
            if n % 6 == 5 {
                block_on(store.change(job.id(), Change::Cancel)).unwrap();
            }
            let error = callboard_tasks::TaskError::new("E", "no", "", job.state.attempts, clock.now());
            let ending = match (n + round) % 5 {
                0 => Ending::Failed(error),
                1 => Ending::Retry { at: clock.now(), error },
                2 => Ending::HandBack,
                _ => Ending::Succeeded(callboard::Json::null()),
            };
            let outcome = Outcome { id: job.id(), run: job.state.run, started_at: None, ending, logs: Vec::new() };
            assert!(block_on(store.finish(vec![outcome])).unwrap()[0].is_accepted());
        }
    }
    for job in claim(store, worker, 500).into_iter().skip(3) {
        block_on(store.change(job.id(), Change::Cancel)).unwrap();
    }
    block_on(store.control(Control::Leave(worker))).unwrap();
    let all =
        block_on(store.list(callboard::Filter::default(), callboard::Page { limit: 1_000, before: None })).unwrap();
    for job in all.jobs.iter().filter(|job| !job.state.phase.is_finished()) {
        block_on(store.change(job.id(), Change::Cancel)).unwrap();
    }
    for job in all.jobs.iter().take(9) {
        block_on(store.change(job.id(), Change::Delete)).unwrap();
    }
}

fn mixed() -> (Folder, SqliteStore, Clock) {
    let folder = Folder::new();
    let clock = Clock::manual(Timestamp::now());
    let mut options = SqliteOptions::new(folder.path().join("jobs.db"));
    options.clock = clock.clone();
    let store = SqliteStore::open(options).unwrap();
    mixed_run(&store, &clock);
    (folder, store, clock)
}

fn count(connection: &Connection, table: &str) -> i64 {
    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

/// SQLite finds nothing wrong, and every job is in one place.
#[test]
fn the_tables_agree_after_a_mixed_run() {
    let (_folder, store, _) = mixed();
    block_on(store.inspect(|connection| {
        let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
        let places = ["ready", "suspects", "later", "parked", "running", "done"];
        let placed: i64 = places.iter().map(|place| count(connection, &format!("callboard_{place}"))).sum();
        assert_eq!(placed, count(connection, "callboard_jobs"));
        assert_eq!(count(connection, "callboard_claims"), 0, "nothing runs");
        assert_eq!(count(connection, "callboard_keys_in_use"), 0, "nothing runs");
        assert_eq!(count(connection, "callboard_unique"), 0, "nothing holds a key");
        let counted: i64 =
            connection.query_row("SELECT sum(jobs) FROM callboard_counts", [], |row| row.get(0)).unwrap();
        assert_eq!(counted, count(connection, "callboard_done"));
        let lost = "callboard_states s WHERE NOT EXISTS (SELECT 1 FROM callboard_jobs j WHERE j.id = s.id)";
        assert_eq!(count(connection, lost), 0);
    }))
    .unwrap();
}

/// When all that was is pruned, nothing is left but the ids that are remembered.
#[test]
fn a_prune_leaves_no_row_behind() {
    let (_folder, store, clock) = mixed();
    clock.advance(31 * DAY);
    while block_on(store.prune(17)).unwrap() > 0 {}
    block_on(store.inspect(|connection| {
        for table in [
            "jobs",
            "states",
            "ready",
            "suspects",
            "later",
            "parked",
            "expiring",
            "claims",
            "running",
            "done",
            "ends",
            "unique",
            "requests",
            "keys_in_use",
            "rates",
        ] {
            assert_eq!(count(connection, &format!("callboard_{table}")), 0, "{table}");
        }
        let counted: i64 =
            connection.query_row("SELECT sum(abs(jobs)) FROM callboard_counts", [], |row| row.get(0)).unwrap();
        assert_eq!(counted, 0);
        assert_eq!(count(connection, "callboard_pruned"), 200);
    }))
    .unwrap();
}
