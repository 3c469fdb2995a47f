//! `GET /queues` and what can be done to one queue.

use std::collections::BTreeMap;

use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use callboard_tasks::{BackendInfo, Error, Phase, Problem as FieldProblem, QueueNames, QueueStats, Rate, Timestamp};

use crate::access::Right;
use crate::body;
use crate::enqueue::read;
use crate::json::Object;
use crate::members::{Member as _, Members, Wrong, members, text_of};
use crate::problem::{Kind, Problem};
use crate::query::Query;
use crate::state::State;
use crate::task_json;

/// `GET /queues`.
pub(crate) async fn list(req: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    state.caller(&req).must(Right::Read)?;
    let query = Query::of(&req, &["backend"])?;
    let queues = Queues::of(&state, query.get("backend").unwrap_or("default")).await?;
    let mut body = Vec::with_capacity(512 * (queues.all.len() + 1));
    let mut object = Object::open(&mut body);
    object.list("items", &queues.all, |out, (name, stats)| queues.write(out, name, stats));
    object.close();
    Ok(answer(body))
}

/// `GET /queues/{queue}`.
pub(crate) async fn get(req: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    state.caller(&req).must(Right::Read)?;
    let query = Query::of(&req, &["backend"])?;
    let queues = Queues::of(&state, query.get("backend").unwrap_or("default")).await?;
    queues.answer(queue_of(&req))
}

/// `POST /queues/{queue}/pause`.
pub(crate) async fn pause(req: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    steer(&req, &state, true).await
}

/// `POST /queues/{queue}/resume`.
pub(crate) async fn resume(req: HttpRequest, state: web::Data<State>) -> Result<HttpResponse, Problem> {
    steer(&req, &state, false).await
}

members! {
    /// What can be limited of a queue.
    Member {
        Concurrency "concurrency",
        Rate "rate",
        KeyConcurrency "key_concurrency",
        KeyRate "key_rate",
        Depth "depth",
    }
}

/// `PATCH /queues/{queue}`: changes its limits; what is left out stays as it is, and null is no limit.
pub(crate) async fn patch(
    req: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    state.caller(&req).must(Right::Queues)?;
    let query = Query::of(&req, &["backend"])?;
    let (backend, queue) = (query.get("backend").unwrap_or("default"), queue_of(&req));
    let body = body::read_json(&req, payload, state.limits).await?;
    let mut members = Members::of(text_of(&body)?)?;
    let mut queues = Queues::of(&state, backend).await?;
    let mut limits = queues.must_have(queue)?.limits;
    let small = |json: &str| read::whole(json, 1, u32::MAX.into()).map(|n| u32::try_from(n).expect("in its range"));
    let large = |json: &str| read::whole(json, 1, i64::MAX).map(i64::unsigned_abs);
    let rate = |json: &str| read::text(json)?.parse::<Rate>().map_err(Wrong::from);
    let mut told = false;
    macro_rules! change {
        ($($member:ident $field:ident $read:ident,)*) => {$(
            if members.given(Member::$member).is_some() {
                told = true;
                limits.$field = members.read(Member::$member, $read);
            }
        )*};
    }
    change! {
        Concurrency concurrency small,
        Rate rate rate,
        KeyConcurrency key_concurrency small,
        KeyRate key_rate rate,
        Depth depth large,
    }
    let mistakes = members.mistakes();
    if !mistakes.is_empty() {
        return Err(Problem::fields(mistakes));
    }
    if !told {
        let detail = format!("the body changes nothing; give one of {}", Member::NAMES.join(", "));
        return Err(Problem::fields(vec![FieldProblem::new("#", detail)]));
    }
    state.board.limit(backend, queue, limits).await?;
    if let Some(stats) = queues.all.get_mut(queue) {
        stats.limits = limits;
    }
    queues.answer(queue)
}

async fn steer(req: &HttpRequest, state: &State, pause: bool) -> Result<HttpResponse, Problem> {
    state.caller(req).must(Right::Queues)?;
    let query = Query::of(req, &["backend"])?;
    let queues = set_paused(state, query.get("backend").unwrap_or("default"), queue_of(req), pause).await?;
    queues.answer(queue_of(req))
}

/// Pauses or resumes a queue, and gives the queues as they are then. Doing it twice is as good as once.
pub(crate) async fn set_paused(state: &State, backend: &str, queue: &str, pause: bool) -> Result<Queues, Problem> {
    let mut queues = Queues::of(state, backend).await?;
    queues.must_have(queue)?;
    if pause {
        state.board.pause(backend, queue).await?;
    } else {
        state.board.resume(backend, queue).await?;
    }
    // What the store counts may be a second old; this is not.
    if let Some(stats) = queues.all.get_mut(queue) {
        stats.paused = pause;
    }
    Ok(queues)
}

fn queue_of(req: &HttpRequest) -> &str {
    req.match_info().query("queue")
}

fn answer(body: Vec<u8>) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CONTENT_TYPE, task_json::CONTENT_TYPE));
    response.insert_header((header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")));
    response.insert_header((header::VARY, HeaderValue::from_static("Authorization")));
    response.body(body)
}

/// The queues of a backend: those that its settings name, and those that its store knows.
pub(crate) struct Queues {
    pub(crate) backend: String,
    pub(crate) all: BTreeMap<String, QueueStats>,
    now: Timestamp,
}

impl Queues {
    /// The queues of that backend.
    pub(crate) async fn of(state: &State, backend: &str) -> Result<Self, Problem> {
        let board = &state.board;
        let info = info_of(state, backend)?;
        let mut all = board.stats(backend).await?.queues;
        if let QueueNames::Only(names) = &info.queues {
            for name in names {
                all.entry(name.clone()).or_default();
            }
        }
        Ok(Self { backend: backend.to_owned(), all, now: board.clock().now() })
    }

    fn must_have(&self, queue: &str) -> Result<&QueueStats, Problem> {
        self.all.get(queue).ok_or_else(|| {
            let detail = format!("the backend {:?} has no queue {queue:?}, as far as is known", self.backend);
            Problem::new(Kind::NotFound, detail)
        })
    }

    fn answer(&self, queue: &str) -> Result<HttpResponse, Problem> {
        let mut body = Vec::with_capacity(512);
        self.write(&mut body, queue, self.must_have(queue)?);
        Ok(answer(body))
    }

    /// For how long the job has been ready that has been for the longest, in seconds.
    pub(crate) fn oldest_ready_age(&self, stats: &QueueStats) -> Option<f64> {
        let age = self.now.duration_since(stats.oldest_ready?).as_secs_f64();
        Some((age.max(0.0) * 1_000.0).round() / 1_000.0)
    }

    fn write(&self, out: &mut Vec<u8>, name: &str, stats: &QueueStats) {
        let mut object = Object::open(out);
        object.text("name", name).text("backend", &self.backend).value("paused", &stats.paused);
        let mut counts = Object::open(object.name("counts"));
        for phase in Phase::ALL {
            counts.value(phase.as_str(), stats.phases.get(&phase).unwrap_or(&0));
        }
        counts.close();
        object.time("oldest_ready_at", stats.oldest_ready);
        object.value("oldest_ready_age_seconds", &self.oldest_ready_age(stats));
        let mut limits = Object::open(object.name("limits"));
        let rate = |rate: Option<Rate>| rate.map(|rate| rate.to_string());
        limits.value("concurrency", &stats.limits.concurrency).value("rate", &rate(stats.limits.rate));
        limits.value("key_concurrency", &stats.limits.key_concurrency);
        limits.value("key_rate", &rate(stats.limits.key_rate)).value("depth", &stats.limits.depth);
        limits.close();
        object.close();
    }
}

/// What is known of a backend.
pub(crate) fn info_of<'a>(state: &'a State, backend: &str) -> Result<&'a BackendInfo, Problem> {
    let backends = state.board.backends();
    backends.iter().find(|info| info.alias == backend).copied().ok_or_else(|| {
        let known = backends.iter().map(|info| info.alias.clone()).collect();
        Error::UnknownBackend { alias: backend.into(), known }.into()
    })
}
