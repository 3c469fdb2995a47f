//! Worker processes: their leases, what they can run, and what becomes of their jobs when they go.

use std::collections::BTreeSet;
use std::time::Duration;

use callboard_tasks::{Beat, InvalidMove, Job, JobId, Published, Pulse, StoreError, WorkerId};
use rusqlite::params;

use super::claim::{next_due, ready_queues};
use super::fault::{Fault, Kind, Trouble};
use super::rows::{self, id, worker};
use super::txn::Txn;
use crate::store::record::{time, unsigned};

/// The time after a pause, in microseconds, at most the end of time.
pub(super) fn later(now: i64, pause: Duration) -> i64 {
    let pause = i64::try_from(pause.as_micros()).unwrap_or(i64::MAX);
    now.saturating_add(pause).min(callboard_tasks::Timestamp::MAX.as_microsecond())
}

pub(super) fn register(
    txn: &mut Txn<'_, '_>,
    (worker, lease, tasks): &(WorkerId, Duration, Vec<String>),
) -> Result<(), Trouble> {
    txn.forget_known(*worker);
    let key = worker.as_uuid();
    let key = key.as_bytes();
    txn.connection
        .prepare_cached("INSERT OR REPLACE INTO callboard_workers (id, lease_ends, owner) VALUES (?1, ?2, ?3)")?
        .execute(params![key, later(txn.now_micros, *lease), txn.owner])?;
    txn.connection.prepare_cached("DELETE FROM callboard_worker_tasks WHERE worker = ?1")?.execute([key])?;
    let mut insert =
        txn.connection.prepare_cached("INSERT OR IGNORE INTO callboard_worker_tasks (task, worker) VALUES (?1, ?2)")?;
    for task in tasks {
        insert.execute(params![task, key])?;
    }
    look_for_peers(txn)?;
    txn.unpark()?;
    Ok(())
}

/// Notes whether another handle works on the file, here or in another process.
fn look_for_peers(txn: &mut Txn<'_, '_>) -> Result<(), Trouble> {
    let mut select = txn.connection.prepare_cached("SELECT 1 FROM callboard_workers WHERE owner <> ?1 LIMIT 1")?;
    txn.peers = Some(select.exists([txn.owner])?);
    Ok(())
}

pub(super) fn beat(txn: &mut Txn<'_, '_>, beat: &Beat) -> Result<Pulse, Trouble> {
    /// More than a few peers need not be watched: every process watches some.
    const PEERS: i64 = 16;
    let Some(lease_ends) = txn.lease_ends(beat.worker)? else {
        return Err(Trouble::Refused(StoreError::Gone(beat.worker)));
    };
    let key = beat.worker.as_uuid();
    let key = key.as_bytes();
    txn.connection
        .prepare_cached("UPDATE callboard_workers SET lease_ends = ?2 WHERE id = ?1")?
        .execute(params![key, later(txn.now_micros, beat.lease)])?;
    if lease_ends <= txn.now_micros {
        // Its jobs may have been parked in the meantime.
        txn.unpark()?;
    }
    txn.catch_up()?;
    look_for_peers(txn)?;
    let connection = txn.connection;
    let cancels = connection
        .prepare_cached("SELECT id, run FROM callboard_running WHERE worker = ?1 AND asked = 1")?
        .query_map([key], |row| Ok((id(row, 0)?, unsigned(row.get(1)?))))?
        .collect::<rusqlite::Result<_>>()?;
    let peers: Vec<(WorkerId, i64)> = connection
        .prepare_cached("SELECT id, lease_ends FROM callboard_workers WHERE id <> ?1 ORDER BY lease_ends, id LIMIT ?2")?
        .query_map(params![key, PEERS], |row| Ok((worker(row, 0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let paused = connection
        .prepare_cached("SELECT queue FROM callboard_paused ORDER BY queue")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let next_due = next_due(txn)?;
    Ok(Pulse {
        now: txn.now,
        // What is due and was too much to be promoted now is due too.
        due: !ready_queues(txn)?.is_empty() || next_due.is_some_and(|at| at <= txn.now),
        cancels,
        peers: peers
            .into_iter()
            .map(|(id, ends)| Ok((id, time(ends)?)))
            .collect::<Result<_, crate::store::record::Damaged>>()?,
        next_due,
        paused,
        limits: (*txn.limits()?).clone(),
        schedules: txn.schedule_changes()?,
    })
}

/// Takes the lease of a worker, if it has ended.
pub(super) fn rescue(txn: &mut Txn<'_, '_>, worker: &WorkerId) -> Result<usize, Trouble> {
    match txn.lease_ends(*worker)? {
        Some(ends) if ends <= txn.now_micros => {
            let now = txn.now;
            free(txn, *worker, |job| job.lose(now))
        }
        _ => Ok(0),
    }
}

pub(super) fn leave(txn: &mut Txn<'_, '_>, worker: &WorkerId) -> Result<(), Trouble> {
    let now = txn.now;
    free(txn, *worker, |job| job.hand_back(now)).map(drop)
}

fn free(
    txn: &mut Txn<'_, '_>,
    worker: WorkerId,
    step: impl Fn(&mut Job) -> Result<(), InvalidMove>,
) -> Result<usize, Trouble> {
    txn.forget_known(worker);
    let key = worker.as_uuid();
    let key = key.as_bytes();
    txn.connection.prepare_cached("DELETE FROM callboard_workers WHERE id = ?1")?.execute([key])?;
    txn.connection.prepare_cached("DELETE FROM callboard_worker_tasks WHERE worker = ?1")?.execute([key])?;
    txn.withdraw(worker)?;
    // There are never many that run, so a look at all of them is cheaper than an index that each claim would pay for.
    txn.settle()?;
    let mut held: BTreeSet<JobId> = txn
        .connection
        .prepare_cached("SELECT id FROM callboard_running WHERE worker = ?1")?
        .query_map([key], |row| id(row, 0))?
        .collect::<rusqlite::Result<_>>()?;
    let claims: Vec<Vec<u8>> = txn
        .connection
        .prepare_cached("SELECT ids FROM callboard_claims WHERE worker = ?1")?
        .query_map([key], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    held.extend(claims.iter().flat_map(|ids| rows::ids(ids)));
    let mut freed = 0;
    for id in held {
        let Some(before) = txn.load(id)?.filter(|job| job.holder() == Some(worker)) else { continue };
        let mut after = before.clone();
        step(&mut after)?;
        txn.rewrite(&before, &after)?;
        freed += 1;
    }
    txn.connection.prepare_cached("DELETE FROM callboard_claims WHERE worker = ?1")?.execute([key])?;
    Ok(freed)
}

pub(super) fn pause(txn: &mut Txn<'_, '_>, queue: &String) -> Result<(), Trouble> {
    txn.connection.prepare_cached("INSERT OR IGNORE INTO callboard_paused (queue) VALUES (?1)")?.execute([queue])?;
    Ok(())
}

pub(super) fn resume(txn: &mut Txn<'_, '_>, queue: &String) -> Result<(), Trouble> {
    txn.connection.prepare_cached("DELETE FROM callboard_paused WHERE queue = ?1")?.execute([queue])?;
    Ok(())
}

pub(super) fn publish(txn: &mut Txn<'_, '_>, tasks: &Vec<Published>) -> Result<(), Trouble> {
    let mut insert =
        txn.connection.prepare_cached("INSERT OR REPLACE INTO callboard_published (name, task) VALUES (?1, ?2)")?;
    for task in tasks {
        let text = serde_json::to_string(task)
            .map_err(|error| Trouble::Failed(Fault::new(Kind::Single, format!("task {}: {error}", task.name))))?;
        insert.execute(params![task.name, text])?;
    }
    Ok(())
}
