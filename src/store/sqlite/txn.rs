//! One transaction of the writer: what all of its operations share, and how a job with a past moves.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use callboard_tasks::{Job, JobId, Phase, Status, Timestamp, WorkerId};
use rusqlite::{Connection, OptionalExtension, params};

use super::depth::Depths;
use super::fault::Trouble;
use super::hot::Hot;
use super::limits::Limits;
use super::line::Place;
use super::rows;
use super::runs::{NewClaim, Runs};
use crate::store::record::{code, micros, rare, signed, state_text};

/// What the writer remembers between transactions.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// The tasks of workers: they never change as long as the worker's row is there.
    tasks: Vec<(WorkerId, Arc<HashSet<String>>)>,
    /// Cleared when a transaction is rolled back.
    pub(super) runs: Runs,
    /// The limits of queues, if they were read since another connection wrote last.
    pub(super) limits: Option<Arc<Limits>>,
    pub(super) depths: Depths,
    /// Until when somebody follows the ends, if that was read since another connection wrote last; long ago for nobody.
    pub(super) followed_until: Option<i64>,
    /// Where the next claim goes on behind many jobs of a queue that limit keys hold back.
    pub(super) places: HashMap<String, Place>,
}

impl Memory {
    /// Another connection has written.
    pub(super) fn doubt(&mut self) {
        self.runs.doubt();
        self.limits = None;
        self.followed_until = None;
        self.depths.doubt();
    }

    /// A transaction was rolled back.
    pub(super) fn clear(&mut self) {
        self.runs.clear();
        self.limits = None;
        self.followed_until = None;
        self.depths = Depths::default();
        self.places.clear();
    }
}

/// Kept for so many workers: this process has one or a few.
const REMEMBERED_WORKERS: usize = 16;

pub(super) struct Txn<'t, 'c> {
    pub(super) connection: &'c Connection,
    pub(super) hot: &'t mut Hot<'c>,
    pub(super) memory: &'t mut Memory,
    /// The time of everything that happens in it.
    pub(super) now: Timestamp,
    pub(super) now_micros: i64,
    pub(super) owner: &'t [u8; 16],
    /// How long finished jobs are kept, in microseconds: successful ones, others.
    pub(super) keep: [i64; 2],
    /// Workers that were looked up, and whether they are registered.
    known: Vec<(WorkerId, bool)>,
    pub(super) tally: Tally,
    /// Rows of claims that are written at the end.
    pub(super) new_claims: Vec<NewClaim>,
    /// How many jobs have left which rows of claims.
    pub(super) left: Vec<(i64, i64)>,
    /// Whether a worker of another handle is registered, if somebody looked.
    pub(super) peers: Option<bool>,
}

/// What is written once for a whole transaction.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Jobs that ended: successful ones, others.
    ended: [Vec<JobId>; 2],
    /// How the numbers of finished jobs change.
    counts: Vec<(String, Phase, i64)>,
}

impl Tally {
    /// A job of this queue has ended in this phase, in this transaction.
    pub(super) fn note_end(&mut self, id: JobId, queue: &str, phase: Phase) {
        self.ended[usize::from(phase != Phase::Successful)].push(id);
        self.count(queue, phase, 1);
    }

    /// There are so many more finished jobs of this queue and phase.
    pub(super) fn count(&mut self, queue: &str, phase: Phase, change: i64) {
        match self.counts.iter_mut().find(|(of, is, _)| *is == phase && of == queue) {
            Some((_, _, sum)) => *sum += change,
            None => self.counts.push((queue.to_owned(), phase, change)),
        }
    }
}

impl<'t, 'c> Txn<'t, 'c> {
    pub(super) fn new(
        connection: &'c Connection,
        hot: &'t mut Hot<'c>,
        memory: &'t mut Memory,
        now: Timestamp,
        owner: &'t [u8; 16],
        keep: [i64; 2],
    ) -> Self {
        memory.depths.begin();
        Self {
            connection,
            hot,
            memory,
            now,
            now_micros: micros(now),
            owner,
            keep,
            known: Vec::new(),
            tally: Tally::default(),
            new_claims: Vec::new(),
            left: Vec::new(),
            peers: None,
        }
    }

    /// Writes what is written once for the whole transaction; the ids of jobs that ended in it.
    pub(super) fn flush(&mut self) -> Result<[Vec<JobId>; 2], Trouble> {
        /// So many ids fit on one page.
        const IDS: usize = 240;
        self.settle()?;
        self.settle_left()?;
        for (failed, ids) in self.tally.ended.iter().enumerate() {
            for ids in ids.chunks(IDS) {
                let bytes: Vec<u8> = ids.iter().flat_map(|id| *id.as_uuid().as_bytes()).collect();
                self.connection
                    .prepare_cached(
                        "INSERT INTO callboard_ends (failed, at, seq, ids) VALUES (?1, ?2, (
                             SELECT ifnull(max(seq), 0) + 1 FROM callboard_ends WHERE failed = ?1 AND at = ?2), ?3)",
                    )?
                    .execute(params![failed == 1, self.now_micros, bytes])?;
            }
        }
        for (queue, phase, change) in self.tally.counts.drain(..).filter(|(_, _, change)| *change != 0) {
            self.connection
                .prepare_cached(
                    "INSERT INTO callboard_counts (queue, phase, jobs) VALUES (?1, ?2, ?3)
                     ON CONFLICT DO UPDATE SET jobs = jobs + excluded.jobs",
                )?
                .execute(params![queue, code(phase), change])?;
        }
        let ended = std::mem::take(&mut self.tally.ended);
        if ended.iter().any(|ids| !ids.is_empty()) {
            self.note_for_followers(ended.iter().flatten())?;
        }
        Ok(ended)
    }

    /// One job, whole.
    pub(super) fn load(&mut self, id: JobId) -> Result<Option<Job>, Trouble> {
        self.settle()?;
        Ok(rows::find(self.connection, id)?.map(rows::JobRow::into_job).transpose()?)
    }

    /// Whether a worker is registered.
    pub(super) fn knows(&mut self, worker: WorkerId) -> Result<bool, Trouble> {
        if let Some((_, known)) = self.known.iter().find(|(id, _)| *id == worker) {
            return Ok(*known);
        }
        let known = self.lease_ends(worker)?.is_some();
        self.known.push((worker, known));
        Ok(known)
    }

    /// A worker came or went.
    pub(super) fn forget_known(&mut self, worker: WorkerId) {
        self.known.retain(|(id, _)| *id != worker);
        self.memory.tasks.retain(|(id, _)| *id != worker);
    }

    pub(super) fn lease_ends(&self, worker: WorkerId) -> Result<Option<i64>, Trouble> {
        let mut select = self.connection.prepare_cached("SELECT lease_ends FROM callboard_workers WHERE id = ?1")?;
        Ok(select.query_row([worker.as_uuid().as_bytes()], |row| row.get(0)).optional()?)
    }

    /// The tasks of a registered worker.
    pub(super) fn tasks(&mut self, worker: WorkerId) -> Result<Arc<HashSet<String>>, Trouble> {
        if let Some((_, tasks)) = self.memory.tasks.iter().find(|(id, _)| *id == worker) {
            return Ok(Arc::clone(tasks));
        }
        let mut select = self.connection.prepare_cached("SELECT task FROM callboard_worker_tasks WHERE worker = ?1")?;
        let tasks = select.query_map([worker.as_uuid().as_bytes()], |row| row.get(0))?;
        let tasks: Arc<HashSet<String>> = Arc::new(tasks.collect::<rusqlite::Result<_>>()?);
        if self.memory.tasks.len() >= REMEMBERED_WORKERS {
            self.memory.tasks.remove(0);
        }
        self.memory.tasks.push((worker, Arc::clone(&tasks)));
        Ok(tasks)
    }

    /// Whether a process whose lease holds has this task.
    pub(super) fn somebody_can_run(&self, task: &str) -> Result<bool, Trouble> {
        let mut select = self.connection.prepare_cached(
            "SELECT 1 FROM callboard_worker_tasks t JOIN callboard_workers w ON w.id = t.worker
             WHERE t.task = ?1 AND w.lease_ends > ?2 LIMIT 1",
        )?;
        Ok(select.exists(params![task, self.now_micros])?)
    }

    /// Writes a job that has changed: where it stands now instead of where it stood, and its whole state.
    pub(super) fn rewrite(&mut self, before: &Job, after: &Job) -> Result<(), Trouble> {
        self.unplace(before)?;
        self.place(after)?;
        self.move_keys(before, after)?;
        let id = after.id();
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO callboard_states (id, state) VALUES (?1, ?2)")?
            .execute(params![id.as_uuid().as_bytes(), state_text(&after.state)])?;
        let spec = &after.spec;
        if !Arc::ptr_eq(spec, &before.spec) && **spec != *before.spec {
            self.connection
                .prepare_cached(
                    "UPDATE callboard_jobs SET queue = ?2, priority = ?3, run_after = ?4, expires_at = ?5,
                     args = ?6, rare = ?7 WHERE id = ?1",
                )?
                .execute(params![
                    id.as_uuid().as_bytes(),
                    spec.queue,
                    spec.priority,
                    spec.run_after.map(micros),
                    spec.expires_at.map(micros),
                    spec.args.as_str(),
                    rare(spec)
                ])?;
        }
        if let Some(at) = after.expires_at() {
            self.note_expiry(micros(at), id)?;
        }
        Ok(())
    }

    pub(super) fn note_expiry(&self, at: i64, id: JobId) -> Result<(), Trouble> {
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO callboard_expiring (at, id) VALUES (?1, ?2)")?
            .execute(params![at, id.as_uuid().as_bytes()])?;
        Ok(())
    }

    /// Takes a job out of the table of its phase.
    fn unplace(&mut self, job: &Job) -> Result<(), Trouble> {
        let (id, at) = (job.id(), micros(job.effective_time()));
        let (key, queue, rank) = (*id.as_uuid().as_bytes(), &*job.spec.queue, -i64::from(job.spec.priority));
        let removed = match job.state.phase {
            Phase::Ready => {
                let sql = if job.is_suspect() {
                    "DELETE FROM callboard_suspects WHERE queue = ?1 AND rank = ?2 AND at = ?3 AND id = ?4"
                } else {
                    "DELETE FROM callboard_ready WHERE queue = ?1 AND rank = ?2 AND at = ?3 AND id = ?4"
                };
                self.connection.prepare_cached(sql)?.execute(params![queue, rank, at, key])?
            }
            Phase::Scheduled | Phase::RetryWait => self
                .connection
                .prepare_cached("DELETE FROM callboard_later WHERE at = ?1 AND id = ?2")?
                .execute(params![at, key])?,
            Phase::Parked => self
                .connection
                .prepare_cached("DELETE FROM callboard_parked WHERE task = ?1 AND id = ?2")?
                .execute(params![job.spec.task, key])?,
            Phase::Running | Phase::Cancelling => {
                match self.connection.prepare_cached("DELETE FROM callboard_running WHERE id = ?1")?.execute([key])? {
                    0 => match self.claim_of(id)? {
                        Some(seq) => {
                            self.leave_claim(id, seq);
                            1
                        }
                        None => 0,
                    },
                    removed => removed,
                }
            }
            finished => {
                self.tally.count(queue, finished, -1);
                self.connection.prepare_cached("DELETE FROM callboard_done WHERE id = ?1")?.execute([key])?
            }
        };
        if removed == 1 {
            return Ok(());
        }
        Err(crate::store::record::damaged(id, &format!("it is {}, but not where such jobs are", job.state.phase))
            .into())
    }

    /// Puts a job with a past into the table of its phase.
    fn place(&mut self, job: &Job) -> Result<(), Trouble> {
        let (id, at, state) = (job.id(), micros(job.effective_time()), &job.state);
        let (key, version) = (*id.as_uuid().as_bytes(), signed(state.version));
        let (queue, task, rank) = (&*job.spec.queue, &*job.spec.task, -i64::from(job.spec.priority));
        if state.phase.status() == Status::Ready {
            self.memory.depths.add(queue);
        }
        match state.phase {
            Phase::Ready => {
                let sql = if job.is_suspect() {
                    "INSERT INTO callboard_suspects (queue, rank, at, id, task, version, kept)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1)"
                } else {
                    "INSERT INTO callboard_ready (queue, rank, at, id, task, version, kept)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1)"
                };
                self.connection.prepare_cached(sql)?.execute(params![queue, rank, at, key, task, version])?;
            }
            Phase::Scheduled | Phase::RetryWait => {
                self.connection
                    .prepare_cached(
                        "INSERT INTO callboard_later (at, id, queue, rank, task, phase, version, kept)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 1)",
                    )?
                    .execute(params![at, key, queue, rank, task, code(state.phase), version])?;
            }
            Phase::Parked => {
                self.connection
                    .prepare_cached(
                        "INSERT INTO callboard_parked (task, id, queue, rank, at, version, kept)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1)",
                    )?
                    .execute(params![task, key, queue, rank, at, version])?;
            }
            Phase::Running | Phase::Cancelling => {
                let worker = job.holder().ok_or_else(|| crate::store::record::damaged(id, &"it runs nowhere"))?;
                // An attempt past its timeout is no cancellation that its worker must be told of.
                let asked = state.phase == Phase::Cancelling && !state.overrun;
                self.connection
                    .prepare_cached(
                        "INSERT INTO callboard_running
                         (id, worker, run, claimed_at, queue, phase, version, suspect, asked)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                    )?
                    .execute(params![
                        key,
                        worker.as_uuid().as_bytes(),
                        signed(state.run),
                        state.last_attempted_at.map_or(self.now_micros, micros),
                        queue,
                        code(state.phase),
                        version,
                        job.is_suspect(),
                        asked
                    ])?;
            }
            finished => {
                self.connection
                    .prepare_cached(
                        "INSERT INTO callboard_done (id, phase, at, started_at, worker, version, kept, value)
                         VALUES (?1, ?2, ?3, NULL, NULL, ?4, 1, ?5)",
                    )?
                    .execute(params![
                        key,
                        code(finished),
                        state.finished_at.map_or(self.now_micros, micros),
                        version,
                        state.return_value.as_ref().map(callboard_tasks::Json::as_str)
                    ])?;
                self.tally.note_end(id, queue, finished);
            }
        }
        Ok(())
    }

    /// Removes a job that does not run from all tables; one that had ended is remembered.
    pub(super) fn remove(&mut self, job: &Job) -> Result<(), Trouble> {
        self.unplace(job)?;
        self.drop_keys(job)?;
        let key = *job.id().as_uuid().as_bytes();
        self.connection.prepare_cached("DELETE FROM callboard_states WHERE id = ?1")?.execute([key])?;
        self.connection.prepare_cached("DELETE FROM callboard_jobs WHERE id = ?1")?.execute([key])?;
        if let Some(at) = job.spec.expires_at {
            self.connection
                .prepare_cached("DELETE FROM callboard_expiring WHERE at = ?1 AND id = ?2")?
                .execute(params![micros(at), key])?;
        }
        if job.state.phase.is_finished() {
            self.remember_pruned(job.id())?;
        }
        Ok(())
    }

    pub(super) fn remember_pruned(&self, id: JobId) -> Result<(), Trouble> {
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO callboard_pruned (id) VALUES (?1)")?
            .execute([id.as_uuid().as_bytes()])?;
        Ok(())
    }
}
