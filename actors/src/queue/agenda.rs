//! Which ticks of which schedules to take now, and when to look again: a pure function of what the store has and the
//! time. Whoever acts on it, and whatever becomes of them: the store gives each tick to one alone.

use std::sync::Arc;

use callboard_tasks::{Definition, InvalidTask, JobSpec, Missed, ScheduleRecord, Tick, Timestamp};

/// A schedule as the store has it, and its definition as this version reads it.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) record: ScheduleRecord,
    pub(crate) definition: Arc<Result<Definition, String>>,
}

/// What is to be done about all schedules.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Ticks to take, now.
    pub(crate) takes: Vec<Take>,
    /// The first tick of each schedule that nobody has taken yet, by name; of one that is paused, or that cannot be
    /// read here, none.
    pub(crate) open: Vec<(String, Timestamp)>,
}

/// Ticks of one schedule, taken in one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Take {
    /// Which of the schedules.
    index: usize,
    /// The last tick as it was read.
    after: Option<Timestamp>,
    /// The last tick from then on.
    pub(crate) until: Timestamp,
    /// The ticks that get a job; none if they are passed over.
    pub(crate) ticks: Vec<Timestamp>,
}

impl Known {
    /// How far it has come: what lies before is taken, passed over, or before its time.
    pub(crate) fn stands_at(&self) -> Timestamp {
        self.record.last_tick.map_or(self.record.since, |last| last.max(self.record.since))
    }
}

/// What to do at `now`, the store's time.
pub(crate) fn plan(schedules: &[Known], now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    for (index, known) in schedules.iter().enumerate() {
        let (Ok(definition), false) = (&*known.definition, known.record.paused) else { continue };
        let stands_at = known.stands_at();
        let Some(first) = definition.calendar.next_after(stands_at) else { continue };
        plan.open.push((known.record.name.clone(), first));
        if first <= now
            && let Some(due) = definition.calendar.due(definition.missed, stands_at, now)
        {
            plan.takes.push(Take { index, after: known.record.last_tick, until: due.until, ticks: due.ticks });
        }
    }
    plan
}

/// Those of the open ticks that should have been taken by `now`: somebody should look into it.
pub(crate) fn overdue(open: &[(String, Timestamp)], now: Timestamp) -> Vec<&(String, Timestamp)> {
    let late = |at: Timestamp| now.duration_since(at).unsigned_abs() > Missed::ON_TIME && at < now;
    open.iter().filter(|(_, at)| late(*at)).collect()
}

impl Plan {
    /// When the next tick is to be taken, if nothing is now.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.open.iter().map(|(_, at)| *at).min()
    }
}

impl Take {
    /// What the store is asked: the step with the jobs of its ticks, enqueued at `now`.
    pub(crate) fn tick(&self, schedules: &[Known], now: Timestamp) -> Result<Tick, InvalidTask> {
        let Known { record, definition } = &schedules[self.index];
        let job = |tick: &Timestamp| match &**definition {
            Ok(definition) => definition.job(&record.name, *tick, now).map(Arc::new),
            // Nothing was planned for such a one.
            Err(problem) => Err(InvalidTask::new(&record.name, "#/definition", problem)),
        };
        let jobs: Vec<Arc<JobSpec>> = self.ticks.iter().map(job).collect::<Result<_, _>>()?;
        Ok(Tick { schedule: record.name.clone(), after: self.after, at: self.until, jobs })
    }
}
