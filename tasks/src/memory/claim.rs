//! Who gets which job: from each queue in turn a fair share, then the best of what is left.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use jiff::Timestamp;

use super::State;
use super::queue::Place;
use crate::{Ask, Claimed, Job, QueueLimits, StoreError, WorkerId};

/// One queue during one claim.
struct Turn {
    queue: String,
    /// How many more the asking process takes of it.
    room: usize,
    limits: QueueLimits,
    /// Behind these it goes on: what stands before them is not for this process.
    passed: Option<Place>,
    passed_suspect: Option<Place>,
}

impl State {
    pub(super) fn claim(&mut self, ask: Ask, now: Timestamp) -> Result<Claimed, StoreError> {
        self.workers.get(ask.worker)?;
        self.jobs.catch_up(now);
        self.jobs.evict();
        let mut turns = self.turns(&ask, now);
        let mut claimed = Claimed { last_queue: ask.after_queue, ..Claimed::default() };

        let share = (ask.limit / turns.len().max(1)).max(1);
        for turn in &mut turns {
            for _ in 0..share.min(turn.room).min(ask.limit - claimed.jobs.len()) {
                let Some(place) = self.best(turn, ask.worker, now)? else { break };
                claimed.jobs.push(self.give(place, turn, ask.worker, now)?);
                claimed.last_queue = Some(turn.queue.clone());
            }
        }
        self.claim_rest(&mut turns, ask.worker, ask.limit, &mut claimed.jobs, now)?;

        if claimed.jobs.len() < ask.limit {
            claimed.next_due = self.next_due(now);
        }
        Ok(claimed)
    }

    /// When somebody should ask again: a job's time, or that of a rate.
    pub(super) fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        [self.jobs.next_due(), self.rates_free_at(now)].into_iter().flatten().min()
    }

    /// The queues that have something for the asking process, in turn.
    fn turns(&self, ask: &Ask, now: Timestamp) -> Vec<Turn> {
        let queues = self.jobs.queues_after(ask.after_queue.as_deref());
        queues
            .filter(|(_, queue)| !queue.paused && queue.has_ready())
            .map(|(name, queue)| {
                let room = ask.room(name).min(self.room_of(name, &queue.limits, now));
                Turn { queue: name.clone(), room, limits: queue.limits, passed: None, passed_suspect: None }
            })
            .filter(|turn| turn.room > 0)
            .collect()
    }

    /// Fills what is left of the limit with the best jobs of all queues, whatever their queue.
    fn claim_rest(
        &mut self,
        turns: &mut [Turn],
        worker: WorkerId,
        limit: usize,
        jobs: &mut Vec<Job>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut heads = BinaryHeap::new();
        if jobs.len() < limit {
            for (n, turn) in turns.iter_mut().enumerate() {
                heads.extend(self.best(turn, worker, now)?.map(|place| Reverse((place, n))));
            }
        }
        while jobs.len() < limit
            && let Some(Reverse((seen, n))) = heads.pop()
        {
            // A suspect that was seen here is no longer to be had once another queue gave one.
            let turn = &mut turns[n];
            if self.best(turn, worker, now)? == Some(seen) {
                jobs.push(self.give(seen, turn, worker, now)?);
            }
            heads.extend(self.best(turn, worker, now)?.map(|place| Reverse((place, n))));
        }
        Ok(())
    }

    /// The best job of a queue that the process can run.
    fn best(&mut self, turn: &mut Turn, worker: WorkerId, now: Timestamp) -> Result<Option<Place>, StoreError> {
        if turn.room == 0 {
            return Ok(None);
        }
        loop {
            let asking = self.workers.get(worker)?;
            let Some(queue) = self.jobs.known_queue(&turn.queue) else { return Ok(None) };
            let ready = queue.ready.best(turn.passed);
            let suspect = if asking.suspect.is_none() { queue.suspects.best(turn.passed_suspect) } else { None };
            let Some(place) = [ready, suspect].into_iter().flatten().min() else { return Ok(None) };
            let id = place.2;
            let can_run = self.jobs.get(id).is_some_and(|job| asking.can_run(&job.spec.task));
            let has_room = self.jobs.get(id).is_some_and(|job| self.key_has_room(&job.spec, &turn.limits, now));
            if can_run && has_room {
                return Ok(Some(place));
            }
            if can_run || !self.park_if_foreign(id, now) {
                let passed = if Some(place) == ready { &mut turn.passed } else { &mut turn.passed_suspect };
                *passed = Some(place);
            }
        }
    }

    fn give(&mut self, place: Place, turn: &mut Turn, worker: WorkerId, now: Timestamp) -> Result<Job, StoreError> {
        let id = place.2;
        turn.room -= 1;
        let job = self.jobs.edit(id, |job| {
            job.claim(worker, now)?;
            Ok::<_, StoreError>(job.clone())
        })?;
        let job = job.ok_or(StoreError::NotFound(id))?;
        if turn.limits.limits_starts() {
            self.count_start(&job.spec, now);
        }
        if job.is_suspect() {
            self.workers.get_mut(worker)?.suspect = Some(id);
        }
        Ok(job)
    }
}
