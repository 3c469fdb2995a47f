//! Jobs that have moved, as arrays, one for each column of `put`.

use std::sync::Arc;

use callboard_tasks::{Job, JobSpec, Phase, Timestamp};
use deadpool_postgres::ClientWrapper;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::core::Core;
use super::fault::Fault;
use super::row::place;
use crate::store::record::{code, signed, state_text};

/// Jobs that have moved, column by column.
#[derive(Default)]
pub(super) struct Puts {
    ids: Vec<Uuid>,
    from: Vec<i16>,
    to: Vec<i16>,
    phases: Vec<i16>,
    versions: Vec<i64>,
    runs: Vec<i64>,
    states: Vec<String>,
    queues: Vec<String>,
    tasks: Vec<String>,
    ats: Vec<Timestamp>,
    expires: Vec<Option<Timestamp>>,
    ranks: Vec<i16>,
    suspects: Vec<bool>,
    asked: Vec<bool>,
    finished: Vec<Option<Timestamp>>,
    values: Vec<Option<String>>,
    keyed: Vec<bool>,
    limit_keys: Vec<Option<String>>,
    /// Whether any of them has a key of any kind.
    has_keys: bool,
    /// What can be claimed, as it could not be while it was held, and when it was due.
    ready: Vec<(Arc<JobSpec>, Timestamp)>,
    /// Whether any of it could not before either.
    news: bool,
}

impl Puts {
    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// A job that was in that phase.
    pub(super) fn moved(&mut self, from: Phase, job: &Job) {
        self.add(from, place(job.state.phase), job);
        self.was_put(job);
    }

    /// A job that has moved and is where it belongs.
    pub(super) fn was_put(&mut self, job: &Job) {
        self.news |= job.state.phase == Phase::Ready;
        self.stays(job);
    }

    /// A job that was held and stays where it is. Claims have passed over it meanwhile.
    pub(super) fn stays(&mut self, job: &Job) {
        if job.state.phase == Phase::Ready {
            self.ready.push((Arc::clone(&job.spec), job.effective_time()));
        }
    }

    /// A job that is to go.
    pub(super) fn deleted(&mut self, job: &Job) {
        self.add(job.state.phase, 0, job);
    }

    fn add(&mut self, from: Phase, to: i16, job: &Job) {
        let state = &job.state;
        self.ids.push(job.id().as_uuid());
        self.from.push(place(from));
        self.to.push(to);
        self.phases.push(code(state.phase) as i16);
        self.versions.push(signed(state.version));
        self.runs.push(signed(state.run));
        self.states.push(state_text(state));
        self.queues.push(job.spec.queue.to_string());
        self.tasks.push(job.spec.task.to_string());
        self.ats.push(job.effective_time());
        self.expires.push(job.expires_at());
        self.ranks.push(-i16::from(job.spec.priority));
        self.suspects.push(job.is_suspect());
        self.asked.push(state.phase == Phase::Cancelling && !state.overrun);
        self.finished.push(state.finished_at);
        let spec = &job.spec;
        self.keyed.push(to != 0 && job.held_key(Timestamp::MIN).is_some());
        self.limit_keys.push(spec.limit_key.as_deref().map(str::to_owned));
        self.has_keys |= spec.unique.is_some() || spec.limit_key.is_some();
        self.values.push(state.return_value.as_ref().map(|value| value.as_str().to_owned()));
    }

    /// Writes them, within a transaction; the watched ones that have ended.
    pub(super) async fn write(&self, core: &Core, client: &ClientWrapper) -> Result<Option<Vec<Uuid>>, Fault> {
        if self.is_empty() {
            return Ok(None);
        }
        let plain: [&(dyn ToSql + Sync); 16] = [
            &self.ids,
            &self.from,
            &self.to,
            &self.phases,
            &self.versions,
            &self.runs,
            &self.states,
            &self.queues,
            &self.tasks,
            &self.ats,
            &self.expires,
            &self.ranks,
            &self.suspects,
            &self.asked,
            &self.finished,
            &self.values,
        ];
        let rows = if self.has_keys {
            let keys: [&(dyn ToSql + Sync); 2] = [&self.keyed, &self.limit_keys];
            core.query(client, &core.sql.put_keyed, &[&plain[..], &keys[..]].concat()).await?
        } else {
            core.query(client, &core.sql.put, &plain).await?
        };
        let row = rows.first().ok_or_else(|| Fault::Failed("a change was not answered".into()))?;
        Ok(row.try_get(0)?)
    }

    /// Whether a run has ended in a queue with limits, as far as this process knows these.
    fn made_room(&self, core: &Core) -> bool {
        let moves = self.from.iter().zip(&self.to).zip(&self.queues);
        let mut left = moves.filter(|((from, to), _)| (**from, **to) != (2, 2) && **from == 2).map(|(_, queue)| queue);
        left.any(|queue| core.is_limited(queue))
    }

    /// Tells whom it concerns, after the commit.
    pub(super) fn tell(&self, core: &Core, ended: Option<Vec<Uuid>>) {
        core.tell_of_ends(ended);
        core.heads.came(self.ready.iter().map(|(spec, at)| (spec, *at)));
        if self.news || self.made_room(core) {
            core.tell_of_work();
        }
    }
}
