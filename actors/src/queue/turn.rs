//! What passes over the desk: a call on its way to the store, room kept for its job, and a claimed job's turn.

use std::sync::Arc;
use std::time::Instant;

use callboard_tasks::{Job, JobSpec, JobState, Phase, Placed, Snapshot, Unit};
use tokio::sync::oneshot;

use super::desk::Desk;
use crate::budget::Share;

/// A claimed job that waits for a worker.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) spec: Arc<JobSpec>,
    /// The fence of its claim.
    pub(crate) run: u64,
    /// Which attempt it will be, counted from 1.
    pub(crate) attempt: u32,
    pub(crate) max_attempts: u32,
    /// The version of the job since its claim.
    version: u64,
    /// Its state as claimed, for events; a handed-off job has none but the fresh one.
    state: Option<Box<JobState>>,
    pub(super) claimed_at: Instant,
}

impl Turn {
    /// A job that was inserted as claimed.
    pub(crate) fn handed_off(spec: Arc<JobSpec>) -> Self {
        let max_attempts = spec.retry.max_attempts;
        Self { spec, run: 1, attempt: 1, max_attempts, version: 2, state: None, claimed_at: Instant::now() }
    }

    /// A job that a claim gave.
    ///
    /// Its state is kept only where somebody may be told of the start.
    pub(crate) fn claimed(job: Job, tell: bool) -> Self {
        let state = job.state;
        Self {
            run: state.run,
            attempt: state.attempts,
            max_attempts: state.max_attempts,
            version: state.version,
            spec: job.spec,
            state: tell.then(|| Box::new(state)),
            claimed_at: Instant::now(),
        }
    }

    /// The job as it is when this attempt starts.
    pub(super) fn snapshot(&self, desk: &Desk) -> Snapshot {
        let state = self.state.as_deref().cloned().unwrap_or_else(|| {
            let now = desk.hub.clock.now();
            let mut state = JobState::new(&self.spec);
            state.phase = Phase::Running;
            state.version = self.version;
            state.run = self.run;
            state.attempts = self.attempt;
            state.started_at = Some(now);
            state.last_attempted_at = Some(now);
            state.history.add_worker(desk.worker_id());
            state
        });
        desk.snapshot(Job { spec: Arc::clone(&self.spec), state })
    }
}

/// A call that waits for its store.
#[derive(Debug)]
pub(crate) struct Letter {
    pub(crate) unit: Unit,
    /// The room that was kept for its job, so that it can start at once.
    pub(crate) reservation: Option<Reservation>,
    pub(crate) reply: oneshot::Sender<Result<Placed, callboard_tasks::StoreError>>,
    /// Its place in front of the backend, given back when it is answered.
    pub(crate) permit: tokio::sync::OwnedSemaphorePermit,
}

/// Room kept for jobs that are to be inserted as claimed. Dropping it gives the room back.
#[derive(Debug)]
pub(crate) struct Reservation(Option<Kept>);

#[derive(Debug)]
struct Kept {
    desk: Arc<Desk>,
    jobs: usize,
    /// The queues of which a permit was taken, one for each.
    permits: Vec<String>,
    budget: Share,
}

impl Reservation {
    /// Room for so many jobs, which the desk has counted.
    pub(super) const fn new(desk: Arc<Desk>, jobs: usize, permits: Vec<String>, budget: Share) -> Self {
        Self(Some(Kept { desk, jobs, permits, budget }))
    }

    /// The jobs were inserted as claimed: they have the room from now on.
    pub(crate) fn used(mut self) {
        if let Some(kept) = self.0.take() {
            kept.budget.spend(kept.jobs);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(Kept { desk, jobs, permits, .. }) = &self.0 {
            desk.release(*jobs);
            desk.give_back_permits(permits.iter().map(String::as_str));
        }
    }
}
