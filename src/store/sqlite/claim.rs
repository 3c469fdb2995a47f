//! Who gets which job: from each queue in turn a fair share, then the best of what is left.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, HashSet};
use std::sync::Arc;

use callboard_tasks::{Ask, Claimed, Job, StoreError, Timestamp, WorkerId};
use rusqlite::{OptionalExtension, params};

use super::fault::Trouble;
use super::limits::Limited;
use super::line::{Candidate, Line, Place};
use super::txn::Txn;
use crate::store::record::{Damaged, SpecRow, first_run, time, unsigned};

/// What a claim gave, as the writer leaves it: made into jobs by whoever asked.
#[derive(Debug)]
pub(super) struct Given {
    jobs: Vec<GivenJob>,
    worker: WorkerId,
    now: Timestamp,
    next_due: Option<Timestamp>,
    last_queue: Option<String>,
}

#[derive(Debug)]
enum GivenJob {
    /// In its first run, under this version.
    First(SpecRow, i64),
    Again(Box<Job>),
}

impl Given {
    pub(super) fn into_claimed(self) -> Result<Claimed, Damaged> {
        let Self { jobs, worker, now, next_due, last_queue } = self;
        let jobs = jobs.into_iter().map(|job| match job {
            GivenJob::First(spec, version) => first_run(spec.into_spec()?, worker, now, unsigned(version)),
            GivenJob::Again(job) => Ok(*job),
        });
        Ok(Claimed { jobs: jobs.collect::<Result<_, _>>()?, next_due, last_queue })
    }
}

/// One queue during one claim.
struct Turn {
    queue: String,
    /// How many more the asking process takes of it.
    room: usize,
    ready: Line,
    suspects: Line,
    /// Places that were given and whose rows are still there, without any other row between them.
    given: Vec<Place>,
    /// What holds of it back, if anything limits what starts.
    limited: Option<Limited>,
}

/// Who asks.
pub(super) struct Asking {
    worker: WorkerId,
    pub(super) tasks: Arc<HashSet<String>>,
    /// It runs a job that was lost before, and gets no other such job.
    has_suspect: bool,
    /// How many it may still get.
    left: usize,
    /// Whether anybody has a task that it lacks.
    others: HashMap<String, bool>,
}

impl Asking {
    /// Whether a process whose lease holds has a task.
    pub(super) fn somebody_can_run(&mut self, txn: &Txn<'_, '_>, task: &str) -> Result<bool, Trouble> {
        if let Some(known) = self.others.get(task) {
            return Ok(*known);
        }
        let known = txn.somebody_can_run(task)?;
        self.others.insert(task.to_owned(), known);
        Ok(known)
    }
}

/// Gives jobs; see [`Store::claim`](callboard_tasks::Store::claim).
pub(super) fn claim(txn: &mut Txn<'_, '_>, ask: &Ask) -> Result<Given, Trouble> {
    if !txn.knows(ask.worker)? {
        return Err(Trouble::Refused(StoreError::Gone(ask.worker)));
    }
    txn.catch_up()?;
    let mut asking = Asking {
        worker: ask.worker,
        tasks: txn.tasks(ask.worker)?,
        has_suspect: has_suspect(txn, ask.worker)?,
        left: ask.limit,
        others: HashMap::new(),
    };
    let mut turns = if ask.limit > 0 { turns(txn, ask)? } else { Vec::new() };
    let mut jobs = Vec::with_capacity(ask.limit.min(1_024));
    let mut last_queue = ask.after_queue.clone();

    let share = (ask.limit / turns.len().max(1)).max(1);
    for turn in &mut turns {
        let mut served = false;
        for _ in 0..share.min(turn.room).min(asking.left) {
            if best(txn, turn, &mut asking, share)?.is_none() {
                break;
            }
            jobs.push(give(txn, turn, &mut asking)?);
            served = true;
        }
        if served {
            last_queue = Some(turn.queue.clone());
        }
    }
    claim_rest(txn, &mut turns, &mut asking, &mut jobs)?;
    let mut broken_off = false;
    for turn in &mut turns {
        delete_given(txn, turn)?;
        if let Some(limited) = &turn.limited {
            limited.keep(txn, &turn.queue)?;
            broken_off |= turn.ready.remember_place(txn, &turn.queue);
        }
    }

    let next_due = match asking.left > 0 && ask.limit > 0 {
        // There is more to look at than one claim may.
        true if broken_off => Some(txn.now),
        true => next_due(txn)?,
        false => None,
    };
    Ok(Given { jobs, worker: ask.worker, now: txn.now, next_due, last_queue })
}

/// When somebody should ask again: the time of the next job that waits for it, or that of a rate.
pub(super) fn next_due(txn: &mut Txn<'_, '_>) -> Result<Option<Timestamp>, Trouble> {
    let mut select = txn.connection.prepare_cached("SELECT at FROM callboard_later ORDER BY at LIMIT 1")?;
    let at: Option<i64> = select.query_row([], |row| row.get(0)).optional()?;
    Ok([at.map(time).transpose()?, txn.rates_free_at()?].into_iter().flatten().min())
}

fn has_suspect(txn: &Txn<'_, '_>, worker: WorkerId) -> Result<bool, Trouble> {
    let sql = "SELECT 1 FROM callboard_running WHERE worker = ?1 AND suspect = 1 LIMIT 1";
    Ok(txn.connection.prepare_cached(sql)?.exists([worker.as_uuid().as_bytes()])?)
}

/// The next queue with a ready job.
pub(super) const QUEUES: &str = "SELECT queue FROM callboard_ready WHERE queue > ?1 ORDER BY queue LIMIT 1";
/// The next queue with a ready job that was lost before.
pub(super) const SUSPECTED_QUEUES: &str =
    "SELECT queue FROM callboard_suspects WHERE queue > ?1 ORDER BY queue LIMIT 1";

/// The queues that have a ready job and are not paused, by name: one step into the line for each.
pub(super) fn ready_queues(txn: &Txn<'_, '_>) -> Result<BTreeSet<String>, Trouble> {
    let mut queues = BTreeSet::new();
    for sql in [QUEUES, SUSPECTED_QUEUES] {
        let mut next = txn.connection.prepare_cached(sql)?;
        let mut name = String::new();
        while let Some(found) = next.query_row([&name], |row| row.get::<_, String>(0)).optional()? {
            queues.insert(found.clone());
            name = found;
        }
    }
    let mut paused = txn.connection.prepare_cached("SELECT queue FROM callboard_paused")?;
    for name in paused.query_map([], |row| row.get::<_, String>(0))? {
        queues.remove(&name?);
    }
    Ok(queues)
}

/// The queues that have something for the asking process, in turn.
fn turns(txn: &mut Txn<'_, '_>, ask: &Ask) -> Result<Vec<Turn>, Trouble> {
    let limits = txn.limits()?;
    let mut turns = Vec::new();
    for queue in ready_queues(txn)? {
        let mut room = ask.room(&queue);
        let mut limited = None;
        if let Some(limits) = limits.get(&queue).filter(|limits| room > 0 && limits.limits_starts()) {
            let (by, left) = Limited::of(txn, &queue, *limits)?;
            room = room.min(left);
            limited = Some(by);
        }
        if room > 0 {
            let (ready, suspects) = (Line::of_ready(), Line::of_suspects());
            turns.push(Turn { queue, room, ready, suspects, given: Vec::new(), limited });
        }
    }
    if let Some(after) = &ask.after_queue {
        let first = turns.partition_point(|turn| turn.queue <= *after);
        turns.rotate_left(first);
    }
    Ok(turns)
}

/// Fills what is left of the limit with the best jobs of all queues, whatever their queue.
fn claim_rest(
    txn: &mut Txn<'_, '_>,
    turns: &mut [Turn],
    asking: &mut Asking,
    jobs: &mut Vec<GivenJob>,
) -> Result<(), Trouble> {
    let mut heads = BinaryHeap::new();
    if asking.left > 0 {
        for (n, turn) in turns.iter_mut().enumerate() {
            let most = asking.left;
            heads.extend(best(txn, turn, asking, most)?.map(|place| Reverse((place, n))));
        }
    }
    while asking.left > 0
        && let Some(Reverse((seen, n))) = heads.pop()
    {
        // A suspect that was seen here is no longer to be had once another queue gave one.
        let turn = &mut turns[n];
        let most = asking.left;
        if best(txn, turn, asking, most)? == Some(seen) {
            jobs.push(give(txn, turn, asking)?);
        }
        heads.extend(best(txn, turn, asking, most)?.map(|place| Reverse((place, n))));
    }
    Ok(())
}

/// The best job of a queue that the process can run; it stands at the front of what was read ahead then.
fn best(txn: &mut Txn<'_, '_>, turn: &mut Turn, asking: &mut Asking, most: usize) -> Result<Option<Place>, Trouble> {
    if turn.room == 0 || asking.left == 0 {
        return Ok(None);
    }
    let Turn { queue, ready, suspects, limited, .. } = turn;
    let ready = ready.front(txn, queue, limited.as_mut(), asking, most)?;
    let suspect = if asking.has_suspect { None } else { suspects.front(txn, queue, limited.as_mut(), asking, 1)? };
    Ok([ready, suspect].into_iter().flatten().min())
}

/// Gives the job that [`best`] has found.
fn give(txn: &mut Txn<'_, '_>, turn: &mut Turn, asking: &mut Asking) -> Result<GivenJob, Trouble> {
    let suspect = if asking.has_suspect { None } else { turn.suspects.seen() };
    let takes_suspect = match (turn.ready.seen(), suspect) {
        (Some(ready), Some(suspect)) => suspect < ready,
        (ready, suspect) => ready.is_none() && suspect.is_some(),
    };
    let line = if takes_suspect { &mut turn.suspects } else { &mut turn.ready };
    let Some(candidate) = line.take() else {
        return Err(Damaged(format!("the line of queue {} ended before its end", turn.queue)).into());
    };
    turn.room -= 1;
    asking.left -= 1;
    asking.has_suspect |= takes_suspect;
    if let Some(limited) = &mut turn.limited {
        limited.count_start(candidate.limit_key(), txn.now);
    }
    let Candidate { place: (rank, at, id), version, kept, spec, keys } = candidate;
    if kept {
        let Some(before) = txn.load(id)? else {
            return Err(crate::store::record::damaged(id, &"it is gone, but stands in its line").into());
        };
        let mut after = before.clone();
        after.claim(asking.worker, txn.now)?;
        txn.rewrite(&before, &after)?;
        return Ok(GivenJob::Again(after.into()));
    }
    if turn.ready.had_gap() {
        delete_given(txn, turn)?;
    }
    txn.note_claim(id, asking.worker, &turn.queue, version + 1)?;
    if let Some(keys) = keys {
        txn.start_keys(id, &turn.queue, keys)?;
    }
    turn.given.push((rank, at, id));
    Ok(GivenJob::First(spec, version + 1))
}

/// Takes jobs that were given out of their line: as they stood there one behind the other, in one statement.
fn delete_given(txn: &mut Txn<'_, '_>, turn: &mut Turn) -> Result<(), Trouble> {
    let (Some((rank, at, first)), Some((last_rank, last_at, last))) = (turn.given.first(), turn.given.last()) else {
        return Ok(());
    };
    let (first, last) = (first.as_uuid(), last.as_uuid());
    let deleted = txn.hot.delete_ready_range.execute(params![
        turn.queue,
        rank,
        at,
        first.as_bytes(),
        last_rank,
        last_at,
        last.as_bytes()
    ])?;
    if deleted != turn.given.len() {
        let problem = format!("the line of queue {}: {deleted} rows instead of {}", turn.queue, turn.given.len());
        return Err(Damaged(problem).into());
    }
    turn.given.clear();
    Ok(())
}
