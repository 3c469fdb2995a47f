//! A job as columns, the same in every SQL store: numbers and short texts by themselves, JSON as the text that it is,
//! what few calls say in one JSON column, and what only jobs with a past have in another.

use std::borrow::Cow;
use std::time::Duration;

#[cfg(feature = "sqlite")]
use callboard_tasks::{Job, WorkerId};
use callboard_tasks::{JobId, JobSpec, JobState, Json, Phase, RetryPolicy, Timestamp, UniqueKey};
use serde::{Deserialize, Serialize};

/// A row that Callboard did not write.
#[derive(Debug, thiserror::Error)]
#[error("a row was changed by hand or is damaged: {0}")]
pub(crate) struct Damaged(pub(crate) String);

/// The never-changing part of a job as it stands in the database.
#[derive(Debug, Clone)]
pub(crate) struct SpecRow {
    pub(crate) id: JobId,
    pub(crate) task: String,
    pub(crate) queue: String,
    pub(crate) priority: i8,
    pub(crate) enqueued_at: i64,
    pub(crate) run_after: Option<i64>,
    pub(crate) expires_at: Option<i64>,
    pub(crate) args: String,
    pub(crate) metadata: Option<String>,
    pub(crate) rare: Option<String>,
}

/// What few calls say.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Rare {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry: Option<RetryPolicy>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unique: Option<Box<UniqueKey>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit_key: Option<Box<str>>,
}

/// The keys of a job.
#[cfg(feature = "sqlite")]
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Keys {
    pub(crate) unique: Option<Box<UniqueKey>>,
    pub(crate) limit_key: Option<Box<str>>,
}

#[cfg(feature = "sqlite")]
impl Keys {
    /// Those in what is rare of a spec; `None` where there are none, which is told without reading nearly always.
    pub(crate) fn of(id: JobId, rare: Option<&str>) -> Result<Option<Self>, Damaged> {
        let Some(text) = rare.filter(|text| text.contains("\"unique\"") || text.contains("\"limit_key\"")) else {
            return Ok(None);
        };
        let Rare { unique, limit_key, .. } = serde_json::from_str(text).map_err(|e| damaged(id, &e))?;
        Ok((unique.is_some() || limit_key.is_some()).then_some(Self { unique, limit_key }))
    }
}

/// What is rare in a spec, as JSON; `None` where nothing is.
pub(crate) fn rare(spec: &JobSpec) -> Option<String> {
    let plain_retry = spec.retry == RetryPolicy::default();
    let keyless = spec.unique.is_none() && spec.limit_key.is_none();
    if plain_retry && keyless && spec.timeout.is_none() && spec.tags.is_empty() && spec.traceparent.is_none() {
        return None;
    }
    let rare = Rare {
        timeout: spec.timeout,
        retry: (!plain_retry).then_some(spec.retry),
        tags: spec.tags.clone(),
        traceparent: spec.traceparent.clone(),
        unique: spec.unique.clone(),
        limit_key: spec.limit_key.clone(),
    };
    Some(serde_json::to_string(&rare).expect("numbers and texts have a JSON"))
}

impl SpecRow {
    pub(crate) fn into_spec(self) -> Result<JobSpec, Damaged> {
        let rare: Rare = match &self.rare {
            None => Rare::default(),
            Some(text) => serde_json::from_str(text).map_err(|e| damaged(self.id, &e))?,
        };
        Ok(JobSpec {
            id: self.id,
            task: Cow::Owned(self.task),
            args: Json::from_stored(self.args),
            queue: Cow::Owned(self.queue),
            priority: self.priority,
            enqueued_at: time(self.enqueued_at)?,
            run_after: self.run_after.map(time).transpose()?,
            expires_at: self.expires_at.map(time).transpose()?,
            timeout: rare.timeout,
            retry: rare.retry.unwrap_or_default(),
            tags: rare.tags,
            metadata: self.metadata.map(Json::from_stored),
            traceparent: rare.traceparent,
            unique: rare.unique,
            limit_key: rare.limit_key,
        })
    }
}

/// The state as JSON, without the return value, which stands in a column of its own as the text that it is.
pub(crate) fn state_text(state: &JobState) -> String {
    let state = JobState { return_value: None, ..state.clone() };
    serde_json::to_string(&state).expect("numbers and texts have a JSON")
}

/// The state that [`state_text`] wrote.
pub(crate) fn state(id: JobId, text: &str, return_value: Option<String>) -> Result<JobState, Damaged> {
    let state: JobState = serde_json::from_str(text).map_err(|e| damaged(id, &e))?;
    Ok(JobState { return_value: return_value.map(Json::from_stored), ..state })
}

/// A job that waits for its first run.
#[cfg(feature = "sqlite")]
pub(crate) fn waiting(spec: JobSpec, phase: Phase, version: u64) -> Job {
    let mut job = Job::new(spec.into());
    job.state.phase = phase;
    job.state.version = version;
    job
}

/// A job in its first run.
#[cfg(feature = "sqlite")]
pub(crate) fn first_run(spec: JobSpec, worker: WorkerId, at: Timestamp, version: u64) -> Result<Job, Damaged> {
    let mut job = Job::new(spec.into());
    let id = job.id();
    job.claim(worker, at).map_err(|e| damaged(id, &e))?;
    job.state.version = version;
    Ok(job)
}

/// A job that succeeded in its first run, which started at `started`.
#[cfg(feature = "sqlite")]
pub(crate) fn first_success(
    spec: JobSpec,
    worker: WorkerId,
    started: Timestamp,
    ended: Timestamp,
    value: String,
    version: u64,
) -> Result<Job, Damaged> {
    let mut job = first_run(spec, worker, started, version)?;
    job.state.phase = Phase::Successful;
    job.state.finished_at = Some(ended);
    job.state.return_value = Some(Json::from_stored(value));
    Ok(job)
}

pub(crate) fn damaged(id: JobId, what: &dyn std::fmt::Display) -> Damaged {
    Damaged(format!("job {id}: {what}"))
}

/// A time as whole microseconds since 1970: what every store keeps.
#[cfg(feature = "sqlite")]
pub(crate) fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}

/// The time of so many microseconds since 1970.
pub(crate) fn time(micros: i64) -> Result<Timestamp, Damaged> {
    Timestamp::from_microsecond(micros).map_err(|e| Damaged(e.to_string()))
}

/// A number that counts up from 0, as databases have it.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number that was written by [`signed`].
pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// The number of a phase in a column; never changes its meaning.
pub(crate) const fn code(phase: Phase) -> i64 {
    match phase {
        Phase::Scheduled => 1,
        Phase::Ready => 2,
        Phase::Parked => 3,
        Phase::Running => 4,
        Phase::Cancelling => 5,
        Phase::RetryWait => 6,
        Phase::Successful => 7,
        Phase::Failed => 8,
        Phase::Cancelled => 9,
        Phase::Expired => 10,
        Phase::Quarantined => 11,
    }
}

/// The phase of that number.
pub(crate) fn phase(code_of: i64) -> Result<Phase, Damaged> {
    let found = Phase::ALL.into_iter().find(|phase| code(*phase) == code_of);
    found.ok_or_else(|| Damaged(format!("{code_of} is no phase")))
}
