//! `cron`: the schedules of a server, and what is done with one.

use std::process::ExitCode;

use callboard_tasks::{Clock, Timestamp};
use clap::{Args, Subcommand};
use serde::Deserialize;

use super::Server;
use super::durations::relative;
use super::error::Error;
use super::output::{self, bold, dim, phase, plain};
use super::table::table;
use super::view::TaskView;

/// List schedules, see when they fire next, run, pause and resume them
#[derive(Debug, Args)]
pub(super) struct Cron {
    #[command(subcommand)]
    verb: CronVerb,
}

#[derive(Debug, Subcommand)]
enum CronVerb {
    Ls(Ls),
    Next(Next),
    Run(Run),
    Pause(Pause),
    Resume(Resume),
}

/// List the schedules
#[derive(Debug, Args)]
struct Ls {
    /// Only of this backend
    #[arg(long)]
    backend: Option<String>,
    #[command(flatten)]
    server: Server,
}

/// Show the next five times of a schedule, or of all
#[derive(Debug, Args)]
struct Next {
    /// The schedule's name
    #[arg(value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    server: Server,
}

/// Enqueue now what a schedule enqueues; its next times stay
#[derive(Debug, Args)]
struct Run {
    /// The schedule's name
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    server: Server,
}

/// Fire a schedule no more until it is resumed
#[derive(Debug, Args)]
struct Pause {
    /// The schedule's name
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    server: Server,
}

/// Fire a schedule again, from now on
#[derive(Debug, Args)]
struct Resume {
    /// The schedule's name
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    server: Server,
}

/// What `GET /schedules` answers.
#[derive(Debug, Deserialize)]
struct List {
    items: Vec<Schedule>,
}

/// The same, to be printed as it came.
#[derive(Debug, Deserialize)]
struct Raw {
    items: Vec<serde_json::Value>,
}

#[derive(Debug, Deserialize)]
struct Schedule {
    name: String,
    backend: String,
    cron: Option<String>,
    timezone: Option<String>,
    description: Option<String>,
    task: Option<String>,
    paused: bool,
    last_tick: Option<Timestamp>,
    next: Vec<Timestamp>,
    problem: Option<String>,
}

impl Cron {
    pub(super) fn run(&self, program: &str) -> Result<ExitCode, Error> {
        match &self.verb {
            CronVerb::Ls(verb) => verb.run(program),
            CronVerb::Next(verb) => verb.run(program),
            CronVerb::Run(verb) => verb.run(program),
            CronVerb::Pause(Pause { name, server }) => change(server, program, name, "pause"),
            CronVerb::Resume(Resume { name, server }) => change(server, program, name, "resume"),
        }
    }

    pub(super) const fn prints_json(&self) -> bool {
        match &self.verb {
            CronVerb::Ls(verb) => verb.server.json,
            CronVerb::Next(verb) => verb.server.json,
            CronVerb::Run(verb) => verb.server.json,
            CronVerb::Pause(verb) => verb.server.json,
            CronVerb::Resume(verb) => verb.server.json,
        }
    }
}

impl Ls {
    fn run(&self, program: &str) -> Result<ExitCode, Error> {
        let query: Vec<_> = self.backend.iter().map(|backend| ("backend", backend.clone())).collect();
        let answer = self.server.client(program)?.get(&["schedules"], &query)?;
        let list: List = answer.read()?;
        self.server.print(&answer, || page(&list, Clock::system().now()))?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Next {
    fn run(&self, program: &str) -> Result<ExitCode, Error> {
        let answer = self.server.client(program)?.get(&["schedules"], &[])?;
        let Some(name) = &self.name else {
            let list: List = answer.read()?;
            self.server.print(&answer, || times(&list.items, Clock::system().now()))?;
            return Ok(ExitCode::SUCCESS);
        };
        let Raw { items } = answer.read()?;
        let Some(one) = items.into_iter().find(|schedule| schedule["name"] == **name) else {
            return Err(Error::Usage(format!("there is no schedule {name:?}; `{program} cron ls` lists them")));
        };
        output::to_stdout(&if self.server.json {
            format!("{one}\n")
        } else {
            times(&[serde_json::from_value(one).map_err(|error| answer.foreign(&error))?], Clock::system().now())
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Run {
    fn run(&self, program: &str) -> Result<ExitCode, Error> {
        let answer = self.server.client(program)?.post(&["schedules", &self.name, "run"], None)?;
        let task: TaskView = answer.read()?;
        self.server.print(&answer, || format!("{}  {}  {}\n", task.id, plain(&task.task), phase(&task.phase)))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn change(server: &Server, program: &str, name: &str, verb: &str) -> Result<ExitCode, Error> {
    let answer = server.client(program)?.post(&["schedules", name, verb], None)?;
    let schedule: Schedule = answer.read()?;
    server.print(&answer, || {
        let now = Clock::system().now();
        format!("{}  {}\n", plain(&schedule.name), state(&schedule, now))
    })?;
    Ok(ExitCode::SUCCESS)
}

fn page(list: &List, now: Timestamp) -> String {
    if list.items.is_empty() {
        return "no schedules\n".into();
    }
    let row = |schedule: &Schedule| {
        vec![
            plain(&schedule.name),
            plain(schedule.cron.as_deref().unwrap_or("?")),
            plain(schedule.timezone.as_deref().unwrap_or("?")),
            plain(schedule.task.as_deref().unwrap_or("?")),
            plain(&schedule.backend),
            schedule.last_tick.map_or_else(|| "never".into(), |at| relative(at, now)),
            state(schedule, now),
        ]
    };
    let heading = ["NAME", "CRON", "TIMEZONE", "TASK", "BACKEND", "LAST", "NEXT"];
    table(&heading, &list.items.iter().map(row).collect::<Vec<_>>())
}

/// When it fires next, or why it does not.
fn state(schedule: &Schedule, now: Timestamp) -> String {
    match (schedule.paused, &schedule.problem, schedule.next.first()) {
        (true, ..) => "paused".into(),
        (_, Some(problem), _) => format!("cannot be read by this server: {}", plain(problem)),
        (_, None, Some(at)) => format!("{} ({at})", relative(*at, now)),
        (_, None, None) => "never".into(),
    }
}

fn times(schedules: &[Schedule], now: Timestamp) -> String {
    let mut page = String::new();
    for schedule in schedules {
        let paused = if schedule.paused { "  paused: none of these" } else { "" };
        let what = plain(schedule.description.as_deref().unwrap_or("?"));
        let zone = plain(schedule.timezone.as_deref().unwrap_or("?"));
        page.push_str(&format!("{}  {what} ({zone}){paused}\n", bold(plain(&schedule.name))));
        for at in &schedule.next {
            page.push_str(&format!("  {at}  {}\n", dim(relative(*at, now))));
        }
    }
    if page.is_empty() { "no schedules\n".into() } else { page }
}
