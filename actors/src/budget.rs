//! How many attempts a board starts before it has done its share: most boards have no such end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many attempts may still be started, over all backends.
#[derive(Debug, Clone, Default)]
pub(crate) struct Budget(Option<Arc<Left>>);

#[derive(Debug)]
struct Left {
    attempts: AtomicUsize,
    /// Shares of which it is not known yet what they were spent on.
    open: AtomicUsize,
}

/// A part of it, taken for jobs that are about to be claimed. Dropping it gives back what was not spent.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Budget,
    jobs: usize,
}

impl Budget {
    /// So many attempts and no more.
    pub(crate) fn of(attempts: usize) -> Self {
        Self(Some(Arc::new(Left { attempts: AtomicUsize::new(attempts), open: AtomicUsize::new(0) })))
    }

    /// As many as are left, at most `jobs`; `None` if none are.
    pub(crate) fn up_to(&self, jobs: usize) -> Option<Share> {
        self.claim(|left| left.min(jobs), jobs)
    }

    /// All of these or none.
    pub(crate) fn take(&self, jobs: usize) -> Option<Share> {
        self.claim(|left| if left >= jobs { jobs } else { 0 }, jobs)
    }

    fn claim(&self, share: impl Fn(usize) -> usize, jobs: usize) -> Option<Share> {
        let Some(left) = &self.0 else { return Some(Share { budget: Self(None), jobs }) };
        left.open.fetch_add(1, Ordering::AcqRel);
        let before = left.attempts.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| Some(left - share(left)));
        let share = Share { budget: self.clone(), jobs: share(before.unwrap_or_else(|left| left)) };
        (share.jobs > 0).then_some(share)
    }

    /// So many were started in vain: they went back.
    pub(crate) fn give_back(&self, jobs: usize) {
        if let Some(left) = &self.0 {
            left.attempts.fetch_add(jobs, Ordering::AcqRel);
        }
    }

    /// Whether all of it has been spent on jobs that were claimed; never, where there is none.
    pub(crate) fn is_spent(&self) -> bool {
        let spent = |left: &Left| left.open.load(Ordering::Acquire) == 0 && left.attempts.load(Ordering::Acquire) == 0;
        self.0.as_deref().is_some_and(spent)
    }
}

impl Share {
    /// How many jobs it is for.
    pub(crate) const fn jobs(&self) -> usize {
        self.jobs
    }

    /// So many of it have been claimed, to be started; the rest goes back.
    pub(crate) fn spend(mut self, jobs: usize) {
        self.jobs = self.jobs.saturating_sub(jobs);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.give_back(self.jobs);
        if let Some(left) = &self.budget.0 {
            left.open.fetch_sub(1, Ordering::AcqRel);
        }
    }
}
