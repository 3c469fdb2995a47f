//! `GET /ui/schedules`: the schedules of all backends, to be paused, resumed and run.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use callboard_actors::ScheduleStatus;
use callboard_tasks::Timestamp;
use serde::Serialize;

use super::frame::Frame;
use super::rows::{ARGS, When, beginning};
use super::{Shared, prefix, render};
use crate::access::Right;
use crate::problem::Problem;
use crate::query::Query;

#[derive(Serialize)]
struct Page {
    frame: Frame,
    schedules: Vec<Schedule>,
}

#[derive(Serialize)]
struct Schedule {
    name: String,
    backend: String,
    /// What is known of it if this version can read it, else why not.
    plan: Option<Plan>,
    problem: Option<String>,
    paused: bool,
    /// Whether a process declares it; else it was made at run time.
    declared: bool,
    last: Option<Tick>,
    next: Vec<Tick>,
}

/// When it fires, and what it enqueues.
#[derive(Serialize)]
struct Plan {
    cron: String,
    description: String,
    timezone: String,
    missed: String,
    task: String,
    args: String,
    queue: Option<String>,
}

/// A time at which it fires.
#[derive(Serialize)]
struct Tick {
    when: When,
    /// As clocks show it in its time zone.
    clock: String,
}

impl Tick {
    /// `seconds`: whether they are worth showing.
    fn of(at: Timestamp, zone: &str, seconds: bool, now: Timestamp) -> Self {
        let there = at.in_tz(zone).unwrap_or_else(|_| at.to_zoned(jiff::tz::TimeZone::UTC));
        let form = if seconds { "%a %Y-%m-%d %H:%M:%S" } else { "%a %Y-%m-%d %H:%M" };
        Self { when: When::of(at, now), clock: there.strftime(form).to_string() }
    }
}

impl Schedule {
    fn of(status: &ScheduleStatus, now: Timestamp) -> Self {
        let read = status.definition.as_ref().ok();
        let zone = read.map_or("UTC", |definition| definition.calendar.timezone());
        let seconds = status.next.iter().any(|at| at.as_second() % 60 != 0);
        let tick = |at: Timestamp| Tick::of(at, zone, seconds, now);
        Self {
            name: status.record.name.clone(),
            backend: status.backend.clone(),
            plan: read.map(|definition| {
                let call = definition.call();
                Plan {
                    cron: definition.calendar.line().to_owned(),
                    description: definition.calendar.description(),
                    timezone: zone.to_owned(),
                    missed: definition.missed.to_string(),
                    task: call.task().to_owned(),
                    args: beginning(call.args_json().unwrap_or_default(), ARGS),
                    queue: call.options().queue.as_deref().map(str::to_owned),
                }
            }),
            problem: status.definition.as_ref().err().cloned(),
            paused: status.record.paused,
            declared: status.record.declared,
            last: status.record.last_tick.map(tick),
            next: status.next.iter().copied().map(tick).collect(),
        }
    }
}

pub(super) async fn get(req: HttpRequest, state: Shared) -> Result<HttpResponse, Problem> {
    state.caller(&req).must(Right::Read)?;
    Query::of(&req, &[])?;
    let now = state.board.clock().now();
    let schedules = state.board.schedules().await?.iter().map(|schedule| Schedule::of(schedule, now)).collect();
    let frame = Frame::of(&req, &state, prefix(&req, "/ui/schedules"), "schedules", "Schedules");
    render::page(StatusCode::OK, "schedules.html", Page { frame, schedules })
}
