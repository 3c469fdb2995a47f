//! `POST /enqueue`.

use super::*;

#[actix_web::test]
async fn a_call_is_accepted_with_its_task_and_place() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let answer = ask(
        &app,
        enqueue(
            r#"{"task": "add", "args": {"a": 2, "b": 3}, "backend": "default", "queue": "math", "priority": 10,
                "run_after": "1h", "max_attempts": 5, "timeout_ms": 30000, "expires_at": null,
                "tags": ["signup"], "metadata": {"source": "form"}}"#,
        ),
    )
    .await;

    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let task = answer.json();
    let id = task["id"].as_str().unwrap();
    assert_eq!(answer.header("location"), Some(format!("/tasks/{id}").as_str()));
    let expected = serde_json::json!({
        "id": id, "task": add::NAME, "status": "READY", "phase": "scheduled", "is_finished": false,
        "backend": "default", "queue": "math", "priority": 10, "args": {"a": 2, "b": 3},
        "attempts": 0, "max_attempts": 5,
        "enqueued_at": task["enqueued_at"], "run_after": task["run_after"], "next_run_at": null,
        "started_at": null, "last_attempted_at": null, "finished_at": null, "worker_ids": [],
        "return_value": null, "errors": [], "progress": null, "tags": ["signup"],
        "metadata": {"source": "form"}, "version": 1,
        "links": {
            "self": format!("/tasks/{id}"), "events": format!("/tasks/{id}/events"),
            "cancel": format!("/tasks/{id}/cancel"),
        },
    });
    assert_eq!(task, expected);
    let job = board.get(id.parse().unwrap()).await.unwrap();
    assert_eq!(job.job().spec.timeout, Some(Duration::from_secs(30)));
    let pause = job.job().spec.run_after.unwrap().duration_since(job.enqueued_at());
    assert_eq!(pause.as_secs(), 3600);
}

#[actix_web::test]
async fn times_are_written_in_utc_with_a_z() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let answer =
        ask(&app, enqueue(r#"{"task": "add", "args": [1, 2], "run_after": "2999-01-01T02:00:00+02:00"}"#)).await;
    assert_eq!(answer.json()["run_after"], "2999-01-01T00:00:00.000000Z");
    let enqueued_at = answer.json()["enqueued_at"].as_str().unwrap().to_owned();
    assert!(enqueued_at.ends_with('Z') && enqueued_at.len() == "2999-01-01T00:00:00.000000Z".len(), "{enqueued_at}");
}

#[actix_web::test]
async fn a_body_that_is_no_object_is_refused_in_words() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    for body in ["[]", "7", "null", "\"add\""] {
        let answer = ask(&app, enqueue(body)).await;
        assert_eq!(answer.problem(), "validation-failed", "{body}");
        assert_eq!(answer.json()["detail"], "the body must be a JSON object", "{body}");
    }
}

#[actix_web::test]
async fn arguments_by_position_become_arguments_by_name() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let answer = ask(&app, enqueue(r#"{"task": "greet", "args": ["Ann"]}"#)).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(answer.json()["args"], serde_json::json!({"name": "Ann", "word": "hello"}));
}

#[actix_web::test]
async fn a_task_is_known_by_its_full_and_by_its_bare_name() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    for name in ["add", add::NAME] {
        let answer = ask(&app, enqueue(&format!(r#"{{"task": "{name}", "args": [1, 2]}}"#))).await;
        assert_eq!(answer.json()["task"], add::NAME);
    }
}

#[actix_web::test]
async fn an_immediate_backend_answers_with_the_end() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let answer = ask(&app, enqueue(r#"{"task": "add", "args": [2, 3], "backend": "now"}"#)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["return_value"], 5);
    assert!(answer.header("location").is_some());
    assert_eq!(answer.header("preference-applied"), None);
}

#[actix_web::test]
async fn a_client_that_prefers_to_wait_gets_the_end_if_it_comes_in_time() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let answer = ask(&app, enqueue(r#"{"task": "add", "args": [2, 3]}"#).insert_header(("prefer", "wait=20"))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["status"], "SUCCESSFUL");
    assert_eq!(answer.header("preference-applied"), Some("wait=20"));
}

#[actix_web::test]
async fn a_client_that_has_waited_in_vain_gets_202() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let answer = ask(&app, enqueue(r#"{"task": "pass_gate"}"#).insert_header(("prefer", "wait=1"))).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(answer.header("preference-applied"), None);
}

#[actix_web::test]
async fn a_failed_task_is_an_answer_and_no_error() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let answer = ask(&app, enqueue(r#"{"task": "fail", "args": ["out of ink"], "backend": "now"}"#)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["status"], "FAILED");
    assert_eq!(answer.json()["errors"][0]["message"], "out of ink");
}

#[actix_web::test]
async fn an_unknown_task_is_refused_with_names_like_it() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let answer = ask(&app, enqueue(r#"{"task": "gret"}"#)).await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (422, "unknown-task"));
    assert_eq!(answer.json()["did_you_mean"][0], greet::NAME);
}

#[actix_web::test]
async fn a_task_that_is_closed_to_http_is_as_unknown() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    for body in [
        r#"{"task": "only_inside", "args": [1]}"#.to_owned(),
        format!(r#"{{"task": "{}", "args": [1]}}"#, only_inside::NAME),
        // Wrong arguments would tell that it exists.
        r#"{"task": "only_inside", "args": {"wrong": 1}}"#.to_owned(),
        r#"{"task": "only_insid", "args": [1]}"#.to_owned(),
    ] {
        let answer = ask(&app, enqueue(&body)).await;
        assert_eq!(answer.problem(), "unknown-task", "{body}");
        assert!(!answer.json()["did_you_mean"].to_string().contains("only_inside"), "{body}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("secret"), "{body}");
    }
}

#[actix_web::test]
async fn all_mistakes_are_reported_together() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let answer = ask(
        &app,
        enqueue(
            r#"{"task": "add", "args": {"a": "two"}, "priority": 101, "queu": "math", "run_after": "soon",
                "max_attempts": 0, "timeout_ms": 0.5, "tags": ["a b"], "metadata": [], "priority": 1,
                "unique": 7, "limit_key": 7}"#,
        ),
    )
    .await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (422, "validation-failed"));
    let pointers = answer.pointers();
    for pointer in [
        "#/queu",
        "#/priority",
        "#/run_after",
        "#/max_attempts",
        "#/timeout_ms",
        "#/tags/0",
        "#/metadata",
        "#/unique",
        "#/limit_key",
        "#/args/a",
        "#/args/b",
    ] {
        assert!(pointers.iter().any(|p| p == pointer), "{pointer} in {}", answer.json());
    }
    let text = answer.json().to_string();
    assert!(text.contains("did you mean \\\"queue\\\"?"), "{text}");
    assert!(text.contains("is given twice"), "{text}");
}

#[actix_web::test]
async fn single_mistakes_have_their_kind_and_pointer() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let deep = format!(r#"{{"task": "greet", "args": {}{}}}"#, "[".repeat(70), "]".repeat(70));
    let large = format!(r#"{{"task": "greet", "args": ["{}"]}}"#, "x".repeat(256 * 1024));
    for (body, slug, pointer) in [
        ("{}", "validation-failed", "#/task"),
        ("[]", "validation-failed", "#"),
        (r#"{"task": null}"#, "validation-failed", "#/task"),
        (r#"{"task": 7}"#, "validation-failed", "#/task"),
        (r#"{"task": "a b"}"#, "validation-failed", "#/task"),
        (r#"{"task": "add", "args": 5}"#, "validation-failed", "#/args"),
        (r#"{"task": "add", "args": [1]}"#, "validation-failed", "#/args/b"),
        (r#"{"task": "add", "args": [1, 2], "queue": "other"}"#, "queue-not-allowed", "#/queue"),
        (r#"{"task": "add", "args": [1, 2], "priority": 1.5}"#, "validation-failed", "#/priority"),
        (r#"{"task": "add", "args": [1, 2], "expires_at": "yesterday"}"#, "validation-failed", "#/expires_at"),
        (r#"{"task": "add", "task": "add", "args": [1, 2]}"#, "validation-failed", "#/task"),
        (r#"{"task": "add", "args": [1, 2], "a/b~": 1}"#, "validation-failed", "#/a~1b~0"),
        (&deep, "validation-failed", "#/args"),
        (&large, "validation-failed", "#/args"),
    ] {
        let answer = ask(&app, enqueue(body)).await;
        let shown = &body[..body.len().min(80)];
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (422, slug), "{shown} {}", answer.json());
        assert_eq!(answer.pointers(), [pointer], "{shown}");
    }
}

#[actix_web::test]
async fn an_unknown_backend_is_refused() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let answer = ask(&app, enqueue(r#"{"task": "add", "args": [1, 2], "backend": "elsewhere"}"#)).await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (422, "unknown-backend"));
}

#[actix_web::test]
async fn what_is_not_json_is_refused_with_the_place() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let nested = format!(r#"{{"task": "add", "args": {}"#, "[".repeat(1_000_000));
    for body in [r#"{"task": }"#, "", "nonsense", r#"{"task": "add"} x"#, r#"{"task": "add""#, &nested] {
        let answer = ask(&app, enqueue(body)).await;
        let shown = &body[..body.len().min(20)];
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (400, "malformed-json"), "{shown}");
        assert!(answer.json()["detail"].as_str().unwrap().contains("line 1 column"), "{}", answer.json());
    }
    let not_utf8 = enqueue("").set_payload(b"{\"task\": \"\xff\"}".to_vec());
    assert_eq!(ask(&app, not_utf8).await.problem(), "malformed-json");
}

#[actix_web::test]
async fn only_json_in_utf_8_is_taken() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let body = r#"{"task": "add", "args": [1, 2]}"#;
    let typed = |kind: &str| post("/enqueue").insert_header(("content-type", kind)).set_payload(body.to_owned());
    for kind in ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=\"UTF-8\""] {
        assert_eq!(ask(&app, typed(kind)).await.status, 202, "{kind}");
    }
    for kind in
        ["text/plain", "application/json; charset=latin1", "application/x-www-form-urlencoded", "application/jsonx"]
    {
        let answer = ask(&app, typed(kind)).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (415, "unsupported-media-type"), "{kind}");
        assert_eq!(answer.header("accept"), Some("application/json"));
    }
    assert_eq!(ask(&app, post("/enqueue").set_payload(body.to_owned())).await.status, 415);
    let packed = enqueue(body).insert_header(("content-encoding", "gzip"));
    assert_eq!(ask(&app, packed).await.status, 415);
}

#[actix_web::test]
async fn a_body_that_is_too_large_is_refused() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let answer = ask(&app, enqueue(&" ".repeat(1024 * 1024 + 1))).await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (413, "payload-too-large"));
    // Also one that only says that it will be.
    let answer = ask(&app, enqueue("{}").insert_header(("content-length", "99999999"))).await;
    assert_eq!(answer.problem(), "payload-too-large");
}

#[actix_web::test]
async fn the_trace_of_the_request_is_continued() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let body = r#"{"task": "add", "args": [1, 2], "run_after": "1h"}"#;
    let board = &board;
    let stored =
        |id: String| async move { board.get(id.parse().unwrap()).await.unwrap().job().spec.traceparent.clone() };
    let answer = ask(&app, enqueue(body).insert_header(("traceparent", trace))).await;
    assert_eq!(stored(answer.id()).await.as_deref(), Some(trace));
    let answer = ask(&app, enqueue(body).insert_header(("traceparent", "nonsense"))).await;
    assert_eq!(stored(answer.id()).await, None);
}

#[actix_web::test]
async fn a_board_that_shuts_down_takes_nothing_new() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    board.shutdown().await;
    let answer = ask(&app, enqueue(r#"{"task": "add", "args": [1, 2]}"#)).await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (503, "draining"));
    assert!(answer.header("retry-after").is_some());
}
