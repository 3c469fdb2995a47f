//! `GET /ui/tasks/{id}`: all that is known of one task, and what can be done to it.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use callboard_tasks::{Phase, TaskResult, Timestamp, format_duration};
use serde::Serialize;

use super::frame::Frame;
use super::rows::{Badge, When, pretty};
use super::{Shared, prefix, render};
use crate::access::Right;
use crate::problem::Problem;
use crate::query::Query;
use crate::tasks::id_of;

#[derive(Serialize)]
struct Detail {
    frame: Frame,
    id: String,
    task: String,
    queue: String,
    backend: String,
    badge: Badge,
    priority: i8,
    attempts: u32,
    max_attempts: u32,
    losses: u32,
    timeout: Option<String>,
    traceparent: Option<String>,
    steps: Vec<Step>,
    args: String,
    return_value: Option<String>,
    metadata: Option<String>,
    tags: Vec<String>,
    progress: Option<(u64, u64)>,
    errors: Vec<Failure>,
    tracebacks: bool,
    can: Can,
    /// What has just been done.
    done: Option<&'static str>,
}

/// Something that has happened or will.
#[derive(Serialize)]
struct Step {
    what: &'static str,
    when: When,
}

#[derive(Serialize)]
struct Failure {
    attempt: u32,
    class: String,
    message: String,
    traceback: String,
    when: When,
}

/// What can be done to it; if not, why.
#[derive(Serialize)]
struct Can {
    retry: bool,
    cancel: bool,
    run_now: bool,
    delete: bool,
}

impl Can {
    const fn of(phase: Phase) -> Self {
        let runs = matches!(phase, Phase::Running | Phase::Cancelling);
        Self {
            retry: phase.is_finished(),
            cancel: !phase.is_finished() && !matches!(phase, Phase::Cancelling),
            run_now: matches!(phase, Phase::Scheduled | Phase::RetryWait),
            delete: !runs,
        }
    }
}

pub(super) async fn get(req: HttpRequest, state: Shared) -> Result<HttpResponse, Problem> {
    let caller = state.caller(&req);
    caller.must(Right::Read)?;
    let query = Query::of(&req, &["done"])?;
    let result = state.board.get(id_of(&req)?).await?;
    let now = state.board.clock().now();
    let shown = result.shown();
    let (spec, job) = (&shown.job.spec, &shown.job.state);
    let failure = |error: &callboard_tasks::TaskError| Failure {
        attempt: error.attempt,
        class: error.exception_class.clone(),
        message: error.message.clone(),
        traceback: error.traceback.clone(),
        when: When::of(error.at, now),
    };
    let done = query.get("done").and_then(|done| {
        ["enqueued", "retried", "cancelled", "asked to stop", "made due"].into_iter().find(|known| *known == done)
    });
    let context = Detail {
        frame: Frame::of(&req, &state, prefix(&req, "/ui/tasks/{id}"), "tasks", &spec.task),
        id: result.id().to_string(),
        task: spec.task.to_string(),
        queue: spec.queue.to_string(),
        backend: result.backend().to_owned(),
        badge: job.phase.into(),
        priority: spec.priority,
        attempts: job.attempts,
        max_attempts: job.max_attempts,
        losses: job.losses,
        timeout: spec.timeout.map(format_duration),
        traceparent: spec.traceparent.clone(),
        steps: steps(&result, now),
        args: pretty(spec.args.as_str()),
        return_value: job.return_value.as_ref().map(|value| pretty(value.as_str())),
        metadata: spec.metadata.as_ref().map(|metadata| pretty(metadata.as_str())),
        tags: spec.tags.clone(),
        progress: job.progress.map(|progress| (progress.done, progress.total)),
        errors: job.errors().iter().rev().map(failure).collect(),
        tracebacks: caller.sees_tracebacks(),
        can: Can::of(job.phase),
        done,
    };
    render::page(StatusCode::OK, "task.html", context)
}

/// The life of a task, in order.
fn steps(result: &TaskResult, now: Timestamp) -> Vec<Step> {
    let (spec, state) = (&result.job().spec, &result.job().state);
    let waits = !result.is_finished() && !matches!(state.phase, Phase::Running | Phase::Cancelling);
    let due = state.next_run_at.or(spec.run_after).filter(|_| waits);
    let again = state.last_attempted_at.filter(|_| state.attempts > 1);
    let steps = [
        ("enqueued", Some(spec.enqueued_at)),
        ("first attempt started", state.started_at),
        ("latest attempt started", again),
        ("due", due),
        ("expires", spec.expires_at.filter(|_| waits)),
        ("ended", state.finished_at),
    ];
    steps.into_iter().filter_map(|(what, at)| Some(Step { what, when: When::of(at?, now) })).collect()
}
