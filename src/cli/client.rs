//! Speaks HTTP with a server, and reads its problems.

use std::fmt;
use std::io;
use std::time::Duration;

use reqwest::blocking::{Client as Http, RequestBuilder};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, IF_NONE_MATCH, USER_AGENT};
use reqwest::redirect::Policy;
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::Error;

/// How long an answer may take beyond what the server was asked to wait.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);

/// A server, as its clients see it.
pub(super) struct Client {
    http: Http,
    base: Url,
    program: String,
}

impl Client {
    /// A client of the server at `url`, which may have a path in front of the server's own.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] if that is no address of a server, or no token.
    pub(super) fn new(url: &str, token: Option<&str>, program: &str) -> Result<Self, Error> {
        let wrong = |problem: &str| Error::Usage(format!("{url:?} is no address of a server: {problem}"));
        let mut base = Url::parse(url).map_err(|_| wrong("write it like http://127.0.0.1:8000"))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(wrong("it starts with http:// or https://"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(wrong("give a token with --token or CALLBOARD_TOKEN, no user name"));
        }
        base.set_query(None);
        base.set_fragment(None);
        use_ring();
        let http = Http::builder()
            .default_headers(headers(token)?)
            .connect_timeout(CONNECT)
            .redirect(Policy::none())
            .no_proxy()
            .build()
            .map_err(|source| Error::Request { url: url.into(), source })?;
        Ok(Self { http, base, program: program.into() })
    }

    /// Asks for what is at that path.
    pub(super) fn get(&self, path: &[&str], query: &[(&str, String)]) -> Result<Answer, Error> {
        self.send(self.request(Method::GET, path, query, Duration::ZERO))
    }

    /// Asks for what is at that path as soon as it has another version, for at most so many seconds; `None` if it
    /// has not changed by then.
    pub(super) fn get_newer(&self, path: &[&str], version: u64, seconds: u64) -> Result<Option<Answer>, Error> {
        let wait = [("wait", seconds.to_string())];
        let request = self.request(Method::GET, path, &wait, Duration::from_secs(seconds));
        let answer = self.send(request.header(IF_NONE_MATCH, format!("\"{version}\"")))?;
        Ok(Some(answer).filter(|answer| !answer.text.is_empty()))
    }

    /// Sends JSON to that path, or nothing.
    pub(super) fn post(&self, path: &[&str], body: Option<String>) -> Result<Answer, Error> {
        let request = self.request(Method::POST, path, &[], Duration::ZERO);
        self.send(match body {
            Some(body) => request.header(CONTENT_TYPE, "application/json").body(body),
            None => request,
        })
    }

    /// Sends nothing to that path with a query.
    pub(super) fn post_with(&self, path: &[&str], query: &[(&str, String)]) -> Result<Answer, Error> {
        self.send(self.request(Method::POST, path, query, Duration::ZERO))
    }

    /// Sends changes, as JSON, of what is at that path.
    pub(super) fn patch(&self, path: &[&str], query: &[(&str, String)], body: String) -> Result<Answer, Error> {
        let request = self.request(Method::PATCH, path, query, Duration::ZERO);
        self.send(request.header(CONTENT_TYPE, "application/json").body(body))
    }

    /// Removes what is at that path.
    pub(super) fn delete(&self, path: &[&str]) -> Result<Answer, Error> {
        self.send(self.request(Method::DELETE, path, &[], Duration::ZERO))
    }

    fn request(&self, method: Method, path: &[&str], query: &[(&str, String)], wait: Duration) -> RequestBuilder {
        let mut url = self.base.clone();
        // The base is http or https, which can always have segments.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.http.request(method, url).timeout(wait + PATIENCE)
    }

    fn send(&self, request: RequestBuilder) -> Result<Answer, Error> {
        let url = self.base.to_string().trim_end_matches('/').to_owned();
        let failed = |source: reqwest::Error| {
            let source = source.without_url();
            if is_refused(&source) {
                Error::NoServer { url: url.clone(), program: self.program.clone() }
            } else {
                Error::Request { url: url.clone(), source }
            }
        };
        let response = request.send().map_err(failed)?;
        let status = response.status();
        let text = response.text().map_err(failed)?;
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(Answer { text, url });
        }
        match serde_json::from_str::<Refusal>(&text) {
            Ok(refusal) => Err(Error::Refused(Box::new(Refusal { text, ..refusal }))),
            Err(_) => Err(Error::Foreign { url, problem: format!("its answer is {status} without a problem in it") }),
        }
    }
}

/// Whether nobody listens there, as the deepest cause says.
fn is_refused(error: &(dyn std::error::Error + 'static)) -> bool {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut systems = causes.filter_map(|error| error.downcast_ref::<io::Error>());
    systems.any(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// TLS goes through ring, like all cryptography here, unless the program has already chosen otherwise.
fn use_ring() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another thread may have been faster; then its choice holds.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

fn headers(token: Option<&str>) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("callboard/", env!("CARGO_PKG_VERSION"))));
    if let Some(token) = token.filter(|token| !token.is_empty()) {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| Error::Usage("the token has characters that no token has".into()))?;
        bearer.set_sensitive(true);
        headers.insert(AUTHORIZATION, bearer);
    }
    Ok(headers)
}

/// What the server answered when all was well.
#[derive(Debug)]
pub(super) struct Answer {
    /// The body; empty only if the client has it already.
    pub(super) text: String,
    url: String,
}

impl Answer {
    /// The body as a `T`.
    ///
    /// # Errors
    ///
    /// [`Error::Foreign`]: only something that is no server of this kind answers otherwise.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(&self.text).map_err(|error| self.foreign(&error))
    }

    /// It cannot be read: what answers is no server of this kind.
    pub(super) fn foreign(&self, error: &serde_json::Error) -> Error {
        Error::Foreign { url: self.url.clone(), problem: error.to_string() }
    }
}

/// A problem, as the server states it.
#[derive(Debug, Deserialize)]
pub(super) struct Refusal {
    #[serde(rename = "type")]
    kind: String,
    title: String,
    detail: Option<String>,
    status: u16,
    request_id: Option<String>,
    #[serde(default)]
    errors: Vec<FieldError>,
    #[serde(default)]
    did_you_mean: Vec<String>,
    /// The whole of it, as it came.
    #[serde(skip)]
    pub(super) text: String,
}

#[derive(Debug, Deserialize)]
struct FieldError {
    pointer: String,
    detail: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slug = self.kind.rsplit('/').next().unwrap_or(&self.kind);
        let summary = self.detail.as_deref().unwrap_or(&self.title);
        write!(f, "{summary} ({slug})")?;
        // Of a single field the summary may have said all: `queue "x" is not ..`, at `#/queue`.
        for FieldError { pointer, detail } in self.errors.iter().filter(|field| !summary.ends_with(&field.detail)) {
            write!(f, "\n  {pointer} {detail}")?;
        }
        // A detail for people says it already.
        if !self.did_you_mean.is_empty() && !self.detail.as_ref().is_some_and(|text| text.contains("did you mean")) {
            write!(f, "\n  did you mean {}?", self.did_you_mean.join(", or "))?;
        }
        // A token that was given and does not allow this (403) is not missing: the detail names the scope.
        if self.status == 401 {
            f.write_str("\n  give a token with --token or CALLBOARD_TOKEN")?;
        }
        match &self.request_id {
            // The log of the server has more under this id.
            Some(id) if self.status >= 500 => write!(f, "\n  the server's log may tell more: request {id}"),
            _ => Ok(()),
        }
    }
}
