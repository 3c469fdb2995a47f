//! `GET /ui/workers`: the processes that run tasks, and the worker actors of this one.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

use super::frame::Frame;
use super::rows::{Row, When};
use super::{Shared, prefix, render};
use crate::access::Right;
use crate::problem::Problem;
use crate::query::Query;
use crate::workers;

#[derive(Serialize)]
struct Page {
    frame: Frame,
    processes: Vec<Process>,
}

#[derive(Serialize)]
struct Process {
    id: String,
    backend: String,
    lease: When,
    held: bool,
    running: Vec<Row>,
    workers: Option<Vec<Worker>>,
}

#[derive(Serialize)]
struct Worker {
    number: usize,
    alive: bool,
    restarts: u64,
    blocked: Option<String>,
}

pub(super) async fn get(req: HttpRequest, state: Shared) -> Result<HttpResponse, Problem> {
    state.caller(&req).must(Right::Read)?;
    Query::of(&req, &[])?;
    let now = state.board.clock().now();
    let process = |process: workers::Process| Process {
        id: process.id.to_string(),
        backend: process.backend,
        lease: When::of(process.lease_ends_at, now),
        held: process.lease_ends_at > now,
        running: process.running.iter().map(|task| Row::of(task, now)).collect(),
        workers: process.workers.map(|workers| workers.iter().map(worker).collect()),
    };
    let processes = workers::of(&state, None).await?.into_iter().map(process).collect();
    let frame = Frame::of(&req, &state, prefix(&req, "/ui/workers"), "workers", "Workers");
    render::page(StatusCode::OK, "workers.html", Page { frame, processes })
}

fn worker(worker: &callboard_actors::WorkerHealth) -> Worker {
    let blocked = worker.blocked.as_ref().map(|blocked| format!("{} for {} s", blocked.task, blocked.held.as_secs()));
    Worker { number: worker.number, alive: worker.alive, restarts: worker.restarts, blocked }
}
