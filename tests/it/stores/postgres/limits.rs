//! Limits among several processes: whoever claims, and whatever goes wrong, no more than may.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use callboard::store::postgres::PostgresStore;
use callboard::store::{Ask, Beat, Control, Fate, Heard, JobSpec, QueueLimits, Store, StoreError, Unit};
use callboard_tasks::{Clock, Phase, Timestamp};
use futures::executor::block_on;
use parking_lot::Mutex;

use super::handles::Handles;
use super::server::{fresh, server};
use super::world::{LEASE, claim, open, open_under, put, put_all, read, register, spec, success, until};

fn limit(store: &dyn Store, queue: &str, limits: QueueLimits) {
    block_on(store.control(Control::Limit { queue: queue.into(), limits })).unwrap();
}

fn at_once(most: u32) -> QueueLimits {
    QueueLimits { concurrency: Some(most), ..QueueLimits::default() }
}

fn other(handles: &Handles) -> PostgresStore {
    let mut options = fresh(server());
    options.schema = handles.schema.clone();
    if let Some(clock) = &handles.clock {
        options.clock = clock.clone();
    }
    block_on(PostgresStore::open(options)).unwrap()
}

/// Two processes that claim and end as fast as they can never run two jobs of a queue that allows one.
#[test]
fn two_processes_at_once_run_one_job_of_a_queue_that_allows_one() {
    const JOBS: usize = 60;
    let handles = open();
    let stores = [other(&handles), other(&handles)];
    limit(&handles, "default", at_once(1));
    put_all(&handles, (0..JOBS).map(|_| Arc::new(spec())).collect());
    let runs = AtomicBool::new(false);
    let ended = AtomicUsize::new(0);
    thread::scope(|scope| {
        for store in stores.iter().flat_map(|store| [store, store]) {
            let (runs, ended) = (&runs, &ended);
            scope.spawn(move || {
                let worker = register(store);
                until("all jobs have run", || {
                    let jobs = claim(store, worker, 5);
                    assert!(jobs.len() <= 1, "{} jobs at once", jobs.len());
                    for job in &jobs {
                        assert!(!runs.swap(true, Ordering::SeqCst), "two jobs run at once");
                        thread::yield_now();
                        runs.store(false, Ordering::SeqCst);
                        let fates = block_on(store.finish(vec![success(job, "1")])).unwrap();
                        assert!(fates[0].is_accepted());
                        ended.fetch_add(1, Ordering::SeqCst);
                    }
                    ended.load(Ordering::SeqCst) == JOBS
                });
            });
        }
    });
    assert_eq!(handles.number("SELECT count(*) FROM {s}.done WHERE phase = 7"), JOBS as i64);
    stores.iter().for_each(|store| block_on(store.close()));
}

/// A process that was taken for dead goes on with a job that another one runs by now: both may end, one end counts. And
/// the queue counts one job, whoever thinks that he runs it.
#[test]
fn of_several_runs_of_a_job_after_false_rescues_one_is_accepted() {
    let handles = open_under(Clock::manual(Timestamp::now()));
    let clock = handles.clock.clone().unwrap();
    let store = other(&handles);
    limit(&handles, "default", at_once(1));
    let (job, behind) = (spec(), spec());
    put(&handles, &job);
    put(&handles, &behind);
    let mut runs = Vec::new();
    for round in 0..3 {
        let process: &dyn Store = if round % 2 == 0 { &handles } else { &store };
        let worker = register(process);
        let jobs = claim(process, worker, 9);
        assert_eq!(jobs.iter().map(callboard::store::Job::id).collect::<Vec<_>>(), [job.id], "round {round}");
        assert_eq!(handles.number("SELECT count(*) FROM {s}.running"), 1);
        runs.push(jobs.into_iter().next().unwrap());
        if round < 2 {
            clock.advance(2 * LEASE);
            assert_eq!(block_on(store.rescue(worker)).unwrap(), 1);
        }
    }
    let outcomes: Vec<_> = runs.iter().map(|run| success(run, &run.state.run.to_string())).collect();
    let fates = thread::scope(|scope| {
        let store = &store;
        let ends: Vec<_> = outcomes
            .into_iter()
            .map(|outcome| scope.spawn(move || block_on(store.finish(vec![outcome])).unwrap().remove(0)))
            .collect();
        ends.into_iter().map(|end| end.join().unwrap()).collect::<Vec<Fate>>()
    });
    assert_eq!(fates.iter().filter(|fate| fate.is_accepted()).count(), 1, "{fates:?}");
    assert!(fates[2].is_accepted(), "the last run is the one that holds");
    let worker = register(&handles);
    assert_eq!(claim(&handles, worker, 9)[0].id(), behind.id, "its end makes room");
    block_on(store.close());
}

/// Who ends a run where only so many may makes room, and tells the others.
#[test]
fn the_end_of_a_run_in_a_queue_with_limits_is_heard_by_others() {
    let handles = open();
    let store = other(&handles);
    let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
    let ear = Arc::clone(&heard);
    store.listen(Arc::new(move |what| ear.lock().push(what)));
    until("it listens", || {
        handles.number("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN \"{s}.%'") > 0
    });
    let worker = register(&handles);
    let _peer = register(&store);
    block_on(handles.beat(Beat { worker, lease: LEASE })).unwrap();
    limit(&handles, "default", at_once(1));
    put(&handles, &spec());
    let job = claim(&handles, worker, 1).remove(0);
    until("the new job was heard", || !heard.lock().is_empty());
    // What was to be told before has been: a notice that comes now is another one.
    handles.sql("SELECT pg_notify('{s}.callboard', 'end of the beginning')");
    until("that is heard", || heard.lock().contains(&Heard::Something));
    heard.lock().clear();
    block_on(handles.finish(vec![success(&job, "1")])).unwrap();
    until("the end is heard", || heard.lock().contains(&Heard::Work));
    block_on(store.close());
}

/// A process that never heard of a depth keeps it from its first job on.
#[test]
fn a_depth_holds_for_a_process_that_never_heard_of_it() {
    let handles = open();
    let store = other(&handles);
    put(&store, &spec());
    limit(&handles, "default", QueueLimits { depth: Some(3), ..QueueLimits::default() });
    let unit = |jobs: usize| Unit::new((0..jobs).map(|_| Arc::new(spec())).collect());
    let placed = block_on(store.enqueue(vec![unit(1), unit(2), unit(1), unit(1)]));
    let kept: Vec<bool> = placed.iter().map(Result::is_ok).collect();
    assert_eq!(kept, [true, false, true, false]);
    let full = placed.into_iter().nth(1).unwrap().unwrap_err();
    assert!(matches!(full, StoreError::QueueFull { depth: 3, .. }), "{full:?}");
    assert_eq!(handles.number("SELECT count(*) FROM {s}.waiting"), 3);
    block_on(store.close());
}

/// However many jobs a key holds back, those behind it are found: those of keys that have room at once, those without a
/// key a few claims later, and no claim looks at each of the others anew. While there is more to look at, the next claim
/// is due soon.
#[test]
fn many_jobs_of_a_full_key_do_not_hide_those_behind_them() {
    let handles = open();
    let worker = register(&handles);
    limit(&handles, "default", QueueLimits { key_concurrency: Some(1), ..QueueLimits::default() });
    let of = |key: Option<&str>| JobSpec { limit_key: key.map(Into::into), ..spec() };
    put(&handles, &of(Some("big")));
    assert_eq!(claim(&handles, worker, 1).len(), 1);
    for _ in 0..5 {
        put_all(&handles, (0..1_000).map(|_| Arc::new(of(Some("big")))).collect());
    }
    let (small, none) = (of(Some("small")), of(None));
    put(&handles, &small);
    put(&handles, &none);
    let ask = || Ask { worker, limit: 9, queues: None, after_queue: None };
    let mut claims = Vec::new();
    loop {
        let claimed = block_on(handles.claim(ask())).unwrap();
        let ids: Vec<_> = claimed.jobs.iter().map(callboard::store::Job::id).collect();
        claims.push(ids.clone());
        if ids.contains(&none.id) {
            break;
        }
        assert!(claimed.next_due.is_some(), "the next claim is due soon, until all was looked at: {claims:?}");
    }
    assert_eq!(claims[0], [small.id]);
    assert!(claims.len() <= 6, "{claims:?}");
    // What comes later stands behind what was looked at, and is found at once.
    let (late, late_none) = (of(Some("late")), of(None));
    put(&handles, &late);
    put(&handles, &late_none);
    let mut ids: Vec<_> = claim(&handles, worker, 9).iter().map(callboard::store::Job::id).collect();
    ids.sort_unstable();
    assert_eq!(ids, [late.id, late_none.id]);
    let claimed = block_on(handles.claim(ask())).unwrap();
    assert!(claimed.jobs.is_empty() && claimed.next_due.is_none(), "{claimed:?}");
    assert_eq!(read(&handles, small.id).state.phase, Phase::Running);
}

/// With more keys than a claim looks at, each has its turn, and no key gets more than it may.
#[test]
fn the_keys_behind_a_flood_take_turns() {
    const KEYS: usize = 1_300;
    let handles = open();
    let worker = register(&handles);
    limit(&handles, "default", QueueLimits { key_concurrency: Some(1), ..QueueLimits::default() });
    let of = |key: &str| Arc::new(JobSpec { limit_key: Some(key.into()), ..spec() });
    put_all(&handles, vec![of("flood")]);
    assert_eq!(claim(&handles, worker, 1).len(), 1);
    put_all(&handles, (0..1_000).map(|_| of("flood")).collect());
    for _ in 0..2 {
        put_all(&handles, (0..KEYS).map(|key| of(&format!("key {key:04}"))).collect());
    }
    let mut taken = std::collections::BTreeSet::new();
    for _ in 0..30 {
        for job in claim(&handles, worker, 200) {
            assert!(taken.insert(job.spec.limit_key.clone()), "two jobs of one key at once");
        }
    }
    assert_eq!(taken.len(), KEYS, "each key has had its turn");
    assert_eq!(claim(&handles, worker, 200).len(), 0);
}
