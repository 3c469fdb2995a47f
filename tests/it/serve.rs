//! A server from its first line to its last: start, signals, doors that stay shut.

use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Folder, Server, callboard, run, wait_until};

#[test]
fn the_first_line_says_where_it_listens_and_to_whom_it_is_open() {
    let server = Server::start();
    let first = server.stdout().lines().next().unwrap().to_owned();
    let expected = format!(
        "callboard {} listening on {} (open to this machine; behind a proxy create a token)",
        env!("CARGO_PKG_VERSION"),
        server.url
    );
    assert_eq!(first, expected);
    assert!(server.url.starts_with("http://127.0.0.1:"), "{}", server.url);
}

/// Pastes a line that the server printed into a shell.
fn paste(line: &str) -> serde_json::Value {
    let shell = Command::new("sh").arg("-c").arg(line).output().unwrap();
    let text = String::from_utf8(shell.stdout).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {line}\n{text}"))
}

#[test]
fn the_printed_lines_can_be_pasted_and_work() {
    let server = Server::start();
    let lines: Vec<String> = wait_until("both lines are printed", || {
        let lines: Vec<_> = server
            .stdout()
            .lines()
            .map(str::trim)
            .filter(|line| line.starts_with("curl "))
            .map(str::to_owned)
            .collect();
        (lines.len() == 2).then_some(lines)
    });
    let enqueued = paste(&lines[0]);
    assert_eq!((&enqueued["task"], &enqueued["status"]), (&json!("demo.add"), &json!("READY")));
    let id = enqueued["id"].as_str().unwrap();
    server.until_finished(id);
    let polled = paste(&lines[1].replace("ID", id));
    assert_eq!((&polled["status"], &polled["return_value"]), (&json!("SUCCESSFUL"), &json!(5)));
}

#[test]
fn an_enqueued_call_is_accepted_with_its_place_and_then_runs() {
    let server = Server::start();
    let reply = server.post("/enqueue", &json!({"task": "demo.add", "args": [20, 22]}));
    assert_eq!(reply.status, 202, "{}", reply.text);
    let place = reply.header("location").to_owned();
    assert_eq!(place, format!("/tasks/{}", reply.json()["id"].as_str().unwrap()));
    let task = server.get(&format!("{place}?wait=20"));
    assert_eq!(task.status, 200);
    assert_eq!((&task.json()["status"], &task.json()["return_value"]), (&json!("SUCCESSFUL"), &json!(42)));
}

#[test]
fn every_demo_task_does_what_it_says() {
    let server = Server::start();
    let once = |task: &str, args: serde_json::Value| {
        let id = server.enqueue(&json!({"task": task, "args": args, "max_attempts": 1}));
        server.until_finished(&id)
    };
    let value = json!({"nested": [1, null, "ü"]});
    assert_eq!(once("demo.echo", json!({"value": value}))["return_value"], value);
    assert_eq!(once("demo.sleep", json!([1]))["status"], "SUCCESSFUL");
    assert_eq!(once("demo.blocking", json!([1]))["status"], "SUCCESSFUL");
    assert_eq!(once("demo.add", json!([i64::MAX, 1]))["status"], "FAILED");
    let failed = once("demo.fail", json!(["no luck"]));
    assert_eq!((&failed["status"], &failed["errors"][0]["message"]), (&json!("FAILED"), &json!("no luck")));
    let panicked = once("demo.panic", json!({}));
    assert_eq!((&panicked["status"], &panicked["errors"][0]["exception_class"]), (&json!("FAILED"), &json!("Panic")));
    assert_eq!(once("demo.flaky", json!([1]))["status"], "FAILED");
    assert_eq!(once("demo.flaky", json!([0]))["return_value"], 1);
}

#[test]
fn a_flaky_task_fails_as_often_as_it_was_told_and_then_succeeds() {
    let server = Server::start();
    let id = server.enqueue(&json!({"task": "demo.flaky", "args": {"fail_times": 1}}));
    let task = server.until_finished(&id);
    assert_eq!(
        (&task["status"], &task["return_value"], &task["attempts"]),
        (&json!("SUCCESSFUL"), &json!(2), &json!(2))
    );
    assert_eq!(task["errors"].as_array().unwrap().len(), 1);
}

#[test]
fn a_logged_message_stands_in_the_log_in_one_line() {
    let server = Server::start();
    let id = server.enqueue(&json!({"task": "log_message", "args": {"message": "one\ntwo"}}));
    server.until_finished(&id);
    wait_until("the message is logged", || server.stderr().contains("Task says: one two").then_some(()));
}

#[test]
fn a_termination_lets_running_tasks_end_and_their_results_be_read() {
    let mut server = Server::start();
    let id = server.enqueue(&json!({"task": "demo.sleep", "args": [1500]}));
    server.until_phase(&id, "running");
    server.signal("TERM");
    // What is enqueued before the server drains must not run, lest it be counted below.
    let later = json!({"task": "demo.add", "args": [1, 2], "run_after": "1h"});
    let refused = wait_until("no more calls are taken", || {
        Some(server.post("/enqueue", &later)).filter(|reply| reply.status != 202)
    });
    assert_eq!((refused.status, &refused.json()["type"]), (503, &json!("/problems/draining")));
    assert_eq!(server.get(&format!("/tasks/{id}")).json()["phase"], "running");
    let status = server.wait();
    assert_eq!(status.code(), Some(0), "{}", server.stderr());
    assert!(server.stderr().contains("running=1"), "{}", server.stderr());
    assert!(server.stderr().contains("finished=1 handed_back=0 abandoned=0"), "{}", server.stderr());
}

#[test]
fn a_server_is_not_ready_first_and_then_refuses_calls_and_then_lets_tasks_end() {
    let variables = [("CALLBOARD__DRAIN_DELAY", "1500ms")];
    let mut server = Server::start_in(Arc::new(Folder::new()), &[], &variables);
    let ready = server.get("/readyz");
    assert_eq!((ready.status, ready.json()["checks"]["draining"]["status"].as_str()), (200, Some("ok")));
    let running = server.enqueue(&json!({"task": "demo.sleep", "args": [4_000]}));
    server.until_phase(&running, "running");

    let told = Instant::now();
    server.signal("TERM");
    let ready = wait_until("it is not ready", || Some(server.get("/readyz")).filter(|reply| reply.status == 503));
    let check = ready.json()["checks"]["draining"].clone();
    assert_eq!(check, json!({"status": "failed", "detail": "a shutdown is about to begin"}));
    assert_eq!(ready.header("connection"), "close");
    assert_eq!(server.get("/healthz").status, 200, "nobody should kill it");
    // Who has not noticed yet is still served.
    let late = server.post("/enqueue", &json!({"task": "demo.add", "args": [1, 2]}));
    assert_eq!(late.status, 202, "{}", late.text);
    let id = late.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(server.until_finished(&id)["return_value"], 3);

    let call = json!({"task": "demo.add", "args": [1, 2], "run_after": "1h"});
    let refused =
        wait_until("no more calls are taken", || Some(server.post("/enqueue", &call)).filter(|it| it.status != 202));
    assert!(told.elapsed() >= Duration::from_millis(1_500), "{:?}", told.elapsed());
    assert_eq!((refused.status, &refused.json()["type"]), (503, &json!("/problems/draining")));
    assert_eq!((refused.header("retry-after"), refused.header("connection")), ("5", "close"));
    assert_eq!(server.get("/readyz").json()["checks"]["draining"]["detail"], "the board is shutting down");
    assert_eq!(server.get(&format!("/tasks/{running}")).json()["phase"], "running");
    assert_eq!(server.wait().code(), Some(0), "{}", server.stderr());
    let log = server.stderr();
    assert!(log.contains("finished=1 handed_back=0 abandoned=0"), "{log}");
    let steps = ["SIGTERM received", "not ready any more", "draining: no more calls", "front end closed"];
    let places = steps.map(|step| log.find(step).unwrap_or_else(|| panic!("{step} is not in {log}")));
    assert!(places.is_sorted(), "{places:?}: {log}");
}

#[test]
fn a_second_signal_ends_a_server_that_waits_to_be_left_alone() {
    let mut server = Server::start_in(Arc::new(Folder::new()), &[], &[("CALLBOARD__DRAIN_DELAY", "10m")]);
    let told = Instant::now();
    server.signal("TERM");
    wait_until("it is not ready", || (server.get("/readyz").status == 503).then_some(()));
    wait_until("a second has passed", || (told.elapsed() > Duration::from_millis(1_200)).then_some(()));
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(1), "{}", server.stderr());
    assert!(told.elapsed() < Duration::from_secs(10), "{:?}", told.elapsed());
}

#[test]
fn an_idle_server_leaves_soon_after_either_signal() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start();
        // A connection that is kept open must not hold it.
        assert_eq!(server.get("/healthz").status, 200);
        let before = Instant::now();
        server.signal(signal);
        assert_eq!(server.wait().code(), Some(0), "{}", server.stderr());
        assert!(before.elapsed() < Duration::from_secs(8), "{:?}", before.elapsed());
    }
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let mut server = Server::start();
    let id = server.enqueue(&json!({"task": "demo.sleep", "args": [60_000]}));
    server.until_phase(&id, "running");
    server.signal("TERM");
    wait_until("the server drains", || server.stderr().contains("draining").then_some(()));
    let first = Instant::now();
    // Sooner than a second after the first one it would be an echo.
    wait_until("a second has passed", || (first.elapsed() > Duration::from_millis(1_200)).then_some(()));
    let before = Instant::now();
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(1), "{}", server.stderr());
    assert!(before.elapsed() < Duration::from_secs(5), "{:?}", before.elapsed());
}

#[test]
fn a_signal_that_is_sent_twice_at_once_counts_once() {
    let mut server = Server::start();
    let id = server.enqueue(&json!({"task": "demo.sleep", "args": [2_000]}));
    server.until_phase(&id, "running");
    server.signal("TERM");
    wait_until("the first is heard", || server.stderr().contains("SIGTERM received").then_some(()));
    for signal in ["TERM", "INT"] {
        server.signal(signal);
    }
    assert_eq!(server.wait().code(), Some(0), "{}", server.stderr());
    assert!(server.stderr().contains("finished=1 handed_back=0 abandoned=0"), "{}", server.stderr());
}

#[test]
fn what_is_no_http_leaves_no_line_in_the_log() {
    use std::io::{Read, Write};
    let server = Server::start();
    let address = server.url.strip_prefix("http://").unwrap();
    let mut connection = std::net::TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    connection.write_all(b"\x16\x03\x01 nonsense\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    // What is logged later proves that the log has been read so far.
    server.enqueue(&json!({"task": "log_message", "args": ["afterwards"]}));
    wait_until("the message is logged", || server.stderr().contains("Task says: afterwards").then_some(()));
    assert!(!server.stderr().contains("actix_http"), "{}", server.stderr());
}

#[test]
fn a_task_that_outlives_the_grace_is_told_to_stop_and_handed_back() {
    let mut server = Server::start_in(Arc::new(Folder::new()), &[], &[("CALLBOARD__SHUTDOWN_GRACE", "100ms")]);
    let id = server.enqueue(&json!({"task": "demo.sleep", "args": [60_000]}));
    server.until_phase(&id, "running");
    let before = Instant::now();
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0), "{}", server.stderr());
    assert!(before.elapsed() < Duration::from_secs(15), "{:?}", before.elapsed());
    assert!(server.stderr().contains("finished=0 handed_back=1 abandoned=0"), "{}", server.stderr());
}

#[test]
fn a_door_to_other_machines_without_tokens_stays_shut() {
    let ran = run(callboard(&Folder::new(), &["--bind", "0.0.0.0:0"], &[]));
    assert_eq!(ran.code, 2, "{ran:?}");
    assert_eq!(ran.stdout, "");
    for word in ["0.0.0.0:0", "--bind", "tokens_file"] {
        assert!(ran.stderr.contains(word), "{word} is not in {}", ran.stderr);
    }
}

#[test]
fn an_address_that_another_program_has_is_named() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let ran = run(callboard(&Folder::new(), &["--bind", &address], &[]));
    assert_eq!(ran.code, 1, "{ran:?}");
    let expected = format!("error: {address} cannot be listened on: another program does already");
    assert!(ran.stderr.contains(&expected), "{}", ran.stderr);
}

/// The token `tk_00000000_AAAA…` with its 43 characters of secret.
fn token() -> String {
    format!("tk_00000000_{}", "A".repeat(43))
}

fn folder_with_token() -> Arc<Folder> {
    let digest: String = callboard::http::Token::digest(&token()).iter().map(|byte| format!("{byte:02x}")).collect();
    let folder = Folder::new();
    folder.write(
        "tokens.toml",
        &format!("[[token]]\nid = \"00000000\"\nname = \"test\"\nsha256 = \"{digest}\"\nscopes = [\"admin\"]\n"),
    );
    folder.write("callboard.toml", "[tasks.default]\nbackend = \"memory\"\n[http]\ntokens_file = \"tokens.toml\"\n");
    Arc::new(folder)
}

#[test]
fn with_tokens_a_door_to_other_machines_opens_to_whoever_has_one() {
    let server = Server::start_in(folder_with_token(), &["--bind", "0.0.0.0:0", "--demo"], &[]);
    assert!(server.stdout().contains("(every request needs a token)"), "{}", server.stdout());
    let arguments = ["enqueue", "demo.add", "[2, 3]", "--wait"];
    let url = server.url.replace("0.0.0.0", "127.0.0.1");
    let without = run(callboard(&server.folder, &arguments, &[("CALLBOARD_URL", &url)]));
    assert_eq!(without.code, 1, "{without:?}");
    assert!(without.stderr.contains("(unauthorized)"), "{}", without.stderr);
    assert!(without.stderr.contains("give a token with --token or CALLBOARD_TOKEN"), "{}", without.stderr);
    let with = run(callboard(&server.folder, &arguments, &[("CALLBOARD_URL", &url), ("CALLBOARD_TOKEN", &token())]));
    assert_eq!(with.code, 0, "{with:?}");
    assert!(!server.stderr().contains(&token()), "the token stands in the log");
}

#[test]
fn with_tokens_the_printed_lines_send_the_token_of_the_shell() {
    let server = Server::start_in(folder_with_token(), &["--demo"], &[]);
    let line = wait_until("the line is printed", || {
        server.stdout().lines().map(str::trim).find(|line| line.starts_with("curl ")).map(str::to_owned)
    });
    let task = paste(&format!("CALLBOARD_TOKEN={}; {line}", token()));
    assert_eq!(task["task"], "demo.add");
}

#[test]
fn a_settings_file_leaves_the_demo_tasks_out_unless_they_are_asked_for() {
    let folder = Folder::new();
    folder.write("callboard.toml", "[tasks.default]\nbackend = \"memory\"\n");
    let folder = Arc::new(folder);
    let server = Server::start_in(Arc::clone(&folder), &[], &[]);
    assert_eq!(server.post("/enqueue", &json!({"task": "demo.add", "args": [1, 2]})).status, 422);
    assert_eq!(server.post("/enqueue", &json!({"task": "log_message", "args": ["hi"]})).status, 202);
    let demo = Server::start_in(folder, &["serve", "--demo"], &[]);
    assert_eq!(demo.post("/enqueue", &json!({"task": "demo.add", "args": [1, 2]})).status, 202);
}
