//! `wait`, `cancel`, `retry` and `rm`: what is done with one task.

use std::process::ExitCode;
use std::time::Duration;

use callboard_tasks::JobId;
use clap::Args;

use super::Server;
use super::durations::{seconds, took};
use super::error::Error;
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

/// Cancel a task: at once if it waits, asking it to stop if it runs
#[derive(Debug, Args)]
pub(super) struct Cancel {
    /// The task's id
    #[arg(value_name = "ID")]
    id: JobId,
    #[command(flatten)]
    pub(super) server: Server,
}

impl Cancel {
    pub(super) fn run(&self, program: &str) -> Result<ExitCode, Error> {
        let answer = self.server.client(program)?.post(&["tasks", &self.id.to_string(), "cancel"], None)?;
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

/// Remove a task that is not running
#[derive(Debug, Args)]
pub(super) struct Rm {
    /// The task's id
    #[arg(value_name = "ID")]
    id: JobId,
    #[command(flatten)]
    pub(super) server: Server,
}

impl Rm {
    pub(super) fn run(&self, program: &str) -> Result<ExitCode, Error> {
        let answer = self.server.client(program)?.delete(&["tasks", &self.id.to_string()])?;
        if !self.server.json {
            self.server.print(&answer, || format!("{}  removed\n", self.id))?;
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
