//! When a failed job runs again: a pure function of the policy, the job and the number of the attempt.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{JobId, TaskError};

/// How often and how soon a failed job is tried again; kept with the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// Attempts in all, the first included; at least 1.
    pub max_attempts: u32,
    /// The pause before the next attempt.
    pub backoff: Backoff,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { max_attempts: Self::MAX_ATTEMPTS, backoff: Backoff::Default }
    }
}

impl RetryPolicy {
    /// What `max_attempts` is where nobody says: with the default backoff it rides out half a day.
    pub const MAX_ATTEMPTS: u32 = 12;
}

/// The pause between a failed attempt and the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backoff {
    /// n⁴ + 1 seconds after the n-th attempt, at most 6 hours: 2 s, 17 s, 82 s, …
    #[default]
    Default,
    /// The same pause each time.
    Fixed(Duration),
    /// Starts at `first`, doubles each time, stays at `most`. Written `"2s..10m"`.
    Doubling {
        /// The pause after the first attempt.
        first: Duration,
        /// The longest pause.
        most: Duration,
    },
    /// Starts at `first`, grows by the factor each time, stays at `most`; each pause is longer or shorter by chance, up to
    /// the jitter. Written `"2s*1.5..10m~25%"`.
    Exponential {
        /// The pause after the first attempt.
        first: Duration,
        /// By how much it grows, in percent: 150 is half as much again. At least 100.
        factor_percent: u32,
        /// The longest pause.
        most: Duration,
        /// By how much a pause may differ, in percent; at most 100.
        jitter_percent: u8,
    },
}

/// A task's own pause after a failed attempt: `#[task(backoff = the_function)]`. It is given the number of the attempt,
/// counted from 1, and what was wrong with it, and runs in the process that ran the attempt.
///
/// A function cannot be kept with a job: where another process plans a retry, the task's backoff is the usual one.
#[derive(Debug, Clone, Copy)]
pub struct CustomBackoff(pub fn(u32, &TaskError) -> Duration);

/// The same function; two that do the same may count as one or two.
impl PartialEq for CustomBackoff {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::fn_addr_eq(self.0, other.0)
    }
}

impl Backoff {
    /// The longest pause of [`Backoff::Default`].
    pub const CAP: Duration = Duration::from_secs(6 * 3600);

    /// How much a pause differs unless said, in percent.
    pub const JITTER_PERCENT: u8 = 10;

    /// Reads `"30s"` (the same each time), `"2s..10m"` (doubling, with its cap), `"2s*1.5..10m"` (with another factor) or
    /// `"default"`; all but the last also with a jitter of their own, `"2s..10m~25%"`.
    ///
    /// # Errors
    ///
    /// What is wrong, and the forms.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text == "default" {
            return Ok(Self::Default);
        }
        let wrong = || {
            format!(
                "{text:?} is not a backoff; write \"30s\", \"2s..10m\", \"2s*1.5..10m\", one of them with a jitter \
                     (\"2s..10m~25%\"), or \"default\""
            )
        };
        let read = |part: &str| crate::parse_duration(part).map_err(|_| wrong());
        let (pauses, jitter) = match text.split_once('~') {
            None => (text, None),
            Some((pauses, jitter)) => {
                let whole = percent(jitter.trim(), "%", 0, 100).filter(|jitter| jitter % 100 == 0);
                (pauses, Some(whole.ok_or_else(wrong)?))
            }
        };
        let (first, factor, most) = match pauses.split_once("..") {
            None => (pauses, None, None),
            Some((start, most)) => match start.split_once('*') {
                None => (start, None, Some(most)),
                Some((first, factor)) => {
                    (first, Some(percent(factor.trim(), "", 1, 100).ok_or_else(wrong)?), Some(most))
                }
            },
        };
        let first = read(first)?;
        let most = most.map_or(Ok(first), read)?;
        if most < first {
            return Err(format!("{text:?} is not a backoff: its cap is shorter than its first pause"));
        }
        let is_fixed = !pauses.contains("..");
        Ok(match (factor, jitter) {
            (None, None) if is_fixed => Self::Fixed(first),
            (None, None) => Self::Doubling { first, most },
            (factor, jitter) => Self::Exponential {
                first,
                factor_percent: factor.unwrap_or(if is_fixed { 100 } else { 200 }),
                most,
                jitter_percent: jitter.map_or(Self::JITTER_PERCENT, |jitter| (jitter / 100) as u8),
            },
        })
    }

    /// The pause after the `attempt`-th attempt (counted from 1), before jitter. Never overflows.
    #[must_use]
    pub fn after(self, attempt: u32) -> Duration {
        match self {
            Self::Default => {
                let n = u64::from(attempt.clamp(1, 1_000));
                Duration::from_secs(n.pow(4) + 1).min(Self::CAP)
            }
            Self::Fixed(pause) => pause,
            Self::Doubling { first, most } => {
                // 94 doublings take the shortest pause there is to the longest; no `Duration` has more nanoseconds
                // than 94 bits hold, so what does not fit into 128 is beyond every cap.
                let times = 1u128 << attempt.saturating_sub(1).min(94);
                let pause = first.as_nanos().checked_mul(times).filter(|pause| *pause < most.as_nanos());
                pause
                    .map_or(most, |nanos| Duration::new((nanos / 1_000_000_000) as u64, (nanos % 1_000_000_000) as u32))
            }
            Self::Exponential { first, factor_percent, most, .. } => {
                let times = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
                let pause = first.as_secs_f64() * (f64::from(factor_percent.max(100)) / 100.0).powi(times);
                // What no `Duration` can hold is beyond every cap.
                Duration::try_from_secs_f64(pause).map_or(most, |pause| pause.min(most))
            }
        }
    }

    /// [`after`](Self::after) with its jitter, ±10 % unless said, which is the same for the same job and attempt, so that a
    /// crowd of jobs that failed together does not come back together and a test can tell the time.
    #[must_use]
    pub fn with_jitter(self, attempt: u32, id: JobId) -> Duration {
        let seed = id.as_u128() as u64 ^ u64::from(attempt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // splitmix64's finaliser: the low bits of a UUIDv7 are random, but neighbours should differ well.
        let mut x = seed;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^= x >> 31;
        let jitter = match self {
            Self::Exponential { jitter_percent, .. } => f64::from(jitter_percent.min(100)) / 100.0,
            _ => f64::from(Self::JITTER_PERCENT) / 100.0,
        };
        let share = 1.0 - jitter + 2.0 * jitter * ((x >> 11) as f64 / (1u64 << 53) as f64);
        let pause = self.after(attempt);
        // Only a pause that is for ever anyway is too long for its share.
        Duration::try_from_secs_f64(pause.as_secs_f64() * share).unwrap_or(pause)
    }
}

/// A number with at most two decimals, from `least` to `most`, in hundredths.
fn percent(text: &str, unit: &str, least: u32, most: u32) -> Option<u32> {
    let (whole, part) = text.strip_suffix(unit)?.split_once('.').unwrap_or((text.strip_suffix(unit)?, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 3 || part.len() > 2 || !is_number(whole) || !is_number(part) {
        return None;
    }
    let hundredths = whole.parse::<u32>().ok()? * 100 + format!("{part:0<2}").parse::<u32>().ok()?;
    (least * 100..=most * 100).contains(&hundredths).then_some(hundredths)
}
