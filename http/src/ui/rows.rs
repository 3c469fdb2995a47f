//! Tasks, times and counts as pages show them.

use callboard_tasks::{Phase, TaskResult, Timestamp};
use serde::Serialize;

/// So much of the arguments stands in a row.
pub(super) const ARGS: usize = 96;

/// A time, and how far from now it is.
#[derive(Debug, Serialize)]
pub(super) struct When {
    /// For machines, and for people who want it exactly.
    at: String,
    /// For people: `3 min ago`, `in 2 h`.
    about: String,
}

impl When {
    pub(super) fn of(at: Timestamp, now: Timestamp) -> Self {
        let seconds = now.as_second() - at.as_second();
        let about = match seconds {
            ..0 => format!("in {}", span(-seconds)),
            0 => "now".to_owned(),
            _ => format!("{} ago", span(seconds)),
        };
        Self { at: format!("{at:.3}"), about }
    }
}

/// A number of seconds in the largest unit that fits.
pub(super) fn span(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A phase with the class of its colour and its sign: it is never told by colour alone.
#[derive(Debug, Serialize)]
pub(super) struct Badge {
    pub(super) phase: &'static str,
    class: &'static str,
    sign: &'static str,
}

impl From<Phase> for Badge {
    fn from(phase: Phase) -> Self {
        let (class, sign) = match phase {
            Phase::Scheduled | Phase::RetryWait => ("waits", "◷"),
            Phase::Ready | Phase::Parked => ("ready", "○"),
            Phase::Running | Phase::Cancelling => ("runs", "▶"),
            Phase::Successful => ("good", "✓"),
            Phase::Failed | Phase::Expired | Phase::Quarantined => ("bad", "✗"),
            Phase::Cancelled => ("ready", "⊘"),
        };
        Self { phase: phase.as_str(), class, sign }
    }
}

/// A task in a list.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    id: String,
    task: String,
    queue: String,
    backend: String,
    badge: Badge,
    args: String,
    attempts: u32,
    max_attempts: u32,
    when: When,
    /// The first line of the last error.
    error: Option<String>,
}

impl Row {
    pub(super) fn of(result: &TaskResult, now: Timestamp) -> Self {
        let shown = result.shown();
        let (spec, state) = (&shown.job.spec, &shown.job.state);
        let latest = state.finished_at.or(state.last_attempted_at).unwrap_or(spec.enqueued_at);
        let waits = matches!(state.phase, Phase::Scheduled | Phase::RetryWait);
        let due = state.next_run_at.or(spec.run_after).filter(|_| waits);
        let failed = result.is_finished() && state.phase != Phase::Successful || state.phase == Phase::RetryWait;
        let error = state.errors().last().filter(|_| failed);
        Self {
            id: result.id().to_string(),
            task: spec.task.to_string(),
            queue: spec.queue.to_string(),
            backend: result.backend().to_owned(),
            badge: state.phase.into(),
            args: beginning(spec.args.as_str(), ARGS),
            attempts: state.attempts,
            max_attempts: state.max_attempts,
            when: When::of(due.unwrap_or(latest), now),
            error: error.map(|error| beginning(error.message.lines().next().unwrap_or_default(), ARGS)),
        }
    }
}

/// A text in pieces: whether each is code, and the piece.
pub(super) type Words<'a> = Vec<(bool, &'a str)>;

/// A text of ours, in which code stands between backticks.
pub(super) fn words(text: &str) -> Words<'_> {
    text.split('`').enumerate().map(|(n, piece)| (n % 2 == 1, piece)).filter(|(_, piece)| !piece.is_empty()).collect()
}

/// The beginning of a text.
pub(super) fn beginning(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// JSON over several lines, in the order in which it stands and with its numbers as they are written.
pub(super) fn pretty(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    let mut chars = json.chars().peekable();
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    };
    while let Some(c) = chars.next() {
        if in_text {
            out.push(c);
            (in_text, escaped) = (escaped || c != '"', !escaped && c == '\\');
            continue;
        }
        match c {
            '"' => {
                in_text = true;
                out.push(c);
            }
            '{' | '[' => {
                out.push(c);
                if let Some(end) = chars.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            c if c.is_whitespace() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_its_order_and_its_numbers() {
        let json = r#"{"b":[1,{"a":"x, {\"y\": 1}"}],"a":12345678901234567890,"empty":{},"none":[]}"#;
        let shown = pretty(json);
        let expected = "{\n  \"b\": [\n    1,\n    {\n      \"a\": \"x, {\\\"y\\\": 1}\"\n    }\n  ],\n  \
                        \"a\": 12345678901234567890,\n  \"empty\": {},\n  \"none\": []\n}";
        assert_eq!(shown, expected);
        assert_eq!(pretty("\"a\\\\\""), "\"a\\\\\"");
    }

    #[test]
    fn times_are_told_by_how_far_they_are() {
        let now = Timestamp::from_second(1_000_000).unwrap_or_default();
        for (at, about) in [(1_000_000, "now"), (999_941, "59 s ago"), (1_000_060, "in 1 min"), (0, "11 d ago")] {
            let at = Timestamp::from_second(at).unwrap_or_default();
            assert_eq!(When::of(at, now).about, about);
        }
    }
}
