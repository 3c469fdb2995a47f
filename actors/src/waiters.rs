//! Those who wait for a job to end or to change: told after the commit, without asking the store.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use callboard_tasks::{Job, JobId, WaitFor};
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// All who wait at one backend.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    /// How many there are: read without a lock for each finished job.
    count: AtomicUsize,
    /// Numbers of waiters are never used again.
    next: AtomicUsize,
    by_job: Mutex<HashMap<JobId, Vec<Waiter>>>,
}

#[derive(Debug)]
struct Waiter {
    number: usize,
    until: WaitFor,
    /// In a box, because each who waits has room for what it is told.
    tell: oneshot::Sender<Box<Job>>,
}

/// One who waits; dropping it ends the waiting.
#[derive(Debug)]
pub(crate) struct Waiting {
    waiters: Arc<Waiters>,
    id: JobId,
    number: usize,
    /// Gets the job once it is what was waited for.
    pub(crate) told: oneshot::Receiver<Box<Job>>,
}

impl Waiters {
    /// Starts to wait. Whoever does so must look at the job once afterwards: it may have ended before.
    pub(crate) fn wait(self: &Arc<Self>, id: JobId, until: WaitFor) -> Waiting {
        let (tell, told) = oneshot::channel();
        let mut by_job = self.by_job.lock();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::SeqCst);
        by_job.entry(id).or_insert_with(|| Vec::with_capacity(1)).push(Waiter { number, until, tell });
        Waiting { waiters: Arc::clone(self), id, number, told }
    }

    /// Whether anybody waits for anything.
    pub(crate) fn any(&self) -> bool {
        self.count.load(Ordering::SeqCst) > 0
    }

    /// Whether anybody waits for this job.
    pub(crate) fn wait_for(&self, id: JobId) -> bool {
        self.any() && self.by_job.lock().contains_key(&id)
    }

    /// The jobs that are waited for: those whose end is all that anybody waits for, and those with any change.
    pub(crate) fn jobs(&self) -> (Vec<JobId>, Vec<JobId>) {
        if !self.any() {
            return (Vec::new(), Vec::new());
        }
        let by_job = self.by_job.lock();
        let end_alone = |waiters: &Vec<Waiter>| waiters.iter().all(|waiter| waiter.until == WaitFor::Finished);
        let (ends, changes): (Vec<_>, Vec<_>) = by_job.iter().partition(|(_, waiters)| end_alone(waiters));
        let ids = |jobs: Vec<(&JobId, &Vec<Waiter>)>| jobs.into_iter().map(|(id, _)| *id).collect();
        (ids(ends), ids(changes))
    }

    /// Ends the waiting for a job that is gone: who waits gets nothing.
    pub(crate) fn dismiss(&self, id: JobId) {
        let gone = self.by_job.lock().remove(&id);
        self.count.fetch_sub(gone.map_or(0, |waiters| waiters.len()), Ordering::SeqCst);
    }

    /// Tells those who waited for this.
    pub(crate) fn announce(&self, job: &Job) {
        if !self.any() {
            return;
        }
        let mut by_job = self.by_job.lock();
        let Some(waiters) = by_job.get_mut(&job.id()) else { return };
        let told: Vec<_> = waiters.extract_if(.., |waiter| waiter.until.is_met(job)).collect();
        if waiters.is_empty() {
            by_job.remove(&job.id());
        }
        self.count.fetch_sub(told.len(), Ordering::SeqCst);
        drop(by_job);
        for waiter in told {
            let _ = waiter.tell.send(Box::new(job.clone()));
        }
    }

    fn leave(&self, id: JobId, number: usize) {
        let mut by_job = self.by_job.lock();
        let Some(waiters) = by_job.get_mut(&id) else { return };
        let before = waiters.len();
        waiters.retain(|waiter| waiter.number != number);
        self.count.fetch_sub(before - waiters.len(), Ordering::SeqCst);
        if waiters.is_empty() {
            by_job.remove(&id);
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.waiters.leave(self.id, self.number);
    }
}
