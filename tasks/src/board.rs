//! Where calls go: what a task and a result need of a board, without knowing its actors.

use std::any::{Any, TypeId};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use crate::{AnyCall, Error, Job, JobId, Progress, Redaction, WaitError};

/// A place to enqueue calls at and to ask for their results. The runtime's handle is one.
pub trait Board: Send + Sync + 'static {
    /// Checks a call and enqueues it. `Ok` means that the backend has committed it.
    ///
    /// # Errors
    ///
    /// See [`Error`]; nothing was enqueued then.
    fn enqueue(&self, call: AnyCall) -> BoxFuture<'_, Result<Snapshot, Error>>;

    /// The job as of now; `backend` names the backend, else all are asked, `default` first.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Pruned`], or that of the backend.
    fn get(&self, id: JobId, backend: Option<Arc<str>>) -> BoxFuture<'_, Result<Snapshot, Error>>;

    /// Waits until the job has finished or changed, at most as long as `timeout`.
    ///
    /// # Errors
    ///
    /// [`WaitError::Timeout`] if it did not; what [`get`](Self::get) gives if there is no such job.
    fn wait(
        &self,
        id: JobId,
        backend: Option<Arc<str>>,
        until: WaitFor,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<Snapshot, WaitError>>;

    /// Takes note of how far an attempt has come.
    fn report(&self, id: JobId, run: u64, progress: Progress);

    /// What of a job of this task is not shown. A board that cannot say so asks the tasks that are linked into the program.
    fn redaction(&self, task: &str) -> Redaction {
        Redaction::linked(task)
    }

    /// A value that the board itself supplies as application data: its own handle.
    fn provide(&self, key: TypeId) -> Option<Arc<dyn Any + Send + Sync>>;
}

/// A job as of now with the alias of the backend that holds it: what a [`Board`] answers with.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// The alias of the backend.
    pub backend: Arc<str>,
    /// The job.
    pub job: Job,
    /// Whether an enqueue found this job instead of making it.
    pub duplicate: bool,
    /// Whether an enqueue did nothing because the same request had made this job before: see
    /// [`Idempotency`](crate::Idempotency). The job is then as it was when it was enqueued.
    pub replayed: bool,
}

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitFor {
    /// The end of the job.
    Finished,
    /// A version larger than this one, or the end.
    ChangeAfter(u64),
}

impl WaitFor {
    /// Whether a job of this version and phase is what was waited for.
    #[must_use]
    pub const fn is_met(self, job: &Job) -> bool {
        match self {
            Self::Finished => job.state.phase.is_finished(),
            Self::ChangeAfter(version) => job.state.version > version || job.state.phase.is_finished(),
        }
    }
}
