use std::sync::Arc;
use std::time::Duration;

use super::support::{SECOND, START};
use crate::{Clock, Timestamp};

#[test]
fn a_manual_clock_stands_still_until_it_is_moved() {
    let clock = Clock::manual(START);
    assert_eq!((clock.now(), clock.now()), (START, START));
    clock.advance(SECOND);
    assert_eq!(clock.now(), START + SECOND);
    clock.set(START);
    assert_eq!(clock.now(), START);
}

#[test]
fn clones_show_the_same_time() {
    let clock = Clock::manual(START);
    let clone = clock.clone();
    clone.advance(SECOND);
    assert_eq!(clock.now(), START + SECOND);
}

#[test]
fn times_are_whole_microseconds() {
    let clock = Clock::manual(Timestamp::new(1, 1_999).unwrap());
    assert_eq!(clock.now(), Timestamp::new(1, 1_000).unwrap());
    clock.set(Timestamp::new(-1, -1_999).unwrap());
    assert_eq!(clock.now(), Timestamp::new(-1, -1_000).unwrap());
    clock.set(START);
    clock.advance(Duration::from_nanos(999));
    assert_eq!(clock.now(), START);
    assert_eq!(Clock::system().now().subsec_nanosecond() % 1_000, 0);
}

#[test]
fn the_system_clock_tells_the_time_of_this_machine() {
    let before = Timestamp::now() - Duration::from_micros(1);
    let now = Clock::system().now();
    assert!(before <= now && now <= Timestamp::now(), "{now}");
    assert!(!Clock::system().is_manual() && !Clock::default().is_manual() && Clock::manual(START).is_manual());
}

#[test]
fn listeners_hear_each_change_of_a_manual_clock_and_see_the_new_time() {
    let clock = Clock::manual(START);
    let seen = Arc::new(parking_lot::Mutex::new(Vec::new()));
    clock.on_change({
        let (clock, seen) = (clock.clone(), Arc::clone(&seen));
        move || seen.lock().push(clock.now())
    });
    clock.advance(SECOND);
    clock.clone().set(START);
    assert_eq!(*seen.lock(), [START + SECOND, START]);
}

#[test]
#[should_panic(expected = "only a manual clock can be set")]
fn nobody_sets_the_clock_of_the_machine() {
    Clock::system().set(START);
}

#[test]
fn a_clock_shows_which_one_it_is() {
    assert_eq!(format!("{:?}", Clock::system()), "Clock::system");
    assert_eq!(format!("{:?}", Clock::manual(START)), "Clock::manual(2026-11-22T10:00:00Z)");
}
