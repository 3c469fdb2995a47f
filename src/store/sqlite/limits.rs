//! What the limits of a queue leave to be started.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use callboard_tasks::{QueueLimits, Rate, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::fault::{Fault, Kind, Trouble};
use super::txn::Txn;
use crate::store::record::{Damaged, micros, time, unsigned};

/// The queues that have limits.
pub(super) type Limits = BTreeMap<String, QueueLimits>;

/// How many jobs of a queue run. There are never many rows of either table, so a look at all of them is cheaper than an
/// index.
pub(super) const RUNNING: &str = "SELECT ifnull((SELECT sum(jobs) FROM callboard_claims WHERE queue = ?1), 0)
     + (SELECT count(*) FROM callboard_running WHERE queue = ?1)";

pub(super) fn read(connection: &Connection) -> Result<Limits, Fault> {
    let mut limits = Limits::new();
    let mut select = connection.prepare_cached("SELECT queue, limits FROM callboard_limits")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let queue: String = row.get(0)?;
        let text = row.get_ref(1)?.as_str().map_err(|error| Damaged(format!("limits of {queue}: {error}")))?;
        let of_it = serde_json::from_str(text).map_err(|error| Damaged(format!("limits of {queue}: {error}")))?;
        limits.insert(queue, of_it);
    }
    Ok(limits)
}

/// Sets the limits of a queue.
pub(super) fn set(txn: &mut Txn<'_, '_>, (queue, limits): &(String, QueueLimits)) -> Result<(), Trouble> {
    if limits.is_none() {
        txn.connection.prepare_cached("DELETE FROM callboard_limits WHERE queue = ?1")?.execute([queue])?;
    } else {
        let text = serde_json::to_string(limits)
            .map_err(|error| Trouble::Failed(Fault::new(Kind::Single, format!("limits of {queue}: {error}"))))?;
        txn.connection
            .prepare_cached("INSERT OR REPLACE INTO callboard_limits (queue, limits) VALUES (?1, ?2)")?
            .execute(params![queue, text])?;
    }
    txn.memory.limits = None;
    Ok(())
}

impl Txn<'_, '_> {
    /// The queues that have limits: read again whenever another connection has written.
    pub(super) fn limits(&mut self) -> Result<Arc<Limits>, Trouble> {
        if let Some(limits) = &self.memory.limits {
            return Ok(Arc::clone(limits));
        }
        let limits = Arc::new(read(self.connection).map_err(Trouble::Failed)?);
        self.memory.limits = Some(Arc::clone(&limits));
        Ok(limits)
    }

    pub(super) fn limits_of(&mut self, queue: &str) -> Result<QueueLimits, Trouble> {
        Ok(self.limits()?.get(queue).copied().unwrap_or_default())
    }

    /// How many jobs of a queue run.
    pub(super) fn running_in(&mut self, queue: &str) -> Result<u64, Trouble> {
        self.settle()?;
        self.settle_left()?;
        Ok(self.connection.prepare_cached(RUNNING)?.query_row([queue], |row| row.get(0).map(unsigned))?)
    }

    /// What a rate has let through; `key` as [`of_key`] has it, or empty.
    pub(super) fn rate_next(&self, queue: &str, key: &str) -> Result<Option<Timestamp>, Trouble> {
        let sql = "SELECT next FROM callboard_rates WHERE queue = ?1 AND key = ?2";
        let next: Option<i64> =
            self.connection.prepare_cached(sql)?.query_row([queue, key], |row| row.get(0)).optional()?;
        Ok(next.map(time).transpose()?)
    }

    fn set_rate_next(&self, queue: &str, key: &str, next: Timestamp) -> Result<(), Trouble> {
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO callboard_rates (queue, key, next) VALUES (?1, ?2, ?3)")?
            .execute(params![queue, key, micros(next)])?;
        Ok(())
    }

    /// When something that a rate holds back may start, at the earliest.
    pub(super) fn rates_free_at(&mut self) -> Result<Option<Timestamp>, Trouble> {
        let mut first: Option<Timestamp> = None;
        for (queue, limits) in self.limits()?.iter() {
            if (limits.rate.is_none() && limits.key_rate.is_none()) || !self.has_ready(queue)? {
                continue;
            }
            let of_queue = match limits.rate {
                Some(rate) => Some(rate.free_at(self.rate_next(queue, "")?, self.now)).filter(|at| *at > self.now),
                None => None,
            };
            let at = match (of_queue, limits.key_rate) {
                (None, Some(rate)) => self.first_key_free_at(queue, rate)?,
                (of_queue, _) => of_queue,
            };
            first = [first, at].into_iter().flatten().min();
        }
        Ok(first)
    }

    /// When the first of the keys of a queue that may not start one now may.
    fn first_key_free_at(&self, queue: &str, rate: Rate) -> Result<Option<Timestamp>, Trouble> {
        // A rate has room as long as its time lies ahead by less than all of its starts but one.
        let ahead = rate.step_micros().saturating_mul(i64::from(rate.count.max(1)) - 1);
        let next: Option<i64> = self
            .connection
            .prepare_cached(
                "SELECT next FROM callboard_rates WHERE next > ?2 AND queue = ?1 AND key > '' ORDER BY next LIMIT 1",
            )?
            .query_row(params![queue, self.now_micros.saturating_add(ahead)], |row| row.get(0))
            .optional()?;
        Ok(next.map(time).transpose()?.map(|next| rate.free_at(Some(next), self.now)))
    }

    /// Whether a queue that is not paused has a ready job.
    fn has_ready(&self, queue: &str) -> Result<bool, Trouble> {
        let sql = "SELECT (EXISTS (SELECT 1 FROM callboard_ready WHERE queue = ?1)
                           OR EXISTS (SELECT 1 FROM callboard_suspects WHERE queue = ?1))
                      AND NOT EXISTS (SELECT 1 FROM callboard_paused WHERE queue = ?1)";
        Ok(self.connection.prepare_cached(sql)?.query_row([queue], |row| row.get(0))?)
    }
}

/// A limit key as the table of rates has it.
pub(super) fn of_key(key: &str) -> String {
    format!(":{key}")
}

/// What the limits of one queue leave, during one claim.
pub(super) struct Limited {
    limits: QueueLimits,
    /// Of the queue's own rate.
    rate: Pace,
    keys: HashMap<Box<str>, InUse>,
}

/// What runs with one key, and how fast it starts.
#[derive(Default)]
struct InUse {
    running: u64,
    rate: Pace,
}

/// What a rate has let through, and whether more has started since.
#[derive(Default)]
struct Pace {
    next: Option<Timestamp>,
    moved: bool,
}

impl Pace {
    fn start(&mut self, rate: Rate, now: Timestamp) {
        self.next = Some(rate.after(self.next, now, 1));
        self.moved = true;
    }
}

impl Limited {
    /// What holds for a queue, and how many of its jobs may start.
    pub(super) fn of(txn: &mut Txn<'_, '_>, queue: &str, limits: QueueLimits) -> Result<(Self, usize), Trouble> {
        let mut room = u64::MAX;
        if let Some(most) = limits.concurrency {
            room = u64::from(most).saturating_sub(txn.running_in(queue)?);
        }
        let mut next = None;
        if let Some(rate) = limits.rate {
            next = txn.rate_next(queue, "")?;
            room = room.min(u64::from(rate.permits(next, txn.now)));
        }
        let limited = Self { limits, rate: Pace { next, moved: false }, keys: HashMap::new() };
        Ok((limited, usize::try_from(room).unwrap_or(usize::MAX)))
    }

    pub(super) const fn limits_keys(&self) -> bool {
        self.limits.limits_keys()
    }

    /// Whether a job with this key may start.
    pub(super) fn key_has_room(&mut self, txn: &Txn<'_, '_>, queue: &str, key: &str) -> Result<bool, Trouble> {
        if !self.keys.contains_key(key) {
            let mut in_use = InUse::default();
            if self.limits.key_concurrency.is_some() {
                in_use.running = txn.running_with(queue, key)?;
            }
            if self.limits.key_rate.is_some() {
                in_use.rate.next = txn.rate_next(queue, &of_key(key))?;
            }
            self.keys.insert(key.into(), in_use);
        }
        let in_use = &self.keys[key];
        Ok(self.limits.key_concurrency.is_none_or(|most| in_use.running < u64::from(most))
            && self.limits.key_rate.is_none_or(|rate| rate.permits(in_use.rate.next, txn.now) > 0))
    }

    /// A job has started, for whose key [`key_has_room`](Self::key_has_room) was asked.
    pub(super) fn count_start(&mut self, key: Option<&str>, now: Timestamp) {
        if let Some(rate) = self.limits.rate {
            self.rate.start(rate, now);
        }
        if let Some(in_use) = key.and_then(|key| self.keys.get_mut(key)) {
            in_use.running += 1;
            if let Some(rate) = self.limits.key_rate {
                in_use.rate.start(rate, now);
            }
        }
    }

    /// Writes what the rates have let through.
    pub(super) fn keep(&self, txn: &Txn<'_, '_>, queue: &str) -> Result<(), Trouble> {
        if let Pace { next: Some(next), moved: true } = self.rate {
            txn.set_rate_next(queue, "", next)?;
        }
        for (key, in_use) in &self.keys {
            if let Pace { next: Some(next), moved: true } = in_use.rate {
                txn.set_rate_next(queue, &of_key(key), next)?;
            }
        }
        Ok(())
    }
}
