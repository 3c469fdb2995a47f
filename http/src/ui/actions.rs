//! The forms of the dashboard: what they ask for is done, and then the page is shown again.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use callboard_tasks::Change;

use super::{Shared, prefix};
use crate::access::Right;
use crate::body;
use crate::problem::{Kind, Problem};
use crate::query::Query;
use crate::queues;
use crate::tasks::{self, id_of};

/// `POST /ui/tasks/{id}/{action}`.
pub(super) async fn task(req: HttpRequest, payload: web::Payload, state: Shared) -> Result<HttpResponse, Problem> {
    state.caller(&req).must(Right::Write)?;
    Query::of(&req, &[])?;
    body::read_within(&req, payload, state.limits).await?;
    let id = id_of(&req)?;
    let root = prefix(&req, "/ui/tasks/{id}/{action}");
    let done = match req.match_info().query("action") {
        "retry" => {
            state.board.retry(id).await?;
            "retried"
        }
        "cancel" if tasks::cancel_now(&state, id).await?.is_finished() => "cancelled",
        "cancel" => "asked%20to%20stop",
        "run-now" => {
            state.board.change(id, Change::RunNow).await?;
            "made%20due"
        }
        "delete" => {
            state.board.change(id, Change::Delete).await?;
            return Ok(see(&format!("{root}/ui/tasks")));
        }
        other => return Err(no_such(other)),
    };
    Ok(see(&format!("{root}/ui/tasks/{id}?done={done}")))
}

/// `POST /ui/queues/{queue}/{action}`.
pub(super) async fn queue(req: HttpRequest, payload: web::Payload, state: Shared) -> Result<HttpResponse, Problem> {
    state.caller(&req).must(Right::Queues)?;
    let query = Query::of(&req, &["backend"])?;
    body::read_within(&req, payload, state.limits).await?;
    let pause = match req.match_info().query("action") {
        "pause" => true,
        "resume" => false,
        other => return Err(no_such(other)),
    };
    let backend = query.get("backend").unwrap_or("default");
    queues::set_paused(&state, backend, req.match_info().query("queue"), pause).await?;
    Ok(see(&format!("{}/ui/queues", prefix(&req, "/ui/queues/{queue}/{action}"))))
}

/// `POST /ui/schedules/{name}/{action}`.
pub(super) async fn schedule(req: HttpRequest, payload: web::Payload, state: Shared) -> Result<HttpResponse, Problem> {
    state.caller(&req).must(Right::Queues)?;
    Query::of(&req, &[])?;
    body::read_within(&req, payload, state.limits).await?;
    let root = prefix(&req, "/ui/schedules/{name}/{action}");
    let name = req.match_info().query("name");
    match req.match_info().query("action") {
        "run" => {
            let task = state.board.try_run_schedule(name).await?.id();
            return Ok(see(&format!("{root}/ui/tasks/{task}?done=enqueued")));
        }
        "pause" => state.board.pause_schedule(name).await?,
        "resume" => state.board.resume_schedule(name).await?,
        other => return Err(no_such(other)),
    }
    Ok(see(&format!("{root}/ui/schedules")))
}

fn no_such(action: &str) -> Problem {
    Problem::new(Kind::NotFound, format!("there is no action {action:?}"))
}

/// Shows a page after something was done, so that loading it again does nothing.
pub(super) fn see(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, path)).finish()
}
