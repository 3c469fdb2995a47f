//! Sorts violations: what is new is passed on at once, what repeats is counted and told once in a while, and what
//! comes in floods of ever new ones is counted only. Everything is bounded.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant};

use super::violation::CspViolation;

/// How many violations are told apart at once.
const KNOWN: usize = 4_096;
/// How many are kept to be looked at.
const RECENT: usize = 500;
/// How many new ones are passed on in an hour; whoever invents hosts makes new ones without end.
const FRESH: u32 = 300;
const HOUR: Duration = Duration::from_secs(3_600);
/// How long the same counts as a repetition.
pub(super) const WINDOW: Duration = Duration::from_secs(60);

/// What became of the reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ReportCounts {
    /// Violations that were received, without noise.
    pub received: u64,
    /// Those of them that were the same as one before.
    pub repeated: u64,
    /// Those of them that were passed on to nobody, because there were too many new ones.
    pub suppressed: u64,
    /// The doing of extensions and scanners in the visitor's browser.
    pub noise: u64,
    /// Reports of other kinds.
    pub others: u64,
    /// Messages that a recipient had no room for.
    pub undelivered: u64,
}

/// What is known of the reports.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReportSummary {
    /// What became of them.
    pub counts: ReportCounts,
    /// The latest violations, the newest first, each with its count.
    pub recent: Vec<CspViolation>,
}

/// The state of it all; it asks nobody for the time.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    pub(crate) counts: ReportCounts,
    known: HashMap<u64, Known>,
    /// The known ones in the order in which they end.
    order: VecDeque<(Instant, u64)>,
    recent: VecDeque<(u64, CspViolation)>,
    hour: Option<(Instant, u32)>,
    keys: RandomState,
}

#[derive(Debug)]
struct Known {
    violation: CspViolation,
    /// How many came that have not been told.
    more: u64,
}

impl Desk {
    /// Takes a violation in. It comes back if it is to be passed on now.
    pub(crate) fn receive(&mut self, violation: CspViolation, now: Instant) -> Option<CspViolation> {
        self.counts.received += violation.count;
        let key = self.keys.hash_one((
            violation.disposition,
            &violation.directive,
            &violation.blocked,
            &violation.page,
            violation.source.as_ref().map(|source| (&source.file, source.line)),
            &violation.sample,
        ));
        if let Some(known) = self.known.get_mut(&key) {
            known.more += violation.count;
            known.violation.last_at = known.violation.last_at.max(violation.last_at);
            self.counts.repeated += violation.count;
            return None;
        }
        if self.known.len() >= KNOWN || !self.is_room_in_hour(now) {
            self.counts.suppressed += violation.count;
            return None;
        }
        self.order.push_back((now + WINDOW, key));
        self.known.insert(key, Known { violation: violation.clone(), more: 0 });
        if self.recent.len() >= RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((key, violation.clone()));
        Some(violation)
    }

    /// Ends what was first seen longer than the window ago; for what repeated, one violation with the count comes back.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<CspViolation> {
        let mut told = Vec::new();
        while let Some((_, key)) = self.order.front().copied().filter(|(end, _)| *end <= now) {
            self.order.pop_front();
            let Some(Known { mut violation, more }) = self.known.remove(&key).filter(|known| known.more > 0) else {
                continue;
            };
            if let Some((_, shown)) = self.recent.iter_mut().rev().find(|(known, _)| *known == key) {
                shown.count += more;
                shown.last_at = violation.last_at;
            }
            violation.count = more;
            told.push(violation);
        }
        told
    }

    /// When something ends next.
    pub(crate) fn next_end(&self) -> Option<Instant> {
        self.order.front().map(|(end, _)| *end)
    }

    pub(crate) fn summary(&self) -> ReportSummary {
        let shown = |(key, violation): &(u64, CspViolation)| {
            let mut violation = violation.clone();
            if let Some(known) = self.known.get(key) {
                violation.count += known.more;
                violation.last_at = known.violation.last_at;
            }
            violation
        };
        ReportSummary { counts: self.counts, recent: self.recent.iter().rev().map(shown).collect() }
    }

    fn is_room_in_hour(&mut self, now: Instant) -> bool {
        let (begun, used) = self.hour.get_or_insert((now, 0));
        if now.saturating_duration_since(*begun) >= HOUR {
            (*begun, *used) = (now, 0);
        }
        *used += 1;
        *used <= FRESH
    }
}
