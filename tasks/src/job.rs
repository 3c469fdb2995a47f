//! The stored record of one enqueued call: what never changes ([`JobSpec`]) and what does ([`JobState`]).

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::{ContextV7, Uuid};

use crate::redact::Shown;
use crate::{Json, Phase, RetryPolicy, Status, UniqueKey};

/// Names a job for ever: a UUIDv7, so ids made by one process sort in the order of their making.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(Uuid);

impl JobId {
    /// A new id for a job enqueued at `now`; within one process ids grow, also within a microsecond.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self(new_uuid(now))
    }

    /// The id as a number, for hashing and seeding.
    #[must_use]
    pub const fn as_u128(self) -> u128 {
        self.0.as_u128()
    }

    /// The id as the UUID that it is.
    #[must_use]
    pub const fn as_uuid(self) -> Uuid {
        self.0
    }

    /// The job of that UUID, whatever its version: stores use it to read back what they wrote.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for JobId {
    type Err = String;

    /// Reads the 36 characters of the hyphenated form, and no other form of a UUID.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match Uuid::try_parse(text) {
            Ok(uuid) if text.len() == 36 => Ok(Self(uuid)),
            _ => Err(format!("{text:?} is not a task id; ids look like 0193b3a0-5c1e-7d2a-9f00-1c2d3e4f5a6b")),
        }
    }
}

/// Names one worker process (a board that runs jobs) from its start to its end; never reused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkerId(Uuid);

impl WorkerId {
    /// A fresh id.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self(new_uuid(now))
    }

    /// The id as the UUID that it is.
    #[must_use]
    pub const fn as_uuid(self) -> Uuid {
        self.0
    }

    /// The worker of that UUID: stores use it to read back what they wrote.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl fmt::Debug for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Ids must grow within a process, so all of them come from one counter.
fn new_uuid(now: Timestamp) -> Uuid {
    static CONTEXT: parking_lot::Mutex<ContextV7> = parking_lot::Mutex::new(ContextV7::new());
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    let nanos = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
    let context = CONTEXT.lock();
    Uuid::new_v7(uuid::Timestamp::from_unix(&*context, seconds, nanos))
}

/// What is known of a job when it is enqueued and stays as it is (but for an explicit reschedule).
///
/// Printed for programmers it shows no secrets among its arguments; see [`Redaction`](crate::Redaction).
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct JobSpec {
    /// Its name for ever.
    pub id: JobId,
    /// The full name of its task.
    pub task: Cow<'static, str>,
    /// Its arguments: a JSON object by parameter name, normalised.
    pub args: Json,
    /// The queue in which it waits.
    pub queue: Cow<'static, str>,
    /// -100..=100; larger runs sooner.
    pub priority: i8,
    /// When it was enqueued.
    pub enqueued_at: Timestamp,
    /// The earliest start; `None` is at once.
    pub run_after: Option<Timestamp>,
    /// It fails as expired if it has not started by then; `None` is never.
    pub expires_at: Option<Timestamp>,
    /// How long one attempt may take; `None` is for ever.
    pub timeout: Option<Duration>,
    /// How often and how soon it is tried again.
    pub retry: RetryPolicy,
    /// Labels to find it by; at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// What its enqueuer attached: a JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Json>,
    /// The W3C trace context of the request that enqueued it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// What no other job may hold as long as it does; `None` is a job among any number of its kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique: Option<Box<UniqueKey>>,
    /// With whom it shares the limits of its queue that count by key; `None` counts for none of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_key: Option<Box<str>>,
}

impl fmt::Debug for JobSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, task, args, queue, priority, enqueued_at, run_after, expires_at, timeout, retry, .. } = self;
        let shown = |json| Shown { task, json };
        f.debug_struct("JobSpec")
            .field("id", id)
            .field("task", task)
            .field("args", &shown(args))
            .field("queue", queue)
            .field("priority", priority)
            .field("enqueued_at", enqueued_at)
            .field("run_after", run_after)
            .field("expires_at", expires_at)
            .field("timeout", timeout)
            .field("retry", retry)
            .field("tags", &self.tags)
            .field("metadata", &self.metadata.as_ref().map(shown))
            .field("traceparent", &self.traceparent)
            .field("unique", &self.unique)
            .field("limit_key", &self.limit_key)
            .finish()
    }
}

impl JobSpec {
    /// What it is ordered by within queue and priority: the later of `run_after` and `enqueued_at`.
    #[must_use]
    pub fn effective_time(&self) -> Timestamp {
        self.run_after.map_or(self.enqueued_at, |at| at.max(self.enqueued_at))
    }
}

/// What changes in the life of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobState {
    /// Where it is in its life.
    pub phase: Phase,
    /// Grows with every change; 1 when enqueued.
    pub version: u64,
    /// Grows with every claim, never shrinks: the fence that keeps an earlier run from writing.
    pub run: u64,
    /// Attempts that have started, the present one included; snoozes and losses do not count.
    pub attempts: u32,
    /// Attempts allowed in all; grows with a manual retry.
    pub max_attempts: u32,
    /// How often it died with its worker process.
    pub losses: u32,
    /// The start of the first attempt.
    pub started_at: Option<Timestamp>,
    /// The start of the latest attempt.
    pub last_attempted_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// When it may run next, if it waits for a time of its own (a retry, a snooze, a reschedule).
    pub next_run_at: Option<Timestamp>,
    /// What the function returned, normalised; null is a value too.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub return_value: Option<Json>,
    /// How far it says it has come.
    pub progress: Option<Progress>,
    /// Whether it is `cancelling` only because its attempt is past its timeout: nobody has asked to cancel it.
    #[serde(default)]
    pub overrun: bool,
    /// What its attempts left behind.
    pub history: Attempts,
}

/// A value that is there, also if it is null, which serde would take for `None`.
pub(crate) fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(deserializer).map(Some)
}

/// What the attempts of a job left behind, newest last, bounded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Attempts {
    /// The worker process of each counted attempt; the last [`Attempts::KEPT`].
    pub worker_ids: WorkerIds,
    /// One record for each failed attempt; the last [`Attempts::KEPT`].
    pub errors: Vec<TaskError>,
    /// What its attempts wrote to their log, oldest first; the last [`LogLine::KEPT`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<LogLine>,
}

impl Attempts {
    /// How many attempts a job remembers.
    pub const KEPT: usize = 20;

    /// Appends the worker of an attempt that has started.
    pub fn add_worker(&mut self, worker: WorkerId) {
        self.worker_ids.push(worker);
    }

    /// Appends the record of a failed attempt.
    pub fn add_error(&mut self, error: TaskError) {
        keep_last(&mut self.errors, error);
    }

    /// Appends lines of a log; the oldest go if there are too many.
    pub fn add_logs(&mut self, lines: Vec<LogLine>) {
        self.logs.extend(lines);
        let too_many = self.logs.len().saturating_sub(LogLine::KEPT);
        self.logs.drain(..too_many);
    }
}

fn keep_last<T>(list: &mut Vec<T>, item: T) {
    if list.len() >= Attempts::KEPT {
        list.remove(0);
    }
    list.push(item);
}

/// The worker processes of a job's attempts, oldest first; read as a slice.
///
/// Nearly every job has one attempt, so one worker needs no allocation.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<WorkerId>", into = "Vec<WorkerId>")]
pub struct WorkerIds(Ids);

#[derive(Clone, Default, PartialEq, Eq)]
enum Ids {
    #[default]
    None,
    One(WorkerId),
    Several(Vec<WorkerId>),
}

impl WorkerIds {
    /// Appends a worker; the oldest one goes if there are too many.
    pub fn push(&mut self, worker: WorkerId) {
        self.0 = match std::mem::take(&mut self.0) {
            Ids::None => Ids::One(worker),
            Ids::One(first) => Ids::Several(vec![first, worker]),
            Ids::Several(mut ids) => {
                keep_last(&mut ids, worker);
                Ids::Several(ids)
            }
        };
    }

    /// Takes the latest worker back.
    pub fn pop(&mut self) {
        match &mut self.0 {
            Ids::None => {}
            Ids::One(_) => self.0 = Ids::None,
            Ids::Several(ids) => drop(ids.pop()),
        }
    }
}

impl Deref for WorkerIds {
    type Target = [WorkerId];

    fn deref(&self) -> &[WorkerId] {
        match &self.0 {
            Ids::None => &[],
            Ids::One(worker) => std::slice::from_ref(worker),
            Ids::Several(ids) => ids,
        }
    }
}

impl fmt::Debug for WorkerIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl From<Vec<WorkerId>> for WorkerIds {
    fn from(ids: Vec<WorkerId>) -> Self {
        let mut all = Self::default();
        ids.into_iter().for_each(|id| all.push(id));
        all
    }
}

impl From<WorkerIds> for Vec<WorkerId> {
    fn from(ids: WorkerIds) -> Self {
        ids.to_vec()
    }
}

impl JobState {
    /// The state of a job that has just been enqueued: version 1, nothing run yet.
    #[must_use]
    pub fn new(spec: &JobSpec) -> Self {
        let waits = spec.run_after.is_some_and(|at| at > spec.enqueued_at);
        Self {
            phase: if waits { Phase::Scheduled } else { Phase::Ready },
            version: 1,
            run: 0,
            attempts: 0,
            max_attempts: spec.retry.max_attempts,
            losses: 0,
            started_at: None,
            last_attempted_at: None,
            finished_at: None,
            next_run_at: None,
            return_value: None,
            progress: None,
            overrun: false,
            history: Attempts::default(),
        }
    }

    /// The records of its failed attempts, oldest first.
    #[must_use]
    pub fn errors(&self) -> &[TaskError] {
        &self.history.errors
    }

    /// What its attempts wrote to their log, oldest first.
    #[must_use]
    pub fn logs(&self) -> &[LogLine] {
        &self.history.logs
    }

    /// The worker processes of its attempts, oldest first.
    #[must_use]
    pub fn worker_ids(&self) -> &[WorkerId] {
        &self.history.worker_ids
    }
}

/// A job as a store gives it: a snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// What never changes; shared, so that a clone is cheap.
    #[serde(with = "shared")]
    pub spec: Arc<JobSpec>,
    /// What was true when it was read.
    pub state: JobState,
}

impl Job {
    /// A job that has just been enqueued.
    #[must_use]
    pub fn new(spec: Arc<JobSpec>) -> Self {
        let state = JobState::new(&spec);
        Self { spec, state }
    }

    /// Its name for ever.
    #[must_use]
    pub fn id(&self) -> JobId {
        self.spec.id
    }

    /// One of Django's four.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.state.phase.status()
    }
}

/// `Arc<JobSpec>` as the `JobSpec` it holds (serde's `rc` feature would reach every crate of the user's).
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::JobSpec;

    pub(super) fn serialize<S: Serializer>(spec: &Arc<JobSpec>, serializer: S) -> Result<S::Ok, S::Error> {
        spec.as_ref().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<JobSpec>, D::Error> {
        JobSpec::deserialize(deserializer).map(Arc::new)
    }
}

/// How far an attempt says it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Steps done.
    pub done: u64,
    /// Steps in all, as far as is known.
    pub total: u64,
}

/// The record of one failed attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskError {
    /// The type of the error without its module path (`MailError`, `io::Error`), or `Panic`, `Timeout`,
    /// `Cancelled`, `Lost`.
    pub exception_class: String,
    /// What it says; at most [`TaskError::MAX_MESSAGE`] bytes.
    pub message: String,
    /// The chain of causes and, for a panic, where it happened; at most [`TaskError::MAX_TRACEBACK`] bytes.
    pub traceback: String,
    /// Which attempt it was, counted from 1.
    pub attempt: u32,
    /// When the attempt ended.
    pub at: Timestamp,
}

impl TaskError {
    /// The longest message, in bytes.
    pub const MAX_MESSAGE: usize = 2 * 1024;
    /// The longest traceback, in bytes.
    pub const MAX_TRACEBACK: usize = 16 * 1024;

    /// A record whose texts are cut to their bounds and freed of NUL, which PostgreSQL cannot store.
    #[must_use]
    pub fn new(class: &str, message: &str, traceback: &str, attempt: u32, at: Timestamp) -> Self {
        Self {
            exception_class: clean(class, crate::MAX_NAME),
            message: clean(message, Self::MAX_MESSAGE),
            traceback: clean(traceback, Self::MAX_TRACEBACK),
            attempt,
            at,
        }
    }
}

/// A line that an attempt wrote to its log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// Which attempt wrote it, counted from 1.
    pub attempt: u32,
    /// When.
    pub at: Timestamp,
    /// What it says; at most [`LogLine::MAX_MESSAGE`] bytes.
    pub message: String,
}

impl LogLine {
    /// How many lines a job remembers.
    pub const KEPT: usize = 100;
    /// The longest message, in bytes.
    pub const MAX_MESSAGE: usize = 2 * 1024;

    /// A line whose text is cut to its bound and freed of NUL.
    #[must_use]
    pub fn new(message: &str, attempt: u32, at: Timestamp) -> Self {
        Self { attempt, at, message: clean(message, Self::MAX_MESSAGE) }
    }
}

/// Replaces NUL, cuts a text at a character boundary, and marks the cut.
fn clean(text: &str, limit: usize) -> String {
    // What is beyond the limit need not be looked at: replacing makes a text longer, never shorter.
    let head = up_to(text, limit);
    let clean = head.replace('\0', "\u{fffd}");
    if head.len() == text.len() && clean.len() <= limit {
        return clean;
    }
    format!("{}…", up_to(&clean, limit - '…'.len_utf8()))
}

/// As much of a text as fits, in whole characters.
fn up_to(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
