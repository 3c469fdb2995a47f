//! Where jobs are kept: the contract that every store fulfils, and the messages that it speaks.
//!
//! A store is opened with a [`Clock`](crate::Clock); no method takes the time. Every change of a job is one
//! guarded step of [`Phase::after`](crate::Phase::after); every write of a worker names `(job, run)` and touches
//! nothing else, so what comes late changes nothing. Promise: at least once; never accepted twice.
//!
//! What a step does to a job is written once, as methods of [`Job`] ([`Job::claim`], [`Job::finish`],
//! [`Job::lose`], [`Job::change`], ...); a store decides which job takes it, in one commit. The version of a job
//! grows with every change; it need not be dense. A job that has ended without success says why in its errors,
//! also if it never ran: then the record is of attempt 0.
//! The suite in `callboard_tasks::conformance` (feature `conformance`) states each rule as a test;
//! [`MemoryStore`](crate::MemoryStore) is the store to read first.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;

use crate::{
    BoxError, Followed, Found, Idempotency, Inquiry, InvalidMove, Job, JobId, JobSpec, Json, LogLine, Phase, Progress,
    Published, QueueLimits, Replayed, ScheduleDefinition, ScheduleRecord, Status, TaskError, Tick, WorkerId,
};

/// Keeps the jobs of one backend.
///
/// Methods return boxed futures so that `dyn Store` works. A future that is dropped before its end may or may
/// not have done its work, but never half of it.
pub trait Store: Send + Sync + 'static {
    /// Keeps new jobs. Each unit is all or nothing; units of several callers may share a commit, and one bad
    /// unit does not harm the others. The answers stand in the order of the units.
    ///
    /// A unit with a [`Claim`] is inserted as already claimed by that worker (the hand-off), as run 1 of each
    /// of its jobs, exactly as if it had been claimed right after its insertion; pauses are the caller's to heed.
    /// If the worker is not registered (its lease was taken), a job is not due, has a unique key, or waits in a queue
    /// whose starts are limited, or the unit has an idempotency key, the whole unit is inserted as waiting instead,
    /// and the answer says so with `claimed: false`.
    ///
    /// A job whose [unique key](JobSpec::unique) another one [holds](Job::held_key), in the store or earlier in the
    /// unit, is not inserted. As its [`OnConflict`](crate::OnConflict) says, the answer has the other job in `found`;
    /// or the whole unit is refused; or the other one takes over arguments and time by [`Job::replace`], if it waits.
    /// The check and the insertion are one step: of any number of callers at once, one makes the job.
    ///
    /// An [idempotency key](Unit::idempotency) that was kept before is answered with the ids of the jobs that its
    /// unit has made or found, in order (`replayed`), and nothing is done, not even a check; it is kept with the
    /// jobs, in one commit, and only if they are.
    ///
    /// # Errors
    ///
    /// [`StoreError`] for a unit of which nothing was kept: [`StoreError::DuplicateId`] if one of its ids is
    /// taken, in the store or within the unit; [`StoreError::UniqueConflict`]; [`StoreError::IdempotencyMismatch`];
    /// [`StoreError::QueueFull`] if a queue has as many waiting jobs as its limits allow, or would have more after the
    /// unit, counted up to what was enqueued within a second.
    fn enqueue(&self, units: Vec<Unit>) -> BoxFuture<'_, Vec<Result<Placed, StoreError>>>;

    /// Gives due jobs to a worker process, best first. A queue is ready if it is asked for, not paused, and has a
    /// due job. From each ready queue in turn, starting after `after_queue`, come at most `limit` ÷ ready queues
    /// (at least 1); what is left of the limit is filled with the best of all of them. Within a queue: priority
    /// (high first), then [effective time](Job::effective_time), then id.
    ///
    /// Not given are: jobs that have [expired](Job::expires_at), which are ended; jobs of tasks that the worker
    /// has not registered; suspects (jobs with a loss) beyond one at a time for each worker; and what the
    /// [limits](QueueLimits) of its queue hold back. What runs (or is asked to stop) in a queue is in use of its
    /// concurrency, what runs there with the same limit key of that key's; there is nothing else to be released.
    /// Starts are counted against the rates where they are claimed, and stay counted if the run is handed back or
    /// lost. Counting and claiming are one step, so that the limits hold whoever claims at once. A job that is held
    /// back by its key does not stand in the way of those behind it. Where a rate holds something back, `next_due` is
    /// no later than when the next one may start.
    ///
    /// While a job is claimed, its attempt counts as if it had started at the claim, its worker is in
    /// `worker_ids`, and `run` is one more than ever before.
    ///
    /// # Errors
    ///
    /// [`StoreError::Gone`] if the worker is not registered, or another failure; nothing is claimed then. An
    /// ended lease that nobody took is no failure.
    fn claim(&self, ask: Ask) -> BoxFuture<'_, Result<Claimed, StoreError>>;

    /// Writes how attempts ended. Each outcome stands alone; the answers stand in their order. An outcome is
    /// accepted while the job runs under the `run` that it names, whether or not the lease has ended meanwhile.
    ///
    /// `started_at` of an outcome corrects what the claim assumed. [`Ending::Snoozed`] and [`Ending::HandBack`]
    /// take the attempt back: one attempt less, its worker forgotten, `started_at` empty again if it was the
    /// first. The lines of the log that come with an outcome are kept with it, whatever the ending. A job that was asked to stop ends as cancelled, whatever comes back but a success. The store does
    /// not count attempts against `max_attempts`: who sends [`Ending::Retry`] has.
    ///
    /// # Errors
    ///
    /// If the store could not be written; the same outcomes may be given again.
    fn finish(&self, outcomes: Vec<Outcome>) -> BoxFuture<'_, Result<Vec<Fate>, StoreError>>;

    /// Renews the lease of a worker process, also one that has ended and was not taken, and brings back what it
    /// must know. A cancellation is told again with each beat until the job has ended. If the lease had ended, what
    /// was parked meanwhile is put back before the answer, or as much of it as does not hold up a beat.
    ///
    /// # Errors
    ///
    /// [`StoreError::Gone`] if the lease was taken: the process must register anew under a new id.
    fn beat(&self, beat: Beat) -> BoxFuture<'_, Result<Pulse, StoreError>>;

    /// Takes the lease of another process whose lease has ended, and frees its jobs. How many were freed; zero if
    /// it is unknown or its lease still holds.
    ///
    /// Each of its jobs counts a loss: what it had not started, a process hands back while it lives. A lost job
    /// is ready again without the attempt; one that was asked to stop is cancelled; one that is lost for the
    /// third time is quarantined. A job with a loss is a suspect, and a process runs one suspect at a time: so
    /// whatever is lost a second time was then the suspect of its process, and no bystander.
    ///
    /// # Errors
    ///
    /// If the store could not be written.
    fn rescue(&self, worker: WorkerId) -> BoxFuture<'_, Result<usize, StoreError>>;

    /// Changes one job from outside.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`], [`StoreError::Pruned`], [`StoreError::InvalidMove`],
    /// [`StoreError::VersionMismatch`] or, where a finished job is to run again whose unique key another one holds
    /// now, [`StoreError::UniqueConflict`]; nothing is changed then.
    fn change(&self, id: JobId, change: Change) -> BoxFuture<'_, Result<Changed, StoreError>>;

    /// Changes several jobs in the same way, each as [`change`](Self::change) would by itself; the answers stand in the
    /// order of the ids. Of two jobs that want one unique key the first gets it. A store may put all of it into one
    /// commit, or not.
    fn change_all(&self, ids: Vec<JobId>, change: Change) -> BoxFuture<'_, Vec<Result<Changed, StoreError>>> {
        // All are under way before the first is awaited, so that a store which gathers gets them together.
        let each: Vec<_> = ids.into_iter().map(|id| self.change(id, change.clone())).collect();
        Box::pin(futures::future::join_all(each))
    }

    /// Changes what holds for all jobs, or registers a process.
    ///
    /// # Errors
    ///
    /// If the store could not be written; [`StoreError::NoSchedule`] for one that is neither declared nor made;
    /// [`StoreError::Gone`] for a declaration of a process that is not registered.
    fn control(&self, control: Control) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Looks jobs up; the answers stand in the order of the ids.
    ///
    /// # Errors
    ///
    /// If the store could not be read.
    fn get(&self, ids: Vec<JobId>) -> BoxFuture<'_, Result<Vec<Lookup>, StoreError>>;

    /// Lists jobs, newest first (by id).
    ///
    /// # Errors
    ///
    /// If the store could not be read.
    fn list(&self, filter: Filter, page: Page) -> BoxFuture<'_, Result<Listing, StoreError>>;

    /// What it holds, in numbers, and which tasks were ever published.
    ///
    /// # Errors
    ///
    /// If the store could not be read.
    fn stats(&self) -> BoxFuture<'_, Result<Stats, StoreError>>;

    /// Removes finished jobs that are past their retention, at most `limit`; never an unfinished one. How many.
    /// A successful job and one that ended otherwise are kept for times of their own, counted from the end.
    ///
    /// # Errors
    ///
    /// If the store could not be written.
    fn prune(&self, limit: usize) -> BoxFuture<'_, Result<usize, StoreError>>;

    /// How many finished jobs are past their retention: what [`prune`](Self::prune) would remove by and by.
    ///
    /// # Errors
    ///
    /// If the store could not be read.
    fn prunable(&self) -> BoxFuture<'_, Result<Prunable, StoreError>>;

    /// All schedules that a registered process declares or that were made at run time, by name.
    ///
    /// # Errors
    ///
    /// If the store could not be read.
    fn schedules(&self) -> BoxFuture<'_, Result<Vec<ScheduleRecord>, StoreError>>;

    /// Takes a tick of a schedule and enqueues what belongs to it, in one commit. Whether it was taken: not if the
    /// last tick is another one by now, and not if the schedule is paused or unknown. So any number of processes may
    /// try; each tick has its jobs once. Those who wait for work are told as after an enqueue.
    ///
    /// # Errors
    ///
    /// As [`enqueue`](Self::enqueue); the tick was not taken then.
    fn tick(&self, tick: Tick) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// What it knows of a job and of what stands before it; `None` if there is no such job.
    ///
    /// # Errors
    ///
    /// If the store could not be read.
    fn inquire(&self, id: JobId) -> BoxFuture<'_, Result<Option<Inquiry>, StoreError>>;

    /// Tells `ear` from now on what other processes do to the store, as far as it hears of that. A hint to look,
    /// never the truth: it may come late, twice, for nothing, or not at all. The last ear given is the one that is
    /// told; it must not block. A store that no other process can reach has nothing to tell.
    fn listen(&self, ear: Ear) {
        drop(ear);
    }

    /// Somebody in this process waits for these jobs, whoever runs them: when one of them ends, in whatever process,
    /// [`Heard::Ended`] comes to each process that watches it. What is watched is forgotten after a few minutes; it
    /// may be watched again. Answers with those among the ids that may have ended by now, or are not there: they are
    /// worth a look, and make no sound. A store that cannot tell answers with all of them.
    ///
    /// # Errors
    ///
    /// If the store could not be written.
    fn watch(&self, ids: Vec<JobId>) -> BoxFuture<'_, Result<Vec<JobId>, StoreError>> {
        Box::pin(std::future::ready(Ok(ids)))
    }

    /// The ends of jobs after the mark `after`, whoever has written them, in the order in which that was done; at most
    /// `limit`. Without a mark there are none yet: the answer says where now is. Who asks with the mark of the answer
    /// again and again, at least each [`Followed::DOUBTFUL`], hears of each end that is written meanwhile once: or is
    /// told that some were missed, because more than [`Followed::KEPT`] came in between. An end that was being written
    /// when somebody began to follow may be left out.
    ///
    /// The order is kept for [`Followed::FOR`] from the last question on, and not at all while nobody asks: so whoever
    /// comes back later than that has missed nobody knows how many. While it is kept, other processes are told by
    /// [`Heard::Followed`] that there is something new, or by [`Heard::Something`].
    ///
    /// # Errors
    ///
    /// If the store could not be read or written.
    fn follow(&self, after: Option<u64>, limit: usize) -> BoxFuture<'_, Result<Followed, StoreError>>;

    /// Ends its threads and connections, once what was given to it before has been answered. Whatever is asked of it
    /// afterwards fails. Dropping a store closes it too, without waiting for that.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Whether it gathers by itself what several callers ask at once, so that each may ask it where it stands. For one
    /// that does not, the backend's actor gathers calls and asks for all of them at once.
    fn gathers(&self) -> bool {
        false
    }

    /// Whether its futures wait for something outside the process. A store that does not is asked right where
    /// the question comes up, without a hop to the backend's actor.
    fn waits(&self) -> bool {
        true
    }
}

/// Jobs that are kept together or not at all.
#[derive(Debug, Clone)]
pub struct Unit {
    /// The jobs, in order.
    pub jobs: Vec<Arc<JobSpec>>,
    /// Who has them already: the hand-off. Only jobs that are due can be handed off.
    pub claim: Option<Claim>,
    /// The key of the request that brings them, if it may come twice.
    pub idempotency: Option<Idempotency>,
}

impl Unit {
    /// Jobs that wait.
    #[must_use]
    pub const fn new(jobs: Vec<Arc<JobSpec>>) -> Self {
        Self { jobs, claim: None, idempotency: None }
    }

    /// Hands them off to that worker process.
    #[must_use]
    pub const fn claimed_by(mut self, worker: WorkerId) -> Self {
        self.claim = Some(Claim { worker });
        self
    }
}

/// Who claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The worker process.
    pub worker: WorkerId,
}

/// What became of a unit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Placed {
    /// Whether its jobs are claimed by the worker that the unit named.
    pub claimed: bool,
    /// Jobs that were not made because another one holds their unique key, with the other one, in order.
    pub found: Vec<Found>,
    /// If nothing was done because its idempotency key was kept before: the jobs of then.
    pub replayed: Option<Replayed>,
}

impl Placed {
    /// All jobs were made; `claimed` says whether they were handed off.
    #[must_use]
    pub const fn made(claimed: bool) -> Self {
        Self { claimed, found: Vec::new(), replayed: None }
    }
}

/// What a worker process can take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The worker process.
    pub worker: WorkerId,
    /// At most so many jobs.
    pub limit: usize,
    /// Only these queues and at most so many of each in this claim; `None` is all queues. An entry named
    /// [`Ask::OTHERS`] stands for every queue that has none.
    pub queues: Option<BTreeMap<String, usize>>,
    /// The queue that was served last: the turn starts after it.
    pub after_queue: Option<String>,
}

impl Ask {
    /// Among the queues of an ask: all that are not named. No queue can be called so.
    pub const OTHERS: &str = "*";

    /// How many jobs of this queue may be given.
    #[must_use]
    pub fn room(&self, queue: &str) -> usize {
        let Some(most) = &self.queues else { return self.limit };
        most.get(queue).or_else(|| most.get(Self::OTHERS)).copied().unwrap_or(0)
    }
}

/// What a claim gave.
#[derive(Debug, Clone, Default)]
pub struct Claimed {
    /// The jobs, now running under `state.run`, best first within each queue.
    pub jobs: Vec<Job>,
    /// When the next job that waits for its time is due; `None` if none is known. Only looked up where the
    /// claim came back short.
    pub next_due: Option<Timestamp>,
    /// The queue that was served last in turn, to be asked with next time; that of the ask if none was.
    pub last_queue: Option<String>,
}

/// How one run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The job.
    pub id: JobId,
    /// The claim that the run belongs to: the fence.
    pub run: u64,
    /// When the attempt started; `None` if it never did.
    pub started_at: Option<Timestamp>,
    /// How it ended.
    pub ending: Ending,
    /// What it wrote to its log since the last outcome; at most [`LogLine::KEPT`].
    pub logs: Vec<LogLine>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// With this return value.
    Succeeded(Json),
    /// For good.
    Failed(TaskError),
    /// Runs again at `at`.
    Retry {
        /// When.
        at: Timestamp,
        /// Why.
        error: TaskError,
    },
    /// Runs again at this time; no attempt is spent and no error kept.
    Snoozed(Timestamp),
    /// It was told to stop because somebody cancelled the job.
    Cancelled(TaskError),
    /// It did not run, or was interrupted in good order; no attempt is spent, no loss counted.
    HandBack,
}

/// What became of an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It was written. A job that was asked to stop may be in another phase than the outcome alone would lead to.
    Accepted {
        /// The phase of the job since then.
        phase: Phase,
        /// Its version since then.
        version: u64,
    },
    /// The job is not running under that claim any more, or is gone; nothing was changed.
    Stale,
}

impl Fate {
    /// Whether the outcome was written.
    #[must_use]
    pub const fn is_accepted(self) -> bool {
        matches!(self, Self::Accepted { .. })
    }
}

/// A sign of life from a worker process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// The worker process.
    pub worker: WorkerId,
    /// How long its lease shall hold from now.
    pub lease: Duration,
}

/// What a worker process must know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pulse {
    /// The store's time when it answered: what the ends of leases are compared with.
    pub now: Timestamp,
    /// Whether a claim may find something: false only if no queue that is not paused has a job that is due. A job
    /// of a task that this process lacks may count.
    pub due: bool,
    /// Jobs of its own that somebody asked to cancel, with the run that is asked.
    pub cancels: Vec<(JobId, u64)>,
    /// Other worker processes with the end of their leases, earliest first; at most 16.
    pub peers: Vec<(WorkerId, Timestamp)>,
    /// When the next job that waits for its time is due.
    pub next_due: Option<Timestamp>,
    /// Queues that are paused.
    pub paused: Vec<String>,
    /// Queues with limits, by name.
    pub limits: BTreeMap<String, QueueLimits>,
    /// A number that is another one whenever the answer of [`Store::schedules`] is, but for ticks; 0 while there
    /// never was a schedule.
    pub schedules: u64,
}

/// Takes what a store hears; see [`Store::listen`].
pub type Ear = Arc<dyn Fn(Heard) + Send + Sync>;

/// What a store hears of other processes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Heard {
    /// Something may have become due.
    Work,
    /// These watched jobs have ended.
    Ended(Vec<JobId>),
    /// Some jobs have ended, and somebody follows.
    Followed,
    /// Something was written: jobs may have come, or changed. The ends of watched jobs are told besides.
    Something,
}

/// How many finished jobs are past their retention.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Prunable {
    /// Those that succeeded.
    pub successful: u64,
    /// Those that ended otherwise.
    pub failed: u64,
}

/// A change of one job from outside.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// Ends a waiting job; asks a running one to stop. Asking twice changes nothing more.
    Cancel,
    /// Runs a finished job again, as of now: its attempts and errors are kept, `max_attempts` grows by its
    /// policy's number, a return value, progress and an expiry that has passed go. Of its losses at most one
    /// stays: it is still a suspect, but not at the edge of quarantine.
    Retry,
    /// Makes a job that is scheduled or waits to retry due now.
    RunNow,
    /// Changes a waiting job; `None` leaves as is.
    Reschedule {
        /// The earliest start; `Some(None)` is at once. A time to come makes the job scheduled, whatever it
        /// waited for; any other makes a scheduled or retrying job ready.
        run_after: Option<Option<Timestamp>>,
        /// The priority.
        priority: Option<i8>,
        /// The queue.
        queue: Option<String>,
        /// Attempts in all.
        max_attempts: Option<u32>,
        /// Only if it still has this version.
        if_version: Option<u64>,
    },
    /// Removes a job that is not running.
    Delete,
    /// The run is past its timeout and has been told to stop: its job is `cancelling` until the outcome comes,
    /// which then counts as it is. A stale run, or one that was cancelled, changes nothing.
    Overrun {
        /// The run that was told.
        run: u64,
    },
    /// Keeps how far the run has come; a stale run changes nothing and gets the job as it is.
    Progress {
        /// The run that speaks.
        run: u64,
        /// How far.
        progress: Progress,
    },
}

/// What a change did.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// The job after it; after a deletion, as it was before.
    pub job: Job,
    /// Who runs it, if it runs.
    pub worker: Option<WorkerId>,
}

/// A change of what holds for all.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Control {
    /// Gives no more jobs of this queue; those that run go on.
    Pause(String),
    /// Gives jobs of this queue again.
    Resume(String),
    /// Registers a worker process under a fresh id, with its lease.
    Register {
        /// Its id, never used before.
        worker: WorkerId,
        /// How long its lease holds from now.
        lease: Duration,
        /// The names of the tasks that it can run.
        tasks: Vec<String>,
    },
    /// Removes a worker process; its jobs that are still claimed go back as with [`Ending::HandBack`], without a
    /// loss. A process that is not there may leave.
    Leave(WorkerId),
    /// Makes tasks known to everyone who asks for them by name.
    Publish(Vec<Published>),
    /// Sets the limits of a queue, at once and for all processes; none of them is no limit. Those that run go on.
    Limit {
        /// The queue.
        queue: String,
        /// Its limits.
        limits: QueueLimits,
    },
    /// The schedules that a process declares: all that it declares, in place of what it did before. They are its own
    /// until it leaves or its lease is taken.
    Declare {
        /// The process.
        worker: WorkerId,
        /// Its schedules; each name once.
        schedules: Vec<ScheduleDefinition>,
    },
    /// Makes a schedule at run time, or another one of it. While a process declares one of that name, that holds.
    SetSchedule(ScheduleDefinition),
    /// Removes what was made at run time; what is declared stays.
    RemoveSchedule(String),
    /// Takes no more ticks of this schedule.
    PauseSchedule(String),
    /// Takes ticks of this schedule again: those from now on.
    ResumeSchedule(String),
    /// Takes due jobs out of the claim whose task no process with a lease that holds has registered, and puts
    /// back those that one has. A process that comes with new tasks asks for it.
    Park,
}

/// What is known of an id.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "the large one is the usual one")]
pub enum Lookup {
    /// The job as it is now.
    Found(Job),
    /// It has ended and was removed since, as far as the store remembers.
    Pruned,
    /// There never was one, as far as the store remembers.
    Unknown,
}

/// Which jobs to list: those that fit everything that is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this status.
    pub status: Option<Status>,
    /// In this phase.
    pub phase: Option<Phase>,
    /// Of this task, by its full name.
    pub task: Option<String>,
    /// In this queue.
    pub queue: Option<String>,
    /// With this label.
    pub tag: Option<String>,
    /// Enqueued in this time: from the start on, before the end.
    pub enqueued: Option<Range<Timestamp>>,
}

impl Filter {
    /// For [`enqueued`](Self::enqueued): from one time on, until before another; whoever names neither has no condition.
    #[must_use]
    pub fn between(since: Option<Timestamp>, until: Option<Timestamp>) -> Option<Range<Timestamp>> {
        (since.is_some() || until.is_some()).then(|| since.unwrap_or(Timestamp::MIN)..until.unwrap_or(Timestamp::MAX))
    }

    /// Whether it has no condition: every job fits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a job fits.
    #[must_use]
    pub fn admits(&self, job: &Job) -> bool {
        let spec = &job.spec;
        self.status.is_none_or(|status| job.status() == status)
            && self.phase.is_none_or(|phase| job.state.phase == phase)
            && self.task.as_deref().is_none_or(|task| spec.task == task)
            && self.queue.as_deref().is_none_or(|queue| spec.queue == queue)
            && self.tag.as_ref().is_none_or(|tag| spec.tags.contains(tag))
            && self.enqueued.as_ref().is_none_or(|time| time.contains(&spec.enqueued_at))
    }
}

/// Which part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// At most so many; at least 1.
    pub limit: usize,
    /// Only jobs older than this one (with a smaller id).
    pub before: Option<JobId>,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// The jobs, newest first.
    pub jobs: Vec<Job>,
    /// Where the next page starts, if there is one: to be given as `before`.
    pub next: Option<JobId>,
}

/// What a store holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stats {
    /// Each queue that has a job, a finished one too, or is paused, by name. Others that it remembers may be here.
    pub queues: BTreeMap<String, QueueStats>,
    /// Every task that was ever published, by name.
    pub published: BTreeMap<String, Published>,
    /// The worker processes with the end of their leases.
    pub workers: Vec<(WorkerId, Timestamp)>,
}

/// What a queue holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueStats {
    /// How many jobs are in each phase; phases without any are left out.
    pub phases: BTreeMap<Phase, u64>,
    /// The effective time of the job that has been ready for the longest.
    pub oldest_ready: Option<Timestamp>,
    /// Whether it is paused.
    pub paused: bool,
    /// Its limits.
    pub limits: QueueLimits,
}

/// Why a store did not do what it was asked; nothing was changed unless the variant says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No such job; over HTTP this is a 404.
    #[error("no job {0}")]
    NotFound(JobId),
    /// The job has ended and was removed (410).
    #[error("job {0} was removed after its end")]
    Pruned(JobId),
    /// The job's phase does not allow this (409).
    #[error(transparent)]
    InvalidMove(#[from] InvalidMove),
    /// The job has changed since the version that the caller saw (412).
    #[error("job {id} has version {actual}, not {expected}")]
    VersionMismatch {
        /// The job.
        id: JobId,
        /// What the caller saw.
        expected: u64,
        /// What it has.
        actual: u64,
    },
    /// Another job holds the unique key of a new one, or of one that is to run again (409).
    #[error("job {existing} has the same unique key and has not let go of it")]
    UniqueConflict {
        /// Which job of the unit: its place, from 0.
        index: usize,
        /// The job that holds it.
        existing: JobId,
    },
    /// The idempotency key was kept with another request (422).
    #[error("the idempotency key was used before, for another request")]
    IdempotencyMismatch,
    /// As many jobs wait in the queue as its limits allow (503, try again when some have run).
    #[error("the queue {queue:?} is full: {waiting} jobs wait, at most {depth} may")]
    QueueFull {
        /// The queue.
        queue: String,
        /// How many wait, as of the last count.
        waiting: u64,
        /// How many may.
        depth: u64,
    },
    /// There is no such schedule (404).
    #[error("there is no schedule {0:?}")]
    NoSchedule(String),
    /// The id of a new job is taken.
    #[error("there is a job {0} already")]
    DuplicateId(JobId),
    /// The worker process is not registered: its lease was taken, or it never had one.
    #[error("worker {0} has no lease")]
    Gone(WorkerId),
    /// What was given cannot be kept, whenever it is tried; the text says why.
    #[error("the store cannot keep this: {0}")]
    Refused(String),
    /// Somebody else holds the store for too long (503, try again soon).
    #[error("the store is busy: {0}")]
    Busy(String),
    /// The store failed; the same call may succeed later (503).
    #[error("the store is unavailable")]
    Unavailable(#[source] BoxError),
}
