//! Jobs that have ended, in the order of their ends, and the ids of those that were removed since.

use std::collections::BTreeSet;

use std::time::Duration;

use jiff::Timestamp;

use super::{MemoryOptions, later};
use crate::{Job, JobId, Phase};

pub(super) struct Finished {
    options: MemoryOptions,
    successful: BTreeSet<(Timestamp, JobId)>,
    failed: BTreeSet<(Timestamp, JobId)>,
    pruned: BTreeSet<JobId>,
}

impl Finished {
    /// So many ids of removed jobs are remembered, the newest ones.
    const REMEMBERED: usize = 100_000;

    pub(super) fn new(options: MemoryOptions) -> Self {
        Self { options, successful: BTreeSet::new(), failed: BTreeSet::new(), pruned: BTreeSet::new() }
    }

    pub(super) fn add(&mut self, job: &Job) {
        if let Some(at) = job.state.finished_at {
            self.of(job.state.phase).insert((at, job.id()));
        }
    }

    pub(super) fn remove(&mut self, job: &Job) {
        if let Some(at) = job.state.finished_at {
            self.of(job.state.phase).remove(&(at, job.id()));
        }
    }

    fn of(&mut self, phase: Phase) -> &mut BTreeSet<(Timestamp, JobId)> {
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

    pub(super) fn remember(&mut self, id: JobId) {
        self.pruned.insert(id);
        if self.pruned.len() > Self::REMEMBERED {
            self.pruned.pop_first();
        }
    }

    pub(super) fn was_pruned(&self, id: JobId) -> bool {
        self.pruned.contains(&id)
    }
}
