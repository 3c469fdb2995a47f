//! `GET /problems/` and `GET /problems/{slug}`: what each kind of problem means, for people who follow its `type`.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use callboard_tasks::{Error, InvalidMove, JobId, Move, Phase, Problem as FieldProblem, StoreError};
use serde::Serialize;

use super::frame::Frame;
use super::rows::{Words, pretty, words};
use super::{Shared, prefix, render};
use crate::access::{Caller, Right};
use crate::edge::accepts;
use crate::problem::{Kind, Problem};
use crate::query::Query;

/// What stands in the examples: ids of nothing in particular.
const REQUEST: &str = "0193b3a0-5c1e-7d2a-9f00-1c2d3e4f5a6b";
const TASK: &str = "0193b3a0-61f4-7c10-8a5e-2b6f0d9c7e31";

#[derive(Serialize)]
struct Index {
    frame: Frame,
    kinds: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    slug: &'static str,
    status: u16,
    title: &'static str,
    happened: Words<'static>,
}

#[derive(Serialize)]
struct Page {
    frame: Frame,
    slug: &'static str,
    status: u16,
    reason: &'static str,
    happened: Words<'static>,
    advice: Words<'static>,
    /// The headers of the example that say more than its body.
    headers: Vec<(String, String)>,
    example: String,
    /// Other kinds with the same status.
    akin: Vec<Entry>,
}

/// `GET /problems/`: all kinds, by status.
pub(super) async fn list(req: HttpRequest, state: Shared) -> Result<HttpResponse, Problem> {
    Query::of(&req, &[])?;
    if wants_text(&req) {
        let line = |kind: &Kind| format!("{} {}: {}\n", kind.status().as_u16(), kind.slug(), kind.title());
        return Ok(text(Kind::ALL.iter().map(line).collect()));
    }
    let frame = Frame::of(&req, &state, prefix(&req, "/problems/"), "docs", "Problems");
    let kinds = Kind::ALL.iter().copied().map(Entry::of).collect();
    Ok(varies(render::page(StatusCode::OK, "problems.html", Index { frame, kinds })?))
}

/// `GET /problems/{slug}`: one kind, with an answer as an example.
pub(super) async fn one(req: HttpRequest, state: Shared) -> Result<HttpResponse, Problem> {
    Query::of(&req, &[])?;
    let slug = req.match_info().query("slug");
    let Some(kind) = Kind::of_slug(slug) else {
        let detail = format!("there is no problem {slug:?}; {}/problems/ lists all", prefix(&req, "/problems/{slug}"));
        return Err(Problem::new(Kind::NotFound, detail));
    };
    let status = kind.status();
    if wants_text(&req) {
        let (title, happened, advice) = (kind.title(), kind.happened(), kind.advice());
        return Ok(text(format!("{title} ({})\n\n{happened}\n\n{advice}\n", status.as_u16())));
    }
    let example = example(kind);
    let mut body = Vec::with_capacity(512);
    example.write(&mut body, Some(REQUEST));
    let text_of = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let headers = example.headers().iter().map(|(name, value)| (name.to_string(), text_of(value))).collect();
    let page = Page {
        frame: Frame::of(&req, &state, prefix(&req, "/problems/{slug}"), "docs", kind.title()),
        slug: kind.slug(),
        status: status.as_u16(),
        reason: status.canonical_reason().unwrap_or_default(),
        happened: words(kind.happened()),
        advice: words(kind.advice()),
        headers,
        example: pretty(&String::from_utf8_lossy(&body)),
        akin: Kind::ALL
            .iter()
            .copied()
            .filter(|other| *other != kind && other.status() == status)
            .map(Entry::of)
            .collect(),
    };
    Ok(varies(render::page(StatusCode::OK, "problem.html", page)?))
}

impl Entry {
    fn of(kind: Kind) -> Self {
        Self {
            slug: kind.slug(),
            status: kind.status().as_u16(),
            title: kind.title(),
            happened: words(kind.happened()),
        }
    }
}

/// Terminals may ask for words alone.
fn wants_text(req: &HttpRequest) -> bool {
    accepts(req, "text/plain") && !accepts(req, "text/html")
}

fn text(words: String) -> HttpResponse {
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    varies(HttpResponse::Ok().insert_header((header::CONTENT_TYPE, kind)).body(words))
}

fn varies(mut response: HttpResponse) -> HttpResponse {
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
    response
}

/// A problem of that kind, as a client may meet it.
fn example(kind: Kind) -> Problem {
    let id: JobId = TASK.parse().expect("it is an id");
    let alias = || "default".to_owned();
    let plain = |detail: &'static str| Problem::new(kind, detail);
    let field = |pointer: &str, detail: &str| FieldProblem::new(pointer.to_owned(), detail.to_owned());
    let header = |problem: Problem, name, value| problem.header(name, HeaderValue::from_static(value));
    match kind {
        Kind::MalformedJson => plain("the body is not JSON: expected `,` or `}` at line 3 column 5"),
        Kind::InvalidParameter => plain("limit is \"many\"; it takes a number from 1 to 200"),
        Kind::Unauthorized => header(
            plain("this server needs a token; send it as a bearer"),
            header::WWW_AUTHENTICATE,
            "Bearer realm=\"callboard\"",
        ),
        Kind::InsufficientScope => Caller::Anybody.must(Right::Write).err().unwrap_or_else(Problem::internal),
        Kind::Csrf => plain(
            "Sec-Fetch-Site is \"cross-site\", so a browser sent this, and not for a page of this origin; programs \
             leave that header out",
        ),
        Kind::ReadOnly => plain("this server was started read-only"),
        Kind::NotFound => Error::NotFound(id).into(),
        Kind::MethodNotAllowed => {
            header(plain("PUT is not allowed here; there are GET, HEAD, OPTIONS"), header::ALLOW, "GET, HEAD, OPTIONS")
        }
        Kind::RequestTimeout => plain("the body stopped after 512 bytes"),
        Kind::UniqueConflict => Error::UniqueConflict { existing: id }.into(),
        Kind::InvalidTransition => InvalidMove { from: Phase::Running, step: Move::RunAgain }.into(),
        Kind::IdempotencyInProgress => plain("the first request with this key is under way"),
        Kind::TaskFailed => plain("the task has finished without a return value (failed)"),
        Kind::Pruned => Error::Pruned(id).into(),
        Kind::PreconditionFailed => plain("the task has version 3, which If-Match does not name"),
        Kind::PayloadTooLarge => plain("the body is larger than 1048576 bytes"),
        Kind::UnsupportedMediaType => {
            header(plain("the body must be application/json in UTF-8"), header::ACCEPT, "application/json")
        }
        Kind::MisdirectedRequest => {
            plain("\"tasks.example.com\" is not a host of this server; list it under `hosts` of its settings")
        }
        Kind::ValidationFailed => Problem::fields(vec![
            field("#/args/user_email", "is missing; it is a string"),
            field("#/priority", "is 500, which is not from -100 to 100"),
        ]),
        Kind::UnknownTask => {
            let near = vec!["shop.send_welcome_email".to_owned()];
            Error::UnknownTask { name: "send_welcome_mail".to_owned(), near }.into()
        }
        Kind::UnknownBackend => Error::UnknownBackend { alias: "mail".to_owned(), known: vec![alias()] }.into(),
        Kind::QueueNotAllowed => {
            let detail = "\"mial\" is not a queue of the backend \"default\", which has \"default\" and \"mail\"; name \
                          one of them, or add it to the queues of the backend";
            Problem::fields(vec![field("#/queue", detail)])
        }
        Kind::IdempotencyMismatch => Error::IdempotencyMismatch.into(),
        Kind::RateLimited => plain("at most 100 requests in 1m are taken; the next one in 1 s"),
        Kind::QueueFull => Error::Full { alias: alias() }.into(),
        Kind::Draining => Error::Draining.into(),
        Kind::StoreBusy => StoreError::Busy("".into()).into(),
        Kind::StoreUnavailable => Error::NoAnswer { alias: alias() }.into(),
        Kind::Internal => Problem::internal(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_is_of_its_own_kind() {
        for kind in Kind::ALL {
            assert_eq!(example(*kind).kind(), *kind);
        }
    }
}
