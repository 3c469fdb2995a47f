//! What an attempt can know of itself and ask of the board.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde::de::DeserializeOwned;

use crate::{Board, Call, Clock, DataMap, Error, Failure, JobId, JobSpec, LogLine, Progress, Task, TaskResult};

/// The attempt that a task runs in, as a parameter: `context: TaskContext` or `context: &TaskContext`.
///
/// A clone is cheap and speaks of the same attempt.
#[derive(Clone)]
pub struct TaskContext(Arc<Inner>);

struct Inner {
    spec: Arc<JobSpec>,
    attempt: u32,
    run: u64,
    deadline: Option<Timestamp>,
    cancellation: Arc<Cancellation>,
    data: Arc<DataMap>,
    board: Arc<dyn Board>,
    log: Arc<AttemptLog>,
}

/// What one attempt writes to its log, until the job takes it over.
#[derive(Default)]
pub struct AttemptLog {
    clock: Clock,
    lines: Mutex<VecDeque<LogLine>>,
}

impl AttemptLog {
    /// A log whose lines have the time of `clock`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, lines: Mutex::default() }
    }

    /// The lines so far, oldest first, which are gone from here; the last [`LogLine::KEPT`].
    #[must_use]
    pub fn take(&self) -> Vec<LogLine> {
        std::mem::take(&mut *self.lines.lock()).into()
    }

    fn write(&self, attempt: u32, message: &str) {
        let line = LogLine::new(message, attempt, self.clock.now());
        let mut lines = self.lines.lock();
        if lines.len() == LogLine::KEPT {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

impl fmt::Debug for AttemptLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AttemptLog({} lines)", self.lines.lock().len())
    }
}

impl TaskContext {
    /// The context of one attempt: made by runtimes and testing kits.
    ///
    /// `attempt` counts from 1; `run` is the fence of the claim.
    #[must_use]
    pub fn new(
        spec: Arc<JobSpec>,
        attempt: u32,
        run: u64,
        deadline: Option<Timestamp>,
        cancellation: Arc<Cancellation>,
        data: Arc<DataMap>,
        board: Arc<dyn Board>,
    ) -> Self {
        let log = Arc::default();
        Self(Arc::new(Inner { spec, attempt, run, deadline, cancellation, data, board, log }))
    }

    /// Writes to this log from now on; for who makes the context, before anybody else has it.
    #[must_use]
    pub fn with_log(mut self, log: Arc<AttemptLog>) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.log = log;
        }
        self
    }

    /// The id of the job.
    #[must_use]
    pub fn job_id(&self) -> JobId {
        self.0.spec.id
    }

    /// What the job was enqueued with.
    #[must_use]
    pub fn job(&self) -> &JobSpec {
        &self.0.spec
    }

    /// Which attempt this is, counted from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.0.attempt
    }

    /// The number of the claim that this attempt runs under: larger than that of any earlier run of the job.
    #[must_use]
    pub fn run(&self) -> u64 {
        self.0.run
    }

    /// When the attempt will be timed out; `None` is never.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        self.0.deadline
    }

    /// Whether the attempt has been told to stop: cancelled, past its timeout, or interrupted by a shutdown.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancellation.observe();
        self.0.cancellation.reason().is_some()
    }

    /// Ends when the attempt is told to stop. An attempt that goes on is dropped a little later.
    pub fn cancelled(&self) -> impl Future<Output = CancelReason> + Send + 'static {
        self.0.cancellation.observe();
        Cancelled(Arc::clone(&self.0.cancellation))
    }

    /// Says how far the attempt has come; readers see it within half a second.
    pub fn progress(&self, done: u64, total: u64) {
        self.0.board.report(self.0.spec.id, self.0.run, Progress { done, total });
    }

    /// Writes a line to the log of the process, with the task and the job beside it, and to the log that is kept with the
    /// job: [`TaskResult::logs`], at most 2 KiB of each line, the last 100 lines. The latter is written when the attempt
    /// ends. Secrets among the arguments ([`Redaction`](crate::Redaction)) are left out of the process's log, and whenever a job is shown.
    pub fn log(&self, message: impl fmt::Display) {
        let (spec, message) = (&self.0.spec, message.to_string());
        let shown = self.0.board.redaction(&spec.task);
        tracing::info!(target: "callboard::tasks", task = %spec.task, job = %spec.id, attempt = self.0.attempt,
            "{}", shown.masked_text(&spec.args, &message));
        self.0.log.write(self.0.attempt, &message);
    }

    /// What the enqueuer attached, as a `T`; `None` if nothing was attached.
    ///
    /// # Errors
    ///
    /// Serde's, where the metadata is not a `T`.
    pub fn metadata<T: DeserializeOwned>(&self) -> Result<Option<T>, serde_json::Error> {
        self.0.spec.metadata.as_ref().map(crate::Json::get).transpose()
    }

    /// The application data of that type.
    #[must_use]
    pub fn data<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.0.data.get().or_else(|| {
            let value = self.0.board.provide(std::any::TypeId::of::<T>())?;
            value.downcast().ok()
        })
    }

    /// Enqueues another call on the board that runs this one, in the same trace.
    ///
    /// # Errors
    ///
    /// As enqueueing anywhere: see [`Error`].
    pub async fn enqueue<T: Task>(&self, call: Call<T>) -> Result<TaskResult<T::Output>, Error> {
        let mut call = call.erase();
        if call.options.traceparent.is_none() {
            call.options.traceparent.clone_from(&self.0.spec.traceparent);
        }
        let placed = self.0.board.enqueue(call).await?;
        TaskResult::new(Some(Arc::clone(&self.0.board)), placed)
    }

    /// The stored arguments as the task's own struct.
    #[doc(hidden)]
    pub fn arguments<A: DeserializeOwned>(&self) -> Result<A, Failure> {
        self.0.spec.args.get().map_err(|error| Failure::bad_arguments(&error))
    }
}

impl fmt::Debug for TaskContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskContext({} {} attempt {})", self.0.spec.task, self.0.spec.id, self.0.attempt)
    }
}

/// Why an attempt is told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelReason {
    /// Somebody cancelled the job.
    Cancelled,
    /// The attempt is past its timeout.
    Timeout(Duration),
    /// The process is shutting down; the job goes back and runs again elsewhere or later.
    Shutdown,
    /// The process has lost its lease: another one may be running the job.
    LeaseLost,
}

/// Tells one attempt to stop; told once, it stays told, and the first reason counts.
#[derive(Default)]
pub struct Cancellation {
    told: AtomicU8,
    observed: AtomicBool,
    state: Mutex<(Option<CancelReason>, Vec<Waker>)>,
}

impl Cancellation {
    /// Tells it. Whether this was the first time.
    pub fn tell(&self, reason: CancelReason) -> bool {
        let wakers = {
            let mut state = self.state.lock();
            if state.0.is_some() {
                return false;
            }
            state.0 = Some(reason);
            self.told.store(1, Ordering::Release);
            std::mem::take(&mut state.1)
        };
        wakers.into_iter().for_each(Waker::wake);
        true
    }

    /// Why it was told to stop; `None` while it was not.
    #[must_use]
    pub fn reason(&self) -> Option<CancelReason> {
        if self.told.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.state.lock().0
    }

    /// Whether the attempt has ever asked whether it should stop. One that has not gains nothing from patience.
    #[must_use]
    pub fn is_observed(&self) -> bool {
        self.observed.load(Ordering::Acquire)
    }

    fn observe(&self) {
        self.observed.store(true, Ordering::Release);
    }

    /// Ready once it was told; else wakes the caller when it is.
    pub fn poll_told(&self, cx: &mut Context<'_>) -> Poll<CancelReason> {
        let mut state = self.state.lock();
        if let Some(reason) = state.0 {
            return Poll::Ready(reason);
        }
        if !state.1.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.1.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl fmt::Debug for Cancellation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cancellation({:?})", self.reason())
    }
}

struct Cancelled(Arc<Cancellation>);

impl Future for Cancelled {
    type Output = CancelReason;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CancelReason> {
        self.0.poll_told(cx)
    }
}
