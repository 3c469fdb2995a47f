//! Changes of jobs one by one or by their worker: each under the lock of its row, by the steps of [`Job`].

use std::cell::RefCell;
use std::time::Duration;

use callboard_tasks::{Change, Changed, InvalidMove, Job, JobId, Phase, StoreError, Timestamp, UniqueUntil, WorkerId};
use deadpool_postgres::ClientWrapper;
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
    // What an earlier try has written, if its commit was not answered.
    let written: RefCell<Option<Changed>> = RefCell::new(None);
    let answer = core.pooled(PATIENCE, async |client| {
        let done = core
            .within(client, async || {
                let rows = core.query(client, &core.sql.hold, &[&id.as_uuid()]).await?;
                let Some(row) = rows.first() else {
                    let earlier = written.borrow_mut().take();
                    return Ok((missing(core, client, id, &change, earlier).await?, Puts::default(), None));
                };
                let before = row::job(row)?;
                if let Some(earlier) = written.borrow_mut().take_if(|earlier| earlier.job == before) {
                    let mut puts = Puts::default();
                    puts.was_put(&before);
                    return Ok((Ok(earlier), puts, None));
                }
                let now = core.now(client).await?;
                if change == Change::Retry
                    && let Some(existing) = stands_in_the_way(core, client, &before, now).await?
                {
                    return Ok((Err(StoreError::UniqueConflict { index: 0, existing }), Puts::default(), None));
                }
                let (answer, puts) = change_job(&before, change.clone(), now);
                if let Ok(changed) = &answer {
                    respec(core, client, &before, &changed.job).await?;
                    *written.borrow_mut() = Some(changed.clone());
                }
                let ended = puts.write(core, client).await?;
                Ok((answer, puts, ended))
            })
            .await?;
        let (answer, puts, ended) = done;
        puts.tell(core, ended);
        Ok(answer)
    });
    answer.await.map_err(|fault| fault.into_error(None))?
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

fn change_job(before: &Job, change: Change, now: Timestamp) -> (Answer, Puts) {
    let (mut job, mut puts, delete) = (before.clone(), Puts::default(), change == Change::Delete);
    if let Err(refused) = job.change(change, now) {
        puts.stays(before);
        return (Err(refused), puts);
    }
    if delete {
        puts.deleted(&job);
    } else if job != *before {
        puts.moved(before.state.phase, &job);
    } else {
        puts.stays(before);
    }
    (Ok(Changed { worker: job.holder(), job }), puts)
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
