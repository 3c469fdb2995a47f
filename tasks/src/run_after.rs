//! When a call may start at the earliest, and how durations are written.

use std::time::Duration;

use jiff::Timestamp;

/// The earliest start of a call, as the caller gave it: a time, a pause, or none.
///
/// A pause counts from the moment of the enqueue. A time in the past means now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RunAfter {
    /// As soon as there is a free worker. Given explicitly, it undoes an earlier choice.
    #[default]
    Now,
    /// Not before this time.
    At(Timestamp),
    /// Not before this long after the enqueue.
    In(Duration),
    /// Either of them as text, `"2026-11-22T10:00:00Z"` or `"1h30m"`; read when the call is enqueued.
    Text(String),
}

impl From<Timestamp> for RunAfter {
    fn from(at: Timestamp) -> Self {
        Self::At(at)
    }
}

impl From<Duration> for RunAfter {
    fn from(pause: Duration) -> Self {
        Self::In(pause)
    }
}

impl From<&str> for RunAfter {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for RunAfter {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl<T: Into<Self>> From<Option<T>> for RunAfter {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Now, Into::into)
    }
}

impl RunAfter {
    /// The instant, given the time of the enqueue, in the whole microseconds that stores keep; `None` means at once.
    ///
    /// # Errors
    ///
    /// What is wrong with the text or the range, and the two forms.
    pub fn resolve(&self, now: Timestamp) -> Result<Option<Timestamp>, String> {
        let later = |pause: Duration| {
            jiff::SignedDuration::try_from(pause)
                .ok()
                .and_then(|pause| now.checked_add(pause).ok())
                .ok_or_else(|| "lies beyond the year 9999; give an earlier time or leave it out".to_owned())
        };
        let at = match self {
            Self::Now => return Ok(None),
            Self::At(at) => *at,
            Self::In(pause) => later(*pause)?,
            Self::Text(text) => match (text.parse::<Timestamp>(), read_duration(text)) {
                (Ok(at), _) => at,
                (_, Ok(pause)) => later(pause)?,
                (Err(problem), _) if looks_like_a_time(text) => {
                    return Err(format!(
                        "{text:?} is no time that can be kept ({problem}); write \"2026-11-22T10:00:00Z\""
                    ));
                }
                (_, Err(NotDuration::Form)) => {
                    return Err(format!(
                        "{text:?} is not a time with its zone (\"2026-11-22T10:00:00Z\") or a pause (\"5m\")"
                    ));
                }
                (_, Err(problem)) => return Err(problem.of(text)),
            },
        };
        Ok(Some(up_to_micros(at)))
    }
}

/// The next whole microsecond: a call never starts before its time. (The very last instant goes down instead.)
fn up_to_micros(at: Timestamp) -> Timestamp {
    let beyond = at.subsec_nanosecond().rem_euclid(1_000);
    let up = at.checked_add(jiff::SignedDuration::from_nanos(i64::from((1_000 - beyond) % 1_000)));
    up.unwrap_or_else(|_| at - jiff::SignedDuration::from_nanos(i64::from(beyond)))
}

/// Whether somebody meant a time with its zone by this text: `2026-…Z`.
fn looks_like_a_time(text: &str) -> bool {
    let date = text.trim().as_bytes();
    let zoned = text.trim_end().ends_with(['Z', 'z']) || text.contains('+');
    date.len() > 10 && date[..4].iter().all(u8::is_ascii_digit) && date[4] == b'-' && zoned
}

/// Reads a duration such as `"250ms"`, `"30s"`, `"1h30m"` or `"7d"`: whole numbers, each with its unit
/// (`ms`, `s`, `m`, `h`, `d`, `w`), the larger units first.
///
/// # Errors
///
/// What is wrong with the text, naming it.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    read_duration(text).map_err(|problem| problem.of(text))
}

/// Why a text is not a duration.
enum NotDuration {
    /// It does not look like one.
    Form,
    /// It ends with this number.
    NoUnit(String),
    Order,
    TooLong,
}

impl NotDuration {
    fn of(self, text: &str) -> String {
        match self {
            Self::Form => {
                format!("{text:?} is not a duration: write numbers with their units w, d, h, m, s, ms, as in \"1h30m\"")
            }
            Self::NoUnit(rest) => format!("{text:?} is a duration without a unit; write \"{rest}s\" for seconds"),
            Self::Order => format!("{text:?} is not a duration: its units must go from large to small"),
            Self::TooLong => format!("{text:?} is too long a duration"),
        }
    }
}

fn read_duration(text: &str) -> Result<Duration, NotDuration> {
    const UNITS: [(&str, u64); 6] =
        [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    let mut rest = text.trim();
    let mut total: u64 = 0;
    let mut smallest = u64::MAX;
    if rest.is_empty() {
        return Err(NotDuration::Form);
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(|| NotDuration::NoUnit(rest.into()))?;
        let (number, tail) = rest.split_at(digits);
        let unit = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        let (_, ms) = UNITS.iter().find(|(name, _)| *name == unit).ok_or(NotDuration::Form)?;
        if number.is_empty() {
            return Err(NotDuration::Form);
        }
        // What is left is digits: only their number can be too large.
        let number: u64 = number.parse().map_err(|_| NotDuration::TooLong)?;
        if *ms >= smallest {
            return Err(NotDuration::Order);
        }
        smallest = *ms;
        let part = number.checked_mul(*ms).ok_or(NotDuration::TooLong)?;
        total = total.checked_add(part).ok_or(NotDuration::TooLong)?;
        rest = tail;
    }
    Ok(Duration::from_millis(total))
}

/// Writes a duration as [`parse_duration`] reads it, in whole milliseconds: `"1h30m"`, `"250ms"`, `"0s"`.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let mut ms = duration.as_millis();
    if ms == 0 {
        return "0s".into();
    }
    let mut text = String::new();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        if ms >= size {
            text.push_str(&format!("{}{unit}", ms / size));
            ms %= size;
        }
    }
    text
}
