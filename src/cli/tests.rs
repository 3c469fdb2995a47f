#![allow(clippy::unwrap_used)]

use std::time::Duration;

use callboard_tasks::Timestamp;
use clap::CommandFactory;
use serde_json::json;

use super::client::Refusal;
use super::durations::{relative, seconds, took};
use super::output::{one_line, plain, red};
use super::table::table;
use super::token::base64url;
use super::view::TaskView;
use super::watch::Failures;
use super::{Arguments, show};

fn at(time: &str) -> Timestamp {
    format!("2026-11-22T{time}Z").parse().unwrap()
}

#[test]
fn the_definition_of_the_command_line_is_in_order() {
    Arguments::command().debug_assert();
}

#[test]
fn a_time_is_told_by_its_largest_unit() {
    let now = at("12:00:00");
    for (time, expected) in [
        (at("12:00:00.9"), "now"),
        (at("11:59:59.1"), "now"),
        (at("11:59:01"), "59s ago"),
        (at("11:59:00"), "1m ago"),
        (at("12:59:59"), "in 59m"),
        (at("10:00:00"), "2h ago"),
        ("2026-11-25T12:00:00Z".parse().unwrap(), "in 3d"),
    ] {
        assert_eq!(relative(time, now), expected);
    }
}

#[test]
fn a_length_is_told_as_precisely_as_anybody_cares() {
    for (length, expected) in [
        (Duration::from_micros(186), "186µs"),
        (Duration::from_millis(350), "350ms"),
        (Duration::from_millis(1_239), "1.24s"),
        (Duration::from_secs(123), "2m 3s"),
        (Duration::from_secs(7_260), "2h 1m"),
    ] {
        assert_eq!(took(length), expected);
    }
}

#[test]
fn a_bare_number_is_seconds() {
    assert_eq!(seconds("30"), Ok(Duration::from_secs(30)));
    assert_eq!(seconds("1m30s"), Ok(Duration::from_secs(90)));
    assert!(seconds("soon").is_err());
}

#[test]
fn columns_are_as_wide_as_what_they_show_and_colours_count_nothing() {
    let rows = [vec!["a".to_owned(), red("long cell"), String::new()], vec!["bcd".into(), "é".into(), "end".into()]];
    let plain = anstream::adapter::strip_str(&table(&["X", "NAME", "LAST"], &rows)).to_string();
    assert_eq!(plain, "X    NAME       LAST\na    long cell\nbcd  é          end\n");
}

#[test]
fn text_from_elsewhere_cannot_command_the_terminal() {
    assert_eq!(plain("a\u{1b}]0;x\u{7}\u{9b}b\nc\td"), "a\\u{1b}]0;x\\u{7}\\u{9b}b\nc\\td");
    assert_eq!(one_line("ab\ncd", 9), "ab…");
    assert_eq!(one_line("abcdef", 4), "abc…");
    assert_eq!(one_line("äöüß", 4), "äöüß");
}

#[test]
fn a_problem_is_told_with_its_pointers_and_what_may_have_been_meant() {
    let refusal: Refusal = serde_json::from_value(json!({
        "type": "/problems/unknown-task", "title": "There is no task of that name", "status": 422,
        "detail": "there is no task \"ad\"", "request_id": "r1", "did_you_mean": ["demo.add", "demo.echo"],
        "errors": [{"pointer": "#/task", "detail": "is unknown"}],
    }))
    .unwrap();
    let expected =
        "there is no task \"ad\" (unknown-task)\n  #/task is unknown\n  did you mean demo.add, or demo.echo?";
    assert_eq!(refusal.to_string(), expected);
}

#[test]
fn a_problem_of_one_field_is_told_once() {
    let refusal: Refusal = serde_json::from_value(json!({
        "type": "/problems/queue-not-allowed", "title": "No such queue", "status": 422, "request_id": "r1",
        "detail": "queue \"mial\" is not a queue of this backend",
        "errors": [{"pointer": "#/queue", "detail": "\"mial\" is not a queue of this backend"}],
    }))
    .unwrap();
    assert_eq!(refusal.to_string(), "queue \"mial\" is not a queue of this backend (queue-not-allowed)");
}

#[test]
fn a_problem_inside_the_server_names_the_request_and_one_of_access_the_token() {
    let refusal = |status: u16| -> Refusal {
        let problem = json!({"type": "about:blank", "title": "Oh", "status": status, "request_id": "r1"});
        serde_json::from_value(problem).unwrap()
    };
    assert!(refusal(500).to_string().ends_with("\n  the server's log may tell more: request r1"));
    assert!(refusal(401).to_string().ends_with("\n  give a token with --token or CALLBOARD_TOKEN"));
    assert_eq!(refusal(403).to_string(), "Oh (about:blank)", "a token was given");
    assert_eq!(refusal(404).to_string(), "Oh (about:blank)");
}

#[test]
fn bytes_become_base64_for_urls() {
    for (bytes, expected) in [
        ("", ""),
        ("f", "Zg"),
        ("fo", "Zm8"),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg"),
        ("fooba", "Zm9vYmE"),
        ("foobar", "Zm9vYmFy"),
    ] {
        assert_eq!(base64url(bytes.as_bytes()), expected);
    }
    assert_eq!(base64url(&[0xfb, 0xff, 0xbf]), "-_-_");
    assert_eq!(base64url(&[0; 32]).len(), 43);
}

/// A task whose attempts up to `failed` have failed, the next of which is at 11:00:30 if it waits for it.
fn failing(failed: u64, phase: &str) -> TaskView {
    let error =
        |attempt| json!({"exception_class": "E", "message": "no\nluck", "attempt": attempt, "at": at("11:00:00")});
    let status = if phase == "failed" { "FAILED" } else { "READY" };
    serde_json::from_value(json!({
        "id": "0193b3a0-5c1e-7d2a-9f00-1c2d3e4f5a6b", "task": "t", "status": status, "phase": phase,
        "is_finished": status == "FAILED", "backend": "default", "queue": "default", "priority": 0, "args": {},
        "attempts": failed, "max_attempts": 12, "enqueued_at": at("11:00:00"), "return_value": null,
        "errors": (1..=failed).map(error).collect::<Vec<_>>(), "version": failed,
        "next_run_at": (phase == "retry_wait").then(|| at("11:00:30")),
    }))
    .unwrap()
}

#[test]
fn each_attempt_that_fails_while_somebody_waits_is_told_once() {
    let mut failures = Failures::before(&failing(0, "ready"));
    let mut tell = |task| failures.tell(&task, at("11:00:00"));
    assert_eq!(tell(failing(0, "ready")), "");
    let first = tell(failing(1, "retry_wait"));
    assert_eq!(first, "attempt 1 of 12 failed: E: no…; next in 30s; Ctrl-C leaves it running\n");
    assert_eq!(tell(failing(1, "ready")), "");
    let more = tell(failing(3, "retry_wait"));
    assert_eq!(more, "attempt 2 of 12 failed: E: no…\nattempt 3 of 12 failed: E: no…; next in 30s\n");
    assert_eq!(tell(failing(4, "failed")), "", "the line of the end tells the last one");
}

#[test]
fn whoever_comes_late_hears_of_the_last_failure_alone() {
    let task = failing(5, "retry_wait");
    let told = Failures::before(&task).tell(&task, at("11:00:21"));
    assert_eq!(told, "attempt 5 of 12 failed: E: no…; next in 9s; Ctrl-C leaves it running\n");
}

#[test]
fn the_page_of_a_task_tells_what_is_known_and_nothing_else() {
    let task: TaskView = serde_json::from_value(json!({
        "id": "0193b3a0-5c1e-7d2a-9f00-1c2d3e4f5a6b", "task": "mail.send", "status": "READY", "phase": "retry_wait",
        "is_finished": false, "backend": "default", "queue": "mail", "priority": 10, "args": {"to": "ann"},
        "attempts": 2, "max_attempts": 5, "enqueued_at": at("11:00:00"), "run_after": null,
        "started_at": at("11:00:01"), "last_attempted_at": at("11:30:00"), "finished_at": null,
        "worker_ids": ["w1", "w2"], "return_value": null,
        "errors": [{"exception_class": "MailError", "message": "no\nroute", "traceback": "MailError: no\ncaused by: dns\n",
            "attempt": 2, "at": at("11:30:02")}],
        "progress": {"done": 3, "total": 10}, "tags": ["a", "b"], "metadata": {}, "version": 5,
        "links": {"self": "/tasks/0193b3a0-5c1e-7d2a-9f00-1c2d3e4f5a6b"},
    }))
    .unwrap();
    let page = anstream::adapter::strip_str(&show::page(&task, at("12:00:00"))).to_string();
    let expected = "\
mail.send  0193b3a0-5c1e-7d2a-9f00-1c2d3e4f5a6b
  phase      retry_wait (READY)
  queue      mail of backend default, priority 10
  attempts   2 of 5
  enqueued   1h ago (2026-11-22T11:00:00Z)
  started    59m ago (2026-11-22T11:00:01Z)
  last tried 30m ago (2026-11-22T11:30:00Z)
  args       {\"to\":\"ann\"}
  progress   3 of 10
  tags       a, b
  worker     w2
  attempt 2, 29m ago
    MailError: no
    route
    caused by: dns
";
    assert_eq!(page, expected);
}
