//! The messages that a backend answers, and the events that it sends.
//!
//! "A backend is anything that answers these messages": [`Enqueue`] is required, the others are optional. An
//! embedding actor system sends them through [`Callboard::recipient`](crate::Callboard::recipient), and subscribes
//! with its own recipients of [`TaskEnqueued`], [`TaskStarted`], [`TaskFinished`] and [`TaskStuck`].

use std::time::Duration;

use actix::{Message, Recipient};
use callboard_tasks::{
    AnyCall, Call, Error, Filter, JobId, Listing, Page, Snapshot, Stats as StoreStats, Task, TaskResult, WaitError,
    WaitFor,
};

/// Enqueue one call; the answer means that it is committed.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Snapshot, Error>")]
pub struct Enqueue(pub AnyCall);

impl Enqueue {
    /// Of a call, whatever its task.
    #[must_use]
    pub fn new<T: Task>(call: Call<T>) -> Self {
        Self(call.erase())
    }
}

/// Enqueue several calls, all or none of them.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Vec<Snapshot>, Error>")]
pub struct EnqueueAll(pub Vec<AnyCall>);

/// Look a job up.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<Snapshot, Error>")]
pub struct GetResult(pub JobId);

/// Wait until a job has ended or changed.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<Snapshot, WaitError>")]
pub struct Wait {
    /// The job.
    pub id: JobId,
    /// What to wait for.
    pub until: WaitFor,
    /// At most this long.
    pub timeout: Duration,
}

/// List jobs, newest first.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Listing, Error>")]
pub struct List {
    /// Which jobs.
    pub filter: Filter,
    /// Which part of the list.
    pub page: Page,
}

/// End a waiting job, or ask a running one to stop.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<Snapshot, Error>")]
pub struct Cancel(pub JobId);

/// Run a finished job again.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<Snapshot, Error>")]
pub struct Retry(pub JobId);

/// What the backend holds, in numbers.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<StoreStats, Error>")]
pub struct Stats;

/// Start no more jobs of a queue.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<(), Error>")]
pub struct Pause(pub String);

/// Start jobs of a queue again.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<(), Error>")]
pub struct Resume(pub String);

/// Send the ends of all jobs of this board to a recipient.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), Error>")]
pub struct Subscribe(pub Recipient<TaskFinished>);

/// Start nothing more, let what runs end within this time, then tell it to stop.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<crate::ShutdownReport, Error>")]
pub struct Drain(pub Duration);

/// A call has been enqueued: READY. Django's `task_enqueued`.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct TaskEnqueued(pub TaskResult);

/// An attempt starts: RUNNING, its worker appended. Django's `task_started`.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct TaskStarted(pub TaskResult);

/// A job has ended: SUCCESSFUL or FAILED. Django's `task_finished`.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct TaskFinished(pub TaskResult);

/// An attempt has run for longer than its backend expects ([`Backend::stuck_after`](crate::Backend::stuck_after)), and still
/// runs. Told once of each attempt.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct TaskStuck(pub TaskResult);
