//! What stands before a job.

use std::time::Duration;

use callboard_tasks::{Inquiry, Job, JobId, Phase, QueueLimits, StoreError, Timestamp};
use deadpool_postgres::ClientWrapper;
use uuid::Uuid;

use super::core::Core;
use super::fault::Fault;
use super::{limits, row};
use crate::store::record::unsigned;

/// How long a question is asked.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn inquire(core: &Core, id: JobId) -> Result<Option<Inquiry>, StoreError> {
    core.pooled(PATIENCE, async |client| ask(core, client, id).await).await.map_err(|fault| fault.into_error(None))
}

async fn ask(core: &Core, client: &ClientWrapper, id: JobId) -> Result<Option<Inquiry>, Fault> {
    let found = core.alone(client, &core.sql.find, &[&vec![id.as_uuid()]]).await?;
    let Some(job) = found.first().map(row::job).transpose()? else { return Ok(None) };
    let spec = &job.spec;
    let (queue, task, key) = (spec.queue.as_ref(), spec.task.as_ref(), spec.limit_key.as_deref());
    let rank = -i16::from(spec.priority);
    let rows = core
        .alone(client, &core.sql.inquire, &[&queue, &key, &task, &rank, &job.effective_time(), &id.as_uuid()])
        .await?;
    let row = rows.first().ok_or_else(|| Fault::Failed("an inquiry was not answered".into()))?;
    let number = |column| row.try_get::<_, i64>(column).map(unsigned);
    let now = row::at(row, 0)?.ok_or_else(|| Fault::Failed("the time is null".into()))?;
    let limits = row.try_get::<_, Option<&str>>(2)?.map(|text| limits::parse(queue, text)).transpose()?;
    let limits: QueueLimits = limits.unwrap_or_default();
    let (next, key_next) = (row::at(row, 6)?, row::at(row, 7)?);
    let holders: Vec<Uuid> = row.try_get(5)?;
    Ok(Some(Inquiry {
        now,
        paused: row.try_get(1)?,
        limits,
        running_in_queue: number(3)?,
        running_with_key: number(4)?,
        holders: holders.into_iter().map(JobId::from_uuid).collect(),
        rate_free_at: limits.rate.map(|rate| rate.free_at(next, now)),
        key_rate_free_at: limits.key_rate.filter(|_| key.is_some()).map(|rate| rate.free_at(key_next, now)),
        workers: number(8)?,
        able: number(9)?,
        ahead: number(10)?,
        job: caught_up(job, now)?,
    }))
}

/// The job as the next claim will find it, if its time has come or is up.
fn caught_up(mut job: Job, now: Timestamp) -> Result<Job, Fault> {
    let failed = |refused: callboard_tasks::InvalidMove| Fault::Failed(refused.into());
    if job.expires_at().is_some_and(|at| at <= now) {
        job.expire(now).map_err(failed)?;
    } else if matches!(job.state.phase, Phase::Scheduled | Phase::RetryWait) && job.effective_time() <= now {
        job.promote().map_err(failed)?;
    }
    Ok(job)
}
