//! The front end of Callboard: enqueue by `POST /enqueue`, poll by `GET /tasks/{id}`.
//!
//! [`routes()`] mounts it in an actix-web application of your own; [`server()`] is a server of its own. Every error
//! is `application/problem+json`, every answer has an `X-Request-Id`, and without tokens nobody but programs of
//! this machine gets in.
//!
//! Where to read on: [`HttpConfig`] (what can be told), [`Token`] and [`Scope`] (who may do what), [`csp`] (Content
//! Security Policy for the pages of any actix-web application).

mod access;
mod audit;
mod body;
mod bulk;
mod config;
pub mod csp;
mod cursor;
mod edge;
mod enqueue;
mod etag;
mod events;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod health;
mod json;
mod links;
mod list;
mod members;
mod metrics;
mod openapi;
mod prefer;
mod problem;
mod query;
mod queues;
mod quota;
mod refusal;
mod registry;
mod request_id;
mod routes;
mod schedules;
mod schema;
mod server;
mod state;
mod task_json;
mod tasks;
mod ui;
mod why;
mod workers;

#[cfg(test)]
mod tests;

pub use access::{Network, RateLimit, Scope, Token};
pub use config::{Guard, HttpConfig, Limits};
pub use quota::Quota;
pub use refusal::Refused;
pub use routes::{routes, routes_with};
pub use server::{health_server, refuse_open_bind, server, server_with};

/// Compiles and runs what the documentation shows.
#[cfg(doctest)]
#[doc = include_str!("../../docs/csp.md")]
struct CspDocumentation;
