//! How attempts end.

use std::sync::Arc;

use callboard_tasks::{Ending, Fate, Outcome, Phase, WorkerId};
use rusqlite::params;

use super::enqueue::is_taken_id;
use super::fault::Trouble;
use super::hot::ROWS;
use super::txn::Txn;
use crate::store::record::{micros, unsigned};

/// Writes outcomes; each stands alone.
pub(super) fn finish(txn: &mut Txn<'_, '_>, outcomes: &[Outcome]) -> Result<Vec<Fate>, Trouble> {
    let mut fates = vec![Fate::Stale; outcomes.len()];
    let mut first = Vec::with_capacity(ROWS);
    for (n, outcome) in outcomes.iter().enumerate() {
        match FirstSuccess::of(txn, n, outcome)? {
            Some(success) => first.push(success),
            None => fates[n] = end_whole(txn, outcome)?,
        }
        if first.len() == ROWS {
            end_many(txn, &mut first, &mut fates)?;
        }
    }
    for success in first {
        fates[success.n] = success.end(txn)?;
    }
    Ok(fates)
}

/// The end of nearly every job: it succeeded in its first run, and ends through the handle that claimed it.
struct FirstSuccess<'o> {
    n: usize,
    outcome: &'o Outcome,
    value: &'o str,
    seq: i64,
    worker: WorkerId,
    queue: Arc<str>,
    started_at: i64,
    version: i64,
}

impl<'o> FirstSuccess<'o> {
    fn of(txn: &mut Txn<'_, '_>, n: usize, outcome: &'o Outcome) -> Result<Option<Self>, Trouble> {
        let Ending::Succeeded(value) = &outcome.ending else { return Ok(None) };
        // One that wrote to its log has more to keep than its value.
        let found = txn.memory.runs.find(outcome.id).filter(|_| outcome.run == 1 && outcome.logs.is_empty());
        let Some((seq, claimed)) = found else { return Ok(None) };
        let (worker, doubtful) = (claimed.worker, claimed.doubtful);
        let success = Self {
            n,
            outcome,
            value: value.as_str(),
            seq,
            worker,
            queue: Arc::clone(&claimed.queue),
            started_at: outcome.started_at.map_or(claimed.claimed_at, micros),
            version: claimed.version + 1,
        };
        let sure = txn.knows(worker)? && !(doubtful && has_state(txn, outcome)?);
        Ok(sure.then_some(success))
    }

    fn end(&self, txn: &mut Txn<'_, '_>) -> Result<Fate, Trouble> {
        let done = txn.hot.insert_done.execute(params![
            self.outcome.id.as_uuid().as_bytes(),
            txn.now_micros,
            self.started_at,
            self.worker.as_uuid().as_bytes(),
            self.version,
            self.value
        ]);
        match done {
            // It has ended through another handle, or twice in this batch.
            Err(error) if is_taken_id(&error) => end_whole(txn, self.outcome),
            Err(error) => Err(error.into()),
            Ok(_) => self.note(txn),
        }
    }

    /// Its row has been written.
    fn note(&self, txn: &mut Txn<'_, '_>) -> Result<Fate, Trouble> {
        txn.end_keys(self.outcome.id, &self.queue)?;
        txn.leave_claim(self.outcome.id, self.seq);
        txn.tally.note_end(self.outcome.id, &self.queue, Phase::Successful);
        Ok(Fate::Accepted { phase: Phase::Successful, version: unsigned(self.version) })
    }
}

/// Ends [`ROWS`] jobs by one statement; if one of them cannot end so, each by its own.
fn end_many(txn: &mut Txn<'_, '_>, first: &mut Vec<FirstSuccess<'_>>, fates: &mut [Fate]) -> Result<(), Trouble> {
    let insert = &mut txn.hot.insert_dones;
    for (row, success) in first.iter().enumerate() {
        let at = row * 6;
        insert.raw_bind_parameter(at + 1, &success.outcome.id.as_uuid().as_bytes()[..])?;
        insert.raw_bind_parameter(at + 2, txn.now_micros)?;
        insert.raw_bind_parameter(at + 3, success.started_at)?;
        insert.raw_bind_parameter(at + 4, &success.worker.as_uuid().as_bytes()[..])?;
        insert.raw_bind_parameter(at + 5, success.version)?;
        insert.raw_bind_parameter(at + 6, success.value)?;
    }
    match insert.raw_execute() {
        Ok(_) => {
            for success in first.drain(..) {
                fates[success.n] = success.note(txn)?;
            }
        }
        Err(error) if is_taken_id(&error) => {
            // Those before the refused one are written.
            let written = usize::try_from(txn.connection.changes()).unwrap_or(0);
            for (row, success) in first.drain(..).enumerate() {
                fates[success.n] = if row < written { success.note(txn)? } else { success.end(txn)? };
            }
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Whether somebody has changed a job since it was claimed.
fn has_state(txn: &Txn<'_, '_>, outcome: &Outcome) -> Result<bool, Trouble> {
    let mut select = txn.connection.prepare_cached("SELECT 1 FROM callboard_states WHERE id = ?1")?;
    Ok(select.exists([outcome.id.as_uuid().as_bytes()])?)
}

/// Everything else goes the way that [`Job::finish`](callboard_tasks::Job::finish) says.
fn end_whole(txn: &mut Txn<'_, '_>, outcome: &Outcome) -> Result<Fate, Trouble> {
    let Some(before) = txn.load(outcome.id)?.filter(|job| job.runs_as(outcome.run)) else {
        return Ok(Fate::Stale);
    };
    let mut after = before.clone();
    after.finish(outcome.clone(), txn.now)?;
    txn.rewrite(&before, &after)?;
    Ok(Fate::Accepted { phase: after.state.phase, version: after.state.version })
}
