//! What can go wrong between a caller and a board, sorted by what the caller does differently.

use std::fmt;

use crate::{JobId, StoreError};

/// Any error of a user's function.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a board did not do what it was asked; nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The call breaks a rule; the same call will never be accepted (422).
    #[error(transparent)]
    InvalidTask(#[from] InvalidTask),
    /// No process has ever published a task of that name (422).
    #[error("there is no task {name:?}{}", did_you_mean(.near))]
    UnknownTask {
        /// What was asked for.
        name: String,
        /// Names like it, best first.
        near: Vec<String>,
    },
    /// There is no backend of that alias (422). Django: `InvalidTaskBackend`.
    #[error("there is no backend {alias:?}; {}", configured(.known))]
    UnknownBackend {
        /// What was asked for.
        alias: String,
        /// The aliases there are.
        known: Vec<String>,
    },
    /// No job of that id is known (404).
    #[error("there is no task {0}")]
    NotFound(JobId),
    /// The job existed, has ended and was removed since (410).
    #[error("task {0} has ended and its result was removed")]
    Pruned(JobId),
    /// The job is of another task than the one asked for. Django: `TaskResultMismatch`.
    #[error("task {id} is of {actual:?}, not of {expected:?}")]
    Mismatch {
        /// The job.
        id: JobId,
        /// The task that was asked for.
        expected: String,
        /// The task that the job is of.
        actual: String,
    },
    /// The job's phase does not allow it (409).
    #[error(transparent)]
    InvalidMove(#[from] crate::InvalidMove),
    /// Another job holds the unique key of the call, or of the job that was to run again (409).
    #[error("task {existing} has the same unique key and has not ended or let go of it")]
    UniqueConflict {
        /// The other job.
        existing: JobId,
    },
    /// The idempotency key was used before, for another request (422).
    #[error("the idempotency key was used before, for another request; give each request a key of its own")]
    IdempotencyMismatch,
    /// As many jobs wait in the queue as its limits allow; try again when some have run (503).
    #[error("the queue {queue:?} is full: at most {depth} jobs may wait in it")]
    QueueFull {
        /// The queue.
        queue: String,
        /// How many may wait.
        depth: u64,
    },
    /// The schedule breaks a rule; the same one will never be accepted (422).
    #[error(transparent)]
    InvalidSchedule(#[from] crate::InvalidSchedule),
    /// There is no schedule of that name (404).
    #[error("there is no schedule {0:?}")]
    NoSchedule(String),
    /// The backend does not do this (Django's `NotImplementedError`).
    #[error("the backend {alias:?} does not support {what}")]
    Unsupported {
        /// The backend.
        alias: String,
        /// What was asked of it, as a noun.
        what: &'static str,
    },
    /// More calls wait than the backend takes; try again soon (503).
    #[error("the backend {alias:?} has no room for more calls now")]
    Full {
        /// The backend.
        alias: String,
    },
    /// The board is shutting down and takes nothing new (503).
    #[error("the board is shutting down")]
    Draining,
    /// The store failed; the same call may succeed later (503).
    #[error("the store of the backend failed")]
    Store(#[source] StoreError),
    /// The value that the job returned is not of the expected type.
    #[error("the return value of task {id} does not fit the expected type")]
    ReturnType {
        /// The job.
        id: JobId,
        /// What did not fit.
        #[source]
        source: serde_json::Error,
    },
    /// An actor of the board did not answer; what it was asked may or may not have happened.
    #[error("the backend {alias:?} did not answer")]
    NoAnswer {
        /// The backend.
        alias: String,
    },
}

/// What callers can do something about has a variant of its own; the rest is the store's.
impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::UniqueConflict { existing, .. } => Self::UniqueConflict { existing },
            StoreError::IdempotencyMismatch => Self::IdempotencyMismatch,
            StoreError::QueueFull { queue, depth, .. } => Self::QueueFull { queue, depth },
            StoreError::NoSchedule(name) => Self::NoSchedule(name),
            other => Self::Store(other),
        }
    }
}

impl Error {
    /// Whether the same request may succeed later without a change.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Full { .. } | Self::QueueFull { .. } | Self::Draining | Self::Store(_) | Self::NoAnswer { .. }
        )
    }
}

fn did_you_mean(near: &[String]) -> String {
    match near {
        [] => String::new(),
        [one] => format!("; did you mean {one:?}?"),
        many => format!("; did you mean one of {}?", many.join(", ")),
    }
}

fn configured(aliases: &[String]) -> String {
    if aliases.is_empty() { "none is configured".into() } else { format!("configured: {}", aliases.join(", ")) }
}

/// A call that breaks a rule: which task, which field, what is wrong and what to write instead.
///
/// Django: `InvalidTask`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidTask {
    /// The task of the call.
    pub task: String,
    /// The rules it breaks: the first one in Django's order for a call, all of them for arguments.
    pub problems: Vec<Problem>,
}

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// A JSON pointer to the field, as in the body of `POST /enqueue`: `#/priority`, `#/args/user_email`.
    pub pointer: String,
    /// What is wrong, with the value, and what to write instead.
    pub detail: String,
}

impl Problem {
    /// A problem of the field at `pointer`.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

impl InvalidTask {
    /// A call of `task` with one problem.
    pub fn new(task: impl Into<String>, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { task: task.into(), problems: vec![Problem::new(pointer, detail)] }
    }

    /// Whether the problem is a queue that the backend does not have.
    #[must_use]
    pub fn is_queue(&self) -> bool {
        self.problems.iter().any(|problem| problem.pointer == "#/queue")
    }
}

impl fmt::Display for InvalidTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {:?} cannot be enqueued: ", self.task)?;
        for (n, problem) in self.problems.iter().enumerate() {
            let field = problem.pointer.trim_start_matches("#/").replace('/', ".");
            write!(f, "{}{field} {}", if n == 0 { "" } else { "; " }, problem.detail)?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidTask {}

/// Why waiting for a result ended without one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The job had not ended in time; it goes on.
    #[error("the task had not finished in time")]
    Timeout,
    /// The board could not say.
    #[error(transparent)]
    Board(#[from] Error),
}
