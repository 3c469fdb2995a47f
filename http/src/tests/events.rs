//! `GET /tasks/{id}/events`.

use actix_web::body::MessageBody as _;
use std::future::poll_fn;
use std::pin::Pin;

use super::*;
use crate::Limits;

/// One event as a client reads it.
#[derive(Debug, Clone, PartialEq)]
struct Event {
    id: u64,
    name: String,
    data: Value,
}

fn events(text: &str) -> Vec<Event> {
    let blocks = text.split("\n\n").filter(|block| !block.is_empty() && !block.starts_with(':'));
    let field = |block: &str, name: &str| {
        block
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or_else(|| panic!("no {name} in {block}"))
            .to_owned()
    };
    let read = |block: &str| Event {
        id: field(block, "id: ").parse().unwrap(),
        name: field(block, "event: "),
        data: serde_json::from_str(&field(block, "data: ")).unwrap(),
    };
    blocks.map(read).collect()
}

fn follow(id: &str) -> TestRequest {
    get(&format!("/tasks/{id}/events"))
}

/// A stream that is read piece by piece.
struct Stream(Pin<Box<BoxBody>>);

impl Stream {
    async fn open<S>(app: &S, request: TestRequest) -> Self
    where
        S: Service<actix_http::Request, Response = ServiceResponse<BoxBody>, Error = Error>,
    {
        let response = app.call(request.to_request()).await.unwrap();
        assert_eq!(response.status(), 200);
        Self(Box::pin(response.into_body()))
    }

    /// The next piece; `None` at the end.
    async fn next(&mut self) -> Option<String> {
        let piece = poll_fn(|context| self.0.as_mut().poll_next(context));
        let piece = tokio::time::timeout(Duration::from_secs(20), piece).await.expect("nothing comes");
        piece.map(|piece| String::from_utf8(piece.unwrap().to_vec()).unwrap())
    }

    async fn event(&mut self) -> Event {
        events(&self.next().await.expect("the stream has ended")).pop().expect("a comment")
    }
}

#[actix_web::test]
async fn a_stream_tells_each_state_and_closes_after_the_end() {
    let (board, gate) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let id = ask(&app, enqueue(r#"{"task": "pass_gate", "run_after": "1h"}"#)).await.id();
    let response = app.call(follow(&id).to_request()).await.unwrap();
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(header("content-type").as_deref(), Some("text/event-stream"));
    assert_eq!(
        (header("cache-control").as_deref(), header("x-accel-buffering").as_deref()),
        (Some("no-store"), Some("no"))
    );
    let mut stream = Stream(Box::pin(response.into_body()));

    let first = stream.event().await;
    assert_eq!((first.id, first.name.as_str(), &first.data["phase"]), (1, "state", &Value::from("scheduled")));
    assert_eq!(first.data["id"], id);
    ask(&app, post(&format!("/tasks/{id}/run-now"))).await;
    let mut last = stream.event().await;
    while last.data["phase"] != "running" {
        last = stream.event().await;
    }
    assert_eq!((last.name.as_str(), last.id > 1), ("state", true));
    gate.0.add_permits(1);
    let end = stream.event().await;
    assert_eq!((end.name.as_str(), &end.data["status"], end.id > last.id), ("end", &Value::from("SUCCESSFUL"), true));
    assert_eq!(stream.next().await, None);
}

#[actix_web::test]
async fn a_stream_of_a_finished_task_is_its_end() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let id = ask(&app, enqueue(r#"{"task": "add", "args": [1, 2]}"#)).await.id();
    finished(&board, &id).await;
    let answer = ask(&app, follow(&id)).await;
    let told = events(std::str::from_utf8(&answer.body).unwrap());
    assert_eq!((told.len(), told[0].name.as_str(), &told[0].data["return_value"]), (1, "end", &Value::from(3)));

    // A browser asks again when a stream has closed, until it is told that there is nothing more.
    let again = follow(&id).insert_header(("last-event-id", told[0].id.to_string()));
    assert_eq!(ask(&app, again).await.status, 204);
}

#[actix_web::test]
async fn a_stream_goes_on_from_what_was_seen_last() {
    let (board, gate) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let id = ask(&app, enqueue(r#"{"task": "pass_gate"}"#)).await.id();
    let running = board.wait(id.parse().unwrap(), WaitFor::ChangeAfter(1), Duration::from_secs(10)).await.unwrap();
    let version = running.job().state.version;

    let mut behind = Stream::open(&app, follow(&id).insert_header(("last-event-id", "1"))).await;
    let told = behind.event().await;
    assert_eq!((told.id, told.name.as_str()), (version, "state"));

    let mut abreast = Stream::open(&app, follow(&id).insert_header(("last-event-id", version.to_string()))).await;
    gate.0.add_permits(1);
    assert_eq!(abreast.event().await.name, "end");
    assert_eq!(behind.event().await.name, "end");
    for odd in ["x", "", "-1", "99999999999999999999"] {
        let answer = ask(&app, follow(&id).insert_header(("last-event-id", odd))).await;
        assert_eq!(events(std::str::from_utf8(&answer.body).unwrap()).len(), 1, "{odd}");
    }
}

#[actix_web::test]
async fn progress_is_told_by_itself() {
    let (board, gate) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let id = ask(&app, enqueue(r#"{"task": "report_and_pass"}"#)).await.id();
    let mut stream = Stream::open(&app, follow(&id)).await;
    let mut told = stream.event().await;
    while told.name != "progress" {
        assert_eq!(told.name, "state");
        told = stream.event().await;
    }
    assert_eq!(told.data, serde_json::json!({"done": 3, "total": 10}));
    gate.0.add_permits(1);
    assert_eq!(stream.event().await.name, "end");
}

#[actix_web::test]
async fn a_stream_ends_when_the_board_shuts_down_and_when_its_task_is_removed() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let later = r#"{"task": "add", "args": [1, 2], "run_after": "1h"}"#;
    let (kept, gone) = (ask(&app, enqueue(later)).await.id(), ask(&app, enqueue(later)).await.id());
    let mut kept = Stream::open(&app, follow(&kept)).await;
    let mut removed = Stream::open(&app, follow(&gone)).await;
    kept.event().await;
    removed.event().await;
    ask(&app, local(TestRequest::delete().uri(&format!("/tasks/{gone}")))).await;
    assert_eq!(removed.next().await, None);
    let (end, _) = futures::join!(kept.next(), board.shutdown());
    assert_eq!(end, None);
}

#[actix_web::test]
async fn only_so_many_streams_are_open_at_once() {
    let (board, _) = board().await;
    let limits = Limits { streams: 2, ..Limits::default() };
    let app = serve(&board, HttpConfig { limits, ..HttpConfig::default() }).await;
    let id = ask(&app, enqueue(r#"{"task": "add", "args": [1, 2], "run_after": "1h"}"#)).await.id();
    let first = Stream::open(&app, follow(&id)).await;
    let second = Stream::open(&app, follow(&id)).await;
    let answer = ask(&app, follow(&id)).await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (429, "rate-limited"));
    assert!(answer.header("retry-after").is_some());
    let head = local(TestRequest::default().method(actix_web::http::Method::HEAD).uri(&format!("/tasks/{id}/events")));
    assert_eq!(ask(&app, head).await.status, 200);
    drop(first);
    Stream::open(&app, follow(&id)).await;
    drop(second);
}

#[actix_web::test]
async fn there_is_no_stream_of_what_is_not_there() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    assert_eq!(ask(&app, follow("0193b3a0-5c1e-7d2a-9f00-1c2d3e4f5a6b")).await.problem(), "not-found");
    assert_eq!(ask(&app, follow("x")).await.problem(), "invalid-parameter");
}
