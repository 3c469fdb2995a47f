//! `GET /tasks/{id}/events`: what happens to a task, as server-sent events.
//!
//! A stream is a loop over waits for the next version, so a slow reader misses versions and costs nothing else; and
//! whoever comes back with the version that it saw last goes on from there.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use callboard_tasks::{Error, TaskResult, WaitFor};
use futures::stream;

use crate::access::{Caller, Right};
use crate::json::Object;
use crate::problem::{Kind, Problem};
use crate::query::Query;
use crate::state::{Place, State};
use crate::task_json::{self, Shown};
use crate::{links, tasks};

/// How long a stream is silent before it says that it is there.
const SILENCE: Duration = Duration::from_secs(15);
/// The pause before a store that failed is asked again.
const PAUSE: Duration = Duration::from_secs(1);

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("text/event-stream");

/// The handler.
pub(crate) async fn get(req: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let caller = state.caller(&req);
    caller.must(Right::Read)?;
    Query::of(&req, &[])?;
    let result = state.board.get(tasks::id_of(&req)?).await?;
    let seen = last_seen(req.headers());
    if result.is_finished() && seen == Some(result.job().state.version) {
        // Whoever has seen the end need not come back; browsers would for ever.
        return Ok(HttpResponse::NoContent().finish());
    }
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CONTENT_TYPE, CONTENT_TYPE));
    response.insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")));
    // Proxies shall pass each event on at once.
    response.insert_header((HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")));
    if req.method() == actix_web::http::Method::HEAD {
        return Ok(response.finish());
    }
    let place = state.take_place().ok_or_else(|| {
        let detail = format!("{} streams are open, which are as many as there may be", state.limits.streams);
        Problem::new(Kind::RateLimited, detail)
    })?;
    let follow = Follow {
        state: state.into_inner(),
        prefix: links::prefix_before(req.path(), "/tasks/").to_owned(),
        caller,
        told: seen.unwrap_or(0),
        last: result.clone(),
        next: Some(result),
        over: false,
        _place: place,
    };
    Ok(response.streaming(stream::unfold(follow, |mut follow| async move {
        let text = follow.next().await?;
        Some((Ok::<_, Infallible>(text), follow))
    })))
}

/// The version that the client saw last; what is no version is none.
fn last_seen(headers: &HeaderMap) -> Option<u64> {
    headers.get(LAST_EVENT_ID)?.to_str().ok()?.trim().parse().ok()
}

/// A stream.
struct Follow {
    state: Arc<State>,
    prefix: String,
    caller: Caller,
    /// The version that the client knows; 0 is none.
    told: u64,
    /// What was seen last.
    last: TaskResult,
    /// What is to be told first.
    next: Option<TaskResult>,
    over: bool,
    _place: Place,
}

impl Follow {
    /// What is to be sent next; `None` ends the stream.
    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        if let Some(first) = self.next.take()
            && first.job().state.version > self.told
        {
            return Some(self.tell(first, false));
        }
        let version = self.last.job().state.version.max(self.told);
        match self.state.wait(self.last.id(), WaitFor::ChangeAfter(version), SILENCE).await {
            Ok(Some(result)) => Some(self.tell(result, true)),
            // A client that comes back finds another server, or this one again.
            Ok(None) if self.state.board.is_draining() || !self.caller.is_valid(self.state.board.clock().now()) => None,
            Ok(None) => Some(Bytes::from_static(b": still here\n\n")),
            Err(Error::NotFound(_) | Error::Pruned(_) | Error::Draining) => None,
            Err(_) => {
                tokio::time::sleep(PAUSE).await;
                Some(Bytes::from_static(b": the store does not answer\n\n"))
            }
        }
    }

    /// The event of a change.
    fn tell(&mut self, result: TaskResult, known: bool) -> Bytes {
        let (before, now) = (&self.last.job().state, &result.job().state);
        let only_progress = known
            && before.phase == now.phase
            && before.attempts == now.attempts
            && before.progress != now.progress
            && now.progress.is_some();
        let event = match now.progress {
            _ if result.is_finished() => "end",
            Some(_) if only_progress => "progress",
            _ => "state",
        };
        let mut out = format!("id: {}\nevent: {event}\ndata: ", now.version).into_bytes();
        match now.progress.filter(|_| event == "progress") {
            Some(progress) => {
                let mut object = Object::open(&mut out);
                object.value("done", &progress.done).value("total", &progress.total);
                object.close();
            }
            None => {
                let shown = Shown { prefix: &self.prefix, tracebacks: self.caller.sees_tracebacks(), logs: false };
                task_json::write(&mut out, &result, shown);
            }
        }
        out.extend_from_slice(b"\n\n");
        self.over = result.is_finished();
        self.told = now.version;
        self.last = result;
        Bytes::from(out)
    }
}
