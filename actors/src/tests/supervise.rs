//! When a child comes back, and when it is given up.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::supervise::{Budget, DeathGuard, Exit, Restarts, Verdict};

const BUDGET: Budget = Budget { restarts: 3, within: Duration::from_secs(60), pause: Duration::from_millis(10) };

/// The verdicts on panics at these seconds.
fn verdicts<const N: usize>(seconds: [u64; N]) -> [Verdict; N] {
    let (mut restarts, start) = (Restarts::default(), Instant::now());
    seconds.map(|at| restarts.judge(Exit::Panicked, BUDGET, start + Duration::from_secs(at)))
}

const fn restart(millis: u64) -> Verdict {
    Verdict::Restart(Duration::from_millis(millis))
}

#[test]
fn a_child_that_panics_comes_back_after_a_pause_that_grows() {
    assert_eq!(verdicts([0, 1, 2]), [restart(10), restart(20), restart(30)]);
}

#[test]
fn a_child_that_panics_more_often_than_its_budget_is_given_up() {
    assert_eq!(verdicts([0, 1, 2, 3]), [restart(10), restart(20), restart(30), Verdict::GiveUp]);
    assert_eq!(verdicts([0, 0, 0, 60])[3], Verdict::GiveUp, "the window includes its end");
}

#[test]
fn panics_out_of_the_window_are_forgotten() {
    assert_eq!(verdicts([0, 1, 2, 61]), [restart(10), restart(20), restart(30), restart(30)]);
    assert_eq!(verdicts([0, 100, 200, 300]), [restart(10); 4]);
}

#[test]
fn a_child_that_ends_in_good_order_stays_ended() {
    let mut restarts = Restarts::default();
    let now = Instant::now();
    for _ in 0..10 {
        assert_eq!(restarts.judge(Exit::Stopped, BUDGET, now), Verdict::Leave);
    }
    assert_eq!(restarts.judge(Exit::Panicked, BUDGET, now), restart(10), "and it costs nothing");
}

#[test]
fn a_budget_of_none_gives_up_at_once() {
    let none = Budget { restarts: 0, ..BUDGET };
    assert_eq!(Restarts::default().judge(Exit::Panicked, none, Instant::now()), Verdict::GiveUp);
}

#[test]
fn a_death_guard_tells_a_panic_from_a_stop() {
    let (tell, told) = mpsc::channel();
    let guard = || {
        let tell = tell.clone();
        DeathGuard::new(move |exit| tell.send(exit).unwrap())
    };
    drop(guard());
    assert_eq!(told.try_recv(), Ok(Exit::Stopped));
    let guarded = guard();
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        let _guarded = guarded;
        std::panic::resume_unwind(Box::new("without a word on the console"));
    }));
    assert!(panicked.is_err());
    assert_eq!(told.try_recv(), Ok(Exit::Panicked));
    assert!(told.try_recv().is_err(), "it tells once");
}
