//! Keys: who may hold which unique key, how many run with which limit key, and which requests came before.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::later;
use crate::{Idempotency, Job, JobId, Phase, Replayed, StoreError};

/// The keys of all jobs. Only jobs that have one cost anything here.
#[derive(Default)]
pub(super) struct Keys {
    /// Every job that holds its unique key, but for the time: that is asked for where somebody comes.
    unique: BTreeMap<String, BTreeSet<JobId>>,
    /// Jobs that run with a limit key, by queue and key.
    running: BTreeMap<(String, String), BTreeSet<JobId>>,
}

impl Keys {
    pub(super) fn add(&mut self, job: &Job) {
        if let Some(key) = job.held_key(Timestamp::MIN) {
            self.unique.entry(key.to_owned()).or_default().insert(job.id());
        }
        if let Some(place) = running_with(job) {
            self.running.entry(place).or_default().insert(job.id());
        }
    }

    pub(super) fn remove(&mut self, job: &Job) {
        if let Some(key) = job.held_key(Timestamp::MIN) {
            take_out(&mut self.unique, &key.to_owned(), job.id());
        }
        if let Some(place) = running_with(job) {
            take_out(&mut self.running, &place, job.id());
        }
    }

    /// Those that hold a unique key, as far as that does not depend on the time.
    pub(super) fn holders(&self, key: &str) -> impl Iterator<Item = JobId> + '_ {
        self.unique.get(key).into_iter().flatten().copied()
    }

    /// Those that run in a queue with a limit key.
    pub(super) fn running(&self, queue: &str, key: &str) -> Option<&BTreeSet<JobId>> {
        self.running.get(&(queue.to_owned(), key.to_owned()))
    }
}

fn running_with(job: &Job) -> Option<(String, String)> {
    let runs = matches!(job.state.phase, Phase::Running | Phase::Cancelling);
    let key = job.spec.limit_key.as_deref().filter(|_| runs)?;
    Some((job.spec.queue.to_string(), key.to_owned()))
}

fn take_out<K: Ord>(map: &mut BTreeMap<K, BTreeSet<JobId>>, key: &K, id: JobId) {
    if let Some(ids) = map.get_mut(key) {
        ids.remove(&id);
        if ids.is_empty() {
            map.remove(key);
        }
    }
}

/// Requests that came with an idempotency key.
#[derive(Default)]
pub(super) struct Requests {
    by_key: BTreeMap<String, Request>,
    by_end: BTreeSet<(Timestamp, String)>,
}

struct Request {
    digest: [u8; 32],
    ids: Replayed,
    forgotten_at: Timestamp,
}

impl Requests {
    /// What the request made when it came before.
    pub(super) fn replay(&mut self, request: &Idempotency, now: Timestamp) -> Result<Option<Replayed>, StoreError> {
        while let Some(first) = self.by_end.first().filter(|(end, _)| *end <= now).cloned() {
            self.by_end.remove(&first);
            self.by_key.remove(&first.1);
        }
        match self.by_key.get(&request.key) {
            None => Ok(None),
            Some(known) if known.digest == request.request => Ok(Some(known.ids.clone())),
            Some(_) => Err(StoreError::IdempotencyMismatch),
        }
    }

    pub(super) fn keep(&mut self, request: &Idempotency, ids: Replayed, now: Timestamp) {
        let forgotten_at = later(now, request.keep);
        self.by_end.insert((forgotten_at, request.key.clone()));
        let kept = Request { digest: request.request, ids, forgotten_at };
        if let Some(before) = self.by_key.insert(request.key.clone(), kept) {
            self.by_end.remove(&(before.forgotten_at, request.key.clone()));
        }
    }
}
