//! `worker`: runs tasks without a front end, of some queues or all, until it is told to stop or has done enough.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use callboard_tasks::check_name;
use clap::Args;

use super::error::Error;
use super::serve::start_log;
use super::{Program, output, signals};
use crate::settings::{self, Settings};
use crate::system::{self, WorkerOptions, Working};

/// Run tasks without serving HTTP: one process of several that share a store
#[derive(Debug, Args)]
pub(super) struct Worker {
    /// The settings file; else callboard.toml, if there is one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Work these queues alone; mail=4 runs at most four of its tasks at once
    #[arg(long, value_name = "QUEUES", value_delimiter = ',', value_parser = permits)]
    queues: Vec<(String, Option<usize>)>,
    /// Work no task of these queues
    #[arg(long, value_name = "QUEUES", value_delimiter = ',', value_parser = name)]
    exclude: Vec<String>,
    /// Leave when nothing that is due is left
    #[arg(long)]
    drain: bool,
    /// Leave after so many attempts
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_tasks: Option<u64>,
    /// Answer GET /healthz and GET /readyz here; port 0 lets the system choose
    #[arg(long, value_name = "ADDRESS", value_parser = settings::address)]
    health_bind: Option<SocketAddr>,
    /// Register the demo tasks also beside a settings file
    #[arg(long)]
    demo: bool,
}

impl Program {
    /// Works until a signal stops it, or it has done what it shall.
    pub(super) fn work(self, options: &Worker) -> Result<ExitCode, Error> {
        start_log();
        let settings = Settings::find(options.config.as_deref())?;
        let mut builder = self.with_demo(options.demo, &settings)?.settings(settings);
        if !builder.is_shared() {
            let problem = "no backend keeps its tasks outside of its process, so a worker would never see one; \
                           name a sqlite or postgres backend in the settings";
            return Err(Error::Usage(problem.into()));
        }
        if !options.queues.is_empty() {
            builder = builder.works_only(&options.queues).map_err(|problem| usage("--queues", &problem))?;
        }
        if !options.exclude.is_empty() {
            builder = builder.works_all_but(&options.exclude).map_err(|problem| usage("--exclude", &problem))?;
        }
        if let Some(attempts) = options.max_tasks {
            builder = builder.max_tasks(usize::try_from(attempts).unwrap_or(usize::MAX));
        }
        let works = WorkerOptions { drain: options.drain, health: options.health_bind };
        actix_web::rt::System::new().block_on(async {
            let shutdown = signals::first().map_err(Error::Signals)?;
            system::work(builder, works, announce, shutdown).await?;
            Ok(ExitCode::SUCCESS)
        })
    }
}

fn usage(option: &str, problem: &str) -> Error {
    Error::Usage(format!("{option}: {problem}"))
}

/// Says that it works, and where it can be asked how it is.
fn announce(working: &Working) {
    let tasks = working.tasks.len();
    let health = working.health.map(|address| format!(", health at http://{address}/readyz")).unwrap_or_default();
    let line = format!("callboard {} working, {tasks} tasks registered{health}\n", env!("CARGO_PKG_VERSION"));
    // Nobody may be reading; the worker is there all the same.
    let _ = output::to_stdout(&line);
}

/// A queue, alone or with how many of its tasks run at once.
fn permits(text: &str) -> Result<(String, Option<usize>), String> {
    match text.split_once('=') {
        None => Ok((name(text)?, None)),
        Some((queue, most)) => match most.parse() {
            Ok(most) if most > 0 => Ok((name(queue)?, Some(most))),
            _ => Err(format!("{most:?} is no number of tasks at once; write {queue}=4, or {queue} alone")),
        },
    }
}

fn name(text: &str) -> Result<String, String> {
    match check_name(text) {
        Ok(()) => Ok(text.to_owned()),
        Err(problem) => Err(format!("{text:?} {problem}")),
    }
}
