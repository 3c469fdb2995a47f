//! `redrive`, and what it shares with `cancel` and `rm` of many: the tasks are counted, somebody says yes, and the server
//! does it as a task of its own.

use std::io::{self, BufRead, IsTerminal};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use callboard_tasks::{BulkAction, BulkReport};
use clap::Args;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Server;
use super::durations::seconds;
use super::error::Error;
use super::jobs::{code, line};
use super::matching::Matching;
use super::output::to_stderr;
use super::view::TaskView;
use super::watch::until_finished_telling;

/// Between two lines that say how far it is.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Run all failed tasks again that fit the conditions; each keeps its id, its attempts and its errors
///
/// Without --status and --phase those in the phase failed, and none that was cancelled, has expired or is quarantined.
#[derive(Debug, Args)]
pub(super) struct Redrive {
    #[command(flatten)]
    matching: Matching,
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    pub(super) server: Server,
}

impl Redrive {
    pub(super) fn run(mut self, program: &str) -> Result<ExitCode, Error> {
        if self.matching.status.is_none() && self.matching.phase.is_none() {
            self.matching.phase = Some("failed".into());
        }
        Many { action: BulkAction::Retry, matching: &self.matching, all: false, how: &self.how }
            .run(&self.server, program)
    }
}

/// How many tasks are changed at once.
#[derive(Debug, Default, Args)]
pub(super) struct How {
    /// Only say how many there are
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Wait until it is done, at most so many seconds; leaves with 0 if it succeeded, else with 1
    #[arg(long, value_parser = seconds, value_name = "SECS", num_args = 0..=1)]
    wait: Option<Option<Duration>>,
}

impl How {
    /// Whether anything was said.
    pub(super) const fn is_given(&self) -> bool {
        self.dry_run || self.yes || self.wait.is_some()
    }
}

/// One action on many tasks.
pub(super) struct Many<'a> {
    pub(super) action: BulkAction,
    pub(super) matching: &'a Matching,
    /// Whether every task is meant where there are no conditions.
    pub(super) all: bool,
    pub(super) how: &'a How,
}

/// What `POST /bulk` answers to `dry_run`.
#[derive(Debug, Deserialize)]
struct Count {
    matched: u64,
    complete: bool,
}

impl Many<'_> {
    pub(super) fn run(&self, server: &Server, program: &str) -> Result<ExitCode, Error> {
        let client = server.client(program)?;
        if self.how.dry_run || !self.how.yes {
            let answer = client.post(&["bulk"], Some(self.body(true)))?;
            let count: Count = answer.read()?;
            if self.how.dry_run {
                server.print(&answer, || format!("{} would {}\n", tasks(&count), self.verb()))?;
                return Ok(ExitCode::SUCCESS);
            }
            if count.matched > 0 && !self.is_wanted(&count)? {
                to_stderr("nothing was changed\n")?;
                return Ok(ExitCode::FAILURE);
            }
        }
        let answer = client.post(&["bulk"], Some(self.body(false)))?;
        let task: TaskView = answer.read()?;
        let Some(timeout) = self.how.wait else {
            server.print(&answer, || line(&task))?;
            return Ok(ExitCode::SUCCESS);
        };
        let mut told = (Instant::now(), 0);
        let (answer, task) = until_finished_telling(&client, answer, timeout, |task| {
            let progress = task.progress.as_ref().filter(|_| !task.is_finished);
            if let Some(progress) = progress.filter(|now| now.done != told.1 && told.0.elapsed() >= TELL_EVERY) {
                // If nobody reads stderr, the end is still worth waiting for.
                let _ = to_stderr(&format!("{} of {}\n", progress.done, progress.total));
                told = (Instant::now(), progress.done);
            }
        })?;
        server.print(&answer, || self.report(&task))?;
        Ok(code(&task))
    }

    /// Asks whoever sits at the terminal.
    fn is_wanted(&self, count: &Count) -> Result<bool, Error> {
        let what = format!("{} will {}", tasks(count), self.verb());
        if !io::stdin().is_terminal() {
            let fix = "say --yes, or --dry-run to see only how many there are";
            return Err(Error::Usage(format!("{what}, and nobody is there to be asked; {fix}")));
        }
        to_stderr(&format!("{what}; go on? [y/N] "))?;
        let mut said = String::new();
        io::stdin().lock().read_line(&mut said)?;
        Ok(matches!(said.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    const fn verb(&self) -> &'static str {
        match self.action {
            BulkAction::Retry => "run again",
            BulkAction::Cancel => "be cancelled",
            BulkAction::Delete => "be removed",
        }
    }

    fn body(&self, dry_run: bool) -> String {
        let filter: Map<String, Value> =
            self.matching.given().into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let mut body = Map::new();
        body.insert("action".into(), self.action.as_str().into());
        body.insert("filter".into(), filter.into());
        body.insert("all".into(), self.all.into());
        body.insert("dry_run".into(), dry_run.into());
        Value::from(body).to_string()
    }

    fn report(&self, task: &TaskView) -> String {
        let Ok(report) = serde_json::from_str::<BulkReport>(task.return_value.get()) else { return line(task) };
        let done = match self.action {
            BulkAction::Retry => "run again",
            BulkAction::Cancel => "cancelled or asked to stop",
            BulkAction::Delete => "removed",
        };
        let mut text = format!("{} of {} {done}", report.done, report.matched);
        for (reason, count) in &report.skipped {
            text.push_str(&format!(", {count} left alone ({reason})"));
        }
        format!("{text}\n")
    }
}

fn tasks(count: &Count) -> String {
    match count {
        Count { matched: 1, complete: true } => "1 task".into(),
        Count { matched, complete: true } => format!("{matched} tasks"),
        Count { matched, complete: false } => format!("more than {matched} tasks"),
    }
}
