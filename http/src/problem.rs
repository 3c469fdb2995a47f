//! Problems: every error of every route, as `application/problem+json` (RFC 9457).

use std::borrow::Cow;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use callboard_tasks::Problem as FieldProblem;

use crate::json::{self, Object};

/// So many characters a detail may have.
const DETAIL: usize = 1_000;

/// Declares the kinds of problems as one table: variant, slug, status, title, and a line of advice.
macro_rules! kinds {
    ($($kind:ident $slug:literal $status:literal $title:literal $happened:literal $advice:literal)*) => {
        /// What kind of problem it is: the last part of its `type`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Kind { $($kind,)* }

        impl Kind {
            /// All of them, by status.
            pub(crate) const ALL: &[Self] = &[$(Self::$kind,)*];

            const fn row(self) -> Row {
                match self {
                    $(Self::$kind => Row {
                        slug: $slug, status: $status, title: $title, happened: $happened, advice: $advice,
                    },)*
                }
            }
        }
    };
}

kinds! {
    MalformedJson "malformed-json" 400 "The body is not JSON"
        "The body of the request could not be read as JSON: it is empty, is not UTF-8, is cut off, has a stray character, \
         or is nested too deeply."
        "Send one JSON object in UTF-8; the detail names the line and the column."
    InvalidParameter "invalid-parameter" 400 "A parameter is not valid"
        "Something outside of the body is not what this path takes: a part of the path, a parameter of the query, or \
         a header."
        "The detail names the parameter or header and what it takes."
    Unauthorized "unauthorized" 401 "A token is needed"
        "The server does not know who is asking: the request has no token, or one that is unknown, revoked or \
         expired; or, on a server without tokens, it comes from another machine."
        "Send `Authorization: Bearer tk_...` with a token of this server that has not expired."
    InsufficientScope "insufficient-scope" 403 "The token does not allow this"
        "The token is known, but none of its scopes covers what was asked for."
        "Use a token with the scope that the detail names."
    Csrf "csrf" 403 "The request comes from another site"
        "The request would change something, and its headers say that a browser sent it from a page of another site. \
         It was refused before anything was done."
        "Browsers may change things only from a page of this very origin; programs leave out the header of the detail."
    ReadOnly "read-only" 403 "This server only reads"
        "The request would change something, and this server was started to be looked at alone."
        "It was started read-only; ask another one."
    NotFound "not-found" 404 "There is no such thing"
        "There is nothing at this path, or no server of this store has ever kept a task, queue or schedule of that \
         name."
        "Check the path and the id; a task is only known to servers of the store that keeps it."
    MethodNotAllowed "method-not-allowed" 405 "The method is not allowed here"
        "The path exists, but not with this method."
        "The header `Allow` lists the methods of this path."
    RequestTimeout "request-timeout" 408 "The body took too long"
        "The body of the request stopped arriving before its end, or came too slowly. Nothing was done."
        "A body must arrive within 10 seconds and one more for each 64 KiB."
    UniqueConflict "unique-conflict" 409 "An unfinished task has that unique key"
        "The call asks to be the only one of its kind, and another task with the same key has not finished yet. \
         Nothing was enqueued."
        "Wait for the existing task, or ask for it to be returned or replaced."
    InvalidTransition "invalid-transition" 409 "The task is in another phase"
        "What was asked for cannot be done to a task in its present phase: one that runs cannot be deleted, one that \
         waits cannot be retried. Nothing was changed."
        "The detail names the phase; read the task again before asking for another change."
    IdempotencyInProgress "idempotency-in-progress" 409 "The first request of that key is under way"
        "Another request with the same `Idempotency-Key` has come before this one, and its answer is not ready yet."
        "Try again in a moment."
    TaskFailed "task-failed" 409 "The task has no return value"
        "The return value was asked for of a task that has ended without one: it failed, was cancelled, or expired."
        "Read the task itself: it lists its errors. `POST /tasks/{id}/retry` runs it again."
    Pruned "pruned" 410 "The task has ended and was removed"
        "There was a task of this id. It ended, its result was kept as long as the settings say, and then both were \
         removed."
        "Nothing brings it back. `keep_successful` and `keep_failed` of the settings say how long results are kept."
    PreconditionFailed "precondition-failed" 412 "The task has changed"
        "The header `If-Match` names another version than the one that the task has now: somebody else, or a worker, \
         has changed it. Nothing was changed."
        "Read it again and repeat the change with its new version."
    PayloadTooLarge "payload-too-large" 413 "The body is too large"
        "The body is larger than this path takes: 1 MiB, or 8 MiB for a batch."
        "Store large data elsewhere and pass its key."
    UnsupportedMediaType "unsupported-media-type" 415 "The body is not of a type that this path takes"
        "The header `Content-Type` is missing or names something that this path does not read, or the body is \
         compressed."
        "Send `Content-Type: application/json`, without a content encoding."
    MisdirectedRequest "misdirected-request" 421 "This server does not answer for that host"
        "The header `Host` names a host that this server was not told to answer for. On a server without tokens that \
         keeps pages that point a name of their own at this machine from getting in."
        "Call it by a name that it was given: 127.0.0.1, [::1], localhost, or one of its configured hosts."
    ValidationFailed "validation-failed" 422 "The request breaks a rule"
        "The body is JSON, but one or more of its members are missing, unknown, of the wrong type or out of range. \
         Nothing was enqueued or changed."
        "`errors` lists each field at fault and what to write instead."
    UnknownTask "unknown-task" 422 "There is no task of that name"
        "No process that shares the store has published a task of that name."
        "`did_you_mean` lists names that are like it; `GET /registry` lists all."
    UnknownBackend "unknown-backend" 422 "There is no backend of that alias"
        "The settings of this server have no backend of that alias."
        "The detail lists those that are configured."
    QueueNotAllowed "queue-not-allowed" 422 "The backend does not have that queue"
        "The backend works named queues only, and this is none of them. Nothing was enqueued."
        "Name one of its queues, or add the queue to its settings."
    IdempotencyMismatch "idempotency-mismatch" 422 "That key belongs to another request"
        "The same `Idempotency-Key` came within a day with another body. Nothing was enqueued."
        "Use a new key for a new request."
    RateLimited "rate-limited" 429 "Too many requests"
        "The holder of this token, or without one this address, has sent more requests than the settings allow in \
         the time."
        "Wait as long as `Retry-After` says."
    QueueFull "queue-full" 503 "The backend has no room now"
        "As many calls wait as the backend or the queue may hold. Nothing was enqueued."
        "More calls wait than it takes; try again after `Retry-After` seconds."
    Draining "draining" 503 "The server is shutting down"
        "The process was told to stop: it lets running tasks end and takes no new calls. Nothing was enqueued."
        "Nothing was enqueued; send it to another server, or again after `Retry-After` seconds."
    StoreBusy "store-busy" 503 "The store is busy"
        "Another program holds the store for longer than this server waits. Nothing was done."
        "Somebody else holds it; try again after `Retry-After` seconds."
    StoreUnavailable "store-unavailable" 503 "The store does not answer"
        "The store cannot be reached or does not answer in time. Whether the request was carried out may be unknown: \
         send it again with the same `Idempotency-Key`."
        "Try again after `Retry-After` seconds."
    Internal "internal" 500 "Something went wrong inside"
        "The server has a fault or met with one. What it is stands in its log alone, because it may be nobody else's \
         business."
        "The log of the server has more under the id of this request."
}

/// What is said of a kind wherever it occurs.
struct Row {
    slug: &'static str,
    status: u16,
    title: &'static str,
    happened: &'static str,
    advice: &'static str,
}

impl Kind {
    /// The last part of its `type`.
    pub(crate) const fn slug(self) -> &'static str {
        self.row().slug
    }

    /// The status of its answers.
    pub(crate) fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().status).expect("the table holds statuses")
    }

    /// The same short words for every problem of this kind.
    pub(crate) const fn title(self) -> &'static str {
        self.row().title
    }

    /// What has happened, in a sentence or two.
    pub(crate) const fn happened(self) -> &'static str {
        self.row().happened
    }

    /// What to do about it.
    pub(crate) const fn advice(self) -> &'static str {
        self.row().advice
    }

    /// The kind of that slug.
    pub(crate) fn of_slug(slug: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.slug() == slug)
    }

    /// The kind of an answer that was made elsewhere (by the framework) with a status alone.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            401 => Self::Unauthorized,
            403 => Self::Csrf,
            404 => Self::NotFound,
            405 => Self::MethodNotAllowed,
            408 => Self::RequestTimeout,
            413 => Self::PayloadTooLarge,
            415 => Self::UnsupportedMediaType,
            400..500 => Self::InvalidParameter,
            503 => Self::StoreUnavailable,
            _ => Self::Internal,
        }
    }
}

/// One problem, on its way to the client. The middleware writes it, because only it knows the request's id.
#[derive(Debug)]
pub(crate) struct Problem(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    detail: Cow<'static, str>,
    errors: Vec<FieldProblem>,
    did_you_mean: Vec<String>,
    existing: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem of this kind, without the headers that its kind has. Of a long detail the beginning is kept, because it
    /// may repeat what was sent.
    pub(crate) fn bare(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        let mut detail = detail.into();
        if let Some((end, _)) = detail.char_indices().nth(DETAIL) {
            detail = format!("{}…", &detail[..end]).into();
        }
        let inner =
            Inner { kind, detail, errors: Vec::new(), did_you_mean: Vec::new(), existing: None, headers: Vec::new() };
        Self(Box::new(inner))
    }

    /// A problem of this kind; `detail` is safe to show to whoever asked.
    pub(crate) fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        let problem = Self::bare(kind, detail);
        match kind {
            Kind::QueueFull | Kind::StoreBusy | Kind::RateLimited => problem.retry_after(1),
            Kind::Draining | Kind::StoreUnavailable => problem.retry_after(5),
            _ => problem,
        }
    }

    /// Something that went wrong inside, of which the client learns nothing.
    pub(crate) fn internal() -> Self {
        Self::new(Kind::Internal, "the request could not be answered")
    }

    /// A parameter or header that is not valid.
    pub(crate) fn parameter(name: &str, detail: impl fmt::Display) -> Self {
        Self::new(Kind::InvalidParameter, format!("{name} {detail}"))
    }

    /// Fields that break rules; a queue that the backend does not have is a kind of its own.
    pub(crate) fn fields(errors: Vec<FieldProblem>) -> Self {
        let kind = match errors.as_slice() {
            [only] if only.pointer == "#/queue" => Kind::QueueNotAllowed,
            _ => Kind::ValidationFailed,
        };
        let detail = match errors.as_slice() {
            // The whole body has no name to put before it.
            [only] if only.pointer == "#" => only.detail.clone(),
            [only] => format!("{} {}", only.pointer.trim_start_matches("#/").replace('/', "."), only.detail),
            all => format!("{} fields break a rule", all.len()),
        };
        let mut problem = Self::new(kind, detail);
        problem.0.errors = errors;
        problem
    }

    /// Adds names that may have been meant.
    pub(crate) fn did_you_mean(mut self, names: Vec<String>) -> Self {
        self.0.did_you_mean = names;
        self
    }

    /// Adds the id of the task that stands in the way.
    pub(crate) fn existing(mut self, id: String) -> Self {
        self.0.existing = Some(id);
        self
    }

    /// Adds a header to its answer.
    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    fn retry_after(self, seconds: u32) -> Self {
        self.header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// Its kind.
    pub(crate) fn kind(&self) -> Kind {
        self.0.kind
    }

    /// What is wrong with the fields of the request.
    pub(crate) fn into_errors(self) -> Vec<FieldProblem> {
        self.0.errors
    }

    /// The same as mistakes of a part of the request that stands at `at`, a pointer; as itself if it is no mistake of
    /// the client's that stands in a part.
    pub(crate) fn into_fields(self, at: &str) -> Result<Vec<FieldProblem>, Self> {
        let below = match self.0.kind {
            Kind::MalformedJson | Kind::ValidationFailed | Kind::QueueNotAllowed => "",
            Kind::UnknownTask => "/task",
            Kind::UnknownBackend => "/backend",
            _ => return Err(self),
        };
        if self.0.errors.is_empty() {
            return Ok(vec![FieldProblem::new(format!("{at}{below}"), self.0.detail)]);
        }
        let moved = |error: FieldProblem| FieldProblem::new(format!("{at}{}", &error.pointer[1..]), error.detail);
        Ok(self.0.errors.into_iter().map(moved).collect())
    }

    /// Writes it as a JSON object.
    pub(crate) fn write(&self, out: &mut Vec<u8>, request_id: Option<&str>) {
        let Inner { kind, detail, errors, did_you_mean, existing, .. } = self.0.as_ref();
        let mut object = Object::open(out);
        let uri = object.name("type");
        uri.extend_from_slice(b"\"/problems/");
        uri.extend_from_slice(kind.slug().as_bytes());
        uri.push(b'"');
        object.text("title", kind.title());
        object.value("status", &kind.status().as_u16());
        object.text("detail", detail);
        if let Some(id) = request_id {
            object.text("request_id", id);
        }
        if !errors.is_empty() {
            object.list("errors", errors, |out, error| {
                let mut item = Object::open(out);
                item.text("pointer", &error.pointer).text("detail", &error.detail);
                item.close();
            });
        }
        if !did_you_mean.is_empty() {
            object.list("did_you_mean", did_you_mean, json::write);
        }
        if let Some(existing) = existing {
            object.text("existing", existing);
        }
        object.close();
    }

    /// Its answer, but for the headers that every answer of ours has.
    pub(crate) fn respond(&self, request_id: Option<&str>) -> HttpResponse {
        let mut body = Vec::with_capacity(256);
        self.write(&mut body, request_id);
        let mut response = HttpResponse::build(self.0.kind.status());
        response.insert_header((header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json")));
        let mut response = response.body(body);
        self.add_headers(response.headers_mut());
        response
    }

    /// Adds its headers to an answer that somebody else has written.
    pub(crate) fn add_headers(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.0.headers {
            headers.insert(name.clone(), value.clone());
        }
    }

    /// The headers that it brings along.
    pub(crate) fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.0.headers
    }

    /// What it says of itself.
    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }

    /// What is wrong with the fields of the request.
    pub(crate) fn errors(&self) -> &[FieldProblem] {
        &self.0.errors
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.kind.slug(), self.0.detail)
    }
}

/// Lets handlers return it; the answer proper is written by the middleware.
impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.0.kind.status()
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}
