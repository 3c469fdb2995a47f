//! The middleware around every route: who may come in, what every answer says, and that every error is a problem.
//!
//! It stands around each resource (and around "no such route"), so it works wherever the routes are mounted and
//! sees what the application's own middleware does not: answers that are errors, errors that are no answers, and
//! panics.

use std::future::{Ready, ready};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use actix_web::body::BoxBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::error::InternalError;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, StatusCode};
use actix_web::{Error, HttpMessage as _, HttpRequest, HttpResponse};
use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use tracing::{debug, error, info};

use crate::access::{Caller, Facts};
use crate::audit::Asked;
use crate::problem::{Kind, Problem};
use crate::request_id::RequestId;
use crate::state::State;
use crate::ui;

/// Stands around one resource.
pub(crate) struct Edge {
    state: Arc<State>,
    route: &'static str,
    door: Door,
    readers: Readers,
}

/// Who reads the answers of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Readers {
    /// Programs.
    Programs,
    /// People: errors are pages as well.
    People,
    /// Both: errors are pages for those who ask for HTML, as browsers do.
    Both,
}

impl Readers {
    /// Whether what goes wrong with that request is to be shown on a page.
    fn want_page(self, req: &HttpRequest) -> bool {
        match self {
            Self::Programs => false,
            Self::People => true,
            Self::Both => accepts(req, "text/html"),
        }
    }
}

/// Whether a request names this media type among those that it takes.
pub(crate) fn accepts(req: &HttpRequest, kind: &str) -> bool {
    let accepted = req.headers().get_all(header::ACCEPT).filter_map(|value| value.to_str().ok());
    let kinds = accepted.flat_map(|value| value.split(',')).filter_map(|range| range.split(';').next());
    kinds.into_iter().any(|named| named.trim().eq_ignore_ascii_case(kind))
}

/// Whom a route lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    /// Callers with a right to be here.
    Guarded,
    /// Callers without a token as well.
    Public,
    /// Everybody; the handler itself looks at where a request comes from.
    Open,
}

impl Edge {
    /// An edge around the resource of that path, for callers with a right to be here.
    pub(crate) fn new(state: &Arc<State>, route: &'static str) -> Self {
        Self { state: Arc::clone(state), route, door: Door::Guarded, readers: Readers::Programs }
    }

    /// Lets callers without a token in as well.
    pub(crate) fn public(mut self) -> Self {
        self.door = Door::Public;
        self
    }

    /// Answers with pages, also with errors; their policy is somebody else's to write.
    pub(crate) fn page(mut self) -> Self {
        self.readers = Readers::People;
        self
    }

    /// Answers with pages, but with errors as programs know them to whoever does not ask for HTML.
    pub(crate) fn document(mut self) -> Self {
        self.readers = Readers::Both;
        self
    }

    /// Lets everybody in, for a handler that looks itself at where a request comes from and changes nothing.
    pub(crate) fn open(mut self) -> Self {
        self.door = Door::Open;
        self
    }
}

impl<S> Transform<S, ServiceRequest> for Edge
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
    S::Future: 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Transform = EdgeService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        let Self { ref state, route, door, readers } = *self;
        ready(Ok(EdgeService { inner, state: Arc::clone(state), route, door, readers }))
    }
}

/// The edge at work.
pub(crate) struct EdgeService<S> {
    inner: S,
    state: Arc<State>,
    route: &'static str,
    door: Door,
    readers: Readers,
}

impl<S> Service<ServiceRequest> for EdgeService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error> + 'static,
    S::Future: 'static,
{
    type Response = ServiceResponse<BoxBody>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    actix_web::dev::forward_ready!(inner);

    fn call(&self, req: ServiceRequest) -> Self::Future {
        let begun = Instant::now();
        let now = self.state.board.clock().now();
        let facts = Facts::of(req.head(), req.app_config().secure());
        let id = RequestId::of(facts.request_id, now);
        let admitted = match self.door {
            Door::Open => Ok(Caller::Anybody),
            door => self.state.policy.admit(&facts, door == Door::Public, now),
        };
        let admitted = match self.route {
            // Whoever looks after this process must always hear how it is.
            "/healthz" | "/readyz" => admitted,
            _ => match (self.state.take(admitted.as_ref().ok(), &facts), admitted) {
                (Ok(()), admitted) => admitted,
                (Err(problem), _) => Err(problem),
            },
        };
        let asked = (!facts.safe && is_audited(self.route)).then(|| Asked::of(req.head(), admitted.as_ref().ok(), now));
        let page = self.readers.want_page(req.request());
        match admitted {
            Err(problem) => {
                let slug = problem.kind().slug();
                let answer = if page {
                    ui::refusal(req.request(), &self.state, self.route, &problem, id.as_str())
                } else {
                    problem.respond(Some(id.as_str()))
                };
                let mut response = req.into_response(answer);
                seal(response.headers_mut(), &id);
                log(&response, &id, begun);
                self.state.audit.note(asked, response.status(), &id);
                count(&self.state, self.route, &response, Some(slug), begun);
                return ready(Ok(response)).boxed_local();
            }
            // These are what handlers take callers for who come without a note.
            Ok(Caller::Local | Caller::Application) => {}
            Ok(caller) => drop(req.extensions_mut().insert(caller)),
        }
        let (route, state) = (self.route, Arc::clone(&self.state));
        let method = req.method().clone();
        let answer = AssertUnwindSafe(self.inner.call(req)).catch_unwind();
        async move {
            match answer.await {
                Ok(Ok(response)) => {
                    let slug = slug_of(&response);
                    let mut response = as_problem(response, &id, page.then_some((&*state, route)));
                    seal(response.headers_mut(), &id);
                    if state.board.is_leaving() {
                        // Whoever asks again shall do so elsewhere.
                        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
                    }
                    log(&response, &id, begun);
                    state.audit.note(asked, response.status(), &id);
                    count(&state, route, &response, slug, begun);
                    Ok(response)
                }
                Ok(Err(error)) => {
                    let status = error.as_response_error().status_code();
                    state.requests.note(route, &method, status.as_u16(), begun.elapsed());
                    state.audit.note(asked, status, &id);
                    debug!(request_id = id.as_str(), route, %error, "a request ended in an error");
                    Err(answered(error, &of_status(status), &id))
                }
                Err(_) => {
                    error!(request_id = id.as_str(), route, "the handler of a request panicked");
                    let status = StatusCode::INTERNAL_SERVER_ERROR;
                    state.requests.note(route, &method, status.as_u16(), begun.elapsed());
                    state.audit.note(asked, status, &id);
                    Err(answered(InternalError::new("panic", status).into(), &of_status(status), &id))
                }
            }
        }
        .boxed_local()
    }
}

/// Makes a problem of an error that has another form; of a page, a page.
fn as_problem(response: ServiceResponse, id: &RequestId, page: Option<(&State, &'static str)>) -> ServiceResponse {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let write = |problem: &Problem| match page {
        Some((state, route)) => ui::refusal(response.request(), state, route, problem, id.as_str()),
        None => problem.respond(Some(id.as_str())),
    };
    let written = match response.response().error().and_then(|error| error.as_error::<Problem>()) {
        Some(problem) => write(problem),
        // A page has words of its own for what is wrong.
        None if page.is_some() && is_html(response.headers()) => return response,
        // Health answers 503 with its checks.
        None if is_json(response.headers()) => return response,
        None => write(&of_status(status)),
    };
    response.into_response(written)
}

/// The problem behind a status that came without one.
fn of_status(status: StatusCode) -> Problem {
    match Kind::of_status(status) {
        Kind::Internal => Problem::internal(),
        kind => Problem::new(kind, status.canonical_reason().unwrap_or("the request was refused").to_lowercase()),
    }
}

/// An error that brings its whole answer along: middleware further out would pass it by without adding to it.
fn answered(error: Error, problem: &Problem, id: &RequestId) -> Error {
    InternalError::from_response(error, sealed(problem.respond(Some(id.as_str())), id)).into()
}

fn sealed(mut response: HttpResponse, id: &RequestId) -> HttpResponse {
    seal(response.headers_mut(), id);
    response
}

/// What every answer says; a page has another policy, which is not written here.
fn seal(headers: &mut HeaderMap, id: &RequestId) {
    const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
    const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
    const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

    headers.insert(REQUEST_ID, id.to_header());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    if !is_html(headers) {
        headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, NO_STORE);
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"))
}

fn is_html(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

/// Whether what is done by a route is told in the audit log: not the reports of browsers, which change nothing.
fn is_audited(route: &str) -> bool {
    route != "/csp/reports"
}

/// The kind of problem that an answer is.
fn slug_of(response: &ServiceResponse) -> Option<&'static str> {
    let problem = response.response().error()?.as_error::<Problem>()?;
    Some(problem.kind().slug())
}

/// Counts an answer for the metrics.
fn count(state: &State, route: &'static str, response: &ServiceResponse, slug: Option<&'static str>, begun: Instant) {
    state.requests.note(route, response.request().method(), response.status().as_u16(), begun.elapsed());
    if let Some(slug) = slug.filter(|_| route.starts_with("/enqueue")) {
        state.requests.note_refusal(slug);
    }
}

/// One line for each request, without its body. Debug formatting escapes control characters.
fn log(response: &ServiceResponse, id: &RequestId, begun: Instant) {
    let request = response.request();
    let (method, path, status) = (request.method(), request.path(), response.status().as_u16());
    let micros = begun.elapsed().as_micros();
    if status >= 500 {
        info!(request_id = id.as_str(), ?method, ?path, status, micros, "request");
    } else {
        debug!(request_id = id.as_str(), ?method, ?path, status, micros, "request");
    }
}
