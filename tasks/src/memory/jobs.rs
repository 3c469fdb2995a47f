//! All jobs, with every order in which they are looked for.
//!
//! A job is only ever changed through [`Jobs::edit`], which takes it out of the orders, lets it change, and puts
//! it back where it belongs then: so an order cannot disagree with the jobs.

use std::borrow::Cow;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};

use jiff::Timestamp;

use super::MemoryOptions;
use super::finished::Finished;
use super::follow::Ends;
use super::keys::Keys;
use super::queue::Queue;
use crate::{Job, JobId, Phase, Prunable, QueueLimits, QueueStats};

pub(super) struct Jobs {
    by_id: BTreeMap<JobId, Box<Job>>,
    orders: Orders,
}

struct Orders {
    queues: BTreeMap<String, Queue>,
    tasks: BTreeMap<Cow<'static, str>, OfTask>,
    /// Jobs that wait for a time, by it.
    timed: BTreeSet<(Timestamp, JobId)>,
    /// Jobs that expire, by when.
    expiring: BTreeSet<(Timestamp, JobId)>,
    cancelling: BTreeSet<JobId>,
    keys: Keys,
    finished: Finished,
    followed: Ends,
}

/// The jobs of one task that parking is about.
#[derive(Default)]
struct OfTask {
    ready: u64,
    parked: BTreeSet<JobId>,
}

impl Jobs {
    pub(super) fn new(options: MemoryOptions) -> Self {
        let orders = Orders {
            queues: BTreeMap::new(),
            tasks: BTreeMap::new(),
            timed: BTreeSet::new(),
            expiring: BTreeSet::new(),
            cancelling: BTreeSet::new(),
            keys: Keys::default(),
            finished: Finished::new(options),
            followed: Ends::default(),
        };
        Self { by_id: BTreeMap::new(), orders }
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn get(&self, id: JobId) -> Option<&Job> {
        self.by_id.get(&id).map(Box::as_ref)
    }

    pub(super) fn newest_first(&self, before: Option<JobId>) -> impl Iterator<Item = &Job> {
        let range = match before {
            None => self.by_id.range(..),
            Some(before) => self.by_id.range(..before),
        };
        range.rev().map(|(_, job)| job.as_ref())
    }

    /// Every job that a worker has: looked for only where one comes or goes, so there is no order of them.
    pub(super) fn held_by(&self, worker: crate::WorkerId) -> Vec<JobId> {
        self.by_id.values().filter(|job| job.holder() == Some(worker)).map(|job| job.id()).collect()
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.orders.keys
    }

    /// The order of ends, for whoever follows.
    pub(super) fn followed(&mut self) -> &mut Ends {
        &mut self.orders.followed
    }

    pub(super) fn cancelling(&self) -> impl Iterator<Item = &Job> {
        self.orders.cancelling.iter().filter_map(|id| self.get(*id))
    }

    /// Adds a job, unless there is one of its id.
    pub(super) fn insert(&mut self, job: Job) -> bool {
        let Entry::Vacant(free) = self.by_id.entry(job.id()) else { return false };
        self.orders.add(&job);
        free.insert(Box::new(job));
        true
    }

    /// Lets a job change. If `change` fails it has changed nothing. `None` if there is no such job.
    pub(super) fn edit<T, E>(
        &mut self,
        id: JobId,
        change: impl FnOnce(&mut Job) -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        let Some(job) = self.by_id.get_mut(&id) else { return Ok(None) };
        self.orders.remove(job);
        let open = !job.state.phase.is_finished();
        let changed = change(job);
        self.orders.add(job);
        if open && job.state.phase.is_finished() {
            self.orders.followed.note(id);
        }
        changed.map(Some)
    }

    pub(super) fn remove(&mut self, id: JobId) -> Option<Box<Job>> {
        let job = self.by_id.remove(&id)?;
        self.orders.remove(&job);
        Some(job)
    }

    /// Removes a job and, if it had ended, remembers that there was one.
    pub(super) fn forget(&mut self, id: JobId) -> Option<Box<Job>> {
        let job = self.remove(id)?;
        if job.state.phase.is_finished() {
            self.orders.finished.remember(id);
        }
        Some(job)
    }

    pub(super) fn was_pruned(&self, id: JobId) -> bool {
        self.orders.finished.was_pruned(id)
    }

    /// Removes the oldest finished jobs that are too many. They are best dropped outside the lock: they were not
    /// touched for so long that each is slow to reach.
    #[expect(clippy::vec_box, reason = "they stay where they are until they are dropped")]
    pub(super) fn evict(&mut self) -> Vec<Box<Job>> {
        let mut evicted = Vec::new();
        while let Some(job) = self.orders.finished.one_too_many().and_then(|id| self.forget(id)) {
            evicted.push(job);
        }
        evicted
    }

    /// Removes finished jobs that are too old, and empty queues and tasks with them.
    pub(super) fn prune(&mut self, limit: usize, now: Timestamp) -> usize {
        let mut pruned = 0;
        while pruned < limit
            && let Some(id) = self.orders.finished.one_too_old(now)
        {
            self.forget(id);
            pruned += 1;
        }
        self.orders.queues.retain(|_, queue| !queue.is_idle());
        self.orders.tasks.retain(|_, jobs| jobs.ready > 0 || !jobs.parked.is_empty());
        pruned
    }

    /// How many finished jobs are too old.
    pub(super) fn prunable(&self, now: Timestamp) -> Prunable {
        self.orders.finished.too_old(now)
    }

    /// Ends the jobs that have expired and makes ready those whose time has come.
    pub(super) fn catch_up(&mut self, now: Timestamp) {
        while let Some((at, id)) = self.orders.expiring.first().copied()
            && at <= now
        {
            self.edit(id, |job| job.expire(now)).expect("only jobs that wait are in this order");
        }
        while let Some((at, id)) = self.orders.timed.first().copied()
            && at <= now
        {
            self.edit(id, Job::promote).expect("only jobs that wait for a time are in this order");
        }
    }

    /// When the next job that waits for its time is due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.orders.timed.first().map(|(at, _)| *at)
    }

    /// Whether a queue that is not paused has a ready job.
    pub(super) fn any_ready(&self) -> bool {
        self.orders.queues.values().any(|queue| !queue.paused && queue.has_ready())
    }

    /// A queue, made if nobody has heard of it yet.
    pub(super) fn queue(&mut self, name: &str) -> &mut Queue {
        self.orders.queue(name)
    }

    pub(super) fn known_queue(&self, name: &str) -> Option<&Queue> {
        self.orders.queues.get(name)
    }

    /// All queues in turn, starting behind `after`.
    pub(super) fn queues_after(&self, after: Option<&str>) -> impl Iterator<Item = (&String, &Queue)> {
        let queues = &self.orders.queues;
        let from = after.map_or(Unbounded, Excluded);
        let wrapped = queues.iter().take_while(move |(name, _)| after.is_some_and(|after| name.as_str() <= after));
        queues.range::<str, _>((from, Unbounded)).chain(wrapped)
    }

    /// Tasks of ready jobs that are not `known`.
    pub(super) fn has_ready_of_others(&self, known: impl Fn(&str) -> bool) -> bool {
        self.orders.tasks.iter().any(|(task, jobs)| jobs.ready > 0 && !known(task))
    }

    /// Ready jobs whose task is not `known`.
    pub(super) fn ready_of_others(&self, known: impl Fn(&str) -> bool) -> Vec<JobId> {
        let lines = self.orders.queues.values().flat_map(|queue| [&queue.ready, &queue.suspects]);
        lines.flat_map(|line| line.ids()).filter(|id| self.get(*id).is_some_and(|job| !known(&job.spec.task))).collect()
    }

    /// Parked jobs whose task is `known`.
    pub(super) fn parked_of(&self, known: impl Fn(&str) -> bool) -> Vec<JobId> {
        let tasks = self.orders.tasks.iter().filter(|(task, _)| known(task));
        tasks.flat_map(|(_, jobs)| jobs.parked.iter().copied()).collect()
    }

    /// The queues that have limits.
    pub(super) fn limits(&self) -> BTreeMap<String, QueueLimits> {
        let limited = self.orders.queues.iter().filter(|(_, queue)| !queue.limits.is_none());
        limited.map(|(name, queue)| (name.clone(), queue.limits)).collect()
    }

    pub(super) fn stats(&self) -> BTreeMap<String, QueueStats> {
        self.orders.queues.iter().map(|(name, queue)| (name.clone(), queue.stats())).collect()
    }
}

impl Orders {
    fn add(&mut self, job: &Job) {
        self.queue(&job.spec.queue).add(job);
        let id = job.id();
        match job.state.phase {
            Phase::Running => {}
            Phase::Cancelling => drop(self.cancelling.insert(id)),
            Phase::Scheduled | Phase::RetryWait => drop(self.timed.insert((job.effective_time(), id))),
            Phase::Ready => self.task(job).ready += 1,
            Phase::Parked => drop(self.task(job).parked.insert(id)),
            _ => self.finished.add(job),
        }
        if let Some(at) = job.expires_at() {
            self.expiring.insert((at, id));
        }
        self.keys.add(job);
    }

    fn remove(&mut self, job: &Job) {
        self.queue(&job.spec.queue).remove(job);
        let id = job.id();
        match job.state.phase {
            Phase::Running => {}
            Phase::Cancelling => drop(self.cancelling.remove(&id)),
            Phase::Scheduled | Phase::RetryWait => drop(self.timed.remove(&(job.effective_time(), id))),
            Phase::Ready => self.task(job).ready -= 1,
            Phase::Parked => drop(self.task(job).parked.remove(&id)),
            _ => self.finished.remove(job),
        }
        if let Some(at) = job.expires_at() {
            self.expiring.remove(&(at, id));
        }
        self.keys.remove(job);
    }

    fn queue(&mut self, name: &str) -> &mut Queue {
        if !self.queues.contains_key(name) {
            self.queues.insert(name.to_owned(), Queue::default());
        }
        self.queues.get_mut(name).expect("it was there or was added")
    }

    fn task(&mut self, job: &Job) -> &mut OfTask {
        let name = &job.spec.task;
        if !self.tasks.contains_key(name) {
            self.tasks.insert(name.clone(), OfTask::default());
        }
        self.tasks.get_mut(name).expect("it was there or was added")
    }
}
