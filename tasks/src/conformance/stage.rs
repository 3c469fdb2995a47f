//! What a case works with: a fresh store, its clock, and short words for the steps that every case repeats.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures::future::LocalBoxFuture;
use jiff::{SignedDuration, Timestamp};

use crate::{
    Ask, Backoff, Beat, Change, Changed, Claim, Claimed, Clock, Control, Ending, Fate, Filter, Job, JobId, JobSpec,
    Json, Listing, Lookup, Outcome, Page, Phase, Placed, Pulse, QueueStats, RetryPolicy, Stats, Store, StoreError,
    TaskError, Unit, WorkerId,
};

/// When every case begins.
pub const START: Timestamp = Timestamp::constant(1_767_225_600, 0);
/// How long a lease holds.
pub const LEASE: Duration = Duration::from_secs(3);
/// The shortest time that a store can tell apart.
pub const MOMENT: Duration = Duration::from_micros(1);
/// A second, a minute, an hour, a day.
pub const SECOND: Duration = Duration::from_secs(1);
/// A minute.
pub const MINUTE: Duration = Duration::from_secs(60);
/// An hour.
pub const HOUR: Duration = Duration::from_secs(3600);
/// A day.
pub const DAY: Duration = Duration::from_secs(24 * 3600);
/// The task of jobs whose case does not care.
pub const TASK: &str = "stage.play";
/// Another task.
pub const OTHER: &str = "stage.other";
/// The queue of jobs whose case does not care.
pub const QUEUE: &str = "default";

/// How a store is to be opened for a case.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Setup {
    /// The clock that it tells the time by; the case moves it.
    pub clock: Clock,
    /// How long it shall keep successful jobs.
    pub keep_successful: Duration,
    /// How long it shall keep jobs that ended otherwise.
    pub keep_failed: Duration,
}

pub(super) type Open = Rc<dyn Fn(Setup) -> LocalBoxFuture<'static, Arc<dyn Store>>>;

/// A fresh store with the clock that it goes by.
pub struct Stage {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Its clock.
    pub clock: Clock,
    open: Open,
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stage({:?})", self.clock)
    }
}

impl Stage {
    pub(super) async fn open(open: Open) -> Self {
        let clock = Clock::manual(START);
        let setup = Setup { clock: clock.clone(), keep_successful: 7 * DAY, keep_failed: 30 * DAY };
        let store = open(setup).await;
        Self { store, clock, open }
    }

    /// Another stage with a store and a clock of its own.
    pub async fn another(&self) -> Self {
        Self::open(Rc::clone(&self.open)).await
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The time after a pause.
    #[must_use]
    pub fn after(&self, pause: Duration) -> Timestamp {
        self.now() + SignedDuration::try_from(pause).expect("cases wait for no longer than years")
    }

    /// Lets time pass.
    pub fn advance(&self, pause: Duration) {
        self.clock.advance(pause);
    }
}

/// Enqueueing.
impl Stage {
    /// A job as plain as can be; a case changes what it is about.
    #[must_use]
    pub fn spec(&self) -> JobSpec {
        let now = self.now();
        JobSpec {
            id: JobId::new(now),
            task: TASK.into(),
            args: Json::from_stored(r#"{"n":1}"#.into()),
            queue: QUEUE.into(),
            priority: 0,
            enqueued_at: now,
            run_after: None,
            expires_at: None,
            timeout: None,
            retry: RetryPolicy { max_attempts: 5, backoff: Backoff::Fixed(SECOND) },
            tags: Vec::new(),
            metadata: None,
            traceparent: None,
            unique: None,
            limit_key: None,
        }
    }

    /// A plain job in this queue.
    #[must_use]
    pub fn spec_in(&self, queue: &'static str) -> JobSpec {
        JobSpec { queue: queue.into(), ..self.spec() }
    }

    /// Enqueues a job.
    pub async fn put(&self, spec: JobSpec) -> JobId {
        let id = spec.id;
        self.unit(vec![spec], None).await.expect("the job can be enqueued");
        id
    }

    /// Enqueues so many plain jobs; they are ordered as they stand.
    pub async fn put_many(&self, count: usize) -> Vec<JobId> {
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(self.put(self.spec()).await);
        }
        ids
    }

    /// Enqueues a unit of its own.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn unit(&self, jobs: Vec<JobSpec>, claim: Option<WorkerId>) -> Result<Placed, StoreError> {
        let mut unit = Unit::new(jobs.into_iter().map(Arc::new).collect());
        unit.claim = claim.map(|worker| Claim { worker });
        let mut placed = self.store.enqueue(vec![unit]).await;
        assert_eq!(placed.len(), 1, "one unit, one answer");
        placed.remove(0)
    }

    /// Enqueues a job and hands it off to that worker.
    pub async fn hand_off(&self, spec: JobSpec, worker: WorkerId) -> Placed {
        self.unit(vec![spec], Some(worker)).await.expect("the job can be enqueued")
    }
}

/// Working.
impl Stage {
    /// Registers a worker that can run all tasks of the cases.
    pub async fn worker(&self) -> WorkerId {
        self.worker_for(&[TASK, OTHER]).await
    }

    /// Registers a worker that can run these tasks.
    pub async fn worker_for(&self, tasks: &[&str]) -> WorkerId {
        let worker = WorkerId::new(self.now());
        self.register(worker, tasks).await;
        worker
    }

    /// Registers a worker under a given id.
    pub async fn register(&self, worker: WorkerId, tasks: &[&str]) {
        let tasks = tasks.iter().map(|&task| task.to_owned()).collect();
        self.control(Control::Register { worker, lease: LEASE, tasks }).await;
    }

    /// Claims from all queues.
    pub async fn claim(&self, worker: WorkerId, limit: usize) -> Vec<Job> {
        self.ask(Ask { worker, limit, queues: None, after_queue: None }).await.jobs
    }

    /// Claims from all queues: only the ids.
    pub async fn claim_ids(&self, worker: WorkerId, limit: usize) -> Vec<JobId> {
        self.claim(worker, limit).await.iter().map(Job::id).collect()
    }

    /// Claims the best job, which must be there.
    pub async fn claim_one(&self, worker: WorkerId) -> Job {
        self.claim(worker, 1).await.pop().expect("a job is due")
    }

    /// Claims.
    pub async fn ask(&self, ask: Ask) -> Claimed {
        self.store.claim(ask).await.expect("a registered worker can claim")
    }

    /// Ends the run of a claimed job, as started when it was claimed.
    pub async fn end(&self, job: &Job, ending: Ending) -> Fate {
        let started_at = job.state.last_attempted_at;
        self.outcome(Outcome { id: job.id(), run: job.state.run, started_at, ending, logs: Vec::new() }).await
    }

    /// Ends the run of a claimed job, which must be accepted; the job after it.
    pub async fn must_end(&self, job: &Job, ending: Ending) -> Job {
        let fate = self.end(job, ending).await;
        let after = self.read(job.id()).await;
        let accepted = Fate::Accepted { phase: after.state.phase, version: after.state.version };
        assert_eq!(fate, accepted, "the outcome of a present run is accepted, and tells what the job is since");
        after
    }

    /// Ends the run of a claimed job with a value.
    pub async fn succeed(&self, job: &Job) -> Job {
        self.must_end(job, Ending::Succeeded(Json::null())).await
    }

    /// Gives one outcome.
    pub async fn outcome(&self, outcome: Outcome) -> Fate {
        let mut fates = self.store.finish(vec![outcome]).await.expect("the store can be written");
        assert_eq!(fates.len(), 1, "one outcome, one fate");
        fates.remove(0)
    }

    /// The record of the attempt under way, which failed now.
    #[must_use]
    pub fn error(&self, job: &Job) -> TaskError {
        TaskError::new("MailError", "no route", "MailError: no route\n", job.state.attempts, self.now())
    }

    /// Another attempt after a pause.
    #[must_use]
    pub fn retry_in(&self, pause: Duration, job: &Job) -> Ending {
        Ending::Retry { at: self.after(pause), error: self.error(job) }
    }

    /// Renews a lease.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn beat(&self, worker: WorkerId) -> Result<Pulse, StoreError> {
        self.store.beat(Beat { worker, lease: LEASE }).await
    }

    /// Takes a lease; how many jobs were freed.
    pub async fn rescue(&self, worker: WorkerId) -> usize {
        self.store.rescue(worker).await.expect("the store can be written")
    }

    /// Lets the lease of a worker end and takes it.
    pub async fn lose(&self, worker: WorkerId) -> usize {
        self.advance(LEASE);
        self.rescue(worker).await
    }

    /// Enqueues a job, claims it with a worker of its own and loses that, so often.
    pub async fn lost_job(&self, losses: u32) -> JobId {
        let id = self.put(self.spec()).await;
        for _ in 0..losses {
            let worker = self.worker().await;
            assert_eq!(self.claim_ids(worker, 1).await, [id]);
            assert_eq!(self.lose(worker).await, 1);
        }
        id
    }
}

/// Looking and changing.
impl Stage {
    /// What is known of an id.
    pub async fn look_up(&self, id: JobId) -> Lookup {
        let mut found = self.store.get(vec![id]).await.expect("the store can be read");
        assert_eq!(found.len(), 1, "one id, one answer");
        found.remove(0)
    }

    /// A job, which must be there.
    pub async fn read(&self, id: JobId) -> Job {
        match self.look_up(id).await {
            Lookup::Found(job) => job,
            other => panic!("job {id} is {other:?}"),
        }
    }

    /// The phase of a job, which must be there.
    pub async fn phase(&self, id: JobId) -> Phase {
        self.read(id).await.state.phase
    }

    /// Changes a job.
    ///
    /// # Errors
    ///
    /// The store's.
    pub async fn try_change(&self, id: JobId, change: Change) -> Result<Changed, StoreError> {
        self.store.change(id, change).await
    }

    /// Changes a job, which must be allowed.
    pub async fn change(&self, id: JobId, change: Change) -> Changed {
        self.try_change(id, change).await.expect("the change is allowed")
    }

    /// Changes what holds for all.
    pub async fn control(&self, control: Control) {
        self.store.control(control).await.expect("the store can be written");
    }

    /// Lists jobs, without pages.
    pub async fn list(&self, filter: Filter) -> Vec<JobId> {
        self.page(filter, 1_000, None).await.jobs.iter().map(Job::id).collect()
    }

    /// One page of a list.
    pub async fn page(&self, filter: Filter, limit: usize, before: Option<JobId>) -> Listing {
        self.store.list(filter, Page { limit, before }).await.expect("the store can be read")
    }

    /// The numbers.
    pub async fn stats(&self) -> Stats {
        self.store.stats().await.expect("the store can be read")
    }

    /// The numbers of one queue; none at all if it is not known.
    pub async fn queue(&self, queue: &str) -> QueueStats {
        self.stats().await.queues.remove(queue).unwrap_or_default()
    }

    /// Removes what is past its retention.
    pub async fn prune(&self, limit: usize) -> usize {
        self.store.prune(limit).await.expect("the store can be written")
    }
}
