//! `GET /ui/`: everything at a glance.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use callboard_tasks::{Error, Filter, Page, Phase, Status};
use serde::Serialize;

use super::frame::Frame;
use super::rows::{Badge, Row, span};
use super::{Shared, prefix, render};
use crate::access::Right;
use crate::problem::Problem;
use crate::query::Query;
use crate::queues::Queues;

/// So many of the latest are shown.
const LATEST: usize = 5;

#[derive(Serialize)]
struct Overview {
    frame: Frame,
    tiles: Vec<Tile>,
    backends: Vec<BackendRow>,
    failed: Vec<Row>,
    running: Vec<Row>,
    ready: bool,
    troubles: Vec<String>,
    /// Whether nothing was ever enqueued.
    empty: bool,
    /// A call that this server would take, for a first try.
    example: Option<String>,
}

/// How many tasks are in a phase, in all backends.
#[derive(Serialize)]
struct Tile {
    badge: Badge,
    count: u64,
}

#[derive(Serialize)]
struct BackendRow {
    alias: String,
    kind: &'static str,
    running: usize,
    workers: usize,
    queues: usize,
    paused: usize,
    /// For how long the task has been ready that has been for the longest.
    oldest: Option<String>,
}

pub(super) async fn get(req: HttpRequest, state: Shared) -> Result<HttpResponse, Problem> {
    state.caller(&req).must(Right::Read)?;
    Query::of(&req, &[])?;
    let now = state.board.clock().now();
    let health = state.board.health().await;
    let mut counts = [0_u64; Phase::ALL.len()];
    let (mut backends, mut failed, mut running) = (Vec::new(), Vec::new(), Vec::new());
    let mut troubles = Vec::new();
    for backend in &health.backends {
        let alias = backend.alias.as_str();
        let mut row = BackendRow {
            alias: alias.to_owned(),
            kind: backend.kind,
            running: backend.running,
            workers: backend.workers.len(),
            queues: 0,
            paused: 0,
            oldest: None,
        };
        troubles.extend(backend.store.as_ref().err().map(|error| format!("{alias}: {error}")));
        troubles.extend(backend.degraded.as_ref().map(|part| format!("{alias}: {part}")));
        if !backend.lease {
            troubles.push(format!("{alias}: the lease of this process is not held"));
        }
        for worker in &backend.workers {
            if let Some(blocked) = &worker.blocked {
                let (number, task, held) = (worker.number, &blocked.task, blocked.held.as_secs());
                troubles.push(format!("{alias}: worker {number} is blocked by {task} for {held} s"));
            }
        }
        // A backend without a store has neither queues nor lists; one that does not answer is among the troubles.
        if let Ok(queues) = Queues::of(&state, alias).await {
            row.queues = queues.all.len();
            row.paused = queues.all.values().filter(|stats| stats.paused).count();
            let oldest = queues.all.values().filter_map(|stats| queues.oldest_ready_age(stats)).fold(0.0, f64::max);
            row.oldest = (oldest >= 1.0).then(|| span(oldest as i64));
            for (place, phase) in Phase::ALL.into_iter().enumerate() {
                let of_queue = |stats: &callboard_tasks::QueueStats| stats.phases.get(&phase).copied().unwrap_or(0);
                counts[place] += queues.all.values().map(of_queue).sum::<u64>();
            }
            for (status, rows) in [(Status::Failed, &mut failed), (Status::Running, &mut running)] {
                let filter = Filter { status: Some(status), ..Filter::default() };
                match state.board.list(alias, filter, Page { limit: LATEST, before: None }).await {
                    Ok((results, _)) => rows.extend(results),
                    Err(Error::Unsupported { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        backends.push(row);
    }
    let rows = |mut results: Vec<callboard_tasks::TaskResult>| -> Vec<Row> {
        results.sort_by_key(|result| std::cmp::Reverse(result.id()));
        results.iter().take(LATEST).map(|result| Row::of(result, now)).collect()
    };
    let tiles = Phase::ALL.into_iter().zip(counts);
    let context = Overview {
        frame: Frame::of(&req, &state, prefix(&req, "/ui/"), "overview", "Overview"),
        empty: counts.iter().sum::<u64>() == 0,
        tiles: tiles.map(|(phase, count)| Tile { badge: phase.into(), count }).collect(),
        backends,
        failed: rows(failed),
        running: rows(running),
        ready: health.is_ready(),
        troubles,
        example: state.board.registry().iter().find(|task| task.options.http).map(|task| task.name.to_owned()),
    };
    render::page(StatusCode::OK, "overview.html", context)
}
