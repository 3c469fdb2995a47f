//! What a claim costs, counted in steps of SQLite's machine: time would depend on who else is at work.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use callboard_tasks::{Ask, JobId, JobSpec, Json, Placed, QueueLimits, RetryPolicy, Timestamp, Unit, WorkerId};
use rusqlite::{Connection, StatementStatus};

use super::claim::{self, QUEUES, SUSPECTED_QUEUES};
use super::enqueue::{self, NewUnit};
use super::finish;
use super::hot::Hot;
use super::txn::{Memory, Txn};
use super::{limits, open, schema, workers};

struct Bench {
    connection: Connection,
    folder: std::path::PathBuf,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Bench {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("callboard-steps-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("jobs.db");
        let lock = open::lock(&file).unwrap();
        let (connection, _) = schema::prepare(&file, &lock, Duration::from_secs(5)).unwrap();
        Self { connection, folder }
    }

    /// Does all of it in one transaction.
    fn run<T>(&self, work: impl FnOnce(&mut Txn<'_, '_>) -> T) -> T {
        self.steps(work).0
    }

    /// The same, with the steps that the statements of a claim took.
    fn steps<T>(&self, work: impl FnOnce(&mut Txn<'_, '_>) -> T) -> (T, i32) {
        let mut hot = Hot::prepare(&self.connection).unwrap();
        let mut memory = Memory::default();
        for sql in [QUEUES, SUSPECTED_QUEUES, limits::RUNNING] {
            self.connection.prepare_cached(sql).unwrap().reset_status(StatementStatus::VmStep);
        }
        self.connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        let owner = [0; 16];
        let mut txn = Txn::new(&self.connection, &mut hot, &mut memory, Timestamp::now(), &owner, [0, 0]);
        let done = work(&mut txn);
        txn.flush().unwrap();
        self.connection.execute_batch("COMMIT").unwrap();
        let hot = [&hot.line, &hot.line_behind, &hot.delete_ready_range];
        let hot: i32 = hot.iter().map(|statement| statement.get_status(StatementStatus::VmStep)).sum();
        let cold = [QUEUES, SUSPECTED_QUEUES, limits::RUNNING]
            .iter()
            .map(|sql| self.connection.prepare_cached(sql).unwrap().get_status(StatementStatus::VmStep));
        (done, hot + cold.sum::<i32>())
    }

    fn worker(&self) -> WorkerId {
        let worker = WorkerId::new(Timestamp::now());
        let registration = (worker, Duration::from_secs(600), vec!["known".to_owned()]);
        self.run(|txn| workers::register(txn, &registration)).unwrap();
        worker
    }

    fn put(&self, task: &'static str, priority: i8, count: usize) -> Vec<JobId> {
        self.put_all((0..count).map(|_| spec(task, priority)))
    }

    fn put_all(&self, jobs: impl Iterator<Item = JobSpec>) -> Vec<JobId> {
        let jobs: Vec<_> = jobs.map(Arc::new).collect();
        let ids = jobs.iter().map(|spec| spec.id).collect();
        let units = [NewUnit::from(Unit { jobs, claim: None, idempotency: None })];
        let placed = self.run(|txn| enqueue::enqueue(txn, &units)).unwrap();
        assert!(matches!(placed[..], [Ok(Placed { claimed: false, .. })]));
        ids
    }

    /// Claims ten jobs, and says what that took.
    fn claim_ten(&self, worker: WorkerId) -> (Vec<JobId>, i32) {
        let ask = Ask { worker, limit: 10, queues: None, after_queue: None };
        let (given, steps) = self.steps(|txn| claim::claim(txn, &ask).unwrap());
        (given.into_claimed().unwrap().jobs.iter().map(|job| job.id()).collect(), steps)
    }
}

fn spec(task: &'static str, priority: i8) -> JobSpec {
    let now = Timestamp::now();
    JobSpec {
        id: JobId::new(now),
        task: task.into(),
        args: Json::null(),
        queue: "default".into(),
        priority,
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

/// What a claim of ten jobs takes where there is nothing else.
fn empty() -> i32 {
    let bench = Bench::new();
    let worker = bench.worker();
    let ids = bench.put("known", 0, 10);
    let (claimed, steps) = bench.claim_ten(worker);
    assert_eq!(claimed, ids);
    assert!(steps > 100, "the steps are counted: {steps}");
    steps
}

#[test]
fn parked_jobs_do_not_slow_a_claim() {
    let bench = Bench::new();
    let worker = bench.worker();
    bench.put("nobody.knows", 9, 100_000);
    let ids = bench.put("known", 0, 10);
    while bench.run(|txn| txn.park_tasks(&["nobody.knows".to_owned()])).unwrap() {}
    let (claimed, steps) = bench.claim_ten(worker);
    assert_eq!(claimed, ids);
    let empty = empty();
    assert!(steps <= 2 * empty, "{steps} steps behind 100,000 parked jobs, {empty} without");
}

#[test]
fn a_backlog_does_not_slow_a_claim() {
    let bench = Bench::new();
    let worker = bench.worker();
    let ids = bench.put("known", 1, 10);
    bench.put("known", 0, 50_000);
    let (claimed, steps) = bench.claim_ten(worker);
    assert_eq!(claimed, ids);
    let empty = empty();
    assert!(steps <= 2 * empty, "{steps} steps before 50,000 jobs, {empty} without");
}

#[test]
fn history_does_not_slow_a_claim() {
    let bench = Bench::new();
    let worker = bench.worker();
    for _ in 0..20 {
        bench.put("known", 0, 1_000);
        let ask = Ask { worker, limit: 1_000, queues: None, after_queue: None };
        let jobs = bench.run(|txn| claim::claim(txn, &ask)).unwrap().into_claimed().unwrap().jobs;
        let outcomes: Vec<_> = jobs
            .iter()
            .map(|job| callboard_tasks::Outcome {
                id: job.id(),
                run: 1,
                started_at: None,
                ending: callboard_tasks::Ending::Succeeded(Json::null()),
                logs: Vec::new(),
            })
            .collect();
        let fates = bench.run(|txn| finish::finish(txn, &outcomes)).unwrap();
        assert!(fates.iter().all(|fate| fate.is_accepted()));
    }
    let ids = bench.put("known", 0, 10);
    let (claimed, steps) = bench.claim_ten(worker);
    assert_eq!(claimed, ids);
    let empty = empty();
    assert!(steps <= 2 * empty, "{steps} steps after 20,000 jobs, {empty} before any");
}

/// Far more jobs than a claim looks past wait for a key that has no room.
#[test]
fn a_flood_of_one_key_does_not_slow_a_claim_for_ever() {
    let flooded = |count: usize| {
        let bench = Bench::new();
        let worker = bench.worker();
        let limits = QueueLimits { key_concurrency: Some(1), ..QueueLimits::default() };
        bench.run(|txn| limits::set(txn, &("default".to_owned(), limits))).unwrap();
        let flood = |count: usize| (0..count).map(|_| JobSpec { limit_key: Some("flood".into()), ..spec("known", 1) });
        bench.put_all(flood(1));
        assert_eq!(bench.claim_ten(worker).0.len(), 1);
        bench.put_all(flood(count));
        bench.put("known", 0, 10);
        bench.claim_ten(worker)
    };
    let (claimed, steps) = flooded(1_000);
    assert_eq!(claimed.len(), 10, "they stand within what one claim looks past");
    let (claimed, of_many) = flooded(40_000);
    assert_eq!(claimed.len(), 0);
    assert!(of_many <= 3 * steps, "{of_many} steps into 40,000 held back, {steps} past 1,000");
}

/// What a limit that holds nothing back adds to a claim is a look at what runs.
#[test]
fn a_limit_that_does_not_bite_does_not_slow_a_claim() {
    let bench = Bench::new();
    let worker = bench.worker();
    let limits = QueueLimits { concurrency: Some(1_000), depth: Some(1_000_000), ..QueueLimits::default() };
    bench.run(|txn| limits::set(txn, &("default".to_owned(), limits))).unwrap();
    let ids = bench.put("known", 0, 10);
    let (claimed, steps) = bench.claim_ten(worker);
    assert_eq!(claimed, ids);
    let empty = empty();
    assert!(steps <= empty + empty / 5, "{steps} steps under a limit, {empty} without");
}
