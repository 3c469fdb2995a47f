//! `GET /metrics`: everything that is counted, as text for Prometheus.

mod process;
mod requests;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use callboard_actors::{Health, Spread, TaskCounts};
use callboard_tasks::Phase;

use self::text::{Page, Sort};
use crate::access::Right;
use crate::problem::Problem;
use crate::query::Query;
use crate::queues::Queues;
use crate::state::State;

pub(crate) use self::requests::Requests;

/// How long a store may take before its numbers are left out.
const PATIENCE: Duration = Duration::from_secs(2);

/// The handler.
pub(crate) async fn get(req: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    state.caller(&req).must(Right::Metrics)?;
    Query::of(&req, &[])?;
    let mut page = Page::default();
    tasks(&mut page, &state.board.counts());
    let health = state.board.health().await;
    backends(&mut page, &health);
    queues(&mut page, &state, &health).await;
    requests(&mut page, &state);
    csp(&mut page, &state).await;
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    page.family("build_info", Sort::Gauge, "What runs here.").series(&version, 1_u64);
    process::write(&mut page);
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    Ok(HttpResponse::Ok().insert_header((header::CONTENT_TYPE, kind)).body(page.into_text()))
}

/// What was counted of the tasks of this process.
fn tasks(page: &mut Page, counts: &[TaskCounts]) {
    let labels = |c: &TaskCounts| [c.backend.clone(), c.queue.clone(), c.task.clone()];
    let mut counter = |name, help, value: &dyn Fn(&TaskCounts) -> u64| {
        let mut family = page.family(name, Sort::Counter, help);
        for counted in counts {
            let [backend, queue, task] = labels(counted);
            family.series(&[("backend", &backend), ("queue", &queue), ("task", &task)], value(counted));
        }
    };
    counter("tasks_enqueued_total", "Calls that were enqueued by this process.", &|counted| counted.enqueued);
    counter("tasks_started_total", "Attempts that this process has made.", &|counted| counted.started);
    counter("task_retries_total", "Attempts that failed and are made again.", &|counted| counted.retries);
    let mut family = page.family("tasks_finished_total", Sort::Counter, "Tasks that ended in this process.");
    for counted in counts {
        for (end, count) in &counted.finished {
            family.series(
                &[
                    ("backend", &counted.backend),
                    ("queue", &counted.queue),
                    ("task", &counted.task),
                    ("outcome", end.as_str()),
                ],
                *count,
            );
        }
    }
    let mut waited: BTreeMap<(&str, &str), Spread> = BTreeMap::new();
    for counted in counts {
        waited.entry((&counted.backend, &counted.queue)).or_default().add(&counted.waited);
    }
    let help = "From when a task was due to its first attempt.";
    let mut family = page.family("task_wait_seconds", Sort::Histogram, help);
    for ((backend, queue), spread) in &waited {
        family.spread(&[("backend", backend), ("queue", queue)], spread);
    }
    let mut family = page.family("task_duration_seconds", Sort::Histogram, "How long attempts took.");
    for counted in counts {
        let labels = [("backend", &*counted.backend), ("queue", &*counted.queue), ("task", &*counted.task)];
        family.spread(&labels, &counted.took);
    }
}

/// What this process is doing.
fn backends(page: &mut Page, health: &Health) {
    let mut family = page.family("tasks_running", Sort::Gauge, "Attempts under way in this process.");
    for backend in &health.backends {
        family.series(&[("backend", &backend.alias)], backend.running);
    }
    let mut family = page.family("workers", Sort::Gauge, "Worker actors of this process.");
    for backend in health.backends.iter().filter(|backend| !backend.workers.is_empty()) {
        let count = |is: fn(&callboard_actors::WorkerHealth) -> bool| backend.workers.iter().filter(|w| is(w)).count();
        let alias = backend.alias.as_str();
        for (state, number) in [
            ("alive", count(|worker| worker.alive && worker.blocked.is_none())),
            ("blocked", count(|worker| worker.alive && worker.blocked.is_some())),
            ("dead", count(|worker| !worker.alive)),
        ] {
            family.series(&[("backend", alias), ("state", state)], number);
        }
    }
    let help = "How often actors were started again after a panic.";
    let mut family = page.family("actor_restarts_total", Sort::Counter, help);
    for backend in health.backends.iter().filter(|backend| !backend.workers.is_empty()) {
        let restarts = backend.workers.iter().map(|worker| worker.restarts).sum::<u64>();
        family.series(&[("backend", &backend.alias), ("actor", "worker")], restarts);
    }
    let help = "Messages to actors that were dropped.";
    page.family("actor_messages_dropped_total", Sort::Counter, help)
        .series(&[("actor", "subscriber"), ("reason", "slow")], health.dropped_events);
    page.family("ready", Sort::Gauge, "Whether new work should be sent here.").series(&[], health.is_ready());
    let help = "Whether the store of a backend answers.";
    let mut family = page.family("store_up", Sort::Gauge, help);
    for backend in &health.backends {
        family.series(&[("backend", &backend.alias)], backend.store.is_ok());
    }
}

/// What the stores hold, from the numbers that they keep.
async fn queues(page: &mut Page, state: &State, health: &Health) {
    let mut all = Vec::new();
    for backend in &health.backends {
        // A backend without a store has none, and one that does not answer must not hold up the rest.
        if let Ok(Ok(queues)) = tokio::time::timeout(PATIENCE, Queues::of(state, &backend.alias)).await {
            all.push(queues);
        }
    }
    let of_all = || {
        all.iter().flat_map(|queues| {
            queues
                .all
                .iter()
                .take(200)
                .map(move |(name, stats)| (queues, queues.backend.as_str(), name.as_str(), stats))
        })
    };
    let mut family = page.family("queue_depth", Sort::Gauge, "Tasks in a queue, by phase.");
    for (_, backend, queue, stats) in of_all() {
        for phase in Phase::ALL.into_iter().filter(|phase| !phase.is_finished()) {
            let count = stats.phases.get(&phase).copied().unwrap_or(0);
            family.series(&[("backend", backend), ("queue", queue), ("phase", phase.as_str())], count);
        }
    }
    let help = "For how long the task has been ready that has been for the longest; 0 if none is.";
    let mut family = page.family("queue_oldest_ready_age_seconds", Sort::Gauge, help);
    for (queues, backend, queue, stats) in of_all() {
        family.series(&[("backend", backend), ("queue", queue)], queues.oldest_ready_age(stats).unwrap_or(0.0));
    }
    let mut family = page.family("queue_paused", Sort::Gauge, "Whether a queue is paused.");
    for (_, backend, queue, stats) in of_all() {
        family.series(&[("backend", backend), ("queue", queue)], stats.paused);
    }
}

/// What was asked of this front end.
fn requests(page: &mut Page, state: &State) {
    let counted = state.requests.so_far();
    let mut family = page.family("http_requests_total", Sort::Counter, "Requests that were answered.");
    for route in &counted {
        for (method, status, count) in &route.answers {
            let labels = [("method", *method), ("route", route.route), ("status", &status.to_string())];
            family.series(&labels, *count);
        }
    }
    let help = "How long answers took, up to their head.";
    let mut family = page.family("http_request_duration_seconds", Sort::Histogram, help);
    for route in &counted {
        family.spread(&[("route", route.route)], &route.took);
    }
    let help = "Requests to enqueue that were refused, by the kind of their problem.";
    let mut family = page.family("enqueue_rejected_total", Sort::Counter, help);
    for (reason, count) in state.requests.refusals() {
        family.series(&[("reason", reason)], count);
    }
    page.family("sse_streams", Sort::Gauge, "Streams of events that are open.").series(&[], state.open_streams());
}

/// What browsers have reported.
async fn csp(page: &mut Page, state: &State) {
    let Some((summary, dropped)) = state.csp_summary(PATIENCE).await else { return };
    let counts = summary.counts;
    let help = "Violations of policies that browsers have reported.";
    page.family("csp_reports_received_total", Sort::Counter, help).series(&[], counts.received);
    page.family("csp_reports_dropped_total", Sort::Counter, "Requests with reports that were dropped.")
        .series(&[("reason", "mailbox")], dropped);
}
