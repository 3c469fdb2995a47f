//! The server on a real socket: what only a connection shows.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use actix_web::dev::ServerHandle;

use super::*;
use crate::Limits;

async fn start(board: &Callboard, config: HttpConfig) -> (SocketAddr, ServerHandle) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = crate::server(board, HttpConfig { workers: Some(1), ..config }, listener).unwrap();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    (address, handle)
}

/// Sends bytes and reads until the server closes.
async fn exchange(address: SocketAddr, request: &'static str) -> String {
    let exchange = actix_web::rt::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    exchange.await.unwrap()
}

#[actix_web::test]
async fn a_body_that_does_not_arrive_is_not_waited_for() {
    let (board, _) = board().await;
    let limits = Limits { body_time: Duration::from_millis(50), ..Limits::default() };
    let (address, handle) = start(&board, HttpConfig { limits, ..HttpConfig::default() }).await;
    let begun = Instant::now();
    let answer = exchange(
        address,
        "POST /enqueue HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("/problems/request-timeout"), "{answer}");
    assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    handle.stop(false).await;
}

#[actix_web::test]
async fn head_is_get_without_the_body() {
    let (board, _) = board().await;
    let (address, handle) = start(&board, HttpConfig::default()).await;
    let answer = exchange(address, "HEAD /registry HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "");
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
    assert!(length.unwrap().parse::<usize>().unwrap() > 100, "{head}");
    handle.stop(false).await;
}

#[actix_web::test]
async fn what_is_no_request_yet_is_refused_with_an_empty_body() {
    let (board, _) = board().await;
    let (address, handle) = start(&board, HttpConfig::default()).await;
    for request in ["GET /tasks\r\n\r\n", "GET /tasks HTTP/1.1\r\nConnection: close\r\n\r\n"] {
        let answer = exchange(address, request).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 ") && body.is_empty(), "{request:?}: {answer}");
    }
    handle.stop(false).await;
}

#[actix_web::test]
async fn a_stopped_server_lets_the_request_under_way_end() {
    let (board, gate) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let id = ask(&app, enqueue(r#"{"task": "pass_gate"}"#)).await.id();
    let (address, handle) = start(&board, HttpConfig::default()).await;

    // Both requests arrive together, so once the first is answered the second is under way.
    let poll = format!("GET /tasks/{id}?wait=20 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let first = "GET /problems/csrf HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain\r\n\r\n";
    let requests = format!("{first}{poll}");
    let end = format!("{}\n", crate::problem::Kind::Csrf.advice());
    let blocking = actix_web::rt::task::spawn_blocking::<_, TcpStream>;
    let stream = blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(requests.as_bytes()).unwrap();
        let mut first = Vec::new();
        while !first.ends_with(end.as_bytes()) {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            first.push(byte[0]);
        }
        stream
    });
    let mut stream = stream.await.unwrap();
    let stop = actix_web::rt::spawn(handle.stop(true));
    gate.0.add_permits(1);
    let answer = actix_web::rt::task::spawn_blocking(move || {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map(|_| answer)
    });
    let answer = answer.await.unwrap().unwrap();
    stop.await.unwrap();
    assert!(answer.contains("SUCCESSFUL"), "{answer}");
}

#[test]
fn a_server_without_tokens_listens_to_its_own_machine_only() {
    for (bind, has_tokens, allowed) in [
        ("127.0.0.1:8000", false, true),
        ("127.0.0.2:8000", false, true),
        ("[::1]:8000", false, true),
        ("[::ffff:127.0.0.1]:8000", false, true),
        ("0.0.0.0:8000", false, false),
        ("[::]:8000", false, false),
        ("192.168.1.5:8000", false, false),
        ("0.0.0.0:8000", true, true),
    ] {
        let verdict = crate::refuse_open_bind(bind.parse().unwrap(), has_tokens);
        assert_eq!(verdict.is_ok(), allowed, "{bind}");
        if let Err(problem) = verdict {
            assert!(problem.contains("--bind") && problem.contains("tokens"), "{problem}");
        }
    }
}
