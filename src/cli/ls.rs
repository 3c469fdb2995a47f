//! `ls`: tasks as a table, newest first.

use std::process::ExitCode;

use callboard_tasks::{Clock, Timestamp};
use clap::Args;
use serde::Deserialize;

use super::Server;
use super::durations::{relative, took};
use super::error::Error;
use super::matching::Matching;
use super::output::{phase, plain};
use super::table::table;
use super::view::TaskView;

/// How much of a value or an error fits into a table.
const OUTCOME: usize = 48;

/// List tasks, newest first
#[derive(Debug, Args)]
pub(super) struct Ls {
    #[command(flatten)]
    matching: Matching,
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
        let mut query = self.matching.given();
        query.extend(self.limit.map(|limit| ("limit", limit.to_string())));
        query.extend(self.cursor.clone().map(|cursor| ("cursor", cursor)));
        query
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
