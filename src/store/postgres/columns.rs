//! New jobs as arrays, one for each column of `add`.

use std::sync::Arc;

use callboard_tasks::{JobSpec, JobState, Phase, Timestamp};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::store::record;

/// New jobs, column by column.
#[derive(Default)]
pub(super) struct Columns<'a> {
    ids: Vec<Uuid>,
    enqueued: Vec<Timestamp>,
    run_after: Vec<Option<Timestamp>>,
    expires: Vec<Option<Timestamp>>,
    priorities: Vec<i16>,
    tasks: Vec<&'a str>,
    queues: Vec<&'a str>,
    args: Vec<&'a str>,
    metadata: Vec<Option<&'a str>>,
    rare: Vec<Option<String>>,
    worker: Option<Uuid>,
    handed: Vec<bool>,
    dues: Vec<Option<Timestamp>>,
    /// None as long as no job has one.
    limit_keys: Option<Vec<Option<&'a str>>>,
    units: Vec<i32>,
    /// Whether it is known that the queues have room for them; `None` is to be found out with the insertion.
    pub(super) counted: Option<bool>,
}

impl<'a> Columns<'a> {
    /// Columns for so many jobs, of which some may be handed off to `worker`.
    pub(super) fn new(jobs: usize, worker: Option<Uuid>) -> Self {
        Self {
            ids: Vec::with_capacity(jobs),
            enqueued: Vec::with_capacity(jobs),
            run_after: Vec::with_capacity(jobs),
            expires: Vec::with_capacity(jobs),
            priorities: Vec::with_capacity(jobs),
            tasks: Vec::with_capacity(jobs),
            queues: Vec::with_capacity(jobs),
            args: Vec::with_capacity(jobs),
            metadata: Vec::with_capacity(jobs),
            rare: Vec::with_capacity(jobs),
            worker,
            handed: Vec::with_capacity(jobs),
            dues: Vec::with_capacity(jobs),
            limit_keys: None,
            units: Vec::with_capacity(jobs),
            counted: Some(false),
        }
    }

    /// Adds the jobs of a unit; units are counted from 1.
    pub(super) fn unit(&mut self, jobs: &'a [Arc<JobSpec>], handed: bool) {
        let due = due(jobs);
        let unit = self.units.last().map_or(1, |last| last + 1);
        for spec in jobs {
            if let Some(key) = spec.limit_key.as_deref() {
                let keys = self.limit_keys.get_or_insert_default();
                keys.resize(self.ids.len(), None);
                keys.push(Some(key));
            }
            self.units.push(unit);
            self.ids.push(spec.id.as_uuid());
            self.enqueued.push(spec.enqueued_at);
            self.run_after.push(spec.run_after);
            self.expires.push(spec.expires_at);
            self.priorities.push(i16::from(spec.priority));
            self.tasks.push(&spec.task);
            self.queues.push(&spec.queue);
            self.args.push(spec.args.as_str());
            self.metadata.push(spec.metadata.as_ref().map(|metadata| metadata.as_str()));
            self.rare.push(record::rare(spec));
            self.handed.push(handed);
            self.dues.push(due);
        }
    }

    /// As parameters of `add`, in its order.
    pub(super) fn parameters(&self) -> [&(dyn ToSql + Sync); 16] {
        [
            &self.ids,
            &self.enqueued,
            &self.run_after,
            &self.expires,
            &self.priorities,
            &self.tasks,
            &self.queues,
            &self.args,
            &self.metadata,
            &self.rare,
            &self.worker,
            &self.handed,
            &self.dues,
            &self.limit_keys,
            &self.units,
            &self.counted,
        ]
    }

    /// As the first parameters of `add_keyed`, in its order.
    pub(super) fn first_parameters(&self) -> [&(dyn ToSql + Sync); 12] {
        [
            &self.ids,
            &self.enqueued,
            &self.run_after,
            &self.expires,
            &self.priorities,
            &self.tasks,
            &self.queues,
            &self.args,
            &self.metadata,
            &self.rare,
            &self.limit_keys,
            &self.units,
        ]
    }
}

/// When the last of the jobs is due; `None` if they all are by themselves.
pub(super) fn due(jobs: &[Arc<JobSpec>]) -> Option<Timestamp> {
    let waits = |spec: &&Arc<JobSpec>| JobState::new(spec).phase == Phase::Scheduled;
    jobs.iter().filter(waits).filter_map(|spec| spec.run_after).max()
}
