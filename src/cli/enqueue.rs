//! `enqueue`: a call from the command line.

use std::io::Read;
use std::process::ExitCode;
use std::time::Duration;

use callboard_tasks::Timestamp;
use clap::Args;
use serde::Serialize;
use serde_json::value::RawValue;

use super::Server;
use super::durations::{pause, seconds, time};
use super::error::Error;
use super::jobs::{code, line};
use super::view::TaskView;
use super::watch::until_finished;

/// Enqueue a call of a task
#[derive(Debug, Args)]
pub(super) struct Enqueue {
    /// The task's name
    task: String,
    /// Its arguments: a JSON object by name or a JSON array by position; `-` reads them from the standard input
    #[arg(value_name = "ARGS-JSON", allow_hyphen_values = true)]
    args: Option<String>,
    /// The queue to wait in
    #[arg(long)]
    queue: Option<String>,
    /// -100 to 100; larger runs sooner
    #[arg(long, allow_negative_numbers = true)]
    priority: Option<i64>,
    /// Start no sooner than after this pause, such as 5m or 1h30m
    #[arg(long = "in", value_parser = pause, value_name = "PAUSE", conflicts_with = "at")]
    pause: Option<String>,
    /// Start no sooner than at this time, such as 2026-11-22T10:00:00Z
    #[arg(long, value_parser = time, value_name = "TIME")]
    at: Option<Timestamp>,
    /// Try it so often in all
    #[arg(long, value_name = "N")]
    max_attempts: Option<u32>,
    /// The backend's alias
    #[arg(long)]
    backend: Option<String>,
    /// A label to find it by; may be given several times
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Wait until it has finished, at most so many seconds; leaves with 0 if it succeeded, else with 1
    #[arg(long, value_parser = seconds, value_name = "SECS", num_args = 0..=1)]
    wait: Option<Option<Duration>>,
    #[command(flatten)]
    pub(super) server: Server,
}

/// The body of `POST /enqueue`.
#[derive(Serialize)]
struct Body<'a> {
    task: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backend: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_attempts: Option<u32>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    tags: &'a [String],
}

impl Enqueue {
    pub(super) fn run(&self, program: &str) -> Result<ExitCode, Error> {
        let client = self.server.client(program)?;
        let answer = client.post(&["enqueue"], Some(self.body()?))?;
        let task: TaskView = answer.read()?;
        let Some(timeout) = self.wait else {
            self.server.print(&answer, || {
                let earlier = if task.deduplicated { "an earlier call, " } else { "" };
                format!("{earlier}{}", line(&task))
            })?;
            return Ok(ExitCode::SUCCESS);
        };
        let (answer, task) = until_finished(&client, answer, timeout)?;
        self.server.print(&answer, || line(&task))?;
        Ok(code(&task))
    }

    fn body(&self) -> Result<String, Error> {
        let body = Body {
            task: &self.task,
            args: self.args()?,
            backend: self.backend.as_deref(),
            queue: self.queue.as_deref(),
            priority: self.priority,
            run_after: self.pause.clone().or(self.at.map(|at| at.to_string())),
            max_attempts: self.max_attempts,
            tags: &self.tags,
        };
        Ok(serde_json::to_string(&body).expect("texts, numbers and JSON have a JSON"))
    }

    /// The arguments as they were typed: a detour through a tree of values would round large numbers.
    fn args(&self) -> Result<Option<Box<RawValue>>, Error> {
        let Some(typed) = &self.args else { return Ok(None) };
        let mut text = typed.clone();
        if text == "-" {
            text.clear();
            std::io::stdin().read_to_string(&mut text).map_err(|error| {
                Error::Usage(format!("the arguments cannot be read from the standard input: {error}"))
            })?;
        }
        let wrong = |problem: &str| {
            Error::Usage(format!(
                "{:?} {problem}; write the arguments by name, '{{\"a\": 2, \"b\": 3}}', or by position, '[2, 3]'",
                text.trim()
            ))
        };
        let args: Box<RawValue> =
            serde_json::from_str(&text).map_err(|error| wrong(&format!("is not JSON ({error})")))?;
        if args.get().starts_with(['{', '[']) {
            Ok(Some(args))
        } else {
            Err(wrong("is neither an object nor an array"))
        }
    }
}
