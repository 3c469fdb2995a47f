//! Rates and limits as numbers.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::{QueueLimits, Rate};

const NOW: Timestamp = Timestamp::constant(1_767_225_600, 0);

fn rate(text: &str) -> Rate {
    text.parse().expect("a rate")
}

#[test]
fn a_rate_is_read_as_it_is_written() {
    assert_eq!(rate("100/1m"), Rate { count: 100, window: Duration::from_secs(60) });
    assert_eq!(rate(" 3 / 1h30m ").to_string(), "3/1h30m");
}

#[test]
fn what_is_no_rate_is_refused_with_the_form() {
    for text in ["", "10", "10/banana", "banana/1m", "-1/1m", "10/", "1.5/1m", "10/1m/2"] {
        let problem = text.parse::<Rate>().unwrap_err();
        assert!(problem.contains("\"100/1m\""), "{text}: {problem}");
    }
    assert!("0/1m".parse::<Rate>().unwrap_err().contains("pause the queue"));
    assert!("2000/1ms".parse::<Rate>().unwrap_err().contains("microsecond"));
    assert!("1/400d".parse::<Rate>().unwrap_err().contains("a year"));
}

#[test]
fn a_limit_of_zero_is_refused_with_its_field() {
    let of = |limits: QueueLimits| limits.check().unwrap_err().0;
    assert_eq!(of(QueueLimits { concurrency: Some(0), ..QueueLimits::default() }), "concurrency");
    assert_eq!(of(QueueLimits { key_concurrency: Some(0), ..QueueLimits::default() }), "key_concurrency");
    assert_eq!(of(QueueLimits { depth: Some(0), ..QueueLimits::default() }), "depth");
    let never = Rate { count: 0, window: Duration::from_secs(1) };
    assert_eq!(of(QueueLimits { key_rate: Some(never), ..QueueLimits::default() }), "key_rate");
    assert_eq!(QueueLimits::default().check(), Ok(()));
}

#[test]
fn limits_are_kept_as_json() {
    let limits = QueueLimits { concurrency: Some(4), rate: Some(rate("100/1m")), ..QueueLimits::default() };
    let json = serde_json::to_string(&limits).expect("numbers have a JSON");
    assert_eq!(json, r#"{"concurrency":4,"rate":"100/1m"}"#);
    assert_eq!(serde_json::from_str::<QueueLimits>(&json).expect("as it was"), limits);
}

#[test]
fn after_a_rest_the_whole_number_may_start() {
    let rate = rate("6/1m");
    assert_eq!(rate.permits(None, NOW), 6);
    assert_eq!(rate.free_at(None, NOW), NOW);
    let next = rate.after(None, NOW, 6);
    assert_eq!(rate.permits(Some(next), NOW), 0);
    assert_eq!(rate.free_at(Some(next), NOW), NOW + SignedDuration::from_secs(10));
    assert_eq!(rate.permits(Some(next), NOW + SignedDuration::from_secs(10)), 1);
    assert_eq!(rate.permits(Some(next), NOW + SignedDuration::from_hours(10)), 6);
}

proptest! {
    /// Whoever takes what is free whenever he comes never starts more than the number and a burst of it in any window,
    /// and never waits when the rate says that it is free.
    #[test]
    fn a_rate_is_never_passed(count in 1_u32..20, window in 1_u64..100_000, pauses in prop::collection::vec(0_i64..20_000, 1..200)) {
        let rate = Rate { count, window: Duration::from_millis(window) };
        let (mut now, mut next, mut starts) = (NOW, None, Vec::new());
        for pause in pauses {
            now += SignedDuration::from_millis(pause);
            let free = rate.permits(next, now);
            prop_assert!(free <= count);
            prop_assert_eq!(free > 0, rate.free_at(next, now) == now);
            if free > 0 {
                next = Some(rate.after(next, now, free));
                starts.extend(std::iter::repeat_n(now, free as usize));
            }
        }
        let window = SignedDuration::try_from(rate.window).expect("it is short");
        for (n, start) in starts.iter().enumerate() {
            let within = starts[n..].iter().take_while(|other| **other < *start + window).count();
            prop_assert!(within <= 2 * count as usize, "{within} in a window");
        }
        if let (Some(first), Some(last)) = (starts.first(), starts.last()) {
            let steps = (*last - *first).total(jiff::Unit::Microsecond).expect("no calendar") / rate.step_micros() as f64;
            prop_assert!(starts.len() as f64 <= f64::from(count) + steps + 1.0);
        }
    }
}
