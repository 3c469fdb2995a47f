//! What a board's refusals look like over HTTP.

use callboard_tasks::{Error, InvalidMove, InvalidTask, StoreError, WaitError};
use tracing::error;

use crate::problem::{Kind, Problem};

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
