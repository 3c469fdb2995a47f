//! Fifty handles on one store, as fifty processes have them: each job has one owner, and everybody gets some.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Barrier};
use std::thread;

use callboard::store::postgres::PostgresStore;
use callboard::store::sqlite::{SqliteOptions, SqliteStore};
use callboard::store::{Ask, Control, Ending, Outcome, Store, Unit};
use callboard::{JobId, Json, Timestamp, WorkerId};
use futures::executor::block_on;

use super::postgres::private::Private;
use super::postgres::world;

const HANDLES: usize = 50;
const JOBS: usize = 5_000;

/// Everybody claims a few at a time and ends them, until there are no more; who ran what.
fn share(stores: Vec<Arc<dyn Store>>) {
    let together = Barrier::new(HANDLES + 1);
    let shares: Vec<Vec<JobId>> = thread::scope(|scope| {
        let takers: Vec<_> = stores.iter().map(|store| scope.spawn(|| take(store.as_ref(), &together))).collect();
        // All have claimed once in vain, so that nobody has to open a connection while others take.
        together.wait();
        for store in &stores[..JOBS / 1_000] {
            let jobs = (0..1_000).map(|_| Arc::new(world::spec())).collect();
            let placed = block_on(store.enqueue(vec![Unit { jobs, claim: None, idempotency: None }])).remove(0);
            assert!(!placed.unwrap().claimed);
        }
        together.wait();
        takers.into_iter().map(|taker| taker.join().unwrap()).collect()
    });
    let mut owners: HashMap<JobId, usize> = HashMap::new();
    for (handle, ids) in shares.iter().enumerate() {
        for id in ids {
            assert_eq!(owners.insert(*id, handle), None, "job {id} has two owners");
        }
    }
    assert_eq!(owners.len(), JOBS);
    let least = shares.iter().map(Vec::len).min().unwrap();
    let most = shares.iter().map(Vec::len).max().unwrap();
    println!("of {JOBS} jobs everybody got {least} to {most}");
    assert!(least > 0, "somebody got nothing");
    for store in stores {
        block_on(store.close());
    }
}

fn take(store: &dyn Store, together: &Barrier) -> Vec<JobId> {
    let worker = WorkerId::new(Timestamp::now());
    let tasks = vec![world::TASK.to_owned()];
    block_on(store.control(Control::Register { worker, lease: world::LEASE, tasks })).unwrap();
    let claim = || block_on(store.claim(Ask { worker, limit: 10, queues: None, after_queue: None })).unwrap();
    assert!(claim().jobs.is_empty());
    together.wait();
    together.wait();
    let mut mine = Vec::new();
    loop {
        let claimed = claim();
        if claimed.jobs.is_empty() {
            return mine;
        }
        let end = |job: &callboard::Job| {
            let ending = Ending::Succeeded(Json::from_stored("1".into()));
            Outcome { id: job.id(), run: job.state.run, started_at: None, ending, logs: Vec::new() }
        };
        let outcomes = claimed.jobs.iter().map(end).collect();
        for (job, fate) in claimed.jobs.iter().zip(block_on(store.finish(outcomes)).unwrap()) {
            assert!(fate.is_accepted(), "{fate:?}");
            mine.push(job.id());
        }
    }
}

#[test]
fn fifty_handles_share_one_sqlite_file() {
    let folder = crate::support::Folder::new();
    let file = folder.path().join("jobs.db");
    share((0..HANDLES).map(|_| Arc::new(SqliteStore::open(SqliteOptions::new(&file)).unwrap()) as _).collect());
}

#[test]
fn fifty_handles_share_one_postgres_schema() {
    let server = Private::start(|_: &Path| vec!["max_connections=400".into()]);
    let open = || block_on(PostgresStore::open(server.options())).unwrap();
    share((0..HANDLES).map(|_| Arc::new(open()) as _).collect());
}
