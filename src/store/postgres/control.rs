//! What holds for all, and what is done in small batches: parking and pruning.

use std::time::Duration;

use callboard_tasks::{Control, JobId, StoreError};
use uuid::Uuid;

use super::change;
use super::core::{Core, Params, micros};
use super::fault::Fault;
use super::sql::Sql;
use super::{limits, schedules};

/// How long a change is tried.
const PATIENCE: Duration = Duration::from_secs(5);
/// So many jobs are parked or put back in one transaction.
pub(super) const PARKED: i32 = 1_000;
/// So many jobs are removed in one transaction.
const PRUNED: usize = 1_000;

pub(super) async fn control(core: &Core, control: Control) -> Result<(), StoreError> {
    match control {
        Control::Pause(queue) => run(core, &core.sql.pause, &[&queue]).await,
        Control::Resume(queue) => {
            run(core, &core.sql.resume, &[&queue]).await?;
            core.tell_of_work();
            Ok(())
        }
        Control::Register { worker, lease, tasks } => {
            run(core, &core.sql.register, &[&worker.as_uuid(), &micros(lease), &tasks]).await?;
            core.heads.forget();
            unpark(core).await.map(drop)
        }
        Control::Leave(worker) => change::leave(core, worker).await,
        Control::Publish(tasks) => {
            let text = |task| serde_json::to_string(task).map_err(|error| StoreError::Unavailable(error.into()));
            let definitions: Vec<String> = tasks.iter().map(text).collect::<Result<_, _>>()?;
            let names: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
            run(core, &core.sql.publish, &[&names, &definitions]).await
        }
        Control::Park => {
            unpark(core).await?;
            while count(core, &core.sql.park, &[&PARKED]).await? > 0 {}
            // It has also made jobs ready whose time had come.
            core.heads.forget();
            Ok(())
        }
        Control::Limit { queue, limits } => limits::limit(core, &queue, &limits).await,
        Control::Declare { worker, schedules } => schedules::declare(core, worker, &schedules).await,
        Control::SetSchedule(definition) => schedules::set(core, &definition).await,
        Control::RemoveSchedule(name) => schedules::remove(core, name).await,
        Control::PauseSchedule(name) => schedules::pause(core, name, true).await,
        Control::ResumeSchedule(name) => schedules::pause(core, name, false).await,
        _ => Err(StoreError::Refused("this store does not know what is asked of it".into())),
    }
}

async fn run(core: &Core, sql: &Sql, parameters: Params<'_>) -> Result<(), StoreError> {
    let done = core.pooled(PATIENCE, async |client| core.alone(client, sql, parameters).await);
    done.await.map(drop).map_err(|fault| fault.into_error(None))
}

async fn count(core: &Core, sql: &Sql, parameters: Params<'_>) -> Result<u64, StoreError> {
    let counted = core.pooled(PATIENCE, async |client| {
        let rows = core.alone(client, sql, parameters).await?;
        let row = rows.first().ok_or_else(|| Fault::Failed("a count was not answered".into()))?;
        Ok(row.try_get::<_, i64>(0)?)
    });
    counted.await.map(|count| u64::try_from(count).unwrap_or(0)).map_err(|fault| fault.into_error(None))
}

/// Puts parked jobs back that a live process can run.
pub(super) async fn unpark(core: &Core) -> Result<(), StoreError> {
    let mut freed = 0;
    loop {
        let count = count(core, &core.sql.unpark, &[&PARKED]).await?;
        freed += count;
        if count == 0 {
            break;
        }
    }
    if freed > 0 {
        unparked(core);
    }
    Ok(())
}

/// Parked jobs are back, each where it stood.
pub(super) fn unparked(core: &Core) {
    core.heads.forget();
    core.tell_of_work();
}

pub(super) async fn prune(core: &Core, limit: usize) -> Result<usize, StoreError> {
    let mut pruned = 0;
    while pruned < limit {
        let batch = (limit - pruned).min(PRUNED);
        let asked = i32::try_from(batch).unwrap_or(i32::MAX);
        let removed = count(core, &core.sql.prune, &[&asked, &core.keep.0, &core.keep.1]).await?;
        pruned += usize::try_from(removed).unwrap_or(batch);
        if removed < batch as u64 {
            break;
        }
    }
    run(core, &core.sql.tidy, &[]).await?;
    Ok(pruned)
}

/// Watches jobs; those of them that have ended already, or are gone.
pub(super) async fn watch(core: &Core, ids: Vec<JobId>) -> Result<Vec<JobId>, StoreError> {
    let ids: Vec<Uuid> = ids.into_iter().map(JobId::as_uuid).collect();
    let ended = core.pooled(PATIENCE, async |client| {
        // First the watch, then the look: what ends in between is told.
        core.alone(client, &core.sql.watch, &[&ids]).await?;
        let rows = core.alone(client, &core.sql.not_open, &[&ids]).await?;
        rows.iter().map(|row| Ok(JobId::from_uuid(row.try_get(0)?))).collect::<Result<_, Fault>>()
    });
    ended.await.map_err(|fault| fault.into_error(None))
}
