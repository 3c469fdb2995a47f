//! `show`: all about one task.

use callboard_tasks::{Clock, JobId, Timestamp};
use clap::Args;

use super::Server;
use super::durations::{relative, took};
use super::error::Error;
use super::output::{bold, dim, phase, plain};
use super::view::TaskView;

/// Show one task
#[derive(Debug, Args)]
pub(super) struct Show {
    /// The task's id
    #[arg(value_name = "ID")]
    id: JobId,
    #[command(flatten)]
    pub(super) server: Server,
}

impl Show {
    pub(super) fn run(&self, program: &str) -> Result<std::process::ExitCode, Error> {
        let client = self.server.client(program)?;
        let answer = client.get(&["tasks", &self.id.to_string()], &[("logs", "true".into())])?;
        let task: TaskView = answer.read()?;
        self.server.print(&answer, || page(&task, Clock::system().now()))?;
        Ok(std::process::ExitCode::SUCCESS)
    }
}

/// A task as a page: what it is, then one line for each thing known of it.
pub(super) fn page(task: &TaskView, now: Timestamp) -> String {
    let mut page = format!("{}  {}\n", bold(plain(&task.task)), task.id);
    let mut line = |name: &str, text: String| page.push_str(&format!("  {}{text}\n", dim(format!("{name:<11}"))));
    let time = |at: Timestamp| format!("{} ({at})", relative(at, now));
    line("phase", format!("{} ({})", phase(&task.phase), plain(&task.status)));
    line("queue", format!("{} of backend {}, priority {}", plain(&task.queue), plain(&task.backend), task.priority));
    line("attempts", format!("{} of {}", task.attempts, task.max_attempts));
    line("enqueued", time(task.enqueued_at));
    let times = [("runs after", task.run_after), ("started", task.started_at)];
    for (name, at) in times.into_iter().filter_map(|(name, at)| Some((name, at?))) {
        line(name, time(at));
    }
    if let Some(at) = task.last_attempted_at.filter(|_| task.attempts > 1) {
        line("last tried", time(at));
    }
    if let Some(at) = task.next_run_at.filter(|_| task.attempts > 0) {
        line("next try", time(at));
    }
    if let Some(at) = task.finished_at {
        let length = task.took().map(|length| format!(", took {}", took(length))).unwrap_or_default();
        line("finished", format!("{}{length}", time(at)));
    }
    line("args", plain(task.args.get()));
    if let Some(progress) = &task.progress {
        line("progress", format!("{} of {}", progress.done, progress.total));
    }
    if task.is_successful() {
        line("returned", plain(task.return_value.get()));
    }
    if !task.tags.is_empty() {
        line("tags", plain(&task.tags.join(", ")));
    }
    if let Some(metadata) = task.metadata.as_ref().filter(|metadata| metadata.get() != "{}") {
        line("metadata", plain(metadata.get()));
    }
    if let Some(worker) = task.worker_ids.last() {
        line("worker", plain(worker));
    }
    page + &errors(task, now) + &logs(task)
}

/// What its attempts wrote, each under its own heading.
fn logs(task: &TaskView) -> String {
    let mut text = String::new();
    let mut attempt = None;
    for line in &task.logs {
        if attempt != Some(line.attempt) {
            text.push_str(&format!("  {}\n", dim(format!("log of attempt {}", line.attempt))));
            attempt = Some(line.attempt);
        }
        text.push_str(&format!("    {}  {}\n", dim(line.at), indented(&line.message)));
    }
    text
}

fn errors(task: &TaskView, now: Timestamp) -> String {
    let mut text = String::new();
    for error in &task.errors {
        let class = plain(&error.exception_class);
        let when = dim(format!("attempt {}, {}", error.attempt, relative(error.at, now)));
        text.push_str(&format!("  {when}\n    {class}: {}\n", indented(&error.message)));
        // The first line of a traceback says what has just been said.
        let causes = error.traceback.as_deref().and_then(|text| text.split_once('\n')).map(|(_, causes)| causes.trim());
        if let Some(causes) = causes.filter(|causes| !causes.is_empty()) {
            text.push_str(&format!("    {}\n", dim(indented(causes))));
        }
    }
    text
}

fn indented(text: &str) -> String {
    plain(text.trim_end()).replace('\n', "\n    ")
}
