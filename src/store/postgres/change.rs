//! Changes of jobs, by one who asks or by their worker: each under the lock of its row, by the steps of [`Job`].

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use callboard_tasks::{Change, Changed, InvalidMove, Job, JobId, Phase, StoreError, Timestamp, UniqueUntil, WorkerId};
use deadpool_postgres::ClientWrapper;
use futures::future::join_all;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::core::{Core, Params, in_time};
use super::fault::Fault;
use super::finish::read_jobs;
use super::puts::Puts;
use super::{keyed, row};

/// How long a change is tried.
const PATIENCE: Duration = Duration::from_secs(5);

/// A change that was made, or that is refused.
type Answer = Result<Changed, StoreError>;

pub(super) async fn change(core: &Core, id: JobId, change: Change) -> Answer {
    let answers = together(core, &[id], &change).await.map_err(|fault| fault.into_error(None))?;
    answers.into_iter().next().unwrap_or(Err(StoreError::NotFound(id)))
}

/// Changes jobs in one transaction. If anything stands in the way of one of them, each has one to itself, so that only
/// that one fails.
pub(super) async fn change_all(core: &Core, ids: Vec<JobId>, change: Change) -> Vec<Answer> {
    let once = ids.iter().collect::<HashSet<_>>().len() == ids.len();
    let fault = match once {
        true => match together(core, &ids, &change).await {
            Ok(answers) => return answers,
            Err(fault) => Some(fault),
        },
        false => None,
    };
    if let Some(fault @ (Fault::Lost(_) | Fault::Failed(_))) = fault {
        return ids.iter().map(|_| Err(fault.copy().into_error(None))).collect();
    }
    let mut answers = Vec::with_capacity(ids.len());
    for id in ids {
        answers.push(self::change(core, id, change.clone()).await);
    }
    answers
}

/// What earlier tries have written, if their commit was not answered.
type Written = RefCell<HashMap<JobId, Changed>>;

/// Changes jobs, each of them once, as one transaction; what is refused of one is its own answer.
async fn together(core: &Core, ids: &[JobId], change: &Change) -> Result<Vec<Answer>, Fault> {
    let written = Written::default();
    core.pooled(PATIENCE, async |client| {
        let done = core
            .within(client, async || {
                let mut held = hold_all(core, client, ids).await?;
                let now = core.now(client).await?;
                let (mut answers, mut puts) = (Vec::with_capacity(ids.len()), Puts::default());
                for id in ids {
                    let answer = match held.remove(id) {
                        Some(before) => change_held(core, client, &before, change, now, &written, &mut puts).await?,
                        None => {
                            let earlier = written.borrow_mut().remove(id);
                            missing(core, client, *id, change, earlier).await?
                        }
                    };
                    answers.push(answer);
                }
                let ended = puts.write(core, client).await?;
                Ok((answers, puts, ended))
            })
            .await?;
        let (answers, puts, ended) = done;
        puts.tell(core, ended);
        Ok(answers)
    })
    .await
}

/// Those of the jobs that are there, locked where they are, in the order of their ids: so that two who want the same ones
/// do not wait for each other.
async fn hold_all(core: &Core, client: &ClientWrapper, ids: &[JobId]) -> Result<HashMap<JobId, Job>, Fault> {
    let mut sorted: Vec<Uuid> = ids.iter().map(|id| id.as_uuid()).collect();
    sorted.sort_unstable();
    let mut held = HashMap::with_capacity(ids.len());
    let mut hold = |rows: Vec<Row>| -> Result<(), Fault> {
        for row in &rows {
            let job = row::job(row)?;
            held.insert(job.id(), job);
        }
        Ok(())
    };
    let Some((first, rest)) = sorted.split_first() else { return Ok(held) };
    // The first one prepares the statement; the others are sent without waiting for each other's answers.
    hold(core.query(client, &core.sql.hold, &[first]).await?)?;
    let parameters: Vec<[&(dyn ToSql + Sync); 1]> = rest.iter().map(|id| [id as _]).collect();
    let rest = parameters.iter().map(|one| core.query(client, &core.sql.hold, one));
    for rows in join_all(rest).await {
        hold(rows?)?;
    }
    Ok(held)
}

/// Changes a job that is locked.
async fn change_held(
    core: &Core,
    client: &ClientWrapper,
    before: &Job,
    change: &Change,
    now: Timestamp,
    written: &Written,
    puts: &mut Puts,
) -> Result<Answer, Fault> {
    let id = before.id();
    let earlier = written.borrow_mut().remove(&id);
    if let Some(earlier) = earlier.filter(|earlier| earlier.job == *before) {
        puts.was_put(before);
        return Ok(Ok(earlier));
    }
    if *change == Change::Retry
        && let Some(existing) = stands_in_the_way(core, client, before, now).await?
    {
        return Ok(Err(StoreError::UniqueConflict { index: 0, existing }));
    }
    let answer = change_job(before, change.clone(), now, puts);
    if let Ok(changed) = &answer {
        respec(core, client, before, &changed.job).await?;
        written.borrow_mut().insert(id, changed.clone());
    }
    Ok(answer)
}

/// What is told of a job that is not there: perhaps we have deleted it.
async fn missing(
    core: &Core,
    client: &ClientWrapper,
    id: JobId,
    change: &Change,
    earlier: Option<Changed>,
) -> Result<Answer, Fault> {
    if let (Change::Delete, Some(changed)) = (change, earlier) {
        return Ok(Ok(changed));
    }
    let pruned = core.query(client, &core.sql.were_pruned, &[&vec![id.as_uuid()]]).await?;
    Ok(Err(if pruned.is_empty() { StoreError::NotFound(id) } else { StoreError::Pruned(id) }))
}

/// Takes the key again that a finished job held; if another one has it by now, who that is.
async fn stands_in_the_way(
    core: &Core,
    client: &ClientWrapper,
    job: &Job,
    now: Timestamp,
) -> Result<Option<JobId>, Fault> {
    let Some(unique) = job.spec.unique.as_deref().filter(|_| job.state.phase.is_finished()) else { return Ok(None) };
    if !unique.is_held(Phase::Ready, job.state.run, now) {
        return Ok(None);
    }
    in_time(client.batch_execute(&format!("SET LOCAL lock_timeout = '{}'", keyed::LONG))).await?;
    let until_started = unique.until == UniqueUntil::Started;
    let taken: Params<'_> = &[&unique.key, &job.id().as_uuid(), &unique.holds_until, &until_started];
    let rows = core.query(client, &core.sql.take_key, taken).await?;
    let holder: Option<Uuid> = rows.first().map(|row| row.try_get(0)).transpose()?.flatten();
    Ok(holder.map(JobId::from_uuid))
}

fn change_job(before: &Job, change: Change, now: Timestamp, puts: &mut Puts) -> Answer {
    let (mut job, delete) = (before.clone(), change == Change::Delete);
    if let Err(refused) = job.change(change, now) {
        puts.stays(before);
        return Err(refused);
    }
    if delete {
        puts.deleted(&job);
    } else if job != *before {
        puts.moved(before.state.phase, &job);
    } else {
        puts.stays(before);
    }
    Ok(Changed { worker: job.holder(), job })
}

/// Writes what a change did to what was enqueued.
async fn respec(core: &Core, client: &ClientWrapper, before: &Job, after: &Job) -> Result<(), Fault> {
    if before.spec == after.spec {
        return Ok(());
    }
    let spec = &after.spec;
    let (id, priority) = (spec.id.as_uuid(), i16::from(spec.priority));
    core.query(client, &core.sql.respec, &[&id, &spec.queue, &priority, &spec.run_after, &spec.expires_at]).await?;
    Ok(())
}

pub(super) async fn rescue(core: &Core, worker: WorkerId) -> Result<usize, StoreError> {
    free(core, worker, true, Job::lose).await.map_err(|fault| fault.into_error(Some(worker)))
}

pub(super) async fn leave(core: &Core, worker: WorkerId) -> Result<(), StoreError> {
    free(core, worker, false, Job::hand_back).await.map(drop).map_err(|fault| fault.into_error(Some(worker)))
}

/// Removes a worker and then, in a statement that sees all that it had claimed until then, frees its jobs.
async fn free(
    core: &Core,
    worker: WorkerId,
    only_lapsed: bool,
    step: fn(&mut Job, Timestamp) -> Result<(), InvalidMove>,
) -> Result<usize, Fault> {
    let freed: RefCell<Option<usize>> = RefCell::new(None);
    core.pooled(PATIENCE, async |client| {
        let done = core
            .within(client, async || {
                let rows = core.query(client, &core.sql.unregister, &[&worker.as_uuid(), &only_lapsed]).await?;
                let there: bool = rows.first().map(|row| row.try_get(0)).transpose()?.unwrap_or(false);
                if !there {
                    // If an earlier try has removed it, that has freed its jobs.
                    let earlier = freed.borrow_mut().take();
                    if earlier.is_some() {
                        core.heads.forget();
                    }
                    return Ok((earlier.unwrap_or(0), Puts::default(), None));
                }
                let now = core.now(client).await?;
                let none: (Option<Vec<Uuid>>, Option<Vec<i64>>) = (None, None);
                let held = core.query(client, &core.sql.hold_runs, &[&none.0, &none.1, &worker.as_uuid()]).await?;
                let mut puts = Puts::default();
                let jobs = read_jobs(&held);
                for mut job in jobs.iter().cloned() {
                    let before = job.state.phase;
                    if step(&mut job, now).is_ok() {
                        puts.moved(before, &job);
                    }
                }
                *freed.borrow_mut() = Some(jobs.len());
                let ended = puts.write(core, client).await?;
                Ok((jobs.len(), puts, ended))
            })
            .await?;
        let (count, puts, ended) = done;
        puts.tell(core, ended);
        Ok(count)
    })
    .await
}
