//! What the end of an attempt means for its job: one pure function.

use std::time::Duration;

use callboard_tasks::{CancelReason, CustomBackoff, Ending, Failure, FailureKind, JobSpec, Json, TaskError, Timestamp};
use jiff::SignedDuration;

use crate::panics::contain;

/// What is known of a run besides how it ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) spec: &'a JobSpec,
    /// Which attempt it was, counted from 1.
    pub(crate) attempt: u32,
    /// Attempts allowed in all.
    pub(crate) max_attempts: u32,
    /// What it was told to stop for, if it was.
    pub(crate) told: Option<CancelReason>,
    /// When it ended.
    pub(crate) now: Timestamp,
    /// The task's own pause after a failed attempt, unless the call has one.
    pub(crate) custom_backoff: Option<CustomBackoff>,
}

/// The ending that the store is told.
///
/// An attempt that was cancelled or timed out ends so, whatever it still returned. One that was interrupted by
/// a shutdown goes back, unless it came to a value in time.
pub(crate) fn ending(result: Result<Json, Failure>, facts: Facts<'_>) -> Ending {
    let failure = match (facts.told, result) {
        (Some(CancelReason::Cancelled), _) => return cancelled(facts),
        (Some(CancelReason::Timeout(limit)), _) => Failure::timeout(limit),
        (_, Ok(value)) => return Ending::Succeeded(value),
        (Some(CancelReason::Shutdown | CancelReason::LeaseLost), Err(_)) => return Ending::HandBack,
        (None, Err(failure)) => failure,
    };
    match failure.kind {
        FailureKind::Snooze(pause) => Ending::Snoozed(later(facts.now, pause)),
        FailureKind::HandBack => Ending::HandBack,
        FailureKind::Cancelled => cancelled(facts),
        FailureKind::Abort => Ending::Failed(error(&failure, facts)),
        FailureKind::Error | FailureKind::Panic | FailureKind::Timeout | FailureKind::RetryIn(_) => {
            retry(&failure, facts)
        }
    }
}

fn retry(failure: &Failure, facts: Facts<'_>) -> Ending {
    let error = error(failure, facts);
    if facts.attempt >= facts.max_attempts {
        return Ending::Failed(error);
    }
    let pause = match failure.kind {
        FailureKind::RetryIn(pause) => pause,
        _ => match facts.custom_backoff {
            // A function of the user's that panics must not cost the outcome.
            Some(CustomBackoff(pause)) => contain(|| pause(facts.attempt, &error)).unwrap_or_else(|_| usual(facts)),
            None => usual(facts),
        },
    };
    Ending::Retry { at: later(facts.now, pause), error }
}

/// The pause that the job itself says.
fn usual(facts: Facts<'_>) -> Duration {
    facts.spec.retry.backoff.with_jitter(facts.attempt, facts.spec.id)
}

fn cancelled(facts: Facts<'_>) -> Ending {
    Ending::Cancelled(error(&Failure::cancelled(), facts))
}

fn error(failure: &Failure, facts: Facts<'_>) -> TaskError {
    TaskError::new(&failure.class, &failure.message, &failure.traceback, facts.attempt, facts.now)
}

/// `now + pause` in the whole microseconds that stores keep, never sooner; at most the end of all time.
fn later(now: Timestamp, pause: Duration) -> Timestamp {
    let micros = u64::try_from(pause.as_nanos().div_ceil(1_000)).unwrap_or(u64::MAX);
    let pause = SignedDuration::try_from(Duration::from_micros(micros)).ok();
    pause.and_then(|pause| now.checked_add(pause).ok()).unwrap_or(Timestamp::MAX)
}
