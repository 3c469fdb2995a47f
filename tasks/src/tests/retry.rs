use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;

use super::support::{HOUR, MINUTE, SECOND};
use crate::{Backoff, JobId, RetryPolicy};

fn pauses(backoff: Backoff, attempts: u32) -> Vec<u64> {
    (1..=attempts).map(|attempt| backoff.after(attempt).as_secs()).collect()
}

fn backoffs() -> impl Strategy<Value = Backoff> {
    let duration = || (any::<u64>(), 0..1_000_000_000u32).prop_map(|(s, ns)| Duration::new(s, ns));
    prop_oneof![
        Just(Backoff::Default),
        duration().prop_map(Backoff::Fixed),
        (duration(), duration()).prop_map(|(a, b)| Backoff::Doubling { first: a.min(b), most: a.max(b) }),
    ]
}

#[test]
fn the_default_pauses_grow_as_the_fourth_power_up_to_six_hours() {
    let pauses = pauses(Backoff::Default, 14);
    assert_eq!(pauses[..5], [2, 17, 82, 257, 626]);
    assert_eq!(pauses[11..], [20_737, 21_600, 21_600]);
}

#[test]
fn the_default_policy_rides_out_half_a_day() {
    let RetryPolicy { max_attempts, backoff } = RetryPolicy::default();
    assert_eq!((max_attempts, backoff), (12, Backoff::Default));
    let in_all: Duration = (1..max_attempts).map(|attempt| backoff.after(attempt)).sum();
    assert!(in_all > 10 * HOUR && in_all < 14 * HOUR, "{in_all:?}");
}

#[test]
fn a_fixed_pause_is_always_the_same() {
    assert_eq!(pauses(Backoff::Fixed(30 * SECOND), 3), [30, 30, 30]);
}

#[test]
fn a_doubling_pause_stays_at_its_most() {
    assert_eq!(pauses(Backoff::Doubling { first: 2 * SECOND, most: 15 * SECOND }, 5), [2, 4, 8, 15, 15]);
    let slow = Backoff::Doubling { first: Duration::from_nanos(1), most: Duration::MAX };
    assert_eq!(slow.after(41), Duration::from_nanos(1 << 40));
    assert_eq!(slow.after(u32::MAX), Duration::MAX);
}

#[test]
fn an_exponential_pause_grows_by_its_factor_and_stays_at_its_most() {
    let grown = |factor_percent, jitter_percent| Backoff::Exponential {
        first: 4 * SECOND,
        factor_percent,
        most: 20 * SECOND,
        jitter_percent,
    };
    assert_eq!(pauses(grown(150, 0), 5), [4, 6, 9, 13, 20]);
    assert_eq!(pauses(grown(100, 0), 3), [4, 4, 4]);
    assert_eq!(grown(10_000, 100).after(u32::MAX), 20 * SECOND);
    let id = |n: u64| JobId::from_uuid(Uuid::from_u128(u128::from(n) * 0x1234_5678_9abc_def1));
    assert_eq!(grown(150, 0).with_jitter(2, id(1)), 6 * SECOND, "without jitter it is exact");
    let shares: Vec<_> = (0..200).map(|n| grown(100, 50).with_jitter(1, id(n)).as_secs_f64() / 4.0).collect();
    assert!(shares.iter().all(|share| (0.5..=1.5).contains(share)), "{shares:?}");
    assert!(shares.iter().any(|share| *share < 0.6) && shares.iter().any(|share| *share > 1.4), "{shares:?}");
}

#[test]
fn no_first_pause_doubles_to_none() {
    assert_eq!(pauses(Backoff::Doubling { first: Duration::ZERO, most: SECOND }, 3), [0, 0, 0]);
}

#[test]
fn the_attempt_that_counts_as_zero_pauses_like_the_first() {
    for backoff in [Backoff::Default, Backoff::Doubling { first: SECOND, most: MINUTE }] {
        assert_eq!(backoff.after(0), backoff.after(1));
    }
}

proptest! {
    #[test]
    fn pauses_never_shrink_and_never_overflow(backoff in backoffs(), attempt in any::<u32>(), id in any::<u128>()) {
        let later = attempt.saturating_add(1);
        prop_assert!(backoff.after(attempt) <= backoff.after(later));
        let id = JobId::from_uuid(Uuid::from_u128(id));
        for attempt in [attempt, later, 0, u32::MAX] {
            let (plain, jittered) = (backoff.after(attempt), backoff.with_jitter(attempt, id));
            // Both are cut to nanoseconds.
            let share = (jittered.as_secs_f64() - plain.as_secs_f64()).abs() / (plain.as_secs_f64() + 1e-8);
            prop_assert!(share <= 0.100_001, "{jittered:?} of {plain:?}");
        }
    }

    #[test]
    fn jitter_is_the_same_for_the_same_job_and_attempt(attempt in 1..100u32, id in any::<u128>()) {
        let id = JobId::from_uuid(Uuid::from_u128(id));
        prop_assert_eq!(Backoff::Default.with_jitter(attempt, id), Backoff::Default.with_jitter(attempt, id));
    }
}

#[test]
fn jitter_spreads_a_crowd_of_neighbours_over_its_whole_range() {
    let base = 0x0193_b3a0_5c1e_7d2a_9f00_1c2d_3e4f_0000_u128;
    let mut seconds: Vec<f64> = (0..1_000)
        .map(|n| Backoff::Fixed(100 * SECOND).with_jitter(1, JobId::from_uuid(Uuid::from_u128(base + n))).as_secs_f64())
        .collect();
    seconds.sort_by(f64::total_cmp);
    assert!(seconds[0] < 91.0 && seconds[999] > 109.0, "{} to {}", seconds[0], seconds[999]);
    let largest_gap = seconds.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
    assert!(largest_gap < 1.0, "{largest_gap}");
}

#[test]
fn a_backoff_is_read_in_each_of_its_forms() {
    assert_eq!(Backoff::parse("default"), Ok(Backoff::Default));
    assert_eq!(Backoff::parse(" 30s "), Ok(Backoff::Fixed(30 * SECOND)));
    assert_eq!(Backoff::parse("2s..10m"), Ok(Backoff::Doubling { first: 2 * SECOND, most: 10 * MINUTE }));
    assert_eq!(Backoff::parse("2s .. 2s"), Ok(Backoff::Doubling { first: 2 * SECOND, most: 2 * SECOND }));
    let grown = |factor_percent, jitter_percent| {
        Ok(Backoff::Exponential { first: 2 * SECOND, factor_percent, most: 10 * MINUTE, jitter_percent })
    };
    assert_eq!(Backoff::parse("2s*1.5..10m"), grown(150, 10));
    assert_eq!(Backoff::parse("2s * 3 .. 10m ~ 25%"), grown(300, 25));
    assert_eq!(Backoff::parse("2s..10m~0%"), grown(200, 0));
    let even = Backoff::Exponential { first: MINUTE, factor_percent: 100, most: MINUTE, jitter_percent: 50 };
    assert_eq!(Backoff::parse("1m~50%"), Ok(even));
}

#[test]
fn a_backoff_that_is_none_of_them_is_refused_with_all_of_them() {
    let wrong = ["", "fast", "2s..", "..10m", "2s..4s..8s", "2s-10m", "2s*2", "2s*0.9..10m", "2s~200%", "2s~12.5%"];
    for text in wrong {
        let problem = format!(
            r#"{text:?} is not a backoff; write "30s", "2s..10m", "2s*1.5..10m", one of them with a jitter ("2s..10m~25%"), or "default""#
        );
        assert_eq!(Backoff::parse(text), Err(problem));
    }
    let problem = r#""10m..2s" is not a backoff: its cap is shorter than its first pause"#;
    assert_eq!(Backoff::parse("10m..2s"), Err(problem.into()));
}

#[test]
fn a_policy_is_stored_and_read_back() {
    for backoff in [Backoff::Default, Backoff::Fixed(SECOND), Backoff::Doubling { first: SECOND, most: HOUR }] {
        let policy = RetryPolicy { max_attempts: 3, backoff };
        let text = serde_json::to_string(&policy).unwrap();
        assert_eq!(serde_json::from_str::<RetryPolicy>(&text).unwrap(), policy, "{text}");
    }
}
