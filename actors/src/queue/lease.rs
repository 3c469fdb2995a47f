//! What a process does about its lease: a pure function of when the store last answered.

use std::time::{Duration, Instant};

/// After this long without an answer, attempts are dropped: somebody else runs them by now.
const ABORT_UNREACHABLE: Duration = Duration::from_secs(30);

/// The lease as this process sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lease {
    length: Duration,
    answered: Instant,
}

/// What follows from the age of the last answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// All is well.
    Held,
    /// A lease has passed without an answer: nothing new is started.
    Doubtful,
    /// Far too long: what runs is dropped.
    Unreachable,
}

impl Lease {
    /// A lease granted at `now`.
    pub(crate) const fn new(length: Duration, now: Instant) -> Self {
        Self { length, answered: now }
    }

    /// How often to renew it.
    pub(crate) fn beat_every(self) -> Duration {
        self.length / 3
    }

    /// How long it holds without a renewal.
    pub(crate) const fn length(self) -> Duration {
        self.length
    }

    /// The store has renewed it.
    pub(crate) const fn renewed(&mut self, now: Instant) {
        self.answered = now;
    }

    /// Where the process stands at `now`.
    pub(crate) fn standing(self, now: Instant) -> Standing {
        let silent = now.saturating_duration_since(self.answered);
        if silent < self.length {
            Standing::Held
        } else if silent < ABORT_UNREACHABLE.max(self.length) {
            Standing::Doubtful
        } else {
            Standing::Unreachable
        }
    }
}
