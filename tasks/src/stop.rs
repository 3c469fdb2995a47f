//! How an attempt ends without a value: what a task says ([`Stop`]) and what the runtime makes of it ([`Failure`]).

use std::any::type_name;
use std::fmt;
use std::time::Duration;

use crate::{BoxError, MissingData, NotJson};

/// What a task returns to steer its retry: `Result<T, Stop>`. Any error becomes an ordinary failure by `?`.
///
/// It is not an `Error` itself, so that every error can become one.
///
/// ```
/// use callboard_tasks::Stop;
///
/// fn charge(card: &str) -> Result<(), Stop> {
///     let digits: u64 = card.parse()?;                       // an ordinary failure: tried again
///     if digits == 0 {
///         return Err(Stop::abort("the card is void"));       // never tried again
///     }
///     Ok(())
/// }
/// assert!(charge("0").is_err());
/// ```
#[derive(Debug)]
pub struct Stop(Failure);

impl Stop {
    /// Fails, and is never tried again.
    pub fn abort(error: impl Into<BoxError>) -> Self {
        Self(Failure::new(FailureKind::Abort, error))
    }

    /// Fails, and is tried again after `pause` if an attempt is left.
    pub fn retry_in(pause: Duration, error: impl Into<BoxError>) -> Self {
        Self(Failure::new(FailureKind::RetryIn(pause), error))
    }

    /// Does not fail: runs again after `pause`, and the attempt does not count, so
    /// [`TaskContext::attempt`](crate::TaskContext::attempt) is the same in the next run;
    /// [`TaskContext::run`](crate::TaskContext::run) grows with each. An immediate backend, which cannot run
    /// anything later, ends the job as failed.
    #[must_use]
    pub fn snooze(pause: Duration) -> Self {
        Self(Failure {
            kind: FailureKind::Snooze(pause),
            class: "Snooze".into(),
            message: String::new(),
            traceback: String::new(),
        })
    }
}

impl<E: Into<BoxError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self(Failure::new(FailureKind::Error, error))
    }
}

/// How an attempt ended without a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What follows from it.
    pub kind: FailureKind,
    /// The type of the error, shortened: `MailError`, `io::Error`.
    pub class: String,
    /// What the error says.
    pub message: String,
    /// The error with its chain of causes.
    pub traceback: String,
}

/// What follows from a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// An ordinary failure: tried again while attempts are left.
    Error,
    /// The function panicked; like an ordinary failure.
    Panic,
    /// It took longer than its timeout; like an ordinary failure.
    Timeout,
    /// Tried again after this pause while attempts are left.
    RetryIn(Duration),
    /// Never tried again.
    Abort,
    /// Runs again after this pause, without counting.
    Snooze(Duration),
    /// It was told to stop and did.
    Cancelled,
    /// It never got as far as the function, or was interrupted in good order: it goes back as it was.
    HandBack,
}

impl Failure {
    /// A failure of the given kind with the class, message and causes of `error`.
    pub fn new<E: Into<BoxError>>(kind: FailureKind, error: E) -> Self {
        let class = short_type_name(type_name::<E>());
        let error: BoxError = error.into();
        let message = error.to_string();
        let mut traceback = format!("{class}: {message}\n");
        let mut cause = error.source();
        while let Some(error) = cause {
            traceback.push_str(&format!("caused by: {error}\n"));
            cause = error.source();
        }
        Self { kind, class, message, traceback }
    }

    /// The failure of a function that panicked with `message`, at `place` where that is known.
    #[must_use]
    pub fn panic(message: &str, place: Option<&str>) -> Self {
        let place = place.map(|place| format!("at {place}\n")).unwrap_or_default();
        Self {
            kind: FailureKind::Panic,
            class: "Panic".into(),
            message: message.into(),
            traceback: format!("Panic: {message}\n{place}"),
        }
    }

    /// The failure of an attempt that took longer than `timeout`.
    #[must_use]
    pub fn timeout(timeout: Duration) -> Self {
        let message = format!("took longer than its timeout of {}", crate::format_duration(timeout));
        Self {
            kind: FailureKind::Timeout,
            class: "Timeout".into(),
            traceback: format!("Timeout: {message}\n"),
            message,
        }
    }

    /// The end of an attempt that was told to stop.
    #[must_use]
    pub fn cancelled() -> Self {
        Self {
            kind: FailureKind::Cancelled,
            class: "Cancelled".into(),
            message: "cancelled while running".into(),
            traceback: "Cancelled: cancelled while running\n".into(),
        }
    }

    /// The attempt did not happen, or was interrupted by an orderly shutdown.
    #[must_use]
    pub fn hand_back() -> Self {
        Self { kind: FailureKind::HandBack, class: "HandBack".into(), message: String::new(), traceback: String::new() }
    }

    /// The stored arguments do not fit the function as it is now; trying again will not help.
    #[must_use]
    pub fn bad_arguments(error: &dyn fmt::Display) -> Self {
        let message = format!("the stored arguments do not fit the task: {error}");
        Self {
            kind: FailureKind::Abort,
            class: "InvalidArguments".into(),
            traceback: format!("InvalidArguments: {message}\n"),
            message,
        }
    }
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        stop.0
    }
}

impl From<NotJson> for Failure {
    fn from(error: NotJson) -> Self {
        Self::new(FailureKind::Abort, error)
    }
}

impl From<MissingData> for Failure {
    fn from(error: MissingData) -> Self {
        Self::new(FailureKind::Error, error)
    }
}

/// `my_app::mail::MailError<u8>` → `MailError`; `std::io::error::Error` → `io::Error`, because `Error` alone
/// says nothing; boxed errors and text → `Error`.
fn short_type_name(path: &str) -> String {
    let path = path.split('<').next().unwrap_or(path).trim_start_matches('&');
    let mut parts = path.rsplit("::").filter(|part| !part.is_empty());
    let last = parts.next().unwrap_or(path);
    match last {
        "String" | "str" | "Cow" | "Box" => "Error".into(),
        "Error" => match parts.find(|part| *part != "error") {
            Some(module) => format!("{module}::Error"),
            None => "Error".into(),
        },
        other => other.trim_start_matches("'static ").into(),
    }
}
