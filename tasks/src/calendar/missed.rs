//! What becomes of ticks that nobody took in time: a pure function of the policy and the time.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Calendar;
use crate::{format_duration, parse_duration};

/// What a schedule does about ticks that passed while no process could take them.
///
/// A tick is on time for a minute ([`Missed::ON_TIME`]); a schedule that fires more often makes up for what it is
/// behind by less. Ticks before a schedule was made, changed or resumed are not missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Missed {
    /// They are passed over.
    Skip,
    /// One of them, the last, is made up for, however many there are: what was to be done is done, late.
    #[default]
    One,
    /// Each of them is made up for, if it is not older than this; older ones are passed over.
    All {
        /// How old.
        within: Duration,
    },
}

/// Ticks to take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Those for which a job is made, in order; empty if all of them are passed over.
    pub ticks: Vec<Timestamp>,
    /// The last of them, or of those that are passed over: where the schedule stands then.
    pub until: Timestamp,
}

impl Missed {
    /// How late a tick may be taken before it counts as missed.
    pub const ON_TIME: Duration = Duration::from_secs(60);

    /// How many ticks are taken at once at most.
    const AT_ONCE: usize = 100;

    const FORMS: &'static str = "write \"skip\", \"one\" or \"all within 6h\"";
}

impl Calendar {
    /// What is to be taken at `now` by a schedule that has come as far as `after`; `None` if nothing is due. There may
    /// be more after that.
    #[must_use]
    pub fn due(&self, missed: Missed, after: Timestamp, now: Timestamp) -> Option<Due> {
        let first = self.next_after(after).filter(|tick| *tick <= now)?;
        if first >= earlier(now, Missed::ON_TIME) {
            return Some(Due::all(self.ticks_after(after), now));
        }
        let passed = |until: Timestamp| {
            let until = self.last_until(after, until).unwrap_or(first);
            Due { ticks: Vec::new(), until }
        };
        match missed {
            Missed::Skip => Some(passed(just_before(earlier(now, Missed::ON_TIME)))),
            Missed::One => {
                let last = self.last_until(after, now).unwrap_or(first);
                Some(Due { ticks: vec![last], until: last })
            }
            Missed::All { within } => {
                let edge = just_before(earlier(now, within.max(Missed::ON_TIME)));
                if first <= edge { Some(passed(edge)) } else { Some(Due::all(self.ticks_after(after), now)) }
            }
        }
    }
}

impl Due {
    fn all(ticks: impl Iterator<Item = Timestamp>, now: Timestamp) -> Self {
        let ticks: Vec<_> = ticks.take_while(|tick| *tick <= now).take(Missed::AT_ONCE).collect();
        Self { until: ticks.last().copied().unwrap_or(now), ticks }
    }
}

fn earlier(now: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    now.checked_sub(by).unwrap_or(Timestamp::MIN)
}

fn just_before(time: Timestamp) -> Timestamp {
    time.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(Timestamp::MIN)
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Skip => f.write_str("skip"),
            Self::One => f.write_str("one"),
            Self::All { within } => write!(f, "all within {}", format_duration(*within)),
        }
    }
}

impl FromStr for Missed {
    type Err = String;

    /// Reads `"skip"`, `"one"` or `"all within 6h"`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["skip"] => Ok(Self::Skip),
            ["one"] => Ok(Self::One),
            ["all", "within", within] => match parse_duration(within) {
                Ok(within) if !within.is_zero() => Ok(Self::All { within }),
                Ok(_) => Err(format!("{text:?} is no time at all; give more, or write \"skip\"")),
                Err(problem) => Err(format!("is {problem}")),
            },
            ["all"] => Err("\"all\" must say how old they may be; write \"all within 6h\"".into()),
            _ => Err(format!("{text:?} is not known; {}", Self::FORMS)),
        }
    }
}
