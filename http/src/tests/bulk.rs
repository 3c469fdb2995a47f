//! `POST /bulk`.

use serde_json::json;

use super::*;

fn bulk(body: &Value) -> TestRequest {
    post("/bulk").insert_header(("content-type", "application/json")).set_payload(body.to_string())
}

async fn fail_some<S>(app: &S, board: &Callboard, count: usize) -> Vec<String>
where
    S: Service<actix_http::Request, Response = ServiceResponse<BoxBody>, Error = Error>,
{
    let mut ids = Vec::new();
    for n in 0..count {
        let call = json!({"task": "fail", "args": ["no"], "max_attempts": 1, "tags": [format!("t{n}")]});
        let id = ask(app, enqueue(&call.to_string())).await.id();
        finished(board, &id).await;
        ids.push(id);
    }
    ids
}

#[actix_web::test]
async fn all_that_fit_run_again_by_a_task_of_its_own() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let ids = fail_some(&app, &board, 3).await;
    let answer = ask(&app, bulk(&json!({"action": "retry", "filter": {"status": "FAILED", "task": "fail"}}))).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let task = answer.json();
    assert_eq!(task["task"], "callboard.bulk");
    assert_eq!(answer.header("location"), Some(format!("/tasks/{}", answer.id()).as_str()));
    assert_eq!((&task["args"]["action"], &task["args"]["status"]), (&json!("retry"), &json!("FAILED")));
    finished(&board, &answer.id()).await;
    let done = ask(&app, get(&format!("/tasks/{}", answer.id()))).await.json();
    assert_eq!(done["return_value"], json!({"matched": 3, "done": 3, "skipped": {}}), "{done}");
    assert_eq!(done["progress"], json!({"done": 3, "total": 3}));
    for id in ids {
        finished(&board, &id).await;
        assert_eq!(ask(&app, get(&format!("/tasks/{id}"))).await.json()["attempts"], 2);
    }
}

#[actix_web::test]
async fn a_dry_run_counts_and_changes_nothing() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let ids = fail_some(&app, &board, 2).await;
    for (filter, matched) in [
        (json!({"phase": "failed"}), 2),
        (json!({"phase": "failed", "tag": "t1"}), 1),
        (json!({"phase": "failed", "since": "2100-01-01T00:00:00Z"}), 0),
        (json!({"phase": "failed", "until": "2100-01-01T00:00:00Z", "queue": null}), 2),
        (json!({"phase": "failed", "backend": "other"}), 0),
    ] {
        let answer = ask(&app, bulk(&json!({"action": "delete", "filter": filter, "dry_run": true}))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json(), json!({"action": "delete", "matched": matched, "complete": true}), "{filter}");
    }
    for id in ids {
        assert_eq!(ask(&app, get(&format!("/tasks/{id}"))).await.status, 200);
    }
    assert_eq!(ask(&app, get("/tasks?task=callboard.bulk")).await.json()["items"], json!([]));
}

#[actix_web::test]
async fn everything_goes_only_if_that_is_said() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let ids = fail_some(&app, &board, 2).await;
    for filter in [json!({}), json!({"backend": "default"}), json!({"status": null})] {
        let answer = ask(&app, bulk(&json!({"action": "delete", "filter": filter}))).await;
        assert_eq!((answer.status.as_u16(), answer.pointers()), (422, vec!["#/filter".to_owned()]), "{filter}");
        assert!(answer.json()["detail"].as_str().unwrap().contains(r#""all": true"#), "{answer:?}");
    }
    let answer = ask(&app, bulk(&json!({"action": "delete", "filter": {}, "all": true}))).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    finished(&board, &answer.id()).await;
    for id in ids {
        assert_ne!(ask(&app, get(&format!("/tasks/{id}"))).await.status, 200);
    }
    assert_eq!(ask(&app, get(&format!("/tasks/{}", answer.id()))).await.json()["status"], "SUCCESSFUL");
}

#[actix_web::test]
async fn what_is_wrong_is_named_and_nothing_is_enqueued() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    for (body, pointers, fix) in [
        (json!({}), &["#/action", "#/filter"][..], ""),
        (json!({"action": "redo", "filter": {"status": "FAILED"}}), &["#/action"], "retry, cancel and delete"),
        (json!({"action": "retry", "filter": "FAILED"}), &["#/filter"], "give an object"),
        (json!({"action": "retry", "filter": {"status": "RUNNING"}}), &["#/filter/status"], "SUCCESSFUL or FAILED"),
        (json!({"action": "retry", "filter": {"queue": "math"}}), &["#/filter/status"], "SUCCESSFUL or FAILED"),
        (json!({"action": "cancel", "filter": {"phase": "failed"}}), &["#/filter/phase"], "give one of scheduled"),
        (json!({"action": "delete", "filter": {"status": "failed"}}), &["#/filter/status"], "FAILED"),
        (json!({"action": "delete", "filter": {"stauts": "FAILED"}}), &["#/filter/stauts"], "\"status\""),
        (json!({"action": "delete", "filter": {"limit": 3}}), &["#/filter/limit"], "there are status"),
        (json!({"action": "delete", "filter": {"task": "gret"}}), &["#/filter/task"], "did you mean"),
        (json!({"action": "delete", "filter": {"since": "today"}}), &["#/filter/since"], "2026-11-22T10:00:00Z"),
        (json!({"action": "delete", "filter": {"queue": "a b"}}), &["#/filter/queue"], ""),
        (json!({"action": "delete", "filter": {"queue": "a"}, "all": true}), &["#/all"], "leave out"),
        (json!({"action": "delete", "filter": {"queue": "a"}, "dry_run": "yes"}), &["#/dry_run"], "true or false"),
        (json!({"action": "delete", "filter": {"queue": "a"}, "dryrun": true}), &["#/dryrun"], "\"dry_run\""),
        (
            json!({"action": "delete", "filter": {"phase": "gone", "tag": 7}, "all": 1}),
            &["#/all", "#/filter/phase", "#/filter/tag"],
            "",
        ),
    ] {
        let answer = ask(&app, bulk(&body)).await;
        assert_eq!((answer.status.as_u16(), answer.pointers().as_slice()), (422, &strings(pointers)[..]), "{body}");
        let text = answer.json()["errors"].to_string().replace("\\\"", "\"");
        assert!(text.contains(fix), "{body}: {text}");
    }
    let answer = ask(&app, bulk(&json!({"action": "retry", "filter": {"status": "FAILED", "backend": "no"}}))).await;
    assert_eq!(answer.problem(), "unknown-backend");
    let answer = ask(&app, bulk(&json!({"action": "retry", "filter": {"status": "FAILED", "backend": "now"}}))).await;
    assert_eq!(answer.problem(), "validation-failed");
    assert_eq!(ask(&app, post("/bulk").set_payload("{}")).await.problem(), "unsupported-media-type");
    assert_eq!(ask(&app, bulk(&json!([])).uri("/bulk?action=retry")).await.problem(), "invalid-parameter");
    assert_eq!(ask(&app, get("/tasks?task=callboard.bulk")).await.json()["items"], json!([]));
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

#[actix_web::test]
async fn its_task_is_not_to_be_enqueued_by_name() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let call = r#"{"task": "callboard.bulk", "args": {"action": "delete"}}"#;
    assert_eq!(ask(&app, enqueue(call)).await.problem(), "unknown-task");
    assert!(!ask(&app, get("/registry")).await.json().to_string().contains("callboard.bulk"));
}

#[actix_web::test]
async fn only_who_may_change_tasks_may_change_many() {
    let (board, _) = board().await;
    let (reads, reader) = super::tokens::token("readread", &["tasks:read", "tasks:enqueue"]);
    let (writes, writer) = super::tokens::token("writewri", &["tasks:write"]);
    let app = serve(&board, HttpConfig { tokens: vec![reader, writer], ..HttpConfig::default() }).await;
    let body = json!({"action": "retry", "filter": {"status": "FAILED"}, "dry_run": true});
    assert_eq!(ask(&app, super::tokens::with(bulk(&body), &reads)).await.problem(), "insufficient-scope");
    assert_eq!(ask(&app, super::tokens::with(bulk(&body), &writes)).await.status, 200);
    let app = serve(&board, HttpConfig { read_only: true, ..HttpConfig::default() }).await;
    assert_eq!(ask(&app, bulk(&body)).await.problem(), "read-only");
}
