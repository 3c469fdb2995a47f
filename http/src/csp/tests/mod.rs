//! Tests of Content Security Policy. Numbers such as `// Django 138` name a case of `docs/django.md`.

#![allow(clippy::unwrap_used)]

#[cfg(unix)]
pub(crate) mod browser;
mod collector;
mod desk;
mod lint;
mod live;
mod middleware;
mod nonce;
mod oracle;
mod overriding;
mod policy;
mod reports;
mod settings;

use std::time::Duration;

use actix_web::body::{self, BoxBody};
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::test::TestRequest;
use actix_web::{Error, HttpResponse};

use super::*;

/// How long anything may take that is no test of time.
const DEADLINE: Duration = Duration::from_secs(20);

/// What came back.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name);
        let value = values.next().map(|value| value.to_str().unwrap());
        assert_eq!(values.next(), None, "two of {name}");
        value
    }

    fn enforced(&self) -> Option<&str> {
        self.header("content-security-policy")
    }

    fn reported(&self) -> Option<&str> {
        self.header("content-security-policy-report-only")
    }

    /// The nonce in a header.
    #[track_caller]
    fn nonce_in(header: Option<&str>) -> &str {
        let header = header.expect("there is no header");
        let (_, rest) = header.split_once("'nonce-").unwrap_or_else(|| panic!("no nonce: {header}"));
        rest.split_once('\'').unwrap().0
    }
}

async fn ask<S>(app: &S, request: TestRequest) -> Answer
where
    S: Service<actix_http::Request, Response = ServiceResponse<BoxBody>, Error = Error>,
{
    let response = match app.call(request.to_request()).await {
        Ok(response) => response.into_parts().1,
        Err(error) => error.error_response(),
    };
    let (status, headers) = (response.status(), response.headers().clone());
    let body = body::to_bytes(response.into_body())
        .await
        .map_or_else(|error| format!("broke off: {error}"), |body| String::from_utf8_lossy(&body).into_owned());
    Answer { status, headers, body }
}

async fn get<S>(app: &S, path: &str) -> Answer
where
    S: Service<actix_http::Request, Response = ServiceResponse<BoxBody>, Error = Error>,
{
    ask(app, TestRequest::get().uri(path)).await
}

fn html(body: impl Into<String>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(body.into())
}

fn host(text: &str) -> Source {
    Source::host(text).unwrap()
}

/// A policy out of settings that are right.
#[track_caller]
fn policy<V: Into<SettingValue>>(settings: impl IntoIterator<Item = (&'static str, V)>) -> Policy {
    Policy::from_settings(settings).unwrap().expect("the settings say nothing")
}

/// What is wrong with settings.
#[track_caller]
fn problems<V: Into<SettingValue>>(settings: impl IntoIterator<Item = (&'static str, V)>) -> Vec<String> {
    Policy::from_settings(settings).unwrap_err().problems.iter().map(ToString::to_string).collect()
}

/// A header as it is sent over a plain connection with that nonce.
fn sent(policy: &Policy, nonce: Option<&NonceText>) -> String {
    policy.header(nonce, false).unwrap().to_str().unwrap().to_owned()
}

fn text_of_nonce() -> NonceText {
    Nonce::new().get().unwrap()
}
