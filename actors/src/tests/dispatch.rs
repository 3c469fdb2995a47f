//! How many jobs a process takes.

use std::time::{Duration, Instant};

use crate::queue::{MOST, Pace, room};

#[test]
fn a_process_claims_its_free_permits_and_what_it_has_just_finished() {
    for (concurrency, claimed, ended, recent, expected) in [
        (100, 0, 0, 0, 100),
        (100, 40, 0, 0, 60),
        (100, 100, 0, 0, 0),
        (100, 100, 0, 30, 30),
        (100, 130, 0, 30, 0),
        // Claimed before the pace slackened: nothing more until that is done.
        (100, 130, 0, 0, 0),
        (1, 0, 0, 0, 1),
        (1, 1, 0, 0, 0),
        (1, 1, 0, 1, 1),
        // Never more than a batch, whatever the limit or the pace.
        (5_000, 0, 0, 0, MOST),
        (100, 0, 0, 50_000, MOST),
        (100, 100, 0, 50_000, MOST),
        (100, 100 + MOST, 0, 50_000, 0),
        (usize::MAX, 0, 0, usize::MAX, MOST),
        (0, 0, 0, 0, 0),
        // What has ended and is being written holds no permit,
        (100, 100, 40, 0, 40),
        (100, 700, 600, 600, 600),
        (1, 1, 1, 0, 1),
        // up to a batch of it.
        (100, 100 + 3 * MOST, 3 * MOST, 50_000, 0),
    ] {
        assert_eq!(room(concurrency, claimed, ended, recent), expected, "{concurrency} {claimed} {ended} {recent}");
    }
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn the_pace_counts_the_last_twenty_milliseconds() {
    let start = Instant::now();
    let mut pace = Pace::new(start);
    assert_eq!(pace.recent(start), 0);
    pace.finished(5, start + millis(1));
    pace.finished(7, start + millis(9));
    assert_eq!(pace.recent(start + millis(9)), 12);
    assert_eq!(pace.recent(start + millis(11)), 12, "the first half has become the half before");
    pace.finished(3, start + millis(12));
    assert_eq!(pace.recent(start + millis(13)), 15);
    assert_eq!(pace.recent(start + millis(22)), 3, "the first ones are too long ago");
    assert_eq!(pace.recent(start + millis(33)), 0);
}

#[test]
fn the_pace_forgets_after_a_long_rest() {
    let start = Instant::now();
    let mut pace = Pace::new(start);
    pace.finished(1_000, start);
    assert_eq!(pace.recent(start + millis(5_000)), 0);
    pace.finished(2, start + millis(5_001));
    assert_eq!(pace.recent(start + millis(5_002)), 2);
}

#[test]
fn the_pace_bears_a_time_that_stands_before_its_start() {
    let start = Instant::now() + millis(100);
    let mut pace = Pace::new(start);
    pace.finished(4, start - millis(50));
    assert_eq!(pace.recent(start), 4);
}
