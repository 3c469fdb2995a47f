//! What the board can say of its own state, for operators and their machines.

use std::time::Duration;

use callboard_tasks::{JobId, WorkerId};

/// How long all workers may be blocked by user code before the board is not ready.
const STUCK_AFTER: Duration = Duration::from_secs(30);

/// The state of a board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Whether the coordination thread answered within a second.
    pub coordination: bool,
    /// Whether every Heart has beaten lately.
    pub heart: bool,
    /// Whether the board is shutting down, or is [about to](crate::Callboard::announce_shutdown).
    pub draining: bool,
    /// Events that were dropped because their receiver was too slow.
    pub dropped_events: u64,
    /// Each backend, `default` first.
    pub backends: Vec<BackendHealth>,
    /// What the program has added by [`Builder::part`](crate::Builder::part); their problems are warnings.
    pub parts: Vec<PartHealth>,
}

impl Health {
    /// Whether the process should be left alone: its own threads answer. User code that blocks does not count.
    #[must_use]
    pub const fn is_alive(&self) -> bool {
        self.coordination && self.heart
    }

    /// Whether new work should be sent here: alive, not shutting down, each store answers, each lease is held,
    /// no backend is degraded, schedules fire in time, and not all workers of one are blocked for longer than 30 s.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.is_alive() && !self.draining && self.backends.iter().all(BackendHealth::is_ready)
    }
}

/// The state of something that the board does not know, such as a mailer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartHealth {
    /// What it is called: `mailer:default`.
    pub name: String,
    /// What is wrong with it; `None` if nothing is.
    pub problem: Option<String>,
}

/// The state of one backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendHealth {
    /// Its alias.
    pub alias: String,
    /// `immediate`, `dummy`, `memory`, `store` or `custom`.
    pub kind: &'static str,
    /// Whether the store answered, or what it said.
    pub store: Result<(), String>,
    /// Whether the lease of this process is held.
    pub lease: bool,
    /// Which part of it has given up, if one has.
    pub degraded: Option<String>,
    /// Which schedules are not fired in time, if any are not: for more than a minute no process has taken their tick.
    pub late_schedules: Option<String>,
    /// The id of this process at the backend's store; `None` where it has none.
    pub worker_id: Option<WorkerId>,
    /// Attempts under way.
    pub running: usize,
    /// Jobs claimed and not finished, those under way among them.
    pub claimed: usize,
    /// Its worker actors; empty for a backend without.
    pub workers: Vec<WorkerHealth>,
    /// Attempts that have run for longer than they should, the longest first. A warning: they may yet end well.
    pub stuck: Vec<Stuck>,
}

impl BackendHealth {
    fn is_ready(&self) -> bool {
        let stuck = |worker: &WorkerHealth| worker.blocked.as_ref().is_some_and(|b| b.held >= STUCK_AFTER);
        self.store.is_ok()
            && self.lease
            && self.degraded.is_none()
            && self.late_schedules.is_none()
            && (self.workers.is_empty() || !self.workers.iter().all(stuck))
    }
}

/// The state of one worker actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerHealth {
    /// Its number, from 0.
    pub number: usize,
    /// Whether its actor takes messages.
    pub alive: bool,
    /// How often its actor was started again after a panic.
    pub restarts: u64,
    /// The user code that holds its thread for longer than a second.
    pub blocked: Option<Blocked>,
}

/// User code that holds a worker's thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// The task.
    pub task: String,
    /// The job.
    pub job: JobId,
    /// For how long it has held the thread.
    pub held: Duration,
}

/// An attempt that has run for longer than it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// The task.
    pub task: String,
    /// The job.
    pub job: JobId,
    /// For how long the attempt has run.
    pub running: Duration,
}
