//! Schedules: a tick is taken by whoever moves the last one on first, in one transaction with its jobs.

use std::cell::Cell;
use std::time::Duration;

use callboard_tasks::{Json, ScheduleDefinition, ScheduleRecord, StoreError, Tick, Timestamp, Unit, WorkerId};
use deadpool_postgres::ClientWrapper;
use tokio_postgres::Row;

use super::core::{Core, Params};
use super::fault::Fault;
use super::keyed::{self, Kept, Keyed};
use super::row;
use super::sql::Sql;

/// How long a change is tried.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) async fn list(core: &Core) -> Result<Vec<ScheduleRecord>, StoreError> {
    core.pooled(PATIENCE, async |client| read(core, client).await).await.map_err(|fault| fault.into_error(None))
}

async fn read(core: &Core, client: &ClientWrapper) -> Result<Vec<ScheduleRecord>, Fault> {
    core.alone(client, &core.sql.schedules, &[]).await?.iter().map(record).collect()
}

fn record(row: &Row) -> Result<ScheduleRecord, Fault> {
    Ok(ScheduleRecord {
        name: row.try_get(0)?,
        definition: Json::from_stored(row.try_get(1)?),
        declared: row.try_get(2)?,
        paused: row.try_get(3)?,
        since: row::at(row, 4)?.unwrap_or(Timestamp::MIN),
        last_tick: row::at(row, 5)?,
    })
}

/// What a process declares, in place of what it did before.
pub(super) async fn declare(core: &Core, worker: WorkerId, schedules: &[ScheduleDefinition]) -> Result<(), StoreError> {
    let names: Vec<&str> = schedules.iter().map(|schedule| schedule.name.as_str()).collect();
    let definitions: Vec<&str> = schedules.iter().map(|schedule| schedule.definition.as_str()).collect();
    let done = core.pooled(PATIENCE, async |client| {
        core.alone(client, &core.sql.declare, &[&worker.as_uuid(), &names, &definitions]).await
    });
    done.await.map(drop).map_err(|fault| fault.into_error(Some(worker)))
}

/// Makes a schedule at run time.
pub(super) async fn set(
    core: &Core,
    ScheduleDefinition { name, definition }: &ScheduleDefinition,
) -> Result<(), StoreError> {
    ask(core, &core.sql.make_schedule, &[name, &Some(definition.as_str())]).await.map(drop)
}

/// Makes it no more.
pub(super) async fn remove(core: &Core, name: String) -> Result<(), StoreError> {
    let none: Option<&str> = None;
    known(ask(core, &core.sql.make_schedule, &[&name, &none]).await?, name)
}

/// Takes no more ticks of it, or takes them again.
pub(super) async fn pause(core: &Core, name: String, paused: bool) -> Result<(), StoreError> {
    known(ask(core, &core.sql.pause_schedule, &[&name, &paused]).await?, name)
}

fn known(is_there: bool, name: String) -> Result<(), StoreError> {
    if is_there { Ok(()) } else { Err(StoreError::NoSchedule(name)) }
}

async fn ask(core: &Core, sql: &Sql, parameters: Params<'_>) -> Result<bool, StoreError> {
    let answer = core.pooled(PATIENCE, async |client| yes(&core.alone(client, sql, parameters).await?));
    answer.await.map_err(|fault| fault.into_error(None))
}

fn yes(rows: &[Row]) -> Result<bool, Fault> {
    let row = rows.first().ok_or_else(|| Fault::Failed("a question was not answered".into()))?;
    Ok(row.try_get(0)?)
}

pub(super) async fn tick(core: &Core, tick: Tick) -> Result<bool, StoreError> {
    let unit = Unit::new(tick.jobs.clone());
    let tried = Cell::new(false);
    let taken = core.pooled(PATIENCE, async |client| {
        let again = tried.replace(true);
        let taken = core
            .within(client, async || {
                let asked: Params<'_> = &[&tick.schedule, &tick.after, &tick.at];
                if !yes(&core.query(client, &core.sql.tick, asked).await?)? {
                    return Ok(again && was_taken(core, client, &tick).await?);
                }
                if unit.jobs.is_empty() {
                    return Ok(true);
                }
                core.depths.counted(&core.query(client, &core.sql.depths, &[]).await?)?;
                core.depths.take(&unit.jobs)?;
                let keyed = Keyed::new(&[&unit], Some(keyed::LONG)).counted(Some(true)).leaving_out();
                let rows = core.query(client, &core.sql.add_keyed, &keyed.parameters()).await?;
                match keyed::read(&rows, &[&unit])?.remove(0) {
                    Kept::Made(_) => Ok(true),
                    Kept::Busy => Err(keyed::busy()),
                    kept => Err(Fault::Failed(format!("a tick was answered with {kept:?}").into())),
                }
            })
            .await?;
        Ok(taken)
    });
    let taken = taken.await.map_err(|fault| fault.into_error(None))?;
    if taken {
        keyed::tell(core, &unit.jobs);
    }
    Ok(taken)
}

/// Whether an earlier try has taken the tick, whose answer was lost.
async fn was_taken(core: &Core, client: &ClientWrapper, tick: &Tick) -> Result<bool, Fault> {
    let ids: Vec<uuid::Uuid> = tick.jobs.iter().map(|spec| spec.id.as_uuid()).collect();
    if !ids.is_empty() {
        return Ok(!core.query(client, &core.sql.find, &[&ids]).await?.is_empty());
    }
    let rows = core.query(client, &core.sql.schedules, &[]).await?;
    let all = rows.iter().map(record).collect::<Result<Vec<_>, _>>()?;
    Ok(all.iter().any(|schedule| schedule.name == tick.schedule && schedule.last_tick == Some(tick.at)))
}
