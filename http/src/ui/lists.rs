//! `GET /ui/tasks`: the tasks of a backend, with filters.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use callboard_tasks::Phase;
use serde::Serialize;

use super::frame::Frame;
use super::rows::Row;
use super::{Shared, prefix, render};
use crate::access::Right;
use crate::problem::Problem;
use crate::query::Query;
use crate::{cursor, list};

#[derive(Serialize)]
struct Tasks {
    frame: Frame,
    backends: Vec<String>,
    tasks: Vec<String>,
    phases: Vec<&'static str>,
    asked: Asked,
    /// Whether anything was asked for at all.
    filtered: bool,
    rows: Vec<Row>,
    /// What is wrong with a filter.
    mistake: Option<String>,
    /// The query of the next page.
    older: Option<String>,
    /// The query of the first page, if this is another one.
    newest: Option<String>,
}

/// What was asked for, to be shown again.
#[derive(Serialize, Default)]
struct Asked {
    backend: String,
    status: String,
    phase: String,
    task: String,
    queue: String,
    tag: String,
    since: String,
    until: String,
}

pub(super) async fn get(req: HttpRequest, state: Shared) -> Result<HttpResponse, Problem> {
    state.caller(&req).must(Right::Read)?;
    let query = Query::of(&req, &list::PARAMETERS)?;
    let text = |name: &str| query.get(name).unwrap_or_default().to_owned();
    let asked = Asked {
        backend: query.get("backend").unwrap_or("default").to_owned(),
        status: text("status"),
        phase: text("phase"),
        task: text("task"),
        queue: text("queue"),
        tag: text("tag"),
        since: text("since"),
        until: text("until"),
    };
    let now = state.board.clock().now();
    let page = list::page(&state, &query).await;
    let (rows, next, mistake) = match page {
        Ok((results, next)) => (results.iter().map(|result| Row::of(result, now)).collect(), next, None),
        // Whoever has mistyped a filter must not have to type the others again.
        Err(problem) if problem.kind().status().is_client_error() => {
            (Vec::new(), None, Some(problem.detail().to_owned()))
        }
        Err(problem) => return Err(problem),
    };
    let status = if mistake.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let context = Tasks {
        frame: Frame::of(&req, &state, prefix(&req, "/ui/tasks"), "tasks", "Tasks"),
        backends: state.board.backends().iter().map(|info| info.alias.clone()).collect(),
        tasks: state.board.registry().iter().map(|task| task.name.to_owned()).collect(),
        phases: Phase::ALL.map(Phase::as_str).to_vec(),
        filtered: ["status", "phase", "task", "queue", "tag", "since", "until"]
            .iter()
            .any(|name| query.get(name).is_some()),
        older: next.map(|after| query.with("cursor", &cursor::write(&asked.backend, after))),
        newest: query.get("cursor").map(|_| query.without("cursor")),
        asked,
        rows,
        mistake,
    };
    render::page(status, "tasks.html", context)
}
