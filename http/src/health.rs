//! `GET /healthz` and `GET /readyz`: whether to leave this process alone, and whether to send it work.

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use callboard_actors::{BackendHealth, Health};
use callboard_tasks::format_duration;

use crate::access::Right;
use crate::json::Object;
use crate::problem::Problem;
use crate::query::Query;
use crate::state::State;
use crate::task_json;

/// What was checked.
#[derive(Debug, PartialEq, Eq)]
struct Check {
    name: String,
    outcome: Outcome,
    detail: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Ok,
    Warning,
    Failed,
}

/// `GET /healthz`: alive. That this is answered at all is the check of the HTTP threads.
pub(crate) async fn alive(req: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    Query::of(&req, &[])?;
    let health = state.board.health().await;
    let mut checks = vec![Check::plain("http", true)];
    checks.extend(threads(&health));
    Ok(answer(&req, &state, health.is_alive(), &checks))
}

/// `GET /readyz`: ready for new work.
pub(crate) async fn ready(req: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    Query::of(&req, &[])?;
    let health = state.board.health().await;
    let ready = health.is_ready();
    let mut checks = threads(&health);
    let when = if state.board.is_draining() { "the board is shutting down" } else { "a shutdown is about to begin" };
    let draining = health.draining.then(|| when.to_owned());
    checks.push(Check::failing("draining", draining));
    for backend in &health.backends {
        checks.extend(backend_checks(backend));
    }
    // The board's verdict knows how long workers have been blocked; without another failure it is theirs.
    if !ready && checks.iter().all(|check| check.outcome != Outcome::Failed) {
        for check in
            checks.iter_mut().filter(|check| check.outcome == Outcome::Warning && check.name.starts_with("workers:"))
        {
            check.outcome = Outcome::Failed;
        }
    }
    // What the program has added can be in trouble while the board is well.
    checks.extend(health.parts.into_iter().map(|part| match part.problem {
        None => Check::plain(part.name, true),
        Some(problem) => Check { name: part.name, outcome: Outcome::Warning, detail: Some(problem) },
    }));
    Ok(answer(&req, &state, ready, &checks))
}

fn threads(health: &Health) -> Vec<Check> {
    vec![Check::plain("coordination", health.coordination), Check::plain("heart", health.heart)]
}

fn backend_checks(backend: &BackendHealth) -> Vec<Check> {
    let name = |check: &str| format!("{check}:{}", backend.alias);
    let lease = (!backend.lease).then(|| "the lease of this process is not held".to_owned());
    let mut checks = vec![
        Check::failing(name("store"), backend.store.as_ref().err().cloned()),
        Check::failing(name("lease"), lease),
        Check::failing(name("actors"), backend.degraded.clone()),
        Check::failing(name("schedules"), backend.late_schedules.clone()),
    ];
    if !backend.workers.is_empty() {
        let blocked = backend.workers.iter().filter_map(|worker| {
            let blocked = worker.blocked.as_ref()?;
            let held = format_duration(blocked.held);
            Some(format!("worker {} is blocked by {} ({}) for {held}", worker.number, blocked.task, blocked.job))
        });
        let detail = blocked.collect::<Vec<_>>().join("; ");
        let outcome = if detail.is_empty() { Outcome::Ok } else { Outcome::Warning };
        checks.push(Check { name: name("workers"), outcome, detail: (!detail.is_empty()).then_some(detail) });
    }
    let stuck = backend
        .stuck
        .iter()
        .map(|stuck| format!("{} ({}) has been running for {}", stuck.task, stuck.job, format_duration(stuck.running)));
    let detail = stuck.collect::<Vec<_>>().join("; ");
    if !detail.is_empty() {
        checks.push(Check { name: name("attempts"), outcome: Outcome::Warning, detail: Some(detail) });
    }
    checks
}

impl Check {
    fn plain(name: impl Into<String>, ok: bool) -> Self {
        Self { name: name.into(), outcome: if ok { Outcome::Ok } else { Outcome::Failed }, detail: None }
    }

    fn failing(name: impl Into<String>, failure: Option<String>) -> Self {
        let outcome = if failure.is_none() { Outcome::Ok } else { Outcome::Failed };
        Self { name: name.into(), outcome, detail: failure }
    }
}

/// The checks as an answer; whoever has no right to the details gets the outcomes alone.
fn answer(req: &HttpRequest, state: &State, well: bool, checks: &[Check]) -> HttpResponse {
    let details = state.caller(req).has(&Right::Metrics);
    let mut body = Vec::with_capacity(512);
    let mut object = Object::open(&mut body);
    let mut all = Object::open(object.name("checks"));
    for check in checks {
        let mut one = Object::open(all.any_name(&check.name));
        one.text(
            "status",
            match check.outcome {
                Outcome::Ok => "ok",
                Outcome::Warning => "warning",
                Outcome::Failed => "failed",
            },
        );
        if let Some(detail) = check.detail.as_ref().filter(|_| details) {
            one.text("detail", detail);
        }
        one.close();
    }
    all.close();
    object.close();
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    HttpResponse::build(status).insert_header((header::CONTENT_TYPE, task_json::CONTENT_TYPE)).body(body)
}
