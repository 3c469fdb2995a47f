//! `POST /bulk`: one action on all tasks that fit a filter, as a task of its own.

use std::borrow::Cow;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use callboard_tasks::{Bulk, BulkAction, BulkCount, Filter, Phase, Problem as FieldProblem, Status, Timestamp};

use crate::access::Right;
use crate::enqueue::read;
use crate::json::Object;
use crate::list;
use crate::members::{Members, Wrong, members, shown, text_of};
use crate::problem::Problem;
use crate::query::Query;
use crate::state::State;
use crate::task_json::{self, Shown};
use crate::{body, links};

members! {
    /// A member of a bulk action.
    Member {
        Action "action",
        Filter "filter",
        All "all",
        DryRun "dry_run",
    }
}

members! {
    /// A condition of its filter: those that a list has.
    Condition {
        Status "status",
        Phase "phase",
        Task "task",
        Queue "queue",
        Backend "backend",
        Tag "tag",
        Since "since",
        Until "until",
    }
}

/// The handler.
pub(crate) async fn post(
    req: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let caller = state.caller(&req);
    caller.must(Right::Write)?;
    Query::of(&req, &[])?;
    let body = body::read_json(&req, payload, state.limits).await?;
    let (bulk, dry_run) = read_bulk(&state, text_of(&body)?).await?;
    if dry_run {
        let count = state.board.bulk_count(&bulk).await?;
        return Ok(counted(bulk.action, count));
    }
    let task = state.board.bulk(bulk).await?.erase()?;
    let prefix = links::prefix_before(req.path(), "/bulk");
    let shown = Shown { prefix, tracebacks: caller.sees_tracebacks(), logs: false };
    let mut response = HttpResponse::Accepted();
    response.insert_header((header::LOCATION, links::location(prefix, task.id())));
    response.insert_header((header::CONTENT_TYPE, task_json::CONTENT_TYPE));
    Ok(response.body(task_json::of(&task, shown)))
}

/// What would be looked at.
fn counted(action: BulkAction, count: BulkCount) -> HttpResponse {
    let mut body = Vec::with_capacity(64);
    let mut object = Object::open(&mut body);
    object.text("action", action.as_str()).value("matched", &count.matched).value("complete", &count.complete);
    object.close();
    HttpResponse::Ok().insert_header((header::CONTENT_TYPE, task_json::CONTENT_TYPE)).body(body)
}

/// The bulk action that a text asks for and whether it is only to be counted, or all of its mistakes.
async fn read_bulk(state: &State, text: &str) -> Result<(Bulk, bool), Problem> {
    let mut members = Members::of(text)?;
    let action = members.read(Member::Action, |json| choice(json, BulkAction::parse, "retry, cancel and delete"));
    let all = members.read(Member::All, flag).unwrap_or(false);
    let dry_run = members.read(Member::DryRun, flag).unwrap_or(false);
    for (member, pointer, detail) in [
        (Member::Action, "#/action", "is missing; give retry, cancel or delete"),
        (Member::Filter, "#/filter", "is missing; give an object"),
    ] {
        if members.raw(member).is_none() {
            members.mistake(pointer, detail);
        }
    }
    let filter = members.read(Member::Filter, |json| match json.starts_with('{') {
        true => Ok(json),
        false => Err(Wrong::from(format!("is {}; give an object", shown(json)))),
    });
    let mut mistakes = members.mistakes();
    let read = match filter {
        Some(text) => Some(read_filter(state, text, &mut mistakes).await?),
        None => None,
    };
    let (Some(action), Some((filter, backend))) = (action, read) else { return Err(Problem::fields(mistakes)) };
    let bulk = Bulk { action, filter, backend, all };
    if mistakes.is_empty()
        && let Err(problems) = bulk.check()
    {
        mistakes = problems;
    }
    if mistakes.is_empty() { Ok((bulk, dry_run)) } else { Err(Problem::fields(mistakes)) }
}

/// A filter and the alias of the backend; what is wrong with it is added to the mistakes.
async fn read_filter(state: &State, text: &str, mistakes: &mut Vec<FieldProblem>) -> Result<(Filter, String), Problem> {
    let mut members = Members::of(text)?;
    let owned = |name: Cow<'_, str>| name.into_owned();
    let status =
        members.read(Condition::Status, |json| choice(json, Status::parse, "READY, RUNNING, SUCCESSFUL and FAILED"));
    let phase =
        members.read(Condition::Phase, |json| choice(json, Phase::parse, &Phase::ALL.map(Phase::as_str).join(", ")));
    let task = members.read(Condition::Task, read::name).map(owned);
    let queue = members.read(Condition::Queue, read::name).map(owned);
    let tag = members.read(Condition::Tag, read::name).map(owned);
    let backend = members.read(Condition::Backend, read::name).map(owned);
    let since = members.read(Condition::Since, time);
    let until = members.read(Condition::Until, time);
    let task = match task {
        None => None,
        Some(name) => match list::full_name(state, name).await? {
            Ok(task) => Some(task),
            Err(unclear) => {
                let near = unclear.near.join(" or ");
                let hint = if near.is_empty() { near } else { format!("; did you mean {near}?") };
                members.mistake("#/task", format!("{unclear}{hint}"));
                None
            }
        },
    };
    let below = |mistake: FieldProblem| FieldProblem::new(format!("#/filter{}", &mistake.pointer[1..]), mistake.detail);
    mistakes.extend(members.mistakes().into_iter().map(below));
    let filter = Filter { status, phase, task, queue, tag, enqueued: Filter::between(since, until) };
    Ok((filter, backend.unwrap_or_else(|| "default".to_owned())))
}

/// One of several words.
fn choice<T>(json: &str, parse: impl FnOnce(&str) -> Option<T>, there_are: &str) -> Result<T, Wrong> {
    let word = read::text(json)?;
    parse(&word).ok_or_else(|| format!("is {:?}; there are {there_are}", shown(&word)).into())
}

fn flag(json: &str) -> Result<bool, Wrong> {
    json.parse().map_err(|_| format!("is {}; give true or false", shown(json)).into())
}

fn time(json: &str) -> Result<Timestamp, Wrong> {
    let text = read::text(json)?;
    text.parse().map_err(|_| format!("is {:?}; give a time such as 2026-11-22T10:00:00Z", shown(&text)).into())
}
