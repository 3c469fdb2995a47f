//! What a store must look like after a sequence of operations.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::operations::{How, Operation};
use super::rules::{Place, compare, is_late, notice, place, step, wake};
use super::*;
use crate::{
    Ask, Change, Control, Ending, Fate, Filter, Job, JobId, JobSpec, Json, Lookup, Outcome, Phase, Progress, Status,
    StoreError, Timestamp, WorkerId,
};

const QUEUES: [&str; 3] = ["a", "b", "c"];

/// Jobs as they must be, and what the store must know besides.
#[derive(Default)]
pub(super) struct Model {
    jobs: BTreeMap<JobId, Job>,
    /// Jobs as the store last gave them.
    seen: BTreeMap<JobId, Job>,
    gone: BTreeMap<JobId, Gone>,
    /// Every claim ever made, to be ended once or more than once.
    claims: Vec<(JobId, u64)>,
    workers: Vec<Worker>,
    paused: BTreeSet<&'static str>,
}

#[derive(PartialEq)]
enum Gone {
    Deleted,
    Pruned,
}

struct Worker {
    id: WorkerId,
    lease_ends: Timestamp,
    tasks: &'static [&'static str],
    registered: bool,
}

fn pick<T>(list: &[T], n: usize) -> Option<&T> {
    if list.is_empty() { None } else { list.get(n % list.len()) }
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

impl Model {
    /// Does an operation to the store and to the model, and compares what the store answers.
    pub(super) async fn act(&mut self, stage: &Stage, operation: &Operation) -> Result<(), String> {
        let job = |n: &usize| self.seen.keys().nth(n % self.seen.len().max(1)).copied();
        match operation {
            Operation::Enqueue { .. } => self.enqueue(stage, operation).await,
            Operation::Claim { worker, limit } => self.claim(stage, *worker, *limit).await,
            Operation::Finish { claim, ending } => self.finish(stage, *claim, *ending).await,
            Operation::Progress { claim, done } => self.progress(stage, *claim, *done).await,
            Operation::Overrun { claim } => self.overrun(stage, *claim).await,
            Operation::Cancel(n) => self.change(stage, job(n), Change::Cancel).await,
            Operation::Retry(n) => self.change(stage, job(n), Change::Retry).await,
            Operation::RunNow(n) => self.change(stage, job(n), Change::RunNow).await,
            Operation::Delete(n) => self.change(stage, job(n), Change::Delete).await,
            Operation::Reschedule { job: n, priority, delay, queue } => {
                let change = Change::Reschedule {
                    run_after: delay.map(|delay| delay.map(|delay| stage.after(seconds(delay)))),
                    priority: *priority,
                    queue: queue.map(|queue| QUEUES[queue].to_owned()),
                    max_attempts: None,
                    if_version: None,
                };
                self.change(stage, job(n), change).await
            }
            Operation::Register { all } => self.register(stage, *all).await,
            Operation::Beat(n) => self.beat(stage, *n).await,
            Operation::Rescue(n) => self.rescue(stage, *n).await,
            Operation::Leave(n) => self.leave(stage, *n).await,
            Operation::Pause(queue) => {
                self.paused.insert(QUEUES[*queue]);
                stage.control(Control::Pause(QUEUES[*queue].into())).await;
                Ok(())
            }
            Operation::Resume(queue) => {
                self.paused.remove(QUEUES[*queue]);
                stage.control(Control::Resume(QUEUES[*queue].into())).await;
                Ok(())
            }
            Operation::Park => self.park(stage).await,
            Operation::Prune => self.prune(stage).await,
            Operation::Wait(time) => {
                stage.advance(seconds(*time));
                Ok(())
            }
        }
    }

    async fn enqueue(&mut self, stage: &Stage, operation: &Operation) -> Result<(), String> {
        let Operation::Enqueue { queue, priority, delay, expires, other, to } = operation else { return Ok(()) };
        let spec = JobSpec {
            priority: *priority,
            run_after: delay.map(|delay| stage.after(seconds(delay))),
            expires_at: expires.map(|expires| stage.after(seconds(expires))),
            task: if *other { OTHER.into() } else { TASK.into() },
            ..stage.spec_in(QUEUES[*queue])
        };
        let mut job = Job::new(spec.clone().into());
        let to = to.and_then(|n| pick(&self.workers, n));
        let placed = match to {
            None => stage.unit(vec![spec], None).await,
            Some(worker) => stage.unit(vec![spec], Some(worker.id)).await,
        };
        let placed = placed.map_err(|error| format!("a fresh job was refused: {error}"))?;
        if let Some(worker) = to.filter(|worker| worker.registered && job.state.phase == Phase::Ready) {
            ensure!(placed.claimed, "a hand-off to a registered worker was not claimed");
            step(job.claim(worker.id, stage.now()))?;
            self.claims.push((job.id(), 1));
        } else {
            ensure!(!placed.claimed, "a hand-off was claimed that could not be");
        }
        self.jobs.insert(job.id(), job);
        Ok(())
    }

    async fn claim(&mut self, stage: &Stage, worker: usize, limit: usize) -> Result<(), String> {
        let Some(worker) = pick(&self.workers, worker) else { return Ok(()) };
        let (id, tasks, registered) = (worker.id, worker.tasks, worker.registered);
        let claimed = stage.store.claim(Ask { worker: id, limit, queues: None, after_queue: None }).await;
        if !registered {
            ensure!(matches!(claimed, Err(StoreError::Gone(gone)) if gone == id), "a claim of nobody: {claimed:?}");
            return Ok(());
        }
        let claimed = claimed.map_err(|error| format!("a registered worker could not claim: {error}"))?;
        ensure!(claimed.jobs.len() <= limit, "{} jobs were given, not {limit}", claimed.jobs.len());
        let now = stage.now();
        let mut worst: BTreeMap<String, Place> = BTreeMap::new();
        for given in &claimed.jobs {
            let job = self.jobs.get(&given.id()).ok_or("a job was given that is gone")?;
            ensure!(self.can_get(job, tasks, now), "was given though it could not be: {job:?}");
            ensure!(!job.is_suspect() || !self.has_suspect(id), "was given as a second suspect: {job:?}");
            let place = place(job);
            if let Some(before) = worst.insert(job.spec.queue.to_string(), place) {
                ensure!(before < place, "was given in the wrong order: {job:?}");
            }
            let job = self.jobs.get_mut(&given.id()).ok_or("it was there")?;
            wake(job, now)?;
            step(job.claim(id, now))?;
            self.claims.push((given.id(), given.state.run));
        }
        for left in self.jobs.values().filter(|job| self.can_get(job, tasks, now) && job.state.phase != Phase::Parked) {
            if left.is_suspect() && self.has_suspect(id) {
                continue;
            }
            ensure!(claimed.jobs.len() == limit, "was not given though there was room: {left:?}");
            let worst = worst.get(&*left.spec.queue).filter(|_| !left.is_suspect());
            ensure!(worst.is_none_or(|worst| *worst < place(left)), "was passed over: {left:?}");
        }
        Ok(())
    }

    async fn finish(&mut self, stage: &Stage, claim: usize, how: How) -> Result<(), String> {
        let Some((id, run)) = pick(&self.claims, claim).copied() else { return Ok(()) };
        let job = self.jobs.get_mut(&id).filter(|job| job.runs_as(run));
        let error = crate::TaskError::new(
            "Failure",
            "it failed",
            "",
            job.as_ref().map_or(0, |job| job.state.attempts),
            stage.now(),
        );
        let ending = match how {
            How::Succeed => Ending::Succeeded(Json::from_stored(run.to_string())),
            How::Fail => Ending::Failed(error),
            How::Retry(pause) => Ending::Retry { at: stage.after(seconds(pause)), error },
            How::Snooze(pause) => Ending::Snoozed(stage.after(seconds(pause))),
            How::Cancel => Ending::Cancelled(error),
            How::HandBack => Ending::HandBack,
        };
        let outcome = Outcome { id, run, started_at: None, ending, logs: Vec::new() };
        let fate = stage.outcome(outcome.clone()).await;
        match job {
            None => ensure!(fate == Fate::Stale, "an outcome was accepted that came too late: {fate:?}"),
            Some(job) => {
                ensure!(fate != Fate::Stale, "the outcome of a present run was not accepted: {job:?}");
                step(job.finish(outcome, stage.now()))?;
            }
        }
        Ok(())
    }

    async fn progress(&mut self, stage: &Stage, claim: usize, done: u64) -> Result<(), String> {
        let Some((id, run)) = pick(&self.claims, claim).copied() else { return Ok(()) };
        self.change(stage, Some(id), Change::Progress { run, progress: Progress { done, total: 9 } }).await
    }

    async fn overrun(&mut self, stage: &Stage, claim: usize) -> Result<(), String> {
        let Some((id, run)) = pick(&self.claims, claim).copied() else { return Ok(()) };
        self.change(stage, Some(id), Change::Overrun { run }).await
    }

    async fn change(&mut self, stage: &Stage, id: Option<JobId>, change: Change) -> Result<(), String> {
        let Some(id) = id else { return Ok(()) };
        let now = stage.now();
        let changed = stage.try_change(id, change.clone()).await;
        let Some(job) = self.jobs.get_mut(&id) else {
            let told = matches!(changed, Err(StoreError::NotFound(_) | StoreError::Pruned(_)));
            ensure!(told, "a job that is gone was changed: {changed:?}");
            return Ok(());
        };
        // The store may have noticed that a time has come, or not yet: what it answered says which.
        let mut awake = job.clone();
        wake(&mut awake, now)?;
        let as_is = job.change(change.clone(), now);
        let expected = match (&changed, as_is) {
            (Ok(_), Err(_)) => {
                *job = awake;
                job.change(change.clone(), now)
            }
            (Err(StoreError::InvalidMove(_)), Ok(())) => {
                let refused = awake.change(change.clone(), now);
                *job = awake;
                refused
            }
            (_, as_is) => as_is,
        };
        ensure!(changed.is_ok() == expected.is_ok(), "{change:?} gave {changed:?}, not {expected:?}");
        if changed.is_ok() && change == Change::Delete {
            self.jobs.remove(&id);
            self.gone.insert(id, Gone::Deleted);
        }
        Ok(())
    }

    async fn register(&mut self, stage: &Stage, all: bool) -> Result<(), String> {
        let tasks: &[&str] = if all { &[TASK, OTHER] } else { &[TASK] };
        let id = stage.worker_for(tasks).await;
        self.workers.push(Worker { id, lease_ends: stage.after(LEASE), tasks, registered: true });
        Ok(())
    }

    async fn beat(&mut self, stage: &Stage, n: usize) -> Result<(), String> {
        let index = n % self.workers.len().max(1);
        let Some(worker) = self.workers.get_mut(index) else { return Ok(()) };
        let pulse = stage.beat(worker.id).await;
        if !worker.registered {
            ensure!(matches!(pulse, Err(StoreError::Gone(_))), "a beat of nobody: {pulse:?}");
            return Ok(());
        }
        let pulse = pulse.map_err(|error| format!("a registered worker could not beat: {error}"))?;
        worker.lease_ends = stage.after(LEASE);
        let (id, now) = (worker.id, stage.now());
        let asked = self.jobs.values().filter(|job| job.state.phase == Phase::Cancelling && !job.state.overrun);
        let asked = asked.filter(|job| job.holder() == Some(id));
        let asked: BTreeSet<_> = asked.map(|job| (job.id(), job.state.run)).collect();
        let told: BTreeSet<_> = pulse.cancels.into_iter().collect();
        ensure!(told == asked, "the beat told of {told:?}, not of {asked:?}");
        let paused: BTreeSet<_> = pulse.paused.iter().map(String::as_str).collect();
        ensure!(paused == self.paused, "the beat told of pauses {paused:?}, not {:?}", self.paused);
        let peers: BTreeSet<_> = pulse.peers.iter().copied().collect();
        let others = self.workers.iter().filter(|other| other.registered && other.id != id);
        let others: BTreeSet<_> = others.map(|other| (other.id, other.lease_ends)).collect();
        ensure!(others.len() > 16 || peers == others, "the beat told of peers {peers:?}, not {others:?} at {now}");
        Ok(())
    }

    async fn rescue(&mut self, stage: &Stage, n: usize) -> Result<(), String> {
        let index = n % self.workers.len().max(1);
        let Some(worker) = self.workers.get_mut(index) else { return Ok(()) };
        let now = stage.now();
        let freed = stage.rescue(worker.id).await;
        let takes = worker.registered && worker.lease_ends <= now;
        let id = worker.id;
        worker.registered &= !takes;
        let mut expected = 0;
        for job in self.jobs.values_mut().filter(|job| takes && job.holder() == Some(id)) {
            step(job.lose(now))?;
            expected += 1;
        }
        ensure!(freed == expected, "a rescue freed {freed} jobs, not {expected}");
        Ok(())
    }

    async fn leave(&mut self, stage: &Stage, n: usize) -> Result<(), String> {
        let index = n % self.workers.len().max(1);
        let Some(worker) = self.workers.get_mut(index) else { return Ok(()) };
        stage.control(Control::Leave(worker.id)).await;
        worker.registered = false;
        let id = worker.id;
        for job in self.jobs.values_mut().filter(|job| job.holder() == Some(id)) {
            step(job.hand_back(stage.now()))?;
        }
        Ok(())
    }

    async fn park(&mut self, stage: &Stage) -> Result<(), String> {
        stage.control(Control::Park).await;
        let now = stage.now();
        let known: BTreeSet<&str> = self.live_tasks(now);
        for job in self.jobs.values_mut() {
            if job.state.phase == Phase::Parked && known.contains(&*job.spec.task) {
                step(job.unpark())?;
            }
            let due = job.status() == Status::Ready && job.effective_time() <= now && !is_late(job, now);
            if due && job.state.phase != Phase::Parked && !known.contains(&*job.spec.task) {
                wake(job, now)?;
                step(job.park())?;
            }
        }
        Ok(())
    }

    async fn prune(&mut self, stage: &Stage) -> Result<(), String> {
        let now = stage.now();
        let pruned = stage.prune(1_000).await;
        let old = |job: &&Job| {
            let keep = if job.state.phase == Phase::Successful { 7 * DAY } else { 30 * DAY };
            job.state.finished_at.is_some_and(|at| at + keep <= now)
        };
        let expected: Vec<_> = self.jobs.values().filter(old).map(Job::id).collect();
        ensure!(pruned == expected.len(), "{pruned} jobs were pruned, not {}", expected.len());
        for id in expected {
            self.jobs.remove(&id);
            self.gone.insert(id, Gone::Pruned);
        }
        Ok(())
    }

    fn live_tasks(&self, now: Timestamp) -> BTreeSet<&'static str> {
        let live = self.workers.iter().filter(|worker| worker.registered && worker.lease_ends > now);
        live.flat_map(|worker| worker.tasks.iter().copied()).collect()
    }

    fn has_suspect(&self, worker: WorkerId) -> bool {
        self.jobs.values().any(|job| job.is_suspect() && job.holder() == Some(worker))
    }

    /// Whether a claim of a worker with these tasks may give the job.
    fn can_get(&self, job: &Job, tasks: &[&str], now: Timestamp) -> bool {
        let due = job.state.phase == Phase::Ready || job.effective_time() <= now;
        job.status() == Status::Ready
            && due
            && !is_late(job, now)
            && tasks.contains(&&*job.spec.task)
            && !self.paused.contains(&*job.spec.queue)
    }

    /// Compares all that the store holds with what it must hold.
    pub(super) async fn check(&mut self, stage: &Stage) -> Result<(), String> {
        let now = stage.now();
        let known = self.live_tasks(now);
        let ids: Vec<JobId> = self.jobs.keys().chain(self.gone.keys()).copied().collect();
        let found = stage.store.get(ids.clone()).await.map_err(|error| error.to_string())?;
        let mut counts: BTreeMap<(String, Phase), u64> = BTreeMap::new();
        for (id, found) in ids.iter().zip(found) {
            match (self.jobs.get_mut(id), found) {
                (Some(job), Lookup::Found(is)) => {
                    *counts.entry((is.spec.queue.to_string(), is.state.phase)).or_default() += 1;
                    notice(job, &is, &known, now)?;
                    compare(job, &is)?;
                    if let Some(before) = self.seen.insert(*id, is.clone()) {
                        let grown = is.state.version > before.state.version;
                        ensure!(grown || is == before, "changed without a new version: {before:?} to {is:?}");
                        ensure!(is.state.run >= before.state.run, "its run shrank: {before:?} to {is:?}");
                    }
                }
                (None, Lookup::Pruned) => {}
                (None, Lookup::Unknown) if self.gone.get(id) == Some(&Gone::Deleted) => {}
                (job, found) => return Err(format!("{id} is {found:?}, not {job:?}")),
            }
        }
        self.check_list_and_numbers(stage, counts).await
    }

    async fn check_list_and_numbers(
        &self,
        stage: &Stage,
        counts: BTreeMap<(String, Phase), u64>,
    ) -> Result<(), String> {
        let listed = stage.list(Filter::default()).await;
        let expected: Vec<_> = self.jobs.keys().rev().copied().collect();
        ensure!(listed == expected, "the list holds {listed:?}, not {expected:?}");
        let queues = stage.stats().await.queues.into_iter();
        let counted: BTreeMap<_, _> = queues
            .flat_map(|(name, queue)| queue.phases.into_iter().map(move |(phase, n)| ((name.clone(), phase), n)))
            .collect();
        ensure!(counted == counts, "the numbers are {counted:?}, not {counts:?}");
        Ok(())
    }
}
