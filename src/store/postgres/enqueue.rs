//! The lane of new jobs: whatever has come while a statement was under way goes into the next one.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use callboard_tasks::{JobId, Lookup, Placed, StoreError, Timestamp, Unit, WorkerId};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Mutex, Notify, oneshot};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::columns::{Columns, due};
use super::core::{IDLE, Trial};
use super::depths::admit;
use super::fault::Fault;
use super::link::Link;
use super::{read, row};

/// How long an enqueue is tried.
const PATIENCE: Duration = Duration::from_secs(5);
/// So many jobs go into one statement, and about so many bytes of arguments.
const MOST_JOBS: usize = 4_096;
const MOST_BYTES: usize = 8 << 20;

/// So long it is waited for the next calls of those who were just answered.
const COMING: Duration = Duration::from_micros(200);
/// So many go out while another statement is under way; fewer wait for its end.
const ENOUGH_JOBS: usize = 256;

type Answer = Result<Placed, StoreError>;

/// Units of one caller, and where the answers go.
pub(super) struct Enqueue {
    pub(super) units: Vec<Unit>,
    pub(super) reply: oneshot::Sender<Vec<Answer>>,
}

/// What comes in, for the lanes that share it.
pub(super) struct Calls {
    waiting: Mutex<UnboundedReceiver<Enqueue>>,
    /// How many statements are under way.
    under_way: Cell<usize>,
    /// Rung when one has ended,
    ended: Notify,
    /// which was then, with the answers to so many calls.
    last: Cell<(Instant, usize)>,
}

impl Calls {
    pub(super) fn new(waiting: UnboundedReceiver<Enqueue>) -> Rc<Self> {
        let (under_way, ended) = (Cell::new(0), Notify::new());
        Rc::new(Self { waiting: Mutex::new(waiting), under_way, ended, last: Cell::new((Instant::now(), 0)) })
    }

    /// Whether those who were just answered may be about to call again.
    fn are_coming(&self, have: usize) -> bool {
        let (at, answered) = self.last.get();
        have < answered && at.elapsed() < COMING
    }
}

/// A statement that is under way.
struct UnderWay<'a>(&'a Calls);

impl<'a> UnderWay<'a> {
    fn new(calls: &'a Calls) -> Self {
        calls.under_way.update(|statements| statements + 1);
        Self(calls)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.update(|statements| statements - 1);
        self.0.ended.notify_one();
    }
}

/// Takes all that waits, writes it, and again. Two lanes share a connection: where a lot waits, the next statement is on
/// its way while the one before it is under way, so that the server need not wait for us. A few calls rather wait and go
/// together, with those of the callers who were just answered: a statement by itself costs as much as thirty jobs.
pub(super) async fn lane(mut link: Link, calls: Rc<Calls>) {
    loop {
        let mut waiting = calls.waiting.lock().await;
        let Ok(call) = timeout(IDLE, waiting.recv()).await else {
            link.close();
            continue;
        };
        let Some(call) = call else { return };
        let mut room = Room { jobs: MOST_JOBS, bytes: MOST_BYTES };
        let mut batch = vec![call];
        room.take(&batch[0]);
        let mut before = 0;
        while room.is_left() {
            let busy = calls.under_way.get() > 0;
            if let Ok(call) = waiting.try_recv() {
                room.take(&call);
                batch.push(call);
            } else if room.is_worth_it() {
                break;
            } else if busy {
                before = batch.len();
                tokio::select! {
                    biased;
                    call = waiting.recv() => match call {
                        Some(call) => {
                            room.take(&call);
                            batch.push(call);
                        }
                        None => break,
                    },
                    () = calls.ended.notified() => {}
                }
            } else if calls.are_coming(batch.len() - before.min(batch.len())) {
                tokio::task::yield_now().await;
                std::thread::yield_now();
            } else {
                break;
            }
        }
        drop(waiting);
        let under_way = UnderWay::new(&calls);
        let count = batch.len();
        keep(&mut link, batch).await;
        calls.last.set((Instant::now(), count));
        drop(under_way);
    }
}

struct Room {
    jobs: usize,
    bytes: usize,
}

impl Room {
    fn take(&mut self, call: &Enqueue) {
        for spec in call.units.iter().flat_map(|unit| &unit.jobs) {
            self.jobs = self.jobs.saturating_sub(1);
            self.bytes = self.bytes.saturating_sub(spec.args.as_str().len());
        }
    }

    /// Whether that is enough for a statement beside another.
    const fn is_worth_it(&self) -> bool {
        self.jobs <= MOST_JOBS - ENOUGH_JOBS || self.bytes <= MOST_BYTES / 2
    }

    const fn is_left(&self) -> bool {
        self.jobs > 0 && self.bytes > 0
    }
}

async fn keep(link: &mut Link, batch: Vec<Enqueue>) {
    let units: Vec<&Unit> = batch.iter().flat_map(|call| &call.units).collect();
    let mut answers: Vec<Option<Answer>> = units.iter().map(|_| None).collect();
    let mut left: Vec<usize> = (0..units.len()).filter(|n| !units[*n].jobs.is_empty()).collect();
    // Units for different workers cannot share a statement; a process hardly ever has two.
    while !left.is_empty() {
        let worker = left.iter().find_map(|n| units[*n].claim).map(|claim| claim.worker);
        let fits = |unit: &Unit| unit.claim.is_none_or(|claim| Some(claim.worker) == worker);
        let (now, later): (Vec<_>, Vec<_>) = left.into_iter().partition(|n| fits(units[*n]));
        write(link, &units, now, worker, &mut answers).await;
        left = later;
    }
    let told = units
        .iter()
        .zip(&answers)
        .any(|(unit, answer)| matches!(answer, Some(Ok(placed)) if !placed.claimed) && due(&unit.jobs).is_none());
    if told {
        link.core.tell_of_work();
    }
    let waiting =
        units.iter().zip(&answers).filter(|(_, answer)| matches!(answer, Some(Ok(placed)) if !placed.claimed));
    let ready = waiting.flat_map(|(unit, _)| unit.jobs.iter().map(|spec| (spec, spec.enqueued_at)));
    link.core.heads.came(ready);
    link.core.moved(units.iter().map(|unit| unit.jobs.len()).sum());
    let mut answers = answers.into_iter().map(|answer| answer.unwrap_or(Ok(Placed::made(false))));
    for call in batch {
        let count = call.units.len();
        // Whoever does not wait for the answer does not want it.
        let _gone = call.reply.send(answers.by_ref().take(count).collect());
    }
}

/// Writes units in one statement; if one of them is bad, in smaller and smaller ones, until it stands alone.
async fn write(
    link: &mut Link,
    units: &[&Unit],
    numbers: Vec<usize>,
    worker: Option<WorkerId>,
    answers: &mut [Option<Answer>],
) {
    let mut counted = link.core.depths.are_known();
    let numbers = if counted { with_room(link, units, numbers, answers).await } else { numbers };
    let mut parts = vec![numbers];
    let mut trial = Trial::new(PATIENCE);
    while let Some(part) = parts.pop() {
        if part.is_empty() {
            continue;
        }
        let fault = match add(link, units, &part, worker, counted).await {
            Ok(added) => {
                for (place, n) in part.into_iter().enumerate() {
                    let unit = units[n];
                    let at_once = due(&unit.jobs).is_none_or(|at| at <= added.now) && !added.waits(place);
                    answers[n] = Some(Ok(Placed::made(added.known && unit.claim.is_some() && at_once)));
                }
                continue;
            }
            Err(Fault::Uncounted) => {
                // The first time that one of these queues is met; nothing was written before.
                counted = true;
                let rest = part.into_iter().chain(parts.drain(..).flatten()).collect();
                parts.push(with_room(link, units, rest, answers).await);
                continue;
            }
            Err(fault) => fault,
        };
        let splits = matches!(fault, Fault::Data(_) | Fault::Duplicate(..));
        if splits && part.len() > 1 {
            let (first, second) = part.split_at(part.len() / 2);
            parts.push(second.to_vec());
            parts.push(first.to_vec());
        } else if splits {
            for n in part {
                answers[n] = Some(judge(link, units[n], &trial, fault.copy()).await);
            }
        } else {
            match trial.next(fault).await {
                Ok(()) => parts.push(part),
                Err(fault) => {
                    for n in part.into_iter().chain(parts.drain(..).flatten()) {
                        answers[n] = Some(Err(fault.copy().into_error(worker)));
                    }
                }
            }
        }
    }
}

async fn add(
    link: &mut Link,
    units: &[&Unit],
    part: &[usize],
    worker: Option<WorkerId>,
    counted: bool,
) -> Result<Added, Fault> {
    let jobs = part.iter().map(|n| units[*n].jobs.len()).sum();
    let mut columns = Columns::new(jobs, worker.map(WorkerId::as_uuid));
    for n in part {
        columns.unit(&units[*n].jobs, units[*n].claim.is_some());
    }
    columns.counted = Some(counted);
    let core = std::sync::Arc::clone(&link.core);
    let rows = link.call(&core.sql.add, &columns.parameters()).await?;
    let row = rows.first().ok_or_else(|| Fault::Failed("an enqueue was not answered".into()))?;
    let now = row::at(row, 1)?.ok_or_else(|| Fault::Failed("the time is null".into()))?;
    Ok(Added { known: row.try_get(0)?, now, waiting: row.try_get(2)? })
}

/// What is told of units that were written.
struct Added {
    /// Whether the worker is registered.
    known: bool,
    now: Timestamp,
    /// Units that wait because of limits, counted from 1.
    waiting: Option<Vec<i32>>,
}

impl Added {
    fn waits(&self, place: usize) -> bool {
        self.waiting.as_ref().is_some_and(|units| units.iter().any(|unit| usize::try_from(*unit) == Ok(place + 1)))
    }
}

/// Those of the units for which their queues have room; the others are answered.
pub(super) async fn with_room(
    link: &mut Link,
    units: &[&Unit],
    numbers: Vec<usize>,
    answers: &mut [Option<Answer>],
) -> Vec<usize> {
    let core = std::sync::Arc::clone(&link.core);
    let mut count = async || link.repeat(PATIENCE, &core.sql.depths, &[]).await;
    match admit(&core, &mut count, units, numbers.clone()).await {
        Ok((admitted, refused)) => {
            for (n, full) in refused {
                answers[n] = Some(Err(full.into_error(None)));
            }
            admitted
        }
        Err(fault) => {
            for n in numbers {
                answers[n] = Some(Err(fault.copy().into_error(None)));
            }
            Vec::new()
        }
    }
}

/// What is told of a unit that stands alone and was refused. If an earlier try may have been done, its ids are looked
/// for first: nobody else makes ids of ours, so if they are there, they are ours.
async fn judge(link: &mut Link, unit: &Unit, trial: &Trial, fault: Fault) -> Answer {
    let ids: Vec<Uuid> = unit.jobs.iter().map(|spec| spec.id.as_uuid()).collect();
    let Fault::Duplicate(named, _) = &fault else { return Err(fault.into_error(None)) };
    let taken: JobId = named.unwrap_or_else(|| first_twice(&ids));
    if !trial.unsure {
        return Err(StoreError::DuplicateId(taken));
    }
    let core = std::sync::Arc::clone(&link.core);
    let rows = link.repeat(PATIENCE, &core.sql.find, &[&ids]).await.map_err(|fault| fault.into_error(None))?;
    let found = read::lookups(&ids, &rows, &[]).map_err(|fault| fault.into_error(None))?;
    let mut claimed = unit.claim.is_some();
    for (spec, found) in unit.jobs.iter().zip(found) {
        match found {
            Lookup::Found(job) if job.spec.task == spec.task && job.spec.args == spec.args => {
                claimed &= job.state.run > 0 && job.state.worker_ids().first().copied() == unit.claim.map(|c| c.worker);
            }
            _ => return Err(StoreError::DuplicateId(taken)),
        }
    }
    Ok(Placed::made(claimed))
}

/// The id that stands twice in a unit, or else its first.
fn first_twice(ids: &[Uuid]) -> JobId {
    let twice = ids.iter().enumerate().find(|(n, id)| ids[..*n].contains(id));
    JobId::from_uuid(twice.map_or_else(|| ids.first().copied().unwrap_or_default(), |(_, id)| *id))
}
