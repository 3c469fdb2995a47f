//! The command line: `serve`, `worker`, `check`, `token`, `prune`, `migrate` and `bench` open the settings, all other
//! verbs speak HTTP with a running server.
//!
//! An embedding program offers the same command line for its own tasks:
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     callboard::cli::main(callboard::Callboard::builder().memory())
//! }
//! ```

mod bench;
mod bulk;
mod check;
mod client;
mod cron;
mod durations;
mod enqueue;
mod error;
mod jobs;
mod ls;
#[cfg(feature = "mail")]
mod mail;
mod matching;
mod migrate;
mod output;
mod prune;
mod queue;
mod serve;
mod show;
mod signals;
mod stores;
mod table;
mod tasks;
mod token;
mod view;
mod watch;
mod why;
mod worker;
mod workers;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use callboard_actors::Builder;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use self::error::Error;
use crate::settings::Settings;

/// Runs the command line of this process for the tasks of `builder`, and gives the code to leave with:
/// 0 all is well, 1 it failed, 2 it was called wrongly.
///
/// A settings file replaces what `builder` says about the backends it names.
#[must_use]
pub fn main(builder: Builder) -> ExitCode {
    Program::new(builder).main()
}

/// A program that offers this command line.
pub struct Program {
    builder: Builder,
    demo: Option<Demo>,
    name: String,
}

type Demo = Box<dyn FnOnce(Builder) -> Builder>;

impl Program {
    /// A program whose `serve` starts the board of `builder`.
    #[must_use]
    pub fn new(builder: Builder) -> Self {
        Self { builder, demo: None, name: "callboard".into() }
    }

    /// What `--demo` adds to the builder; it is also added where there is no settings file. Without this, the
    /// program has no `--demo`.
    #[must_use]
    pub fn demo(mut self, demo: impl FnOnce(Builder) -> Builder + 'static) -> Self {
        self.demo = Some(Box::new(demo));
        self
    }

    /// Does what the arguments of this process say.
    #[must_use]
    pub fn main(self) -> ExitCode {
        self.main_from(std::env::args_os())
    }

    fn main_from(mut self, arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
        let arguments: Vec<OsString> = arguments.into_iter().collect();
        if let Some(name) = arguments.first().and_then(|path| Path::new(path).file_name()) {
            self.name = name.to_string_lossy().into_owned();
        }
        let arguments = match Arguments::read(&self.name, arguments) {
            Ok(arguments) => arguments,
            // Help and version are such errors, too; a closed terminal is none of ours.
            Err(error) => {
                let _ = error.print();
                return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
            }
        };
        let json = arguments.verb.as_ref().is_some_and(Verb::prints_json);
        match self.run(arguments) {
            Ok(code) => code,
            Err(error) => error.report(json),
        }
    }

    /// The builder, with the demo tasks where they are asked for or nobody says which tasks there are.
    fn with_demo(self, asked: bool, settings: &Settings) -> Result<Builder, Error> {
        match self.demo {
            Some(demo) if asked || settings.file.is_none() => Ok(demo(self.builder)),
            None if asked => Err(Error::Usage("this program has no demo tasks; leave out --demo".into())),
            _ => Ok(self.builder),
        }
    }

    fn run(self, arguments: Arguments) -> Result<ExitCode, Error> {
        let name = self.name.clone();
        match arguments.verb.unwrap_or(Verb::Serve(arguments.serve)) {
            Verb::Serve(options) => self.serve(&options),
            Verb::Worker(options) => self.work(&options),
            Verb::Check(options) => options.run(),
            Verb::Enqueue(options) => options.run(&name),
            Verb::Ls(options) => options.run(&name),
            Verb::Show(options) => options.run(&name),
            Verb::Wait(options) => options.run(&name),
            Verb::Cancel(options) => options.run(&name),
            Verb::Retry(options) => options.run(&name),
            Verb::Rm(options) => options.run(&name),
            Verb::Redrive(options) => options.run(&name),
            Verb::Why(options) => options.run(&name),
            Verb::Tasks(options) => options.run(&name),
            Verb::Queue(options) => options.run(&name),
            Verb::Workers(options) => options.run(&name),
            Verb::Cron(options) => options.run(&name),
            Verb::Token(options) => options.run(),
            #[cfg(feature = "mail")]
            Verb::Mail(options) => options.run(self.builder),
            Verb::Prune(options) => options.run(self.builder),
            Verb::Migrate(options) => options.run(self.builder),
            Verb::Bench(options) => options.run(self.builder),
        }
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").field("name", &self.name).field("builder", &self.builder).finish_non_exhaustive()
    }
}

/// Background tasks: enqueue calls, run them, keep their results.
///
/// Without a verb it serves.
#[derive(Debug, Parser)]
#[command(name = "callboard", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    serve: serve::Serve,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Serve(serve::Serve),
    Worker(worker::Worker),
    Check(check::Check),
    Enqueue(enqueue::Enqueue),
    Ls(ls::Ls),
    Show(show::Show),
    Wait(jobs::Wait),
    Cancel(jobs::Cancel),
    Retry(jobs::Retry),
    Rm(jobs::Rm),
    Redrive(bulk::Redrive),
    Why(why::Why),
    Tasks(tasks::Tasks),
    Queue(queue::Queue),
    Workers(workers::Workers),
    Cron(cron::Cron),
    Token(token::TokenVerb),
    #[cfg(feature = "mail")]
    Mail(mail::MailVerb),
    Prune(prune::Prune),
    Migrate(migrate::Migrate),
    Bench(bench::BenchVerb),
}

impl Verb {
    fn prints_json(&self) -> bool {
        match self {
            Self::Serve(_) | Self::Worker(_) | Self::Check(_) | Self::Token(_) => false,
            #[cfg(feature = "mail")]
            Self::Mail(_) => false,
            Self::Enqueue(verb) => verb.server.json,
            Self::Ls(verb) => verb.server.json,
            Self::Show(verb) => verb.server.json,
            Self::Wait(verb) => verb.server.json,
            Self::Cancel(verb) => verb.server.json,
            Self::Retry(verb) => verb.server.json,
            Self::Rm(verb) => verb.server.json,
            Self::Redrive(verb) => verb.server.json,
            Self::Why(verb) => verb.server.json,
            Self::Tasks(verb) => verb.server.json,
            Self::Queue(verb) => verb.prints_json(),
            Self::Workers(verb) => verb.server.json,
            Self::Cron(verb) => verb.prints_json(),
            Self::Prune(verb) => verb.json,
            Self::Migrate(verb) => verb.prints_json(),
            Self::Bench(verb) => verb.json,
        }
    }
}

impl Arguments {
    fn read(name: &str, arguments: Vec<OsString>) -> Result<Self, clap::Error> {
        let command = Self::command().bin_name(name);
        Self::from_arg_matches(&command.try_get_matches_from(arguments)?)
    }
}

/// What every verb has that speaks with a server.
#[derive(Debug, clap::Args)]
struct Server {
    /// Where the server is
    #[arg(long, env = "CALLBOARD_URL", default_value = "http://127.0.0.1:8000", hide_env_values = true)]
    url: String,
    /// A token of the server; on the command line other users of the machine can see it
    #[arg(long, env = "CALLBOARD_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Print the server's JSON
    #[arg(long)]
    json: bool,
}

impl Server {
    fn client(&self, program: &str) -> Result<client::Client, Error> {
        client::Client::new(&self.url, self.token.as_deref(), program)
    }

    /// Prints an answer of the server: as it is, or as `human` tells it.
    fn print(&self, answer: &client::Answer, human: impl FnOnce() -> String) -> io::Result<()> {
        output::to_stdout(&if self.json { format!("{}\n", answer.text.trim_end()) } else { human() })
    }
}
