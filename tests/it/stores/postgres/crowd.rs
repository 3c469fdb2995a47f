//! Several at once: openers, claims beside rescues, transactions in each other's way.

use std::sync::Arc;
use std::thread;

use callboard::store::postgres::{PostgresStore, migrations, status};
use callboard::store::{Ask, Claim, Control, JobState, Lookup, Store, Unit};
use callboard::store::{Ending, Outcome};
use callboard_tasks::{Clock, Phase, Timestamp, WorkerId};
use futures::executor::block_on;

use super::handles::Handles;
use super::server::{self, fresh, server};
use super::world::{self, LEASE, register, spec};

/// Whoever comes first makes the schema; the others wait for that and find it made.
#[test]
fn ten_openers_at_once_make_one_schema() {
    let options = fresh(server());
    let mut stores: Vec<PostgresStore> = thread::scope(|scope| {
        let openers: Vec<_> =
            (0..10).map(|_| scope.spawn(|| block_on(PostgresStore::open(options.clone())).unwrap())).collect();
        openers.into_iter().map(|opener| opener.join().unwrap()).collect()
    });
    let last = stores.pop().unwrap();
    drop(stores);
    assert!(block_on(status(&options)).unwrap().iter().all(|step| step.applied_at.is_some()));
    let handles = Handles::around(last, &options);
    assert_eq!(handles.number("SELECT count(*) FROM {s}.migration"), migrations().len() as i64);
}

/// A program does not touch a schema that it does not understand.
#[test]
fn a_newer_schema_is_refused() {
    let handles = world::open();
    handles.sql("INSERT INTO {s}.migration (version, name, checksum) VALUES (99, 'from the future', '')");
    let mut options = server::fresh(server());
    options.schema = handles.schema.clone();
    let refused = block_on(PostgresStore::open(options)).unwrap_err();
    assert!(refused.to_string().contains("schema version 99"), "{refused}");
    assert!(!refused.to_string().contains("password"), "{refused}");
}

/// The script that `migrate --sql` prints leaves nothing to do.
#[test]
fn the_printed_script_makes_the_whole_schema() {
    let options = fresh(server());
    server::run(server(), &callboard::store::postgres::migration_sql(&options.schema));
    assert!(block_on(status(&options)).unwrap().iter().all(|step| step.applied_at.is_some()));
    let handles = block_on(Handles::open(options, 1));
    let spec = spec();
    world::put(&handles, &spec);
    assert_eq!(world::read(&handles, spec.id).state, JobState::new(&spec));
}

/// A claim whose commit is still to come when its worker is taken leaves no job behind that nobody runs.
#[test]
fn a_claim_in_flight_while_its_worker_is_rescued_leaves_no_orphan() {
    let handles = world::open_under(Clock::manual(Timestamp::now()));
    let clock = handles.clock.clone().unwrap();
    let worker = register(&handles);
    let specs: Vec<_> = (0..3).map(|_| spec()).collect();
    for spec in &specs {
        world::put(&handles, spec);
    }
    clock.advance(2 * LEASE);
    // A transaction that has claimed and does not commit yet.
    let held = server::Held::begin(
        &handles.url,
        &format!("SELECT count(*) FROM {}.claim('{worker}', 2, NULL, NULL, NULL, 1)", handles.schema),
    );
    let handed = spec();
    let freed = thread::scope(|scope| {
        let rescue = scope.spawn(|| block_on(handles.rescue(worker)).unwrap());
        world::until("the rescue waits for the claim", || {
            handles.number(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%{s}.unregister%'",
            ) > 0
        });
        held.commit();
        rescue.join().unwrap()
    });
    assert_eq!(freed, 2, "the rescue sees what was claimed while it waited");
    assert_eq!(handles.number("SELECT count(*) FROM {s}.running"), 0, "nobody is left behind");
    for spec in &specs {
        assert_eq!(world::read(&handles, spec.id).state.phase, Phase::Ready);
    }
    let unit = Unit { jobs: vec![Arc::new(handed)], claim: Some(Claim { worker }), idempotency: None };
    assert!(!block_on(handles.enqueue(vec![unit])).remove(0).unwrap().claimed, "who is gone gets nothing");
}

/// Two transactions that wait for each other: one is undone by the server, and tried again.
#[test]
fn a_deadlock_is_tried_again() {
    let handles = world::open();
    let worker = register(&handles);
    let mut specs: Vec<_> = (0..2).map(|_| spec()).collect();
    specs.sort_by_key(|spec| spec.id);
    for spec in &specs {
        world::put(&handles, spec);
    }
    let jobs = block_on(handles.claim(Ask { worker, limit: 2, queues: None, after_queue: None })).unwrap().jobs;
    assert_eq!(jobs.len(), 2);
    // It holds the second row and asks for the first, which the store has locked by then.
    let lock = |n: usize| format!("SELECT FROM {}.running WHERE id = '{}' FOR UPDATE", handles.schema, specs[n].id);
    let mut held = server::Held::begin(&handles.url, &format!("SET LOCAL deadlock_timeout = '60s'; {}", lock(1)));
    let fates = thread::scope(|scope| {
        let outcomes = jobs.iter().map(|job| Outcome {
            id: job.id(),
            run: job.state.run,
            started_at: None,
            ending: Ending::Succeeded(callboard_tasks::Json::null()),
            logs: Vec::new(),
        });
        let outcomes: Vec<_> = outcomes.collect();
        let finish = scope.spawn(|| block_on(handles.finish(outcomes)).unwrap());
        world::until("the outcomes wait for the second row", || {
            handles.number(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%{s}.succeed%'",
            ) > 0
        });
        held.run(&lock(0));
        held.commit();
        finish.join().unwrap()
    });
    assert!(fates.iter().all(|fate| fate.is_accepted()), "{fates:?}");
    for spec in &specs {
        assert_eq!(world::read(&handles, spec.id).state.phase, Phase::Successful);
    }
}

/// Whoever opens the same schema sees the same jobs.
#[test]
fn two_stores_on_one_schema_share_its_jobs() {
    let handles = world::open();
    let mut options = fresh(server());
    options.schema = handles.schema.clone();
    let other = block_on(PostgresStore::open(options)).unwrap();
    let spec = spec();
    world::put(&handles, &spec);
    let found = block_on(other.get(vec![spec.id])).unwrap();
    assert!(matches!(&found[0], Lookup::Found(job) if *job.spec == spec), "{found:?}");
    let stranger = WorkerId::new(Timestamp::now());
    block_on(other.control(Control::Leave(stranger))).unwrap();
    block_on(other.close());
}
