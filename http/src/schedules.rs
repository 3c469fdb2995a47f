//! `GET /schedules` and `POST /schedules/{name}/run|pause|resume`.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use callboard_actors::ScheduleStatus;

use crate::access::Right;
use crate::json::Object;
use crate::problem::Problem;
use crate::query::Query;
use crate::state::State;
use crate::task_json::{self, Shown};
use crate::{json, links};

/// `GET /schedules`: those of all backends, or of one, with their next five times.
pub(crate) async fn list(req: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    state.caller(&req).must(Right::Read)?;
    let query = Query::of(&req, &["backend"])?;
    let mut schedules = state.board.schedules().await?;
    if let Some(backend) = query.get("backend") {
        let known = state.board.backends();
        if !known.iter().any(|info| info.alias == backend) {
            let known: Vec<_> = known.iter().map(|info| info.alias.as_str()).collect();
            return Err(Problem::parameter("backend", format!("is {backend:?}; there are {}", known.join(", "))));
        }
        schedules.retain(|schedule| schedule.backend == backend);
    }
    let prefix = links::prefix_before(req.path(), "/schedules");
    let mut body = Vec::with_capacity(512 * (schedules.len() + 1));
    let mut object = Object::open(&mut body);
    object.list("items", &schedules, |out, schedule| write_schedule(out, schedule, prefix));
    object.close();
    Ok(with_json(StatusCode::OK, body))
}

/// `POST /schedules/{name}/run`: enqueues now what the schedule enqueues.
pub(crate) async fn run(req: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let caller = state.caller(&req);
    caller.must(Right::Queues)?;
    Query::of(&req, &[])?;
    let result = state.board.try_run_schedule(name_of(&req)).await?;
    let prefix = links::prefix_before(req.path(), "/schedules/");
    let known = result.is_finished() || result.is_duplicate();
    let mut response = HttpResponse::build(if known { StatusCode::OK } else { StatusCode::ACCEPTED });
    response.insert_header((header::LOCATION, links::location(prefix, result.id())));
    response.insert_header((header::CONTENT_TYPE, task_json::CONTENT_TYPE));
    Ok(response.body(task_json::of(&result, Shown { prefix, tracebacks: caller.sees_tracebacks(), logs: false })))
}

/// `POST /schedules/{name}/pause`.
pub(crate) async fn pause(req: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    state.caller(&req).must(Right::Queues)?;
    Query::of(&req, &[])?;
    state.board.pause_schedule(name_of(&req)).await?;
    one(&req, &state).await
}

/// `POST /schedules/{name}/resume`.
pub(crate) async fn resume(req: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    state.caller(&req).must(Right::Queues)?;
    Query::of(&req, &[])?;
    state.board.resume_schedule(name_of(&req)).await?;
    one(&req, &state).await
}

fn name_of(req: &HttpRequest) -> &str {
    req.match_info().query("name")
}

/// The schedule of the path, as it is now.
async fn one(req: &HttpRequest, state: &State) -> Result<HttpResponse, Problem> {
    let schedule = state.board.schedule(name_of(req)).await?;
    let mut body = Vec::with_capacity(512);
    write_schedule(&mut body, &schedule, links::prefix_before(req.path(), "/schedules/"));
    Ok(with_json(StatusCode::OK, body))
}

fn with_json(status: StatusCode, body: Vec<u8>) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, task_json::CONTENT_TYPE))
        .insert_header((header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")))
        .body(body)
}

/// A schedule; of one that this version cannot read, `problem` says why, and what it cannot know is null.
fn write_schedule(out: &mut Vec<u8>, schedule: &ScheduleStatus, prefix: &str) {
    let record = &schedule.record;
    let read = schedule.definition.as_ref().ok();
    let calendar = read.map(|definition| &definition.calendar);
    let call = read.map(|definition| definition.call());
    let options = call.map(|call| call.options());
    let mut object = Object::open(out);
    object.text("name", &record.name).text("backend", &schedule.backend);
    object.value("cron", &calendar.map(|calendar| calendar.line()));
    object.value("timezone", &calendar.map(|calendar| calendar.timezone()));
    object.value("description", &calendar.map(|calendar| calendar.description()));
    object.value("missed", &read.map(|definition| definition.missed.to_string()));
    object.value("task", &call.map(|call| call.task()));
    object.raw("args", call.and_then(|call| call.args_json().ok()).unwrap_or("null"));
    object.value("queue", &options.and_then(|options| options.queue.as_deref()));
    object.value("priority", &options.and_then(|options| options.priority));
    object.value("declared", &record.declared).value("paused", &record.paused);
    object.time("since", Some(record.since)).time("last_tick", record.last_tick);
    object.list("next", &schedule.next, |out, at| json::write(out, &format!("{at:.6}")));
    object.value("problem", &schedule.definition.as_ref().err());
    let path = format!("{prefix}/schedules/{}", record.name);
    let mut links = Object::open(object.name("links"));
    for verb in ["run", "pause", "resume"] {
        links.text(verb, &format!("{path}/{verb}"));
    }
    links.close();
    object.close();
}
