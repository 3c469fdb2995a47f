//! `wait`, `cancel`, `retry` and `rm`: what is done with one task, and with many.

use std::process::ExitCode;
use std::time::Duration;

use callboard_tasks::{BulkAction, JobId};
use clap::Args;

use super::Server;
use super::bulk::{How, Many};
use super::durations::{seconds, took};
use super::error::Error;
use super::matching::Matching;
use super::output::{phase, plain};
use super::view::TaskView;
use super::watch::until_finished;

/// Wait until a task has finished; leaves with 0 if it succeeded, else with 1
#[derive(Debug, Args)]
pub(super) struct Wait {
    /// The task's id
    #[arg(value_name = "ID")]
    id: JobId,
    /// Give up after so many seconds, or "5m"; else never
    #[arg(long, value_parser = seconds, value_name = "SECS")]
    timeout: Option<Duration>,
    #[command(flatten)]
    pub(super) server: Server,
}

impl Wait {
    pub(super) fn run(&self, program: &str) -> Result<ExitCode, Error> {
        let client = self.server.client(program)?;
        let answer = client.get(&["tasks", &self.id.to_string()], &[])?;
        let (answer, task) = until_finished(&client, answer, self.timeout)?;
        self.server.print(&answer, || line(&task))?;
        Ok(code(&task))
    }
}

/// Which task, or which tasks.
#[derive(Debug, Args)]
struct Which {
    /// The task's id; without it, all tasks that fit the conditions
    #[arg(value_name = "ID")]
    id: Option<JobId>,
    #[command(flatten)]
    matching: Matching,
    /// Every task of the backend, where there are no conditions
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    how: How,
}

impl Which {
    /// The one that is meant; else all that fit.
    fn one_or(&self, action: BulkAction) -> Result<Result<JobId, Many<'_>>, Error> {
        let Self { id, matching, all, how } = self;
        let many = *all || how.is_given() || !matching.given().is_empty();
        match id {
            Some(_) if many => Err(Error::Usage("give the id of one task, or conditions for many, not both".into())),
            Some(id) => Ok(Ok(*id)),
            None if many && !all && matching.is_empty() => {
                Err(Error::Usage("give conditions such as --queue or --status, or --all if every task is meant".into()))
            }
            None if many => Ok(Err(Many { action, matching, all: *all, how })),
            None => Err(Error::Usage("give the id of a task, or conditions such as --queue or --status".into())),
        }
    }
}

/// Cancel a task, or all that fit the conditions: at once if it waits, asking it to stop if it runs
#[derive(Debug, Args)]
pub(super) struct Cancel {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    pub(super) server: Server,
}

impl Cancel {
    pub(super) fn run(&self, program: &str) -> Result<ExitCode, Error> {
        let id = match self.which.one_or(BulkAction::Cancel)? {
            Ok(id) => id,
            Err(many) => return many.run(&self.server, program),
        };
        let answer = self.server.client(program)?.post(&["tasks", &id.to_string(), "cancel"], None)?;
        let task: TaskView = answer.read()?;
        self.server.print(&answer, || {
            let asked = if task.is_finished { "" } else { "  it was asked to stop" };
            format!("{}  {}  {}{asked}\n", task.id, plain(&task.task), phase(&task.phase))
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Run a finished task again: it keeps its id, its attempts and its errors
#[derive(Debug, Args)]
pub(super) struct Retry {
    /// The task's id
    #[arg(value_name = "ID")]
    id: JobId,
    #[command(flatten)]
    pub(super) server: Server,
}

impl Retry {
    pub(super) fn run(&self, program: &str) -> Result<ExitCode, Error> {
        let answer = self.server.client(program)?.post(&["tasks", &self.id.to_string(), "retry"], None)?;
        let task: TaskView = answer.read()?;
        self.server.print(&answer, || {
            let attempts = format!("after {} of {} attempts", task.attempts, task.max_attempts);
            format!("{}  {}  {}  {attempts}\n", task.id, plain(&task.task), phase(&task.phase))
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Remove a task that is not running, or all that fit the conditions
#[derive(Debug, Args)]
pub(super) struct Rm {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    pub(super) server: Server,
}

impl Rm {
    pub(super) fn run(&self, program: &str) -> Result<ExitCode, Error> {
        let id = match self.which.one_or(BulkAction::Delete)? {
            Ok(id) => id,
            Err(many) => return many.run(&self.server, program),
        };
        let answer = self.server.client(program)?.delete(&["tasks", &id.to_string()])?;
        if !self.server.json {
            self.server.print(&answer, || format!("{id}  removed\n"))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// How a task stands, in one line.
pub(super) fn line(task: &TaskView) -> String {
    let took = task.took().map(|length| format!(" in {}", took(length))).unwrap_or_default();
    let outcome = task.outcome(usize::MAX);
    let colon = if outcome.is_empty() { "" } else { ": " };
    format!("{}  {}  {}{took}{colon}{outcome}\n", task.id, plain(&task.task), phase(&task.phase))
}

/// 0 only for a task that ended as it should.
pub(super) fn code(task: &TaskView) -> ExitCode {
    if task.is_successful() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
