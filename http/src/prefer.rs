//! `Prefer: wait=n` (RFC 7240): how long a client would wait for the end of a task.

use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

/// The request header.
pub(crate) const PREFER: HeaderName = HeaderName::from_static("prefer");

/// How long the client would wait, cut to `longest`; zero if it says nothing. What is malformed is ignored, as
/// preferences are.
pub(crate) fn wait(headers: &HeaderMap, longest: Duration) -> Duration {
    let preferences =
        headers.get_all(PREFER).filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    preferences.filter_map(wait_of).next().map_or(Duration::ZERO, |wait| wait.min(longest))
}

/// The number of one preference `wait=n`, with or without parameters after it.
fn wait_of(preference: &str) -> Option<Duration> {
    let (name, value) = preference.split(';').next()?.split_once('=')?;
    name.trim().eq_ignore_ascii_case("wait").then(|| whole_seconds(value.trim().trim_matches('"'))).flatten()
}

/// A whole number of seconds; `None` for anything else. Numbers of any length are numbers.
pub(crate) fn whole_seconds(text: &str) -> Option<Duration> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)))
}

/// The answer that says what was honoured.
pub(crate) fn applied(wait: Duration) -> (HeaderName, HeaderValue) {
    let value = HeaderValue::try_from(format!("wait={}", wait.as_secs())).expect("a number is visible ASCII");
    (HeaderName::from_static("preference-applied"), value)
}
