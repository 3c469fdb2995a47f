//! `GET /ui/audit`: who has asked this process for a change, and how it came out.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use callboard_tasks::Timestamp;
use serde::Serialize;

use super::frame::Frame;
use super::rows::When;
use super::{Shared, prefix, render};
use crate::access::Right;
use crate::audit::Entry;
use crate::problem::Problem;
use crate::query::Query;

#[derive(Serialize)]
struct Page {
    frame: Frame,
    done: Vec<Row>,
    refused: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    when: When,
    by: String,
    method: String,
    path: String,
    status: u16,
    /// Whether it was done.
    well: bool,
    request_id: String,
}

impl Row {
    fn of(entry: Entry, now: Timestamp) -> Self {
        Self {
            when: When::of(entry.at, now),
            by: entry.by,
            method: entry.method,
            path: entry.path,
            status: entry.status,
            well: entry.status < 400,
            request_id: entry.request_id,
        }
    }
}

pub(super) async fn get(req: HttpRequest, state: Shared) -> Result<HttpResponse, Problem> {
    state.caller(&req).must(Right::Audit)?;
    Query::of(&req, &[])?;
    let now = state.board.clock().now();
    let rows = |entries: Vec<Entry>| entries.into_iter().map(|entry| Row::of(entry, now)).collect();
    let [done, refused] = state.audit.latest().map(rows);
    let frame = Frame::of(&req, &state, prefix(&req, "/ui/audit"), "audit", "Audit log");
    render::page(StatusCode::OK, "audit.html", Page { frame, done, refused })
}
