//! The HTTP contract as a client in any language meets it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Folder, Reply, Server, send, wait_until};

/// The slug of a problem, after a look at its form.
#[track_caller]
fn problem(reply: &Reply) -> String {
    assert_eq!(reply.header("content-type"), "application/problem+json", "{}", reply.text);
    let body = reply.json();
    assert_eq!((&body["status"], &body["request_id"]), (&json!(reply.status), &json!(reply.header("x-request-id"))));
    body["type"].as_str().unwrap().strip_prefix("/problems/").unwrap().to_owned()
}

/// Sends bytes as they are and reads until the server closes.
#[track_caller]
fn exchange(server: &Server, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // The server may have answered and closed before all of it was sent.
    let _ = stream.write_all(request);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_task_has_the_members_that_the_contract_names_from_its_enqueue_to_its_end() {
    let server = Server::start();
    let body = json!({"task": "demo.add", "args": [2, 3], "priority": 10, "max_attempts": 5, "timeout_ms": 30000,
        "tags": ["signup"], "metadata": {"source": "form"}});
    let accepted = server.post("/enqueue", &body).json();
    let id = accepted["id"].as_str().unwrap();
    let mut expected = json!({
        "id": id, "task": "demo.add", "status": "READY", "phase": "ready", "is_finished": false,
        "backend": "default", "queue": "default", "priority": 10, "args": {"a": 2, "b": 3},
        "attempts": 0, "max_attempts": 5, "enqueued_at": accepted["enqueued_at"], "run_after": null,
        "next_run_at": null, "started_at": null, "last_attempted_at": null, "finished_at": null, "worker_ids": [],
        "return_value": null, "errors": [], "progress": null, "tags": ["signup"],
        "metadata": {"source": "form"}, "version": 1,
        "links": {"self": format!("/tasks/{id}"), "events": format!("/tasks/{id}/events"),
            "cancel": format!("/tasks/{id}/cancel")},
    });
    assert_eq!(accepted, expected);

    let finished = server.until_finished(id);
    for (member, value) in [
        ("status", json!("SUCCESSFUL")),
        ("phase", json!("successful")),
        ("is_finished", json!(true)),
        ("return_value", json!(5)),
        ("attempts", json!(1)),
    ] {
        expected[member] = value;
    }
    for member in ["started_at", "last_attempted_at", "finished_at", "worker_ids", "version"] {
        assert_ne!(finished[member], expected[member], "{member}");
        expected[member] = finished[member].clone();
    }
    assert_eq!(finished, expected);
}

#[test]
fn a_client_follows_a_task_by_its_versions() {
    let server = Server::start();
    let id = server.enqueue(&json!({"task": "demo.sleep", "args": [1500]}));
    let poll =
        |known: &str| send(server.request("GET", &format!("/tasks/{id}?wait=20")).header("if-none-match", known));
    let (mut known, mut phases) = ("\"1\"".to_owned(), Vec::new());
    loop {
        let reply = poll(&known);
        if reply.status == 304 {
            break;
        }
        assert_eq!(reply.header("etag"), format!("\"{}\"", reply.json()["version"]));
        known = reply.header("etag").to_owned();
        phases.push(reply.json()["phase"].as_str().unwrap().to_owned());
    }
    assert_eq!(phases, ["running", "successful"]);
}

#[test]
fn a_client_that_prefers_to_wait_gets_the_finished_task_at_once() {
    let server = Server::start();
    let call = server.request("POST", "/enqueue").json(&json!({"task": "demo.add", "args": [2, 3]}));
    let reply = send(call.header("prefer", "wait=20"));
    assert_eq!((reply.status, reply.header("preference-applied")), (200, "wait=20"));
    assert_eq!(reply.json()["return_value"], 5);
}

#[test]
fn a_running_task_is_cancelled_and_run_again() {
    let server = Server::start();
    let id = server.enqueue(&json!({"task": "demo.sleep", "args": [60_000]}));
    server.until_phase(&id, "running");
    let cancelled = server.post(&format!("/tasks/{id}/cancel"), &json!({}));
    assert_eq!((cancelled.status, &cancelled.json()["phase"]), (202, &json!("cancelling")));
    server.until_phase(&id, "cancelled");
    let again = server.post(&format!("/tasks/{id}/cancel"), &json!({}));
    assert_eq!((again.status, problem(&again).as_str()), (409, "invalid-transition"));
    let retried = server.post(&format!("/tasks/{id}/retry"), &json!({}));
    assert_eq!((retried.status, retried.json()["id"].as_str()), (202, Some(id.as_str())));
    server.until_phase(&id, "running");
}

#[test]
fn a_list_is_walked_by_its_links() {
    let server = Server::start();
    let later =
        |n: u32| server.enqueue(&json!({"task": "demo.add", "args": [n, 0], "run_after": "1h", "tags": ["walk"]}));
    let mut expected: Vec<String> = (0..7).map(later).collect();
    expected.reverse();
    let (mut path, mut seen) = (Some("/tasks?limit=3&tag=walk".to_owned()), Vec::new());
    while let Some(at) = path {
        let reply = server.get(&at);
        assert_eq!(reply.status, 200, "{}", reply.text);
        let items = reply.json()["items"].as_array().unwrap().clone();
        seen.extend(items.iter().map(|task| task["id"].as_str().unwrap().to_owned()));
        path = reply.headers.get("link").map(|link| {
            let link = link.to_str().unwrap();
            link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned()
        });
        assert_eq!(path.is_some(), reply.json()["next"].is_string());
    }
    assert_eq!(seen, expected);
}

#[test]
fn all_mistakes_of_a_call_come_back_with_their_places() {
    let server = Server::start();
    let reply =
        server.post("/enqueue", &json!({"task": "demo.add", "args": {"a": "x", "c": 1}, "prority": 1, "tags": "t"}));
    assert_eq!((reply.status, problem(&reply).as_str()), (422, "validation-failed"));
    let body = reply.json();
    let pointers: Vec<_> = body["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
    for pointer in ["#/prority", "#/tags", "#/args/a", "#/args/b", "#/args/c"] {
        assert!(pointers.contains(&pointer), "{pointer} in {body}");
    }
    let reply = server.post("/enqueue", &json!({"task": "demo.ad"}));
    assert_eq!((problem(&reply).as_str(), &reply.json()["did_you_mean"][0]), ("unknown-task", &json!("demo.add")));
}

#[test]
fn pages_of_other_sites_and_names_of_other_hosts_get_nothing() {
    let server = Server::start();
    let call = || server.request("POST", "/enqueue").json(&json!({"task": "demo.add", "args": [1, 2]}));
    for (request, status, slug) in [
        (call().header("origin", "http://evil.test"), 403, "csrf"),
        (call().header("sec-fetch-site", "cross-site"), 403, "csrf"),
        (call().header("cookie", "a=b"), 403, "csrf"),
        (server.request("POST", "/tasks/x/cancel").header("origin", "null"), 403, "csrf"),
        (call().header("host", "evil.test"), 421, "misdirected-request"),
        (server.request("GET", "/tasks").header("host", "evil.test:80"), 421, "misdirected-request"),
        (call().header("x-forwarded-for", "127.0.0.1"), 401, "unauthorized"),
        (server.request("GET", "/tasks").header("via", "1.1 proxy"), 401, "unauthorized"),
    ] {
        let reply = send(request);
        assert_eq!((reply.status, problem(&reply).as_str()), (status, slug));
    }
    assert_eq!(send(call().header("origin", &server.url)).status, 202);
    assert_eq!(server.get("/tasks").json()["items"].as_array().unwrap().len(), 1);
}

#[test]
fn methods_are_listed_and_the_others_refused() {
    let server = Server::start();
    let options = send(server.request("OPTIONS", "/tasks"));
    assert_eq!((options.status, options.header("allow")), (204, "GET, HEAD, OPTIONS"));
    let head = send(server.request("HEAD", "/registry"));
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    let wrong = send(server.request("DELETE", "/enqueue"));
    assert_eq!(
        (wrong.status, wrong.header("allow"), problem(&wrong).as_str()),
        (405, "POST, OPTIONS", "method-not-allowed")
    );
    assert_eq!(problem(&server.get("/no/such/thing")), "not-found");
}

#[test]
fn every_answer_of_the_real_server_carries_its_headers() {
    let server = Server::start();
    for reply in [
        server.get("/healthz"),
        server.get("/readyz"),
        server.get("/tasks"),
        server.get("/nowhere"),
        server.post("/enqueue", &json!({})),
        server.post("/enqueue", &json!({"task": "demo.add", "args": [1, 2]})),
    ] {
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(reply.header("content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
        assert!(!reply.header("cache-control").is_empty());
    }
    let named = send(server.request("GET", "/nowhere").header("x-request-id", "mine:1"));
    assert_eq!(named.header("x-request-id"), "mine:1");
}

#[test]
fn ready_says_what_was_checked() {
    let server = Server::start();
    let ready = server.get("/readyz");
    assert_eq!(ready.status, 200, "{}", ready.text);
    let checks = ready.json()["checks"].as_object().unwrap().clone();
    assert!(checks.len() >= 5 && checks.values().all(|check| check["status"] == "ok"), "{checks:?}");
}

#[test]
fn hostile_bodies_are_refused_quickly_and_the_server_goes_on() {
    let server = Server::start();
    let head = "POST /enqueue HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n";
    let whole =
        |body: &[u8]| [head.as_bytes(), format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat();
    let chunked = |body: &[u8]| {
        let size = format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", body.len());
        [head.as_bytes(), size.as_bytes(), body, b"\r\n0\r\n\r\n"].concat()
    };
    let deep =
        |n: usize| format!("{{\"task\": \"demo.echo\", \"args\": {}{}}}", "[".repeat(n), "]".repeat(n)).into_bytes();
    for (what, request, statuses) in [
        ("10 MB of brackets", whole(&vec![b'['; 10_000_000]), &["413"][..]),
        ("10 MB of brackets in a chunk", chunked(&vec![b'['; 10_000_000]), &["413"]),
        ("a million brackets", whole(&vec![b'['; 1_000_000]), &["400", "422"]),
        ("deep arguments", whole(&deep(400_000)), &["422"]),
        ("a NUL", whole(b"{\"task\": \"demo.echo\", \"args\": [\"\0\"]}"), &["400"]),
        ("bytes that are no text", whole(b"{\"task\": \"\xff\xfe\"}"), &["400"]),
        ("half a surrogate", whole(br#"{"task": "demo.echo", "args": ["\ud800"]}"#), &["400", "422"]),
        ("a huge number", whole(br#"{"task": "demo.echo", "args": [1e999999]}"#), &["202", "400", "422"]),
        ("an empty body", whole(b""), &["400"]),
        ("two lengths", [head.as_bytes(), b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"].concat(), &["400"]),
        ("no HTTP at all", b"\x16\x03\x01 nonsense\r\n\r\n".to_vec(), &["400"]),
    ] {
        let begun = Instant::now();
        let answer = exchange(&server, &request);
        let status = answer.split(' ').nth(1).unwrap_or_else(|| panic!("{what}: no answer"));
        assert!(statuses.contains(&status), "{what}: {answer}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{what} took {:?}", begun.elapsed());
    }
    assert_eq!(server.get("/healthz").status, 200);
}

#[test]
fn text_of_any_script_comes_back_as_it_was_sent() {
    let server = Server::start();
    let value = json!({"text": "naïve 漢字 🎭 \u{0} \u{7f} \u{2028} \" \\ /", "big": 9_007_199_254_740_993_u64, "list": [[], {}, null]});
    let id = server.enqueue(&json!({"task": "demo.echo", "args": {"value": value}, "metadata": value}));
    let task = server.until_finished(&id);
    assert_eq!((&task["args"]["value"], &task["return_value"], &task["metadata"]), (&value, &value, &value));
    let bare = server.get(&format!("/tasks/{id}/result"));
    assert_eq!(bare.json(), value);
}

#[test]
fn connections_that_say_nothing_do_not_keep_others_out() {
    let server = Server::start();
    let address = server.url.strip_prefix("http://").unwrap();
    let idle: Vec<_> = (0..300).map(|_| TcpStream::connect(address).unwrap()).collect();
    let begun = Instant::now();
    assert_eq!(server.get("/healthz").status, 200);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    drop(idle);
}

#[test]
fn the_registry_tells_what_a_call_must_give() {
    let server = Server::start();
    let body = server.get("/registry").json();
    let items = body["items"].as_array().unwrap();
    let add: &Value = items.iter().find(|task| task["name"] == "demo.add").unwrap();
    let names: Vec<_> = add["parameters"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!((names, &add["description"]), (vec!["a", "b"], &json!("Adds two whole numbers.")));
}

#[test]
fn each_request_is_one_line_of_the_log_without_its_body() {
    let server = Server::start_in(Arc::new(Folder::new()), &[], &[("RUST_LOG", "callboard_http=debug")]);
    server.post("/enqueue", &json!({"task": "demo.echo", "args": {"value": "the body"}}));
    send(server.request("GET", "/a%0aERROR%20fake").header("x-request-id", "the-last-one"));
    wait_until("the last request is logged", || server.stderr().contains("the-last-one").then_some(()));
    let log = server.stderr();
    let line = log.lines().find(|line| line.contains("the-last-one")).unwrap();
    assert!(line.contains("/a%0aERROR%20fake") && line.contains("404"), "{line}");
    assert!(log.lines().any(|line| line.contains("/enqueue") && line.contains("202")), "{log}");
    assert!(!log.contains("the body"), "{log}");
}
