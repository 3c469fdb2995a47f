//! `POST /enqueue/batch`: many calls in one body, all or none of them, or each for itself.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use callboard_tasks::{AnyCall, Error, Idempotency, Problem as FieldProblem, TaskResult, validate};
use futures::future::join_all;
use serde_json::value::RawValue;

use super::{REPLAYED, call_of, traceparent, unique};
use crate::access::{Caller, Right};
use crate::body::{self, Form};
use crate::json::Object;
use crate::links;
use crate::members::{Members, members, shown, text_of};
use crate::problem::Problem;
use crate::query::Query;
use crate::state::State;
use crate::task_json::{self, Shown};

/// The most calls of one transaction, and of one array; of calls that stand in lines so many go on at a time.
const MOST: usize = 1_000;
/// The most calls that stand in lines: each is answered, and a short one costs its client next to nothing.
const LINES: usize = 100_000;
/// The most mistakes that an answer lists.
const MISTAKES: usize = 100;

members! {
    /// A member of a batch.
    Member {
        Tasks "tasks",
        Atomic "atomic",
    }
}

/// What a body asks for.
struct Batch<'a> {
    atomic: bool,
    /// Each call as JSON text.
    calls: Vec<&'a str>,
}

/// The handler.
pub(crate) async fn post(
    req: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let caller = state.caller(&req);
    caller.must(Right::EnqueueAny)?;
    let form = body::form_of(&req)?;
    let query = Query::of(&req, if form == Form::Lines { &["atomic"] } else { &[] })?;
    let body = body::read_within(&req, payload, state.limits.for_batch()).await?;
    let text = text_of(&body)?;
    let batch = match form {
        Form::Json => Batch::of_object(text)?,
        Form::Lines => Batch::of_lines(text, &query)?,
    };
    let trace = traceparent(&req);
    if batch.atomic {
        // The same bytes mean something else in another form, or where one call is sent by itself.
        let form: &[u8] = if form == Form::Lines { b"lines\n" } else { b"batch\n" };
        let request = unique::idempotency(&req, &caller, &[form, &body])?;
        let _going = state.under_way.begin(request.as_ref())?;
        together(&req, &state, &caller, &batch.calls, trace, request).await
    } else {
        unique::refuse(&req)?;
        Ok(each(&state, &caller, &batch.calls, trace).await)
    }
}

impl<'a> Batch<'a> {
    fn of_object(text: &'a str) -> Result<Self, Problem> {
        let mut members = Members::of(text)?;
        let atomic = members.read(Member::Atomic, |json| {
            serde_json::from_str::<bool>(json).map_err(|_| format!("is {}; give true or false", shown(json)).into())
        });
        let calls = members.read(Member::Tasks, |json| {
            let calls: Vec<&'a RawValue> =
                serde_json::from_str(json).map_err(|_| format!("is {}; give an array of calls", shown(json)))?;
            if calls.len() > MOST {
                return Err(format!("has {} calls; at most {MOST} are allowed", calls.len()).into());
            }
            Ok(calls.into_iter().map(RawValue::get).collect())
        });
        if members.raw(Member::Tasks).is_none() {
            members.mistake("#/tasks", "is missing; give an array of calls");
        }
        match (calls, members.mistakes()) {
            (Some(calls), mistakes) if mistakes.is_empty() => Ok(Self { atomic: atomic.unwrap_or(true), calls }),
            (_, mistakes) => Err(Problem::fields(mistakes)),
        }
    }

    fn of_lines(text: &'a str, query: &Query) -> Result<Self, Problem> {
        let read = |text: &str| text.parse::<bool>().ok();
        let atomic = query.parse("atomic", read, "give true or false")?.unwrap_or(true);
        let calls: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let detail = match calls.len() {
            n if n > LINES => {
                format!("the body has {n} calls; at most {LINES} are taken at once, so send several bodies")
            }
            n if atomic && n > MOST => format!(
                "the body has {n} calls; at most {MOST} fit into one transaction, so send fewer or add ?atomic=false"
            ),
            _ => return Ok(Self { atomic, calls }),
        };
        Err(Problem::fields(vec![FieldProblem::new("#", detail)]))
    }
}

/// A call that its backend would take, as far as can be told without it.
async fn checked(state: &State, caller: &Caller, text: &str, trace: Option<&String>) -> Result<AnyCall, Problem> {
    let mut call = call_of(state, caller, text).await?;
    call.options_mut().traceparent = trace.cloned();
    let backends = state.board.backends();
    let Some(info) = backends.iter().find(|info| info.alias == call.backend()) else {
        let known = backends.iter().map(|info| info.alias.clone()).collect();
        return Err(Error::UnknownBackend { alias: call.backend().into(), known }.into());
    };
    validate(&call, info, state.board.clock().now())?;
    Ok(call)
}

/// All of them in one transaction, or none and every mistake.
async fn together(
    req: &HttpRequest,
    state: &State,
    caller: &Caller,
    texts: &[&str],
    trace: Option<String>,
    request: Option<Idempotency>,
) -> Result<HttpResponse, Problem> {
    let (mut calls, mut mistakes) = (Vec::with_capacity(texts.len()), Vec::new());
    for (n, text) in texts.iter().enumerate() {
        match checked(state, caller, text, trace.as_ref()).await {
            Ok(call) => calls.push(call),
            Err(problem) => mistakes.extend(problem.into_fields(&format!("#/tasks/{n}"))?),
        }
        if mistakes.len() > MISTAKES {
            mistakes.truncate(MISTAKES);
            break;
        }
    }
    if !mistakes.is_empty() {
        return Err(Problem::fields(mistakes));
    }
    let charge = state.quotas.charge(caller, &calls)?;
    let results = match request {
        Some(request) => state.board.try_enqueue_all_once(request, calls).await?,
        None => state.board.try_enqueue_all(calls).await?,
    };
    charge.keep();
    let prefix = links::prefix_before(req.path(), "/enqueue/batch");
    let shown = Shown { prefix, tracebacks: caller.sees_tracebacks(), logs: false };
    let mut body = Vec::with_capacity(1024 * (results.len() + 1));
    let mut object = Object::open(&mut body);
    object.list("items", &results, |out, result| task_json::write(out, result, shown));
    object.close();
    let mut response = HttpResponse::Accepted();
    response.insert_header((header::CONTENT_TYPE, task_json::CONTENT_TYPE));
    if results.iter().any(TaskResult::is_replayed) {
        response.insert_header((REPLAYED, HeaderValue::from_static("true")));
    }
    Ok(response.body(body))
}

/// Each for itself: what became of it stands at its place in the answer.
async fn each(state: &State, caller: &Caller, texts: &[&str], trace: Option<String>) -> HttpResponse {
    let (mut items, mut accepted, mut rejected) = (Vec::with_capacity(80 * texts.len()), 0, 0);
    items.push(b'[');
    for some in texts.chunks(MOST) {
        // What is asked at once goes into few commits.
        let answers = join_all(some.iter().map(|text| async {
            let call = checked(state, caller, text, trace.as_ref()).await?;
            let charge = state.quotas.charge(caller, std::slice::from_ref(&call))?;
            let result = state.board.try_enqueue_any(call).await?;
            charge.keep();
            Ok::<_, Problem>(result)
        }));
        for answer in answers.await {
            if accepted + rejected > 0 {
                items.push(b',');
            }
            match answer {
                Ok(result) => {
                    accepted += 1;
                    write_accepted(&mut items, &result);
                }
                Err(problem) => {
                    rejected += 1;
                    write_rejected(&mut items, &problem);
                }
            }
        }
    }
    items.push(b']');
    let mut body = Vec::with_capacity(items.len() + 64);
    let mut object = Object::open(&mut body);
    object.name("items").append(&mut items);
    object.value("accepted", &accepted).value("rejected", &rejected);
    object.close();
    HttpResponse::Ok().insert_header((header::CONTENT_TYPE, task_json::CONTENT_TYPE)).body(body)
}

fn write_accepted(out: &mut Vec<u8>, result: &TaskResult) {
    let ended = result.is_finished() || result.is_duplicate();
    let status = if ended { StatusCode::OK } else { StatusCode::ACCEPTED };
    let mut object = Object::open(out);
    object.value("status", &status.as_u16()).text("id", &result.id().to_string());
    if result.is_duplicate() {
        object.value("deduplicated", &true);
    }
    object.close();
}

fn write_rejected(out: &mut Vec<u8>, problem: &Problem) {
    let mut object = Object::open(out);
    object.value("status", &problem.kind().status().as_u16());
    problem.write(object.name("problem"), None);
    object.close();
}
