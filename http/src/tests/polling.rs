//! `GET /tasks/{id}` and what can be done to one task.

use callboard_tasks::Phase;

use super::*;

/// A task that waits for an hour.
const LATER: &str = r#"{"task": "add", "args": [1, 2], "run_after": "1h"}"#;

#[actix_web::test]
async fn a_task_is_found_with_its_version_as_tag() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let id = ask(&app, enqueue(LATER)).await.id();
    let answer = ask(&app, get(&format!("/tasks/{id}"))).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["id"], id);
    assert_eq!(answer.header("etag"), Some("\"1\""));
    assert_eq!(answer.header("cache-control"), Some("private, no-cache"));
    assert_eq!(answer.header("vary"), Some("Authorization, Prefer"));
    assert_eq!(answer.header("retry-after"), Some("60"));
}

#[actix_web::test]
async fn a_client_that_has_the_version_gets_304() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let id = ask(&app, enqueue(LATER)).await.id();
    let path = format!("/tasks/{id}");
    for known in ["\"1\"", "W/\"1\"", "\"7\", \"1\"", "*"] {
        let answer = ask(&app, get(&path).insert_header(("if-none-match", known))).await;
        assert_eq!(answer.status, 304, "{known}");
        assert_eq!(answer.header("etag"), Some("\"1\""));
        assert!(answer.body.is_empty());
        assert!(answer.header("x-request-id").is_some() && answer.header("cache-control").is_some());
    }
    for other in ["\"2\"", "1", "\"11\"", "nonsense"] {
        let answer = ask(&app, get(&path).insert_header(("if-none-match", other))).await;
        assert_eq!(answer.status, 200, "{other}");
    }
}

#[actix_web::test]
async fn a_poll_holds_until_the_task_has_finished() {
    let (board, gate) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    for wish in ["query", "preference"] {
        let id = ask(&app, enqueue(r#"{"task": "pass_gate"}"#)).await.id();
        let request = match wish {
            "query" => get(&format!("/tasks/{id}?wait=25")),
            _ => get(&format!("/tasks/{id}")).insert_header(("prefer", "respond-async, wait=99; x=y")),
        };
        let poll = ask(&app, request);
        let open = async {
            let id = id.parse().unwrap();
            // The gate opens only once the task runs, so the poll has begun before the end.
            board.wait(id, WaitFor::ChangeAfter(1), Duration::from_secs(10)).await.unwrap();
            gate.0.add_permits(1);
        };
        let (answer, ()) = futures::join!(poll, open);
        assert_eq!(answer.json()["status"], "SUCCESSFUL", "{wish}");
        assert_eq!(answer.header("retry-after"), None);
        let applied = (wish == "preference").then_some("wait=30");
        assert_eq!(answer.header("preference-applied"), applied, "{wish}");
    }
}

#[actix_web::test]
async fn a_poll_with_a_version_holds_until_the_next_change() {
    let (board, gate) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let id = ask(&app, enqueue(r#"{"task": "pass_gate"}"#)).await.id();
    let path = format!("/tasks/{id}?wait=25");

    let answer = ask(&app, get(&path).insert_header(("if-none-match", "\"1\""))).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["status"]), (200, &Value::from("RUNNING")));

    // A client that is behind gets the present state at once, though the task runs on.
    let answer = ask(&app, get(&path).insert_header(("if-none-match", "\"1\""))).await;
    assert_eq!(answer.json()["status"], "RUNNING");

    let tag = answer.header("etag").unwrap().to_owned();
    gate.0.add_permits(1);
    let answer = ask(&app, get(&path).insert_header(("if-none-match", tag))).await;
    assert_eq!(answer.json()["status"], "SUCCESSFUL");

    // Nothing will change any more, so there is nothing to wait for.
    let tag = answer.header("etag").unwrap().to_owned();
    assert_eq!(ask(&app, get(&path).insert_header(("if-none-match", tag))).await.status, 304);
}

#[actix_web::test]
async fn a_poll_past_its_time_gives_the_task_as_it_stands() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let id = ask(&app, enqueue(LATER)).await.id();
    let path = format!("/tasks/{id}?wait=1");
    let (plain, tagged) =
        futures::join!(ask(&app, get(&path)), ask(&app, get(&path).insert_header(("if-none-match", "\"1\""))));
    assert_eq!((plain.status.as_u16(), tagged.status.as_u16()), (200, 304));
    assert_eq!(plain.json()["phase"], "scheduled");
}

#[actix_web::test]
async fn a_poll_ends_when_the_board_shuts_down() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let id = ask(&app, enqueue(LATER)).await.id();
    let begun = std::time::Instant::now();
    let (answer, _) = futures::join!(ask(&app, get(&format!("/tasks/{id}?wait=30"))), board.shutdown());
    assert!(begun.elapsed() < Duration::from_secs(15), "{answer:?}");
}

#[actix_web::test]
async fn a_malformed_wait_is_refused_and_a_malformed_preference_ignored() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let id = ask(&app, enqueue(LATER)).await.id();
    for wait in ["x", "-1", "1.5", "", "1s"] {
        let answer = ask(&app, get(&format!("/tasks/{id}?wait={wait}"))).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (400, "invalid-parameter"), "{wait}");
        let answer = ask(&app, get(&format!("/tasks/{id}")).insert_header(("prefer", format!("wait={wait}")))).await;
        assert_eq!(answer.status, 200, "{wait}");
    }
    let answer = ask(&app, get(&format!("/tasks/{id}?wait=1&wait=2"))).await;
    assert_eq!(answer.problem(), "invalid-parameter");
    let answer = ask(&app, get(&format!("/tasks/{id}?wiat=1"))).await;
    assert!(answer.json()["detail"].as_str().unwrap().contains("did you mean \"wait\"?"), "{}", answer.json());
}

#[actix_web::test]
async fn ids_that_are_none_and_ids_that_are_unknown_differ() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    for id in ["7", "0193b3a05c1e7d2a9f001c2d3e4f5a6b", "0193b3a0-5c1e-7d2a-9f00-1c2d3e4f5a6bx", "%00", "..%2f"] {
        let answer = ask(&app, get(&format!("/tasks/{id}"))).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (400, "invalid-parameter"), "{id}");
    }
    let answer = ask(&app, get("/tasks/0193b3a0-5c1e-7d2a-9f00-1c2d3e4f5a6b")).await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (404, "not-found"));
}

#[actix_web::test]
async fn an_id_is_looked_up_in_all_backends() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let id = ask(&app, enqueue(r#"{"task": "add", "args": [1, 2], "backend": "seen"}"#)).await.id();
    let answer = ask(&app, get(&format!("/tasks/{id}"))).await;
    assert_eq!(answer.json()["backend"], "seen", "{answer:?}");
}

#[actix_web::test]
async fn a_result_is_the_bare_return_value() {
    let (board, gate) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let id = ask(&app, enqueue(r#"{"task": "add", "args": [20, 22]}"#)).await.id();
    finished(&board, &id).await;
    let answer = ask(&app, get(&format!("/tasks/{id}/result"))).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_slice()), (200, b"42".as_slice()));

    let id = ask(&app, enqueue(r#"{"task": "pass_gate"}"#)).await.id();
    let answer = ask(&app, get(&format!("/tasks/{id}/result"))).await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.header("retry-after"), Some("1"));
    gate.0.add_permits(1);

    let id = ask(&app, enqueue(r#"{"task": "fail", "args": ["no"]}"#)).await.id();
    finished(&board, &id).await;
    let answer = ask(&app, get(&format!("/tasks/{id}/result"))).await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (409, "task-failed"));
}

#[actix_web::test]
async fn a_waiting_task_is_cancelled_and_a_running_one_is_asked() {
    let (board, gate) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let id = ask(&app, enqueue(LATER)).await.id();
    let cancel = |id: &str| post(&format!("/tasks/{id}/cancel"));
    let answer = ask(&app, cancel(&id)).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["phase"]), (200, &Value::from("cancelled")));
    let answer = ask(&app, cancel(&id)).await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (409, "invalid-transition"));

    let id = ask(&app, enqueue(r#"{"task": "pass_gate"}"#)).await.id();
    board.wait(id.parse().unwrap(), WaitFor::ChangeAfter(1), Duration::from_secs(10)).await.unwrap();
    let answer = ask(&app, cancel(&id)).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["phase"]), (202, &Value::from("cancelling")));
    assert!(answer.header("retry-after").is_some());
    finished(&board, &id).await;
    assert_eq!(ask(&app, get(&format!("/tasks/{id}"))).await.json()["phase"], "cancelled");
    drop(gate);
}

#[actix_web::test]
async fn a_finished_task_runs_again_under_its_id() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let id = ask(&app, enqueue(r#"{"task": "fail", "args": ["no"]}"#)).await.id();
    finished(&board, &id).await;
    let answer = ask(&app, post(&format!("/tasks/{id}/retry"))).await;
    assert_eq!((answer.status.as_u16(), answer.id()), (202, id.clone()));
    finished(&board, &id).await;
    let answer = ask(&app, get(&format!("/tasks/{id}"))).await;
    assert_eq!(answer.json()["errors"].as_array().unwrap().len(), 2);

    let waiting = ask(&app, enqueue(LATER)).await.id();
    assert_eq!(ask(&app, post(&format!("/tasks/{waiting}/retry"))).await.problem(), "invalid-transition");
}

#[actix_web::test]
async fn a_task_that_waits_for_its_next_attempt_says_when_that_is() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let call = board.call_named(stumble::NAME, "{}").await.unwrap();
    let mut job = board.try_enqueue_any(call).await.unwrap();
    let id = job.id();
    while job.job().state.phase != Phase::RetryWait {
        let version = job.job().state.version;
        job = board.wait(id, WaitFor::ChangeAfter(version), Duration::from_secs(10)).await.unwrap();
    }
    let due = job.job().state.next_run_at.unwrap();
    let task = ask(&app, get(&format!("/tasks/{id}"))).await.json();
    assert_eq!((&task["phase"], &task["run_after"]), (&Value::from("retry_wait"), &Value::Null));
    assert_eq!(task["next_run_at"], format!("{due:.6}"));

    let cancelled = ask(&app, post(&format!("/tasks/{id}/cancel"))).await;
    assert_eq!((cancelled.status.as_u16(), &cancelled.json()["next_run_at"]), (200, &Value::Null));
}

#[actix_web::test]
async fn tracebacks_are_for_this_machine() {
    let (board, _) = board().await;
    let open = serve(&board, HttpConfig::default()).await;
    let mounted = HttpConfig { guard: crate::Guard::Application, ..HttpConfig::default() };
    let mounted = serve(&board, mounted).await;
    let id = ask(&open, enqueue(r#"{"task": "fail", "args": ["no"]}"#)).await.id();
    finished(&board, &id).await;
    let path = format!("/tasks/{id}");
    assert!(ask(&open, get(&path)).await.json()["errors"][0]["traceback"].is_string());
    let error = &ask(&mounted, get(&path)).await.json()["errors"][0];
    assert!(error.get("traceback").is_none() && error["message"] == "no", "{error}");
}
