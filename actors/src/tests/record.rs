//! What the end of an attempt means for its job.

use std::time::Duration;

use callboard_tasks::{CancelReason, Ending, Failure, FailureKind, JobSpec, Json, TaskError, Timestamp, resolve, task};
use jiff::SignedDuration;

use super::support::START;
use crate::queue::{Facts, ending};

#[task(max_attempts = 3, backoff = "10s")]
fn ping() {}

fn spec() -> JobSpec {
    resolve(ping::with().erase(), START).unwrap()
}

/// The ending of the given attempt of three.
fn ended(result: Result<Json, Failure>, attempt: u32, told: Option<CancelReason>) -> Ending {
    let spec = spec();
    ending(result, Facts { spec: &spec, attempt, max_attempts: 3, told, now: START, custom_backoff: None })
}

fn failure(kind: FailureKind) -> Result<Json, Failure> {
    Err(Failure::new(kind, "it broke"))
}

fn value() -> Result<Json, Failure> {
    Ok(Json::null())
}

const HOUR: Duration = Duration::from_secs(3600);
const TIMEOUT: CancelReason = CancelReason::Timeout(Duration::from_secs(30));

fn at(time: Timestamp, error: &TaskError) -> (i64, u32, &str) {
    (time.duration_since(START).as_secs(), error.attempt, &error.message)
}

#[test]
fn a_value_is_a_success_unless_the_attempt_was_cancelled_or_timed_out() {
    for (told, succeeds) in [
        (None, true),
        (Some(CancelReason::Shutdown), true),
        (Some(CancelReason::LeaseLost), true),
        (Some(CancelReason::Cancelled), false),
        (Some(TIMEOUT), false),
    ] {
        let ended = ended(value(), 1, told);
        assert_eq!(matches!(ended, Ending::Succeeded(_)), succeeds, "{told:?}: {ended:?}");
    }
}

#[test]
fn a_failure_is_tried_again_until_the_last_attempt() {
    for kind in [FailureKind::Error, FailureKind::Panic, FailureKind::Timeout] {
        for attempt in 1..=2 {
            let Ending::Retry { at: time, error } = ended(failure(kind), attempt, None) else { panic!("{kind:?}") };
            let (seconds, of, message) = at(time, &error);
            assert!((9..=11).contains(&seconds), "{seconds} s");
            assert_eq!((of, message, error.at), (attempt, "it broke", START));
        }
        for attempt in [3, 4] {
            assert!(matches!(ended(failure(kind), attempt, None), Ending::Failed(_)), "{kind:?}");
        }
    }
}

#[test]
fn a_failure_that_names_its_pause_gets_it_while_attempts_are_left() {
    let kind = FailureKind::RetryIn(HOUR);
    let Ending::Retry { at: time, error } = ended(failure(kind), 2, None) else { panic!("it has one more attempt") };
    assert_eq!(at(time, &error), (3_600, 2, "it broke"));
    assert!(matches!(ended(failure(kind), 3, None), Ending::Failed(_)));
}

#[test]
fn an_abort_fails_at_any_attempt() {
    assert!(matches!(ended(failure(FailureKind::Abort), 1, None), Ending::Failed(error) if error.attempt == 1));
}

#[test]
fn a_snooze_waits_at_any_attempt() {
    for attempt in [1, 3] {
        let snoozed = ended(failure(FailureKind::Snooze(HOUR)), attempt, None);
        assert_eq!(snoozed, Ending::Snoozed(START + SignedDuration::from_hours(1)));
    }
}

#[test]
fn a_time_out_of_reach_is_the_end_of_time() {
    let pause = FailureKind::Snooze(Duration::MAX);
    assert_eq!(ended(failure(pause), 1, None), Ending::Snoozed(Timestamp::MAX));
    let Ending::Retry { at, .. } = ended(failure(FailureKind::RetryIn(Duration::MAX)), 1, None) else { panic!() };
    assert_eq!(at, Timestamp::MAX);
}

#[test]
fn a_time_is_kept_in_whole_microseconds_and_never_sooner() {
    for (nanos, micros) in [(0, 0), (1, 1), (999, 1), (1_000, 1), (1_001, 2)] {
        let pause = FailureKind::Snooze(Duration::from_nanos(nanos));
        let expected = START + SignedDuration::from_micros(micros);
        assert_eq!(ended(failure(pause), 1, None), Ending::Snoozed(expected), "{nanos} ns");
    }
}

#[test]
fn who_was_cancelled_ends_as_cancelled_whatever_it_came_to() {
    let kinds = [FailureKind::Error, FailureKind::Panic, FailureKind::Abort, FailureKind::Snooze(HOUR)];
    let kinds = kinds.into_iter().chain([FailureKind::Cancelled, FailureKind::HandBack, FailureKind::RetryIn(HOUR)]);
    for result in kinds.map(failure).chain([value()]) {
        let Ending::Cancelled(error) = ended(result, 2, Some(CancelReason::Cancelled)) else { panic!() };
        assert_eq!((error.exception_class.as_str(), error.attempt), ("Cancelled", 2));
    }
    assert!(matches!(ended(failure(FailureKind::Cancelled), 1, None), Ending::Cancelled(_)));
}

#[test]
fn who_timed_out_failed_whatever_it_came_to() {
    for result in
        [value(), failure(FailureKind::Error), failure(FailureKind::Snooze(HOUR)), failure(FailureKind::HandBack)]
    {
        let Ending::Retry { error, .. } = ended(result.clone(), 1, Some(TIMEOUT)) else { panic!("{result:?}") };
        assert_eq!(error.exception_class, "Timeout");
        assert!(error.message.contains("30s"), "{}", error.message);
        assert!(matches!(ended(result, 3, Some(TIMEOUT)), Ending::Failed(_)));
    }
}

#[test]
fn who_was_interrupted_goes_back_whatever_it_came_to_but_a_value() {
    for reason in [CancelReason::Shutdown, CancelReason::LeaseLost] {
        for kind in [FailureKind::Error, FailureKind::Panic, FailureKind::Abort, FailureKind::HandBack] {
            assert_eq!(ended(failure(kind), 3, Some(reason)), Ending::HandBack, "{kind:?}");
        }
    }
    assert_eq!(ended(failure(FailureKind::HandBack), 3, None), Ending::HandBack);
}

#[test]
fn a_record_is_bounded_and_free_of_nul() {
    let huge = format!("a\0{}", "é".repeat(1_000_000));
    let Ending::Failed(error) = ended(Err(Failure::new(FailureKind::Abort, huge)), 1, None) else { panic!() };
    assert!(error.message.len() <= TaskError::MAX_MESSAGE && error.traceback.len() <= TaskError::MAX_TRACEBACK);
    assert!(!error.message.contains('\0') && error.message.ends_with('…'));
}
