//! What a board's refusals look like over HTTP: in our routes, and in those of the program around them.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use callboard_tasks::{Error, InvalidMove, InvalidTask, StoreError, WaitError};
use tracing::error;

use crate::problem::{Kind, Problem};

/// What a board refuses, as the answer of a handler of your own: a handler that returns `Result<_, Refused>` hands the
/// errors of a board on by `?`, and they are answered as by the routes of the front end: with the same status (422 for a
/// call that breaks a rule, 503 with `Retry-After` for a full queue, …), as `application/problem+json`.
///
/// What is the server's own affair, like the address of a database, is logged and not told.
///
/// ```
/// use actix_web::{HttpResponse, web};
/// use callboard_actors::Callboard;
/// use callboard_http::Refused;
/// use callboard_tasks::task;
///
/// #[task]
/// async fn send_welcome_email(user_email: String) {}
///
/// async fn register(board: web::Data<Callboard>, email: web::Path<String>) -> Result<HttpResponse, Refused> {
///     let result = board.enqueue(send_welcome_email::with(email.into_inner())).await?;
///     Ok(HttpResponse::Accepted().body(result.id().to_string()))
/// }
/// ```
///
/// The pointers of a call that breaks a rule (`#/args/user_email`) name the task's arguments. Where those are none of
/// the client's business, match the error yourself.
pub struct Refused(Problem);

impl Refused {
    /// What the client has sent breaks rules (422): each with a pointer to what, which stays in the answer.
    #[must_use]
    pub fn invalid(problems: Vec<callboard_tasks::Problem>) -> Self {
        Self(Problem::fields(problems))
    }

    /// The request could not be answered (500). Why is logged, and not told.
    #[must_use]
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        error!(error, "a request could not be answered");
        Self(Problem::internal())
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self(error.into())
    }
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Refused({})", self.0)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        self.0.kind().status()
    }

    fn error_response(&self) -> HttpResponse {
        self.0.respond(None)
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::InvalidTask(invalid) => invalid.into(),
            Error::UnknownTask { ref near, .. } => {
                let near = near.clone();
                Self::new(Kind::UnknownTask, error.to_string()).did_you_mean(near)
            }
            Error::UnknownBackend { .. } => Self::new(Kind::UnknownBackend, error.to_string()),
            Error::InvalidSchedule(invalid) => Self::fields(invalid.problems),
            Error::NotFound(_) => Self::new(Kind::NotFound, error.to_string()),
            Error::Pruned(_) => Self::new(Kind::Pruned, error.to_string()),
            Error::InvalidMove(invalid) => invalid.into(),
            Error::UniqueConflict { existing } => {
                Self::new(Kind::UniqueConflict, error.to_string()).existing(existing.to_string())
            }
            Error::IdempotencyMismatch => Self::new(Kind::IdempotencyMismatch, error.to_string()),
            Error::QueueFull { .. } => Self::new(Kind::QueueFull, error.to_string()),
            Error::NoSchedule(_) => Self::new(Kind::NotFound, error.to_string()),
            Error::Unsupported { .. } => Self::new(Kind::ValidationFailed, error.to_string()),
            Error::Full { .. } => Self::new(Kind::QueueFull, error.to_string()),
            Error::Draining => Self::new(Kind::Draining, error.to_string()),
            Error::NoAnswer { .. } => Self::new(Kind::StoreUnavailable, error.to_string()),
            Error::Store(store) => store.into(),
            error => {
                error!(%error, "a request could not be answered");
                Self::internal()
            }
        }
    }
}

impl From<InvalidTask> for Problem {
    fn from(invalid: InvalidTask) -> Self {
        Self::fields(invalid.problems)
    }
}

impl From<InvalidMove> for Problem {
    fn from(invalid: InvalidMove) -> Self {
        Self::new(Kind::InvalidTransition, invalid.to_string())
    }
}

impl From<StoreError> for Problem {
    fn from(store: StoreError) -> Self {
        match store {
            StoreError::NotFound(id) => Error::NotFound(id).into(),
            StoreError::Pruned(id) => Error::Pruned(id).into(),
            StoreError::InvalidMove(invalid) => invalid.into(),
            StoreError::UniqueConflict { existing, .. } => Error::UniqueConflict { existing }.into(),
            StoreError::IdempotencyMismatch => Error::IdempotencyMismatch.into(),
            StoreError::VersionMismatch { .. } => Self::new(Kind::PreconditionFailed, store.to_string()),
            StoreError::Busy(_) => Self::new(Kind::StoreBusy, "the store is busy"),
            StoreError::Refused(reason) => {
                Self::new(Kind::ValidationFailed, format!("the store cannot keep this call: {reason}"))
            }
            // What the store says of itself (a path, an address) is for the log alone.
            StoreError::Unavailable(ref source) => {
                error!(error = %store, %source, "the store failed a request");
                Self::new(Kind::StoreUnavailable, "the store is unavailable")
            }
            store => {
                error!(error = %store, "the store refused a request");
                Self::internal()
            }
        }
    }
}

impl From<WaitError> for Problem {
    fn from(wait: WaitError) -> Self {
        match wait {
            WaitError::Board(error) => error.into(),
            _ => Self::internal(),
        }
    }
}
