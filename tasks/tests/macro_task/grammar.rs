//! The macro reads names, durations and backoffs by the rules of this crate, though it cannot call it.

use std::time::Duration;

use callboard_tasks::{Backoff, check_name, parse_duration};
use proptest::prelude::*;

#[allow(dead_code, reason = "the macro uses all of it")]
#[path = "../../../macros/src/duration.rs"]
mod duration;
#[allow(dead_code, reason = "the macro uses all of it")]
#[path = "../../../macros/src/names.rs"]
mod names;

const TABLE: [(&str, Option<u64>); 20] = [
    ("30s", Some(30_000)),
    (" 30s ", Some(30_000)),
    ("1h30m", Some(5_400_000)),
    ("250ms", Some(250)),
    ("7d", Some(604_800_000)),
    ("1w2d3h4m5s6ms", Some(788_645_006)),
    ("0s", Some(0)),
    ("007s", Some(7_000)),
    ("30", None),
    ("", None),
    (" ", None),
    ("s", None),
    ("-1s", None),
    ("1.5h", None),
    ("1m1h", None),
    ("1s1s", None),
    ("1 h", None),
    ("1y", None),
    ("99999999999999999999s", None),
    ("99999999999999999w", None),
];

/// The macro's own enum, as this crate's.
fn backoff(text: &str) -> Result<Backoff, String> {
    duration::Backoff::parse(text).map(|backoff| match backoff {
        duration::Backoff::Default => Backoff::Default,
        duration::Backoff::Fixed(pause) => Backoff::Fixed(pause),
        duration::Backoff::Doubling { first, most } => Backoff::Doubling { first, most },
        duration::Backoff::Exponential { first, factor_percent, most, jitter_percent } => {
            Backoff::Exponential { first, factor_percent, most, jitter_percent }
        }
    })
}

#[test]
fn durations_are_read_as_the_table_says() {
    for (text, ms) in TABLE {
        assert_eq!(duration::parse_duration(text).ok(), ms.map(Duration::from_millis), "{text:?}");
        assert_eq!(parse_duration(text).ok(), ms.map(Duration::from_millis), "{text:?}");
    }
}

#[test]
fn backoffs_are_read_alike() {
    let texts =
        ["default", " default ", "30s", "2s..10m", "2s..2s", "0s..0s", "10m..2s", "2s..", "..", "1s..2s..3s", ""];
    let exponential = [
        "2s*1.5..10m",
        "2s*3..10m~0%",
        "2s..10m~25%",
        "30s~50%",
        "2s * 1.25 .. 10m ~ 12.5%",
        "2s*0.5..10m",
        "2s*..10m",
        "2s*1.555..10m",
        "2s*1..10m",
        "2s*100..10m",
        "2s*101..10m",
        "30s*2",
        "30s~101%",
        "30s~5",
        "default~5%",
        "~5%",
    ];
    for text in texts.into_iter().chain(exponential) {
        assert_eq!(backoff(text).ok(), Backoff::parse(text).ok(), "{text:?}");
    }
}

proptest! {
    #[test]
    fn any_duration_is_read_alike(text in "[ 0-9wdhms.*~%]{0,12}") {
        prop_assert_eq!(duration::parse_duration(&text).ok(), parse_duration(&text).ok());
        prop_assert_eq!(backoff(&text).ok(), Backoff::parse(&text).ok());
    }

    #[test]
    fn any_name_is_judged_alike(name in "[a-zA-Z0-9_.: /ö-]{0,140}") {
        prop_assert_eq!(names::check_name(&name).is_ok(), check_name(&name).is_ok());
    }
}
