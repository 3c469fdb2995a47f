//! One queue: the order in which its ready jobs are given, and its counts.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Unbounded};

use jiff::Timestamp;

use crate::{Inquiry, Job, JobId, Phase, QueueLimits, QueueStats};

/// Where a ready job stands in the line of its queue.
pub(super) type Place = (Reverse<i8>, Timestamp, JobId);

pub(super) fn place(job: &Job) -> Place {
    (Reverse(job.spec.priority), job.effective_time(), job.id())
}

#[derive(Default)]
pub(super) struct Queue {
    pub(super) paused: bool,
    pub(super) limits: QueueLimits,
    pub(super) ready: Line,
    /// Ready jobs that were lost before: they stand in a line of their own, because who runs one gets no other.
    pub(super) suspects: Line,
    phases: [u64; Phase::ALL.len()],
}

/// Ready jobs, best first.
#[derive(Default)]
pub(super) struct Line(BTreeSet<Place>);

impl Line {
    /// The first one behind `after`.
    pub(super) fn best(&self, after: Option<Place>) -> Option<Place> {
        match after {
            None => self.0.first().copied(),
            Some(after) => self.0.range((Excluded(after), Unbounded)).next().copied(),
        }
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = JobId> + '_ {
        self.0.iter().map(|(_, _, id)| *id)
    }

    /// How many stand before a place, counted to a bound.
    pub(super) fn ahead_of(&self, place: Place) -> usize {
        self.0.range(..place).take(Inquiry::AHEAD as usize).count()
    }

    /// The earliest time in it. The line is sorted by priority first, so it looks at the first of each priority.
    fn oldest(&self) -> Option<Timestamp> {
        let mut oldest: Option<Timestamp> = None;
        let mut next = self.0.first().copied();
        while let Some((priority, time, _)) = next {
            oldest = Some(oldest.map_or(time, |oldest| oldest.min(time)));
            let end_of_priority = (priority, Timestamp::MAX, JobId::from_uuid(uuid::Uuid::max()));
            next = self.best(Some(end_of_priority));
        }
        oldest
    }
}

impl Queue {
    pub(super) fn add(&mut self, job: &Job) {
        self.phases[job.state.phase as usize] += 1;
        if job.state.phase == Phase::Ready {
            self.line(job).0.insert(place(job));
        }
    }

    pub(super) fn remove(&mut self, job: &Job) {
        self.phases[job.state.phase as usize] -= 1;
        if job.state.phase == Phase::Ready {
            self.line(job).0.remove(&place(job));
        }
    }

    fn line(&mut self, job: &Job) -> &mut Line {
        if job.is_suspect() { &mut self.suspects } else { &mut self.ready }
    }

    pub(super) fn count(&self, phase: Phase) -> u64 {
        self.phases[phase as usize]
    }

    /// Whether it has a ready job, a suspect too.
    pub(super) fn has_ready(&self) -> bool {
        self.phases[Phase::Ready as usize] > 0
    }

    /// Whether nothing would be lost with it.
    pub(super) fn is_idle(&self) -> bool {
        !self.paused && self.limits.is_none() && self.phases.iter().all(|count| *count == 0)
    }

    pub(super) fn stats(&self) -> QueueStats {
        let counts = Phase::ALL.into_iter().map(|phase| (phase, self.phases[phase as usize]));
        let oldest_ready = [self.ready.oldest(), self.suspects.oldest()].into_iter().flatten().min();
        QueueStats {
            phases: counts.filter(|(_, count)| *count > 0).collect(),
            oldest_ready,
            paused: self.paused,
            limits: self.limits,
        }
    }
}
