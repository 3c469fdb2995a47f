//! Reads single members of the body from their JSON text. An error is what is wrong, with the value and the fix.

use std::borrow::Cow;
use std::time::Duration;

use callboard_tasks::{Clock, Json, RunAfter, check_name};
use serde_json::Value;

use super::scan;
use crate::members::{Wrong, shown};

const MAX_TAGS: usize = 16;
const MAX_METADATA: usize = 16 * 1024;
const MAX_ARGS: usize = 256 * 1024;

/// Text, borrowed unless it holds an escape.
pub(crate) fn text(json: &str) -> Result<Cow<'_, str>, Wrong> {
    let plain = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).filter(|text| !text.contains('\\'));
    match plain {
        Some(text) => Ok(Cow::Borrowed(text)),
        None => match serde_json::from_str(json) {
            Ok(text) => Ok(Cow::Owned(text)),
            Err(_) => Err(format!("is {}; give text", shown(json)).into()),
        },
    }
}

/// A name of a task, queue or backend.
pub(crate) fn name(json: &str) -> Result<Cow<'_, str>, Wrong> {
    let name = text(json)?;
    check_name(&name)?;
    Ok(name)
}

/// Arguments: an object or an array, checked for size, depth and silent losses before anybody reads them.
pub(crate) fn args(json: &str) -> Result<&str, Wrong> {
    if !json.starts_with(['{', '[']) {
        return Err(format!("is {}; give an object by parameter name or an array by position", shown(json)).into());
    }
    check_size(json, MAX_ARGS)?;
    // Whoever gives the arguments to the parameters looks at the outermost members.
    scan::check(json, 2)?;
    Ok(json)
}

/// Attached data: an object.
pub(crate) fn metadata(json: &str) -> Result<Json, Wrong> {
    if !json.starts_with('{') {
        return Err(format!("is {}; give an object", shown(json)).into());
    }
    check_size(json, MAX_METADATA)?;
    scan::check(json, 1)?;
    let value: Value = serde_json::from_str(json).map_err(|error| format!("cannot be read: {error}"))?;
    Json::from_value(&value).map_err(|wrong| Wrong { below: wrong.pointer, detail: wrong.problem })
}

fn check_size(json: &str, limit: usize) -> Result<(), Wrong> {
    if json.len() > limit {
        let size = json.len();
        return Err(format!(
            "is {size} bytes long; at most {limit} are allowed, so store large data elsewhere and pass its key"
        )
        .into());
    }
    Ok(())
}

/// A whole number of a range; `1.0` is one.
pub(crate) fn whole(json: &str, least: i64, most: i64) -> Result<i64, Wrong> {
    let number = json.parse::<i64>().ok().or_else(|| {
        let float: f64 = json.parse().ok()?;
        // Up to 2^53 every whole number has its own float.
        (float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0).then_some(float as i64)
    });
    match number {
        Some(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("is {}; give a whole number between {least} and {most}", shown(json)).into()),
    }
}

/// -100 to 100.
pub(crate) fn priority(json: &str) -> Result<i64, Wrong> {
    whole(json, -100, 100)
}

/// At least 1.
pub(crate) fn max_attempts(json: &str) -> Result<u32, Wrong> {
    whole(json, 1, i64::from(i32::MAX)).map(|number| u32::try_from(number).expect("in its range"))
}

/// Milliseconds, at least 1 and at most a hundred years.
pub(crate) fn timeout(json: &str) -> Result<Duration, Wrong> {
    const CENTURY: i64 = 100 * 366 * 24 * 3600 * 1000;
    whole(json, 1, CENTURY).map(|ms| Duration::from_millis(u64::try_from(ms).expect("in its range")))
}

/// A time, or a pause from now on.
pub(crate) fn when(json: &str, clock: &Clock) -> Result<RunAfter, Wrong> {
    let when = RunAfter::from(text(json)?.into_owned());
    when.resolve(clock.now())?;
    Ok(when)
}

/// Labels.
pub(crate) fn tags(json: &str) -> Result<Vec<String>, Wrong> {
    let tags: Vec<String> =
        serde_json::from_str(json).map_err(|_| format!("is {}; give an array of texts", shown(json)))?;
    if tags.len() > MAX_TAGS {
        return Err(format!("has {} tags; at most {MAX_TAGS} are allowed", tags.len()).into());
    }
    for (n, tag) in tags.iter().enumerate() {
        check_name(tag)
            .map_err(|problem| Wrong { below: format!("/{n}"), detail: format!("{:?} {problem}", shown(tag)) })?;
    }
    Ok(tags)
}
