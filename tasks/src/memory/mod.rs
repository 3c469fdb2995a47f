//! The readable reference store: jobs in this process's memory, gone with it.
//!
//! Everything stands behind one lock and is done when a method is called; the futures are ready at once.
//! [`jobs`] keeps the jobs with the orders in which they are looked for, [`claim`] says who gets which,
//! [`workers`] keeps the leases. What a move does to a job is in [`Job`](crate::Job)'s own steps.

mod claim;
mod finished;
mod jobs;
mod queue;
mod spread;
mod workers;

use std::collections::BTreeMap;
use std::fmt;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use parking_lot::{Mutex, MutexGuard};

use self::jobs::Jobs;
use self::workers::Workers;
use crate::{
    Ask, Beat, Change, Changed, Claimed, Clock, Control, Fate, Filter, Job, JobId, Listing, Lookup, Outcome, Page,
    Placed, Prunable, Published, Pulse, Stats, Store, StoreError, Unit, WorkerId,
};

/// How long and how many finished jobs are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryOptions {
    /// At most so many finished jobs; beyond it the oldest go at once, whatever their age. 100,000.
    pub keep_max: usize,
    /// How long a successful job is kept; 7 days.
    pub keep_successful: Duration,
    /// How long a job is kept that ended otherwise; 30 days.
    pub keep_failed: Duration,
}

impl Default for MemoryOptions {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        Self { keep_max: 100_000, keep_successful: 7 * DAY, keep_failed: 30 * DAY }
    }
}

/// Keeps jobs in memory: for work that may die with the process.
///
/// An id that is asked for after its job was removed is [`Lookup::Pruned`] as long as it is among the last 100,000
/// that were removed, and at some time after that [`Lookup::Unknown`].
pub struct MemoryStore {
    clock: Clock,
    state: Mutex<State>,
}

struct State {
    jobs: Jobs,
    workers: Workers,
    published: BTreeMap<String, Published>,
}

impl MemoryStore {
    /// An empty store that tells the time by `clock`.
    #[must_use]
    pub fn new(clock: Clock, options: MemoryOptions) -> Self {
        let state = State { jobs: Jobs::new(options), workers: Workers::default(), published: BTreeMap::new() };
        Self { clock, state: Mutex::new(state) }
    }

    /// The state, and the time as of when the lock was taken: so the time never runs backwards between two calls.
    fn lock(&self) -> (MutexGuard<'_, State>, Timestamp) {
        let state = self.state.lock();
        (state, self.clock.now())
    }

    fn list_now(&self, filter: &Filter, page: Page) -> Listing {
        /// So many jobs are looked at before others get their turn: a long list must not stop the work.
        const LOOK_AT: usize = 1_024;
        let (mut jobs, mut before) = (Vec::new(), page.before);
        let most = page.limit.max(1);
        loop {
            let state = self.state.lock();
            let mut looked_at = 0;
            for job in state.jobs.newest_first(before).take(LOOK_AT) {
                looked_at += 1;
                if filter.admits(job) {
                    if jobs.len() == most {
                        let next = jobs.last().map(Job::id);
                        return Listing { jobs, next };
                    }
                    jobs.push(job.clone());
                }
                before = Some(job.id());
            }
            if looked_at < LOOK_AT {
                return Listing { jobs, next: None };
            }
        }
    }
}

impl State {
    fn enqueue(&mut self, unit: &Unit, now: Timestamp) -> Result<Placed, StoreError> {
        let due = |spec: &crate::JobSpec| spec.effective_time() <= now;
        let worker = unit.claim.map(|claim| claim.worker).filter(|worker| self.workers.knows(*worker));
        let worker = worker.filter(|_| unit.jobs.iter().all(|spec| due(spec)));
        for (n, spec) in unit.jobs.iter().enumerate() {
            let mut job = Job::new(Arc::clone(spec));
            if let Some(worker) = worker {
                job.claim(worker, now)?;
            }
            if !self.jobs.insert(job) {
                for kept in &unit.jobs[..n] {
                    self.jobs.remove(kept.id);
                }
                return Err(StoreError::DuplicateId(spec.id));
            }
        }
        Ok(Placed { claimed: worker.is_some() })
    }

    fn finish(&mut self, outcome: Outcome, now: Timestamp) -> Result<Fate, StoreError> {
        let (id, workers) = (outcome.id, &mut self.workers);
        let fate = self.jobs.edit(id, |job| {
            if !job.runs_as(outcome.run) {
                return Ok(Fate::Stale);
            }
            workers.released(job);
            job.finish(outcome, now)?;
            Ok::<_, StoreError>(Fate::Accepted { phase: job.state.phase, version: job.state.version })
        })?;
        Ok(fate.unwrap_or(Fate::Stale))
    }

    fn change(&mut self, id: JobId, change: Change, now: Timestamp) -> Result<Changed, StoreError> {
        let delete = change == Change::Delete;
        let edited = self.jobs.edit(id, |job| {
            job.change(change, now)?;
            Ok::<_, StoreError>(Changed { worker: job.holder(), job: job.clone() })
        })?;
        if delete {
            self.jobs.forget(id);
        }
        edited.ok_or_else(|| if self.jobs.was_pruned(id) { StoreError::Pruned(id) } else { StoreError::NotFound(id) })
    }

    fn control(&mut self, control: Control, now: Timestamp) -> Result<(), StoreError> {
        match control {
            Control::Pause(queue) => self.jobs.queue(&queue).paused = true,
            Control::Resume(queue) => self.jobs.queue(&queue).paused = false,
            Control::Register { worker, lease, tasks } => {
                self.workers.register(worker, later(now, lease), tasks);
                self.unpark(now)?;
            }
            Control::Leave(worker) => self.leave(worker, now)?,
            Control::Publish(tasks) => {
                self.published.extend(tasks.into_iter().map(|task| (task.name.clone(), task)));
            }
            Control::Park => self.park(now)?,
        }
        Ok(())
    }

    fn look_up(&self, id: JobId) -> Lookup {
        match self.jobs.get(id) {
            Some(job) => Lookup::Found(job.clone()),
            None if self.jobs.was_pruned(id) => Lookup::Pruned,
            None => Lookup::Unknown,
        }
    }

    fn stats(&self) -> Stats {
        let workers = self.workers.leases().collect();
        Stats { queues: self.jobs.stats(), published: self.published.clone(), workers }
    }
}

impl Store for MemoryStore {
    fn enqueue(&self, units: Vec<Unit>) -> BoxFuture<'_, Vec<Result<Placed, StoreError>>> {
        let (mut state, now) = self.lock();
        let placed = units.iter().map(|unit| state.enqueue(unit, now)).collect();
        Box::pin(ready(placed))
    }

    fn claim(&self, ask: Ask) -> BoxFuture<'_, Result<Claimed, StoreError>> {
        let (mut state, now) = self.lock();
        Box::pin(ready(state.claim(ask, now)))
    }

    fn finish(&self, outcomes: Vec<Outcome>) -> BoxFuture<'_, Result<Vec<Fate>, StoreError>> {
        let (mut state, now) = self.lock();
        let fates = outcomes.into_iter().map(|outcome| state.finish(outcome, now)).collect();
        let evicted = state.jobs.evict();
        drop(state);
        drop(evicted);
        Box::pin(ready(fates))
    }

    fn beat(&self, beat: Beat) -> BoxFuture<'_, Result<Pulse, StoreError>> {
        let (mut state, now) = self.lock();
        Box::pin(ready(state.beat(&beat, now)))
    }

    fn rescue(&self, worker: WorkerId) -> BoxFuture<'_, Result<usize, StoreError>> {
        let (mut state, now) = self.lock();
        Box::pin(ready(state.rescue(worker, now)))
    }

    fn change(&self, id: JobId, change: Change) -> BoxFuture<'_, Result<Changed, StoreError>> {
        let (mut state, now) = self.lock();
        let changed = state.change(id, change, now);
        state.jobs.evict();
        Box::pin(ready(changed))
    }

    fn control(&self, control: Control) -> BoxFuture<'_, Result<(), StoreError>> {
        let (mut state, now) = self.lock();
        Box::pin(ready(state.control(control, now)))
    }

    fn get(&self, ids: Vec<JobId>) -> BoxFuture<'_, Result<Vec<Lookup>, StoreError>> {
        let (state, _) = self.lock();
        Box::pin(ready(Ok(ids.into_iter().map(|id| state.look_up(id)).collect())))
    }

    fn list(&self, filter: Filter, page: Page) -> BoxFuture<'_, Result<Listing, StoreError>> {
        Box::pin(ready(Ok(self.list_now(&filter, page))))
    }

    fn stats(&self) -> BoxFuture<'_, Result<Stats, StoreError>> {
        Box::pin(ready(Ok(self.state.lock().stats())))
    }

    fn prune(&self, limit: usize) -> BoxFuture<'_, Result<usize, StoreError>> {
        let (mut state, now) = self.lock();
        Box::pin(ready(Ok(state.jobs.prune(limit, now))))
    }

    fn prunable(&self) -> BoxFuture<'_, Result<Prunable, StoreError>> {
        let (state, now) = self.lock();
        Box::pin(ready(Ok(state.jobs.prunable(now))))
    }

    fn waits(&self) -> bool {
        false
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryStore({} jobs)", self.state.lock().jobs.len())
    }
}

/// As long as a signed duration can be; who says more means for ever.
fn whole(time: Duration) -> SignedDuration {
    SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX)
}

/// The time after a pause, at most the end of time.
fn later(now: Timestamp, pause: Duration) -> Timestamp {
    now.saturating_add(whole(pause)).unwrap_or(Timestamp::MAX)
}
