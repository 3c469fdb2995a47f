//! Schedules: who declares them, and how far each has come.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::State;
use crate::{Json, Placed, ScheduleDefinition, ScheduleRecord, StoreError, Tick, Unit, WorkerId};

#[derive(Default)]
pub(super) struct Schedules {
    rows: BTreeMap<String, Row>,
    /// How often the list has changed.
    pub(super) changes: u64,
}

struct Row {
    declared: BTreeMap<WorkerId, Json>,
    made: Option<Json>,
    /// What held last: another definition counts from when it came.
    held: Option<Json>,
    paused: bool,
    since: Timestamp,
    last_tick: Option<Timestamp>,
}

impl Row {
    fn holds(&self) -> Option<&Json> {
        self.declared.values().next_back().or(self.made.as_ref())
    }

    fn settle(&mut self, now: Timestamp) {
        if let Some(holds) = self.declared.values().next_back().or(self.made.as_ref())
            && self.held.as_ref() != Some(holds)
        {
            self.held = Some(holds.clone());
            self.since = now;
        }
    }
}

impl Schedules {
    pub(super) fn declare(&mut self, worker: WorkerId, schedules: Vec<ScheduleDefinition>, now: Timestamp) {
        for row in self.rows.values_mut() {
            row.declared.remove(&worker);
        }
        for ScheduleDefinition { name, definition } in schedules {
            self.row(name, now).declared.insert(worker, definition);
        }
        self.settle(now);
    }

    /// A process has gone.
    pub(super) fn withdraw(&mut self, worker: WorkerId, now: Timestamp) {
        if self.rows.values().any(|row| row.declared.contains_key(&worker)) {
            self.declare(worker, Vec::new(), now);
        }
    }

    pub(super) fn set(&mut self, ScheduleDefinition { name, definition }: ScheduleDefinition, now: Timestamp) {
        self.row(name, now).made = Some(definition);
        self.settle(now);
    }

    pub(super) fn unset(&mut self, name: &str, now: Timestamp) -> Result<(), StoreError> {
        let row = self.rows.get_mut(name).filter(|row| row.made.is_some());
        row.ok_or_else(|| StoreError::NoSchedule(name.to_owned()))?.made = None;
        self.settle(now);
        Ok(())
    }

    pub(super) fn pause(&mut self, name: &str, paused: bool, now: Timestamp) -> Result<(), StoreError> {
        let row = self.rows.get_mut(name).filter(|row| row.holds().is_some());
        let row = row.ok_or_else(|| StoreError::NoSchedule(name.to_owned()))?;
        if row.paused != paused {
            row.paused = paused;
            if !paused {
                row.since = now;
            }
            self.changes += 1;
        }
        Ok(())
    }

    fn row(&mut self, name: String, now: Timestamp) -> &mut Row {
        let new =
            || Row { declared: BTreeMap::new(), made: None, held: None, paused: false, since: now, last_tick: None };
        self.rows.entry(name).or_insert_with(new)
    }

    fn settle(&mut self, now: Timestamp) {
        self.changes += 1;
        self.rows.values_mut().for_each(|row| row.settle(now));
    }

    pub(super) fn list(&self) -> Vec<ScheduleRecord> {
        let record = |(name, row): (&String, &Row)| {
            let definition = row.holds()?.clone();
            let declared = !row.declared.is_empty();
            let (paused, since, last_tick) = (row.paused, row.since, row.last_tick);
            Some(ScheduleRecord { name: name.clone(), definition, declared, paused, since, last_tick })
        };
        self.rows.iter().filter_map(record).collect()
    }
}

impl State {
    pub(super) fn tick(&mut self, tick: Tick, now: Timestamp) -> Result<bool, StoreError> {
        let row = self.schedules.rows.get(&tick.schedule);
        if !row.is_some_and(|row| row.holds().is_some() && !row.paused && row.last_tick == tick.after) {
            return Ok(false);
        }
        let mut unit = Unit::new(tick.jobs);
        unit.jobs.retain(|spec| spec.unique.as_ref().is_none_or(|unique| self.holder(&unique.key, now).is_none()));
        let Placed { .. } = self.enqueue(&unit, now)?;
        if let Some(row) = self.schedules.rows.get_mut(&tick.schedule) {
            row.last_tick = Some(tick.at);
        }
        Ok(true)
    }
}
