//! `serve`: starts a board with its front end, says where it is, and runs it until it is told to stop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::error::Error;
use super::{Program, output, signals};
use crate::settings::{self, Settings};
use crate::system::{self, Started};

/// What is logged unless RUST_LOG says otherwise: not a line for each attempt, which would swamp a busy server, and
/// none for bytes that are no HTTP, with which any client could fill the log.
const LOG: &str = "info,callboard::tasks=warn,actix_server=warn,actix_http=off";

/// Serve: run tasks, and take calls over HTTP
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// The settings file; else callboard.toml, if there is one
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The address to listen on; port 0 lets the system choose [default: 127.0.0.1:8000]
    #[arg(long, value_name = "ADDRESS", value_parser = settings::address)]
    bind: Option<SocketAddr>,
    /// Register the demo tasks also beside a settings file
    #[arg(long)]
    demo: bool,
    /// Refuse everything that changes something, over HTTP and on the dashboard
    #[arg(long)]
    read_only: bool,
}

impl Program {
    /// Serves until a signal stops it.
    pub(super) fn serve(self, options: &Serve) -> Result<ExitCode, Error> {
        start_log();
        let mut settings = Settings::find(options.config.as_deref())?;
        if let Some(bind) = options.bind {
            settings.http.bind = bind;
        }
        settings.http.read_only |= options.read_only;
        let builder = self.with_demo(options.demo, &settings)?;
        actix_web::rt::System::new().block_on(async {
            let shutdown = signals::first().map_err(Error::Signals)?;
            system::run(builder, settings, announce, shutdown).await?;
            Ok(ExitCode::SUCCESS)
        })
    }
}

/// A program around us may have started a log of its own; then that one holds.
pub(super) fn start_log() {
    let environment = env_logger::Env::default().default_filter_or(LOG);
    let _ = env_logger::Builder::from_env(environment).format_timestamp_millis().try_init();
}

/// Says where the server is, and what to paste to see it work.
fn announce(started: &Started) {
    // Nobody may be reading; the server is there all the same.
    let _ = output::to_stdout(&lines(started));
}

fn lines(started: &Started) -> String {
    let url = started.url();
    let access = if started.has_tokens {
        "every request needs a token"
    } else {
        "open to this machine; behind a proxy create a token"
    };
    let start = format!("callboard {} listening on http://{} ({access})\n", env!("CARGO_PKG_VERSION"), started.address);
    let Some(body) = example(started) else { return start };
    let token = if started.has_tokens { " -H \"Authorization: Bearer $CALLBOARD_TOKEN\"" } else { "" };
    format!(
        "{start}\n\
         enqueue a task:\n  \
         curl -s{token} {url}/enqueue -H 'Content-Type: application/json' -d '{body}'\n\
         ask for its result, with the \"id\" of the answer for ID:\n  \
         curl -s{token} {url}/tasks/ID\n"
    )
}

/// A call that this server takes.
fn example(started: &Started) -> Option<&'static str> {
    [
        ("demo.add", r#"{"task": "demo.add", "args": {"a": 2, "b": 3}}"#),
        ("log_message", r#"{"task": "log_message", "args": {"message": "hello"}}"#),
    ]
    .into_iter()
    .find(|(task, _)| started.tasks.contains(task))
    .map(|(_, body)| body)
}
