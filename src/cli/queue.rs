//! `queue`: the queues of a server, and what is done with one.

use std::process::ExitCode;

use callboard_tasks::Rate;
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Server;
use super::client::Answer;
use super::error::Error;
use super::output::{bold, plain};
use super::table::table;

/// List queues, pause, resume and limit them
#[derive(Debug, Args)]
pub(super) struct Queue {
    #[command(subcommand)]
    verb: QueueVerb,
}

#[derive(Debug, Subcommand)]
enum QueueVerb {
    Ls(Ls),
    Pause(Pause),
    Resume(Resume),
    Limit(Limit),
}

/// List the queues with what waits, runs and holds them back
#[derive(Debug, Args)]
struct Ls {
    #[command(flatten)]
    of: Of,
}

/// Start nothing more of a queue; what runs goes on
#[derive(Debug, Args)]
struct Pause {
    /// The queue
    #[arg(value_name = "QUEUE")]
    queue: String,
    #[command(flatten)]
    of: Of,
}

/// Start tasks of a queue again
#[derive(Debug, Args)]
struct Resume {
    /// The queue
    #[arg(value_name = "QUEUE")]
    queue: String,
    #[command(flatten)]
    of: Of,
}

/// Limit a queue over all processes; what is left out stays as it is, "none" takes a limit away
#[derive(Debug, Args)]
struct Limit {
    /// The queue
    #[arg(value_name = "QUEUE")]
    queue: String,
    /// How many run at once
    #[arg(long, value_parser = count, value_name = "N")]
    concurrency: Option<Value>,
    /// How many start in a time, such as "100/1m"
    #[arg(long, value_parser = rate, value_name = "N/TIME")]
    rate: Option<Value>,
    /// How many with the same limit key run at once
    #[arg(long, value_parser = count, value_name = "N")]
    key_concurrency: Option<Value>,
    /// How many with the same limit key start in a time
    #[arg(long, value_parser = rate, value_name = "N/TIME")]
    key_rate: Option<Value>,
    /// How many may wait
    #[arg(long, value_parser = count, value_name = "N")]
    depth: Option<Value>,
    #[command(flatten)]
    of: Of,
}

/// Whose queues.
#[derive(Debug, Args)]
struct Of {
    /// Of this backend
    #[arg(long, default_value = "default")]
    backend: String,
    #[command(flatten)]
    server: Server,
}

fn count(text: &str) -> Result<Value, String> {
    match text.parse::<u64>() {
        _ if text == "none" => Ok(Value::Null),
        Ok(count) if count > 0 => Ok(count.into()),
        _ => Err("write a whole number from 1 on, or \"none\"".into()),
    }
}

fn rate(text: &str) -> Result<Value, String> {
    if text == "none" {
        return Ok(Value::Null);
    }
    text.parse::<Rate>().map(|_| text.into())
}

/// What `GET /queues` answers.
#[derive(Debug, Deserialize)]
struct List {
    items: Vec<View>,
}

#[derive(Debug, Deserialize)]
struct View {
    name: String,
    paused: bool,
    counts: Map<String, Value>,
    oldest_ready_age_seconds: Option<f64>,
    limits: Map<String, Value>,
}

impl Queue {
    pub(super) fn run(&self, program: &str) -> Result<ExitCode, Error> {
        let answer = match &self.verb {
            QueueVerb::Ls(Ls { of }) => {
                let answer = of.server.client(program)?.get(&["queues"], &of.query())?;
                let list: List = answer.read()?;
                of.server.print(&answer, || page(&list.items))?;
                return Ok(ExitCode::SUCCESS);
            }
            QueueVerb::Pause(Pause { queue, of }) => of.post(program, queue, "pause")?,
            QueueVerb::Resume(Resume { queue, of }) => of.post(program, queue, "resume")?,
            QueueVerb::Limit(limit) => {
                let body = Value::Object(limit.changes()?).to_string();
                limit.of.server.client(program)?.patch(&["queues", &limit.queue], &limit.of.query(), body)?
            }
        };
        let view: View = answer.read()?;
        self.server().print(&answer, || page(std::slice::from_ref(&view)))?;
        Ok(ExitCode::SUCCESS)
    }

    pub(super) const fn prints_json(&self) -> bool {
        self.server().json
    }

    const fn server(&self) -> &Server {
        let (QueueVerb::Ls(Ls { of })
        | QueueVerb::Pause(Pause { of, .. })
        | QueueVerb::Resume(Resume { of, .. })
        | QueueVerb::Limit(Limit { of, .. })) = &self.verb;
        &of.server
    }
}

impl Of {
    fn query(&self) -> [(&'static str, String); 1] {
        [("backend", self.backend.clone())]
    }

    fn post(&self, program: &str, queue: &str, verb: &str) -> Result<Answer, Error> {
        self.server.client(program)?.post_with(&["queues", queue, verb], &self.query())
    }
}

impl Limit {
    fn changes(&self) -> Result<Map<String, Value>, Error> {
        let all = [
            ("concurrency", &self.concurrency),
            ("rate", &self.rate),
            ("key_concurrency", &self.key_concurrency),
            ("key_rate", &self.key_rate),
            ("depth", &self.depth),
        ];
        let given = all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)));
        let changes: Map<String, Value> = given.collect();
        if changes.is_empty() {
            return Err(Error::Usage("there is nothing to change; give one of the limits, or \"none\" for it".into()));
        }
        Ok(changes)
    }
}

fn page(queues: &[View]) -> String {
    let row = |queue: &View| {
        let count = |phases: &[&str]| {
            let counts = phases.iter().filter_map(|phase| queue.counts.get(*phase)?.as_u64());
            counts.sum::<u64>().to_string()
        };
        let age = queue.oldest_ready_age_seconds.map(|age| format!("{age:.1}s")).unwrap_or_default();
        let limits = queue.limits.iter().filter(|(_, value)| !value.is_null());
        let limits = limits.map(|(name, value)| format!("{name} {}", value.as_str().map_or(value.to_string(), plain)));
        vec![
            plain(&queue.name),
            if queue.paused { bold("paused") } else { String::new() },
            count(&["ready"]),
            count(&["scheduled", "retry_wait"]),
            count(&["parked"]),
            count(&["running", "cancelling"]),
            age,
            limits.collect::<Vec<_>>().join(", "),
        ]
    };
    let rows: Vec<_> = queues.iter().map(row).collect();
    table(&["QUEUE", "", "READY", "LATER", "PARKED", "RUNNING", "OLDEST", "LIMITS"], &rows)
}
