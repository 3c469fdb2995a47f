//! Which tasks a verb is about: the conditions of `ls`, `redrive`, and of `cancel` and `rm` of many.

use callboard_tasks::{Phase, Status, Timestamp};
use clap::Args;

use super::durations::time;

/// Conditions, of which a task must fit all.
#[derive(Debug, Default, Args)]
pub(super) struct Matching {
    /// Only of this status: READY, RUNNING, SUCCESSFUL or FAILED
    #[arg(long, value_parser = status)]
    pub(super) status: Option<String>,
    /// Only in this phase: scheduled, ready, running, retry_wait, failed, …
    #[arg(long, value_parser = known_phase)]
    pub(super) phase: Option<String>,
    /// Only of this task
    #[arg(long)]
    task: Option<String>,
    /// Only in this queue
    #[arg(long)]
    queue: Option<String>,
    /// Only of this backend; else of `default`
    #[arg(long)]
    backend: Option<String>,
    /// Only with this label
    #[arg(long)]
    tag: Option<String>,
    /// Only enqueued at this time or later, such as 2026-11-22T10:00:00Z
    #[arg(long, value_parser = time, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Only enqueued before this time
    #[arg(long, value_parser = time, value_name = "TIME")]
    until: Option<Timestamp>,
}

impl Matching {
    /// Whether every task of the backend fits.
    pub(super) fn is_empty(&self) -> bool {
        self.given().iter().all(|(name, _)| *name == "backend")
    }

    /// Those that are given, by the names that the server has for them.
    pub(super) fn given(&self) -> Vec<(&'static str, String)> {
        let given = [
            ("status", self.status.clone()),
            ("phase", self.phase.clone()),
            ("task", self.task.clone()),
            ("queue", self.queue.clone()),
            ("backend", self.backend.clone()),
            ("tag", self.tag.clone()),
            ("since", self.since.map(|at| at.to_string())),
            ("until", self.until.map(|at| at.to_string())),
        ];
        given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

fn status(text: &str) -> Result<String, String> {
    let written = text.to_ascii_uppercase();
    let known = Status::ALL.map(Status::as_str);
    if known.contains(&written.as_str()) { Ok(written) } else { Err(format!("the statuses are {}", known.join(", "))) }
}

fn known_phase(text: &str) -> Result<String, String> {
    let written = text.to_ascii_lowercase();
    let known = Phase::ALL.map(Phase::as_str);
    if known.contains(&written.as_str()) { Ok(written) } else { Err(format!("the phases are {}", known.join(", "))) }
}
