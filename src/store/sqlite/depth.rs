//! How many jobs wait in a queue that has a limit for that.
//!
//! Counting takes a look at each of them, so a count is remembered, and what comes to wait is added. What leaves is not
//! taken off: so it is never less than what waits, but for what other processes bring. Where it would refuse somebody,
//! it is counted anew, unless that takes long and was done just now.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use callboard_tasks::StoreError;

use super::fault::Trouble;
use super::txn::Txn;
use crate::store::record::unsigned;

/// What takes less is counted whenever there is a doubt.
const CHEAP: Duration = Duration::from_millis(1);
/// What takes longer takes at most this part of the time.
const PART: u32 = 20;
/// What others bring is seen after so long.
const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Depths {
    counts: HashMap<String, Count>,
}

#[derive(Debug)]
struct Count {
    waiting: u64,
    counted_at: Instant,
    took: Duration,
    /// Since the beginning of this transaction.
    fresh: bool,
    /// Others have written since.
    doubtful: bool,
}

impl Count {
    /// Whether it must be counted again, whatever it says.
    fn is_over(&self) -> bool {
        self.doubtful && (self.took < CHEAP || self.counted_at.elapsed() >= SECOND)
    }

    /// Whether it may be counted again.
    fn may_be_over(&self) -> bool {
        !self.fresh && (self.took < CHEAP || self.counted_at.elapsed() >= self.took * PART)
    }
}

impl Depths {
    /// Another connection has written.
    pub(super) fn doubt(&mut self) {
        self.counts.values_mut().for_each(|count| count.doubtful = true);
    }

    /// A transaction has begun.
    pub(super) fn begin(&mut self) {
        self.counts.values_mut().for_each(|count| count.fresh = false);
    }

    /// A job has come to wait.
    pub(super) fn add(&mut self, queue: &str) {
        if !self.counts.is_empty()
            && let Some(count) = self.counts.get_mut(queue)
        {
            count.waiting += 1;
        }
    }
}

impl Txn<'_, '_> {
    /// Refuses more jobs than may wait in their queues.
    pub(super) fn check_depth<'s>(&mut self, queues: impl Iterator<Item = &'s str>) -> Result<(), Trouble> {
        let limits = self.limits()?;
        if limits.values().all(|limits| limits.depth.is_none()) {
            return Ok(());
        }
        let mut coming: BTreeMap<&str, u64> = BTreeMap::new();
        for queue in queues {
            *coming.entry(queue).or_default() += 1;
        }
        for (queue, coming) in coming {
            let Some(depth) = limits.get(queue).and_then(|limits| limits.depth) else { continue };
            let waiting = self.waiting_in(queue, depth.saturating_sub(coming))?;
            if waiting.saturating_add(coming) > depth {
                let refused = StoreError::QueueFull { queue: queue.to_owned(), waiting, depth };
                return Err(Trouble::Refused(refused));
            }
        }
        Ok(())
    }

    /// How many jobs wait in a queue, surely if it is more than `enough`.
    fn waiting_in(&mut self, queue: &str, enough: u64) -> Result<u64, Trouble> {
        if let Some(count) = self.memory.depths.counts.get(queue)
            && !count.is_over()
            && (count.waiting <= enough || !count.may_be_over())
        {
            return Ok(count.waiting);
        }
        let began = Instant::now();
        let waiting: u64 = self
            .connection
            .prepare_cached(
                "SELECT (SELECT count(*) FROM callboard_ready WHERE queue = ?1)
                      + (SELECT count(*) FROM callboard_suspects WHERE queue = ?1)
                      + (SELECT count(*) FROM callboard_parked WHERE queue = ?1)
                      + (SELECT count(*) FROM callboard_later WHERE queue = ?1)",
            )?
            .query_row([queue], |row| row.get(0).map(unsigned))?;
        let count = Count { waiting, counted_at: Instant::now(), took: began.elapsed(), fresh: true, doubtful: false };
        self.memory.depths.counts.insert(queue.to_owned(), count);
        Ok(waiting)
    }
}
