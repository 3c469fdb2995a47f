//! Our own supervision: actix's does not survive a panic. A guard tells how an actor ended, a pure function
//! decides whether it comes back, and its address stands behind a generation.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix::{Actor, Addr};
use parking_lot::RwLock;

/// How an actor ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// In good order.
    Stopped,
    /// By a panic in one of its handlers.
    Panicked,
}

/// A field of every supervised actor. It reports from `Drop`, so also while the actor's context unwinds;
/// `stopped()` could not tell a panic from a stop.
pub(crate) struct DeathGuard(Option<Box<dyn FnOnce(Exit) + Send>>);

impl DeathGuard {
    /// Reports the end of the actor that owns it.
    pub(crate) fn new(report: impl FnOnce(Exit) + Send + 'static) -> Self {
        Self(Some(Box::new(report)))
    }
}

impl Drop for DeathGuard {
    fn drop(&mut self) {
        if let Some(report) = self.0.take() {
            report(if std::thread::panicking() { Exit::Panicked } else { Exit::Stopped });
        }
    }
}

impl fmt::Debug for DeathGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeathGuard")
    }
}

/// How often a child may be restarted, and how soon.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    /// At most so many restarts …
    pub(crate) restarts: usize,
    /// … within this time.
    pub(crate) within: Duration,
    /// The pause before the first restart; it grows with each one in the window.
    pub(crate) pause: Duration,
}

impl Budget {
    /// What every child of a backend gets.
    pub(crate) const STANDARD: Self =
        Self { restarts: 20, within: Duration::from_secs(60), pause: Duration::from_millis(10) };
}

/// What follows from the end of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It ended as it should.
    Leave,
    /// Start it again after this pause.
    Restart(Duration),
    /// It has exhausted its budget: its backend is degraded, nothing else is.
    GiveUp,
}

/// The restarts of one child.
#[derive(Debug, Default)]
pub(crate) struct Restarts(VecDeque<Instant>);

impl Restarts {
    /// Decides what follows from an end at `now`.
    pub(crate) fn judge(&mut self, exit: Exit, budget: Budget, now: Instant) -> Verdict {
        if exit == Exit::Stopped {
            return Verdict::Leave;
        }
        while self.0.front().is_some_and(|at| now.duration_since(*at) > budget.within) {
            self.0.pop_front();
        }
        if self.0.len() >= budget.restarts {
            return Verdict::GiveUp;
        }
        self.0.push_back(now);
        let nth = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        Verdict::Restart(budget.pause.saturating_mul(nth))
    }
}

/// The present incarnation of a supervised actor.
pub(crate) struct Live<A: Actor> {
    address: RwLock<Option<Addr<A>>>,
    generation: AtomicU64,
}

impl<A: Actor> Default for Live<A> {
    fn default() -> Self {
        Self { address: RwLock::new(None), generation: AtomicU64::new(0) }
    }
}

impl<A: Actor> Live<A> {
    /// Puts a new incarnation in place.
    pub(crate) fn set(&self, address: Addr<A>) {
        *self.address.write() = Some(address);
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    /// Does something with the address, without the cost of a clone.
    pub(crate) fn with(&self, work: impl FnOnce(&Addr<A>)) {
        if let Some(address) = &*self.address.read() {
            work(address);
        }
    }

    /// Whether the present incarnation takes messages.
    pub(crate) fn is_alive(&self) -> bool {
        self.address.read().as_ref().is_some_and(Addr::connected)
    }

    /// How often it was started again.
    pub(crate) fn restarts(&self) -> u64 {
        self.generation.load(Ordering::SeqCst).saturating_sub(1)
    }
}

impl<A: Actor> fmt::Debug for Live<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Live(alive: {}, restarts: {})", self.is_alive(), self.restarts())
    }
}
