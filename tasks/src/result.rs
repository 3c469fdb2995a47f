//! The result of an enqueued call, as users see a job.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    Board, Error, Job, JobId, JobSpec, JobState, Json, LogLine, Phase, Progress, Redaction, Snapshot, Status,
    TaskError, TaskOutput, WaitError, WaitFor, WorkerId,
};

/// A snapshot of an enqueued call: nothing changes in it until [`refresh`](Self::refresh) or [`wait`](Self::wait).
///
/// `T` is what the task returns; results of unknown tasks have `T = Value`.
#[derive(Clone)]
pub struct TaskResult<T = Value> {
    board: Option<Arc<dyn Board>>,
    snapshot: Snapshot,
    value: Option<T>,
}

/// Why a result has no return value to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoReturnValue {
    /// It may still get one.
    #[error("the task has not finished yet")]
    NotFinished,
    /// It never will: see [`TaskResult::errors`].
    #[error("the task failed ({0})")]
    Failed(Phase),
}

impl<T: TaskOutput> TaskResult<T> {
    /// A result from what a board or a store said. `board` is asked by `refresh` and `wait`.
    ///
    /// # Errors
    ///
    /// [`Error::ReturnType`] if the stored return value is not a `T`.
    pub fn new(board: Option<Arc<dyn Board>>, snapshot: Snapshot) -> Result<Self, Error> {
        let value = value(&snapshot.job.spec, &snapshot.job.state)?;
        Ok(Self { board, snapshot, value })
    }

    /// Reads the job again. The id, the task, its arguments and its backend never change.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] or [`Error::Pruned`] if the job is gone, [`Error::Unsupported`] if the backend keeps
    /// no results; the snapshot stays as it was.
    pub async fn refresh(&mut self) -> Result<(), Error> {
        let board = self.board()?;
        let snapshot = board.get(self.id(), Some(Arc::clone(&self.snapshot.backend))).await?;
        self.replace(snapshot)
    }

    /// Waits until the job has finished, at most as long as `timeout`, and gives the finished result.
    ///
    /// # Errors
    ///
    /// [`WaitError::Timeout`] past its time; the job goes on.
    pub async fn wait(mut self, timeout: Duration) -> Result<Self, WaitError> {
        if !self.is_finished() {
            let board = self.board()?;
            let backend = Some(Arc::clone(&self.snapshot.backend));
            let snapshot = board.wait(self.id(), backend, WaitFor::Finished, timeout).await?;
            self.replace(snapshot)?;
        }
        Ok(self)
    }

    /// Takes over what can change in the life of a job, and nothing else; all of it or, on an error, none.
    fn replace(&mut self, snapshot: Snapshot) -> Result<(), Error> {
        let Job { mut spec, state } = snapshot.job;
        let old = &self.snapshot.job.spec;
        if (spec.id, &spec.task, &spec.args) != (old.id, &old.task, &old.args) {
            let JobSpec { id, task, args, .. } = JobSpec::clone(old);
            spec = Arc::new(JobSpec { id, task, args, ..JobSpec::clone(&spec) });
        }
        self.value = value(&spec, &state)?;
        self.snapshot.job = Job { spec, state };
        Ok(())
    }

    fn board(&self) -> Result<Arc<dyn Board>, Error> {
        self.board.clone().ok_or_else(|| Error::Unsupported {
            alias: self.snapshot.backend.to_string(),
            what: "retrieving or refreshing results",
        })
    }
}

/// The stored return value as a `T`.
fn value<T: TaskOutput>(spec: &JobSpec, state: &JobState) -> Result<Option<T>, Error> {
    let value = state.return_value.as_ref().map(Json::get).transpose();
    value.map_err(|source| Error::ReturnType { id: spec.id, source })
}

impl<T> TaskResult<T> {
    /// The same result of a task of any kind: its return value is any JSON.
    ///
    /// # Errors
    ///
    /// [`Error::ReturnType`] if the stored return value is no JSON, which cannot be.
    pub fn erase(self) -> Result<TaskResult, Error> {
        TaskResult::new(self.board, self.snapshot)
    }

    /// The id of the job.
    #[must_use]
    pub fn id(&self) -> JobId {
        self.snapshot.job.id()
    }

    /// The full name of its task.
    #[must_use]
    pub fn task(&self) -> &str {
        &self.snapshot.job.spec.task
    }

    /// One of Django's four.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.snapshot.job.status()
    }

    /// The detail behind the status.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.snapshot.job.state.phase
    }

    /// Whether nothing more will happen by itself.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        self.status().is_finished()
    }

    /// When it was enqueued.
    #[must_use]
    pub fn enqueued_at(&self) -> Timestamp {
        self.snapshot.job.spec.enqueued_at
    }

    /// When its first attempt started.
    #[must_use]
    pub const fn started_at(&self) -> Option<Timestamp> {
        self.snapshot.job.state.started_at
    }

    /// When its latest attempt started.
    #[must_use]
    pub const fn last_attempted_at(&self) -> Option<Timestamp> {
        self.snapshot.job.state.last_attempted_at
    }

    /// When it ended.
    #[must_use]
    pub const fn finished_at(&self) -> Option<Timestamp> {
        self.snapshot.job.state.finished_at
    }

    /// Its arguments, by name.
    #[must_use]
    pub fn args(&self) -> Value {
        self.snapshot.job.spec.args.to_value()
    }

    /// The alias of its backend.
    #[must_use]
    pub fn backend(&self) -> &str {
        &self.snapshot.backend
    }

    /// Its queue.
    #[must_use]
    pub fn queue(&self) -> &str {
        &self.snapshot.job.spec.queue
    }

    /// Its priority, -100..=100.
    #[must_use]
    pub fn priority(&self) -> i8 {
        self.snapshot.job.spec.priority
    }

    /// One record for each failed attempt, oldest first; the last 20.
    #[must_use]
    pub fn errors(&self) -> &[TaskError] {
        self.snapshot.job.state.errors()
    }

    /// What its attempts wrote to their log ([`TaskContext::log`](crate::TaskContext::log)), oldest first; the last 100
    /// lines. Those of an attempt that runs come when it ends.
    #[must_use]
    pub fn logs(&self) -> &[LogLine] {
        self.snapshot.job.state.logs()
    }

    /// The job as it may be shown: without the secrets among its arguments, wherever these stand; see
    /// [`Redaction`](crate::Redaction). What is stored, and what all other methods give, is whole.
    #[must_use]
    pub fn shown(&self) -> Snapshot {
        let task = self.task();
        let redaction = self.board.as_ref().map_or_else(|| Redaction::linked(task), |board| board.redaction(task));
        redaction.masked(self.snapshot.clone())
    }

    /// The worker process of each attempt, oldest first; the last 20.
    #[must_use]
    pub fn worker_ids(&self) -> &[WorkerId] {
        self.snapshot.job.state.worker_ids()
    }

    /// Attempts that have started; a running first attempt counts 1.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.snapshot.job.state.attempts
    }

    /// Attempts allowed in all.
    #[must_use]
    pub const fn max_attempts(&self) -> u32 {
        self.snapshot.job.state.max_attempts
    }

    /// How far it says it has come; `None` if it never said.
    #[must_use]
    pub const fn progress(&self) -> Option<Progress> {
        self.snapshot.job.state.progress
    }

    /// Its labels.
    #[must_use]
    pub fn tags(&self) -> &[String] {
        &self.snapshot.job.spec.tags
    }

    /// What its enqueuer attached: a JSON object, or `None`.
    #[must_use]
    pub fn metadata(&self) -> Option<Value> {
        self.snapshot.job.spec.metadata.as_ref().map(Json::to_value)
    }

    /// Whether the enqueue found an earlier job of the same unique key instead of making one.
    #[must_use]
    pub const fn is_duplicate(&self) -> bool {
        self.snapshot.duplicate
    }

    /// Whether the enqueue made nothing, because the same request had made this job before; see
    /// [`Idempotency`](crate::Idempotency).
    #[must_use]
    pub const fn is_replayed(&self) -> bool {
        self.snapshot.replayed
    }

    /// What the function returned.
    ///
    /// # Errors
    ///
    /// [`NoReturnValue`] says whether it is too early or too late for one.
    pub fn return_value(&self) -> Result<&T, NoReturnValue> {
        match (&self.value, self.is_finished()) {
            (Some(value), true) => Ok(value),
            (None, true) => Err(NoReturnValue::Failed(self.phase())),
            (_, false) => Err(NoReturnValue::NotFinished),
        }
    }

    /// The job behind it.
    #[must_use]
    pub const fn job(&self) -> &Job {
        &self.snapshot.job
    }

    /// The job behind it, with its backend.
    #[must_use]
    pub const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }
}

/// Equal if they say the same of the same job.
impl<T> PartialEq for TaskResult<T> {
    fn eq(&self, other: &Self) -> bool {
        self.snapshot == other.snapshot
    }
}

impl<T> fmt::Debug for TaskResult<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let job = &self.snapshot.job;
        write!(f, "TaskResult({} {} {})", job.spec.task, job.id(), job.state.phase)
    }
}
