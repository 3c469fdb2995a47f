//! Why a statement failed, as far as it matters for what is done next.

use callboard_tasks::{BoxError, JobId, StoreError, WorkerId};
use tokio_postgres::Error;
use tokio_postgres::error::DbError;

/// Why a statement failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// The connection is gone, or nothing came back in time: the statement may have been done or not.
    Lost(BoxError),
    /// Two transactions were in each other's way; nothing was done.
    Again(BoxError),
    /// Something in the data cannot be kept; nothing was done.
    Data(BoxError),
    /// A new job has an id that is taken; nothing was done. The id, if the server says it.
    Duplicate(Option<JobId>, BoxError),
    /// The worker is not registered.
    Gone,
    /// A queue is full.
    Full {
        /// Which one.
        queue: String,
        /// How many jobs wait in it.
        waiting: u64,
        /// How many may.
        depth: u64,
    },
    /// It is not known here how many jobs wait in a queue in which only so many may; nothing was done.
    Uncounted,
    /// Somebody else holds what is needed for too long.
    Busy(String),
    /// The server refuses: it is not ours to mend.
    Failed(BoxError),
}

impl Fault {
    /// The same fault once more, for one more caller.
    pub(super) fn copy(&self) -> Self {
        match self {
            Self::Lost(cause) => Self::Lost(cause.to_string().into()),
            Self::Again(cause) => Self::Again(cause.to_string().into()),
            Self::Data(cause) => Self::Data(cause.to_string().into()),
            Self::Duplicate(id, cause) => Self::Duplicate(*id, cause.to_string().into()),
            Self::Full { queue, waiting, depth } => {
                Self::Full { queue: queue.clone(), waiting: *waiting, depth: *depth }
            }
            Self::Uncounted => Self::Uncounted,
            Self::Gone => Self::Gone,
            Self::Busy(what) => Self::Busy(what.clone()),
            Self::Failed(cause) => Self::Failed(cause.to_string().into()),
        }
    }

    /// The fault as it is told to the caller.
    pub(super) fn into_error(self, worker: Option<WorkerId>) -> StoreError {
        match (self, worker) {
            (Self::Gone, Some(worker)) => StoreError::Gone(worker),
            (Self::Gone, None) => StoreError::Unavailable("a worker without a lease was named".into()),
            (Self::Full { queue, waiting, depth }, _) => StoreError::QueueFull { queue, waiting, depth },
            (Self::Uncounted, _) => StoreError::Unavailable("what waits was not counted".into()),
            (Self::Busy(what), _) => StoreError::Busy(what),
            (Self::Duplicate(Some(id), _), _) => StoreError::DuplicateId(id),
            (Self::Data(cause), _) => StoreError::Refused(cause.to_string()),
            (Self::Lost(e) | Self::Again(e) | Self::Duplicate(None, e) | Self::Failed(e), _) => {
                StoreError::Unavailable(e)
            }
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error.as_db_error() {
            Some(answer) => {
                let (code, id) = (answer.code().code().to_owned(), duplicate(answer));
                let plain = BoxError::from(spoken(answer));
                match code.as_str() {
                    "CB001" => Self::Gone,
                    "CB002" => Self::Uncounted,
                    "CB003" => full(answer).unwrap_or(Self::Failed(plain)),
                    "40P01" | "40001" => Self::Again(plain),
                    "55P03" => Self::Busy(answer.message().to_owned()),
                    "23505" => Self::Duplicate(id, plain),
                    // A server that has become a replica is left; so is one that shuts down or has no place.
                    "25006" | "57P01" | "57P02" | "57P03" | "57P05" | "57014" | "53300" => Self::Lost(plain),
                    _ if ["08"].contains(&&code[..2]) => Self::Lost(plain),
                    _ if ["22", "23", "54"].contains(&&code[..2]) => Self::Data(plain),
                    _ => Self::Failed(plain),
                }
            }
            // A value that the driver cannot write is the only thing that goes wrong before anything is sent.
            None if error.to_string().starts_with("error serializing") => Self::Data(error.into()),
            None => Self::Lost(error.into()),
        }
    }
}

/// What `check_depth` says of a queue.
fn full(answer: &DbError) -> Option<Fault> {
    #[derive(serde::Deserialize)]
    struct Detail {
        queue: String,
        waiting: u64,
        depth: u64,
    }
    let Detail { queue, waiting, depth } = serde_json::from_str(answer.detail()?).ok()?;
    Some(Fault::Full { queue, waiting, depth })
}

/// What the server said, in one line.
fn spoken(answer: &DbError) -> String {
    let detail = answer.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
    format!("{}: {}{detail}", answer.code().code(), answer.message())
}

/// The id in `Key (id)=(...) already exists.`, in whatever language that is said.
fn duplicate(answer: &DbError) -> Option<JobId> {
    let (_, rest) = answer.detail()?.split_once("(id)=(")?;
    rest.split_once(')')?.0.parse().ok()
}
