//! A task as the server shows it, read for people.

use std::time::Duration;

use callboard_tasks::{JobId, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::output::one_line;

/// What the command line shows of a task. Members it does not know may be there; these must be.
#[derive(Debug, Deserialize)]
pub(super) struct TaskView {
    pub(super) id: JobId,
    pub(super) task: String,
    pub(super) status: String,
    pub(super) phase: String,
    pub(super) is_finished: bool,
    pub(super) backend: String,
    pub(super) queue: String,
    pub(super) priority: i64,
    pub(super) args: Box<RawValue>,
    pub(super) attempts: u64,
    pub(super) max_attempts: u64,
    pub(super) enqueued_at: Timestamp,
    pub(super) run_after: Option<Timestamp>,
    pub(super) next_run_at: Option<Timestamp>,
    pub(super) started_at: Option<Timestamp>,
    pub(super) last_attempted_at: Option<Timestamp>,
    pub(super) finished_at: Option<Timestamp>,
    #[serde(default)]
    pub(super) worker_ids: Vec<String>,
    pub(super) return_value: Box<RawValue>,
    #[serde(default)]
    pub(super) errors: Vec<ErrorView>,
    pub(super) progress: Option<ProgressView>,
    /// Only where they were asked for.
    #[serde(default)]
    pub(super) logs: Vec<LineView>,
    #[serde(default)]
    pub(super) tags: Vec<String>,
    pub(super) metadata: Option<Box<RawValue>>,
    pub(super) version: u64,
    #[serde(default)]
    pub(super) deduplicated: bool,
}

/// A failed attempt.
#[derive(Debug, Deserialize)]
pub(super) struct ErrorView {
    pub(super) exception_class: String,
    pub(super) message: String,
    #[serde(default)]
    pub(super) traceback: Option<String>,
    pub(super) attempt: u64,
    pub(super) at: Timestamp,
}

/// A line of an attempt's log.
#[derive(Debug, Deserialize)]
pub(super) struct LineView {
    pub(super) attempt: u64,
    pub(super) at: Timestamp,
    pub(super) message: String,
}

/// How far it has come.
#[derive(Debug, Deserialize)]
pub(super) struct ProgressView {
    pub(super) done: u64,
    pub(super) total: u64,
}

impl TaskView {
    /// Whether it ended as it should.
    pub(super) fn is_successful(&self) -> bool {
        self.status == "SUCCESSFUL"
    }

    /// From the first start to the end; `None` until then.
    pub(super) fn took(&self) -> Option<Duration> {
        self.finished_at?.duration_since(self.started_at?).try_into().ok()
    }

    /// What came of it so far, in one line: its value, its last error, or how far it is.
    pub(super) fn outcome(&self, most: usize) -> String {
        let text = if self.is_successful() {
            Some(self.return_value.get()).filter(|value| *value != "null").unwrap_or_default().to_owned()
        } else if let Some(error) = self.errors.last() {
            format!("{}: {}", error.exception_class, error.message)
        } else if let Some(ProgressView { done, total }) = self.progress {
            format!("{done} of {total}")
        } else {
            String::new()
        };
        one_line(&text, most)
    }
}
