//! Times on the command line: what is typed, and how long ago it was.

use std::time::Duration;

use callboard_tasks::{Timestamp, parse_duration};

/// A duration as typed: `30` is seconds, `"1m30s"` says its units.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(_) => parse_duration(text),
    }
}

/// A pause as the server takes it, `"1h30m"`.
pub(super) fn pause(text: &str) -> Result<String, String> {
    parse_duration(text).map(|_| text.to_owned())
}

/// A time as the server takes it, with its zone.
pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| format!("{text:?} is no time with a zone; write for example \"2026-11-22T10:00:00Z\""))
}

/// `"3s ago"`, `"in 5m"`, `"now"`: only the largest unit, as people say it.
pub(super) fn relative(at: Timestamp, now: Timestamp) -> String {
    let distance = at.duration_since(now);
    let (past, length) = (distance.is_negative(), distance.unsigned_abs());
    match (length.as_secs(), past) {
        (0, _) => "now".into(),
        (_, true) => format!("{} ago", largest_unit(length)),
        (_, false) => format!("in {}", largest_unit(length)),
    }
}

/// `"1.24s"`, `"350ms"`, `"2m 3s"`: how long something took.
pub(super) fn took(length: Duration) -> String {
    match length.as_millis() {
        0 => format!("{}µs", length.as_micros()),
        ms @ 1..1_000 => format!("{ms}ms"),
        1_000..60_000 => format!("{:.2}s", length.as_secs_f64()),
        _ => match length.as_secs() {
            s @ 0..3_600 => format!("{}m {}s", s / 60, s % 60),
            s => format!("{}h {}m", s / 3_600, s % 3_600 / 60),
        },
    }
}

fn largest_unit(length: Duration) -> String {
    match length.as_secs() {
        s @ 0..60 => format!("{s}s"),
        s @ 60..3_600 => format!("{}m", s / 60),
        s @ 3_600..86_400 => format!("{}h", s / 3_600),
        s => format!("{}d", s / 86_400),
    }
}
