//! Schedules, as the handle of a board shows and changes them; and how a board comes to those that it declares.

use std::sync::Arc;

use callboard_tasks::{
    Control, Definition, Error, InvalidSchedule, Schedule, ScheduleDefinition, ScheduleRecord, TaskResult, Timestamp,
};

use crate::Callboard;
use crate::door::{Gate, Room};

/// A schedule, and how far it has come.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ScheduleStatus {
    /// The alias of its backend.
    pub backend: String,
    /// What the store keeps of it.
    pub record: ScheduleRecord,
    /// When it fires and what it enqueues; or why this version cannot read that, as a process of another version has
    /// written it.
    pub definition: Result<Definition, String>,
    /// When it fires next, as if it were not paused; at most five times.
    pub next: Vec<Timestamp>,
}

impl ScheduleStatus {
    /// How many of the next times are looked up.
    const NEXT: usize = 5;

    fn new(gate: &dyn Gate, record: ScheduleRecord, now: Timestamp) -> Self {
        let definition = Definition::read(&record.definition);
        let after = record.last_tick.map_or(now, |last| last.max(now));
        let next = definition.as_ref().map_or_else(
            |_| Vec::new(),
            |definition| definition.calendar.ticks_after(after).take(Self::NEXT).collect(),
        );
        Self { backend: gate.info().alias.clone(), record, definition, next }
    }
}

impl Callboard {
    /// All schedules, of all backends that keep any, by backend and name: those that a process declares, and those made
    /// at run time.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn schedules(&self) -> Result<Vec<ScheduleStatus>, Error> {
        let mut all = Vec::new();
        for gate in &self.0.gates {
            match gate.schedules().await {
                Ok(records) => {
                    let now = self.clock().now();
                    all.extend(records.into_iter().map(|record| ScheduleStatus::new(gate.as_ref(), record, now)));
                }
                Err(Error::Unsupported { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    /// The schedule of this name; all backends are asked, `default` first.
    ///
    /// # Errors
    ///
    /// [`Error::NoSchedule`], [`Error::Store`].
    pub async fn schedule(&self, name: &str) -> Result<ScheduleStatus, Error> {
        let (gate, record) = self.find_schedule(name).await?;
        Ok(ScheduleStatus::new(gate.as_ref(), record, self.clock().now()))
    }

    /// Makes a schedule, for all processes and until it is [removed](Self::remove_schedule), or changes one that was
    /// made before. While a process declares one of that name, that one holds.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSchedule`], [`Error::UnknownTask`], [`Error::UnknownBackend`], [`Error::Unsupported`] for a
    /// backend that keeps no schedules, [`Error::Store`]. Nothing was changed then.
    pub async fn set_schedule(&self, schedule: Schedule) -> Result<(), Error> {
        let schedule = self.look_up(schedule).await?;
        let gate = self.0.gate(schedule.backend())?;
        let definition = schedule.define(gate.info(), self.clock().now())?;
        gate.control(Control::SetSchedule(definition)).await
    }

    /// Removes a schedule that was made at run time; one that a process declares stays.
    ///
    /// # Errors
    ///
    /// [`Error::NoSchedule`]; [`Error::InvalidSchedule`] if it is only declared; [`Error::Store`].
    pub async fn remove_schedule(&self, name: &str) -> Result<(), Error> {
        let (gate, record) = self.find_schedule(name).await?;
        gate.control(Control::RemoveSchedule(name.into())).await.map_err(|error| match error {
            Error::NoSchedule(_) if record.declared => {
                let fix = "take it out of its code or settings, or pause it";
                InvalidSchedule::new(name, "#/name", format!("{name:?} is declared by a process; {fix}")).into()
            }
            error => error,
        })
    }

    /// Fires a schedule no more, until it is [resumed](Self::resume_schedule): that survives every process.
    ///
    /// # Errors
    ///
    /// [`Error::NoSchedule`], [`Error::Store`].
    pub async fn pause_schedule(&self, name: &str) -> Result<(), Error> {
        let (gate, _) = self.find_schedule(name).await?;
        gate.control(Control::PauseSchedule(name.into())).await
    }

    /// Fires a schedule again, from now on: what it would have fired meanwhile is not made up for.
    ///
    /// # Errors
    ///
    /// As [`pause_schedule`](Self::pause_schedule).
    pub async fn resume_schedule(&self, name: &str) -> Result<(), Error> {
        let (gate, _) = self.find_schedule(name).await?;
        gate.control(Control::ResumeSchedule(name.into())).await
    }

    /// Enqueues now what a schedule enqueues, also if it is paused; its ticks come as they would have. A call that is
    /// unique gives the job that there is.
    ///
    /// # Errors
    ///
    /// [`Error::NoSchedule`], [`Error::InvalidSchedule`] if this version cannot read it, or as
    /// [`enqueue`](Self::enqueue).
    pub async fn run_schedule(&self, name: &str) -> Result<TaskResult, Error> {
        self.run_schedule_with(name, Room::Wait).await
    }

    /// Enqueues now what a schedule enqueues, without waiting for room.
    ///
    /// # Errors
    ///
    /// As [`run_schedule`](Self::run_schedule), but [`Error::Full`] comes at once.
    pub async fn try_run_schedule(&self, name: &str) -> Result<TaskResult, Error> {
        self.run_schedule_with(name, Room::Now).await
    }

    async fn run_schedule_with(&self, name: &str, room: Room) -> Result<TaskResult, Error> {
        let (gate, record) = self.find_schedule(name).await?;
        let definition = Definition::read(&record.definition)
            .map_err(|problem| InvalidSchedule::new(name, "#/definition", format!("cannot be read here: {problem}")))?;
        let mut call = definition.call_at(name, None);
        call.options_mut().backend = Some(gate.info().alias.clone().into());
        self.place(call, room).await
    }

    async fn find_schedule(&self, name: &str) -> Result<(&Arc<dyn Gate>, ScheduleRecord), Error> {
        for gate in &self.0.gates {
            let records = match gate.schedules().await {
                Ok(records) => records,
                Err(Error::Unsupported { .. }) => continue,
                Err(error) => return Err(error),
            };
            if let Some(record) = records.into_iter().find(|record| record.name == name) {
                return Ok((gate, record));
            }
        }
        Err(Error::NoSchedule(name.into()))
    }

    /// The schedule with its call, which this or any other process may know.
    async fn look_up(&self, schedule: Schedule) -> Result<Schedule, Error> {
        let Some((task, args)) = schedule.to_be_looked_up() else { return Ok(schedule) };
        let call = self.call_named(task, args).await?;
        Ok(schedule.found(call))
    }

    /// The definitions of the schedules that this process was given, by backend.
    ///
    /// # Errors
    ///
    /// Every schedule that is refused, with its field; or the failure of a store.
    pub(crate) async fn define_all(
        &self,
        schedules: Vec<Schedule>,
    ) -> Result<Vec<(String, ScheduleDefinition)>, Result<Vec<InvalidSchedule>, Error>> {
        let (mut defined, mut refused) = (Vec::<(String, ScheduleDefinition)>::new(), Vec::new());
        for schedule in schedules {
            let name = schedule.known_as().to_owned();
            match self.define(schedule).await {
                Ok((_, definition)) if defined.iter().any(|(_, other)| other.name == definition.name) => {
                    let detail = format!("{:?} is given to two schedules; give one another name", definition.name);
                    refused.push(InvalidSchedule::new(name, "#/name", detail));
                }
                Ok(definition) => defined.push(definition),
                Err(Error::InvalidSchedule(invalid)) => refused.push(invalid),
                Err(Error::InvalidTask(invalid)) => refused.push(InvalidSchedule::of(name, invalid)),
                Err(error @ Error::UnknownTask { .. }) => {
                    let fix = "mend the name, or start a process that has the task first";
                    refused.push(InvalidSchedule::new(name, "#/task", format!("is not known: {error}; {fix}")));
                }
                Err(error @ (Error::UnknownBackend { .. } | Error::Unsupported { .. })) => {
                    refused.push(InvalidSchedule::new(name, "#/backend", format!("cannot be used: {error}")));
                }
                Err(error) => return Err(Err(error)),
            }
        }
        if refused.is_empty() { Ok(defined) } else { Err(Ok(refused)) }
    }

    async fn define(&self, schedule: Schedule) -> Result<(String, ScheduleDefinition), Error> {
        let schedule = self.look_up(schedule).await?;
        let gate = self.0.gate(schedule.backend())?;
        // Only a backend with a store can say which schedules there are.
        gate.schedules().await?;
        let definition = schedule.define(gate.info(), self.clock().now())?;
        Ok((gate.info().alias.clone(), definition))
    }
}
