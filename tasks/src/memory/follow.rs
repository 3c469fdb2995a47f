//! The order in which jobs end, kept while somebody follows.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::later;
use crate::{EndLog, Followed, JobId};

#[derive(Default)]
pub(super) struct Ends {
    log: EndLog,
    /// The ids of the numbers up to the last.
    ids: VecDeque<JobId>,
    /// Until when it is kept, if it is.
    until: Option<Timestamp>,
}

impl Ends {
    /// A job has ended.
    pub(super) fn note(&mut self, id: JobId) {
        if self.until.is_none() {
            return;
        }
        self.ids.push_back(id);
        self.log.last += 1;
        if self.ids.len() as u64 > Followed::KEPT {
            self.ids.pop_front();
            self.log.dropped += 1;
        }
    }

    /// Throws the order away if nobody has asked for it for so long. The break takes a number, so that whoever knows
    /// the last one learns of it.
    pub(super) fn tidy(&mut self, now: Timestamp) {
        if self.until.is_some_and(|until| until <= now) {
            let last = self.log.last + 1;
            *self = Self { log: EndLog { since: last, dropped: last, last }, ..Self::default() };
        }
    }

    /// Answers who follows.
    pub(super) fn follow(&mut self, after: Option<u64>, limit: usize, now: Timestamp) -> Followed {
        self.tidy(now);
        self.until = Some(later(now, Followed::FOR));
        let first = self.log.last - self.ids.len() as u64;
        let known = after.map_or(0, |after| usize::try_from(after.saturating_sub(first)).unwrap_or(usize::MAX));
        let ends = (first + 1..).zip(self.ids.iter().copied()).skip(known).take(limit);
        Followed::after(after, &self.log, ends)
    }
}
