//! What becomes of many reports.

use std::time::{Duration, Instant};

use callboard_tasks::Timestamp;

use super::*;
use crate::csp::reports::desk::Desk;

const WINDOW: Duration = Duration::from_secs(60);

fn violation(host: &str) -> CspViolation {
    use crate::csp::reports::normalise::{Circumstances, normalise};
    use crate::csp::reports::parse::{Format, parse};
    let body = format!(
        r#"{{"csp-report":{{"document-uri":"https://app.example/","effective-directive":"img-src","blocked-uri":"https://{host}/"}}}}"#
    );
    let parsed = parse(Format::Old, body.as_bytes()).unwrap();
    let about = Circumstances { now: Timestamp::UNIX_EPOCH, user_agent: "", route: &|_| None };
    normalise(&parsed.violations[0], &about).unwrap()
}

#[test]
fn the_first_is_told_at_once_and_what_repeats_once_in_a_while() {
    let (mut desk, start) = (Desk::default(), Instant::now());
    let at = |seconds| start + Duration::from_secs(seconds);
    assert_eq!(desk.receive(violation("a.example"), at(0)), Some(violation("a.example")));
    for second in 1..=4 {
        assert_eq!(desk.receive(violation("a.example"), at(second)), None);
    }
    assert!(desk.receive(violation("b.example"), at(5)).is_some(), "another one is another one");
    assert_eq!(desk.expire(at(59)), []);
    assert_eq!(desk.next_end(), Some(start + WINDOW));
    let told = desk.expire(at(60));
    assert_eq!(told, [CspViolation { count: 4, ..violation("a.example") }]);
    assert_eq!(desk.expire(at(65)), [], "what came once is not told again");
    assert_eq!(desk.next_end(), None);
    assert!(desk.receive(violation("a.example"), at(66)).is_some(), "after a while it is new again");

    let summary = desk.summary();
    assert_eq!((summary.counts.received, summary.counts.repeated), (7, 4));
    let recent: Vec<_> = summary.recent.iter().map(|shown| (shown.blocked.to_string(), shown.count)).collect();
    let expected = [("https://a.example", 1), ("https://b.example", 1), ("https://a.example", 5)];
    assert_eq!(recent, expected.map(|(blocked, count)| (blocked.to_owned(), count)));
}

#[test]
fn what_is_counted_adds_up_while_it_is_still_going_on() {
    let (mut desk, now) = (Desk::default(), Instant::now());
    (0..10).for_each(|_| drop(desk.receive(violation("a.example"), now)));
    assert_eq!(desk.summary().recent[0].count, 10);
}

#[test]
fn a_flood_of_ever_new_ones_is_counted_and_little_of_it_kept() {
    let (mut desk, start) = (Desk::default(), Instant::now());
    let mut told = 0;
    for n in 0..100_000_u32 {
        let mut invented = violation("x.example");
        invented.blocked = Blocked::Origin(format!("https://{}{n}.example", "x".repeat(400)));
        let now = start + Duration::from_millis(n.into());
        told += usize::from(desk.receive(invented, now).is_some()) + desk.expire(now).len();
    }
    assert_eq!(told, 300);
    let summary = desk.summary();
    assert_eq!((summary.counts.received, summary.counts.suppressed), (100_000, 99_700));
    assert_eq!(summary.recent.len(), 300);
    let kept: usize = summary.recent.iter().map(|shown| format!("{shown:?}").len()).sum();
    assert!(kept < 1_000_000, "{kept} bytes");
    // An hour later there is room again, and the list stays as long as it is.
    for hour in 1..=3 {
        for n in 0..300 {
            let now = start + Duration::from_secs(hour * 3_700) + Duration::from_millis(n);
            assert!(desk.receive(violation(&format!("h{hour}-{n}.example")), now).is_some());
            desk.expire(now + WINDOW);
        }
    }
    assert_eq!(desk.summary().recent.len(), 500);
}
