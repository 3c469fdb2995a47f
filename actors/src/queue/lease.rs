//! What a process does about leases: about its own, a pure function of when the store last answered; about those of
//! others, one of what its beats told.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use callboard_tasks::{Timestamp, WorkerId};

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

/// One beat that was answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look<'a> {
    pub(crate) asked: Instant,
    pub(crate) answered: Instant,
    /// The store's time when it answered.
    pub(crate) now: Timestamp,
    /// The other processes with the ends of their leases.
    pub(crate) peers: &'a [(WorkerId, Timestamp)],
}

/// What follows from a look.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Their leases are to be taken.
    pub(crate) lost: Vec<WorkerId>,
    /// When to look again, if that is before the next beat.
    pub(crate) again: Option<Duration>,
}

/// The ended leases of others that this process has seen, with when it asked for the first look at each.
///
/// A lease is taken by who saw it ended and unchanged in two looks, at least one beat apart, each answered within half
/// a beat. So a process that only stood still, or a store that did, costs nobody a job: whoever goes on renews first.
#[derive(Debug, Default)]
pub(crate) struct Looks(HashMap<WorkerId, (Timestamp, Instant)>);

impl Looks {
    /// Takes one look; `beat` is the time between two.
    pub(crate) fn take(&mut self, look: Look<'_>, beat: Duration) -> Seen {
        let mut seen = Seen::default();
        if look.answered.saturating_duration_since(look.asked) > beat / 2 {
            // The store stood still; those whose beats it kept waiting have not been able to renew.
            self.0.clear();
            return seen;
        }
        self.0.retain(|worker, (end, _)| look.peers.contains(&(*worker, *end)));
        for (worker, end) in look.peers {
            let left = Duration::try_from(end.duration_since(look.now)).unwrap_or_default();
            let next = if left.is_zero() {
                let (_, first) = *self.0.entry(*worker).or_insert((*end, look.asked));
                let apart = look.asked.saturating_duration_since(first);
                if apart >= beat {
                    seen.lost.push(*worker);
                    continue;
                }
                beat - apart
            } else {
                left
            };
            // Timers count in milliseconds: a little late sees it ended, a little early does not.
            let next = next + Duration::from_millis(2);
            if next < beat {
                seen.again = Some(seen.again.map_or(next, |again| again.min(next)));
            }
        }
        seen
    }
}
