//! The lane of units with keys of which there is one, on a connection of its own: whoever holds a key for long is in the
//! way of those alone who want it too.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use callboard_tasks::{Job, JobId, Placed, StoreError, Unit};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinSet;
use tokio::time::timeout;
use uuid::Uuid;

use super::core::{Core, IDLE, Trial};
use super::enqueue::{Enqueue, with_room};
use super::fault::Fault;
use super::keyed::{self, Instead, Kept, Keyed};
use super::link::Link;
use crate::store::record::damaged;

/// How long it is tried.
const PATIENCE: Duration = Duration::from_secs(5);
/// So many units go together.
const UNITS: usize = 64;
/// So many units wait at once for somebody who holds a key for long, each on a connection of its own.
const WAITERS: usize = 4;
/// How long they wait for such a place.
const WAIT: Duration = Duration::from_secs(2);

type Answer = Result<Placed, StoreError>;

pub(super) async fn lane(mut link: Link, mut calls: UnboundedReceiver<Enqueue>) {
    let places = Rc::new(Semaphore::new(WAITERS));
    let mut waiters = JoinSet::new();
    loop {
        let Ok(call) = timeout(IDLE, calls.recv()).await else {
            link.close();
            continue;
        };
        let Some(call) = call else { break };
        let mut count = call.units.len();
        let mut batch = vec![call];
        while count < UNITS
            && let Ok(call) = calls.try_recv()
        {
            count += call.units.len();
            batch.push(call);
        }
        while waiters.try_join_next().is_some() {}
        keep(&mut link, batch, &places, &mut waiters).await;
    }
    while waiters.join_next().await.is_some() {}
}

async fn keep(link: &mut Link, batch: Vec<Enqueue>, places: &Rc<Semaphore>, waiters: &mut JoinSet<()>) {
    let units: Vec<&Unit> = batch.iter().flat_map(|call| &call.units).collect();
    let mut answers: Vec<Option<Answer>> = units.iter().map(|_| None).collect();
    let mut numbers: Vec<usize> = (0..units.len()).collect();
    numbers.sort_by_cached_key(|n| first_key(units[*n]).map(str::to_owned));
    let parts = numbers.chunks(UNITS).map(<[usize]>::to_vec).rev().collect();
    write(link, &units, parts, keyed::SHORT, &mut answers).await;
    let mut answers = answers.into_iter();
    for call in batch {
        let answers: Vec<Option<Answer>> = answers.by_ref().take(call.units.len()).collect();
        if answers.iter().all(Option::is_some) {
            // Whoever does not wait for the answer does not want it.
            let _gone = call.reply.send(answers.into_iter().flatten().collect());
        } else {
            waiters.spawn_local(wait(Arc::clone(&link.core), call, answers, Rc::clone(places)));
        }
    }
}

/// The key by which a unit has its place among others, so that two transactions ask for the same ones in one order.
fn first_key(unit: &Unit) -> Option<&str> {
    unit.jobs.iter().filter_map(|spec| spec.unique.as_ref()).map(|unique| unique.key.as_str()).min()
}

/// Keeps the units of a call that somebody stands in the way of.
async fn wait(core: Arc<Core>, call: Enqueue, mut answers: Vec<Option<Answer>>, places: Rc<Semaphore>) {
    if let Ok(Ok(_place)) = timeout(WAIT, places.acquire()).await {
        let mut link = Link::new(&core);
        let units: Vec<&Unit> = call.units.iter().collect();
        let parts = (0..units.len()).rev().filter(|n| answers[*n].is_none()).map(|n| vec![n]).collect();
        write(&mut link, &units, parts, keyed::LONG, &mut answers).await;
    }
    let busy = || Err(keyed::busy().into_error(None));
    let _gone = call.reply.send(answers.into_iter().map(|answer| answer.unwrap_or_else(busy)).collect());
}

/// Units that go together, and whether it is known that their queues have room for them.
struct Part {
    numbers: Vec<usize>,
    counted: Option<bool>,
}

/// Writes units, part by part from the last; if one of them is bad, in smaller and smaller parts, until it stands alone.
/// One that somebody stands in the way of has no answer.
async fn write(
    link: &mut Link,
    units: &[&Unit],
    parts: Vec<Vec<usize>>,
    patience: &'static str,
    answers: &mut [Option<Answer>],
) {
    // Who comes a second time was counted in before.
    let counted = patience == keyed::LONG;
    let mut parts: Vec<Part> = if !counted && link.core.depths.are_known() {
        count_in(link, units, parts.into_iter().rev().flatten().collect(), answers).await
    } else {
        parts.into_iter().map(|numbers| Part { numbers, counted: Some(counted) }).collect()
    };
    let mut trial = Trial::new(PATIENCE);
    while let Some(Part { numbers, counted }) = parts.pop() {
        if numbers.is_empty() {
            continue;
        }
        let fault = match add(link, units, &numbers, patience, counted).await {
            Ok(kept) => {
                for (n, kept) in numbers.into_iter().zip(kept) {
                    answers[n] = kept;
                }
                continue;
            }
            Err(fault) => fault,
        };
        match fault {
            Fault::Uncounted => {
                // The first time that one of these queues is met.
                let rest = numbers.into_iter().chain(parts.drain(..).rev().flat_map(|part| part.numbers));
                parts = count_in(link, units, rest.collect(), answers).await;
            }
            Fault::Data(_) | Fault::Duplicate(..) if numbers.len() > 1 => {
                let (first, second) = numbers.split_at(numbers.len() / 2);
                parts.push(Part { numbers: second.to_vec(), counted });
                parts.push(Part { numbers: first.to_vec(), counted });
            }
            Fault::Data(_) | Fault::Duplicate(..) | Fault::Full { .. } => {
                let unit = units[numbers[0]];
                answers[numbers[0]] = Some(judge(link, unit, trial.unsure, fault).await);
            }
            fault => match trial.next(fault).await {
                Ok(()) => parts.push(Part { numbers, counted }),
                Err(fault) => {
                    for n in numbers.into_iter().chain(parts.drain(..).flat_map(|part| part.numbers)) {
                        answers[n] = Some(Err(fault.copy().into_error(None)));
                    }
                }
            },
        }
    }
}

/// Those of the units for which their queues have room, and alone each of those for which that matters only if their
/// request has not come before; the others are answered.
async fn count_in(link: &mut Link, units: &[&Unit], numbers: Vec<usize>, answers: &mut [Option<Answer>]) -> Vec<Part> {
    let requests: Vec<usize> = numbers.iter().copied().filter(|n| units[*n].idempotency.is_some()).collect();
    let admitted = with_room(link, units, numbers, answers).await;
    let refused = requests.into_iter().filter(|n| matches!(answers[*n], Some(Err(StoreError::QueueFull { .. }))));
    let mut parts: Vec<Part> = refused.map(|n| Part { numbers: vec![n], counted: None }).collect();
    parts.push(Part { numbers: admitted, counted: Some(true) });
    parts
}

async fn add(
    link: &mut Link,
    units: &[&Unit],
    part: &[usize],
    patience: &'static str,
    counted: Option<bool>,
) -> Result<Vec<Option<Answer>>, Fault> {
    let core = Arc::clone(&link.core);
    let part: Vec<&Unit> = part.iter().map(|n| units[*n]).collect();
    let keyed = Keyed::new(&part, Some(patience)).counted(counted);
    let rows = link.call(&core.sql.add_keyed, &keyed.parameters()).await?;
    let kept = keyed::read(&rows, &part)?;
    let found = find(link, &keyed::to_be_read(&kept)).await?;
    for (unit, kept) in part.iter().zip(&kept) {
        tell(&core, unit, kept, &found);
    }
    let answers = kept.into_iter().map(|kept| match kept {
        Kept::Busy => None,
        kept => Some(keyed::answer(kept, &found)),
    });
    Ok(answers.collect())
}

/// Reads jobs that stand for others.
async fn find(link: &mut Link, ids: &[Uuid]) -> Result<HashMap<JobId, Job>, Fault> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let core = Arc::clone(&link.core);
    keyed::jobs(&link.repeat(PATIENCE, &core.sql.find, &[&ids]).await?)
}

/// Tells those who might take what has come, or come earlier.
fn tell(core: &Core, unit: &Unit, kept: &Kept, found: &HashMap<JobId, Job>) {
    let Kept::Made(instead) = kept else { return };
    let stands = |n: usize| instead.iter().any(|instead| instead.index == n);
    let made: Vec<_> =
        unit.jobs.iter().enumerate().filter(|(n, _)| !stands(*n)).map(|(_, spec)| spec).cloned().collect();
    keyed::tell(core, &made);
    for job in instead.iter().filter(|instead| instead.replaced).filter_map(|instead| found.get(&instead.id)) {
        if job.state.phase == callboard_tasks::Phase::Ready {
            core.heads.came(std::iter::once((&job.spec, job.effective_time())));
            core.tell_of_work();
        }
    }
}

/// What is told of a unit that stands alone and was refused. If an earlier try may have been done, its jobs are looked
/// for first: nobody else makes ids of ours, so if they are there, they are ours.
async fn judge(link: &mut Link, unit: &Unit, unsure: bool, fault: Fault) -> Answer {
    let Fault::Duplicate(named, _) = &fault else { return Err(fault.into_error(None)) };
    let taken = StoreError::DuplicateId(named.unwrap_or_else(|| unit.jobs[0].id));
    if !unsure {
        return Err(taken);
    }
    let failed = |fault: Fault| fault.into_error(None);
    let core = Arc::clone(&link.core);
    let ids: Vec<Uuid> = unit.jobs.iter().map(|spec| spec.id.as_uuid()).collect();
    let ours = find(link, &ids).await.map_err(failed)?;
    let keys: Vec<&str> = unit.jobs.iter().filter_map(|spec| spec.unique.as_ref().map(|u| u.key.as_str())).collect();
    let rows = link.repeat(PATIENCE, &core.sql.holders, &[&keys]).await.map_err(failed)?;
    let holders: HashMap<String, Uuid> = rows
        .iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .collect::<Result<_, tokio_postgres::Error>>()
        .map_err(|error| failed(error.into()))?;
    let mut instead = Vec::new();
    for (index, spec) in unit.jobs.iter().enumerate() {
        match ours.get(&spec.id) {
            Some(job) if job.spec.task == spec.task => {}
            Some(_) => return Err(taken),
            None => {
                let unique = spec.unique.as_ref().ok_or(StoreError::DuplicateId(spec.id))?;
                let holder = holders.get(&unique.key).map(|id| JobId::from_uuid(*id));
                let gone = || failed(damaged(spec.id, &"the job in its place has ended since").into());
                instead.push(Instead { index, id: holder.ok_or_else(gone)?, replaced: false });
            }
        }
    }
    let kept = Kept::Made(instead);
    let found = find(link, &keyed::to_be_read(std::slice::from_ref(&kept))).await.map_err(failed)?;
    keyed::answer(kept, &found)
}
