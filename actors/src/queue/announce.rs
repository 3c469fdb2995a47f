//! Tells of enqueued jobs: each once, after its commit, and before anything else is told of it.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use callboard_tasks::{EventKind, Job, JobId, JobSpec, Status};
use parking_lot::Mutex;

use super::desk::Desk;
use crate::hub::is_logged;

/// Jobs on their way into the store that somebody wants to hear of.
///
/// The thread that enqueues learns of the commit no sooner than the one that claims: whichever is first tells.
#[derive(Debug, Default)]
pub(super) struct Unannounced {
    /// Whether there are any: usually nobody wants to hear of them.
    any: AtomicBool,
    ids: Mutex<HashSet<JobId>>,
}

impl Desk {
    /// Notes jobs before the store is asked to keep them.
    pub(super) fn expect_enqueued<'a>(&self, jobs: impl Iterator<Item = &'a Arc<JobSpec>>) {
        if is_logged(EventKind::Enqueued, Status::Ready) || self.hub.events.wants(EventKind::Enqueued) {
            let mut ids = self.unannounced.ids.lock();
            ids.extend(jobs.map(|spec| spec.id));
            self.unannounced.any.store(true, Ordering::Release);
        }
    }

    /// Tells of those that nobody has told of yet.
    pub(super) fn announce_enqueued<'a>(&self, jobs: impl Iterator<Item = &'a Arc<JobSpec>>) {
        self.take_unannounced(jobs, |spec| {
            self.hub.announce(EventKind::Enqueued, &self.snapshot(Job::new(Arc::clone(spec))));
        });
    }

    /// Forgets jobs that the store did not take.
    pub(super) fn forget_enqueued<'a>(&self, jobs: impl Iterator<Item = &'a Arc<JobSpec>>) {
        self.take_unannounced(jobs, |_| {});
    }

    fn take_unannounced<'a>(&self, jobs: impl Iterator<Item = &'a Arc<JobSpec>>, tell: impl Fn(&Arc<JobSpec>)) {
        if !self.unannounced.any.load(Ordering::Acquire) {
            return;
        }
        let mut ids = self.unannounced.ids.lock();
        for spec in jobs {
            if ids.remove(&spec.id) {
                // Under the lock: whoever finds it told already goes on to tell of its start.
                tell(spec);
            }
        }
        if ids.is_empty() {
            self.unannounced.any.store(false, Ordering::Release);
        }
    }
}
