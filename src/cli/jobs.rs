//! `wait` and `cancel`: what is done with one task.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use callboard_tasks::JobId;
use clap::Args;

use super::Server;
use super::client::{Answer, Client};
use super::durations::{seconds, took};
use super::error::Error;
use super::output::{phase, plain};
use super::view::TaskView;

/// The longest that the server is asked to wait at once.
const WAIT: Duration = Duration::from_secs(25);

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
        let (answer, task) = until_finished(&self.server.client(program)?, self.id, self.timeout)?;
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

/// Asks until the task has finished or the time is up; then gives it as it stands.
pub(super) fn until_finished(
    client: &Client,
    id: JobId,
    timeout: Option<Duration>,
) -> Result<(Answer, TaskView), Error> {
    let start = Instant::now();
    let path = ["tasks", &id.to_string()];
    loop {
        let left = timeout.map_or(WAIT, |timeout| timeout.saturating_sub(start.elapsed()).min(WAIT));
        // The server counts in whole seconds; a part of one is waited for as a whole.
        let wait = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        let query = [("wait", wait.to_string())];
        let answer = client.get(&path, if wait > 0 { &query } else { &[] }, left)?;
        let task: TaskView = answer.read()?;
        if task.is_finished || timeout.is_some_and(|timeout| start.elapsed() >= timeout) {
            return Ok((answer, task));
        }
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
