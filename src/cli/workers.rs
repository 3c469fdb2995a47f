//! `workers`: the processes that run tasks.

use std::process::ExitCode;

use callboard_tasks::{Clock, Timestamp};
use clap::Args;
use serde::Deserialize;

use super::Server;
use super::durations::relative;
use super::error::Error;
use super::output::{dim, plain, red};
use super::table::table;

/// List the processes that run tasks, and what each runs
#[derive(Debug, Args)]
pub(super) struct Workers {
    /// Only of this backend
    #[arg(long)]
    backend: Option<String>,
    #[command(flatten)]
    pub(super) server: Server,
}

/// What `GET /workers` answers.
#[derive(Debug, Deserialize)]
struct List {
    items: Vec<Process>,
}

#[derive(Debug, Deserialize)]
struct Process {
    id: String,
    backend: String,
    this_process: bool,
    lease_ends_at: Timestamp,
    lease_held: bool,
    running: Vec<Running>,
}

#[derive(Debug, Deserialize)]
struct Running {
    id: String,
    task: String,
    since: Option<Timestamp>,
}

impl Workers {
    pub(super) fn run(&self, program: &str) -> Result<ExitCode, Error> {
        let query: Vec<_> = self.backend.iter().map(|backend| ("backend", backend.clone())).collect();
        let answer = self.server.client(program)?.get(&["workers"], &query)?;
        let list: List = answer.read()?;
        self.server.print(&answer, || page(&list.items, Clock::system().now()))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn page(processes: &[Process], now: Timestamp) -> String {
    /// A process may run hundreds; the first ones are enough to see what it is at.
    const SHOWN: usize = 5;
    if processes.is_empty() {
        return "no process works\n".into();
    }
    let row = |process: &Process| {
        let lease = format!("lease ends {}", relative(process.lease_ends_at, now));
        vec![
            process.id.clone(),
            plain(&process.backend),
            if process.lease_held { lease } else { red(lease) },
            format!("{} running", process.running.len()),
            if process.this_process { dim("this server") } else { String::new() },
        ]
    };
    let rows: Vec<_> = processes.iter().map(row).collect();
    let mut text = table(&["PROCESS", "BACKEND", "LEASE", "TASKS", ""], &rows);
    for process in processes {
        for task in process.running.iter().take(SHOWN) {
            let since = task.since.map(|at| format!("  since {}", relative(at, now))).unwrap_or_default();
            text += &format!("{}  {}{since}  {}\n", task.id, plain(&task.task), dim(format!("in {}", process.id)));
        }
        if let more @ 1.. = process.running.len().saturating_sub(SHOWN) {
            text += &format!("{}\n", dim(format!("and {more} more in {}", process.id)));
        }
    }
    text
}
