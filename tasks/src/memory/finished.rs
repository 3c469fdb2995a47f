//! Jobs that have ended, in the order of their ends, and the ids of those that were removed since.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::time::Duration;

use jiff::Timestamp;

use super::spread::Spread;
use super::{MemoryOptions, later};
use crate::{Job, JobId, Phase, Prunable};

pub(super) struct Finished {
    options: MemoryOptions,
    successful: Ends,
    failed: Ends,
    pruned: Remembered,
}

/// Jobs by the time of their end. Time never runs backwards in a store, so each one is added at the back; one that
/// leaves before its turn (it runs again, or was deleted) is only marked, and skipped when its turn comes.
#[derive(Default)]
struct Ends {
    order: VecDeque<(Timestamp, JobId)>,
    gone: BTreeSet<(Timestamp, JobId)>,
}

impl Ends {
    fn len(&self) -> usize {
        self.order.len() - self.gone.len()
    }

    /// The one that ended first. Those that are gone never stand there.
    fn first(&self) -> Option<&(Timestamp, JobId)> {
        self.order.front()
    }

    fn add(&mut self, end: (Timestamp, JobId)) {
        if self.gone.remove(&end) {
            return;
        }
        match self.order.back() {
            Some(last) if *last > end => {
                let place = self.order.partition_point(|other| *other < end);
                self.order.insert(place, end);
            }
            _ => self.order.push_back(end),
        }
    }

    fn remove(&mut self, end: (Timestamp, JobId)) {
        if self.order.front() == Some(&end) {
            self.order.pop_front();
        } else {
            self.gone.insert(end);
        }
        while let Some(front) = self.order.front()
            && self.gone.remove(front)
        {
            self.order.pop_front();
        }
        if self.gone.len() > self.order.len() / 2 {
            self.order.retain(|end| !self.gone.remove(end));
        }
    }
}

/// Ids, so many at least of those that came last. The older half goes all at once, which costs less than to let
/// each one go in its turn.
#[derive(Default)]
struct Remembered {
    newer: HashSet<JobId, Spread>,
    older: HashSet<JobId, Spread>,
}

impl Remembered {
    const AT_LEAST: usize = 100_000;

    fn add(&mut self, id: JobId) {
        if self.newer.len() == Self::AT_LEAST {
            std::mem::swap(&mut self.newer, &mut self.older);
            self.newer.clear();
        }
        self.newer.insert(id);
    }

    fn contains(&self, id: JobId) -> bool {
        self.newer.contains(&id) || self.older.contains(&id)
    }
}

impl Finished {
    pub(super) fn new(options: MemoryOptions) -> Self {
        Self { options, successful: Ends::default(), failed: Ends::default(), pruned: Remembered::default() }
    }

    pub(super) fn add(&mut self, job: &Job) {
        if let Some(at) = job.state.finished_at {
            self.of(job.state.phase).add((at, job.id()));
        }
    }

    pub(super) fn remove(&mut self, job: &Job) {
        if let Some(at) = job.state.finished_at {
            self.of(job.state.phase).remove((at, job.id()));
        }
    }

    fn of(&mut self, phase: Phase) -> &mut Ends {
        if phase == Phase::Successful { &mut self.successful } else { &mut self.failed }
    }

    /// The job that ended first, if there are more than may be kept.
    pub(super) fn one_too_many(&self) -> Option<JobId> {
        let too_many = self.successful.len() + self.failed.len() > self.options.keep_max;
        let oldest = [self.successful.first(), self.failed.first()].into_iter().flatten().min();
        oldest.filter(|_| too_many).map(|(_, id)| *id)
    }

    /// A job that was kept for as long as it should be.
    pub(super) fn one_too_old(&self, now: Timestamp) -> Option<JobId> {
        let old = |ended: Timestamp, keep: Duration| later(ended, keep) <= now;
        let successful = self.successful.first().filter(|(at, _)| old(*at, self.options.keep_successful));
        let failed = self.failed.first().filter(|(at, _)| old(*at, self.options.keep_failed));
        successful.or(failed).map(|(_, id)| *id)
    }

    /// How many were kept for as long as they should be.
    pub(super) fn too_old(&self, now: Timestamp) -> Prunable {
        let count = |ends: &Ends, keep: Duration| {
            let old = ends.order.iter().take_while(|(at, _)| later(*at, keep) <= now);
            old.filter(|end| !ends.gone.contains(end)).count() as u64
        };
        Prunable {
            successful: count(&self.successful, self.options.keep_successful),
            failed: count(&self.failed, self.options.keep_failed),
        }
    }

    pub(super) fn remember(&mut self, id: JobId) {
        self.pruned.add(id);
    }

    pub(super) fn was_pruned(&self, id: JobId) -> bool {
        self.pruned.contains(id)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever comes and goes, in whatever order of time: it is as if a set had been kept.
        #[test]
        fn ends_are_an_ordered_set(steps in prop::collection::vec((0..12_i64, any::<bool>()), 0..200)) {
            let (mut ends, mut set) = (Ends::default(), BTreeSet::new());
            for (second, add) in steps {
                let id = JobId::from_uuid(uuid::Uuid::from_u128(second as u128));
                let end = (Timestamp::from_second(second).unwrap(), id);
                match (add, set.contains(&end)) {
                    (true, false) => {
                        set.insert(end);
                        ends.add(end);
                    }
                    (false, true) => {
                        set.remove(&end);
                        ends.remove(end);
                    }
                    _ => {}
                }
                prop_assert_eq!(ends.first(), set.first());
                prop_assert_eq!(ends.len(), set.len());
                prop_assert!(ends.gone.len() <= ends.order.len() / 2);
            }
        }
    }
}
