//! `why`: what keeps a task from running.

use std::process::ExitCode;

use callboard_tasks::JobId;
use clap::Args;
use serde::Deserialize;

use super::Server;
use super::error::Error;
use super::output::{bold, plain};

/// Say why a task is not running
#[derive(Debug, Args)]
pub(super) struct Why {
    /// The task's id
    #[arg(value_name = "ID")]
    id: JobId,
    #[command(flatten)]
    pub(super) server: Server,
}

/// What `GET /tasks/{id}/why` answers.
#[derive(Debug, Deserialize)]
struct Answer {
    runnable: bool,
    reasons: Vec<Reason>,
}

#[derive(Debug, Deserialize)]
struct Reason {
    code: String,
    detail: String,
}

impl Why {
    pub(super) fn run(&self, program: &str) -> Result<ExitCode, Error> {
        let answer = self.server.client(program)?.get(&["tasks", &self.id.to_string(), "why"], &[])?;
        let why: Answer = answer.read()?;
        self.server.print(&answer, || told(&why))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn told(why: &Answer) -> String {
    let head = if why.runnable { "nothing holds it back: it starts as soon as a worker is free\n" } else { "" };
    let reasons =
        why.reasons.iter().map(|reason| format!("{}  {}\n", bold(plain(&reason.code)), plain(&reason.detail)));
    std::iter::once(head.to_owned()).chain(reasons).collect()
}
