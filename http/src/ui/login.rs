//! `/ui/login` and `/ui/logout`: a token becomes a session, of which the browser keeps a cookie.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::actions::see;
use super::frame::Frame;
use super::{Shared, prefix, render};
use crate::access::{COOKIE, Facts, SECURE_COOKIE};
use crate::body;
use crate::problem::{Kind, Problem};
use crate::query::Query;

/// So long the form may be.
const FORM: usize = 4 * 1024;

#[derive(Serialize)]
struct Page {
    frame: Frame,
    mistake: Option<&'static str>,
    /// Whether the token would travel in the clear.
    insecure: bool,
}

/// `GET /ui/login`.
pub(super) async fn get(req: HttpRequest, state: Shared) -> Result<HttpResponse, Problem> {
    Query::of(&req, &[])?;
    if state.policy.tokens.is_empty() {
        return Ok(see(&format!("{}/ui/", prefix(&req, "/ui/login"))));
    }
    form(&req, &state, StatusCode::OK, None)
}

/// `POST /ui/login`.
pub(super) async fn post(req: HttpRequest, payload: web::Payload, state: Shared) -> Result<HttpResponse, Problem> {
    Query::of(&req, &[])?;
    let now = state.board.clock().now();
    let facts = Facts::of(req.head(), req.app_config().secure());
    state.policy.check_origin(&facts)?;
    state.logins.take(facts.client(&state.policy.proxies))?;
    let limits = crate::config::Limits { body: FORM, ..state.limits };
    let body = body::read_within(&req, payload, limits).await?;
    let pairs: Vec<(String, String)> = web::Query::from_query(std::str::from_utf8(&body).unwrap_or_default())
        .map(web::Query::into_inner)
        .map_err(|_| Problem::new(Kind::InvalidParameter, "the form cannot be read"))?;
    let token = pairs.iter().find(|(name, _)| name == "token").map_or("", |(_, token)| token.trim());
    let Some(token) = state.policy.tokens.verify(token, now) else {
        return form(&req, &state, StatusCode::UNAUTHORIZED, Some("That token is malformed, unknown, or has expired."));
    };
    let secure = facts.scheme(&state.policy.proxies) == "https";
    let session = state.policy.sessions.begin(token, now)?;
    let name = if secure { SECURE_COOKIE } else { COOKIE };
    let mut response = see(&format!("{}/ui/", prefix(&req, "/ui/login")));
    // Lax: a link in a message leads to the page and not to this form, and no other site's form sends it.
    response.headers_mut().append(header::SET_COOKIE, cookie(name, &session, ""));
    Ok(response)
}

/// `POST /ui/logout`.
pub(super) async fn leave(req: HttpRequest, state: Shared) -> Result<HttpResponse, Problem> {
    Query::of(&req, &[])?;
    let facts = Facts::of(req.head(), req.app_config().secure());
    state.policy.check_origin(&facts)?;
    if let Some(session) = facts.session() {
        state.policy.sessions.end(session);
    }
    let mut response = see(&format!("{}/ui/login", prefix(&req, "/ui/logout")));
    for name in [SECURE_COOKIE, COOKIE] {
        response.headers_mut().append(header::SET_COOKIE, cookie(name, "", "; Max-Age=0"));
    }
    Ok(response)
}

/// A cookie that no script reads.
fn cookie(name: &str, value: &str, more: &str) -> HeaderValue {
    let secure = if name == SECURE_COOKIE { "; Secure" } else { "" };
    let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{more}");
    HeaderValue::try_from(cookie).expect("made of names and base64")
}

fn form(
    req: &HttpRequest,
    state: &Shared,
    status: StatusCode,
    mistake: Option<&'static str>,
) -> Result<HttpResponse, Problem> {
    let facts = Facts::of(req.head(), req.app_config().secure());
    let local = facts.peer.is_some_and(|peer| peer.is_loopback());
    let insecure = !local && facts.scheme(&state.policy.proxies) != "https";
    let frame = Frame::of(req, state, prefix(req, "/ui/login"), "", "Log in");
    render::page(status, "login.html", Page { frame, mistake, insecure })
}
