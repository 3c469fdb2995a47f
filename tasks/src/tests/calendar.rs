//! When cron lines fire: over ten years, in zones that change their clocks in different ways.

use std::time::Duration;

use jiff::civil::{Date, DateTime, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use proptest::prelude::*;

use crate::{Calendar, Due, Missed};

/// North and south, by half an hour, at midnight, and not at all.
const ZONES: [&str; 6] =
    ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "America/Santiago", "Asia/Kolkata"];

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn calendar(line: &str, zone: &str) -> Calendar {
    Calendar::new(line, zone).unwrap()
}

fn ticks(line: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    calendar(line, zone).ticks_after(at(after)).take(count).map(|tick| tick.to_string()).collect()
}

/// The first instant at which the clock on the wall shows this time or a later one: the rule for lines that name hours.
fn reached(zone: &TimeZone, local: DateTime) -> Timestamp {
    let ambiguous = zone.to_ambiguous_timestamp(local);
    if !ambiguous.is_ambiguous() {
        return ambiguous.unambiguous().unwrap();
    }
    let mut instant = ambiguous.earlier().unwrap() - SignedDuration::from_hours(3);
    while zone.to_datetime(instant) < local {
        instant += SignedDuration::from_mins(1);
    }
    instant
}

fn days() -> impl Iterator<Item = Date> {
    (0..3_653).map(|n| date(2026, 1, 1) + n.days())
}

#[test]
fn over_ten_years_a_line_that_names_hours_fires_once_for_each_local_time() {
    for (line, times) in [("30 2 * * *", vec![(2, 30)]), ("0 0,2 * * *", vec![(0, 0), (2, 0)])] {
        for name in ZONES {
            let zone = TimeZone::get(name).unwrap();
            let local = |day: Date| times.iter().map(move |(hour, minute)| day.at(*hour, *minute, 0, 0));
            let mut expected: Vec<_> = days().flat_map(local).map(|local| reached(&zone, local)).collect();
            expected.dedup();
            let before = expected[0] - SignedDuration::from_secs(1);
            let found: Vec<_> = calendar(line, name).ticks_after(before).take(expected.len()).collect();
            assert!(found == expected, "{line} in {name}");
        }
    }
}

#[test]
fn over_ten_years_a_line_for_every_hour_fires_whenever_the_clock_shows_it() {
    let ten_years = 3_653 * 48;
    for name in ["Europe/Berlin", "Australia/Lord_Howe"] {
        let zone = TimeZone::get(name).unwrap();
        let start = at("2026-01-01T00:00:00Z");
        let half_hours = (1..=ten_years).map(|n| start + SignedDuration::from_mins(30 * n));
        let expected: Vec<_> = half_hours.filter(|instant| zone.to_datetime(*instant).minute() == 30).collect();
        let found: Vec<_> = calendar("30 * * * *", name).ticks_after(start).take(expected.len()).collect();
        assert!(found == expected, "{name}");
    }
}

#[test]
fn a_time_that_does_not_exist_fires_at_the_end_of_the_gap() {
    // In Berlin the clocks go from two to three at one o'clock UTC.
    assert_eq!(
        ticks("30 2 * * *", "Europe/Berlin", "2027-03-27T12:00:00Z", 2),
        ["2027-03-28T01:00:00Z", "2027-03-29T00:30:00Z"]
    );
    // Also one of several hours, and also where midnight itself is missing.
    assert_eq!(
        ticks("30 2,14 * * *", "Europe/Berlin", "2027-03-28T00:00:00Z", 2),
        ["2027-03-28T01:00:00Z", "2027-03-28T12:30:00Z"]
    );
    assert_eq!(ticks("0 0 * * *", "Africa/Cairo", "2027-04-29T12:00:00Z", 1), ["2027-04-29T22:00:00Z"]);
}

#[test]
fn times_that_fall_together_behind_a_gap_fire_once() {
    assert_eq!(
        ticks("*/15 2,3 * * *", "Europe/Berlin", "2027-03-28T00:00:00Z", 3),
        ["2027-03-28T01:00:00Z", "2027-03-28T01:15:00Z", "2027-03-28T01:30:00Z"]
    );
}

#[test]
fn a_day_that_a_country_leaves_out_fires_when_the_next_one_begins() {
    assert_eq!(
        ticks("0 9 * * *", "Pacific/Apia", "2011-12-29T12:00:00Z", 3),
        ["2011-12-29T19:00:00Z", "2011-12-30T10:00:00Z", "2011-12-30T19:00:00Z"]
    );
}

#[test]
fn a_time_that_comes_twice_fires_the_first_time() {
    let expected = ["2027-10-31T00:30:00Z", "2027-11-01T01:30:00Z"];
    assert_eq!(ticks("30 2 * * *", "Europe/Berlin", "2027-10-30T12:00:00Z", 2), expected);
    // Asked from within the second of the two hours, too.
    assert_eq!(ticks("30 2 * * *", "Europe/Berlin", "2027-10-31T01:10:00Z", 1), expected[1..]);
}

#[test]
fn every_hour_fires_in_both_hours_that_look_alike() {
    assert_eq!(
        ticks("30 * * * *", "Europe/Berlin", "2027-10-31T00:00:00Z", 3),
        ["2027-10-31T00:30:00Z", "2027-10-31T01:30:00Z", "2027-10-31T02:30:00Z"]
    );
    assert_eq!(
        ticks("30 * * * *", "Europe/Berlin", "2027-03-28T00:00:00Z", 2),
        ["2027-03-28T00:30:00Z", "2027-03-28T01:30:00Z"]
    );
}

#[test]
fn seconds_stand_in_front_and_parts_of_one_count_for_the_next() {
    assert_eq!(
        ticks("*/20 * * * * *", "UTC", "2026-01-01T00:00:19.999999Z", 3),
        ["2026-01-01T00:00:20Z", "2026-01-01T00:00:40Z", "2026-01-01T00:01:00Z"]
    );
    assert_eq!(ticks("*/20 * * * * *", "UTC", "2026-01-01T00:00:20Z", 1), ["2026-01-01T00:00:40Z"]);
}

#[test]
fn names_and_days_are_those_of_cron() {
    let first = |line| ticks(line, "UTC", "2026-11-26T12:00:00Z", 1).remove(0);
    assert_eq!(first("@daily"), "2026-11-27T00:00:00Z");
    assert_eq!(first("@Yearly"), "2027-01-01T00:00:00Z");
    assert_eq!(first("0 9 * * mon-fri"), "2026-11-27T09:00:00Z");
    assert_eq!(first("0 9 * * 7"), "2026-11-29T09:00:00Z");
    assert_eq!(first("0 9 L * *"), "2026-11-30T09:00:00Z");
    assert_eq!(first("0 9 * * MON#2"), "2026-12-14T09:00:00Z");
    assert_eq!(first("0 0 29 2 *"), "2028-02-29T00:00:00Z");
    // Two days that are both said: either of them; with a plus, only both.
    assert_eq!(first("0 9 13 * FRI"), "2026-11-27T09:00:00Z");
    assert_eq!(first("0 9 13 * +FRI"), "2027-08-13T09:00:00Z");
}

#[test]
fn a_wrong_line_is_refused_with_its_field_and_the_fix() {
    let refused = |line| match Calendar::new(line, "UTC") {
        Err(("cron", problem)) => problem,
        other => panic!("{line}: {other:?}"),
    };
    for (line, says) in [
        ("61 * * * *", "has \"61\" as its minute; write *, or 0-59"),
        ("0 24 * * *", "has \"24\" as its hour; write *, or 0-23"),
        ("0 9 * FOO *", "has \"FOO\" as its month; write *, or 1-12 or JAN-DEC"),
        ("0 9 32 * *", "has \"32\" as its day of the month"),
        ("0 9 * * 8", "has \"8\" as its day of the week"),
        ("60 0 9 * * *", "has \"60\" as its second"),
        (", * * * *", "has \",\" as its minute"),
        ("0 22-6 * * *", "has \"22-6\" as its hour"),
        ("0 9 * *", "has 4 fields; write 5"),
        ("0 0 9 * * * 2027", "has 7 fields"),
        ("", "has no fields"),
        ("@reboot", "\"@reboot\" is not known; there are @hourly"),
        ("0 0 30 2 *", "never fires: no day fits both its day of the month and its month"),
        ("0 0 31 4,6,9,11 *", "never fires"),
    ] {
        let problem = refused(line);
        assert!(problem.contains(says), "{line}: {problem}");
    }
}

#[test]
fn a_zone_that_does_not_exist_is_refused_with_one_like_it() {
    let refused = |zone| match Calendar::new("0 9 * * *", zone) {
        Err(("timezone", problem)) => problem,
        other => panic!("{zone}: {other:?}"),
    };
    assert!(refused("Berlin").contains("did you mean \"Europe/Berlin\"?"), "{}", refused("Berlin"));
    assert!(refused("Europe/Berlim").contains("\"Europe/Berlin\""), "{}", refused("Europe/Berlim"));
    assert!(refused("").contains("is no time zone"));
    assert_eq!(calendar("0 9 * * *", "europe/berlin").timezone(), "Europe/Berlin");
}

#[test]
fn zones_are_there_without_a_database_of_the_system() {
    let bundled = jiff::tz::TimeZoneDatabase::bundled();
    assert!(ZONES.iter().all(|name| bundled.get(name).is_ok()));
}

#[test]
fn what_is_on_time_is_taken_tick_by_tick() {
    let each_ten_seconds = calendar("*/10 * * * * *", "UTC");
    let due = each_ten_seconds.due(Missed::Skip, at("2026-01-01T00:00:00Z"), at("2026-01-01T00:00:35Z"));
    let taken = ["2026-01-01T00:00:10Z", "2026-01-01T00:00:20Z", "2026-01-01T00:00:30Z"].map(at).to_vec();
    assert_eq!(due, Some(Due { until: taken[2], ticks: taken }));
    assert_eq!(each_ten_seconds.due(Missed::One, at("2026-01-01T00:00:00Z"), at("2026-01-01T00:00:09Z")), None);
}

#[test]
fn missed_ticks_are_passed_over_made_up_for_once_or_each() {
    let hourly = calendar("@hourly", "UTC");
    let (after, now) = (at("2026-01-01T00:00:00Z"), at("2026-01-01T05:30:00Z"));
    let due = |missed| hourly.due(missed, after, now).unwrap();
    assert_eq!(due(Missed::Skip), Due { ticks: vec![], until: at("2026-01-01T05:00:00Z") });
    assert_eq!(due(Missed::One), Due { ticks: vec![at("2026-01-01T05:00:00Z")], until: at("2026-01-01T05:00:00Z") });

    // Those that are too old are passed over first.
    let all = Missed::All { within: Duration::from_secs(2 * 3600) };
    assert_eq!(due(all), Due { ticks: vec![], until: at("2026-01-01T03:00:00Z") });
    let rest = hourly.due(all, at("2026-01-01T03:00:00Z"), now).unwrap();
    assert_eq!(rest.ticks, ["2026-01-01T04:00:00Z", "2026-01-01T05:00:00Z"].map(at));
    assert_eq!(rest.until, at("2026-01-01T05:00:00Z"));
}

#[test]
fn many_missed_ticks_come_in_parts_and_cost_no_walk() {
    let each_second = calendar("* * * * * *", "UTC");
    let (after, now) = (at("2016-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z"));
    assert_eq!(each_second.due(Missed::One, after, now).unwrap().until, now);
    let all = Missed::All { within: Duration::from_secs(3600) };
    let passed = each_second.due(all, after, now).unwrap();
    assert_eq!(passed, Due { ticks: vec![], until: at("2025-12-31T22:59:59Z") });
    assert_eq!(each_second.due(all, passed.until, now).unwrap().ticks.len(), 100);
}

#[test]
fn the_policy_is_written_as_it_is_read() {
    for text in ["skip", "one", "all within 1h30m"] {
        assert_eq!(text.parse::<Missed>().unwrap().to_string(), text);
    }
    assert!("all".parse::<Missed>().unwrap_err().contains("all within 6h"));
    assert!("all within x".parse::<Missed>().is_err());
    assert!("none".parse::<Missed>().unwrap_err().contains("write \"skip\""));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn nothing_lies_between_a_time_and_its_next_tick(
        line in prop::sample::select(vec!["*/7 * * * *", "5 */3 * * *", "0 2 1,15 * MON", "30 1 * * 0", "10 5 2 * * *"]),
        zone in prop::sample::select(ZONES.to_vec()),
        second in 1_767_225_600_i64..2_082_758_400,
        back in 1_i64..100_000,
    ) {
        let calendar = calendar(line, zone);
        let after = Timestamp::from_second(second).unwrap();
        let next = calendar.next_after(after).unwrap();
        prop_assert!(next > after);
        prop_assert_eq!(calendar.next_after(next - SignedDuration::from_nanos(1)), Some(next));
        prop_assert_eq!(calendar.last_until(after - SignedDuration::from_hours(24 * 40), next), Some(next));
        let earlier = after - SignedDuration::from_secs(back);
        prop_assert!(calendar.next_after(earlier).unwrap() <= next);
    }
}
