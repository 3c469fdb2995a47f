//! Jobs in their first run: many in one row of the table, and those of this handle in memory, so that the end of one
//! need not look for it.

use std::collections::HashMap;

use callboard_tasks::{JobId, WorkerId};
use rusqlite::{OptionalExtension, params};

use super::fault::Trouble;
use super::txn::Txn;
use crate::store::record::Keys;

/// So many ids fit on one page, with the rest of their row.
const IDS: usize = 240;
/// With more than so many, those that ended elsewhere are forgotten too; what is forgotten is looked up.
const REMEMBERED: usize = 200_000;

/// The jobs in their first run that this handle has claimed, as far as it knows.
#[derive(Debug, Default)]
pub(super) struct Runs {
    jobs: HashMap<JobId, i64>,
    claims: HashMap<i64, Claimed>,
    /// The keys of those that have any.
    keys: HashMap<JobId, Keys>,
}

/// What the jobs of one row have in common.
#[derive(Debug, Clone)]
pub(super) struct Claimed {
    pub(super) worker: WorkerId,
    pub(super) queue: std::sync::Arc<str>,
    pub(super) claimed_at: i64,
    pub(super) version: i64,
    /// Somebody else has written since, and may have changed some of them.
    pub(super) doubtful: bool,
    jobs: usize,
}

impl Runs {
    pub(super) fn find(&self, id: JobId) -> Option<(i64, &Claimed)> {
        let seq = *self.jobs.get(&id)?;
        self.claims.get(&seq).map(|claimed| (seq, claimed))
    }

    fn forget(&mut self, id: JobId) {
        self.take_keys(id);
        if let Some(seq) = self.jobs.remove(&id)
            && let Some(claimed) = self.claims.get_mut(&seq)
        {
            claimed.jobs -= 1;
            if claimed.jobs == 0 {
                self.claims.remove(&seq);
            }
        }
    }

    /// Nothing that is remembered is sure any more.
    pub(super) fn clear(&mut self) {
        self.jobs.clear();
        self.claims.clear();
        self.keys.clear();
    }

    pub(super) fn keep_keys(&mut self, id: JobId, keys: Keys) {
        self.keys.insert(id, keys);
    }

    pub(super) fn take_keys(&mut self, id: JobId) -> Option<Keys> {
        if self.keys.is_empty() { None } else { self.keys.remove(&id) }
    }

    pub(super) fn doubt(&mut self) {
        self.claims.values_mut().for_each(|claimed| claimed.doubtful = true);
    }
}

/// A row that is written at the end of the transaction.
#[derive(Debug)]
pub(super) struct NewClaim {
    seq: i64,
    worker: WorkerId,
    queue: std::sync::Arc<str>,
    version: i64,
    ids: Vec<JobId>,
    /// How many of them have ended already.
    ended: usize,
}

impl Txn<'_, '_> {
    /// A job that waited for its first run has been claimed.
    pub(super) fn note_claim(&mut self, id: JobId, worker: WorkerId, queue: &str, version: i64) -> Result<(), Trouble> {
        let same = |new: &NewClaim| {
            new.worker == worker && new.version == version && *new.queue == *queue && new.ids.len() < IDS
        };
        let at = match self.new_claims.iter().rposition(same) {
            Some(at) => at,
            None => {
                let seq = self.next_seq()?;
                let queue = std::sync::Arc::from(queue);
                self.new_claims.push(NewClaim { seq, worker, queue, version, ids: Vec::new(), ended: 0 });
                self.new_claims.len() - 1
            }
        };
        let new = &mut self.new_claims[at];
        new.ids.push(id);
        let runs = &mut self.memory.runs;
        if runs.jobs.len() >= REMEMBERED {
            runs.clear();
        }
        runs.jobs.insert(id, new.seq);
        let claimed = runs.claims.entry(new.seq).or_insert_with(|| Claimed {
            worker,
            queue: std::sync::Arc::clone(&new.queue),
            claimed_at: self.now_micros,
            version,
            doubtful: false,
            jobs: 0,
        });
        claimed.jobs += 1;
        Ok(())
    }

    /// Numbers grow with time, so that one that is gone does not come again.
    fn next_seq(&mut self) -> Result<i64, Trouble> {
        let last = match self.new_claims.last() {
            Some(new) => Some(new.seq),
            None => {
                let mut select = self.connection.prepare_cached("SELECT max(seq) FROM callboard_claims")?;
                select.query_row([], |row| row.get::<_, Option<i64>>(0))?
            }
        };
        Ok(last.map_or(self.now_micros, |last| self.now_micros.max(last + 1)))
    }

    /// Takes back what [`note_claim`](Self::note_claim) noted last of a job.
    pub(super) fn unnote_claim(&mut self, id: JobId) {
        self.memory.runs.forget(id);
        for new in &mut self.new_claims {
            new.ids.retain(|noted| *noted != id);
        }
    }

    /// A job is in its first run no more.
    pub(super) fn leave_claim(&mut self, id: JobId, seq: i64) {
        self.memory.runs.forget(id);
        if let Some(new) = self.new_claims.iter_mut().find(|new| new.seq == seq) {
            new.ended += 1;
            return;
        }
        match self.left.iter_mut().find(|(of, _)| *of == seq) {
            Some((_, jobs)) => *jobs += 1,
            None => self.left.push((seq, 1)),
        }
    }

    /// The row of a job that is in its first run; its new rows have been written.
    pub(super) fn claim_of(&self, id: JobId) -> Result<Option<i64>, Trouble> {
        if let Some((seq, claimed)) = self.memory.runs.find(id)
            && !claimed.doubtful
        {
            return Ok(Some(seq));
        }
        let mut select =
            self.connection.prepare_cached("SELECT seq FROM callboard_claims WHERE instr(ids, ?1) > 0 LIMIT 1")?;
        Ok(select.query_row([id.as_uuid().as_bytes()], |row| row.get(0)).optional()?)
    }

    /// Writes the new rows, so that they are found.
    pub(super) fn settle(&mut self) -> Result<(), Trouble> {
        for new in std::mem::take(&mut self.new_claims) {
            if new.ids.len() == new.ended {
                continue;
            }
            let ids: Vec<u8> = new.ids.iter().flat_map(|id| *id.as_uuid().as_bytes()).collect();
            let jobs = i64::try_from(new.ids.len() - new.ended).unwrap_or(i64::MAX);
            self.connection
                .prepare_cached(
                    "INSERT INTO callboard_claims (seq, worker, queue, claimed_at, version, jobs, ids)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![
                    new.seq,
                    new.worker.as_uuid().as_bytes(),
                    &*new.queue,
                    self.now_micros,
                    new.version,
                    jobs,
                    ids
                ])?;
        }
        Ok(())
    }

    /// Writes how many of the jobs of each row are left; a row without any goes.
    pub(super) fn settle_left(&mut self) -> Result<(), Trouble> {
        for (seq, left) in std::mem::take(&mut self.left) {
            let deleted = self
                .connection
                .prepare_cached("DELETE FROM callboard_claims WHERE seq = ?1 AND jobs <= ?2")?
                .execute([seq, left])?;
            if deleted == 0 {
                self.connection
                    .prepare_cached("UPDATE callboard_claims SET jobs = jobs - ?2 WHERE seq = ?1")?
                    .execute([seq, left])?;
            }
        }
        Ok(())
    }
}
