//! `POST /enqueue`: a body becomes a call, the call a job, and the job the answer.

mod members;
mod read;

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use callboard_tasks::{AnyCall, Error, Problem as FieldProblem, TaskResult, Timestamp, WaitFor};

use self::members::Members;
use crate::access::{Caller, Right};
use crate::problem::{Kind, Problem};
use crate::query::Query;
use crate::state::State;
use crate::task_json::{self, Shown};
use crate::{body, links, prefer};

/// The handler.
pub(crate) async fn post(
    req: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let caller = state.caller(&req);
    caller.must(Right::EnqueueAny)?;
    Query::of(&req, &[])?;
    if req.headers().contains_key("idempotency-key") {
        return Err(Problem::parameter("Idempotency-Key", "is not supported yet"));
    }
    let body = body::read_json(&req, payload, state.limits).await?;
    let mut call = call_of(&state, &caller, &body).await?;
    if let Some(trace) = req.headers().get("traceparent").and_then(|trace| trace.to_str().ok()) {
        call.options_mut().traceparent = Some(trace.to_owned());
    }
    let enqueued = state.board.try_enqueue_any(call).await?;
    let wait = prefer::wait(req.headers(), state.limits.wait);
    let (result, waited) = finished_in_time(&state, enqueued, wait).await;
    Ok(answer(&req, &caller, &result, waited.then_some(wait)))
}

/// Waits for the end if the client prefers that. Also gives whether the end came while it waited.
async fn finished_in_time(state: &State, mut enqueued: TaskResult, wait: Duration) -> (TaskResult, bool) {
    if wait.is_zero() || enqueued.is_finished() {
        return (enqueued, false);
    }
    // The task is enqueued whatever happens to the waiting, so the answer must not be an error.
    match state.wait(enqueued.id(), WaitFor::Finished, wait).await {
        Ok(Some(finished)) => (finished, true),
        Ok(None) => {
            let _ = enqueued.refresh().await;
            let finished = enqueued.is_finished();
            (enqueued, finished)
        }
        Err(_) => (enqueued, false),
    }
}

fn answer(req: &HttpRequest, caller: &Caller, result: &TaskResult, waited: Option<Duration>) -> HttpResponse {
    let prefix = links::prefix_before(req.path(), "/enqueue");
    let status = match result {
        result if result.is_finished() || result.is_duplicate() => StatusCode::OK,
        _ => StatusCode::ACCEPTED,
    };
    let location = HeaderValue::try_from(links::task(prefix, result.id())).expect("a path is visible ASCII");
    let mut response = HttpResponse::build(status);
    response.insert_header((header::LOCATION, location));
    response.insert_header((header::CONTENT_TYPE, task_json::CONTENT_TYPE));
    if let Some(wait) = waited {
        response.insert_header(prefer::applied(wait));
    }
    let shown = Shown { prefix, tracebacks: caller.sees_tracebacks() };
    response.body(task_json::of(result, shown))
}

/// The call that a body asks for, or all of its mistakes.
async fn call_of(state: &State, caller: &Caller, body: &[u8]) -> Result<AnyCall, Problem> {
    let mut members = Members::of(body)?;
    let task = members.read("task", read::name);
    let args = members.read("args", read::args);
    let options = Options::read(&mut members, state);
    let args_are_wrong = args.is_none() && members.raw("args").is_some();
    let Some(task) = task else {
        if members.raw("task").is_none() {
            members.mistake("#/task", "is missing; give the name of a task");
        }
        return Err(Problem::fields(members.mistakes()));
    };
    let mistakes = members.mistakes();
    let call = match named(state, caller, &task, args.unwrap_or("{}")).await {
        Ok(call) if mistakes.is_empty() => call,
        Ok(_) => return Err(Problem::fields(mistakes)),
        Err(problem) => return Err(together(mistakes, problem, args_are_wrong)),
    };
    options.apply(call)
}
