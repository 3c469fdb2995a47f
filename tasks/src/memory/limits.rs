//! What the limits of a queue leave to be started.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::State;
use crate::{JobSpec, Phase, QueueLimits, StoreError};

/// What each rate has let through, by queue and key; no key is the queue's own.
#[derive(Default)]
pub(super) struct Rates(BTreeMap<(String, Option<String>), Timestamp>);

impl Rates {
    pub(super) fn next(&self, queue: &str, key: Option<&str>) -> Option<Timestamp> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&(queue.to_owned(), key.map(str::to_owned))).copied()
    }

    fn set(&mut self, queue: &str, key: Option<&str>, next: Timestamp) {
        self.0.insert((queue.to_owned(), key.map(str::to_owned)), next);
    }

    /// Forgets those that have rested.
    pub(super) fn tidy(&mut self, now: Timestamp) {
        self.0.retain(|_, next| *next > now);
    }
}

impl State {
    /// How many more of a queue may start now.
    pub(super) fn room_of(&self, queue: &str, limits: &QueueLimits, now: Timestamp) -> usize {
        let running = self.jobs.known_queue(queue).map_or(0, |queue| queue.running());
        let at_once = limits.concurrency.map_or(u64::MAX, |most| u64::from(most).saturating_sub(running));
        let rate = limits.rate.map_or(u64::MAX, |rate| u64::from(rate.permits(self.rates.next(queue, None), now)));
        usize::try_from(at_once.min(rate)).unwrap_or(usize::MAX)
    }

    /// Whether the limits of its key let a job start now.
    pub(super) fn key_has_room(&self, spec: &JobSpec, limits: &QueueLimits, now: Timestamp) -> bool {
        let Some(key) = spec.limit_key.as_deref().filter(|_| limits.limits_keys()) else { return true };
        let running = self.jobs.keys().running(&spec.queue, key).map_or(0, |ids| ids.len() as u64);
        let next = self.rates.next(&spec.queue, Some(key));
        limits.key_concurrency.is_none_or(|most| running < u64::from(most))
            && limits.key_rate.is_none_or(|rate| rate.permits(next, now) > 0)
    }

    /// A job has started: the rates move on.
    pub(super) fn count_start(&mut self, spec: &JobSpec, now: Timestamp) {
        let limits = self.limits_of(&spec.queue);
        if let Some(rate) = limits.rate {
            let next = rate.after(self.rates.next(&spec.queue, None), now, 1);
            self.rates.set(&spec.queue, None, next);
        }
        if let Some((rate, key)) = limits.key_rate.zip(spec.limit_key.as_deref()) {
            let next = rate.after(self.rates.next(&spec.queue, Some(key)), now, 1);
            self.rates.set(&spec.queue, Some(key), next);
        }
    }

    pub(super) fn limits_of(&self, queue: &str) -> QueueLimits {
        self.jobs.known_queue(queue).map_or_else(QueueLimits::default, |queue| queue.limits)
    }

    /// When the rate of a queue, or of a job's key, lets one more start.
    pub(super) fn rate_free_at(&self, spec: &JobSpec, limits: &QueueLimits, now: Timestamp) -> [Option<Timestamp>; 2] {
        let queue = limits.rate.map(|rate| rate.free_at(self.rates.next(&spec.queue, None), now));
        let key = limits.key_rate.zip(spec.limit_key.as_deref());
        let key = key.map(|(rate, key)| rate.free_at(self.rates.next(&spec.queue, Some(key)), now));
        [queue, key]
    }

    /// When something that a rate holds back may start: the first of the ready jobs that wait for nothing else.
    pub(super) fn rates_free_at(&self, now: Timestamp) -> Option<Timestamp> {
        let mut first: Option<Timestamp> = None;
        let limited = self.jobs.queues_after(None).filter(|(_, queue)| {
            !queue.paused && queue.has_ready() && (queue.limits.rate.is_some() || queue.limits.key_rate.is_some())
        });
        for (_, queue) in limited {
            for job in queue.ready.ids().chain(queue.suspects.ids()).filter_map(|id| self.jobs.get(id)) {
                let at = self.rate_free_at(&job.spec, &queue.limits, now).into_iter().flatten().max();
                first = at.map(|at| first.map_or(at, |first| first.min(at))).or(first);
                if queue.limits.key_rate.is_none() || first.is_some_and(|first| first <= now) {
                    break;
                }
            }
        }
        first.filter(|at| *at > now)
    }

    /// Refuses more jobs than may wait in their queues.
    pub(super) fn check_depth(&self, jobs: &[Arc<JobSpec>]) -> Result<(), StoreError> {
        let mut coming: BTreeMap<&str, u64> = BTreeMap::new();
        for spec in jobs {
            *coming.entry(&spec.queue).or_default() += 1;
        }
        for (name, coming) in coming {
            let Some(queue) = self.jobs.known_queue(name) else { continue };
            if let Some(depth) = queue.limits.depth.filter(|depth| queue.waiting() + coming > *depth) {
                return Err(StoreError::QueueFull { queue: name.to_owned(), waiting: queue.waiting(), depth });
            }
        }
        Ok(())
    }
}

impl super::queue::Queue {
    pub(super) fn running(&self) -> u64 {
        self.count(Phase::Running) + self.count(Phase::Cancelling)
    }

    pub(super) fn waiting(&self) -> u64 {
        [Phase::Scheduled, Phase::Ready, Phase::Parked, Phase::RetryWait].map(|phase| self.count(phase)).iter().sum()
    }
}
