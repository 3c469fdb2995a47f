//! `GET /ui/queues`: the queues of all backends, to be paused and resumed.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use callboard_tasks::Phase;
use serde::Serialize;

use super::frame::Frame;
use super::rows::span;
use super::{Shared, prefix, render};
use crate::access::Right;
use crate::problem::{Kind, Problem};
use crate::query::Query;
use crate::queues::Queues;

#[derive(Serialize)]
struct Page {
    frame: Frame,
    backends: Vec<Backend>,
}

#[derive(Serialize)]
struct Backend {
    alias: String,
    queues: Vec<Queue>,
    /// Why nothing is known of them.
    trouble: Option<String>,
}

#[derive(Serialize)]
struct Queue {
    name: String,
    paused: bool,
    ready: u64,
    waits: u64,
    running: u64,
    failed: u64,
    oldest: Option<String>,
}

pub(super) async fn get(req: HttpRequest, state: Shared) -> Result<HttpResponse, Problem> {
    state.caller(&req).must(Right::Read)?;
    Query::of(&req, &[])?;
    let mut backends = Vec::new();
    for info in state.board.backends() {
        let alias = info.alias.clone();
        match Queues::of(&state, &alias).await {
            Ok(queues) => backends.push(Backend { alias, queues: of(&queues), trouble: None }),
            // It has none.
            Err(problem) if problem.kind() == Kind::ValidationFailed => {}
            Err(problem) => {
                let trouble = Some(problem.detail().to_owned());
                backends.push(Backend { alias, queues: Vec::new(), trouble });
            }
        }
    }
    let frame = Frame::of(&req, &state, prefix(&req, "/ui/queues"), "queues", "Queues");
    render::page(StatusCode::OK, "queues.html", Page { frame, backends })
}

fn of(queues: &Queues) -> Vec<Queue> {
    let row = |(name, stats): (&String, &callboard_tasks::QueueStats)| {
        let count = |phases: &[Phase]| phases.iter().filter_map(|phase| stats.phases.get(phase)).sum();
        Queue {
            name: name.clone(),
            paused: stats.paused,
            ready: count(&[Phase::Ready, Phase::Parked]),
            waits: count(&[Phase::Scheduled, Phase::RetryWait]),
            running: count(&[Phase::Running, Phase::Cancelling]),
            failed: count(&[Phase::Failed, Phase::Expired, Phase::Quarantined]),
            oldest: queues.oldest_ready_age(stats).map(|age| span(age as i64)),
        }
    };
    queues.all.iter().map(row).collect()
}
