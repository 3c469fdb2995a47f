//! Calls of which there shall be one: what makes two of them the same, how long one stands in the way of another, and
//! what happens then. And keys of requests that may come twice.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};
use sha2::{Digest, Sha256};

use crate::{Job, JobId, Json, Phase, Status};

/// Asks that a call be the only one of its kind: see [`Call::unique`](crate::Call::unique).
///
/// Two calls are of one kind if they go to the same backend, are of the same task, and have the same key; without a
/// key, the same arguments: the order of members does not matter, nor does it whether a whole number is written `1` or
/// `1.0`, so that it makes no difference whether a process enqueues that has the task's code or one that only knows of
/// it. The job of the first one holds the key until it has ended; who comes meanwhile gets that
/// job, unless it asks for something else.
///
/// ```
/// use std::time::Duration;
/// use callboard_tasks::Unique;
///
/// // At most one of them waits or runs; who asks again gets the one that there is.
/// let by_arguments = Unique::by_args();
/// // The newest arguments win, as long as the job waits.
/// let latest = Unique::by_key("report:7").until_started().or_replace();
/// // Not more than once in ten minutes while it is not finished; who comes too early is told so.
/// let seldom = Unique::by_key("ping").within(Duration::from_secs(600)).or_reject();
/// # let _ = (by_arguments, latest, seldom);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Unique {
    /// The key, at most [`Unique::MAX_KEY`] bytes; `None` is the arguments.
    pub key: Option<String>,
    /// Until when a job holds its key.
    pub until: UniqueUntil,
    /// It holds it at most this long from its enqueue on; `None` is without end.
    pub window: Option<Duration>,
    /// What happens to a call whose key is held.
    pub on_conflict: OnConflict,
}

impl Unique {
    /// The longest key, in bytes.
    pub const MAX_KEY: usize = 255;

    /// The same arguments make two calls the same.
    #[must_use]
    pub const fn by_args() -> Self {
        Self { key: None, until: UniqueUntil::Finished, window: None, on_conflict: OnConflict::Return }
    }

    /// The same key makes two calls of a task the same, whatever their arguments.
    #[must_use]
    pub fn by_key(key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..Self::by_args() }
    }

    /// The key is free as soon as the job has started for the first time.
    #[must_use]
    pub const fn until_started(mut self) -> Self {
        self.until = UniqueUntil::Started;
        self
    }

    /// The key is free no later than this long after the enqueue, whatever the job does.
    #[must_use]
    pub const fn within(mut self, window: Duration) -> Self {
        self.window = Some(window);
        self
    }

    /// Who comes while the key is held is refused.
    #[must_use]
    pub const fn or_reject(mut self) -> Self {
        self.on_conflict = OnConflict::Reject;
        self
    }

    /// Who comes while the key is held by a job that waits gives that job its arguments and its time; one that
    /// runs refuses.
    #[must_use]
    pub const fn or_replace(mut self) -> Self {
        self.on_conflict = OnConflict::Replace;
        self
    }

    /// What the store keeps of it for a call of `task` with `args` that is enqueued at `now`.
    #[must_use]
    pub fn key_of(&self, task: &str, args: &Json, now: Timestamp) -> UniqueKey {
        // Names have neither blanks nor `#`, so the two forms cannot meet.
        let key = match &self.key {
            Some(key) => format!("{task} {key}"),
            None => {
                let digest: [u8; 32] = Sha256::digest(same_text(args)).into();
                // Half of it: two calls of a task meet by chance once in the life of no universe.
                let half = digest.first_chunk().map_or(0, |half| u128::from_be_bytes(*half));
                format!("{task}#{half:032x}")
            }
        };
        let holds_until = self.window.and_then(|window| {
            let window = jiff::SignedDuration::try_from(window).ok()?;
            now.checked_add(window).ok()
        });
        UniqueKey { key, until: self.until, holds_until, on_conflict: self.on_conflict }
    }
}

/// Arguments as a text that is the same for all who say the same: members in the order of their names, and whole
/// numbers without a fraction.
fn same_text(args: &Json) -> String {
    let mut text = String::with_capacity(args.as_str().len());
    write_same(&args.to_value(), &mut text);
    text
}

fn write_same(value: &Value, text: &mut String) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            text.push('{');
            for (name, value) in members {
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write_same(value, text);
                text.push(',');
            }
            text.push('}');
        }
        Value::Array(values) => {
            text.push('[');
            for value in values {
                write_same(value, text);
                text.push(',');
            }
            text.push(']');
        }
        Value::Number(number) => text.push_str(&same_number(number)),
        scalar => text.push_str(&scalar.to_string()),
    }
}

/// A number as text; a whole one without a fraction, however it was written.
pub(crate) fn same_number(number: &Number) -> String {
    /// Up to here each whole number is a float of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < EXACT => {
            // Of the two zeros the one without a sign.
            format!("{:.0}", float + 0.0)
        }
        _ => number.to_string(),
    }
}

/// Until when a job holds its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UniqueUntil {
    /// Until its first run is claimed.
    Started,
    /// Until it has ended, retries included.
    #[default]
    Finished,
}

/// What happens to a call whose key is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnConflict {
    /// The caller gets the job that holds the key.
    #[default]
    Return,
    /// The caller gets an error that names the job.
    Reject,
    /// The job that holds the key gets the arguments and the time of the call, if it waits; else as `Reject`.
    Replace,
}

/// A unique key as a job has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UniqueKey {
    /// What no two jobs of a backend may hold at once: the task, and the caller's key or a hash of the arguments.
    pub key: String,
    /// Until when the job holds it.
    #[serde(default)]
    pub until: UniqueUntil,
    /// When it lets go of it at the latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds_until: Option<Timestamp>,
    /// What happened if it was held when the job came.
    #[serde(default)]
    pub on_conflict: OnConflict,
}

impl UniqueKey {
    /// Whether a job in this phase that was claimed `run` times holds it at `now`. A job that ran once and waits
    /// again holds no key that is held until the start.
    #[must_use]
    pub fn is_held(&self, phase: Phase, run: u64, now: Timestamp) -> bool {
        let holds = match self.until {
            UniqueUntil::Started => run == 0 && phase.status() == Status::Ready,
            UniqueUntil::Finished => !phase.is_finished(),
        };
        holds && self.holds_until.is_none_or(|end| now < end)
    }
}

impl Job {
    /// The unique key that it holds at `now`, if it does. No two jobs of a store do at once; a job that takes a step
    /// after which this is empty lets go of its key by that.
    #[must_use]
    pub fn held_key(&self, now: Timestamp) -> Option<&str> {
        let unique = self.spec.unique.as_deref()?;
        unique.is_held(self.state.phase, self.state.run, now).then_some(&*unique.key)
    }
}

/// The key of a request that may come twice: the second one gets what the first one got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// The key, with whatever tells its owner from others; at most [`Idempotency::MAX_KEY`] bytes.
    pub key: String,
    /// A digest of the request: the same key with another one is a fault of the caller's.
    pub request: [u8; 32],
    /// How long it is remembered.
    pub keep: Duration,
}

impl Idempotency {
    /// The longest key, in bytes.
    pub const MAX_KEY: usize = 512;
    /// How long keys are remembered unless somebody says otherwise: a day.
    pub const KEEP: Duration = Duration::from_secs(24 * 3600);

    /// The key of a request with these bytes.
    #[must_use]
    pub fn new(key: impl Into<String>, request: &[u8]) -> Self {
        Self { key: key.into(), request: Sha256::digest(request).into(), keep: Self::KEEP }
    }
}

/// A job that an enqueue found instead of making one.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Which job of the unit was not made: its place, from 0.
    pub index: usize,
    /// The job that is there for it; changed already, where it took over arguments and time.
    pub job: Job,
    /// Whether it was changed.
    pub replaced: bool,
}

/// The jobs that a request with the same key made before.
pub type Replayed = Vec<JobId>;
