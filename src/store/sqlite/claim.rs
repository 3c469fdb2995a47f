//! Who gets which job: from each queue in turn a fair share, then the best of what is left.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use callboard_tasks::{Ask, Claimed, Job, JobId, StoreError, Timestamp, WorkerId};
use rusqlite::{OptionalExtension, Row, params};

use super::fault::Trouble;
use super::rows::{self, SPEC_COLUMNS};
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

/// Where a job stands in the line of its queue: rank, time, id.
type Place = (i64, i64, JobId);

/// A job that stands in a line.
struct Candidate {
    place: Place,
    version: i64,
    kept: bool,
    spec: SpecRow,
}

/// A part of a line that was read ahead.
#[derive(Default)]
struct Ahead {
    read: VecDeque<Candidate>,
    /// Where the next part begins.
    behind: Option<Place>,
    at_end: bool,
    /// A row was passed over since the last one was given.
    gap: bool,
}

/// One queue during one claim.
struct Turn {
    queue: String,
    /// How many more the asking process takes of it.
    room: usize,
    ready: Ahead,
    suspects: Ahead,
    /// Places that were given and whose rows are still there, without any other row between them.
    given: Vec<Place>,
}

/// Who asks.
struct Asking {
    worker: WorkerId,
    tasks: Arc<HashSet<String>>,
    /// It runs a job that was lost before, and gets no other such job.
    has_suspect: bool,
    /// How many it may still get.
    left: usize,
    /// Whether anybody has a task that it lacks.
    others: HashMap<String, bool>,
}

/// At most so many rows are read ahead of a line at once.
const READ_AHEAD: usize = 1_024;

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
    let mut jobs = Vec::with_capacity(ask.limit.min(READ_AHEAD));
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
    for turn in &mut turns {
        delete_given(txn, turn)?;
    }

    let next_due = if asking.left > 0 && ask.limit > 0 { next_due(txn)? } else { None };
    Ok(Given { jobs, worker: ask.worker, now: txn.now, next_due, last_queue })
}

/// When the next job that waits for its time is due.
pub(super) fn next_due(txn: &Txn<'_, '_>) -> Result<Option<Timestamp>, Trouble> {
    let mut select = txn.connection.prepare_cached("SELECT at FROM callboard_later ORDER BY at LIMIT 1")?;
    let at: Option<i64> = select.query_row([], |row| row.get(0)).optional()?;
    Ok(at.map(time).transpose()?)
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
fn turns(txn: &Txn<'_, '_>, ask: &Ask) -> Result<Vec<Turn>, Trouble> {
    let turn = |queue: String| Turn {
        room: ask.room(&queue),
        queue,
        ready: Ahead::default(),
        suspects: Ahead::default(),
        given: Vec::new(),
    };
    let mut turns: Vec<_> = ready_queues(txn)?.into_iter().map(turn).filter(|turn| turn.room > 0).collect();
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
    let ready = front(txn, &turn.queue, &mut turn.ready, asking, most, false)?;
    let suspect = if asking.has_suspect { None } else { front(txn, &turn.queue, &mut turn.suspects, asking, 1, true)? };
    Ok([ready, suspect].into_iter().flatten().min())
}

/// The first one of a line that the process can run. What stands before it is passed over in this claim; what nobody
/// can run is parked, and what has expired is ended.
fn front(
    txn: &mut Txn<'_, '_>,
    queue: &str,
    line: &mut Ahead,
    asking: &mut Asking,
    most: usize,
    suspects: bool,
) -> Result<Option<Place>, Trouble> {
    loop {
        let Some(candidate) = line.read.front() else {
            if line.at_end {
                return Ok(None);
            }
            read_ahead(txn, queue, line, most.clamp(1, READ_AHEAD), suspects)?;
            continue;
        };
        let task = &candidate.spec.task;
        // One that was lost, or waits to be tried again, has begun and does not expire; its own row would say.
        let expired = candidate.spec.expires_at.is_some_and(|at| at <= txn.now_micros);
        if expired && expire_if_unstarted(txn, candidate.spec.id)? {
            line.read.pop_front();
            continue;
        }
        if asking.tasks.contains(task) {
            return Ok(Some(candidate.place));
        }
        let known = match asking.others.get(task) {
            Some(known) => *known,
            None => {
                let known = txn.somebody_can_run(task)?;
                asking.others.insert(task.clone(), known);
                known
            }
        };
        if known {
            line.gap = true;
        } else {
            let id = candidate.spec.id;
            txn.park(id)?;
        }
        line.read.pop_front();
    }
}

fn expire_if_unstarted(txn: &mut Txn<'_, '_>, id: JobId) -> Result<bool, Trouble> {
    let Some(before) = txn.load(id)?.filter(|job| job.expires_at().is_some_and(|at| at <= txn.now)) else {
        return Ok(false);
    };
    let mut after = before.clone();
    after.expire(txn.now)?;
    txn.rewrite(&before, &after)?;
    Ok(true)
}

fn read_ahead(
    txn: &mut Txn<'_, '_>,
    queue: &str,
    line: &mut Ahead,
    most: usize,
    suspects: bool,
) -> Result<(), Trouble> {
    let limit = i64::try_from(most).unwrap_or(i64::MAX);
    let rows: rusqlite::Result<VecDeque<Candidate>> = match (suspects, line.behind) {
        (false, None) => txn.hot.line.query_map(params![queue, limit], candidate)?.collect(),
        (false, Some((rank, at, id))) => txn
            .hot
            .line_behind
            .query_map(params![queue, limit, rank, at, id.as_uuid().as_bytes()], candidate)?
            .collect(),
        (true, behind) => {
            let (rank, at, id) = behind.unwrap_or((i64::MIN, i64::MIN, JobId::from_uuid(uuid::Uuid::nil())));
            let mut select = txn.connection.prepare_cached(SUSPECTS_BEHIND)?;
            select.query_map(params![queue, limit, rank, at, id.as_uuid().as_bytes()], candidate)?.collect()
        }
    };
    let rows = rows?;
    line.at_end = rows.len() < most;
    if let Some(last) = rows.back() {
        line.behind = Some(last.place);
    }
    line.read = rows;
    Ok(())
}

/// The line of suspects of a queue from behind a place.
const SUSPECTS_BEHIND: &str = concat!(
    "SELECT ",
    rows::spec_columns!(),
    ", w.rank, w.at, w.version, w.kept FROM callboard_suspects w CROSS JOIN callboard_jobs j ON j.id = w.id
     WHERE w.queue = ?1 AND (w.rank, w.at, w.id) > (?3, ?4, ?5) ORDER BY w.rank, w.at, w.id LIMIT ?2"
);

fn candidate(row: &Row<'_>) -> rusqlite::Result<Candidate> {
    let spec = rows::spec(row, 0)?;
    let place = (row.get(SPEC_COLUMNS)?, row.get(SPEC_COLUMNS + 1)?, spec.id);
    Ok(Candidate { place, version: row.get(SPEC_COLUMNS + 2)?, kept: row.get(SPEC_COLUMNS + 3)?, spec })
}

/// Gives the job that [`best`] has found.
fn give(txn: &mut Txn<'_, '_>, turn: &mut Turn, asking: &mut Asking) -> Result<GivenJob, Trouble> {
    let of = |line: &Ahead| line.read.front().map(|candidate| candidate.place);
    let suspect = if asking.has_suspect { None } else { of(&turn.suspects) };
    let takes_suspect = match (of(&turn.ready), suspect) {
        (Some(ready), Some(suspect)) => suspect < ready,
        (ready, suspect) => ready.is_none() && suspect.is_some(),
    };
    let line = if takes_suspect { &mut turn.suspects } else { &mut turn.ready };
    let Some(candidate) = line.read.pop_front() else {
        return Err(Damaged(format!("the line of queue {} ended before its end", turn.queue)).into());
    };
    turn.room -= 1;
    asking.left -= 1;
    asking.has_suspect |= takes_suspect;
    let Candidate { place: (rank, at, id), version, kept, spec } = candidate;
    if kept {
        let Some(before) = txn.load(id)? else {
            return Err(crate::store::record::damaged(id, &"it is gone, but stands in its line").into());
        };
        let mut after = before.clone();
        after.claim(asking.worker, txn.now)?;
        txn.rewrite(&before, &after)?;
        return Ok(GivenJob::Again(after.into()));
    }
    if std::mem::take(&mut turn.ready.gap) {
        delete_given(txn, turn)?;
    }
    txn.note_claim(id, asking.worker, &turn.queue, version + 1)?;
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
