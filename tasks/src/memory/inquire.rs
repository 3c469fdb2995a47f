//! What stands before a job.

use jiff::Timestamp;

use super::State;
use super::queue::place;
use crate::{Inquiry, Job, JobId, Phase};

impl State {
    pub(super) fn inquire(&self, id: JobId, now: Timestamp) -> Option<Inquiry> {
        let job = self.jobs.get(id)?.clone();
        let queue = self.jobs.known_queue(&job.spec.queue)?;
        let limits = queue.limits;
        let with_key = job.spec.limit_key.as_deref().and_then(|key| self.jobs.keys().running(&job.spec.queue, key));
        let runs = |other: &&Job| {
            other.spec.queue == job.spec.queue && matches!(other.state.phase, Phase::Running | Phase::Cancelling)
        };
        let holders: Vec<JobId> = match with_key.filter(|_| limits.limits_keys()) {
            Some(ids) => ids.iter().copied().take(Inquiry::HOLDERS).collect(),
            None if queue.running() == 0 => Vec::new(),
            None => self.jobs.newest_first(None).filter(runs).take(Inquiry::HOLDERS).map(Job::id).collect(),
        };
        let [rate_free_at, key_rate_free_at] = self.rate_free_at(&job.spec, &limits, now);
        let stands = place(&job);
        let ahead = queue.ready.ahead_of(stands) + queue.suspects.ahead_of(stands);
        Some(Inquiry {
            now,
            paused: queue.paused,
            limits,
            running_in_queue: queue.running(),
            running_with_key: with_key.map_or(0, |ids| ids.len() as u64),
            holders,
            rate_free_at,
            key_rate_free_at,
            workers: self.workers.live(now),
            able: self.workers.able(&job.spec.task, now),
            ahead: (ahead as u64).min(Inquiry::AHEAD),
            job,
        })
    }
}
