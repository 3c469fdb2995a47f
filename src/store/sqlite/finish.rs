//! How attempts end.

use callboard_tasks::{Ending, Fate, Outcome, Phase};
use rusqlite::params;

use super::enqueue::is_taken_id;
use super::fault::Trouble;
use super::txn::Txn;
use crate::store::record::{micros, unsigned};

/// Writes outcomes; each stands alone.
pub(super) fn finish(txn: &mut Txn<'_, '_>, outcomes: &[Outcome]) -> Result<Vec<Fate>, Trouble> {
    outcomes.iter().map(|outcome| end(txn, outcome)).collect()
}

fn end(txn: &mut Txn<'_, '_>, outcome: &Outcome) -> Result<Fate, Trouble> {
    // Nearly every job succeeds in its first run, and ends through the handle that claimed it.
    let Ending::Succeeded(value) = &outcome.ending else { return end_whole(txn, outcome) };
    let Some((seq, claimed)) = txn.memory.runs.find(outcome.id).filter(|_| outcome.run == 1) else {
        return end_whole(txn, outcome);
    };
    let claimed = claimed.clone();
    if !txn.knows(claimed.worker)? || (claimed.doubtful && has_state(txn, outcome)?) {
        return end_whole(txn, outcome);
    }
    let uuid = outcome.id.as_uuid();
    let started_at = outcome.started_at.map_or(claimed.claimed_at, micros);
    let version = claimed.version + 1;
    let done = txn.hot.insert_done.execute(params![
        uuid.as_bytes(),
        txn.now_micros,
        started_at,
        claimed.worker.as_uuid().as_bytes(),
        version,
        value.as_str()
    ]);
    match done {
        // It has ended through another handle.
        Err(error) if is_taken_id(&error) => return end_whole(txn, outcome),
        done => done?,
    };
    txn.leave_claim(outcome.id, seq);
    txn.tally.note_end(outcome.id, &claimed.queue, Phase::Successful);
    Ok(Fate::Accepted { phase: Phase::Successful, version: unsigned(version) })
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
