//! The order in which jobs end, as a store tells it to whoever follows.

use std::time::Duration;

use crate::JobId;

/// What a store knows of the ends after a mark; see [`Store::follow`](crate::Store::follow).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Followed {
    /// The jobs that have ended, in the order in which that was written. One that ended twice stands here twice.
    pub ids: Vec<JobId>,
    /// Where to go on.
    pub mark: u64,
    /// How many ends before these are not told, because they were too many, or could not be waited for any longer; 0 if
    /// nobody knows how many; `None` if there are none.
    pub missed: Option<u64>,
}

impl Followed {
    /// So many ends at least are kept for those who are slow; whoever is further behind misses some.
    pub const KEPT: u64 = 100_000;
    /// So long the order of ends is kept after somebody has asked for it.
    pub const FOR: Duration = Duration::from_secs(30);
    /// Who asks again while less than this is left makes the time begin anew.
    pub const RENEWED: Duration = Duration::from_secs(20);
    /// Whoever asks with less than this left may have missed something.
    pub const DOUBTFUL: Duration = Duration::from_secs(5);

    /// What is to be told of these ends, numbered and in order, to somebody who knows all up to `after`: those that
    /// follow on one another. `log` says what else is known.
    #[must_use]
    pub fn after(after: Option<u64>, log: &EndLog, ends: impl IntoIterator<Item = (u64, JobId)>) -> Self {
        let Some(after) = after.filter(|after| *after <= log.last) else {
            // Nobody knows more than there ever was, but who has known another store.
            return Self { ids: Vec::new(), mark: log.last, missed: after.map(|_| 0) };
        };
        let mut told = Self { ids: Vec::new(), mark: after, missed: None };
        if after < log.since {
            (told.mark, told.missed) = (log.since, Some(0));
        } else if after < log.dropped {
            (told.mark, told.missed) = (log.dropped, Some(log.dropped - after));
        }
        let from = told.mark;
        for (number, id) in ends.into_iter().filter(|(number, _)| *number > from) {
            let gap = number - told.mark - 1;
            if gap > 0 {
                if !told.ids.is_empty() {
                    break;
                }
                told.missed = match told.missed {
                    Some(0) => Some(0),
                    missed => Some(missed.unwrap_or(0) + gap),
                };
            }
            told.mark = number;
            told.ids.push(id);
        }
        told
    }
}

/// How far the order of ends goes that a store keeps. Ends are numbered, and numbers only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EndLog {
    /// It has been kept without a break since after this number.
    pub since: u64,
    /// Up to this number it was thrown away.
    pub dropped: u64,
    /// The last number.
    pub last: u64,
}
