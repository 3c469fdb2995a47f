//! `migrate`: the schema of a store by hand. A process that opens a store brings it up to date by itself.

use std::process::ExitCode;

use callboard_actors::{Builder, Schema, SchemaStep};
use clap::{Args, Subcommand};
use serde_json::json;

use super::error::Error;
use super::output;
use super::stores::{Which, wait_for};
use super::table::table;

/// Show the schema of a store, or bring it up to date
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Migrate {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Print the whole schema as statements, and change nothing
    #[arg(long)]
    sql: bool,
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Take the steps that were not taken yet
    Up(Options),
    /// Show the steps, and which were taken
    Status(Options),
}

#[derive(Debug, Args)]
struct Options {
    #[command(flatten)]
    which: Which,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Migrate {
    pub(super) fn prints_json(&self) -> bool {
        matches!(&self.verb, Some(Verb::Up(options) | Verb::Status(options)) if options.json)
    }

    pub(super) fn run(&self, builder: Builder) -> Result<ExitCode, Error> {
        let text = match &self.verb {
            Some(Verb::Up(options)) => options.show(&wait_for(schema(&options.which, builder)?.bring_up())?),
            Some(Verb::Status(options)) => options.show(&wait_for(schema(&options.which, builder)?.status())?),
            None if self.sql => schema(&self.which, builder)?.sql(),
            None => return Err(Error::Usage("say what to do: migrate up, migrate status, or migrate --sql".into())),
        };
        output::to_stdout(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn schema(which: &Which, builder: Builder) -> Result<Box<dyn Schema>, Error> {
    let store = which.store(builder)?;
    let kind = store.opener().kind();
    store.opener().schema().ok_or_else(|| Error::Usage(format!("a {kind} store has no schema")))
}

impl Options {
    fn show(&self, steps: &[SchemaStep]) -> String {
        if self.json {
            let steps: Vec<_> = steps
                .iter()
                .map(|step| json!({ "version": step.version, "name": step.name, "applied_at": step.applied_at }))
                .collect();
            return format!("{}\n", json!({ "steps": steps }));
        }
        let taken = |step: &SchemaStep| step.applied_at.map_or("not taken yet".into(), |at| format!("{at:.0}"));
        let rows = steps.iter().map(|step| vec![step.version.to_string(), step.name.clone(), taken(step)]);
        table(&["step", "name", "taken"], &rows.collect::<Vec<_>>())
    }
}
