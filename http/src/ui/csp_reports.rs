//! `GET /ui/csp`: what browsers have reported to `POST /csp/reports`, the same things together.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use callboard_tasks::Timestamp;
use serde::Serialize;

use super::frame::Frame;
use super::rows::When;
use super::{Shared, prefix, render};
use crate::access::Right;
use crate::csp::{CspViolation, Disposition, ReportSummary};
use crate::problem::Problem;
use crate::query::Query;

/// How long the collector is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Serialize)]
struct Page {
    frame: Frame,
    groups: Vec<Row>,
    counts: Counts,
}

/// What became of all reports.
#[derive(Serialize, Default)]
struct Counts {
    received: u64,
    suppressed: u64,
    noise: u64,
    others: u64,
    dropped: u64,
}

#[derive(Serialize)]
struct Row {
    /// Whether it was blocked; else it would have been.
    enforced: bool,
    directive: String,
    blocked: String,
    document: String,
    source: Option<String>,
    sample: String,
    browsers: String,
    count: u64,
    first: When,
    last: When,
}

/// Violations that are the same but for when, where in the code and in which browser.
#[derive(Debug, PartialEq, Eq)]
struct Group<'a> {
    /// The latest of them.
    latest: &'a CspViolation,
    browsers: Vec<&'static str>,
    count: u64,
    first: Timestamp,
    last: Timestamp,
}

pub(super) async fn get(req: HttpRequest, state: Shared) -> Result<HttpResponse, Problem> {
    state.caller(&req).must(Right::Metrics)?;
    Query::of(&req, &[])?;
    let now = state.board.clock().now();
    let (summary, dropped) = state.csp_summary(PATIENCE).await.unwrap_or_default();
    let ReportSummary { counts, recent } = &summary;
    let counts = Counts {
        received: counts.received,
        suppressed: counts.suppressed,
        noise: counts.noise,
        others: counts.others,
        dropped,
    };
    let groups = groups(recent).iter().map(|group| Row::of(group, now)).collect();
    let frame = Frame::of(&req, &state, prefix(&req, "/ui/csp"), "csp", "Content security policy");
    render::page(StatusCode::OK, "csp.html", Page { frame, groups, counts })
}

/// Puts together what is the same, the latest first. `recent` has the newest first.
fn groups(recent: &[CspViolation]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for violation in recent {
        match groups.iter_mut().find(|group| are_same(group.latest, violation)) {
            Some(group) => {
                group.count += violation.count;
                group.first = group.first.min(violation.received_at);
                group.last = group.last.max(violation.last_at);
                if !group.browsers.contains(&violation.browser) {
                    group.browsers.push(violation.browser);
                }
            }
            None => groups.push(Group {
                latest: violation,
                browsers: vec![violation.browser],
                count: violation.count,
                first: violation.received_at,
                last: violation.last_at,
            }),
        }
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.last));
    groups
}

fn are_same(one: &CspViolation, other: &CspViolation) -> bool {
    one.disposition == other.disposition
        && one.directive == other.directive
        && one.blocked == other.blocked
        && one.page == other.page
}

impl Row {
    fn of(group: &Group<'_>, now: Timestamp) -> Self {
        let violation = group.latest;
        let source = violation.source.as_ref().map(|source| match source.line {
            0 => source.file.clone(),
            line => format!("{}:{line}", source.file),
        });
        Self {
            enforced: violation.disposition == Disposition::Enforce,
            directive: violation.directive.clone(),
            blocked: violation.blocked.to_string(),
            document: violation.page.clone(),
            source,
            sample: violation.sample.clone(),
            browsers: group.browsers.join(", "),
            count: group.count,
            first: When::of(group.first, now),
            last: When::of(group.last, now),
        }
    }
}
