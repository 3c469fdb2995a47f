//! What stands before a job.

use std::collections::BTreeSet;

use callboard_tasks::{Inquiry, Job, JobId, Phase};
use rusqlite::params;

use super::fault::Trouble;
use super::limits::of_key;
use super::rows;
use super::txn::Txn;
use crate::store::record::{micros, signed, unsigned};

/// Tells it as of now: what is due is ready, and what has expired has ended.
pub(super) fn inquire(txn: &mut Txn<'_, '_>, id: &JobId) -> Result<Option<Inquiry>, Trouble> {
    txn.catch_up()?;
    let Some(job) = txn.load(*id)? else { return Ok(None) };
    let (queue, key) = (&*job.spec.queue, job.spec.limit_key.as_deref());
    let limits = txn.limits_of(queue)?;
    let running_in_queue = txn.running_in(queue)?;
    let running_with_key = key.map_or(Ok(0), |key| txn.running_with(queue, key))?;
    let rate_free_at = match limits.rate {
        Some(rate) => Some(rate.free_at(txn.rate_next(queue, "")?, txn.now)),
        None => None,
    };
    let key_rate_free_at = match limits.key_rate.zip(key) {
        Some((rate, key)) => Some(rate.free_at(txn.rate_next(queue, &of_key(key))?, txn.now)),
        None => None,
    };
    let holders = match key.filter(|_| limits.limits_keys() && running_with_key > 0) {
        Some(key) => holders_of_key(txn, queue, key)?,
        None if running_in_queue > 0 => holders_of_queue(txn, queue)?,
        None => Vec::new(),
    };
    let (workers, able) = workers(txn, &job)?;
    Ok(Some(Inquiry {
        now: txn.now,
        paused: is_paused(txn, queue)?,
        limits,
        running_in_queue,
        running_with_key,
        holders,
        rate_free_at,
        key_rate_free_at,
        workers,
        able,
        ahead: ahead_of(txn, &job)?,
        job,
    }))
}

fn is_paused(txn: &Txn<'_, '_>, queue: &str) -> Result<bool, Trouble> {
    let mut paused = txn.connection.prepare_cached("SELECT 1 FROM callboard_paused WHERE queue = ?1")?;
    Ok(paused.exists([queue])?)
}

/// How many processes have a lease that holds, and how many of them the task.
fn workers(txn: &Txn<'_, '_>, job: &Job) -> Result<(u64, u64), Trouble> {
    let mut count = txn.connection.prepare_cached(
        "SELECT count(*), count(t.task) FROM callboard_workers w
         LEFT JOIN callboard_worker_tasks t ON t.task = ?1 AND t.worker = w.id WHERE w.lease_ends > ?2",
    )?;
    Ok(count
        .query_row(params![job.spec.task, txn.now_micros], |row| Ok((unsigned(row.get(0)?), unsigned(row.get(1)?))))?)
}

/// How many ready jobs of its queue stand before the place of a job, counted to a bound.
fn ahead_of(txn: &Txn<'_, '_>, job: &Job) -> Result<u64, Trouble> {
    let (rank, at, id) = (-i64::from(job.spec.priority), micros(job.effective_time()), job.id().as_uuid());
    let mut ahead = 0;
    for sql in [
        "SELECT count(*) FROM (SELECT 1 FROM callboard_ready
             WHERE queue = ?1 AND (rank, at, id) < (?2, ?3, ?4) LIMIT ?5)",
        "SELECT count(*) FROM (SELECT 1 FROM callboard_suspects
             WHERE queue = ?1 AND (rank, at, id) < (?2, ?3, ?4) LIMIT ?5)",
    ] {
        let place = params![job.spec.queue, rank, at, id.as_bytes(), signed(Inquiry::AHEAD)];
        ahead += txn.connection.prepare_cached(sql)?.query_row(place, |row| row.get(0).map(unsigned))?;
    }
    Ok(ahead.min(Inquiry::AHEAD))
}

fn holders_of_key(txn: &Txn<'_, '_>, queue: &str, key: &str) -> Result<Vec<JobId>, Trouble> {
    let mut select = txn
        .connection
        .prepare_cached("SELECT id FROM callboard_keys_in_use WHERE queue = ?1 AND key = ?2 ORDER BY id LIMIT ?3")?;
    let ids = select.query_map(params![queue, key, Inquiry::HOLDERS as i64], |row| rows::id(row, 0))?;
    Ok(ids.collect::<rusqlite::Result<_>>()?)
}

/// The newest ones that run in a queue.
fn holders_of_queue(txn: &mut Txn<'_, '_>, queue: &str) -> Result<Vec<JobId>, Trouble> {
    let mut ids: BTreeSet<JobId> = txn
        .connection
        .prepare_cached("SELECT id FROM callboard_running WHERE queue = ?1")?
        .query_map([queue], |row| rows::id(row, 0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut claims = txn.connection.prepare_cached("SELECT ids FROM callboard_claims WHERE queue = ?1")?;
    for claimed in claims.query_map([queue], |row| row.get::<_, Vec<u8>>(0))? {
        ids.extend(rows::ids(&claimed?));
    }
    drop(claims);
    let mut holders = Vec::new();
    for id in ids.into_iter().rev() {
        if holders.len() == Inquiry::HOLDERS {
            break;
        }
        // Those of a claim may have ended since.
        let runs = txn.load(id)?.is_some_and(|job| matches!(job.state.phase, Phase::Running | Phase::Cancelling));
        if runs {
            holders.push(id);
        }
    }
    Ok(holders)
}
