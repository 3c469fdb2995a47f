//! How much of a queue may run at once, how fast it may start, and how much may wait: pure functions of the numbers
//! and the time.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{format_duration, parse_duration};

/// The limits of one queue, over all processes. What is `None` is without limit.
///
/// A running job is its own permit: in use is what runs, so nothing is released twice and a crash frees what it held
/// together with the lease. A job counts from its claim on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueLimits {
    /// At most so many of its jobs run at once; at least 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// At most so many start in a window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// At most so many with the same limit key run at once; jobs without a key are not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_concurrency: Option<u32>,
    /// At most so many with the same limit key start in a window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_rate: Option<Rate>,
    /// At most so many wait (scheduled, ready, parked, or for a retry); who brings more is refused. Kept up to what
    /// was enqueued within a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<u64>,
}

impl QueueLimits {
    /// The longest limit key, in bytes.
    pub const MAX_KEY: usize = 255;

    /// Whether nothing is limited.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it limits what may start, and not only what may wait.
    #[must_use]
    pub fn limits_starts(&self) -> bool {
        self.concurrency.is_some() || self.rate.is_some() || self.limits_keys()
    }

    /// Whether it limits what has a limit key.
    #[must_use]
    pub const fn limits_keys(&self) -> bool {
        self.key_concurrency.is_some() || self.key_rate.is_some()
    }

    /// Checks the numbers.
    ///
    /// # Errors
    ///
    /// The field that is wrong with what is wrong with it, and what to write instead.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let none = |value: Option<u64>| value == Some(0);
        for (field, value) in [
            ("concurrency", self.concurrency.map(u64::from)),
            ("key_concurrency", self.key_concurrency.map(u64::from)),
            ("depth", self.depth),
        ] {
            if none(value) {
                return Err((field, "is 0; give at least 1, or pause the queue to stop it".into()));
            }
        }
        for (field, rate) in [("rate", self.rate), ("key_rate", self.key_rate)] {
            if let Some(problem) = rate.and_then(|rate| rate.check().err()) {
                return Err((field, problem));
            }
        }
        Ok(())
    }
}

/// So many starts in a window, written `"100/1m"`. After a rest the whole number may start at once; from then on one
/// each `window ÷ count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    /// How many; at least 1.
    pub count: u32,
    /// In how long a time; at least a microsecond for each.
    pub window: Duration,
}

/// A rate is kept as one time (generic cell rate algorithm): when everything that has started would have started,
/// one at a time. That time may lie ahead by as much as `count` starts take.
impl Rate {
    fn check(self) -> Result<(), String> {
        if self.count == 0 {
            return Err("has the count 0; give at least 1, or pause the queue to stop it".into());
        }
        if self.window.as_micros() < u128::from(self.count) {
            return Err(format!("{self} is more than a start each microsecond; leave the rate out for no limit"));
        }
        if self.window > Duration::from_secs(366 * 24 * 3600) {
            return Err(format!("{self} has a window of more than a year; give a shorter one"));
        }
        Ok(())
    }

    /// The time between two starts, in microseconds, rounded up: so there are never more than `count` in a window.
    #[must_use]
    pub fn step_micros(self) -> i64 {
        let window = i64::try_from(self.window.as_micros()).unwrap_or(i64::MAX);
        let count = i64::from(self.count.max(1));
        window / count + i64::from(window % count != 0)
    }

    /// How many may start now. `next` is what [`after`](Self::after) gave last; `None` after a rest.
    #[must_use]
    pub fn permits(self, next: Option<Timestamp>, now: Timestamp) -> u32 {
        let step = self.step_micros();
        let ahead = next.map_or(0, |next| (next.as_microsecond() - now.as_microsecond()).max(0));
        let free = (step.saturating_mul(i64::from(self.count)) - ahead).max(0) / step;
        u32::try_from(free).unwrap_or(u32::MAX)
    }

    /// What is to be kept once so many more have started.
    #[must_use]
    pub fn after(self, next: Option<Timestamp>, now: Timestamp, started: u32) -> Timestamp {
        let from = next.map_or(now, |next| next.max(now));
        let pause = SignedDuration::from_micros(self.step_micros().saturating_mul(i64::from(started)));
        from.saturating_add(pause).unwrap_or(Timestamp::MAX)
    }

    /// When one more may start: now, or later.
    #[must_use]
    pub fn free_at(self, next: Option<Timestamp>, now: Timestamp) -> Timestamp {
        let Some(next) = next else { return now };
        let ahead = SignedDuration::from_micros(self.step_micros().saturating_mul(i64::from(self.count) - 1));
        next.saturating_sub(ahead).unwrap_or(now).max(now)
    }
}

impl FromStr for Rate {
    type Err = String;

    /// Reads `"100/1m"`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || format!("{text:?} is not a rate; write how many may start and in what time: \"100/1m\"");
        let (count, window) = text.split_once('/').ok_or_else(form)?;
        let count = count.trim().parse().map_err(|_| form())?;
        let window = parse_duration(window.trim()).map_err(|_| form())?;
        let rate = Self { count, window };
        rate.check()?;
        Ok(rate)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, format_duration(self.window))
    }
}

impl TryFrom<String> for Rate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}
