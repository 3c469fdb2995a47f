use std::time::Duration;

use proptest::prelude::*;

use super::support::{HOUR, MINUTE, SECOND, START};
use crate::{RunAfter, Timestamp, format_duration, parse_duration};

#[test]
fn durations_are_read_by_their_units() {
    let cases = [
        ("250ms", Duration::from_millis(250)),
        ("30s", 30 * SECOND),
        ("5m", 5 * MINUTE),
        ("1h30m", 90 * MINUTE),
        ("7d", 7 * 24 * HOUR),
        ("2w", 14 * 24 * HOUR),
        ("1w1d1h1m1s1ms", 8 * 24 * HOUR + HOUR + MINUTE + SECOND + Duration::from_millis(1)),
        ("1h5ms", HOUR + Duration::from_millis(5)),
        ("0s", Duration::ZERO),
        ("007s", 7 * SECOND),
        ("90m", 90 * MINUTE),
        (" 5s ", 5 * SECOND),
        ("18446744073709551615ms", Duration::from_millis(u64::MAX)),
    ];
    for (text, expected) in cases {
        assert_eq!(parse_duration(text), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_not_a_duration_is_refused_with_what_is_wrong() {
    let units = "write numbers with their units w, d, h, m, s, ms, as in \"1h30m\"";
    let cases = [
        ("", format!("\"\" is not a duration: {units}")),
        (" ", format!("\" \" is not a duration: {units}")),
        ("soon", format!("\"soon\" is not a duration: {units}")),
        ("5min", format!("\"5min\" is not a duration: {units}")),
        ("5S", format!("\"5S\" is not a duration: {units}")),
        ("1.5h", format!("\"1.5h\" is not a duration: {units}")),
        ("-5s", format!("\"-5s\" is not a duration: {units}")),
        ("1h 30m", format!("\"1h 30m\" is not a duration: {units}")),
        ("s", format!("\"s\" is not a duration: {units}")),
        ("5µs", format!("\"5µs\" is not a duration: {units}")),
        ("٣s", format!("\"٣s\" is not a duration: {units}")),
        ("30", "\"30\" is a duration without a unit; write \"30s\" for seconds".into()),
        ("1h30", "\"1h30\" is a duration without a unit; write \"30s\" for seconds".into()),
        ("30m1h", "\"30m1h\" is not a duration: its units must go from large to small".into()),
        ("1s1s", "\"1s1s\" is not a duration: its units must go from large to small".into()),
        ("18446744073709551616ms", "\"18446744073709551616ms\" is too long a duration".into()),
        ("99999999999999999w", "\"99999999999999999w\" is too long a duration".into()),
        ("18446744073709551s616ms", "\"18446744073709551s616ms\" is too long a duration".into()),
    ];
    for (text, problem) in cases {
        assert_eq!(parse_duration(text), Err(problem), "{text}");
    }
}

#[test]
fn durations_are_written_in_whole_milliseconds() {
    let cases = [
        (Duration::ZERO, "0s"),
        (Duration::from_micros(999), "0s"),
        (Duration::from_micros(1_999), "1ms"),
        (90 * SECOND, "1m30s"),
        (HOUR, "1h"),
        (8 * 24 * HOUR, "8d"),
        (24 * HOUR + Duration::from_millis(1), "1d1ms"),
        (Duration::MAX, "213503982334601d7h15s999ms"),
    ];
    for (duration, expected) in cases {
        assert_eq!(format_duration(duration), expected);
    }
}

proptest! {
    #[test]
    fn a_duration_is_read_back_as_it_was_written(ms in any::<u64>(), small in 0..100_000_000u64) {
        for ms in [ms, small] {
            let duration = Duration::from_millis(ms);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }
    }

    #[test]
    fn no_text_makes_reading_a_duration_panic(text in any::<String>(), likely in "[0-9wdhms. ]{0,24}") {
        for text in [text, likely] {
            if let Ok(duration) = parse_duration(&text) {
                prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
            }
            let _ = RunAfter::from(text).resolve(START);
        }
    }

    #[test]
    fn a_pause_is_never_cut_short(nanos in 0..10_000_000_000u64) {
        let pause = Duration::from_nanos(nanos);
        let at = RunAfter::In(pause).resolve(START).unwrap().unwrap();
        let waited = Duration::try_from(at.duration_since(START)).unwrap();
        prop_assert!(waited >= pause && waited - pause < Duration::from_micros(1));
    }
}

#[test]
fn now_is_no_time() {
    assert_eq!(RunAfter::Now.resolve(START), Ok(None));
    assert_eq!(RunAfter::default(), RunAfter::Now);
    assert_eq!(RunAfter::from(None::<Timestamp>), RunAfter::Now);
}

// Django 18
#[test]
fn a_time_in_the_past_is_accepted() {
    let past = START - HOUR;
    assert_eq!(RunAfter::from(past).resolve(START), Ok(Some(past)));
    assert_eq!(
        RunAfter::from("2020-01-01T00:00:00Z").resolve(START),
        Ok(Some("2020-01-01T00:00:00Z".parse().unwrap()))
    );
}

// Django 19
#[test]
fn a_pause_counts_from_the_enqueue() {
    assert_eq!(RunAfter::from(5 * MINUTE).resolve(START), Ok(Some(START + 5 * MINUTE)));
    assert_eq!(RunAfter::from("1h30m").resolve(START), Ok(Some(START + 90 * MINUTE)));
    assert_eq!(RunAfter::from(String::from("0s")).resolve(START), Ok(Some(START)));
}

#[test]
fn a_time_as_text_may_be_of_any_zone() {
    let noon = Ok(Some("2026-11-22T12:00:00Z".parse().unwrap()));
    assert_eq!(RunAfter::from("2026-11-22T12:00:00Z").resolve(START), noon);
    assert_eq!(RunAfter::from("2026-11-22T13:00:00+01:00").resolve(START), noon);
}

// Django 16, 17
#[test]
fn a_time_without_its_zone_is_refused() {
    let problem = RunAfter::from("2026-11-22T12:00:00").resolve(START).unwrap_err();
    assert_eq!(
        problem,
        "\"2026-11-22T12:00:00\" is not a time with its zone (\"2026-11-22T10:00:00Z\") or a pause (\"5m\")"
    );
}

#[test]
fn a_pause_without_a_unit_is_told_apart_from_other_text() {
    let problem = RunAfter::from("30").resolve(START).unwrap_err();
    assert_eq!(problem, "\"30\" is a duration without a unit; write \"30s\" for seconds");
}

#[test]
fn a_pause_beyond_the_calendar_is_refused() {
    let beyond = Err("lies beyond the year 9999; give an earlier time or leave it out".into());
    assert_eq!(RunAfter::In(Duration::MAX).resolve(START), beyond);
    assert_eq!(RunAfter::from("999999w").resolve(START), beyond);
}

/// Else the job that a store gives back would differ from the one that it was given.
#[test]
fn times_are_rounded_up_to_the_microseconds_that_stores_keep() {
    let at = Timestamp::new(START.as_second(), 1_001).unwrap();
    let rounded = Timestamp::new(START.as_second(), 2_000).unwrap();
    assert_eq!(RunAfter::At(at).resolve(START), Ok(Some(rounded)));
    assert_eq!(RunAfter::At(rounded).resolve(START), Ok(Some(rounded)));
    assert_eq!(RunAfter::In(Duration::from_nanos(1)).resolve(START), Ok(Some(START + Duration::from_micros(1))));
    assert_eq!(RunAfter::from("2026-11-22T10:00:00.0000019Z").resolve(START), Ok(Some(rounded)));

    let before_1970 = Timestamp::new(-1, -999_999_999).unwrap();
    assert_eq!(RunAfter::At(before_1970).resolve(START), Ok(Some(Timestamp::new(-1, -999_999_000).unwrap())));
    let last = RunAfter::At(Timestamp::MAX).resolve(START).unwrap().unwrap();
    assert_eq!(last.subsec_nanosecond(), 999_999_000);
}

#[test]
fn a_time_that_does_not_exist_is_told_from_one_without_a_zone() {
    for text in ["2026-02-30T10:00:00Z", "9999-12-31T23:59:59Z"] {
        let problem = RunAfter::from(text).resolve(Timestamp::UNIX_EPOCH).unwrap_err();
        assert!(problem.starts_with(&format!("{text:?} is no time that can be kept (")), "{problem}");
    }
}
