//! Tests of the routes against a real board on the memory store, without sockets.

#![allow(clippy::unwrap_used)]

mod batch;
mod bulk;
mod change;
mod corpus;
mod edge;
mod enqueue;
mod events;
mod hostile;
mod list;
mod losses;
mod metrics;
mod mount;
mod openapi;
mod parts;
mod polling;
mod privacy;
mod problem_pages;
mod properties;
mod queues;
mod rates;
mod refusals;
mod schedules;
mod server;
mod status;
mod tokens;
mod ui;
#[cfg(unix)]
mod ui_browser;
mod ui_operation;
mod unique;

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::body::{self, BoxBody};
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::test::TestRequest;
use actix_web::{App, Error};
use callboard_actors::{Backend, Callboard};
use callboard_tasks::{Data, JobId, Stop, Task as _, TaskContext, TaskDefinition, WaitFor, task};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::HttpConfig;
use crate::routes;
use crate::state::State;

/// Adds two numbers.
#[task(queue = "math")]
async fn add(a: i64, b: i64) -> i64 {
    a + b
}

#[task]
async fn greet(name: String, #[default("hello".to_owned())] word: String) -> String {
    format!("{word} {name}")
}

#[task]
async fn fail(message: String) -> Result<(), Stop> {
    Err(Stop::abort(message))
}

/// Runs until the test opens the gate.
#[task]
async fn pass_gate(gate: Data<Gate>) {
    gate.0.acquire().await.unwrap().forget();
}

/// Says how far it is, and then runs until the test opens the gate.
#[task]
async fn report_and_pass(context: TaskContext, gate: Data<Gate>) {
    context.progress(3, 10);
    gate.0.acquire().await.unwrap().forget();
}

#[task(http = false)]
async fn only_inside(secret: i64) {
    let _ = secret;
}

/// Fails, and waits long for its next attempt.
#[task(http = false, backoff = "1h")]
async fn stumble() -> Result<(), String> {
    Err("out of ink".to_owned())
}

pub(super) struct Gate(Semaphore);

fn definitions() -> Vec<&'static TaskDefinition> {
    vec![
        add::definition(),
        greet::definition(),
        fail::definition(),
        pass_gate::definition(),
        report_and_pass::definition(),
        only_inside::definition(),
        stumble::definition(),
    ]
}

/// A board with all tasks of this file: `default` in memory, `now` immediate, `seen` a dummy.
async fn board() -> (Callboard, std::sync::Arc<Gate>) {
    let gate = std::sync::Arc::new(Gate(Semaphore::new(0)));
    let board = Callboard::builder()
        .backend("default", Backend::memory().queues(["default", "math"]).workers(1))
        .backend("now", Backend::immediate().queues(Vec::<String>::new()))
        .backend("seen", Backend::dummy().queues(Vec::<String>::new()))
        .backend("other", Backend::memory().queues(["math"]).workers(1))
        .data_arc(std::sync::Arc::clone(&gate))
        .tasks(definitions())
        .start()
        .await
        .unwrap();
    (board, gate)
}

/// What came back.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The slug of a problem, after a look at its form.
    #[track_caller]
    fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let body = self.json();
        assert_eq!(body["status"], self.status.as_u16(), "{body}");
        assert_eq!(body["request_id"].as_str(), self.header("x-request-id"), "{body}");
        assert!(body["title"].is_string() && body["detail"].is_string(), "{body}");
        body["type"].as_str().unwrap().strip_prefix("/problems/").unwrap().to_owned()
    }

    /// The pointers of a problem, in order.
    #[track_caller]
    fn pointers(&self) -> Vec<String> {
        let body = self.json();
        let errors = body["errors"].as_array().unwrap_or_else(|| panic!("no errors: {body}"));
        errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
    }

    #[track_caller]
    fn id(&self) -> String {
        self.json()["id"].as_str().unwrap_or_else(|| panic!("no task: {}", self.json())).to_owned()
    }
}

/// The routes of a board as a server of its own mounts them.
async fn serve(
    board: &Callboard,
    config: HttpConfig,
) -> impl Service<actix_http::Request, Response = ServiceResponse<BoxBody>, Error = Error> + use<> {
    let state = std::sync::Arc::new(State::new(board, config));
    let app = App::new().default_service(routes::default(&state)).configure(move |cfg| routes::mount(cfg, &state));
    actix_web::test::init_service(app).await
}

/// A request from this machine.
fn local(request: TestRequest) -> TestRequest {
    request.peer_addr(SocketAddr::from(([127, 0, 0, 1], 50_000))).insert_header(("host", "127.0.0.1:8000"))
}

fn get(path: &str) -> TestRequest {
    local(TestRequest::get().uri(path))
}

fn post(path: &str) -> TestRequest {
    local(TestRequest::post().uri(path))
}

fn enqueue(body: &str) -> TestRequest {
    post("/enqueue").insert_header(("content-type", "application/json")).set_payload(body.to_owned())
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
    let body = body::to_bytes(response.into_body()).await.unwrap_or_else(|_| panic!("no body"));
    Answer { status, headers, body: body.to_vec() }
}

/// Waits for the end of a task.
async fn finished(board: &Callboard, id: &str) {
    let id: JobId = id.parse().unwrap();
    board.wait(id, WaitFor::Finished, Duration::from_secs(10)).await.unwrap();
}
