//! Rows as jobs, and jobs as rows.
//!
//! A row tells what the statement that wrote it knew; what follows from that is worked out here, by the same steps of
//! [`Job`] that every store uses. A running row of a job without a past, for example, holds no state at all: it is the
//! job as it was enqueued, after [`Job::claim`].

use std::error::Error;

use callboard_tasks::{Ending, Job, JobId, JobSpec, JobState, Json, Outcome, Phase, Timestamp, WorkerId};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type, accepts};
use uuid::Uuid;

use super::fault::Fault;
use crate::store::record::{self, Damaged, SpecRow, damaged, time, unsigned};

impl From<Damaged> for Fault {
    fn from(damaged: Damaged) -> Self {
        Self::Failed(damaged.into())
    }
}

/// A time as microseconds since 1970, read without a detour.
struct Micros(i64);

impl<'a> FromSql<'a> for Micros {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        /// From 1970 to 2000, where PostgreSQL counts from.
        const EPOCH: i64 = 946_684_800_000_000;
        let since = i64::from_be_bytes(raw.try_into()?);
        Ok(Self(since.saturating_add(EPOCH)))
    }

    accepts!(TIMESTAMPTZ);
}

pub(super) fn id(row: &Row, column: usize) -> Result<JobId, Fault> {
    Ok(JobId::from_uuid(row.try_get(column)?))
}

pub(super) fn at(row: &Row, column: usize) -> Result<Option<Timestamp>, Fault> {
    let micros: Option<Micros> = row.try_get(column)?;
    Ok(micros.map(|micros| time(micros.0)).transpose()?)
}

/// The first ten columns of every row that tells of a job.
fn spec(row: &Row) -> Result<JobSpec, Fault> {
    let micros = |column| row.try_get::<_, Option<Micros>>(column).map(|time| time.map(|time| time.0));
    let priority: i16 = row.try_get(4)?;
    let id = id(row, 0)?;
    let spec = SpecRow {
        id,
        enqueued_at: micros(1)?.unwrap_or_default(),
        run_after: micros(2)?,
        expires_at: micros(3)?,
        priority: i8::try_from(priority).map_err(|error| damaged(id, &error))?,
        task: row.try_get(5)?,
        queue: row.try_get(6)?,
        args: row.try_get(7)?,
        metadata: row.try_get(8)?,
        rare: row.try_get(9)?,
    };
    Ok(spec.into_spec()?)
}

/// What stands beside the spec.
struct Hot {
    run: u64,
    version: u64,
    state: Option<String>,
    phase: Phase,
    stage: i16,
    worker: Option<WorkerId>,
    claimed_at: Option<Timestamp>,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    value: Option<String>,
}

impl Hot {
    fn job(self, spec: JobSpec) -> Result<Job, Damaged> {
        let id = spec.id;
        let state = match &self.state {
            None => JobState::new(&spec),
            Some(text) => record::state(id, text, None)?,
        };
        let mut job = Job { spec: spec.into(), state };
        let missing = |what: &str| damaged(id, &format!("it has no {what}"));
        match (self.phase, self.stage) {
            (Phase::Running | Phase::Cancelling, 0) => self.claim(&mut job)?,
            (Phase::Successful, 0 | 1) => {
                if self.stage == 0 {
                    self.claim(&mut job)?;
                }
                let value = self.value.map(Json::from_stored).ok_or_else(|| missing("value"))?;
                let ended = self.finished_at.ok_or_else(|| missing("end"))?;
                let ending = Ending::Succeeded(value);
                let outcome = Outcome { id, run: self.run, started_at: self.started_at, ending, logs: Vec::new() };
                job.finish(outcome, ended).map_err(|error| damaged(id, &error))?;
            }
            (Phase::Expired, 0) => {
                job.state.phase = Phase::Ready;
                let ended = self.finished_at.ok_or_else(|| missing("end"))?;
                job.expire(ended).map_err(|error| damaged(id, &error))?;
            }
            _ => job.state.return_value = self.value.map(Json::from_stored),
        }
        job.state.phase = self.phase;
        job.state.run = self.run;
        job.state.version = self.version;
        Ok(job)
    }

    /// Does to a job that waited what a claim does.
    fn claim(&self, job: &mut Job) -> Result<(), Damaged> {
        let id = job.id();
        let (Some(worker), Some(at)) = (self.worker, self.claimed_at) else {
            return Err(damaged(id, &"it has no worker"));
        };
        job.state.phase = Phase::Ready;
        job.claim(worker, at).map_err(|error| damaged(id, &error))
    }
}

/// A job as the view `look` tells it.
pub(super) fn job(row: &Row) -> Result<Job, Fault> {
    let spec = spec(row)?;
    let hot = Hot {
        run: unsigned(row.try_get(10)?),
        version: unsigned(row.try_get(11)?),
        state: row.try_get(12)?,
        phase: record::phase(i64::from(row.try_get::<_, i16>(13)?))?,
        stage: row.try_get(14)?,
        worker: row.try_get::<_, Option<Uuid>>(15)?.map(WorkerId::from_uuid),
        claimed_at: at(row, 16)?,
        started_at: at(row, 17)?,
        finished_at: at(row, 18)?,
        value: row.try_get(19)?,
    };
    Ok(hot.job(spec)?)
}

/// A job as the functions `claim` and `reclaim` give it, with the time that it stood in line as of.
pub(super) fn claimed(row: &Row, worker: WorkerId, at: Timestamp) -> Result<(Job, Timestamp), Fault> {
    let spec = spec(row)?;
    let state: Option<String> = row.try_get(12)?;
    let state = match state {
        None => JobState::new(&spec),
        Some(text) => record::state(spec.id, &text, None)?,
    };
    let mut job = Job { spec: spec.into(), state };
    let stood = job.effective_time();
    job.state.phase = Phase::Ready;
    job.claim(worker, at).map_err(|error| damaged(job.id(), &error))?;
    job.state.run = unsigned(row.try_get(10)?);
    job.state.version = unsigned(row.try_get(11)?);
    Ok((job, stood))
}

/// Which of the three tables a job of that phase is in.
pub(super) const fn place(phase: Phase) -> i16 {
    match phase {
        Phase::Scheduled | Phase::Ready | Phase::Parked | Phase::RetryWait => 1,
        Phase::Running | Phase::Cancelling => 2,
        _ => 3,
    }
}
