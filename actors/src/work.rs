//! Which queues a process works, and how many attempts of each it runs at once.

use std::collections::BTreeMap;

/// Which queues of a backend this process works, and how many attempts of each run at once in it.
///
/// ```
/// use callboard_actors::{Backend, Work};
///
/// // Four attempts of `mail` and fifty of `default` at once; no other queue is worked here.
/// let backend = Backend::memory().work(Work::of([("mail", 4), ("default", 50)]));
/// // Everything but `reports`; of `mail` four at once.
/// let backend = Backend::memory().work(Work::all().at_most("mail", 4).except(["reports"]));
/// # let _ = backend;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// How many attempts of a queue run at once; 0 is none.
    named: BTreeMap<String, usize>,
    /// The same for a queue that has no entry.
    others: usize,
}

/// A queue that only the concurrency of the backend bounds.
const UNBOUNDED: usize = usize::MAX;

impl Default for Work {
    fn default() -> Self {
        Self::all()
    }
}

impl Work {
    /// All queues, bounded by the concurrency of the backend alone.
    #[must_use]
    pub const fn all() -> Self {
        Self { named: BTreeMap::new(), others: UNBOUNDED }
    }

    /// No queue: the process enqueues only.
    #[must_use]
    pub const fn none() -> Self {
        Self { named: BTreeMap::new(), others: 0 }
    }

    /// These queues and no others, each with how many of its attempts run at once. Given twice, the later counts.
    #[must_use]
    pub fn of<Q: Into<String>>(queues: impl IntoIterator<Item = (Q, usize)>) -> Self {
        Self { named: queues.into_iter().map(|(queue, most)| (queue.into(), most)).collect(), others: 0 }
    }

    /// Of this queue at most so many attempts at once; 0 is none.
    #[must_use]
    pub fn at_most(mut self, queue: impl Into<String>, attempts: usize) -> Self {
        self.named.insert(queue.into(), attempts);
        self
    }

    /// Nothing of these queues.
    #[must_use]
    pub fn except<Q: Into<String>>(mut self, queues: impl IntoIterator<Item = Q>) -> Self {
        self.named.extend(queues.into_iter().map(|queue| (queue.into(), 0)));
        self
    }

    /// Of what it says only these queues; one that it does not name keeps no bound of its own.
    #[must_use]
    pub fn only<Q: Into<String>>(self, queues: impl IntoIterator<Item = Q>) -> Self {
        let most = |queue: &String| self.named.get(queue).copied().unwrap_or(UNBOUNDED);
        let named = queues.into_iter().map(Into::into).map(|queue| (most(&queue), queue));
        Self { named: named.map(|(most, queue)| (queue, most)).collect(), others: 0 }
    }

    /// How many attempts of a queue run at once, as far as this says: `usize::MAX` where nothing but the concurrency of
    /// the backend bounds them, 0 where it is not worked here.
    #[must_use]
    pub fn most(&self, queue: &str) -> usize {
        self.named.get(queue).copied().unwrap_or(self.others)
    }

    /// Whether it names no queue that is worked: the process enqueues only.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.others == 0 && self.named.values().all(|most| *most == 0)
    }

    /// Whether it bounds nothing.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.others == UNBOUNDED && self.named.values().all(|most| *most == UNBOUNDED)
    }

    /// The queues that it names, each with its number, by name.
    pub fn named(&self) -> impl Iterator<Item = (&str, usize)> {
        self.named.iter().map(|(queue, most)| (queue.as_str(), *most))
    }

    /// Whether queues that it does not name are worked.
    #[must_use]
    pub const fn works_others(&self) -> bool {
        self.others > 0
    }
}

/// `[("mail", 4), ("default", 50)]`: as [`Work::of`].
impl<Q: Into<String>, const N: usize> From<[(Q, usize); N]> for Work {
    fn from(queues: [(Q, usize); N]) -> Self {
        Self::of(queues)
    }
}
