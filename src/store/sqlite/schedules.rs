//! Schedules: who declares them, and how far each has come.

use callboard_tasks::{Json, ScheduleDefinition, ScheduleRecord, StoreError, Tick, Unit, WorkerId};
use rusqlite::{Connection, OptionalExtension, params};

use super::enqueue::{NewUnit, put_one};
use super::fault::{Fault, Trouble};
use super::keys::column;
use super::txn::Txn;
use crate::store::record::{micros, time, unsigned};

/// What holds of the schedule `s`: of those who declare it the one with the largest id, else what was made.
macro_rules! holds {
    () => {
        "coalesce((SELECT d.definition FROM callboard_declarations d WHERE d.name = s.name
                   ORDER BY d.worker DESC LIMIT 1), s.made)"
    };
}

/// Those that hold, by name.
pub(super) fn list(connection: &Connection) -> Result<Vec<ScheduleRecord>, Fault> {
    let mut select = connection.prepare_cached(concat!(
        "SELECT s.name, ",
        holds!(),
        " AS holds, EXISTS (SELECT 1 FROM callboard_declarations d WHERE d.name = s.name), s.paused, s.since,
          s.last_tick FROM callboard_schedules s WHERE holds IS NOT NULL ORDER BY s.name"
    ))?;
    let mut rows = select.query([])?;
    let mut schedules = Vec::new();
    while let Some(row) = rows.next()? {
        schedules.push(ScheduleRecord {
            name: row.get(0)?,
            definition: Json::from_stored(row.get(1)?),
            declared: row.get(2)?,
            paused: row.get(3)?,
            since: time(row.get(4)?)?,
            last_tick: row.get::<_, Option<i64>>(5)?.map(time).transpose()?,
        });
    }
    Ok(schedules)
}

pub(super) fn declare(
    txn: &mut Txn<'_, '_>,
    (worker, schedules): &(WorkerId, Vec<ScheduleDefinition>),
) -> Result<(), Trouble> {
    if !txn.knows(*worker)? {
        return Err(Trouble::Refused(StoreError::Gone(*worker)));
    }
    let key = worker.as_uuid();
    let key = key.as_bytes();
    txn.connection.prepare_cached("DELETE FROM callboard_declarations WHERE worker = ?1")?.execute([key])?;
    for ScheduleDefinition { name, definition } in schedules {
        txn.make_known(name)?;
        txn.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO callboard_declarations (name, worker, definition) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![name, key, definition.as_str()])?;
    }
    txn.settle_schedules()
}

pub(super) fn set(txn: &mut Txn<'_, '_>, schedule: &ScheduleDefinition) -> Result<(), Trouble> {
    txn.make_known(&schedule.name)?;
    txn.connection
        .prepare_cached("UPDATE callboard_schedules SET made = ?2 WHERE name = ?1")?
        .execute([&*schedule.name, schedule.definition.as_str()])?;
    txn.settle_schedules()
}

pub(super) fn remove(txn: &mut Txn<'_, '_>, name: &String) -> Result<(), Trouble> {
    let removed = txn
        .connection
        .prepare_cached("UPDATE callboard_schedules SET made = NULL WHERE name = ?1 AND made IS NOT NULL")?
        .execute([name])?;
    if removed == 0 { Err(Trouble::Refused(StoreError::NoSchedule(name.clone()))) } else { txn.settle_schedules() }
}

/// Pauses a schedule, or lets it go on.
pub(super) fn pause(txn: &mut Txn<'_, '_>, (name, paused): &(String, bool)) -> Result<(), Trouble> {
    txn.set_paused(name, *paused)
}

/// Takes a tick, if the last one is still what the caller has read.
pub(super) fn tick(txn: &mut Txn<'_, '_>, tick: &Tick) -> Result<bool, Trouble> {
    let mut is_next = txn.connection.prepare_cached(concat!(
        "SELECT 1 FROM callboard_schedules s WHERE s.name = ?1 AND s.paused = 0 AND s.last_tick IS ?2 AND ",
        holds!(),
        " IS NOT NULL"
    ))?;
    if !is_next.exists(params![tick.schedule, column(tick.after)])? {
        return Ok(false);
    }
    let mut unit = Unit::new(Vec::with_capacity(tick.jobs.len()));
    for spec in &tick.jobs {
        let held = match spec.unique.as_deref() {
            Some(unique) => txn.holder(&unique.key)?.is_some(),
            None => false,
        };
        if !held {
            unit.jobs.push(spec.clone());
        }
    }
    put_one(txn, &NewUnit::from(unit))?;
    txn.connection
        .prepare_cached("UPDATE callboard_schedules SET last_tick = ?2 WHERE name = ?1")?
        .execute(params![tick.schedule, micros(tick.at)])?;
    Ok(true)
}

impl Txn<'_, '_> {
    fn make_known(&self, name: &str) -> Result<(), Trouble> {
        self.connection
            .prepare_cached("INSERT OR IGNORE INTO callboard_schedules (name, paused, since) VALUES (?1, 0, ?2)")?
            .execute(params![name, self.now_micros])?;
        Ok(())
    }

    fn set_paused(&mut self, name: &str, paused: bool) -> Result<(), Trouble> {
        let was: Option<bool> = self
            .connection
            .prepare_cached(concat!(
                "SELECT s.paused FROM callboard_schedules s WHERE s.name = ?1 AND ",
                holds!(),
                " IS NOT NULL"
            ))?
            .query_row([name], |row| row.get(0))
            .optional()?;
        let Some(was) = was else { return Err(Trouble::Refused(StoreError::NoSchedule(name.to_owned()))) };
        if was == paused {
            return Ok(());
        }
        // One that goes on counts from now.
        self.connection
            .prepare_cached("UPDATE callboard_schedules SET paused = ?2, since = iif(?2, since, ?3) WHERE name = ?1")?
            .execute(params![name, paused, self.now_micros])?;
        self.count_schedule_change()
    }

    /// A worker process has gone with what it declared.
    pub(super) fn withdraw(&mut self, worker: WorkerId) -> Result<(), Trouble> {
        let withdrawn = self
            .connection
            .prepare_cached("DELETE FROM callboard_declarations WHERE worker = ?1")?
            .execute([worker.as_uuid().as_bytes()])?;
        if withdrawn > 0 { self.settle_schedules() } else { Ok(()) }
    }

    /// Another definition than the one that held counts from now.
    fn settle_schedules(&mut self) -> Result<(), Trouble> {
        self.connection
            .prepare_cached(concat!(
                "UPDATE callboard_schedules AS s SET held = ",
                holds!(),
                ", since = ?1 WHERE ",
                holds!(),
                " IS NOT NULL AND ",
                holds!(),
                " IS NOT s.held"
            ))?
            .execute([self.now_micros])?;
        self.count_schedule_change()
    }

    fn count_schedule_change(&self) -> Result<(), Trouble> {
        self.connection
            .prepare_cached(
                "INSERT INTO callboard_numbers (name, number) VALUES ('schedules', 1)
                 ON CONFLICT DO UPDATE SET number = number + 1",
            )?
            .execute([])?;
        Ok(())
    }

    /// How often the list of schedules has changed.
    pub(super) fn schedule_changes(&self) -> Result<u64, Trouble> {
        let sql = "SELECT number FROM callboard_numbers WHERE name = 'schedules'";
        let changes: Option<i64> = self.connection.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?;
        Ok(changes.map_or(0, unsigned))
    }
}
