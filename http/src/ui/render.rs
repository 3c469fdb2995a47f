//! Renders pages: the templates are part of the program and are compiled when it starts.

use std::sync::LazyLock;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use callboard_templates::Templates;
use serde::Serialize;
use tracing::error;

use super::frame::Frame;
use super::rows::{Words, words};
use crate::problem::{Kind, Problem};
use crate::state::State;

static TEMPLATES: LazyLock<Templates> = LazyLock::new(|| {
    Templates::builder()
        .source("audit.html", include_str!("templates/audit.html"))
        .source("base.html", include_str!("templates/base.html"))
        .source("csp.html", include_str!("templates/csp.html"))
        .source("docs.html", include_str!("templates/docs.html"))
        .source("login.html", include_str!("templates/login.html"))
        .source("overview.html", include_str!("templates/overview.html"))
        .source("parts.html", include_str!("templates/parts.html"))
        .source("problem.html", include_str!("templates/problem.html"))
        .source("problems.html", include_str!("templates/problems.html"))
        .source("queues.html", include_str!("templates/queues.html"))
        .source("refusal.html", include_str!("templates/refusal.html"))
        .source("schedules.html", include_str!("templates/schedules.html"))
        .source("task.html", include_str!("templates/task.html"))
        .source("tasks.html", include_str!("templates/tasks.html"))
        .source("workers.html", include_str!("templates/workers.html"))
        .reload(false)
        .build()
        .expect("the templates are part of the program, and a test compiles them")
});

/// Compiles the templates, if that has not been done.
pub(crate) fn compile() {
    LazyLock::force(&TEMPLATES);
}

/// A page, never to be kept: it shows what is, and its nonce is for once.
pub(super) fn page(status: StatusCode, template: &str, context: impl Serialize) -> Result<HttpResponse, Problem> {
    let text = TEMPLATES.render(template, context).map_err(|problem| {
        error!(template, error = %problem, "a page could not be rendered");
        Problem::internal()
    })?;
    let mut response = HttpResponse::build(status);
    response.insert_header((header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")));
    response.insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")));
    response.insert_header(("x-robots-tag", "noindex"));
    Ok(response.body(text))
}

/// What the page of a refusal shows.
#[derive(Serialize)]
struct Refusal<'a> {
    frame: Frame,
    status: u16,
    heading: &'a str,
    detail: &'a str,
    slug: &'a str,
    advice: Words<'a>,
    fields: Vec<(&'a str, &'a str)>,
    request_id: &'a str,
}

/// A problem as a page, for people; without a token they are led to where they can give one.
pub(crate) fn refusal(req: &HttpRequest, state: &State, route: &str, problem: &Problem, id: &str) -> HttpResponse {
    let prefix = super::prefix(req, route);
    let kind = problem.kind();
    let reads = matches!(*req.method(), actix_web::http::Method::GET | actix_web::http::Method::HEAD);
    if kind == Kind::Unauthorized && !state.policy.tokens.is_empty() && reads {
        let to = format!("{prefix}/ui/login");
        return HttpResponse::SeeOther().insert_header((header::LOCATION, to)).finish();
    }
    let context = Refusal {
        frame: Frame::of(req, state, prefix, "", kind.title()),
        status: kind.status().as_u16(),
        heading: kind.title(),
        detail: problem.detail(),
        slug: kind.slug(),
        advice: words(kind.advice()),
        fields: problem.errors().iter().map(|error| (error.pointer.as_str(), error.detail.as_str())).collect(),
        request_id: id,
    };
    let mut response = page(kind.status(), "refusal.html", context).unwrap_or_else(|problem| problem.respond(Some(id)));
    problem.add_headers(response.headers_mut());
    response
}
