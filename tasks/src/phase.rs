//! The life of a job as one table: which phase may follow which, and for what reason.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Django's four states of a task result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Waiting to run, for the first time or again.
    Ready,
    /// An attempt is under way.
    Running,
    /// Finished; [`TaskResult::return_value`](crate::TaskResult::return_value) has what the function returned.
    Successful,
    /// Finished without a return value: it failed, was cancelled, expired or was quarantined.
    Failed,
}

impl Status {
    /// The four, in the order of a job's life.
    pub const ALL: [Self; 4] = [Self::Ready, Self::Running, Self::Successful, Self::Failed];

    /// As it is written in JSON: `READY`, `RUNNING`, `SUCCESSFUL`, `FAILED`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "READY",
            Self::Running => "RUNNING",
            Self::Successful => "SUCCESSFUL",
            Self::Failed => "FAILED",
        }
    }

    /// The status of that name, in capitals as [`as_str`](Self::as_str) writes it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Whether nothing more will happen by itself.
    #[must_use]
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::Successful | Self::Failed)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The detail behind a [`Status`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Waits for its time (`run_after`).
    Scheduled,
    /// Waits for a free worker.
    Ready,
    /// No live process knows its task.
    Parked,
    /// Claimed by a worker process.
    Running,
    /// Running, and told to stop because somebody cancelled it.
    Cancelling,
    /// Failed or snoozed, and waits for its next attempt.
    RetryWait,
    /// Finished with a return value.
    Successful,
    /// Finished without: its last attempt failed.
    Failed,
    /// Finished without: somebody cancelled it.
    Cancelled,
    /// Finished without: it had not started by `expires_at`.
    Expired,
    /// Finished without: it took its worker process down too often.
    Quarantined,
}

/// What can happen to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Move {
    /// Its time has come.
    Promote,
    /// A worker process took it.
    Claim,
    /// A claimed job that did not start, or was interrupted by an orderly shutdown, goes back.
    HandBack,
    /// The attempt returned a value.
    Succeed,
    /// The attempt failed for good.
    Fail,
    /// The attempt failed or snoozed, and another one is planned.
    Retry,
    /// Somebody asked to stop it.
    Cancel,
    /// The attempt has ended after it was told to stop for a cancellation.
    EndCancelled,
    /// The attempt is past its timeout, and cannot be ended from outside: it was told to stop.
    Overrun,
    /// An attempt that was past its timeout has ended; its end counts like any other.
    EndOverrun,
    /// `expires_at` passed before it started.
    Expire,
    /// No live process knows its task.
    Park,
    /// A process that knows its task has started.
    Unpark,
    /// Its worker process died; it runs again.
    Lose,
    /// Its worker process died once too often.
    Quarantine,
    /// A person wants it to run again after its end.
    RunAgain,
    /// A person wants it to run without waiting for its time.
    RunNow,
    /// A person changes how it waits: its queue, its priority, its attempts, its time.
    Reschedule,
    /// A person gave it a time that is still to come.
    Postpone,
    /// A person removes it; the phase is its last.
    Delete,
}

/// A move that the phase does not allow; nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a job that is {from} cannot {step}")]
pub struct InvalidMove {
    /// The phase that the job is in.
    pub from: Phase,
    /// What was asked of it.
    pub step: Move,
}

impl Phase {
    /// All of them, in the order of a job's life.
    pub const ALL: [Self; 11] = [
        Self::Scheduled,
        Self::Ready,
        Self::Parked,
        Self::Running,
        Self::Cancelling,
        Self::RetryWait,
        Self::Successful,
        Self::Failed,
        Self::Cancelled,
        Self::Expired,
        Self::Quarantined,
    ];

    /// The phase after `step`: the only place that knows what may follow what.
    ///
    /// ```text
    /// scheduled ─promote─► ready ─claim─► running ─succeed─► successful
    ///     ▲ │                ▲ │ ▲           │ ├─────fail───► failed
    ///     │ └──run now───────┘ │ └─hand back─┤ └────retry───► retry_wait ─promote, run now─► ready
    ///     │                    │             └─────cancel───► cancelling ─end cancelled─► cancelled
    ///     └─ waiting phases: cancel ─► cancelled, expire ─► expired, park ─► parked ─unpark─► ready
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidMove`] where the table has no entry.
    pub const fn after(self, step: Move) -> Result<Self, InvalidMove> {
        use Move as M;
        Ok(match (self, step) {
            (Self::Scheduled | Self::RetryWait, M::Promote | M::RunNow) => Self::Ready,
            (Self::Scheduled | Self::RetryWait | Self::Ready, M::Claim) => Self::Running,
            (Self::Scheduled | Self::RetryWait | Self::Ready | Self::Parked, M::Cancel) => Self::Cancelled,
            (Self::Scheduled | Self::RetryWait | Self::Ready | Self::Parked, M::Expire) => Self::Expired,
            (Self::Scheduled | Self::RetryWait | Self::Ready, M::Park) => Self::Parked,
            (Self::Parked, M::Unpark) => Self::Ready,
            (Self::Running, M::Cancel) => Self::Cancelling,
            (Self::Running | Self::Cancelling, M::Succeed) => Self::Successful,
            (Self::Running, M::Fail) => Self::Failed,
            (Self::Running, M::Retry) => Self::RetryWait,
            (Self::Running, M::HandBack | M::Lose) => Self::Ready,
            (Self::Running, M::EndCancelled) => Self::Cancelled,
            (Self::Cancelling, M::Cancel) => Self::Cancelling,
            (Self::Running, M::Overrun) => Self::Cancelling,
            // Only where nobody has asked for a cancellation since: `JobState::overrun` knows.
            (Self::Cancelling, M::EndOverrun) => Self::Running,
            // Whoever asked for the cancellation got "asked": whatever the attempt comes to but a success, and
            // also the death of its worker, is its end.
            (Self::Cancelling, M::EndCancelled | M::Fail | M::Retry | M::HandBack | M::Lose) => Self::Cancelled,
            (Self::Running, M::Quarantine) => Self::Quarantined,
            (Self::Successful | Self::Failed | Self::Cancelled | Self::Expired | Self::Quarantined, M::RunAgain) => {
                Self::Ready
            }
            (Self::Scheduled | Self::Ready | Self::Parked | Self::RetryWait, M::Postpone) => Self::Scheduled,
            (waits @ (Self::Scheduled | Self::Ready | Self::Parked | Self::RetryWait), M::Reschedule) => waits,
            (rests, M::Delete) if !matches!(rests, Self::Running | Self::Cancelling) => rests,
            (from, step) => return Err(InvalidMove { from, step }),
        })
    }

    /// Which of Django's four states this is a detail of.
    #[must_use]
    pub const fn status(self) -> Status {
        match self {
            Self::Scheduled | Self::Ready | Self::Parked | Self::RetryWait => Status::Ready,
            Self::Running | Self::Cancelling => Status::Running,
            Self::Successful => Status::Successful,
            Self::Failed | Self::Cancelled | Self::Expired | Self::Quarantined => Status::Failed,
        }
    }

    /// Whether nothing more will happen by itself.
    #[must_use]
    pub const fn is_finished(self) -> bool {
        self.status().is_finished()
    }

    /// As it is written in JSON: `retry_wait`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Ready => "ready",
            Self::Parked => "parked",
            Self::Running => "running",
            Self::Cancelling => "cancelling",
            Self::RetryWait => "retry_wait",
            Self::Successful => "successful",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Quarantined => "quarantined",
        }
    }

    /// The phase of that name, as [`as_str`](Self::as_str) writes it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == text)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Promote => "become due",
            Self::Claim => "be claimed",
            Self::HandBack => "be handed back",
            Self::Succeed => "succeed",
            Self::Fail => "fail",
            Self::Retry => "wait for a retry",
            Self::Cancel => "be cancelled",
            Self::EndCancelled => "end as cancelled",
            Self::Overrun => "run over its timeout",
            Self::EndOverrun => "end past its timeout",
            Self::Expire => "expire",
            Self::Park => "be parked",
            Self::Unpark => "be unparked",
            Self::Lose => "lose its worker",
            Self::Quarantine => "be quarantined",
            Self::RunAgain => "be retried",
            Self::RunNow => "be run now",
            Self::Reschedule => "be rescheduled",
            Self::Postpone => "be postponed",
            Self::Delete => "be deleted",
        })
    }
}
