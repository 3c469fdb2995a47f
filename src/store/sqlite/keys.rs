//! Keys: who holds which unique key, which jobs run with which limit key, and which requests came before.

use callboard_tasks::{Idempotency, Job, JobId, JobSpec, Phase, Replayed, StoreError, Timestamp, UniqueUntil};
use rusqlite::{OptionalExtension, params};

use super::fault::Trouble;
use super::rows;
use super::txn::Txn;
use crate::store::record::{Keys, micros, unsigned};

/// The unique key that a job has a row for, whatever the time.
fn held(job: &Job) -> Option<&str> {
    job.held_key(Timestamp::MIN)
}

/// The queue and the limit key with which a job runs.
fn in_use(job: &Job) -> Option<(&str, &str)> {
    let runs = matches!(job.state.phase, Phase::Running | Phase::Cancelling);
    let key = job.spec.limit_key.as_deref().filter(|_| runs)?;
    Some((&job.spec.queue, key))
}

/// Unique keys.
impl Txn<'_, '_> {
    /// The job that holds a unique key. A row of one that has let go of it says nothing.
    pub(super) fn holder(&mut self, key: &str) -> Result<Option<Job>, Trouble> {
        let id = self
            .connection
            .prepare_cached("SELECT id FROM callboard_unique WHERE key = ?1")?
            .query_row([key], |row| rows::id(row, 0))
            .optional()?;
        let Some(id) = id else { return Ok(None) };
        let now = self.now;
        Ok(self.load(id)?.filter(|job| job.held_key(now) == Some(key)))
    }

    /// The job that holds the key which a finished one would take again.
    pub(super) fn stands_in_the_way(&mut self, job: &Job) -> Result<Option<JobId>, Trouble> {
        let Some(unique) = job.spec.unique.as_deref() else { return Ok(None) };
        let would_hold = unique.is_held(Phase::Ready, job.state.run, self.now) && job.state.phase.is_finished();
        Ok(if would_hold { self.holder(&unique.key)?.map(|holder| holder.id()) } else { None })
    }

    /// A new job, or one that runs again, takes its key, which nobody holds.
    pub(super) fn hold(&self, job: &Job) -> Result<(), Trouble> {
        if let Some(key) = job.held_key(self.now) {
            self.connection
                .prepare_cached("INSERT OR REPLACE INTO callboard_unique (key, id) VALUES (?1, ?2)")?
                .execute(params![key, job.id().as_uuid().as_bytes()])?;
        }
        Ok(())
    }

    fn let_go(&self, id: JobId, key: &str) -> Result<(), Trouble> {
        self.connection
            .prepare_cached("DELETE FROM callboard_unique WHERE key = ?1 AND id = ?2")?
            .execute(params![key, id.as_uuid().as_bytes()])?;
        Ok(())
    }
}

/// What moves do to keys.
impl Txn<'_, '_> {
    /// A job has taken a step.
    pub(super) fn move_keys(&self, before: &Job, after: &Job) -> Result<(), Trouble> {
        match (held(before), held(after)) {
            (Some(key), None) => self.let_go(before.id(), key)?,
            (None, Some(_)) => self.hold(after)?,
            _ => {}
        }
        if in_use(before) != in_use(after) {
            if let Some((queue, key)) = in_use(before) {
                self.release_key(before.id(), queue, key)?;
            }
            if let Some((queue, key)) = in_use(after) {
                self.use_key(after.id(), queue, key)?;
            }
        }
        Ok(())
    }

    /// A job is removed.
    pub(super) fn drop_keys(&self, job: &Job) -> Result<(), Trouble> {
        held(job).map_or(Ok(()), |key| self.let_go(job.id(), key))
    }

    /// A job without a past has started its first run, which this handle remembers.
    pub(super) fn start_keys(&mut self, id: JobId, queue: &str, keys: Keys) -> Result<(), Trouble> {
        if let Some(key) = &keys.limit_key {
            self.use_key(id, queue, key)?;
        }
        match keys.unique.as_deref() {
            Some(unique) if unique.until == UniqueUntil::Started => self.let_go(id, &unique.key)?,
            _ => {}
        }
        self.memory.runs.keep_keys(id, keys);
        Ok(())
    }

    /// A job has ended in its first run.
    pub(super) fn end_keys(&mut self, id: JobId, queue: &str) -> Result<(), Trouble> {
        let Some(keys) = self.memory.runs.take_keys(id) else { return Ok(()) };
        if let Some(key) = &keys.limit_key {
            self.release_key(id, queue, key)?;
        }
        keys.unique.map_or(Ok(()), |unique| self.let_go(id, &unique.key))
    }

    pub(super) fn release_key(&self, id: JobId, queue: &str, key: &str) -> Result<(), Trouble> {
        self.connection
            .prepare_cached("DELETE FROM callboard_keys_in_use WHERE queue = ?1 AND key = ?2 AND id = ?3")?
            .execute(params![queue, key, id.as_uuid().as_bytes()])?;
        Ok(())
    }

    fn use_key(&self, id: JobId, queue: &str, key: &str) -> Result<(), Trouble> {
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO callboard_keys_in_use (queue, key, id) VALUES (?1, ?2, ?3)")?
            .execute(params![queue, key, id.as_uuid().as_bytes()])?;
        Ok(())
    }

    /// How many jobs of a queue run with a limit key.
    pub(super) fn running_with(&self, queue: &str, key: &str) -> Result<u64, Trouble> {
        let sql = "SELECT count(*) FROM callboard_keys_in_use WHERE queue = ?1 AND key = ?2";
        Ok(self.connection.prepare_cached(sql)?.query_row([queue, key], |row| row.get(0).map(unsigned))?)
    }
}

/// Idempotency keys.
impl Txn<'_, '_> {
    /// What the request made when it came before.
    pub(super) fn replay(&self, request: &Idempotency) -> Result<Option<Replayed>, Trouble> {
        let kept = self
            .connection
            .prepare_cached("SELECT request, ids FROM callboard_requests WHERE key = ?1 AND ends > ?2")?
            .query_row(params![request.key, self.now_micros], |row| {
                Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?))
            })
            .optional()?;
        match kept {
            None => Ok(None),
            Some((digest, ids)) if digest == request.request => Ok(Some(rows::ids(&ids).collect())),
            Some(_) => Err(Trouble::Refused(StoreError::IdempotencyMismatch)),
        }
    }

    /// Keeps what a request made or found.
    pub(super) fn keep_request(&self, request: &Idempotency, ids: &[JobId]) -> Result<(), Trouble> {
        let ids: Vec<u8> = ids.iter().flat_map(|id| *id.as_uuid().as_bytes()).collect();
        let ends = super::workers::later(self.now_micros, request.keep);
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO callboard_requests (key, request, ids, ends) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![request.key, request.request, ids, ends])?;
        Ok(())
    }

    /// Forgets requests whose time is up, and rates that have rested; not all at once.
    pub(super) fn tidy_keys(&self) -> Result<(), Trouble> {
        for sql in [
            "DELETE FROM callboard_requests WHERE key IN (
                 SELECT key FROM callboard_requests WHERE ends <= ?1 ORDER BY ends LIMIT 10000)",
            "DELETE FROM callboard_rates WHERE (queue, key) IN (
                 SELECT queue, key FROM callboard_rates WHERE next <= ?1 ORDER BY next LIMIT 10000)",
        ] {
            self.connection.prepare_cached(sql)?.execute([self.now_micros])?;
        }
        Ok(())
    }
}

/// The keys of a new job.
pub(super) fn keys_of(spec: &JobSpec) -> Keys {
    Keys { unique: spec.unique.clone(), limit_key: spec.limit_key.clone() }
}

/// A time that is kept, as a column has it.
pub(super) fn column(time: Option<Timestamp>) -> Option<i64> {
    time.map(micros)
}
