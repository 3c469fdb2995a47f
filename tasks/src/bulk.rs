//! One action on all jobs that fit a filter: which ones it may be done to, and what came of it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Change, Filter, Job, JobId, Move, Phase, Problem, Status, StoreError};

/// What is done to each job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BulkAction {
    /// [`Change::Retry`]: it runs again.
    Retry,
    /// [`Change::Cancel`]: it ends if it waits, and is asked to stop if it runs.
    Cancel,
    /// [`Change::Delete`]: it is removed.
    Delete,
}

impl BulkAction {
    /// The three.
    pub const ALL: [Self; 3] = [Self::Retry, Self::Cancel, Self::Delete];

    /// As it is written in JSON: `retry`, `cancel`, `delete`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Cancel => "cancel",
            Self::Delete => "delete",
        }
    }

    /// The action of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == text)
    }

    /// The change that it makes of each job: the very one that is made of a single job.
    #[must_use]
    pub const fn change(self) -> Change {
        match self {
            Self::Retry => Change::Retry,
            Self::Cancel => Change::Cancel,
            Self::Delete => Change::Delete,
        }
    }

    /// Whether a job in this phase can take it.
    #[must_use]
    pub const fn suits(self, phase: Phase) -> bool {
        let step = match self {
            Self::Retry => Move::RunAgain,
            Self::Cancel => Move::Cancel,
            Self::Delete => Move::Delete,
        };
        phase.after(step).is_ok()
    }

    /// The statuses of which some job can take it.
    fn statuses(self) -> impl Iterator<Item = Status> {
        let suits = move |status: Status| Phase::ALL.iter().any(|phase| phase.status() == status && self.suits(*phase));
        Status::ALL.into_iter().filter(move |status| suits(*status))
    }
}

impl fmt::Display for BulkAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An action on all jobs of a backend that fit a filter.
///
/// ```
/// use callboard_tasks::{Bulk, Filter, Status};
///
/// let failed = Filter { status: Some(Status::Failed), queue: Some("mail".into()), ..Filter::default() };
/// assert!(Bulk::retry(failed).check().is_ok());
/// // What would touch everything must be asked for by name.
/// assert!(Bulk::delete(Filter::default()).check().is_err());
/// assert!(Bulk::delete(Filter::default()).all().check().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bulk {
    /// What is done.
    pub action: BulkAction,
    /// To which jobs.
    pub filter: Filter,
    /// The alias of their backend.
    pub backend: String,
    /// Whether all jobs of the backend are meant: without this a filter must have a condition.
    pub all: bool,
}

impl Bulk {
    fn new(action: BulkAction, filter: Filter) -> Self {
        Self { action, filter, backend: "default".into(), all: false }
    }

    /// Runs finished jobs again. The filter must say which of them, by status or phase.
    #[must_use]
    pub fn retry(filter: Filter) -> Self {
        Self::new(BulkAction::Retry, filter)
    }

    /// Ends jobs that wait, and asks those that run to stop.
    #[must_use]
    pub fn cancel(filter: Filter) -> Self {
        Self::new(BulkAction::Cancel, filter)
    }

    /// Removes jobs that do not run.
    #[must_use]
    pub fn delete(filter: Filter) -> Self {
        Self::new(BulkAction::Delete, filter)
    }

    /// Jobs of this backend; else of `default`.
    #[must_use]
    pub fn backend(mut self, alias: impl Into<String>) -> Self {
        self.backend = alias.into();
        self
    }

    /// Means all jobs of the backend, with a filter that has no condition.
    #[must_use]
    pub const fn all(mut self) -> Self {
        self.all = true;
        self
    }

    /// Checks that it says what is meant: a condition or [`all`](Self::all()), and jobs that can take the action.
    ///
    /// # Errors
    ///
    /// Every problem, with a pointer into `{"action", "filter": {..}, "all"}`.
    pub fn check(&self) -> Result<(), Vec<Problem>> {
        let Self { action, filter, all, .. } = self;
        let mut problems = Vec::new();
        let mut wrong = |pointer: &str, detail: String| problems.push(Problem::new(pointer, detail));
        let takes = || action.statuses().map(Status::as_str).collect::<Vec<_>>().join(" or ");
        match filter.is_empty() {
            true if !all => wrong(
                "#/filter",
                format!("has no condition, so it would {action} every task; add one, or say `\"all\": true`"),
            ),
            false if *all => {
                wrong("#/all", "is true, but the filter has conditions; leave out one of the two".to_owned());
            }
            _ => {}
        }
        if let Some(status) = filter.status
            && !action.statuses().any(|suits| suits == status)
        {
            wrong("#/filter/status", format!("is {status}, and no such task can take {action}; give {}", takes()));
        }
        if let Some(phase) = filter.phase
            && !action.suits(phase)
        {
            let suits = Phase::ALL.into_iter().filter(|phase| action.suits(*phase));
            let suits = suits.map(Phase::as_str).collect::<Vec<_>>().join(", ");
            wrong("#/filter/phase", format!("is {phase}, and no such task can take {action}; give one of {suits}"));
        }
        if *action == BulkAction::Retry && filter.status.is_none() && filter.phase.is_none() {
            let detail = format!("is missing; retry runs again what it names, so give {}, or a phase", takes());
            wrong("#/filter/status", detail);
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// The filters to look with, one after the other. A cancellation that names no status concerns what has not
    /// finished: nothing else is looked at.
    #[must_use]
    pub fn passes(&self) -> Vec<Filter> {
        let open = self.action == BulkAction::Cancel && self.filter.status.is_none() && self.filter.phase.is_none();
        if !open {
            return vec![self.filter.clone()];
        }
        let of = |status| Filter { status: Some(status), ..self.filter.clone() };
        vec![of(Status::Ready), of(Status::Running)]
    }
}

/// What a bulk action came to; the return value of its task.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BulkReport {
    /// How many jobs it has looked at.
    pub matched: u64,
    /// How many of them took the action.
    pub done: u64,
    /// How many did not, by the kind of the reason: `invalid-transition`, `unique-conflict`, or `gone`.
    pub skipped: BTreeMap<String, u64>,
}

impl BulkReport {
    /// Counts what became of one job.
    ///
    /// # Errors
    ///
    /// That of the store, if it says nothing about the job: then the whole may be tried again.
    pub fn count<T>(&mut self, answer: Result<T, StoreError>) -> Result<(), StoreError> {
        let reason = match answer {
            Ok(_) => {
                self.matched += 1;
                self.done += 1;
                return Ok(());
            }
            Err(StoreError::InvalidMove(_)) => "invalid-transition",
            Err(StoreError::UniqueConflict { .. }) => "unique-conflict",
            Err(StoreError::NotFound(_) | StoreError::Pruned(_)) => "gone",
            Err(failure) => return Err(failure),
        };
        self.matched += 1;
        *self.skipped.entry(reason.to_owned()).or_default() += 1;
        Ok(())
    }
}

/// How many jobs a bulk action would look at now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BulkCount {
    /// How many.
    pub matched: u64,
    /// Whether these are all: counting ends at [`BulkCount::MOST`].
    pub complete: bool,
}

impl BulkCount {
    /// How many are counted at most.
    pub const MOST: u64 = 10_000;
}

/// Where a bulk action stands among the jobs: what belongs to it is settled when it is enqueued.
#[derive(Debug, Clone, Copy)]
pub struct BulkScope<'a> {
    /// Its own job; what was enqueued later (has a larger id) does not belong to it.
    pub own: &'a Job,
    /// The name of its task.
    pub task: &'a str,
    /// Whether its job is of the first run. A later one cannot know what the first has got done, so it leaves alone what
    /// has ended since the bulk action was enqueued: that was taken already, and has failed again.
    pub first_run: bool,
}

impl BulkScope<'_> {
    /// From where the first page goes on, newest first.
    #[must_use]
    pub fn start(&self) -> JobId {
        self.own.id()
    }

    /// Whether a job that fits the filter belongs to it. Bulk actions themselves only do where the filter names their task:
    /// a redrive of all that failed shall not delete again what somebody once wanted deleted.
    #[must_use]
    pub fn takes(&self, job: &Job, filter: &Filter) -> bool {
        let named = *job.spec.task != *self.task || filter.task.as_deref() == Some(self.task);
        let since = self.own.spec.enqueued_at;
        let settled = self.first_run || job.state.finished_at.is_none_or(|at| at <= since);
        named && settled
    }
}
