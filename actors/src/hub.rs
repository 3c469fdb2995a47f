//! What all parts of a board share, and how its events are told.

use std::borrow::Cow;
use std::future::Future;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use callboard_tasks::{
    Board, Clock, CustomBackoff, DataMap, Event, EventKind, JobSpec, Phase, Redaction, Registry, Snapshot, Status,
    TaskResult,
};
use futures::future::{Either, select};
use tokio::sync::Notify;
use tracing::{debug, error, info};

use crate::Callboard;
use crate::budget::Budget;
use crate::counts::Counts;
use crate::events::Events;
use crate::prepare::{Parts, Prepares};
use crate::threads::Threads;
use crate::weak::WeakBoard;

/// What all parts of a board share.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) threads: Threads,
    pub(crate) events: Events,
    pub(crate) counts: Counts,
    pub(crate) clock: Clock,
    pub(crate) registry: Registry,
    pub(crate) data: Arc<DataMap>,
    pub(crate) prepares: Prepares,
    pub(crate) parts: Parts,
    /// A shutdown is about to begin.
    pub(crate) leaving: AtomicBool,
    pub(crate) draining: AtomicBool,
    /// Rings when a shutdown begins.
    pub(crate) drains: Notify,
    /// How many attempts it may still start.
    pub(crate) budget: Budget,
    board: OnceLock<Arc<WeakBoard>>,
}

impl Hub {
    pub(crate) fn new(
        threads: Threads,
        clock: Clock,
        registry: Registry,
        data: DataMap,
        budget: Budget,
        prepares: Prepares,
        parts: Parts,
    ) -> Self {
        Self {
            threads,
            events: Events::default(),
            counts: Counts::default(),
            clock,
            registry,
            data: Arc::new(data),
            prepares,
            parts,
            leaving: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            drains: Notify::new(),
            budget,
            board: OnceLock::new(),
        }
    }

    /// Tells the parts about the whole, once it stands.
    pub(crate) fn introduce(&self, board: &Callboard) {
        let _ = self.board.set(Arc::new(WeakBoard::new(Arc::downgrade(&board.0))));
    }

    /// The handle of the board, while anybody holds one.
    pub(crate) fn handle(&self) -> Option<Callboard> {
        self.board.get()?.upgrade().map(Callboard)
    }

    /// The board, for whoever must not keep it alive.
    pub(crate) fn weak_board(&self) -> Option<Arc<dyn Board>> {
        self.board.get().map(|board| Arc::clone(board) as Arc<dyn Board>)
    }

    /// Whether nobody holds the board any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.board.get().is_some_and(|board| board.is_gone())
    }

    /// Awaits something at most as long as `limit`, on any runtime.
    pub(crate) async fn within<F: Future>(&self, limit: Duration, work: F) -> Option<F::Output> {
        let (ring, alarm) = tokio::sync::oneshot::channel();
        let _timer = self.threads.after(limit, move || {
            let _ = ring.send(());
        });
        let work = std::pin::pin!(work);
        match select(work, alarm).await {
            Either::Left((answer, _)) => Some(answer),
            Either::Right((Ok(()), _)) => None,
            // The timers' thread has ended with the board; whoever waits now waits without a limit no longer.
            Either::Right((Err(_), _)) => None,
        }
    }

    /// Logs an event and sends it to whoever wants it. Only to be called after the commit that made it true.
    pub(crate) fn announce(&self, kind: EventKind, snapshot: &Snapshot) {
        self.log_event(kind, snapshot);
        if !self.events.wants(kind) {
            return;
        }
        // An event that nobody has heard yet must not keep the board alive.
        if let Ok(result) = TaskResult::new(self.weak_board(), snapshot.clone()) {
            let event =
                Event { kind, backend: snapshot.backend.to_string(), job: snapshot.job.clone(), at: self.clock.now() };
            self.events.send(&event, &result);
        }
    }
}

/// Whether anybody reads the line of an event: through `tracing`, or through `log`, of which `event_enabled!` knows
/// nothing. A job in that status is then worth a snapshot.
pub(crate) fn is_logged(kind: EventKind, status: Status) -> bool {
    macro_rules! is_read {
        ($tracing:ident, $log:ident) => {
            tracing::event_enabled!(target: "callboard::tasks", tracing::Level::$tracing)
                || log::log_enabled!(target: "callboard::tasks", log::Level::$log)
        };
    }
    match (kind, status) {
        (EventKind::Enqueued, _) => is_read!(DEBUG, Debug),
        (EventKind::Finished, Status::Failed) => is_read!(ERROR, Error),
        (EventKind::Started | EventKind::Finished, _) => is_read!(INFO, Info),
        (EventKind::Stuck, _) => false,
    }
}

impl Hub {
    /// The task's own pause after a failed attempt, unless the call that made the job has one of its own.
    pub(crate) fn custom_backoff(&self, spec: &JobSpec) -> Option<CustomBackoff> {
        let options = self.registry.get(&spec.task)?.options;
        options.custom_backoff.filter(|_| spec.retry.backoff == options.backoff)
    }

    /// A text about a job of a task of this process, without the secrets among its arguments.
    pub(crate) fn shown_text<'a>(&self, spec: &JobSpec, text: &'a str) -> Cow<'a, str> {
        let redaction = self.registry.get(&spec.task).map_or(Redaction::Usual, Redaction::of);
        redaction.masked_text(&spec.args, text)
    }

    /// Django's log lines: enqueued at DEBUG, started and finished at INFO, failed at ERROR.
    fn log_event(&self, kind: EventKind, snapshot: &Snapshot) {
        let (job, spec) = (&snapshot.job, &snapshot.job.spec);
        match kind {
            EventKind::Enqueued => debug!(target: "callboard::tasks", id = %spec.id, task = %spec.task,
                backend = %snapshot.backend, "task enqueued"),
            EventKind::Started => info!(target: "callboard::tasks", id = %spec.id, task = %spec.task,
                state = %job.status(), "task started"),
            // What somebody wanted is no error.
            EventKind::Finished if job.state.phase == Phase::Cancelled => {
                info!(target: "callboard::tasks", id = %spec.id, task = %spec.task, state = %job.status(),
                    phase = %job.state.phase, "task finished");
            }
            EventKind::Finished if job.status() == Status::Failed => {
                let last = job.state.errors().last().map_or("", |error| error.message.as_str());
                let error = self.shown_text(spec, last);
                error!(target: "callboard::tasks", id = %spec.id, task = %spec.task, state = %job.status(),
                    phase = %job.state.phase, error = &*error, "task finished");
            }
            EventKind::Finished => info!(target: "callboard::tasks", id = %spec.id, task = %spec.task,
                state = %job.status(), "task finished"),
            // Whoever finds it out logs it, with how long the attempt has run.
            EventKind::Stuck => {}
        }
    }
}
