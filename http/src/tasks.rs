//! One task: looked up, waited for, cancelled, tried again, changed, removed.

use std::borrow::Cow;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use callboard_tasks::{
    Change, Error, InvalidMove, JobId, Phase, Problem as FieldProblem, StoreError, TaskResult, WaitFor,
};

use crate::access::{Caller, Right};
use crate::enqueue::read;
use crate::etag::{self, Condition, Known};
use crate::members::{Member as _, Members, members, text_of};
use crate::problem::{Kind, Problem};
use crate::query::Query;
use crate::state::State;
use crate::task_json::{self, Shown};
use crate::{body, links, prefer};

/// `GET /tasks/{id}`.
pub(crate) async fn get(req: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let caller = state.caller(&req);
    caller.must(Right::Read)?;
    let query = Query::of(&req, &["wait", "logs"])?;
    let id = id_of(&req)?;
    let logs = query.parse("logs", |text| text.parse().ok(), "give true or false")?.unwrap_or(false);
    let preferred = prefer::wait(req.headers(), state.limits.wait);
    let asked = query.given("wait").map(|wait| {
        prefer::whole_seconds(wait)
            .ok_or_else(|| Problem::parameter("wait", format!("is {wait:?}; give a whole number of seconds")))
    });
    let wait = asked.transpose()?.map_or(preferred, |wait| wait.min(state.limits.wait));
    let known = Known::of(req.headers());

    let mut result = state.board.get(id).await?;
    if !wait.is_zero() {
        result = changed(&state, result, known.as_ref(), wait).await?;
    }
    let version = result.job().state.version;
    let unchanged = known.is_some_and(|known| known.has(version));
    let status = if unchanged { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let mut response = builder(&state, &result, status);
    if !preferred.is_zero() && query.given("wait").is_none() {
        response.insert_header(prefer::applied(preferred));
    }
    if unchanged {
        return Ok(response.finish());
    }
    Ok(with_logs(response, &req, &caller, &result, logs))
}

/// Holds until the task has finished or, for a client that knows a version, until it has another one; then or
/// when the time is up, the task as it stands.
async fn changed(
    state: &State,
    result: TaskResult,
    known: Option<&Known<'_>>,
    wait: Duration,
) -> Result<TaskResult, Problem> {
    let version = result.job().state.version;
    let until = match known {
        _ if result.is_finished() => return Ok(result),
        None => WaitFor::Finished,
        Some(known) if known.has(version) => WaitFor::ChangeAfter(version),
        Some(_) => return Ok(result),
    };
    match state.wait(result.id(), until, wait).await? {
        Some(result) => Ok(result),
        None => Ok(state.board.get(result.id()).await?),
    }
}

/// `GET /tasks/{id}/result`: the bare return value.
pub(crate) async fn result(req: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let caller = state.caller(&req);
    caller.must(Right::Read)?;
    Query::of(&req, &[])?;
    let result = state.board.get(id_of(&req)?).await?;
    let value = &result.job().state.return_value;
    match (result.is_finished(), value) {
        (false, _) => {
            let response = builder(&state, &result, StatusCode::ACCEPTED);
            Ok(with_task(response, &req, &caller, &result))
        }
        (true, Some(value)) => {
            let mut response = builder(&state, &result, StatusCode::OK);
            response.insert_header((header::CONTENT_TYPE, task_json::CONTENT_TYPE));
            Ok(response.body(value.as_str().to_owned()))
        }
        (true, None) => {
            let detail = format!("the task has finished without a return value ({})", result.phase());
            Err(Problem::new(Kind::TaskFailed, detail))
        }
    }
}

/// `POST /tasks/{id}/cancel`.
pub(crate) async fn cancel(req: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let caller = state.caller(&req);
    caller.must(Right::Write)?;
    Query::of(&req, &[])?;
    let result = cancel_now(&state, id_of(&req)?).await?;
    let status = if result.is_finished() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok(with_task(builder(&state, &result, status), &req, &caller, &result))
}

/// Ends a task that waits, or asks a running one to stop.
pub(crate) async fn cancel_now(state: &State, id: JobId) -> Result<TaskResult, Problem> {
    Ok(match state.board.cancel(id).await {
        // Somebody has asked already: to ask again is no mistake.
        Err(
            Error::InvalidMove(InvalidMove { from: Phase::Cancelling, .. })
            | Error::Store(StoreError::InvalidMove(InvalidMove { from: Phase::Cancelling, .. })),
        ) => state.board.get(id).await?,
        answer => answer?,
    })
}

/// `POST /tasks/{id}/retry`.
pub(crate) async fn retry(req: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let caller = state.caller(&req);
    caller.must(Right::Write)?;
    Query::of(&req, &[])?;
    let result = state.board.retry(id_of(&req)?).await?;
    Ok(with_task(builder(&state, &result, StatusCode::ACCEPTED), &req, &caller, &result))
}

/// `POST /tasks/{id}/run-now`.
pub(crate) async fn run_now(req: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let caller = state.caller(&req);
    caller.must(Right::Write)?;
    Query::of(&req, &[])?;
    let result = state.board.change(id_of(&req)?, Change::RunNow).await?;
    Ok(with_task(builder(&state, &result, StatusCode::OK), &req, &caller, &result))
}

/// `DELETE /tasks/{id}`.
pub(crate) async fn delete(req: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    state.caller(&req).must(Right::Write)?;
    Query::of(&req, &[])?;
    state.board.change(id_of(&req)?, Change::Delete).await?;
    Ok(HttpResponse::NoContent().finish())
}

members! {
    /// What can be changed of a task.
    Member {
        RunAfter "run_after",
        Priority "priority",
        Queue "queue",
        MaxAttempts "max_attempts",
    }
}

/// `PATCH /tasks/{id}`.
pub(crate) async fn patch(
    req: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let caller = state.caller(&req);
    caller.must(Right::Write)?;
    Query::of(&req, &[])?;
    let id = id_of(&req)?;
    let body = body::read_json(&req, payload, state.limits).await?;
    let mut members = Members::of(text_of(&body)?)?;
    let clock = state.board.clock();
    let run_after = match members.given(Member::RunAfter) {
        // Here null is an answer: at once.
        Some("null") => Some(None),
        _ => members.read(Member::RunAfter, |json| read::when(json, clock)?.resolve(clock.now()).map_err(Into::into)),
    };
    let priority = members.read(Member::Priority, read::priority).map(|n| i8::try_from(n).expect("in its range"));
    let queue = members.read(Member::Queue, read::name);
    let max_attempts = members.read(Member::MaxAttempts, read::max_attempts);
    for member in [Member::Priority, Member::Queue, Member::MaxAttempts] {
        // Of these null says nothing, and somebody meant something by it.
        if members.given(member) == Some("null") {
            members.mistake(format!("#/{}", Member::NAMES[member.place()]), "is null; give a value or leave it out");
        }
    }
    let mistakes = members.mistakes();
    if !mistakes.is_empty() {
        return Err(Problem::fields(mistakes));
    }
    if run_after.is_none() && priority.is_none() && queue.is_none() && max_attempts.is_none() {
        let detail = format!("the body changes nothing; give one of {}", Member::NAMES.join(", "));
        return Err(Problem::fields(vec![FieldProblem::new("#", detail)]));
    }
    let now = state.board.get(id).await?;
    let if_version = Condition::of(req.headers()).wanted(now.job().state.version)?;
    if let Some(queue) = &queue {
        check_queue(&state, now.backend(), queue)?;
    }
    let queue = queue.map(Cow::into_owned);
    let change = Change::Reschedule { run_after, priority, queue, max_attempts, if_version };
    let result = state.board.change(id, change).await?;
    Ok(with_task(builder(&state, &result, StatusCode::OK), &req, &caller, &result))
}

fn check_queue(state: &State, backend: &str, queue: &str) -> Result<(), Problem> {
    let known = state.board.backends().into_iter().find(|info| info.alias == backend);
    match known {
        Some(info) if !info.queues.allow(queue) => {
            let detail = format!("is {queue:?}, which is not a queue of the backend {backend:?}");
            Err(Problem::fields(vec![FieldProblem::new("#/queue", detail)]))
        }
        _ => Ok(()),
    }
}

pub(crate) fn id_of(req: &HttpRequest) -> Result<JobId, Problem> {
    let id = req.match_info().query("id");
    id.parse().map_err(|detail: String| Problem::new(Kind::InvalidParameter, detail))
}

/// An answer about a task, with all that caches and pollers need.
fn builder(state: &State, result: &TaskResult, status: StatusCode) -> HttpResponseBuilder {
    const CACHING: HeaderValue = HeaderValue::from_static("private, no-cache");
    const VARY: HeaderValue = HeaderValue::from_static("Authorization, Prefer");

    let mut response = HttpResponse::build(status);
    response.insert_header((header::ETAG, etag::of(result.job().state.version)));
    response.insert_header((header::CACHE_CONTROL, CACHING));
    response.insert_header((header::VARY, VARY));
    if !result.is_finished() {
        let seconds = task_json::retry_after(result, state.board.clock().now());
        response.insert_header((header::RETRY_AFTER, HeaderValue::from(seconds)));
    }
    response
}

fn with_task(response: HttpResponseBuilder, req: &HttpRequest, caller: &Caller, result: &TaskResult) -> HttpResponse {
    with_logs(response, req, caller, result, false)
}

fn with_logs(
    mut response: HttpResponseBuilder,
    req: &HttpRequest,
    caller: &Caller,
    result: &TaskResult,
    logs: bool,
) -> HttpResponse {
    let prefix = links::prefix_before(req.path(), "/tasks/");
    response.insert_header((header::CONTENT_TYPE, task_json::CONTENT_TYPE));
    response.body(task_json::of(result, Shown { prefix, tracebacks: caller.sees_tracebacks(), logs }))
}
