//! How attempts end.

use callboard_tasks::{Ending, Fate, Outcome, Phase};
use rusqlite::params;

use super::fault::Trouble;
use super::rows::load;
use super::txn::Txn;
use crate::store::record::{code, damaged, micros, signed, unsigned};

/// Writes outcomes; each stands alone.
pub(super) fn finish(txn: &mut Txn<'_, '_>, outcomes: &[Outcome]) -> Result<Vec<Fate>, Trouble> {
    outcomes.iter().map(|outcome| end(txn, outcome)).collect()
}

fn end(txn: &mut Txn<'_, '_>, outcome: &Outcome) -> Result<Fate, Trouble> {
    let uuid = outcome.id.as_uuid();
    let id = uuid.as_bytes();
    // Nearly every job succeeds in its first run: then its row in the table of those that run says all there is.
    let (worker, claimed_at, version) = {
        let mut rows = txn.hot.running.query(params![id, signed(outcome.run)])?;
        let Some(row) = rows.next()? else { return Ok(Fate::Stale) };
        let (kept, phase): (bool, i64) = (row.get(4)?, row.get(5)?);
        if kept || phase != code(Phase::Running) || !matches!(outcome.ending, Ending::Succeeded(_)) {
            drop(rows);
            return end_whole(txn, outcome);
        }
        let queue = row.get_ref(2)?.as_str().map_err(|error| damaged(outcome.id, &error))?;
        txn.tally.note_end(outcome.id, queue, Phase::Successful);
        (row.get::<_, [u8; 16]>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(3)?)
    };
    let Ending::Succeeded(value) = &outcome.ending else { return end_whole(txn, outcome) };
    let started_at = outcome.started_at.map_or(claimed_at, micros);
    // The row that can be refused comes first.
    txn.hot.insert_done.execute(params![id, txn.now_micros, started_at, worker, version + 1, value.as_str()])?;
    txn.hot.delete_running.execute([id])?;
    Ok(Fate::Accepted { phase: Phase::Successful, version: unsigned(version + 1) })
}

/// Everything else goes the way that [`Job::finish`](callboard_tasks::Job::finish) says.
fn end_whole(txn: &mut Txn<'_, '_>, outcome: &Outcome) -> Result<Fate, Trouble> {
    let Some(before) = load(txn.connection, outcome.id)?.filter(|job| job.runs_as(outcome.run)) else {
        return Ok(Fate::Stale);
    };
    let mut after = before.clone();
    after.finish(outcome.clone(), txn.now)?;
    txn.rewrite(&before, &after)?;
    Ok(Fate::Accepted { phase: after.state.phase, version: after.state.version })
}
