//! The readable reference store: jobs in this process's memory, gone with it.
//!
//! Everything stands behind one lock and is done when a method is called; the futures are ready at once.
//! [`jobs`] keeps the jobs with the orders in which they are looked for, [`claim`] says who gets which,
//! [`limits`] what its queue leaves, [`workers`] keeps the leases, [`follow`] the order of ends, [`keys`] who holds which
//! key. What a move does to a job is in [`Job`](crate::Job)'s own steps.

mod claim;
mod finished;
mod follow;
mod inquire;
mod jobs;
mod keys;
mod limits;
mod queue;
mod schedules;
mod spread;
mod workers;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use parking_lot::{Mutex, MutexGuard};

use self::jobs::Jobs;
use self::keys::Requests;
use self::limits::Rates;
use self::schedules::Schedules;
use self::workers::Workers;
use crate::{
    Ask, Beat, Change, Changed, Claimed, Clock, Control, Fate, Filter, Followed, Found, Inquiry, Job, JobId, JobSpec,
    Listing, Lookup, OnConflict, Outcome, Page, Phase, Placed, Prunable, Published, Pulse, ScheduleRecord, Stats,
    Store, StoreError, Tick, Unit, WorkerId,
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
    rates: Rates,
    requests: Requests,
    schedules: Schedules,
}

impl MemoryStore {
    /// An empty store that tells the time by `clock`.
    #[must_use]
    pub fn new(clock: Clock, options: MemoryOptions) -> Self {
        let state = State {
            jobs: Jobs::new(options),
            workers: Workers::default(),
            published: BTreeMap::new(),
            rates: Rates::default(),
            requests: Requests::default(),
            schedules: Schedules::default(),
        };
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
        if let Some(request) = &unit.idempotency
            && let Some(ids) = self.requests.replay(request, now)?
        {
            return Ok(Placed { replayed: Some(ids), ..Placed::default() });
        }
        let worker = unit.claim.map(|claim| claim.worker).filter(|worker| self.workers.knows(*worker));
        let worker = worker.filter(|_| unit.idempotency.is_none() && self.can_be_handed_off(unit, now));
        let mut placed = Placed::made(worker.is_some());
        self.check_depth(&unit.jobs)?;
        let mut changed = Vec::new();
        for (n, spec) in unit.jobs.iter().enumerate() {
            if let Err(problem) = self.place(n, spec, worker, now, &mut placed, &mut changed) {
                self.undo(&unit.jobs[..n], &placed, changed);
                return Err(problem);
            }
        }
        if let Some(request) = &unit.idempotency {
            let id = |(n, spec): (usize, &Arc<JobSpec>)| {
                placed.found.iter().find(|found| found.index == n).map_or(spec.id, |found| found.job.id())
            };
            self.requests.keep(request, unit.jobs.iter().enumerate().map(id).collect(), now);
        }
        Ok(placed)
    }

    /// Whether the jobs of a unit may start without standing in line.
    fn can_be_handed_off(&self, unit: &Unit, now: Timestamp) -> bool {
        unit.jobs.iter().all(|spec| {
            let free = spec.unique.is_none() && !self.limits_of(&spec.queue).limits_starts();
            free && spec.effective_time() <= now
        })
    }

    /// Inserts one job of a unit, or finds the one that stands for it.
    fn place(
        &mut self,
        index: usize,
        spec: &Arc<JobSpec>,
        worker: Option<WorkerId>,
        now: Timestamp,
        placed: &mut Placed,
        changed: &mut Vec<Job>,
    ) -> Result<(), StoreError> {
        let unique = spec.unique.as_deref();
        if let Some((unique, existing)) = unique.and_then(|unique| Some((unique, self.holder(&unique.key, now)?))) {
            let conflict = StoreError::UniqueConflict { index, existing };
            let replaced = match unique.on_conflict {
                OnConflict::Reject => return Err(conflict),
                OnConflict::Return => false,
                OnConflict::Replace => {
                    changed.extend(self.jobs.get(existing).cloned());
                    self.jobs.edit(existing, |job| job.replace(spec, now)).map_err(|_| conflict)?;
                    true
                }
            };
            let job = self.jobs.get(existing).cloned().ok_or(StoreError::NotFound(existing))?;
            placed.found.push(Found { index, job, replaced });
            return Ok(());
        }
        let mut job = Job::new(Arc::clone(spec));
        if let Some(worker) = worker {
            job.claim(worker, now)?;
        }
        if self.jobs.insert(job) { Ok(()) } else { Err(StoreError::DuplicateId(spec.id)) }
    }

    /// Takes back what a unit did before it failed.
    fn undo(&mut self, jobs: &[Arc<JobSpec>], placed: &Placed, changed: Vec<Job>) {
        let found = |n: usize| placed.found.iter().any(|found| found.index == n);
        for (_, spec) in jobs.iter().enumerate().filter(|(n, _)| !found(*n)) {
            self.jobs.remove(spec.id);
        }
        for before in changed.into_iter().rev() {
            // It may have been a job of the same unit, which is gone by now.
            let put_back = self.jobs.edit(before.id(), |job| {
                *job = before.clone();
                Ok::<_, Infallible>(())
            });
            put_back.unwrap_or_else(|never| match never {});
        }
    }

    /// The job that holds a unique key.
    fn holder(&self, key: &str, now: Timestamp) -> Option<JobId> {
        let holds = |id: &JobId| self.jobs.get(*id).is_some_and(|job| job.held_key(now).is_some());
        self.jobs.keys().holders(key).find(holds)
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
        if change == Change::Retry
            && let Some(existing) = self.stands_in_the_way(id, now)
        {
            return Err(StoreError::UniqueConflict { index: 0, existing });
        }
        let edited = self.jobs.edit(id, |job| {
            job.change(change, now)?;
            Ok::<_, StoreError>(Changed { worker: job.holder(), job: job.clone() })
        })?;
        if delete {
            self.jobs.forget(id);
        }
        edited.ok_or_else(|| if self.jobs.was_pruned(id) { StoreError::Pruned(id) } else { StoreError::NotFound(id) })
    }

    /// The job that holds the key which a finished one would take again.
    fn stands_in_the_way(&self, id: JobId, now: Timestamp) -> Option<JobId> {
        let job = self.jobs.get(id)?;
        let unique = job.spec.unique.as_deref()?;
        let would_hold = unique.is_held(Phase::Ready, job.state.run, now) && job.state.phase.is_finished();
        self.holder(&unique.key, now).filter(|_| would_hold)
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
            Control::Limit { queue, limits } => self.jobs.queue(&queue).limits = limits,
            Control::Declare { worker, schedules } => {
                self.workers.get(worker)?;
                self.schedules.declare(worker, schedules, now);
            }
            Control::SetSchedule(definition) => self.schedules.set(definition, now),
            Control::RemoveSchedule(name) => self.schedules.unset(&name, now)?,
            Control::PauseSchedule(name) => self.schedules.pause(&name, true, now)?,
            Control::ResumeSchedule(name) => self.schedules.pause(&name, false, now)?,
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
        state.rates.tidy(now);
        state.jobs.followed().tidy(now);
        Box::pin(ready(Ok(state.jobs.prune(limit, now))))
    }

    fn prunable(&self) -> BoxFuture<'_, Result<Prunable, StoreError>> {
        let (state, now) = self.lock();
        Box::pin(ready(Ok(state.jobs.prunable(now))))
    }

    fn schedules(&self) -> BoxFuture<'_, Result<Vec<ScheduleRecord>, StoreError>> {
        Box::pin(ready(Ok(self.state.lock().schedules.list())))
    }

    fn tick(&self, tick: Tick) -> BoxFuture<'_, Result<bool, StoreError>> {
        let (mut state, now) = self.lock();
        Box::pin(ready(state.tick(tick, now)))
    }

    fn inquire(&self, id: JobId) -> BoxFuture<'_, Result<Option<Inquiry>, StoreError>> {
        let (mut state, now) = self.lock();
        state.jobs.catch_up(now);
        Box::pin(ready(Ok(state.inquire(id, now))))
    }

    fn follow(&self, after: Option<u64>, limit: usize) -> BoxFuture<'_, Result<Followed, StoreError>> {
        let (mut state, now) = self.lock();
        state.jobs.catch_up(now);
        Box::pin(ready(Ok(state.jobs.followed().follow(after, limit, now))))
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
