//! `GET /tasks`: the tasks of one backend, newest first, page by page.

use std::fmt;

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use callboard_tasks::{Error, Filter, JobId, Page, Phase, Status, TaskResult, Timestamp, check_name};

use crate::access::Right;
use crate::json::Object;
use crate::problem::Problem;
use crate::query::Query;
use crate::state::State;
use crate::task_json::{self, Shown};
use crate::{cursor, links};

pub(crate) const PARAMETERS: [&str; 10] =
    ["status", "phase", "task", "queue", "backend", "tag", "since", "until", "limit", "cursor"];
const USUAL: usize = 50;
const MOST: usize = 200;

/// The handler.
pub(crate) async fn get(req: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let caller = state.caller(&req);
    caller.must(Right::Read)?;
    let query = Query::of(&req, &PARAMETERS)?;
    let backend = query.get("backend").unwrap_or("default");
    let (results, next) = page(&state, &query).await?;

    let prefix = links::prefix_before(req.path(), "/tasks");
    let shown = Shown { prefix, tracebacks: caller.sees_tracebacks(), logs: false };
    let next = next.map(|after| cursor::write(backend, after));
    let mut body = Vec::with_capacity(1024 * (results.len() + 1));
    let mut object = Object::open(&mut body);
    object.list("items", &results, |out, result| task_json::write(out, result, shown));
    object.value("next", &next);
    object.close();

    let mut response = HttpResponse::Ok();
    response.insert_header((header::CONTENT_TYPE, task_json::CONTENT_TYPE));
    response.insert_header((header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")));
    response.insert_header((header::VARY, HeaderValue::from_static("Authorization")));
    if let Some(next) = next {
        let link = format!("<{prefix}/tasks{}>; rel=\"next\"", query.with("cursor", &next));
        response.insert_header((header::LINK, HeaderValue::try_from(link).expect("made of a path and encoded values")));
    }
    Ok(response.body(body))
}

/// The tasks that a query asks for, and where the next page starts.
pub(crate) async fn page(state: &State, query: &Query) -> Result<(Vec<TaskResult>, Option<JobId>), Problem> {
    let backend = query.get("backend").unwrap_or("default");
    let filter = filter_of(state, query).await?;
    let page = page_of(query, backend)?;
    Ok(state.board.list(backend, filter, page).await?)
}

/// Which tasks a query asks for.
pub(crate) async fn filter_of(state: &State, query: &Query) -> Result<Filter, Problem> {
    let time =
        |name| query.parse(name, |text| text.parse::<Timestamp>().ok(), "give a time such as 2026-11-22T10:00:00Z");
    let name = |name| match query.get(name) {
        None => Ok(None),
        Some(value) => match check_name(value) {
            Ok(()) => Ok(Some(value.to_owned())),
            Err(problem) => Err(Problem::parameter(name, problem)),
        },
    };
    let (since, until) = (time("since")?, time("until")?);
    let task = match name("task")? {
        Some(task) => match full_name(state, task).await? {
            Ok(task) => Some(task),
            Err(unclear) => {
                return Err(Problem::parameter("task", &unclear).did_you_mean(unclear.near));
            }
        },
        None => None,
    };
    Ok(Filter {
        status: query.parse("status", Status::parse, "there are READY, RUNNING, SUCCESSFUL and FAILED")?,
        phase: query.parse(
            "phase",
            Phase::parse,
            &format!("there are {}", Phase::ALL.map(Phase::as_str).join(", ")),
        )?,
        task,
        queue: name("queue")?,
        tag: name("tag")?,
        enqueued: Filter::between(since, until),
    })
}

/// A name that means no task, or more than one.
#[derive(Debug)]
pub(crate) struct Unclear {
    name: String,
    /// Those that it could mean.
    could_be: Vec<String>,
    /// Without any, those that are like it.
    pub(crate) near: Vec<String>,
}

impl fmt::Display for Unclear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, could_be, .. } = self;
        match could_be.as_slice() {
            [] => write!(f, "is {name:?}, which is not known"),
            several => write!(f, "is {name:?}, which could be {}", several.join(" or ")),
        }
    }
}

/// The full name of a task that may be given by its bare one.
pub(crate) async fn full_name(state: &State, name: String) -> Result<Result<String, Unclear>, Problem> {
    match state.board.registry().find(&name) {
        Ok(task) => return Ok(Ok(task.name.to_owned())),
        Err(Error::UnknownTask { near, .. }) if is_ambiguous(&name, &near) => {
            return Ok(Err(Unclear { name, could_be: near, near: Vec::new() }));
        }
        Err(_) => {}
    }
    let published = state.board.published().await?;
    if published.contains_key(&name) {
        return Ok(Ok(name));
    }
    let bare: Vec<&str> =
        published.keys().map(String::as_str).filter(|full| full.rsplit('.').next() == Some(&name)).collect();
    Ok(match bare.as_slice() {
        [full] => Ok((*full).to_owned()),
        [] => {
            let near = callboard_tasks::near_names(&name, published.keys().map(String::as_str));
            Err(Unclear { name, could_be: Vec::new(), near })
        }
        several => {
            let could_be = several.iter().map(|&full| full.to_owned()).collect();
            Err(Unclear { name, could_be, near: Vec::new() })
        }
    })
}

fn is_ambiguous(name: &str, near: &[String]) -> bool {
    near.len() > 1 && near.iter().all(|full| full.rsplit('.').next() == Some(name))
}

/// How many of them, and where they start.
pub(crate) fn page_of(query: &Query, backend: &str) -> Result<Page, Problem> {
    let limit = |text: &str| text.parse().ok().filter(|limit| (1..=MOST).contains(limit));
    Ok(Page {
        limit: query.parse("limit", limit, "give a whole number between 1 and 200")?.unwrap_or(USUAL),
        before: query.parse(
            "cursor",
            |text| cursor::read(backend, text),
            "give the `next` of an earlier page of the same list, or none to start over",
        )?,
    })
}
