//! `PATCH`, `DELETE` and `POST .../run-now`.

use serde_json::json;

use super::*;

const LATER: &str = r#"{"task": "add", "args": [1, 2], "run_after": "1h"}"#;

fn patch(id: &str, body: &str) -> TestRequest {
    let request = local(TestRequest::patch().uri(&format!("/tasks/{id}")));
    request.insert_header(("content-type", "application/json")).set_payload(body.to_owned())
}

fn delete(id: &str) -> TestRequest {
    local(TestRequest::delete().uri(&format!("/tasks/{id}")))
}

#[actix_web::test]
async fn a_waiting_task_is_changed_and_its_version_grows() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let id = ask(&app, enqueue(LATER)).await.id();
    let body = r#"{"run_after": "2999-01-01T00:00:00Z", "priority": -7, "queue": "default", "max_attempts": 3}"#;
    let answer = ask(&app, patch(&id, body)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let task = answer.json();
    assert_eq!(task["run_after"], "2999-01-01T00:00:00.000000Z");
    assert_eq!((&task["priority"], &task["queue"], &task["max_attempts"]), (&json!(-7), &json!("default"), &json!(3)));
    assert!(task["version"].as_u64() > Some(1), "{task}");
    assert_eq!(answer.header("etag"), Some(format!("\"{}\"", task["version"]).as_str()));
    assert_eq!(ask(&app, get(&format!("/tasks/{id}"))).await.json(), task);
}

#[actix_web::test]
async fn a_task_whose_time_is_taken_away_runs_at_once() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let id = ask(&app, enqueue(LATER)).await.id();
    assert_eq!(ask(&app, patch(&id, r#"{"run_after": null}"#)).await.status, 200);
    finished(&board, &id).await;
}

#[actix_web::test]
async fn a_change_of_what_has_changed_meanwhile_is_refused() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let id = ask(&app, enqueue(LATER)).await.id();
    for tag in ["\"2\"", "W/\"1\"", "1", "nonsense", ""] {
        let answer = ask(&app, patch(&id, r#"{"priority": 1}"#).insert_header(("if-match", tag))).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (412, "precondition-failed"), "{tag}");
    }
    assert_eq!(ask(&app, get(&format!("/tasks/{id}"))).await.json()["priority"], 0);
    for tag in ["\"9\", \"1\"", "*"] {
        let answer = ask(&app, patch(&id, r#"{"priority": 1}"#).insert_header(("if-match", tag))).await;
        assert_eq!(answer.status, 200, "{tag}: {answer:?}");
    }
}

#[actix_web::test]
async fn a_wrong_change_names_its_member_and_changes_nothing() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let id = ask(&app, enqueue(LATER)).await.id();
    for (body, pointer) in [
        (r#"{"priority": 101}"#, "#/priority"),
        (r#"{"run_after": "soon"}"#, "#/run_after"),
        (r#"{"run_after": 5}"#, "#/run_after"),
        (r#"{"max_attempts": 0}"#, "#/max_attempts"),
        (r#"{"queue": "a b"}"#, "#/queue"),
        (r#"{"queue": "elsewhere"}"#, "#/queue"),
        (r#"{"task": "greet"}"#, "#/task"),
        (r#"{"priority": null}"#, "#/priority"),
        (r#"{"queue": null, "run_after": null}"#, "#/queue"),
        ("{}", "#"),
        ("[]", "#"),
    ] {
        let answer = ask(&app, patch(&id, body)).await;
        assert_eq!((answer.status.as_u16(), answer.pointers()), (422, vec![pointer.to_owned()]), "{body}");
    }
    assert_eq!(ask(&app, patch(&id, "{")).await.problem(), "malformed-json");
    assert_eq!(ask(&app, get(&format!("/tasks/{id}"))).await.json()["version"], 1);
}

#[actix_web::test]
async fn a_running_or_finished_task_is_not_changed() {
    let (board, gate) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let id = ask(&app, enqueue(r#"{"task": "pass_gate"}"#)).await.id();
    board.wait(id.parse().unwrap(), WaitFor::ChangeAfter(1), Duration::from_secs(10)).await.unwrap();
    for _ in 0..2 {
        for request in [patch(&id, r#"{"priority": 1}"#), post(&format!("/tasks/{id}/run-now"))] {
            assert_eq!(ask(&app, request).await.problem(), "invalid-transition");
        }
        gate.0.add_permits(1);
        finished(&board, &id).await;
    }
}

#[actix_web::test]
async fn a_scheduled_task_can_be_run_now() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let id = ask(&app, enqueue(LATER)).await.id();
    assert_eq!(ask(&app, post(&format!("/tasks/{id}/run-now"))).await.status, 200);
    finished(&board, &id).await;
    assert_eq!(ask(&app, get(&format!("/tasks/{id}/result"))).await.body, b"3");
}

#[actix_web::test]
async fn a_task_that_does_not_run_can_be_removed() {
    let (board, gate) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let waiting = ask(&app, enqueue(LATER)).await.id();
    let answer = ask(&app, delete(&waiting)).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0));
    assert!([404, 410].contains(&ask(&app, get(&format!("/tasks/{waiting}"))).await.status.as_u16()));
    assert!([404, 410].contains(&ask(&app, delete(&waiting)).await.status.as_u16()));

    let id = ask(&app, enqueue(r#"{"task": "pass_gate"}"#)).await.id();
    board.wait(id.parse().unwrap(), WaitFor::ChangeAfter(1), Duration::from_secs(10)).await.unwrap();
    let answer = ask(&app, delete(&id)).await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (409, "invalid-transition"));
    gate.0.add_permits(1);
    finished(&board, &id).await;
    assert_eq!(ask(&app, delete(&id)).await.status, 204);
}
