//! What time and other processes do to jobs: they become due, expire, are parked and put back, and grow too old.

use callboard_tasks::{Job, JobId, Phase};
use rusqlite::{OptionalExtension, params};

use super::fault::Trouble;
use super::rows::id;
use super::txn::Txn;
use crate::store::record::{code, damaged, micros};

/// So many jobs are promoted, expired, parked or put back in one operation at most, so that others get their turn.
pub(super) const AT_ONCE: usize = 10_000;
/// Expiring costs more: the job is rewritten.
const EXPIRED_AT_ONCE: i64 = 1_000;
/// The last so many jobs that were removed are remembered.
const PRUNED_KEPT: i64 = 100_000;

/// A job without a past in a table of waiting ones.
struct Waiting {
    id: JobId,
    queue: String,
    rank: i64,
    at: i64,
    task: String,
    version: i64,
    kept: bool,
}

fn waiting(row: &rusqlite::Row<'_>) -> rusqlite::Result<Waiting> {
    Ok(Waiting {
        id: id(row, 0)?,
        queue: row.get(1)?,
        rank: row.get(2)?,
        at: row.get(3)?,
        task: row.get(4)?,
        version: row.get(5)?,
        kept: row.get(6)?,
    })
}

impl Txn<'_, '_> {
    /// Ends jobs that have expired and makes ready those whose time has come.
    pub(super) fn catch_up(&mut self) -> Result<(), Trouble> {
        let late: Vec<(i64, JobId)> = self
            .connection
            .prepare_cached("SELECT at, id FROM callboard_expiring WHERE at <= ?1 ORDER BY at LIMIT ?2")?
            .query_map(params![self.now_micros, EXPIRED_AT_ONCE], |row| Ok((row.get(0)?, id(row, 1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        for (at, job) in late {
            self.expire(at, job)?;
        }
        let due: Vec<Waiting> = self
            .connection
            .prepare_cached(
                "SELECT id, queue, rank, at, task, version, kept FROM callboard_later WHERE at <= ?1
                 ORDER BY at LIMIT ?2",
            )?
            .query_map(params![self.now_micros, AT_ONCE as i64], waiting)?
            .collect::<rusqlite::Result<_>>()?;
        for job in due {
            self.promote(&job)?;
        }
        Ok(())
    }

    /// A time at which a job was to expire has come; the job may have started or be gone since.
    fn expire(&mut self, at: i64, id: JobId) -> Result<(), Trouble> {
        self.connection
            .prepare_cached("DELETE FROM callboard_expiring WHERE at = ?1 AND id = ?2")?
            .execute(params![at, id.as_uuid().as_bytes()])?;
        if let Some(before) = self.load(id)?
            && before.expires_at().is_some_and(|at| micros(at) <= self.now_micros)
        {
            let mut after = before.clone();
            after.expire(self.now)?;
            self.rewrite(&before, &after)?;
        }
        Ok(())
    }

    fn promote(&mut self, job: &Waiting) -> Result<(), Trouble> {
        if job.kept {
            return self.step(job.id, Job::promote);
        }
        let key = job.id.as_uuid();
        self.connection
            .prepare_cached("DELETE FROM callboard_later WHERE at = ?1 AND id = ?2")?
            .execute(params![job.at, key.as_bytes()])?;
        self.put_ready(job)
    }

    fn put_ready(&self, job: &Waiting) -> Result<(), Trouble> {
        let key = job.id.as_uuid();
        self.connection
            .prepare_cached(
                "INSERT INTO callboard_ready (queue, rank, at, id, task, version, kept)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)",
            )?
            .execute(params![job.queue, job.rank, job.at, key.as_bytes(), job.task, job.version + 1])?;
        Ok(())
    }

    /// Moves a job that must be there.
    fn step(
        &mut self,
        id: JobId,
        step: impl FnOnce(&mut Job) -> Result<(), callboard_tasks::InvalidMove>,
    ) -> Result<(), Trouble> {
        let Some(before) = self.load(id)? else {
            return Err(damaged(id, &"it is gone, but a table of waiting jobs has it").into());
        };
        let mut after = before.clone();
        step(&mut after)?;
        self.rewrite(&before, &after)
    }

    /// Parks a ready job that stands in the way of a claim.
    pub(super) fn park(&mut self, id: JobId) -> Result<(), Trouble> {
        let Some(before) = self.load(id)? else {
            return Err(damaged(id, &"it is gone, but stands in its line").into());
        };
        if self.is_plain(id)? {
            return self.park_plain(&Waiting {
                id,
                queue: before.spec.queue.to_string(),
                rank: -i64::from(before.spec.priority),
                at: micros(before.effective_time()),
                task: before.spec.task.to_string(),
                version: crate::store::record::signed(before.state.version),
                kept: false,
            });
        }
        self.step(id, Job::park)
    }

    fn is_plain(&self, id: JobId) -> Result<bool, Trouble> {
        let mut select = self.connection.prepare_cached("SELECT 1 FROM callboard_states WHERE id = ?1")?;
        Ok(!select.exists([id.as_uuid().as_bytes()])?)
    }

    fn park_plain(&self, job: &Waiting) -> Result<(), Trouble> {
        let key = job.id.as_uuid();
        self.connection
            .prepare_cached("DELETE FROM callboard_ready WHERE queue = ?1 AND rank = ?2 AND at = ?3 AND id = ?4")?
            .execute(params![job.queue, job.rank, job.at, key.as_bytes()])?;
        self.connection
            .prepare_cached(
                "INSERT INTO callboard_parked (task, id, queue, rank, at, version, kept)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)",
            )?
            .execute(params![job.task, key.as_bytes(), job.queue, job.rank, job.at, job.version + 1])?;
        Ok(())
    }

    /// Parks ready jobs of these tasks, as far as still nobody can run them; whether there may be more.
    pub(super) fn park_tasks(&mut self, tasks: &[String]) -> Result<bool, Trouble> {
        let mut parked = 0;
        for task in tasks {
            if self.somebody_can_run(task)? {
                continue;
            }
            for sql in [
                "SELECT id, queue, rank, at, task, version, kept FROM callboard_ready WHERE task = ?1 LIMIT ?2",
                "SELECT id, queue, rank, at, task, version, kept FROM callboard_suspects WHERE task = ?1 LIMIT ?2",
            ] {
                let jobs: Vec<Waiting> = self
                    .connection
                    .prepare_cached(sql)?
                    .query_map(params![task, AT_ONCE as i64], waiting)?
                    .collect::<rusqlite::Result<_>>()?;
                for job in &jobs {
                    if job.kept {
                        self.step(job.id, Job::park)?;
                    } else {
                        self.park_plain(job)?;
                    }
                }
                parked += jobs.len();
                if parked >= AT_ONCE {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Puts parked jobs back that somebody can run; whether there may be more.
    pub(super) fn unpark(&mut self) -> Result<bool, Trouble> {
        let mut task = String::new();
        let mut put_back = 0;
        loop {
            let next: Option<String> = self
                .connection
                .prepare_cached("SELECT task FROM callboard_parked WHERE task > ?1 ORDER BY task LIMIT 1")?
                .query_row([&task], |row| row.get(0))
                .optional()?;
            let Some(next) = next else { return Ok(false) };
            task = next;
            if !self.somebody_can_run(&task)? {
                continue;
            }
            let jobs: Vec<Waiting> = self
                .connection
                .prepare_cached(
                    "SELECT id, queue, rank, at, task, version, kept FROM callboard_parked WHERE task = ?1
                     ORDER BY id LIMIT ?2",
                )?
                .query_map(params![task, AT_ONCE as i64], waiting)?
                .collect::<rusqlite::Result<_>>()?;
            for job in &jobs {
                if job.kept {
                    self.step(job.id, Job::unpark)?;
                } else {
                    self.connection
                        .prepare_cached("DELETE FROM callboard_parked WHERE task = ?1 AND id = ?2")?
                        .execute(params![job.task, job.id.as_uuid().as_bytes()])?;
                    self.put_ready(job)?;
                }
            }
            put_back += jobs.len();
            if put_back >= AT_ONCE {
                return Ok(true);
            }
        }
    }

    /// Removes finished jobs that are too old, at most `limit`.
    pub(super) fn prune(&mut self, limit: usize) -> Result<usize, Trouble> {
        self.tidy_keys()?;
        self.tidy_followed()?;
        let mut pruned = 0;
        for failed in [false, true] {
            let old = self.now_micros.saturating_sub(self.keep[usize::from(failed)]);
            while pruned < limit {
                let end: Option<(i64, i64, Vec<u8>)> = self
                    .connection
                    .prepare_cached(
                        "SELECT seq, at, ids FROM callboard_ends WHERE failed = ?1 AND at <= ?2
                         ORDER BY at, seq LIMIT 1",
                    )?
                    .query_row(params![failed, old], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                    .optional()?;
                let Some((seq, at, ids)) = end else { break };
                let mut looked_at = 0;
                for id in ids.chunks_exact(16) {
                    if pruned == limit {
                        break;
                    }
                    looked_at += id.len();
                    pruned += usize::from(self.prune_one(id, at, failed)?);
                }
                if looked_at == ids.len() {
                    self.connection
                        .prepare_cached("DELETE FROM callboard_ends WHERE failed = ?1 AND at = ?2 AND seq = ?3")?
                        .execute(params![failed, at, seq])?;
                } else {
                    self.connection
                        .prepare_cached(
                            "UPDATE callboard_ends SET ids = ?4 WHERE failed = ?1 AND at = ?2 AND seq = ?3",
                        )?
                        .execute(params![failed, at, seq, &ids[looked_at..]])?;
                }
            }
        }
        if pruned > 0 {
            self.connection
                .prepare_cached(
                    "DELETE FROM callboard_pruned WHERE seq <= (SELECT max(seq) FROM callboard_pruned) - ?1",
                )?
                .execute([PRUNED_KEPT])?;
        }
        Ok(pruned)
    }

    /// Removes a job, if it still stands as it ended then.
    fn prune_one(&mut self, id: &[u8], at: i64, failed: bool) -> Result<bool, Trouble> {
        let sql =
            "SELECT d.phase, d.kept, j.queue, j.expires_at FROM callboard_done d JOIN callboard_jobs j ON j.id = d.id
                   WHERE d.id = ?1 AND d.at = ?2";
        let row = self
            .connection
            .prepare_cached(sql)?
            .query_row(params![id, at], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?, row.get::<_, String>(2)?, row.get(3)?))
            })
            .optional()?;
        let Some((phase, kept, queue, expires_at)) = row else { return Ok(false) };
        if (phase != code(Phase::Successful)) != failed {
            return Ok(false);
        }
        let expires_at: Option<i64> = expires_at;
        self.connection.prepare_cached("DELETE FROM callboard_done WHERE id = ?1")?.execute([id])?;
        self.connection.prepare_cached("DELETE FROM callboard_jobs WHERE id = ?1")?.execute([id])?;
        if kept {
            self.connection.prepare_cached("DELETE FROM callboard_states WHERE id = ?1")?.execute([id])?;
        }
        if let Some(at) = expires_at {
            self.connection
                .prepare_cached("DELETE FROM callboard_expiring WHERE at = ?1 AND id = ?2")?
                .execute(params![at, id])?;
        }
        self.connection.prepare_cached("INSERT OR REPLACE INTO callboard_pruned (id) VALUES (?1)")?.execute([id])?;
        self.tally.count(&queue, crate::store::record::phase(phase)?, -1);
        Ok(true)
    }
}
