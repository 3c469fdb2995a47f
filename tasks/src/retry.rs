//! When a failed job runs again: a pure function of the policy, the job and the number of the attempt.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::JobId;

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
}

impl Backoff {
    /// The longest pause of [`Backoff::Default`].
    pub const CAP: Duration = Duration::from_secs(6 * 3600);

    /// Reads `"30s"` (the same each time), `"2s..10m"` (doubling, with its cap) or `"default"`.
    ///
    /// # Errors
    ///
    /// What is wrong, and the three forms.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text == "default" {
            return Ok(Self::Default);
        }
        let read = |part: &str| {
            crate::parse_duration(part)
                .map_err(|_| format!("{text:?} is not a backoff; write \"30s\", \"2s..10m\" or \"default\""))
        };
        match text.split_once("..") {
            None => Ok(Self::Fixed(read(text)?)),
            Some((first, most)) => {
                let (first, most) = (read(first)?, read(most)?);
                if most < first {
                    return Err(format!("{text:?} is not a backoff: its cap is shorter than its first pause"));
                }
                Ok(Self::Doubling { first, most })
            }
        }
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
        }
    }

    /// [`after`](Self::after) with ±10 % of jitter, which is the same for the same job and attempt, so that a
    /// crowd of jobs that failed together does not come back together and a test can tell the time.
    #[must_use]
    pub fn with_jitter(self, attempt: u32, id: JobId) -> Duration {
        let seed = id.as_u128() as u64 ^ u64::from(attempt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        // splitmix64's finaliser: the low bits of a UUIDv7 are random, but neighbours should differ well.
        let mut x = seed;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^= x >> 31;
        let share = 0.9 + 0.2 * ((x >> 11) as f64 / (1u64 << 53) as f64);
        let pause = self.after(attempt);
        // Only a pause that is for ever anyway is too long for its share.
        Duration::try_from_secs_f64(pause.as_secs_f64() * share).unwrap_or(pause)
    }
}
