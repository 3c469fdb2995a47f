//! Runs one attempt: polled once in place, and only if that was not enough a task of its own.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use callboard_tasks::{
    AttemptLog, Board, CancelReason, Cancellation, Ending, Failure, JobId, JobSpec, Json, Outcome, Run, TaskContext,
    Timestamp,
};
use futures::future::LocalBoxFuture;
use parking_lot::Mutex;

use super::desk::{Desk, DeskBoard};
use super::record::{Facts, ending};
use super::turn::Turn;
use super::worker::Slot;
use crate::counts::Ended;
use crate::panics::{contain, drop_contained};
use crate::threads::Threads;
use crate::timers::Timer;

/// How long an attempt that listens may take to end after it was told to.
const COOPERATION: Duration = Duration::from_secs(5);

/// How long after its timeout an attempt that can be ended should have.
const OVERRUN_AFTER: Duration = Duration::from_millis(100);

/// An attempt under way, as those see it who may tell it to stop.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) id: JobId,
    pub(crate) run: u64,
    pub(crate) spec: Arc<JobSpec>,
    pub(crate) since: Instant,
    /// Whether it was reported to run for too long.
    pub(crate) reported: AtomicBool,
    cancellation: Arc<Cancellation>,
    /// Told when patience has ended: the attempt is dropped where it stands.
    forced: Cancellation,
    timers: Mutex<Vec<Timer>>,
}

impl Running {
    /// Tells the attempt to stop. One that has never asked whether it should is dropped at once, as is one past
    /// its timeout; one that listens gets a little time.
    pub(crate) fn tell(self: &Arc<Self>, reason: CancelReason, threads: &Threads) {
        if !self.cancellation.tell(reason) {
            return;
        }
        let patient =
            self.cancellation.is_observed() && matches!(reason, CancelReason::Cancelled | CancelReason::Shutdown);
        if patient {
            let attempt = Arc::downgrade(self);
            self.timers.lock().push(threads.after(COOPERATION, move || {
                if let Some(attempt) = attempt.upgrade() {
                    attempt.forced.tell(reason);
                }
            }));
        } else {
            self.forced.tell(reason);
        }
    }

    /// Tells the attempt when its timeout has passed. If it has not ended a little later, because nobody can end
    /// it from outside, its job is shown as cancelling.
    fn time_out_after(self: &Arc<Self>, limit: Duration, desk: &Arc<Desk>) {
        self.later(limit, desk, move |attempt, desk| {
            attempt.tell(CancelReason::Timeout(limit), &desk.hub.threads);
            attempt.later(OVERRUN_AFTER, desk, |attempt, desk| desk.note_overrun(attempt.id, attempt.run));
        });
    }

    /// Does something after a pause, unless the attempt has ended by then.
    fn later(
        self: &Arc<Self>,
        pause: Duration,
        desk: &Arc<Desk>,
        work: impl FnOnce(&Arc<Self>, &Arc<Desk>) + Send + 'static,
    ) {
        let (attempt, weak) = (Arc::downgrade(self), Arc::downgrade(desk));
        self.timers.lock().push(desk.hub.threads.after(pause, move || {
            if let (Some(attempt), Some(desk)) = (attempt.upgrade(), weak.upgrade()) {
                work(&attempt, &desk);
            }
        }));
    }
}

/// What an attempt knows of itself until its end.
struct Attempt {
    desk: Arc<Desk>,
    spec: Arc<JobSpec>,
    run: u64,
    attempt: u32,
    max_attempts: u32,
    started_at: Timestamp,
    cancellation: Arc<Cancellation>,
    log: Arc<AttemptLog>,
    running: Option<Arc<Running>>,
    ended: bool,
}

impl Attempt {
    /// Reports how it ended. Once: an attempt that is dropped unended goes back to the store.
    fn end(&mut self, result: Result<Json, Failure>) {
        let facts = Facts {
            spec: &self.spec,
            attempt: self.attempt,
            max_attempts: self.max_attempts,
            told: self.cancellation.reason(),
            now: self.desk.hub.clock.now(),
            custom_backoff: self.desk.hub.custom_backoff(&self.spec),
        };
        let ending = ending(result, facts);
        log_retry(&self.desk, &ending, facts);
        let ended = Ended { spec: &self.spec, attempt: self.attempt, started_at: self.started_at, now: facts.now };
        self.desk.hub.counts.ended(&self.desk.alias, &ended, &ending);
        self.ended = true;
        let outcome = Outcome {
            id: self.spec.id,
            run: self.run,
            started_at: Some(self.started_at),
            ending,
            logs: self.log.take(),
        };
        self.desk.limited.ends_in(&self.spec.queue);
        self.desk.ended(outcome, &self.spec.queue, self.running.is_some());
    }

    /// Makes itself known, so that it can be told to stop.
    fn register(&mut self) -> Arc<Running> {
        let running = Arc::new(Running {
            id: self.spec.id,
            run: self.run,
            spec: Arc::clone(&self.spec),
            since: Instant::now(),
            reported: AtomicBool::new(false),
            cancellation: Arc::clone(&self.cancellation),
            forced: Cancellation::default(),
            timers: Mutex::default(),
        });
        if let Some(limit) = self.spec.timeout {
            running.time_out_after(limit, &self.desk);
        }
        self.desk.register(&running);
        self.running = Some(Arc::clone(&running));
        running
    }
}

/// A failure that is not the last one would show nowhere but in the job's record.
fn log_retry(desk: &Desk, ending: &Ending, facts: Facts<'_>) {
    if let Ending::Retry { at, error } = ending {
        let message = desk.hub.shown_text(facts.spec, &error.message);
        tracing::warn!(target: "callboard::tasks", id = %facts.spec.id, task = %facts.spec.task,
            attempt = facts.attempt, max_attempts = facts.max_attempts, class = %error.exception_class,
            error = %message, next = %at, "attempt failed; it will be tried again");
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.ended {
            self.end(Err(Failure::hand_back()));
        }
    }
}

/// Starts the attempt of a turn, on the worker's own thread or on the pool.
pub(super) fn start(desk: &Arc<Desk>, slot: &Arc<Slot>, turn: Turn) {
    let Some(task) = desk.hub.registry.get(&turn.spec.task) else {
        // A claim gives only what this process has registered; what it gives beyond that goes back.
        return Attempt::of(desk, &turn).end(Err(Failure::hand_back()));
    };
    match task.run {
        Run::Async(function) => start_async(desk, slot, &turn, function),
        Run::Blocking(function) => {
            if let Some(turn) = desk.blocking_slot(turn) {
                start_blocking(desk, &turn, function);
            }
        }
    }
}

impl Attempt {
    fn of(desk: &Arc<Desk>, turn: &Turn) -> Self {
        Self {
            desk: Arc::clone(desk),
            spec: Arc::clone(&turn.spec),
            run: turn.run,
            attempt: turn.attempt,
            max_attempts: turn.max_attempts,
            started_at: desk.hub.clock.now(),
            cancellation: Arc::default(),
            log: Arc::new(AttemptLog::new(desk.hub.clock.clone())),
            running: None,
            ended: false,
        }
    }

    /// The attempt, unless it is over before it starts: cancelled while it waited, or past its expiry.
    fn begin(desk: &Arc<Desk>, turn: &Turn) -> Option<Self> {
        let mut attempt = Self::of(desk, turn);
        if turn.spec.expires_at.is_some_and(|at| at <= attempt.started_at) {
            // The store ends it as expired when it is next claimed.
            attempt.end(Err(Failure::hand_back()));
            desk.look_for_work();
            return None;
        }
        if desk.was_cancelled(turn.spec.id, turn.run) {
            attempt.end(Err(Failure::cancelled()));
            return None;
        }
        desk.announce_start(turn);
        Some(attempt)
    }

    fn context(&self) -> TaskContext {
        let deadline = self.spec.timeout.and_then(|limit| {
            let limit = jiff::SignedDuration::try_from(limit).ok()?;
            self.started_at.checked_add(limit).ok()
        });
        let board: Arc<dyn Board> = Arc::clone(self.desk.board()) as _;
        let (spec, data) = (Arc::clone(&self.spec), Arc::clone(&self.desk.hub.data));
        let context =
            TaskContext::new(spec, self.attempt, self.run, deadline, Arc::clone(&self.cancellation), data, board);
        context.with_log(Arc::clone(&self.log))
    }
}

type AsyncFunction = fn(TaskContext) -> LocalBoxFuture<'static, Result<Json, Failure>>;

fn start_async(desk: &Arc<Desk>, slot: &Arc<Slot>, turn: &Turn, function: AsyncFunction) {
    let Some(mut attempt) = Attempt::begin(desk, turn) else { return };
    let mut future = function(attempt.context());
    // With a timeout it must be known before the first poll, which may be the one that never returns.
    let early = attempt.spec.timeout.map(|_| attempt.register());
    match poll_once(slot, &attempt.spec, &mut future, &mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => {
            drop_contained(future);
            attempt.end(result);
        }
        Poll::Pending => {
            let running = early.unwrap_or_else(|| attempt.register());
            let slot = Arc::clone(slot);
            actix_rt::spawn(async move {
                let result = run_on(&slot, &attempt, &running, &mut future).await;
                drop_contained(future);
                attempt.end(result);
            });
        }
    }
}

/// Polls an attempt to its end, or until patience with it has ended.
async fn run_on(
    slot: &Slot,
    attempt: &Attempt,
    running: &Running,
    future: &mut LocalBoxFuture<'static, Result<Json, Failure>>,
) -> Result<Json, Failure> {
    poll_fn(|cx| match poll_once(slot, &attempt.spec, future, cx) {
        Poll::Ready(result) => Poll::Ready(result),
        // What it was told decides how it ends; the value here is of no consequence.
        Poll::Pending => running.forced.poll_told(cx).map(|_| Err(Failure::hand_back())),
    })
    .await
}

fn poll_once(
    slot: &Slot,
    spec: &Arc<JobSpec>,
    future: &mut LocalBoxFuture<'static, Result<Json, Failure>>,
    cx: &mut Context<'_>,
) -> Poll<Result<Json, Failure>> {
    slot.polling(spec, || contain(|| future.as_mut().poll(cx))).unwrap_or_else(|panic| Poll::Ready(Err(panic)))
}

type SyncFunction = fn(TaskContext) -> Result<Json, Failure>;

fn start_blocking(desk: &Arc<Desk>, turn: &Turn, function: SyncFunction) {
    match Attempt::begin(desk, turn) {
        None => start_next_blocking(desk, desk.next_blocking()),
        Some(mut attempt) => {
            attempt.register();
            let desk = Arc::clone(desk);
            let threads = Arc::clone(&desk.hub);
            // A pool that has stopped drops the closure, and with it the attempt, which so goes back.
            threads.threads.run_blocking(move || {
                let context = attempt.context();
                let result = contain(|| function(context)).and_then(|result| result);
                // First the permit for the next one, then the end of this: nobody comes in between.
                let next = desk.next_blocking();
                attempt.end(result);
                start_next_blocking(&desk, next);
            });
        }
    }
}

/// Starts the sync function that has waited longest for a thread of the pool.
fn start_next_blocking(desk: &Arc<Desk>, next: Option<Turn>) {
    let Some(turn) = next else { return };
    match desk.hub.registry.get(&turn.spec.task).map(|task| task.run) {
        Some(Run::Blocking(function)) => start_blocking(desk, &turn, function),
        _ => unreachable!("only sync functions wait for the pool"),
    }
}

/// The board of this backend's attempts.
impl DeskBoard {
    pub(crate) fn desk(&self) -> Option<Arc<Desk>> {
        self.0.upgrade()
    }
}
