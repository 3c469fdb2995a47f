//! Secrets among arguments: no answer shows them, whoever asks, and log lines are shown where they are asked for.

use std::time::Duration;

use callboard_actors::{Backend, Callboard};
use callboard_tasks::{TaskContext, task, tasks};

use super::{Answer, ask, enqueue, get, post, serve};
use crate::HttpConfig;

const CANARY: &str = "canary-5f1c";

#[task(max_attempts = 1, redact = ["pin", "customer.card"])]
async fn pay(context: TaskContext, pin: String, customer: serde_json::Value, api_key: String) -> Result<(), String> {
    context.log(format!("pin {pin}"));
    Err(format!("{pin} and {customer} and {api_key}"))
}

async fn board() -> Callboard {
    Callboard::builder().backend("default", Backend::memory()).tasks(tasks![pay]).start().await.unwrap()
}

#[track_caller]
fn shows_nothing(answer: &Answer) {
    let body = String::from_utf8_lossy(&answer.body);
    assert!(!body.contains(CANARY), "{body}");
}

#[actix_web::test]
async fn a_secret_is_shown_by_no_answer() {
    let board = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let args =
        format!(r#"{{"pin":"{CANARY}-1","customer":{{"card":"{CANARY}-2","name":"Ann"}},"api_key":"{CANARY}-3"}}"#);
    let body = |rest: &str| format!(r#"{{"task":"pay","args":{args},"metadata":{{"token":"{CANARY}-4"}}{rest}}}"#);
    let accepted = ask(&app, enqueue(&body(""))).await;
    shows_nothing(&accepted);
    let shown = accepted.json()["args"].clone();
    assert_eq!(shown, serde_json::json!({"pin": "•••", "customer": {"card": "•••", "name": "Ann"}, "api_key": "•••"}));
    let later = ask(&app, enqueue(&body(r#","run_after":"1h""#))).await;
    shows_nothing(&later);

    let id = accepted.id();
    let failed = ask(&app, get(&format!("/tasks/{id}?wait=5&logs=true"))).await;
    shows_nothing(&failed);
    assert_eq!(failed.json()["phase"], "failed", "{failed:?}");
    assert_eq!(failed.json()["logs"][0]["message"], "pin •••");
    let error = failed.json()["errors"][0].clone();
    assert!(error["message"].as_str().unwrap().starts_with("••• and {"), "{error}");
    assert!(error["traceback"].is_string(), "the traceback was looked at too: {error}");
    for answer in [
        ask(&app, get("/tasks")).await,
        ask(&app, get(&format!("/tasks/{id}/events"))).await,
        ask(&app, post(&format!("/tasks/{id}/retry"))).await,
        ask(&app, post(&format!("/tasks/{}/cancel", later.id()))).await,
        ask(
            &app,
            post("/enqueue/batch")
                .insert_header(("content-type", "application/json"))
                .set_payload(format!(r#"{{"tasks":[{}]}}"#, body(""))),
        )
        .await,
    ] {
        assert!(answer.status.is_success(), "{answer:?}");
        shows_nothing(&answer);
    }
    let stored = board.get(id.parse().unwrap()).await.unwrap();
    assert!(stored.args().to_string().contains(CANARY), "what is stored is whole");
}

#[actix_web::test]
async fn a_refusal_does_not_repeat_a_secret() {
    let app = serve(&board().await, HttpConfig::default()).await;
    let wrong = format!(r#"{{"task":"pay","args":{{"pin":["{CANARY}"],"customer":1,"api_key":{{"a":"{CANARY}"}}}}}}"#);
    let refused = ask(&app, enqueue(&wrong)).await;
    shows_nothing(&refused);
    assert_eq!(refused.pointers(), ["#/args/pin", "#/args/api_key"]);
    assert_eq!(refused.json()["errors"][0]["detail"], "does not fit its type; its value is not shown");
}

#[actix_web::test]
async fn log_lines_come_only_where_they_are_asked_for() {
    let board = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let id = ask(&app, enqueue(r#"{"task":"pay","args":["1234","x","y"]}"#)).await.id();
    let plain = ask(&app, get(&format!("/tasks/{id}?wait=5"))).await;
    assert!(plain.json().get("logs").is_none());
    assert!(ask(&app, get(&format!("/tasks/{id}?logs=false"))).await.json().get("logs").is_none());
    let line = ask(&app, get(&format!("/tasks/{id}?logs=true"))).await.json()["logs"][0].clone();
    assert_eq!((&line["attempt"], line["at"].is_string()), (&1.into(), true), "{line}");
    assert_eq!(ask(&app, get(&format!("/tasks/{id}?logs=maybe"))).await.problem(), "invalid-parameter");
}

#[task]
async fn stay(context: TaskContext) {
    context.cancelled().await;
}

#[actix_web::test]
async fn an_attempt_that_runs_for_too_long_is_a_warning_of_readiness() {
    let backend = Backend::memory().stuck_after(Duration::from_millis(20));
    let board = Callboard::builder().backend("default", backend).tasks(tasks![stay]).start().await.unwrap();
    let app = serve(&board, HttpConfig::default()).await;
    let id = ask(&app, enqueue(r#"{"task":"stay"}"#)).await.id();
    loop {
        let ready = ask(&app, get("/readyz")).await;
        assert_eq!(ready.status, 200);
        let check = &ready.json()["checks"]["attempts:default"];
        if let Some(detail) = check["detail"].as_str() {
            assert_eq!(check["status"], "warning");
            assert!(detail.contains(".stay (") && detail.contains(&id) && detail.contains(") has been running for "));
            break;
        }
        actix_web::rt::time::sleep(Duration::from_millis(5)).await;
    }
    board.cancel(id.parse().unwrap()).await.unwrap();
}
