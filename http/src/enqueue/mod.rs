//! `POST /enqueue`: a body becomes a call, the call a job, and the job the answer.

mod batch;
pub(crate) mod read;
mod scan;
mod unique;

use std::borrow::Cow;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use callboard_tasks::{
    AnyCall, CallOptions, Error, Json, Problem as FieldProblem, RunAfter, TaskResult, Unique, WaitFor, near_names,
};

pub(crate) use self::batch::post as post_batch;
pub(crate) use self::unique::UnderWay;

use crate::access::{Caller, Right};
use crate::members::{Members, members, text_of};
use crate::problem::{Kind, Problem};
use crate::query::Query;
use crate::state::State;
use crate::task_json::{self, Shown};
use crate::{body, links, prefer};

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

members! {
    /// A member of a call.
    Member {
        Task "task",
        Args "args",
        Backend "backend",
        Queue "queue",
        Priority "priority",
        RunAfter "run_after",
        MaxAttempts "max_attempts",
        TimeoutMs "timeout_ms",
        ExpiresAt "expires_at",
        Tags "tags",
        Metadata "metadata",
        Unique "unique",
        LimitKey "limit_key",
    }
}

/// `POST /enqueue`.
pub(crate) async fn post(
    req: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let caller = state.caller(&req);
    caller.must(Right::EnqueueAny)?;
    Query::of(&req, &[])?;
    let body = body::read_json(&req, payload, state.limits).await?;
    let mut call = call_of(&state, &caller, text_of(&body)?).await?;
    call.options_mut().traceparent = traceparent(&req);
    call.options_mut().idempotency = unique::idempotency(&req, &caller, &[&body])?;
    let going = state.under_way.begin(call.options().idempotency.as_ref())?;
    let charge = state.quotas.charge(&caller, std::slice::from_ref(&call))?;
    let enqueued = state.board.try_enqueue_any(call).await?;
    charge.keep();
    drop(going);
    let wait = prefer::wait(req.headers(), state.limits.wait);
    let (result, waited) = finished_in_time(&state, enqueued, wait).await;
    Ok(answer(&req, &caller, &result, waited.then_some(wait)))
}

/// The trace that a request belongs to; one that is none is not kept.
fn traceparent(req: &HttpRequest) -> Option<String> {
    Some(req.headers().get(TRACEPARENT)?.to_str().ok()?.to_owned())
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
    let mut response = HttpResponse::build(status);
    response.insert_header((header::LOCATION, links::location(prefix, result.id())));
    response.insert_header((header::CONTENT_TYPE, task_json::CONTENT_TYPE));
    if result.is_replayed() {
        response.insert_header((REPLAYED, HeaderValue::from_static("true")));
    }
    if let Some(wait) = waited {
        response.insert_header(prefer::applied(wait));
    }
    let shown = Shown { prefix, tracebacks: caller.sees_tracebacks(), logs: false };
    response.body(task_json::of(result, shown))
}

/// The call that a text asks for, or all of its mistakes.
pub(crate) async fn call_of(state: &State, caller: &Caller, text: &str) -> Result<AnyCall, Problem> {
    let mut members = Members::of(text)?;
    let task = members.read(Member::Task, read::name);
    let args = members.read(Member::Args, read::args);
    let options = Options::read(&mut members, state);
    if members.raw(Member::Task).is_none() {
        members.mistake("#/task", "is missing; give the name of a task");
    }
    let args_unread = args.is_none() && members.raw(Member::Args).is_some();
    let mut mistakes = members.mistakes();
    let Some(task) = task else { return Err(Problem::fields(mistakes)) };
    match named(state, caller, &task, args.unwrap_or("{}")).await {
        Ok(call) if mistakes.is_empty() => Ok(options.apply(call)),
        Err(problem) if mistakes.is_empty() => Err(problem),
        Err(problem) if problem.kind() == Kind::UnknownTask => {
            mistakes.push(FieldProblem::new("#/task", format!("is {task:?}, which is not known")));
            Err(Problem::fields(mistakes))
        }
        Err(problem) if problem.kind() == Kind::ValidationFailed && !args_unread => {
            mistakes.extend(problem.into_errors());
            Err(Problem::fields(mistakes))
        }
        Ok(_) => Err(Problem::fields(mistakes)),
        Err(problem) if problem.kind() == Kind::ValidationFailed => Err(Problem::fields(mistakes)),
        Err(problem) => Err(problem),
    }
}

/// A call by name, of a task that may be enqueued over HTTP and by this caller. All others are as unknown.
async fn named(state: &State, caller: &Caller, name: &str, args: &str) -> Result<AnyCall, Problem> {
    let call = state.board.call_named(name, args).await;
    let task = match &call {
        Ok(call) => call.task(),
        Err(Error::InvalidTask(invalid)) => &invalid.task,
        Err(Error::UnknownTask { near, .. }) => return Err(unknown(state, caller, name, near.clone()).into()),
        Err(_) => return Ok(call?),
    };
    if !is_open(state, task).await? {
        let known = state.board.registry().iter().map(|task| task.name);
        return Err(unknown(state, caller, name, near_names(name, known)).into());
    }
    caller.must(Right::Enqueue(task))?;
    Ok(call?)
}

/// Whether a task may be enqueued over HTTP.
async fn is_open(state: &State, task: &str) -> Result<bool, Error> {
    match state.board.registry().get(task) {
        Some(definition) => Ok(definition.options.http),
        None => Ok(state.board.published().await?.get(task).is_none_or(|published| published.http)),
    }
}

/// The refusal of an unknown task, which names only tasks that the caller may enqueue.
fn unknown(state: &State, caller: &Caller, name: &str, near: Vec<String>) -> Error {
    let registry = state.board.registry();
    let open = |name: &String| registry.get(name).is_none_or(|task| task.options.http);
    let near = near.into_iter().filter(|name| open(name) && caller.has(&Right::Enqueue(name))).collect();
    Error::UnknownTask { name: name.to_owned(), near }
}

/// What a body asks for besides the task and its arguments.
#[derive(Debug, Default)]
struct Options<'a> {
    backend: Option<Cow<'a, str>>,
    queue: Option<Cow<'a, str>>,
    priority: Option<i64>,
    run_after: RunAfter,
    max_attempts: Option<u32>,
    timeout: Option<Duration>,
    expires: RunAfter,
    tags: Vec<String>,
    metadata: Option<Json>,
    unique: Option<Unique>,
    limit_key: Option<Cow<'a, str>>,
}

impl<'a> Options<'a> {
    fn read(members: &mut Members<'a, Member>, state: &State) -> Self {
        let clock = state.board.clock();
        Self {
            backend: members.read(Member::Backend, read::name),
            queue: members.read(Member::Queue, read::name),
            priority: members.read(Member::Priority, read::priority),
            run_after: members.read(Member::RunAfter, |json| read::when(json, clock)).unwrap_or_default(),
            max_attempts: members.read(Member::MaxAttempts, read::max_attempts),
            timeout: members.read(Member::TimeoutMs, read::timeout),
            expires: members.read(Member::ExpiresAt, |json| read::when(json, clock)).unwrap_or_default(),
            tags: members.read(Member::Tags, read::tags).unwrap_or_default(),
            metadata: members.read(Member::Metadata, read::metadata),
            unique: members.read(Member::Unique, unique::unique),
            limit_key: members.read(Member::LimitKey, read::text),
        }
    }

    fn apply(self, mut call: AnyCall) -> AnyCall {
        let owned = |name: Cow<'a, str>| Cow::Owned(name.into_owned());
        let options = call.options_mut();
        let asked = CallOptions {
            backend: self.backend.map(owned),
            queue: self.queue.map(owned),
            priority: self.priority,
            run_after: self.run_after,
            max_attempts: self.max_attempts,
            timeout: self.timeout,
            expires: self.expires,
            tags: self.tags,
            metadata: self.metadata.map(Ok),
            unique: self.unique,
            limit_key: self.limit_key.map(Cow::into_owned),
            ..CallOptions::default()
        };
        // What the body leaves out is as the task has it, whoever has its code.
        *options = asked.or(std::mem::take(options));
        call
    }
}
