//! The real server under clients that mean it no good: raw bytes, slow bytes, many bytes, and tricks with heads.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Folder, Server, send, wait_until};

/// How long a connection is listened to.
const PATIENCE: Duration = Duration::from_secs(20);

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends bytes and reads until the server closes; it may close before all is sent.
fn exchange(server: &Server, request: &[u8]) -> String {
    let mut stream = connect(server);
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let mut piece = [0; 64 * 1024];
    while let Ok(length @ 1..) = stream.read(&mut piece) {
        answer.extend_from_slice(&piece[..length]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status of an answer, which must be one.
#[track_caller]
fn status(answer: &str) -> u16 {
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    status.unwrap_or_else(|| panic!("no answer: {answer:?}"))
}

fn head(line: &str, more: &str) -> Vec<u8> {
    format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n").into_bytes()
}

/// The memory that the server holds, in KiB.
fn memory(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_head_that_comes_one_byte_at_a_time_is_cut_off() {
    let server = Server::start();
    let mut stream = connect(&server);
    let begun = Instant::now();
    let mut line = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ".iter().chain(std::iter::repeat(&b'x'));
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let mut answer = String::new();
    loop {
        assert!(begun.elapsed() < Duration::from_secs(9), "the server is still listening");
        let sent = stream.write_all(&[*line.next().unwrap()]);
        let mut piece = [0; 1024];
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => answer.push_str(&String::from_utf8_lossy(&piece[..length])),
            Err(_) if sent.is_ok() => {}
            Err(_) => break,
        }
    }
    assert!(begun.elapsed() > Duration::from_secs(3), "a slow client gets some time: {:?}", begun.elapsed());
    assert!(answer.is_empty() || status(&answer) == 408, "{answer}");
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn heads_that_are_too_large_or_ambiguous_are_refused_and_nothing_is_enqueued() {
    let server = Server::start();
    let call = r#"{"task": "demo.add", "args": [1, 2]}"#;
    let length = call.len();
    let post = |more: &str| {
        [head("POST /enqueue", &format!("Content-Type: application/json\r\n{more}")), call.into()].concat()
    };
    let chunked = format!("Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{call}\r\n0\r\n");
    for (what, request) in [
        ("a head of 200 KiB", head("GET /healthz", &format!("X-Large: {}\r\n", "x".repeat(200 * 1024)))),
        ("a thousand headers", head("GET /healthz", &"X-Many: x\r\n".repeat(1_000))),
        ("a path of 200 KiB", head(&format!("GET /{}", "x".repeat(200 * 1024)), "")),
        ("a path of 60 KiB", head(&format!("GET /{}", "x".repeat(60 * 1024)), "")),
        ("a problem of 60 KiB", head(&format!("GET /problems/{}", "x".repeat(60 * 1024)), "")),
        ("a parameter of 60 KiB", head(&format!("GET /tasks?tag={}&q=1", "x".repeat(60 * 1024)), "")),
        ("a length and chunks", post(&format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"))),
        ("chunks and something else", post("Transfer-Encoding: chunked, identity\r\n")),
        ("an unknown encoding of transfer", post(&format!("Transfer-Encoding: xchunked\r\nContent-Length: {length}\r\n"))),
        ("two lengths", post(&format!("Content-Length: {length}\r\nContent-Length: {}\r\n", length - 1))),
        ("a length with a sign", post(&format!("Content-Length: +{length}\r\n"))),
        ("a negative length", post("Content-Length: -1\r\n")),
        ("a length beyond numbers", post("Content-Length: 99999999999999999999999\r\n")),
        ("a space before the colon", post(&format!("Content-Length : {length}\r\n"))),
        ("a folded line", post(&format!("X-Folded: a\r\n b\r\nContent-Length: {length}\r\n"))),
        ("a NUL in a header", post(&format!("X-Nul: a\0b\r\nContent-Length: {length}\r\n"))),
        ("a chunk of more than there is", head("POST /enqueue", "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nx")),
        ("chunks of no size", head("POST /enqueue", "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n")),
        ("no host", b"POST /enqueue HTTP/1.1\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}".to_vec()),
        ("a host in the request line that is not ours", head("GET http://evil.test/tasks", "")),
        ("two hosts", post(&format!("Host: evil.test\r\nContent-Length: {length}\r\n"))),
        ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()),
        ("a packed body", post(&format!("Content-Encoding: gzip\r\nContent-Length: {length}\r\n"))),
    ] {
        let begun = Instant::now();
        let answer = exchange(&server, &request);
        // Some are worth no answer.
        if !answer.is_empty() {
            assert!((400..500).contains(&status(&answer)), "{what}: {answer}");
        }
        assert!(begun.elapsed() < Duration::from_secs(15), "{what} took {:?}", begun.elapsed());
        assert!(!answer.contains("\"status\":\"READY\""), "{what}: {answer}");
        assert!(answer.len() < 8 * 1024, "{what} is answered with {} bytes", answer.len());
    }
    assert_eq!(server.get("/tasks").json()["items"], json!([]), "something was enqueued");
    // The same in good order is taken, so the refusals above are about what is wrong.
    let json = "Content-Type: application/json\r\n";
    assert_eq!(status(&exchange(&server, &head("POST /enqueue", &format!("{json}{chunked}")))), 202);
    assert_eq!(status(&exchange(&server, &post(&format!("Content-Length: {length}\r\n")))), 202);
}

#[test]
fn a_path_leads_nowhere_but_where_it_says() {
    let server = Server::start();
    let id = server.enqueue(&json!({"task": "demo.add", "args": [1, 2], "run_after": "1h"}));
    for path in [
        "/tasks/../metrics",
        "/tasks/%2e%2e/metrics",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/ui/static/../../../../etc/passwd",
        "/ui/static/..%2f..%2f..%2fetc%2fpasswd/ui.css",
        "/problems/..%2f..%2fhealthz",
        "/problems/csrf%00",
        "//metrics",
        "/metrics/",
        "/METRICS",
        "/metrics;x=1",
        "/tasks/%00",
        "/tasks/%ff%fe",
        "/tasks/'%20OR%201=1--",
        "/queues/..",
        "/queues/%2e%2e%2fmetrics",
        "/queues/{queue}",
    ] {
        let answer = exchange(&server, &head(&format!("GET {path}"), ""));
        assert!([400, 404].contains(&status(&answer)), "{path}: {answer}");
        assert!(!answer.contains("root:") && !answer.contains("# TYPE"), "{path}: {answer}");
    }
    assert_eq!(server.get(&format!("/tasks/{id}")).json()["phase"], "scheduled");
}

#[test]
fn a_method_is_the_one_of_the_request_line() {
    let server = Server::start();
    let id = server.enqueue(&json!({"task": "demo.add", "args": [1, 2], "run_after": "1h"}));
    let path = format!("/tasks/{id}");
    for header in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"] {
        assert_eq!(send(server.request("GET", &path).header(header, "DELETE")).status, 200, "{header}");
        assert_eq!(send(server.request("POST", &path).header(header, "DELETE")).status, 405, "{header}");
    }
    assert_eq!(send(server.request("POST", &format!("{path}?_method=DELETE"))).status, 405);
    assert_eq!(send(server.request("GET", &format!("{path}/cancel"))).status, 405, "reading changes nothing");
    assert_eq!(status(&exchange(&server, &head(&format!("delete {path}"), ""))), 405, "methods are written large");
    assert_eq!(server.get(&path).json()["phase"], "scheduled");
}

#[test]
fn what_a_client_sends_becomes_no_header_of_an_answer() {
    let server = Server::start();
    let id = server.enqueue(&json!({"task": "demo.add", "args": [1, 2], "run_after": "1h"}));
    let bad = "%0d%0aX-Injected:%20yes%0d%0a%0d%0a%3Cscript%3E";
    let form = "Content-Length: 0\r\n";
    for (line, more) in [
        (format!("GET /{bad}"), ""),
        (format!("GET /tasks/{bad}"), ""),
        (format!("GET /tasks?tag={bad}"), ""),
        (format!("GET /tasks?cursor={bad}"), ""),
        (format!("GET /ui/tasks?tag={bad}"), ""),
        (format!("GET /ui/tasks/{id}?done={bad}"), ""),
        (format!("GET /problems/{bad}"), ""),
        (format!("GET /queues/{bad}"), ""),
        (format!("POST /queues/{bad}/pause"), form),
        (format!("POST /ui/queues/default/pause?backend={bad}"), form),
        (format!("POST /ui/tasks/{id}/{bad}"), form),
        (format!("POST /ui/schedules/{bad}/run"), form),
        ("GET /healthz".to_owned(), "X-Request-Id: a\tX-Injected: yes\r\n"),
        ("GET /tasks".to_owned(), "Prefer: wait=1\tX-Injected: yes\r\nIf-None-Match: \"\tX-Injected\"\r\n"),
        (format!("OPTIONS /csp/reports?{bad}"), "Origin: http://a\tX-Injected: yes\r\n"),
    ] {
        let answer = exchange(&server, &head(&line, more));
        let (head, _) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{line}: {answer}"));
        assert!(status(head) < 500, "{line}: {answer}");
        assert!(!head.to_lowercase().contains("x-injected"), "{line}: {answer}");
    }
}

#[test]
fn large_and_deep_bodies_cost_little_memory() {
    let server = Server::start();
    server.get("/healthz");
    let before = memory(&server);
    let post = |path: &str, body: &[u8]| {
        let more = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        [head(&format!("POST {path}"), &more), body.to_vec()].concat()
    };
    for _ in 0..5 {
        assert_eq!(status(&exchange(&server, &post("/enqueue", &vec![b'['; 10_000_000]))), 413);
        assert!([400, 422].contains(&status(&exchange(&server, &post("/enqueue", &vec![b'['; 1_000_000])))));
        assert!([400, 422].contains(&status(&exchange(&server, &post("/enqueue/batch", &vec![b'['; 8_000_000])))));
        assert!([400, 413].contains(&status(&exchange(&server, &post("/csp/reports", &vec![b'['; 60_000])))));
    }
    let grown = memory(&server).saturating_sub(before);
    assert!(grown < 96 * 1024, "it holds {grown} KiB more than before");
}

#[test]
fn clients_that_ask_and_do_not_read_are_not_served_into_memory() {
    let server = Server::start();
    // Cheap to answer, and more than fits between the two.
    let large = server.enqueue(&json!({"task": "demo.echo", "args": ["x".repeat(200_000)]}));
    server.until_finished(&large);
    let before = memory(&server);
    let requests = format!("GET /tasks/{large}/result HTTP/1.1\r\nHost: localhost\r\n\r\n").repeat(500);
    let deaf: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = connect(&server);
            stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
            // It takes as many as it likes.
            let _ = stream.write_all(requests.as_bytes());
            stream
        })
        .collect();
    let begun = Instant::now();
    assert_eq!(server.get("/healthz").status, 200);
    let id = server.enqueue(&json!({"task": "demo.add", "args": [1, 2]}));
    assert_eq!(server.until_finished(&id)["return_value"], 3);
    assert!(begun.elapsed() < Duration::from_secs(5), "others waited for {:?}", begun.elapsed());
    let grown = memory(&server).saturating_sub(before);
    assert!(grown < 128 * 1024, "it holds {grown} KiB for 20 clients that do not read");
    drop(deaf);
}

#[test]
fn requests_that_come_in_one_piece_are_answered_in_order() {
    let server = Server::start();
    let mut requests = String::new();
    for n in 0..200 {
        requests.push_str(&format!("GET /nowhere HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: n{n}\r\n\r\n"));
    }
    requests.push_str("GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Request-Id: last\r\n\r\n");
    let answer = exchange(&server, requests.as_bytes());
    let ids: Vec<_> = answer.lines().filter_map(|line| line.strip_prefix("x-request-id: ")).collect();
    let expected: Vec<_> = (0..200).map(|n| format!("n{n}")).chain(["last".to_owned()]).collect();
    assert_eq!(ids, expected);
}

/// The token `tk_00000000_AAAA…`, and another that nobody knows.
fn tokens() -> (String, String) {
    (format!("tk_00000000_{}", "A".repeat(43)), format!("tk_99999999_{}", "B".repeat(43)))
}

#[test]
fn no_token_and_no_session_stands_in_a_log_an_address_or_an_answer() {
    let (token, wrong) = tokens();
    let digest: String = callboard::http::Token::digest(&token).iter().map(|byte| format!("{byte:02x}")).collect();
    let folder = Folder::new();
    folder.write(
        "tokens.toml",
        &format!("[[token]]\nid = \"00000000\"\nname = \"test\"\nsha256 = \"{digest}\"\nscopes = [\"admin\"]\n"),
    );
    folder.write("callboard.toml", "[tasks.default]\nbackend = \"memory\"\n[http]\ntokens_file = \"tokens.toml\"\n");
    let variables = [("RUST_LOG", "debug,callboard=trace,callboard_http=trace")];
    let server = Server::start_in(Arc::new(folder), &["--demo"], &variables);
    let mut answers = Vec::new();
    let mut ask = |method: &str, path: &str, token: &str, body: Option<serde_json::Value>| {
        let request = server.request(method, path).bearer_auth(token);
        let reply = send(match body {
            Some(body) => request.json(&body),
            None => request,
        });
        answers.push(format!("{:?} {}", reply.headers, reply.text));
        reply
    };
    let call = json!({"task": "demo.fail", "args": ["no"], "max_attempts": 1});
    let id = ask("POST", "/enqueue", &token, Some(call.clone())).json()["id"].as_str().unwrap().to_owned();
    for path in ["/tasks", "/ui/", "/ui/audit", "/metrics", "/openapi.json", &format!("/tasks/{id}?wait=5"), "/nowhere"]
    {
        ask("GET", path, &token, None);
        ask("GET", path, &wrong, None);
    }
    ask("POST", "/enqueue", &wrong, Some(call));
    let form = |token: &str| {
        let body = format!("token={token}");
        let more = format!(
            "Content-Type: application/x-www-form-urlencoded\r\nSec-Fetch-Site: same-origin\r\nContent-Length: {}\r\n",
            body.len()
        );
        exchange(&server, &[head("POST /ui/login", &more), body.into_bytes()].concat())
    };
    let (known, unknown) = (form(&token), form(&wrong));
    assert_eq!((status(&known), status(&unknown)), (303, 401), "{known} {unknown}");
    let session = known.lines().find_map(|line| line.strip_prefix("set-cookie: callboard-sid=")?.split(';').next());
    let session = session.unwrap_or_else(|| panic!("{known}")).to_owned();
    let page = exchange(&server, &head("GET /ui/tasks", &format!("Cookie: callboard-sid={session}\r\n")));
    assert_eq!(status(&page), 200, "{page}");
    let logout = exchange(
        &server,
        &head(
            "POST /ui/logout",
            &format!("Cookie: callboard-sid={session}\r\nSec-Fetch-Site: same-origin\r\nContent-Length: 0\r\n"),
        ),
    );
    assert_eq!(status(&logout), 303, "{logout}");
    let after = exchange(&server, &head("GET /tasks", &format!("Cookie: callboard-sid={session}\r\n")));
    assert_eq!(status(&after), 401, "a session that was left is none: {after}");
    answers.extend([unknown, page, logout, after]);
    wait_until("the last request is logged", || server.stderr().contains("/ui/logout").then_some(()));

    let (log, printed) = (server.stderr(), server.stdout());
    for secret in [&token[12..], &wrong[12..], &session, &digest] {
        assert!(!log.contains(secret), "{secret} stands in the log");
        assert!(!printed.contains(secret), "{secret} is printed");
        let shown = answers.iter().find(|answer| answer.contains(secret));
        assert!(shown.is_none(), "{secret} stands in {shown:?}");
    }
}

#[test]
fn nothing_that_is_sent_begins_a_line_of_the_log() {
    let variables = [("RUST_LOG", "debug")];
    let server = Server::start_in(Arc::new(Folder::new()), &[], &variables);
    let fake = "a\n2026-11-22T10:00:00.000Z ERROR fake\r\u{1b}[31m";
    server.post("/enqueue", &json!({"task": fake, "args": [fake]}));
    server.post(
        "/enqueue",
        &json!({"task": "demo.add", "args": [1, 2], "tags": [fake], "queue": fake, "metadata": {fake: fake}}),
    );
    let id = server.enqueue(&json!({"task": "demo.fail", "args": [fake], "max_attempts": 1, "metadata": {"x": fake}}));
    server.until_finished(&id);
    server.enqueue(&json!({"task": "log_message", "args": [fake]}));
    server.get("/tasks?tag=a%0a2026-11-22T10:00:00.000Z%20ERROR%20fake%0d%1b[31m");
    send(server.request("POST", "/csp/reports").header("content-type", "application/csp-report").body(
        json!({"csp-report": {"document-uri": fake, "blocked-uri": fake, "effective-directive": fake, "script-sample": fake}}).to_string(),
    ));
    server.enqueue(&json!({"task": "log_message", "args": ["the last one"]}));
    wait_until("the last one is logged", || server.stderr().contains("Task says: the last one").then_some(()));
    let log = server.stderr();
    assert!(!log.lines().any(|line| line.contains("ERROR fake") && line.starts_with("2026-11-22")), "{log}");
    assert!(!log.contains('\u{1b}') && !log.contains('\r'), "{log:?}");
}

#[test]
fn a_flood_of_calls_is_refused_once_the_queue_is_full_and_what_was_taken_is_there() {
    let folder = Folder::new();
    folder.write(
        "callboard.toml",
        "[tasks.default]\nbackend = \"memory\"\n[tasks.default.limits.default]\ndepth = 500\n",
    );
    let server = Server::start_in(Arc::new(folder), &["--demo"], &[]);
    assert_eq!(send(server.request("POST", "/queues/default/pause")).status, 200);
    let (clients, calls) = (8_usize, 400);
    let taken: usize = std::thread::scope(|scope| {
        let flood = (0..clients).map(|_| {
            let server = &server;
            scope.spawn(move || {
                let replies = (0..calls).map(|n| server.post("/enqueue", &json!({"task": "demo.add", "args": [n, 1]})));
                let mut taken = 0_usize;
                for reply in replies {
                    if reply.status == 202 {
                        taken += 1;
                        continue;
                    }
                    assert_eq!((reply.status, &reply.json()["type"]), (503, &json!("/problems/queue-full")));
                    assert!(reply.header("retry-after").parse::<u32>().unwrap() > 0);
                }
                taken
            })
        });
        let flood: Vec<_> = flood.collect();
        // Whoever looks after the server hears of it meanwhile.
        while flood.iter().any(|client| !client.is_finished()) {
            let begun = Instant::now();
            assert_eq!(server.get("/healthz").status, 200);
            assert!(begun.elapsed() < Duration::from_secs(2), "health took {:?}", begun.elapsed());
        }
        flood.into_iter().map(|client| client.join().unwrap()).sum()
    });
    assert!((500..1_500).contains(&taken), "{taken} were taken");
    let waiting = wait_until("all are counted", || {
        let counts = server.get("/queues/default").json()["counts"].clone();
        counts["ready"].as_u64().filter(|ready| *ready == taken as u64)
    });
    assert_eq!(waiting, taken as u64);
    let refused = server.get("/metrics").text;
    let line = refused.lines().find(|line| line.contains("enqueue_rejected_total") && line.contains("queue-full"));
    assert!(line.is_some_and(|line| line.ends_with(&format!(" {}", clients * calls - taken))), "{line:?}");
}
