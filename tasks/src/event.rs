//! What happened to a job, for whoever listens: Django's three signals, and one of ours.

use crate::{Job, Timestamp};

/// One of Django's signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// The store has accepted it; READY (`task_enqueued`).
    Enqueued,
    /// An attempt starts; RUNNING, its worker appended (`task_started`).
    Started,
    /// It has ended, SUCCESSFUL or FAILED (`task_finished`).
    Finished,
    /// An attempt has run for longer than it should; told once of each. Ours, beyond Django's.
    Stuck,
}

/// A signal with the job as it was then. Sent only after the commit that made it true.
#[derive(Debug, Clone)]
pub struct Event {
    /// Which signal.
    pub kind: EventKind,
    /// The alias of the backend.
    pub backend: String,
    /// The job as of this event.
    pub job: Job,
    /// When it was sent.
    pub at: Timestamp,
}
