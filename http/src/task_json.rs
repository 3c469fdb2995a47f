//! A task as clients see it.

use actix_web::http::header::HeaderValue;
use callboard_tasks::{JobState, LogLine, Phase, TaskError, TaskResult, Timestamp};

use crate::json::{self, Object};

/// The type of every answer that is no problem.
pub(crate) const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/json");

/// Enough for most tasks.
const USUAL: usize = 1024;

/// How a task is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown<'a> {
    /// Where our routes are mounted.
    pub(crate) prefix: &'a str,
    /// Whether to say where in the code an attempt failed.
    pub(crate) tracebacks: bool,
    /// Whether to show what its attempts wrote to their log.
    pub(crate) logs: bool,
}

/// A task as the body of an answer.
pub(crate) fn of(result: &TaskResult, shown: Shown<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(USUAL);
    write(&mut out, result, shown);
    out
}

/// Writes a task.
pub(crate) fn write(out: &mut Vec<u8>, result: &TaskResult, shown: Shown<'_>) {
    let snapshot = result.shown();
    let (spec, state) = (&snapshot.job.spec, &snapshot.job.state);
    let mut id = uuid::Uuid::encode_buffer();
    let id: &str = spec.id.as_uuid().hyphenated().encode_lower(&mut id);

    let mut task = Object::open(out);
    task.text("id", id)
        .text("task", &spec.task)
        .text("status", result.status().as_str())
        .text("phase", state.phase.as_str())
        .value("is_finished", &result.is_finished())
        .text("backend", result.backend())
        .text("queue", &spec.queue)
        .value("priority", &spec.priority)
        .raw("args", spec.args.as_str())
        .value("attempts", &state.attempts)
        .value("max_attempts", &state.max_attempts)
        .time("enqueued_at", Some(spec.enqueued_at))
        .time("run_after", spec.run_after)
        .time("next_run_at", next_run_at(state))
        .time("started_at", state.started_at)
        .time("last_attempted_at", state.last_attempted_at)
        .time("finished_at", state.finished_at)
        .list("worker_ids", state.worker_ids(), json::write)
        .raw("return_value", state.return_value.as_ref().map_or("null", |value| value.as_str()))
        .list("errors", state.errors(), |out, error| write_error(out, error, shown.tracebacks));
    match &state.progress {
        Some(progress) => {
            let mut object = Object::open(task.name("progress"));
            object.value("done", &progress.done).value("total", &progress.total);
            object.close();
        }
        None => drop(task.raw("progress", "null")),
    }
    task.list("tags", &spec.tags, json::write)
        .raw("metadata", spec.metadata.as_ref().map_or("{}", |metadata| metadata.as_str()))
        .value("version", &state.version);
    if shown.logs {
        task.list("logs", state.logs(), write_line);
    }
    if result.is_duplicate() {
        task.value("deduplicated", &true);
    }
    let mut links = Object::open(task.name("links"));
    for (name, tail) in [("self", ""), ("events", "/events"), ("cancel", "/cancel")] {
        write_path(links.name(name), &[shown.prefix, "/tasks/", id, tail]);
    }
    links.close();
    task.close();
}

/// When a task that waits for a time of its own may run next.
fn next_run_at(state: &JobState) -> Option<Timestamp> {
    match state.phase {
        Phase::Scheduled | Phase::Ready | Phase::Parked | Phase::RetryWait => state.next_run_at,
        _ => None,
    }
}

fn write_error(out: &mut Vec<u8>, error: &TaskError, tracebacks: bool) {
    let mut object = Object::open(out);
    object.text("exception_class", &error.exception_class).text("message", &error.message);
    if tracebacks {
        object.text("traceback", &error.traceback);
    }
    object.value("attempt", &error.attempt).time("at", Some(error.at));
    object.close();
}

fn write_line(out: &mut Vec<u8>, line: &LogLine) {
    let mut object = Object::open(out);
    object.value("attempt", &line.attempt).time("at", Some(line.at)).text("message", &line.message);
    object.close();
}

/// A path as text: what a URI is made of needs no escape in JSON, but for the quote that no URI holds.
fn write_path(out: &mut Vec<u8>, parts: &[&str]) {
    out.push(b'"');
    for part in parts {
        out.extend(part.bytes().filter(|b| !matches!(b, b'"' | b'\\' | 0..0x20)));
    }
    out.push(b'"');
}

/// In how many seconds it is worth asking again for a task that has not finished.
pub(crate) fn retry_after(result: &TaskResult, now: Timestamp) -> u32 {
    const LONGEST: i64 = 60;
    let state = &result.job().state;
    let due = state.next_run_at.or(result.job().spec.run_after).filter(|_| !result.is_finished());
    let seconds = due.map_or(0, |due| due.as_second() - now.as_second());
    u32::try_from(seconds.clamp(1, LONGEST)).expect("between 1 and 60")
}
