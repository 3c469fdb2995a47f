//! Where lines begin that have dead entries in front.
//!
//! As long as a transaction may still see jobs that have gone, the server cannot forget them, and whoever looks at a
//! line from its start steps over all of them. So claims and beats begin behind what was found dead once. A job can come
//! to stand in front of that: its commit was late, it came back, its priority was changed. What this process does is
//! noticed at once; for what others do the whole line is looked at again, now and then (`upkeep.rs`). Where few dead
//! entries stand there are no heads, and every claim looks at everything.

use std::collections::BTreeMap;
use std::sync::Arc;

use callboard_tasks::{JobSpec, Timestamp};
use parking_lot::Mutex;
use tokio_postgres::Row;
use uuid::Uuid;

use super::fault::Fault;

/// So many steps in vain are worth a look for heads.
pub(super) const WORTH_A_LOOK: i64 = 1_000;

/// A place in a line: when its job is or was due, and its id.
type Place = (Timestamp, Uuid);
/// Where lines begin, by queue and by priority with its sign turned.
type Lines = BTreeMap<String, BTreeMap<i16, Place>>;

/// The heads that are known: nothing that this process could run stands at or before one, as far as it knows.
#[derive(Debug, Default)]
pub(super) struct Heads(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    lines: Lines,
    /// How often they were forgotten: what was lent before is not taken back.
    forgotten: u64,
    /// How many copies are about that will come back.
    lent: usize,
    /// What became ready meanwhile, and its place in time.
    came: Vec<(Arc<JobSpec>, Timestamp)>,
}

/// Heads as parameters, column by column, in order.
#[derive(Debug, Default)]
pub(super) struct Columns {
    pub(super) queues: Vec<String>,
    pub(super) ranks: Vec<i16>,
    pub(super) ats: Vec<Timestamp>,
    pub(super) ids: Vec<Uuid>,
}

impl Heads {
    /// Whether there are any.
    pub(super) fn are_known(&self) -> bool {
        !self.0.lock().lines.is_empty()
    }

    /// Forgets them all: they are those of a worker with other tasks, or jobs have become ready of which nobody here
    /// knows which. The next claim looks at everything.
    pub(super) fn forget(&self) {
        let mut known = self.0.lock();
        known.lines.clear();
        known.forgotten += 1;
    }

    /// A copy for a statement that only reads them.
    pub(super) fn columns(&self) -> Columns {
        self.0.lock().columns()
    }

    /// A copy for a statement that tells where the lines begin since.
    pub(super) fn lend(&self) -> Lent<'_> {
        let mut known = self.0.lock();
        known.lent += 1;
        Lent { columns: known.columns(), forgotten: known.forgotten, heads: self }
    }

    /// Jobs have become ready that are as old as that.
    pub(super) fn came<'a>(&self, jobs: impl Iterator<Item = (&'a Arc<JobSpec>, Timestamp)>) {
        let mut known = self.0.lock();
        if known.lines.is_empty() && known.lent == 0 {
            return;
        }
        for (spec, at) in jobs {
            step_back(&mut known.lines, spec, at);
            if known.lent > 0 {
                known.came.push((Arc::clone(spec), at));
            }
        }
    }
}

impl Known {
    fn columns(&self) -> Columns {
        let mut columns = Columns::default();
        let lines = self.lines.iter().flat_map(|(queue, ranks)| ranks.iter().map(move |line| (queue, line)));
        for (queue, (rank, (at, id))) in lines {
            columns.queues.push(queue.clone());
            columns.ranks.push(*rank);
            columns.ats.push(*at);
            columns.ids.push(*id);
        }
        columns
    }
}

/// Puts the head of a job's line before the job.
fn step_back(lines: &mut Lines, spec: &JobSpec, at: Timestamp) {
    let line = lines.get_mut(&*spec.queue).and_then(|ranks| ranks.get_mut(&-i16::from(spec.priority)));
    if let Some(head) = line
        && (at, spec.id.as_uuid()) <= *head
    {
        let before = Timestamp::from_microsecond(at.as_microsecond() - 1).unwrap_or(Timestamp::MIN);
        *head = (before, Uuid::max());
    }
}

/// Heads that a statement was given.
#[derive(Debug)]
pub(super) struct Lent<'a> {
    pub(super) columns: Columns,
    forgotten: u64,
    heads: &'a Heads,
}

impl Lent<'_> {
    /// Takes where the lines begin since, from four columns of a row; none where that is null.
    pub(super) fn back(self, row: &Row, first: usize) -> Result<(), Fault> {
        let queues: Vec<String> = row.try_get::<_, Option<_>>(first)?.unwrap_or_default();
        let ranks: Vec<i16> = row.try_get::<_, Option<_>>(first + 1)?.unwrap_or_default();
        let ats: Vec<Timestamp> = row.try_get::<_, Option<_>>(first + 2)?.unwrap_or_default();
        let ids: Vec<Uuid> = row.try_get::<_, Option<_>>(first + 3)?.unwrap_or_default();
        let mut lines = Lines::new();
        for ((queue, rank), place) in queues.into_iter().zip(ranks).zip(ats.into_iter().zip(ids)) {
            lines.entry(queue).or_default().insert(rank, place);
        }
        self.begin_at(lines);
        Ok(())
    }

    /// Takes where the lines begin since. What came in the meantime is not forgotten.
    fn begin_at(self, mut lines: Lines) {
        let mut known = self.heads.0.lock();
        let were_there = !self.columns.queues.is_empty();
        if known.forgotten != self.forgotten || (lines.is_empty() && !were_there) {
            return;
        }
        if lines.is_empty() {
            // They are not needed any more: a claim that is under way with them does not bring them back, for nobody
            // would look whether they are still right.
            known.forgotten += 1;
        }
        for (spec, at) in &known.came {
            step_back(&mut lines, spec, *at);
        }
        known.lines = lines;
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut known = self.heads.0.lock();
        known.lent -= 1;
        if known.lent == 0 {
            known.came.clear();
        }
    }
}

#[cfg(test)]
mod tests;
