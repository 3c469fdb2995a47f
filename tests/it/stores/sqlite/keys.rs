//! Keys and limits in the file: what they leave in the tables, across handles, and in a transaction of the application's.

use std::sync::Arc;
use std::time::Duration;

use callboard::store::sqlite::{SqliteOptions, SqliteStore, enqueue_in, migrations};
use callboard::store::{Change, Control, Ending, JobSpec, Json, Lookup, Outcome, QueueLimits, Store, StoreError, Unit};
use callboard::{Clock, JobId};
use callboard_tasks::{Idempotency, LogLine, Unique};
use futures::executor::block_on;
use rusqlite::Connection;

use super::support::{TASK, claim, options_by, put, register, spec, unit, with_store};
use crate::support::Folder;

fn unique(how: &Unique) -> JobSpec {
    let spec = spec();
    let key = how.key_of(TASK, &spec.args, spec.enqueued_at);
    JobSpec { unique: Some(Box::new(key)), ..spec }
}

fn with_key(key: &str) -> JobSpec {
    JobSpec { limit_key: Some(key.into()), ..spec() }
}

fn limit(store: &SqliteStore, limits: QueueLimits) {
    block_on(store.control(Control::Limit { queue: "default".into(), limits })).unwrap();
}

fn finish(store: &SqliteStore, id: JobId, ending: Ending) {
    let outcome = Outcome { id, run: 1, started_at: None, ending, logs: Vec::new() };
    assert!(block_on(store.finish(vec![outcome])).unwrap()[0].is_accepted());
}

/// How many rows a table has.
fn rows(store: &SqliteStore, table: &str) -> i64 {
    let by_hand = Connection::open(store.path()).unwrap();
    by_hand.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

const KEYS: [&str; 4] = ["callboard_unique", "callboard_requests", "callboard_keys_in_use", "callboard_rates"];

#[test]
fn a_job_without_a_key_costs_no_row_of_keys() {
    let (_folder, store) = with_store();
    let worker = register(&store);
    limit(&store, QueueLimits { concurrency: Some(9), ..QueueLimits::default() });
    put(&store, spec());
    let job = claim(&store, worker, 1).remove(0);
    assert_eq!(KEYS.map(|table| rows(&store, table)), [0; 4]);
    finish(&store, job.id(), Ending::Succeeded(Json::null()));
    assert_eq!(KEYS.map(|table| rows(&store, table)), [0; 4]);
    assert_eq!(rows(&store, "callboard_states"), 0);
}

#[test]
fn a_job_with_keys_that_succeeds_at_once_leaves_no_row_of_them_and_needs_no_state() {
    let (_folder, store) = with_store();
    let worker = register(&store);
    let id = put(&store, JobSpec { limit_key: Some("a".into()), ..unique(&Unique::by_key("k")) });
    assert_eq!(rows(&store, "callboard_unique"), 1);
    assert_eq!(claim(&store, worker, 1)[0].id(), id);
    assert_eq!([rows(&store, "callboard_unique"), rows(&store, "callboard_keys_in_use")], [1, 1]);
    finish(&store, id, Ending::Succeeded(Json::null()));
    assert_eq!(KEYS.map(|table| rows(&store, table)), [0; 4]);
    assert_eq!(rows(&store, "callboard_states"), 0);
}

/// Also where the run ends through another handle than the one that claimed it.
#[test]
fn keys_are_freed_by_whichever_handle_ends_the_run() {
    let folder = Folder::new();
    let file = folder.path().join("jobs.db");
    let [one, two] = [(); 2].map(|()| SqliteStore::open(SqliteOptions::new(&file)).unwrap());
    let worker = register(&one);
    for handle in [&one, &two] {
        let id = put(&two, JobSpec { limit_key: Some("a".into()), ..unique(&Unique::by_key("k")) });
        assert_eq!(claim(&one, worker, 1)[0].id(), id);
        finish(handle, id, Ending::Succeeded(Json::null()));
        assert_eq!(KEYS.map(|table| rows(&one, table)), [0; 4]);
    }
}

/// Each handle remembers the limits, and forgets them when another one changes them.
#[test]
fn limits_are_those_of_the_file_whoever_set_them() {
    let folder = Folder::new();
    let file = folder.path().join("jobs.db");
    let [one, two] = [(); 2].map(|()| SqliteStore::open(SqliteOptions::new(&file)).unwrap());
    let workers = [register(&one), register(&two)];
    for _ in 0..6 {
        put(&one, spec());
    }
    for most in 1..=3 {
        limit(if most == 2 { &two } else { &one }, QueueLimits { concurrency: Some(most), ..QueueLimits::default() });
        let claimed = [claim(&two, workers[1], 9).len(), claim(&one, workers[0], 9).len()];
        assert_eq!(claimed, [1, 0], "{most} at once");
    }
}

#[test]
fn a_full_queue_is_full_for_every_handle() {
    let folder = Folder::new();
    let file = folder.path().join("jobs.db");
    let [one, two] = [(); 2].map(|()| SqliteStore::open(SqliteOptions::new(&file)).unwrap());
    limit(&one, QueueLimits { depth: Some(4), ..QueueLimits::default() });
    for store in [&one, &two, &one, &two] {
        put(store, spec());
    }
    for store in [&one, &two] {
        let refused = block_on(store.enqueue(vec![unit(spec())])).remove(0);
        assert!(matches!(refused, Err(StoreError::QueueFull { waiting: 4, depth: 4, .. })), "{refused:?}");
    }
}

/// The large unit takes the way of many rows at once.
#[test]
fn a_large_unit_that_does_not_fit_is_refused_and_one_that_fits_is_kept() {
    let (_folder, store) = with_store();
    limit(&store, QueueLimits { depth: Some(100), ..QueueLimits::default() });
    let many = |count: usize| Unit::new((0..count).map(|_| Arc::new(spec())).collect());
    let placed = block_on(store.enqueue(vec![many(60), many(60), many(40)]));
    assert!(matches!(placed[..], [Ok(_), Err(StoreError::QueueFull { .. }), Ok(_)]), "{placed:?}");
    assert_eq!(rows(&store, "callboard_ready"), 100);
}

/// Far more jobs of one key than a claim looks past: those behind them get their turn within a few claims, and the
/// asking process is told to ask again until then.
#[test]
fn a_flood_of_one_key_does_not_bury_the_others() {
    let (_folder, store) = with_store();
    let worker = register(&store);
    limit(&store, QueueLimits { key_concurrency: Some(1), ..QueueLimits::default() });
    let flood = (0..10_000).map(|_| Arc::new(with_key("flood"))).collect();
    assert!(block_on(store.enqueue(vec![Unit::new(flood)]))[0].is_ok());
    let behind = [put(&store, with_key("other")), put(&store, spec())];
    assert_eq!(claim(&store, worker, 1).len(), 1);
    let mut given = Vec::new();
    for _ in 0..20 {
        let ask = callboard::store::Ask { worker, limit: 9, queues: None, after_queue: None };
        let claimed = block_on(store.claim(ask)).unwrap();
        given.extend(claimed.jobs.iter().map(|job| job.id()));
        if given.len() == 2 {
            break;
        }
        assert!(claimed.next_due.is_some_and(|at| at <= Clock::system().now()), "it shall ask again at once");
    }
    assert_eq!(given, behind);
    // Once the whole line was looked at, there is nothing to ask for.
    let ask = || callboard::store::Ask { worker, limit: 9, queues: None, after_queue: None };
    let mut claims = (0..20).map(|_| block_on(store.claim(ask())).unwrap());
    assert!(claims.any(|claimed| claimed.next_due.is_none() && claimed.jobs.is_empty()));
}

/// What is remembered of requests and rates goes by and by.
#[test]
fn requests_and_rates_are_forgotten_when_their_time_is_up() {
    let folder = Folder::new();
    let clock = Clock::manual(Clock::system().now());
    let store = SqliteStore::open(options_by(&folder.path().join("jobs.db"), &clock)).unwrap();
    let worker = register(&store);
    limit(&store, QueueLimits { key_rate: Some("1/1m".parse().unwrap()), ..QueueLimits::default() });
    let idempotency = Some(Idempotency::new("once", b"body"));
    let unit = Unit { idempotency, ..unit(JobSpec { enqueued_at: clock.now(), ..with_key("a") }) };
    assert!(block_on(store.enqueue(vec![unit]))[0].is_ok());
    assert_eq!(claim(&store, worker, 1).len(), 1);
    block_on(store.prune(9)).unwrap();
    assert_eq!([rows(&store, "callboard_requests"), rows(&store, "callboard_rates")], [1, 1]);
    clock.advance(Duration::from_secs(60));
    block_on(store.prune(9)).unwrap();
    assert_eq!([rows(&store, "callboard_requests"), rows(&store, "callboard_rates")], [1, 0]);
    clock.advance(Idempotency::KEEP);
    block_on(store.prune(9)).unwrap();
    assert_eq!([rows(&store, "callboard_requests"), rows(&store, "callboard_rates")], [0, 0]);
}

/// In the application's own transaction the same rules hold: who comes second gets the first.
#[test]
fn a_key_holds_in_a_transaction_of_the_applications_own() {
    let (_folder, store) = with_store();
    let mut app = Connection::open(store.path()).unwrap();
    let first = put(&store, unique(&Unique::by_key("k")));

    let tx = app.transaction().unwrap();
    let placed = enqueue_in(&tx, &[Arc::new(spec()), Arc::new(unique(&Unique::by_key("k")))]).unwrap();
    assert_eq!(placed.found.iter().map(|found| (found.index, found.job.id())).collect::<Vec<_>>(), [(1, first)]);
    let refused = enqueue_in(&tx, &[Arc::new(spec()), Arc::new(unique(&Unique::by_key("k").or_reject()))]);
    assert!(matches!(refused, Err(StoreError::UniqueConflict { index: 1, existing }) if existing == first));
    let mut later = unique(&Unique::by_key("k").or_replace());
    later.args = Json::from_stored(r#"{"n":2}"#.into());
    let args = later.args.clone();
    assert!(enqueue_in(&tx, &[Arc::new(later)]).unwrap().found[0].replaced);
    let own = Arc::new(unique(&Unique::by_key("own")));
    assert!(enqueue_in(&tx, std::slice::from_ref(&own)).unwrap().found.is_empty());
    tx.commit().unwrap();

    assert_eq!(rows(&store, "callboard_jobs"), 3, "the first, the plain one, the one with a key of its own");
    let [Lookup::Found(replaced)] = &block_on(store.get(vec![first])).unwrap()[..] else { panic!("it is there") };
    assert_eq!(replaced.spec.args, args);
    let again = block_on(store.enqueue(vec![unit(unique(&Unique::by_key("own").or_reject()))])).remove(0);
    assert!(matches!(again, Err(StoreError::UniqueConflict { existing, .. }) if existing == own.id), "{again:?}");
}

#[test]
fn a_full_queue_refuses_in_a_transaction_of_the_applications_own_too() {
    let (_folder, store) = with_store();
    limit(&store, QueueLimits { depth: Some(2), ..QueueLimits::default() });
    let mut app = Connection::open(store.path()).unwrap();
    let tx = app.transaction().unwrap();
    enqueue_in(&tx, &[Arc::new(spec()), Arc::new(spec())]).unwrap();
    let refused = enqueue_in(&tx, &[Arc::new(spec())]);
    assert!(matches!(refused, Err(StoreError::QueueFull { waiting: 2, .. })), "{refused:?}");
    tx.commit().unwrap();
    let refused = block_on(store.enqueue(vec![unit(spec())])).remove(0);
    assert!(matches!(refused, Err(StoreError::QueueFull { waiting: 2, .. })), "{refused:?}");
}

/// A key that is rolled back is free.
#[test]
fn a_key_of_a_transaction_that_is_rolled_back_is_free() {
    let (_folder, store) = with_store();
    let mut app = Connection::open(store.path()).unwrap();
    let tx = app.transaction().unwrap();
    enqueue_in(&tx, &[Arc::new(unique(&Unique::by_key("k")))]).unwrap();
    tx.rollback().unwrap();
    put(&store, unique(&Unique::by_key("k").or_reject()));
}

/// A row that somebody left behind holds nothing: the job that it names says what it holds.
#[test]
fn a_key_is_held_by_jobs_and_not_by_rows() {
    let (_folder, store) = with_store();
    let id = put(&store, unique(&Unique::by_key("k")));
    block_on(store.change(id, Change::Cancel)).unwrap();
    let by_hand = Connection::open(store.path()).unwrap();
    let key = format!("{TASK} k");
    by_hand.execute("INSERT INTO callboard_unique VALUES (?1, ?2)", (&key, &id.as_uuid().as_bytes()[..])).unwrap();
    put(&store, unique(&Unique::by_key("k").or_reject()));
}

#[test]
fn a_first_success_that_wrote_to_its_log_keeps_it_beside_plain_ones() {
    let (_folder, store) = with_store();
    let worker = register(&store);
    let ids: Vec<_> = (0..40).map(|_| put(&store, spec())).collect();
    assert_eq!(claim(&store, worker, 40).len(), 40);
    let line = LogLine::new("it went well", 1, Clock::system().now());
    let outcomes = ids.iter().enumerate().map(|(n, id)| {
        let logs = if n == 20 { vec![line.clone()] } else { Vec::new() };
        Outcome { id: *id, run: 1, started_at: None, ending: Ending::Succeeded(Json::null()), logs }
    });
    assert!(block_on(store.finish(outcomes.collect())).unwrap().iter().all(|fate| fate.is_accepted()));
    for (n, found) in block_on(store.get(ids)).unwrap().into_iter().enumerate() {
        let Lookup::Found(job) = found else { panic!("{found:?}") };
        assert_eq!(job.state.logs(), if n == 20 { std::slice::from_ref(&line) } else { &[] });
    }
    assert_eq!(rows(&store, "callboard_states"), 1);
}

/// A file of the first schema, with jobs in it, is brought up to date and goes on.
#[test]
fn a_file_of_the_first_schema_goes_on() {
    let folder = Folder::new();
    let file = folder.path().join("jobs.db");
    let by_hand = Connection::open(&file).unwrap();
    let first = migrations()[0];
    by_hand
        .execute_batch(
            "CREATE TABLE callboard_migrations (version INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL,
             checksum TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT",
        )
        .unwrap();
    by_hand.execute_batch(first.sql).unwrap();
    let row = (first.version, first.name, first.checksum(), 0);
    by_hand.execute("INSERT INTO callboard_migrations VALUES (?1, ?2, ?3, ?4)", row).unwrap();
    let id = JobId::new(Clock::system().now());
    let key = *id.as_uuid().as_bytes();
    by_hand
        .execute(
            "INSERT INTO callboard_jobs VALUES (?1, ?2, 'default', 0, 1, NULL, NULL, '{}', NULL, NULL)",
            (&key[..], TASK),
        )
        .unwrap();
    by_hand.execute("INSERT INTO callboard_ready VALUES ('default', 0, 1, ?1, ?2, 1, 0)", (&key[..], TASK)).unwrap();

    let store = SqliteStore::open(SqliteOptions::new(&file)).unwrap();
    let worker = register(&store);
    limit(&store, QueueLimits { concurrency: Some(1), ..QueueLimits::default() });
    put(&store, unique(&Unique::by_key("k")));
    let claimed = claim(&store, worker, 9);
    assert_eq!(claimed.iter().map(|job| job.id()).collect::<Vec<_>>(), [id]);
    finish(&store, id, Ending::Succeeded(Json::null()));
    assert_eq!(claim(&store, worker, 9).len(), 1);
}
