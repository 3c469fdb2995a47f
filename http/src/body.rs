//! Reads the body of a request: so much and no more, and not for ever. (The framework limits neither the time of a
//! body nor, where nobody asks for it, its size.)

use std::task::Poll;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{Bytes, BytesMut, Payload};
use futures::StreamExt as _;
use tokio::time::{Instant, timeout_at};

use crate::config::Limits;
use crate::problem::{Kind, Problem};

/// One more second is given for each of these.
const BYTES_PER_SECOND: usize = 64 * 1024;

/// The whole body of a request that brings JSON.
pub(crate) async fn read_json(req: &HttpRequest, payload: Payload, limits: Limits) -> Result<Bytes, Problem> {
    check_type(req)?;
    read_within(req, payload, limits).await
}

/// The whole body of a request, whatever its type.
pub(crate) async fn read_within(req: &HttpRequest, payload: Payload, limits: Limits) -> Result<Bytes, Problem> {
    let declared = req.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if declared.is_some_and(|length: u64| length > limits.body as u64) {
        return Err(too_large(limits));
    }
    read(payload, limits).await
}

fn check_type(req: &HttpRequest) -> Result<(), Problem> {
    match form_of(req) {
        Ok(Form::Json) => Ok(()),
        Ok(Form::Lines) => Err(unsupported("the body must be application/json in UTF-8")),
        Err(problem) => Err(problem),
    }
}

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One JSON value.
    Json,
    /// A JSON value in each line.
    Lines,
}

/// How the body of a request is written, by its head.
pub(crate) fn form_of(req: &HttpRequest) -> Result<Form, Problem> {
    if req.headers().contains_key(header::CONTENT_ENCODING) {
        return Err(unsupported("a body must come without a content encoding"));
    }
    match req.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes) {
        Some(b"application/json") => Ok(Form::Json),
        Some(kind) if is_utf8(kind, "application/json") => Ok(Form::Json),
        Some(kind) if is_utf8(kind, "application/x-ndjson") => Ok(Form::Lines),
        Some(_) => Err(unsupported("the body must be application/json in UTF-8")),
        None => Err(unsupported("the header Content-Type is missing; the body must be application/json")),
    }
}

/// Whether a content type is this one in UTF-8, however it is written.
fn is_utf8(kind: &[u8], wanted: &str) -> bool {
    let Ok(kind) = std::str::from_utf8(kind) else { return false };
    let mut parts = kind.split(';').map(str::trim);
    parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case(wanted))
        && parts.filter(|parameter| !parameter.is_empty()).all(|parameter| {
            parameter.split_once('=').is_some_and(|(name, value)| {
                name.trim().eq_ignore_ascii_case("charset")
                    && value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            })
        })
}

fn unsupported(detail: &'static str) -> Problem {
    Problem::new(Kind::UnsupportedMediaType, detail)
        .header(header::ACCEPT, HeaderValue::from_static("application/json"))
}

fn too_large(limits: Limits) -> Problem {
    Problem::new(Kind::PayloadTooLarge, format!("the body is larger than {} bytes", limits.body))
}

/// A body mostly comes in one piece with its head: then nothing is copied and no timer is made.
async fn read(mut payload: Payload, limits: Limits) -> Result<Bytes, Problem> {
    let mut begun = None;
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    loop {
        let received = first.len() + rest.len();
        let piece = match futures::poll!(payload.next()) {
            Poll::Ready(piece) => piece,
            Poll::Pending => {
                let begun = *begun.get_or_insert_with(Instant::now);
                let more = Duration::from_secs((received / BYTES_PER_SECOND) as u64);
                timeout_at(begun + limits.body_time + more, payload.next()).await.map_err(|_| {
                    Problem::new(Kind::RequestTimeout, format!("the body stopped after {received} bytes"))
                })?
            }
        };
        match piece {
            None if rest.is_empty() => return Ok(first),
            None => return Ok(rest.freeze()),
            Some(Err(_)) => return Err(Problem::new(Kind::MalformedJson, "the body broke off")),
            Some(Ok(piece)) if received + piece.len() > limits.body => return Err(too_large(limits)),
            Some(Ok(piece)) if received == 0 => first = piece,
            Some(Ok(piece)) => {
                if rest.is_empty() {
                    rest = BytesMut::from(first.as_ref());
                    first = Bytes::new();
                }
                rest.extend_from_slice(&piece);
            }
        }
    }
}
