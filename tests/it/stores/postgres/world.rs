//! What the cases of this store share: stores of their own, plain jobs, and waiting for a state.

use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard::store::Ending;
use callboard::store::{Ask, Control, Job, JobSpec, Json, Lookup, Outcome, Store, Unit};
use callboard_tasks::{Clock, JobId, Timestamp, WorkerId};
use futures::executor::block_on;

use super::handles::Handles;
use super::server::{fresh, server};
pub use crate::stores::{TASK, spec};

pub const LEASE: Duration = Duration::from_secs(30);
const DEADLINE: Duration = Duration::from_secs(20);

/// A store on a schema of its own, by the server's time.
pub fn open() -> Handles {
    block_on(Handles::open(fresh(server()), 1))
}

/// The same under a clock of the test.
pub fn open_under(clock: Clock) -> Handles {
    let mut options = fresh(server());
    options.clock = clock.clone();
    let mut handles = block_on(Handles::open(options, 1));
    handles.clock = Some(clock);
    handles
}

/// A registered worker that can run the plain jobs.
pub fn register(store: &dyn Store) -> WorkerId {
    let worker = WorkerId::new(Timestamp::now());
    block_on(store.control(Control::Register { worker, lease: LEASE, tasks: vec![TASK.into()] })).unwrap();
    worker
}

pub fn put(store: &dyn Store, spec: &JobSpec) {
    put_all(store, vec![Arc::new(spec.clone())]);
}

pub fn put_all(store: &dyn Store, jobs: Vec<Arc<JobSpec>>) {
    block_on(store.enqueue(vec![Unit { jobs, claim: None, idempotency: None }])).remove(0).unwrap();
}

pub fn claim(store: &dyn Store, worker: WorkerId, limit: usize) -> Vec<Job> {
    block_on(store.claim(Ask { worker, limit, queues: None, after_queue: None })).unwrap().jobs
}

pub fn read(store: &dyn Store, id: JobId) -> Job {
    match block_on(store.get(vec![id])).unwrap().remove(0) {
        Lookup::Found(job) => job,
        other => panic!("job {id} is {other:?}"),
    }
}

/// A run that came to this text, which is meant to be JSON.
pub fn success(job: &Job, value: &str) -> Outcome {
    let ending = Ending::Succeeded(Json::from_stored(value.into()));
    Outcome { id: job.id(), run: job.state.run, started_at: None, ending, logs: Vec::new() }
}

/// Waits until something holds.
///
/// # Panics
///
/// If it does not hold by the deadline.
pub fn until(what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < DEADLINE, "not in time: {what}");
        std::thread::yield_now();
    }
}
