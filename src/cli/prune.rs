//! `prune`: removes finished jobs past their retention now, as a running process does by and by.

use std::process::ExitCode;

use callboard_actors::Builder;
use callboard_tasks::{Clock, Prunable, Store};
use clap::Args;
use serde_json::json;

use super::error::Error;
use super::output;
use super::stores::{Which, wait_for};

/// How many jobs go in one transaction: few enough that nobody has to wait for it.
const BATCH: usize = 1_000;

/// Remove finished jobs that were kept for as long as the settings say
#[derive(Debug, Args)]
pub(super) struct Prune {
    #[command(flatten)]
    which: Which,
    /// Only say how many there are
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Removes all that is past its time. How many.
async fn prune(store: &dyn Store) -> Result<usize, Error> {
    let mut pruned = 0;
    loop {
        let removed = store.prune(BATCH).await?;
        pruned += removed;
        if removed < BATCH {
            return Ok(pruned);
        }
    }
}

impl Prune {
    pub(super) fn run(&self, builder: Builder) -> Result<ExitCode, Error> {
        let unopened = self.which.store(builder)?;
        let (due, pruned) = wait_for(async {
            let store = unopened.open(Clock::system()).await?;
            let due = store.prunable().await?;
            let pruned = if self.dry_run { 0 } else { prune(store.as_ref()).await? };
            store.close().await;
            Ok::<_, Error>((due, pruned))
        })?;
        output::to_stdout(&if self.json { self.report(due, pruned) } else { self.page(due, pruned) })?;
        Ok(ExitCode::SUCCESS)
    }

    fn page(&self, due: Prunable, pruned: usize) -> String {
        if self.dry_run {
            let Prunable { successful, failed } = due;
            format!("{} jobs are past their time: {successful} successful, {failed} others\n", successful + failed)
        } else {
            format!("{pruned} jobs removed\n")
        }
    }

    fn report(&self, due: Prunable, pruned: usize) -> String {
        let due = json!({ "successful": due.successful, "failed": due.failed });
        format!("{}\n", json!({ "dry_run": self.dry_run, "due": due, "pruned": pruned }))
    }
}
