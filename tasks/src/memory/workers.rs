//! The worker processes: their leases, what they can run, and what becomes of their jobs when they go.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{State, later};
use crate::{Beat, InvalidMove, Job, JobId, Phase, Pulse, StoreError, WorkerId};

#[derive(Default)]
pub(super) struct Workers(BTreeMap<WorkerId, Worker>);

pub(super) struct Worker {
    lease_ends: Timestamp,
    tasks: BTreeSet<String>,
    /// The one job that it runs although it was lost before.
    pub(super) suspect: Option<JobId>,
}

impl Worker {
    pub(super) fn can_run(&self, task: &str) -> bool {
        self.tasks.contains(task)
    }
}

impl Workers {
    pub(super) fn register(&mut self, worker: WorkerId, lease_ends: Timestamp, tasks: Vec<String>) {
        let tasks = tasks.into_iter().collect();
        self.0.insert(worker, Worker { lease_ends, tasks, suspect: None });
    }

    pub(super) fn knows(&self, worker: WorkerId) -> bool {
        self.0.contains_key(&worker)
    }

    pub(super) fn get(&self, worker: WorkerId) -> Result<&Worker, StoreError> {
        self.0.get(&worker).ok_or(StoreError::Gone(worker))
    }

    pub(super) fn get_mut(&mut self, worker: WorkerId) -> Result<&mut Worker, StoreError> {
        self.0.get_mut(&worker).ok_or(StoreError::Gone(worker))
    }

    /// Whether a process whose lease holds has this task.
    pub(super) fn can_run(&self, task: &str, now: Timestamp) -> bool {
        self.0.values().any(|worker| worker.lease_ends > now && worker.can_run(task))
    }

    /// How many processes have a lease that holds.
    pub(super) fn live(&self, now: Timestamp) -> u64 {
        self.0.values().filter(|worker| worker.lease_ends > now).count() as u64
    }

    /// How many of them have this task.
    pub(super) fn able(&self, task: &str, now: Timestamp) -> u64 {
        self.0.values().filter(|worker| worker.lease_ends > now && worker.can_run(task)).count() as u64
    }

    pub(super) fn leases(&self) -> impl Iterator<Item = (WorkerId, Timestamp)> + '_ {
        self.0.iter().map(|(id, worker)| (*id, worker.lease_ends))
    }

    /// A job is about to leave the worker that has it.
    pub(super) fn released(&mut self, job: &Job) {
        if job.is_suspect()
            && let Some(worker) = job.holder().and_then(|worker| self.0.get_mut(&worker))
        {
            worker.suspect = None;
        }
    }
}

impl State {
    pub(super) fn beat(&mut self, beat: &Beat, now: Timestamp) -> Result<Pulse, StoreError> {
        /// More than a few peers need not be watched: every process watches some.
        const PEERS: usize = 16;
        let worker = self.workers.get_mut(beat.worker)?;
        let lapsed = worker.lease_ends <= now;
        worker.lease_ends = later(now, beat.lease);
        if lapsed {
            // Its jobs may have been parked in the meantime.
            self.unpark(now)?;
        }
        self.jobs.catch_up(now);
        let mine = self.jobs.cancelling().filter(|job| job.holder() == Some(beat.worker) && !job.state.overrun);
        let mut peers: Vec<_> = self.workers.leases().filter(|(id, _)| *id != beat.worker).collect();
        peers.sort_unstable_by_key(|(id, lease_ends)| (*lease_ends, *id));
        peers.truncate(PEERS);
        Ok(Pulse {
            now,
            due: self.jobs.any_ready(),
            cancels: mine.map(|job| (job.id(), job.state.run)).collect(),
            peers,
            next_due: self.next_due(now),
            paused: self.jobs.queues_after(None).filter(|(_, q)| q.paused).map(|(name, _)| name.clone()).collect(),
            limits: self.jobs.limits(),
            schedules: self.schedules.changes,
        })
    }

    pub(super) fn rescue(&mut self, worker: WorkerId, now: Timestamp) -> Result<usize, StoreError> {
        match self.workers.get(worker) {
            Ok(lost) if lost.lease_ends <= now => self.free(worker, now, |job| job.lose(now)),
            _ => Ok(0),
        }
    }

    pub(super) fn leave(&mut self, worker: WorkerId, now: Timestamp) -> Result<(), StoreError> {
        self.free(worker, now, |job| job.hand_back(now)).map(drop)
    }

    fn free(
        &mut self,
        worker: WorkerId,
        now: Timestamp,
        mut step: impl FnMut(&mut Job) -> Result<(), InvalidMove>,
    ) -> Result<usize, StoreError> {
        self.workers.0.remove(&worker);
        self.schedules.withdraw(worker, now);
        let held = self.jobs.held_by(worker);
        for id in &held {
            self.jobs.edit(*id, &mut step)?;
        }
        self.jobs.evict();
        Ok(held.len())
    }

    pub(super) fn park(&mut self, now: Timestamp) -> Result<(), StoreError> {
        self.unpark(now)?;
        self.jobs.catch_up(now);
        let known = |task: &str| self.workers.can_run(task, now);
        if self.jobs.has_ready_of_others(known) {
            for id in self.jobs.ready_of_others(known) {
                self.jobs.edit(id, Job::park)?;
            }
        }
        Ok(())
    }

    pub(super) fn unpark(&mut self, now: Timestamp) -> Result<(), StoreError> {
        for id in self.jobs.parked_of(|task| self.workers.can_run(task, now)) {
            self.jobs.edit(id, Job::unpark)?;
        }
        Ok(())
    }

    /// Parks one job that stands in the way of a claim, if nobody can run it.
    pub(super) fn park_if_foreign(&mut self, id: JobId, now: Timestamp) -> bool {
        let foreign = self
            .jobs
            .get(id)
            .is_some_and(|job| job.state.phase == Phase::Ready && !self.workers.can_run(&job.spec.task, now));
        foreign && self.jobs.edit(id, Job::park).is_ok()
    }
}
