//! Unique keys among several processes, and within somebody's own transaction.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use callboard::store::postgres::{PostgresStore, enqueue_in, to_sql};
use callboard::store::{Change, JobSpec, LogLine, Lookup, Placed, Store, StoreError, UniqueKey, Unit};
use callboard_tasks::{OnConflict, Phase, Timestamp, UniqueUntil};
use futures::executor::block_on;
use tokio_postgres::NoTls;

use super::handles::Handles;
use super::server::{self, Held, fresh, server};
use super::world::{claim, open, put, read, register, spec, success, until};

fn with_key(key: &str) -> JobSpec {
    let unique =
        UniqueKey { key: key.into(), until: UniqueUntil::Finished, holds_until: None, on_conflict: OnConflict::Return };
    JobSpec { unique: Some(Box::new(unique)), ..spec() }
}

fn place(store: &dyn Store, spec: &JobSpec) -> Result<Placed, StoreError> {
    block_on(store.enqueue(vec![Unit::new(vec![Arc::new(spec.clone())])])).remove(0)
}

/// Another process on the same schema.
fn other(handles: &Handles) -> PostgresStore {
    let mut options = fresh(server());
    options.schema = handles.schema.clone();
    block_on(PostgresStore::open(options)).unwrap()
}

/// However many callers of however many processes come at once, one makes the job and all others get it.
#[test]
fn of_callers_of_several_processes_one_makes_the_job() {
    let handles = open();
    let others: Vec<_> = (0..3).map(|_| other(&handles)).collect();
    for round in 0..10 {
        let specs: Vec<_> = (0..64).map(|_| with_key(&format!("t report:{round}"))).collect();
        let placed: Vec<Placed> = thread::scope(|scope| {
            let callers: Vec<_> = specs
                .iter()
                .enumerate()
                .map(|(n, spec)| {
                    let store = &others[n % 3];
                    scope.spawn(move || place(store, spec).unwrap())
                })
                .collect();
            callers.into_iter().map(|caller| caller.join().unwrap()).collect()
        });
        let made: Vec<_> = specs.iter().zip(&placed).filter(|(_, placed)| placed.found.is_empty()).collect();
        assert_eq!(made.len(), 1, "round {round}");
        let found = placed.iter().flat_map(|placed| &placed.found);
        assert!(found.clone().all(|found| found.job.id() == made[0].0.id), "round {round}");
        assert_eq!(found.count(), 63);
    }
    assert_eq!(handles.number("SELECT count(*) FROM {s}.job"), 10);
    others.iter().for_each(|store| block_on(store.close()));
}

/// Callers whose units want the same keys in another order end; nobody waits for ever.
#[test]
fn units_with_the_same_keys_in_other_orders_do_not_block_each_other() {
    let handles = open();
    let others: Vec<_> = (0..2).map(|_| other(&handles)).collect();
    let keys: Vec<String> = (0..8).map(|n| format!("t {n}")).collect();
    thread::scope(|scope| {
        for n in 0..16 {
            let (store, keys) = (&others[n % 2], &keys);
            scope.spawn(move || {
                for round in 0..5 {
                    let mut jobs: Vec<_> =
                        keys.iter().map(|key| Arc::new(with_key(&format!("{key}/{round}")))).collect();
                    if n % 3 == 0 {
                        jobs.reverse();
                    }
                    jobs.rotate_left(n % 8);
                    block_on(store.enqueue(vec![Unit::new(jobs)])).remove(0).unwrap();
                }
            });
        }
    });
    assert_eq!(handles.number("SELECT count(*) FROM {s}.job"), 40);
    assert_eq!(handles.number("SELECT count(*) FROM {s}.unique_key"), 40);
    others.iter().for_each(|store| block_on(store.close()));
}

/// Who holds a key in an open transaction is in the way of those who want it, for a while, and of nobody else.
#[test]
fn an_open_transaction_is_in_the_way_of_its_key_alone() {
    let handles = open();
    let held =
        Held::begin(&handles.url, &format!("SELECT {}.enqueue('world.play', unique_key => 'slow')", handles.schema));
    thread::scope(|scope| {
        let blocked = scope.spawn(|| place(&handles, &with_key("world.play slow")));
        let begin = Instant::now();
        for n in 0..20 {
            assert!(place(&handles, &with_key(&format!("world.play {n}"))).unwrap().found.is_empty());
            put(&handles, &spec());
        }
        assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
        let refused = blocked.join().unwrap().unwrap_err();
        assert!(matches!(refused, StoreError::Busy(_)), "{refused:?}");
    });
    held.commit();
    assert_eq!(place(&handles, &with_key("world.play slow")).unwrap().found.len(), 1);
}

/// A key that was taken in a transaction is free again if that is rolled back, and held if it commits.
#[test]
fn a_key_lives_and_dies_with_the_transaction_that_takes_it() {
    let handles = open();
    let schema = handles.schema.clone();
    let (gone, kept) = (Arc::new(with_key("t a")), Arc::new(with_key("t a")));
    let found = server::block_on(async {
        let (mut client, connection) = tokio_postgres::connect(server(), NoTls).await.unwrap();
        let drive = tokio::spawn(connection);
        let transaction = client.transaction().await.unwrap();
        assert!(enqueue_in(&transaction, &schema, &[Arc::clone(&gone)]).await.unwrap().found.is_empty());
        transaction.rollback().await.unwrap();
        let transaction = client.transaction().await.unwrap();
        assert!(enqueue_in(&transaction, &schema, &[Arc::clone(&kept)]).await.unwrap().found.is_empty());
        transaction.commit().await.unwrap();
        let transaction = client.transaction().await.unwrap();
        let found = enqueue_in(&transaction, &schema, &[Arc::clone(&gone), Arc::new(spec())]).await.unwrap().found;
        let mut rejected = with_key("t a");
        rejected.unique.as_mut().unwrap().on_conflict = OnConflict::Reject;
        let refused = enqueue_in(&transaction, &schema, &[Arc::new(rejected)]).await.unwrap_err();
        assert!(matches!(refused, StoreError::UniqueConflict { existing, .. } if existing == kept.id), "{refused:?}");
        // A refusal is no failure of the transaction.
        transaction.commit().await.unwrap();
        drive.abort();
        found
    });
    assert_eq!(found.iter().map(|found| (found.index, found.job.id())).collect::<Vec<_>>(), [(0, kept.id)]);
    assert_eq!(block_on(handles.get(vec![gone.id])).unwrap(), [Lookup::Unknown]);
    assert_eq!(handles.number("SELECT count(*) FROM {s}.job"), 2);
}

/// The plain function knows unique keys, what to do about them, and limit keys.
#[test]
fn the_sql_function_takes_keys() {
    let handles = open();
    let call = |arguments: &str| {
        let sql = format!("SELECT {{s}}.enqueue('world.play', '{{\"n\": 1}}', {arguments})");
        handles.sql(&sql)[0][0].clone().unwrap()
    };
    let first = call("unique_key => 'a', unique_for => '1 hour', limit_key => 'ada'");
    assert_eq!(call("unique_key => 'a'"), first, "the same job is returned");
    let job = read(&handles, first.parse().unwrap());
    let unique = job.spec.unique.as_deref().unwrap();
    assert_eq!(
        (&*unique.key, unique.until, unique.on_conflict),
        ("world.play a", UniqueUntil::Finished, OnConflict::Return)
    );
    let window = unique.holds_until.unwrap().as_microsecond() - job.spec.enqueued_at.as_microsecond();
    assert_eq!(window, 3_600_000_000);
    assert_eq!(job.spec.limit_key.as_deref(), Some("ada"));
    handles.sql("SELECT {s}.enqueue('world.play', '{\"n\": 2}', unique_key => 'a', on_conflict => 'replace')");
    let replaced = read(&handles, first.parse().unwrap());
    assert_eq!((replaced.spec.args.as_str(), replaced.state.version), (r#"{"n": 2}"#, 2));
    assert_eq!((&replaced.spec.unique, &replaced.spec.limit_key), (&job.spec.unique, &None));
    let refused = server::block_on(async {
        let (client, connection) = tokio_postgres::connect(server(), NoTls).await.unwrap();
        let drive = tokio::spawn(connection);
        let sql =
            format!("SELECT {}.enqueue('world.play', unique_key => 'a', on_conflict => 'reject')", handles.schema);
        let refused = client.simple_query(&sql).await.unwrap_err();
        drive.abort();
        refused.as_db_error().unwrap().message().to_owned()
    });
    assert!(refused.contains(&first), "{refused}");
    block_on(handles.change(first.parse().unwrap(), Change::Cancel)).unwrap();
    assert_ne!(call("unique_key => 'a'"), first, "its end has freed the key");
}

/// A statement for any driver carries the keys too.
#[test]
fn a_job_with_keys_as_a_statement_is_the_same_job() {
    let handles = open();
    let mut job = with_key("world.play report \u{2603} \"7\"");
    job.limit_key = Some("ada".into());
    let (text, parameters) = to_sql(&handles.schema, &job);
    let run = || {
        server::block_on(async {
            let (client, connection) = tokio_postgres::connect(server(), NoTls).await.unwrap();
            let drive = tokio::spawn(connection);
            let parameters: Vec<_> =
                parameters.iter().map(|p| p as &(dyn tokio_postgres::types::ToSql + Sync)).collect();
            client.query(&text, &parameters).await.unwrap();
            drive.abort();
        });
    };
    run();
    let found = read(&handles, job.id).spec;
    assert_eq!((&found.unique, &found.limit_key), (&job.unique, &job.limit_key));
    assert_eq!(place(&handles, &with_key("world.play report \u{2603} \"7\"")).unwrap().found[0].job.id(), job.id);
}

/// What holds no key costs nothing: no key is looked for where such jobs end.
#[test]
fn jobs_without_keys_end_without_a_look_at_the_keys() {
    let handles = open();
    let worker = register(&handles);
    place(&handles, &with_key("t other")).unwrap();
    let keyed = claim(&handles, worker, 9);
    assert_eq!(keyed.len(), 1);
    let scans = "SELECT (coalesce(idx_scan, 0) + coalesce(seq_scan, 0))::bigint FROM pg_stat_user_tables \
                 WHERE schemaname = '{s}' AND relname = 'unique_key'";
    let fetched = "SELECT coalesce(idx_tup_fetch, 0)::bigint FROM pg_stat_user_tables \
                   WHERE schemaname = '{s}' AND relname = 'unique_key'";
    until("its insertion is counted", || handles.number(scans) > 0);
    let before = handles.number(fetched);
    for _ in 0..50 {
        put(&handles, &spec());
    }
    let jobs = claim(&handles, worker, 50);
    let outcomes = jobs.iter().map(|job| success(job, "1")).collect();
    assert!(block_on(handles.finish(outcomes)).unwrap().iter().all(|fate| fate.is_accepted()));
    assert_eq!(handles.number(fetched), before);
    block_on(handles.finish(vec![success(&keyed[0], "1")])).unwrap();
    assert_eq!(handles.number("SELECT count(*) FROM {s}.unique_key"), 0);
}

/// A success that wrote a log keeps both, beside one that wrote none.
#[test]
fn a_success_keeps_its_log() {
    let handles = open();
    let worker = register(&handles);
    let (quiet, loud) = (spec(), spec());
    put(&handles, &quiet);
    put(&handles, &loud);
    let jobs = claim(&handles, worker, 2);
    let line = LogLine::new("half way", 1, Timestamp::UNIX_EPOCH);
    let mut outcomes: Vec<_> = jobs.iter().map(|job| success(job, "7")).collect();
    outcomes.iter_mut().find(|outcome| outcome.id == loud.id).unwrap().logs = vec![line.clone()];
    assert!(block_on(handles.finish(outcomes)).unwrap().iter().all(|fate| fate.is_accepted()));
    for (id, logs) in [(quiet.id, vec![]), (loud.id, vec![line])] {
        let job = read(&handles, id);
        assert_eq!(job.state.phase, Phase::Successful);
        assert_eq!(job.state.return_value.as_ref().map(|value| value.as_str()), Some("7"));
        assert_eq!(job.state.logs(), logs);
    }
}
