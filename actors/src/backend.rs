//! Where calls go, and how a backend works them: what a builder is told of each.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use callboard_tasks::{MemoryOptions, QueueLimits, QueueNames, Store, Supports, check_name};

use crate::custom::Door;
use crate::dummy::DummyGate;
use crate::immediate::ImmediateGate;
use crate::open::OpenStore;
use crate::work::Work;

/// How long an attempt may run before it is reported.
const STUCK_AFTER: Duration = Duration::from_secs(600);

/// How many calls may wait in front of a backend.
const INBOX: usize = 10_000;

/// The configuration of one backend.
#[derive(Debug)]
pub struct Backend {
    pub(crate) kind: Kind,
    pub(crate) queues: QueueNames,
    pub(crate) options: QueueOptions,
    pub(crate) keep_successful: Duration,
    pub(crate) keep_failed: Duration,
}

/// Where a backend's calls go.
pub(crate) enum Kind {
    Immediate,
    Dummy,
    Memory { keep_max: usize },
    Store(Arc<dyn Store>),
    Opened(Arc<dyn OpenStore>),
    Custom(Door),
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Immediate => "immediate",
            Self::Dummy => "dummy",
            Self::Memory { .. } => "memory",
            Self::Store(_) => "store",
            Self::Opened(opener) => opener.kind(),
            Self::Custom(_) => "custom",
        })
    }
}

/// How a queue backend works.
#[derive(Debug, Clone)]
pub(crate) struct QueueOptions {
    pub(crate) workers: usize,
    pub(crate) concurrency: usize,
    pub(crate) lease: Duration,
    pub(crate) inbox: usize,
    pub(crate) work: Work,
    /// What this process sets when it starts.
    pub(crate) limits: BTreeMap<String, QueueLimits>,
    pub(crate) stuck_after: Duration,
}

impl Default for QueueOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            workers: cores,
            concurrency: 100,
            lease: Duration::from_secs(3),
            inbox: INBOX,
            work: Work::all(),
            limits: BTreeMap::new(),
            stuck_after: STUCK_AFTER,
        }
    }
}

impl Backend {
    fn of(kind: Kind) -> Self {
        let MemoryOptions { keep_successful, keep_failed, .. } = MemoryOptions::default();
        Self { kind, queues: QueueNames::standard(), options: QueueOptions::default(), keep_successful, keep_failed }
    }

    /// Runs each call while its enqueuer waits: for tests and scripts.
    #[must_use]
    pub fn immediate() -> Self {
        Self::of(Kind::Immediate)
    }

    /// Records calls and never runs them: for tests.
    #[must_use]
    pub fn dummy() -> Self {
        Self::of(Kind::Dummy)
    }

    /// Keeps jobs in this process's memory: for work that may die with the process.
    #[must_use]
    pub fn memory() -> Self {
        Self::of(Kind::Memory { keep_max: MemoryOptions::default().keep_max })
    }

    /// Keeps jobs in a store of your own.
    #[must_use]
    pub fn store(store: Arc<dyn Store>) -> Self {
        Self::of(Kind::Store(store))
    }

    /// Keeps jobs in a store that is opened when the board starts, with the board's clock.
    #[must_use]
    pub fn open(opener: impl OpenStore) -> Self {
        Self::of(Kind::Opened(Arc::new(opener)))
    }

    /// Hands calls to an actor of your own.
    #[must_use]
    pub fn custom(door: Door) -> Self {
        Self::of(Kind::Custom(door))
    }

    /// The queues that a call may name; an empty list allows any name. Unless said: `default` alone.
    #[must_use]
    pub fn queues<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.queues = QueueNames::from_list(names);
        self
    }

    /// How many worker actors there are, one thread each; unless said, one for each core.
    #[must_use]
    pub const fn workers(mut self, workers: usize) -> Self {
        self.options.workers = workers;
        self
    }

    /// How many attempts run at once in this process; 100 unless said.
    #[must_use]
    pub const fn concurrency(mut self, attempts: usize) -> Self {
        self.options.concurrency = attempts;
        self
    }

    /// How long this process may be silent before others take its jobs; 3 s unless said, at least 300 ms.
    #[must_use]
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.options.lease = lease;
        self
    }

    /// Which queues this process works, and how many attempts of each run at once in it; unless said, all of them,
    /// bounded by [`concurrency`](Self::concurrency) alone. `[("mail", 4), ("default", 50)]` is a [`Work`].
    ///
    /// A queue that is not worked here can be enqueued to all the same: another process runs its jobs.
    #[must_use]
    pub fn work(mut self, work: impl Into<Work>) -> Self {
        self.options.work = work.into();
        self
    }

    /// Works no queue: other processes run what is enqueued here. It still beats, as every process does: so it hears of
    /// pauses and ends, misses processes that die, and removes old history.
    #[must_use]
    pub fn enqueue_only(self) -> Self {
        self.work(Work::none())
    }

    /// The limits of a queue over all processes: how much of it runs at once, how fast it starts, how much may wait.
    /// This process sets them when it starts, in place of any that were there; see also [`Callboard::limit`](crate::Callboard::limit).
    #[must_use]
    pub fn limits(mut self, queue: impl Into<String>, limits: QueueLimits) -> Self {
        self.options.limits.insert(queue.into(), limits);
        self
    }

    /// How long an attempt may run before it is reported, once: by a line in the log, by
    /// [`TaskStuck`](crate::messages::TaskStuck) and, as long as it runs, by a warning in the board's
    /// [`health`](crate::Callboard::health); 10 minutes unless said. It goes on; only a timeout ends it.
    #[must_use]
    pub const fn stuck_after(mut self, limit: Duration) -> Self {
        self.options.stuck_after = limit;
        self
    }

    /// How many calls may wait in front of the backend before callers have to; 10,000 unless said.
    #[must_use]
    pub const fn inbox(mut self, calls: usize) -> Self {
        self.options.inbox = calls;
        self
    }

    /// How many finished jobs a memory backend keeps, the newest; 100,000 unless said.
    #[must_use]
    pub fn keep_max(mut self, jobs: usize) -> Self {
        if let Kind::Memory { keep_max } = &mut self.kind {
            *keep_max = jobs;
        }
        self
    }

    /// How long a backend that opens its own store keeps finished jobs; 7 days and 30 days unless said.
    #[must_use]
    pub const fn keep(mut self, successful: Duration, failed: Duration) -> Self {
        self.keep_successful = successful;
        self.keep_failed = failed;
        self
    }

    /// What is wrong with it, and what to do.
    pub(crate) fn check(&self) -> Result<(), String> {
        let options = &self.options;
        if let QueueNames::Only(names) = &self.queues {
            for name in names {
                check_name(name).map_err(|problem| format!("has a queue {name:?} that {problem}"))?;
            }
        }
        let zero = [("workers", options.workers), ("concurrency", options.concurrency), ("inbox", options.inbox)];
        if let Some((name, _)) = zero.into_iter().find(|(_, value)| *value == 0) {
            return Err(format!("has {name} = 0; give at least 1"));
        }
        if let QueueNames::Only(names) = &self.queues {
            let unknown = options.work.named().find(|(queue, most)| *most > 0 && !names.contains(*queue));
            if let Some((queue, _)) = unknown {
                let known = names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                return Err(format!("works the queue {queue:?}, which it does not have; it has {known}"));
            }
        }
        for (queue, limits) in &options.limits {
            if !self.queues.allow(queue) {
                return Err(format!("has limits of the queue {queue:?}, which it does not have"));
            }
            if let Err((field, problem)) = limits.check() {
                return Err(format!("has limits of the queue {queue:?} whose {field} {problem}"));
            }
        }
        if options.lease < Duration::from_millis(300) {
            return Err(format!("has a lease of {:?}; give at least 300ms", options.lease));
        }
        Ok(())
    }

    pub(crate) const fn supports(&self) -> Supports {
        match &self.kind {
            Kind::Immediate => ImmediateGate::SUPPORTS,
            Kind::Dummy => DummyGate::SUPPORTS,
            Kind::Memory { .. } | Kind::Store(_) | Kind::Opened(_) => Supports::ALL,
            Kind::Custom(door) => door.abilities(),
        }
    }
}
