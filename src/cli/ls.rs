//! `ls`: tasks as a table, newest first.

use std::process::ExitCode;

use callboard_tasks::{Clock, Phase, Status, Timestamp};
use clap::Args;
use serde::Deserialize;

use super::Server;
use super::durations::{relative, time, took};
use super::error::Error;
use super::output::{phase, plain};
use super::table::table;
use super::view::TaskView;

/// How much of a value or an error fits into a table.
const OUTCOME: usize = 48;

/// List tasks, newest first
#[derive(Debug, Args)]
pub(super) struct Ls {
    /// Only of this status: READY, RUNNING, SUCCESSFUL or FAILED
    #[arg(long, value_parser = status)]
    status: Option<String>,
    /// Only in this phase: scheduled, ready, running, retry_wait, failed, …
    #[arg(long, value_parser = known_phase)]
    phase: Option<String>,
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
    /// At most so many, 1 to 200
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=200))]
    limit: Option<u8>,
    /// Go on where an earlier list ended
    #[arg(long)]
    cursor: Option<String>,
    #[command(flatten)]
    pub(super) server: Server,
}

#[derive(Debug, Deserialize)]
struct List {
    items: Vec<TaskView>,
    next: Option<String>,
}

impl Ls {
    pub(super) fn run(&self, program: &str) -> Result<ExitCode, Error> {
        let answer = self.server.client(program)?.get(&["tasks"], &self.query())?;
        let list: List = answer.read()?;
        self.server.print(&answer, || page(&list, Clock::system().now()))?;
        Ok(ExitCode::SUCCESS)
    }

    fn query(&self) -> Vec<(&'static str, String)> {
        let given = [
            ("status", self.status.clone()),
            ("phase", self.phase.clone()),
            ("task", self.task.clone()),
            ("queue", self.queue.clone()),
            ("backend", self.backend.clone()),
            ("tag", self.tag.clone()),
            ("since", self.since.map(|at| at.to_string())),
            ("until", self.until.map(|at| at.to_string())),
            ("limit", self.limit.map(|limit| limit.to_string())),
            ("cursor", self.cursor.clone()),
        ];
        given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

fn page(list: &List, now: Timestamp) -> String {
    if list.items.is_empty() {
        return "no tasks\n".into();
    }
    let row = |task: &TaskView| {
        vec![
            task.id.to_string(),
            plain(&task.task),
            phase(&task.phase),
            plain(&task.queue),
            format!("{}/{}", task.attempts, task.max_attempts),
            relative(task.enqueued_at, now),
            task.took().map(took).unwrap_or_default(),
            task.outcome(OUTCOME),
        ]
    };
    let heading = ["ID", "TASK", "PHASE", "QUEUE", "ATTEMPTS", "ENQUEUED", "TOOK", "OUTCOME"];
    let table = table(&heading, &list.items.iter().map(row).collect::<Vec<_>>());
    match &list.next {
        Some(cursor) => format!("{table}more with --cursor {}\n", plain(cursor)),
        None => table,
    }
}

fn status(text: &str) -> Result<String, String> {
    let written = text.to_ascii_uppercase();
    let known = [Status::Ready, Status::Running, Status::Successful, Status::Failed].map(|status| status.to_string());
    if known.contains(&written) { Ok(written) } else { Err(format!("the statuses are {}", known.join(", "))) }
}

fn known_phase(text: &str) -> Result<String, String> {
    let written = text.to_ascii_lowercase();
    let known = Phase::ALL.map(Phase::as_str);
    if known.contains(&written.as_str()) { Ok(written) } else { Err(format!("the phases are {}", known.join(", "))) }
}
