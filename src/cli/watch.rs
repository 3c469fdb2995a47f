//! Waits for the end of a task, and tells on stderr what goes wrong on the way there.

use std::thread;
use std::time::{Duration, Instant};

use callboard_tasks::{Clock, Timestamp};

use super::client::{Answer, Client};
use super::durations::relative;
use super::error::Error;
use super::output::{one_line, to_stderr};
use super::view::{ErrorView, TaskView};

/// The longest that the server is asked to wait at once.
const WAIT: Duration = Duration::from_secs(25);

/// Between two questions; a task that tells its progress all the time changes faster than anybody can read.
const PAUSE: Duration = Duration::from_millis(100);

/// How much of an error's message fits into a line.
const MESSAGE: usize = 200;

/// Asks until the task of `answer` has finished or the time is up; then gives it as it stands.
pub(super) fn until_finished(
    client: &Client,
    answer: Answer,
    timeout: Option<Duration>,
) -> Result<(Answer, TaskView), Error> {
    until_finished_telling(client, answer, timeout, |_| {})
}

/// As [`until_finished`], and shows `tell` the task whenever it has changed.
pub(super) fn until_finished_telling(
    client: &Client,
    mut answer: Answer,
    timeout: Option<Duration>,
    mut tell: impl FnMut(&TaskView),
) -> Result<(Answer, TaskView), Error> {
    let start = Instant::now();
    let mut task: TaskView = answer.read()?;
    let id = task.id.to_string();
    let mut failures = Failures::before(&task);
    loop {
        // If nobody reads stderr, the end is still worth waiting for.
        let _ = to_stderr(&failures.tell(&task, Clock::system().now()));
        tell(&task);
        let left = timeout.map_or(WAIT, |timeout| timeout.saturating_sub(start.elapsed()).min(WAIT));
        if task.is_finished || left.is_zero() {
            return Ok((answer, task));
        }
        let asked = Instant::now();
        // The server counts in whole seconds; a part of one is waited for as a whole.
        let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        if let Some(newer) = client.get_newer(&["tasks", &id], task.version, seconds)? {
            task = newer.read()?;
            answer = newer;
        }
        if !task.is_finished {
            thread::sleep(PAUSE.saturating_sub(asked.elapsed()));
        }
    }
}

/// The failed attempts of a task, each of which is told once.
pub(super) struct Failures {
    /// The last attempt that was told, or that is too old to be news.
    told: u64,
    /// Whether it has been said that nobody need stay.
    hinted: bool,
}

impl Failures {
    /// Those from the last one on that `task` has now.
    pub(super) fn before(task: &TaskView) -> Self {
        let last = task.errors.last().map_or(0, |error| error.attempt);
        Self { told: last.saturating_sub(1), hinted: false }
    }

    /// A line for each attempt that failed since, the last one with the time of the next.
    pub(super) fn tell(&mut self, task: &TaskView, now: Timestamp) -> String {
        let mut lines = String::new();
        // The error that ended the task is told with its end.
        let ended = usize::from(task.is_finished && !task.is_successful());
        let failed = &task.errors[..task.errors.len().saturating_sub(ended)];
        for ErrorView { attempt, exception_class, message, .. } in failed.iter().filter(|e| e.attempt > self.told) {
            let what = one_line(&format!("{exception_class}: {message}"), MESSAGE);
            lines.push_str(&format!("attempt {attempt} of {} failed: {what}", task.max_attempts));
            if let Some(next) = task.next_run_at.filter(|_| *attempt == task.attempts) {
                lines.push_str(&format!("; next {}", relative(next, now)));
            }
            if !task.is_finished && !std::mem::replace(&mut self.hinted, true) {
                lines.push_str("; Ctrl-C leaves it running");
            }
            lines.push('\n');
        }
        self.told = failed.last().map_or(self.told, |error| error.attempt.max(self.told));
        lines
    }
}
