//! `/queues` and `/workers`.

use serde_json::json;

use super::*;

fn names(body: &Value) -> Vec<&str> {
    body["items"].as_array().unwrap().iter().map(|queue| queue["name"].as_str().unwrap()).collect()
}

#[actix_web::test]
async fn the_queues_of_a_backend_are_those_of_its_settings_and_of_its_tasks() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    for _ in 0..3 {
        ask(&app, enqueue(r#"{"task": "add", "args": [1, 2], "run_after": "1h"}"#)).await;
    }
    let body = ask(&app, get("/queues")).await.json();
    assert_eq!(names(&body), ["default", "math"]);
    let math = &body["items"][1];
    assert_eq!(
        (&math["backend"], &math["paused"], &math["counts"]["scheduled"]),
        (&json!("default"), &json!(false), &json!(3))
    );
    assert_eq!((&math["counts"]["ready"], &math["oldest_ready_at"]), (&json!(0), &Value::Null));
    assert!(math["limits"].as_object().unwrap().values().all(Value::is_null), "{math}");
    assert_eq!(&ask(&app, get("/queues/math")).await.json(), math);
    assert_eq!(names(&ask(&app, get("/queues?backend=other")).await.json()), ["math"]);
    assert_eq!(ask(&app, get("/queues/nothing")).await.problem(), "not-found");
    assert_eq!(ask(&app, get("/queues/default?backend=other")).await.problem(), "not-found");
    assert_eq!(ask(&app, get("/queues?backend=nowhere")).await.problem(), "unknown-backend");
    assert_eq!(ask(&app, get("/queues?backend=seen")).await.problem(), "validation-failed");
}

#[actix_web::test]
async fn a_paused_queue_starts_nothing_until_it_is_resumed() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    for _ in 0..2 {
        let answer = ask(&app, post("/queues/math/pause")).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["paused"]), (200, &json!(true)), "{answer:?}");
    }
    let id = ask(&app, enqueue(r#"{"task": "add", "args": [1, 2]}"#)).await.id();
    // Another queue goes on, so the paused one had its chance.
    let other = ask(&app, enqueue(r#"{"task": "greet", "args": ["Ann"]}"#)).await.id();
    finished(&board, &other).await;
    assert_eq!(ask(&app, get(&format!("/tasks/{id}"))).await.json()["phase"], "ready");
    let queue = ask(&app, get("/queues/math")).await.json();
    assert_eq!((&queue["paused"], &queue["counts"]["ready"]), (&json!(true), &json!(1)));
    assert!(queue["oldest_ready_at"].is_string() && queue["oldest_ready_age_seconds"].as_f64() >= Some(0.0), "{queue}");
    for _ in 0..2 {
        let answer = ask(&app, post("/queues/math/resume")).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["paused"]), (200, &json!(false)));
    }
    finished(&board, &id).await;
    assert_eq!(ask(&app, post("/queues/nothing/pause")).await.problem(), "not-found");
}

#[actix_web::test]
async fn the_processes_say_what_they_run() {
    let (board, gate) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let id = ask(&app, enqueue(r#"{"task": "pass_gate"}"#)).await.id();
    let running = board.wait(id.parse().unwrap(), WaitFor::ChangeAfter(1), Duration::from_secs(10)).await.unwrap();
    let body = ask(&app, get("/workers")).await.json();
    let items = body["items"].as_array().unwrap();
    let backends: Vec<_> = items.iter().map(|process| process["backend"].as_str().unwrap()).collect();
    assert_eq!(backends, ["default", "other"]);
    let process = &items[0];
    assert_eq!(process["id"], running.job().state.worker_ids()[0].to_string());
    assert_eq!((&process["this_process"], &process["lease_held"]), (&json!(true), &json!(true)));
    assert_eq!((&process["running"][0]["id"], &process["running"][0]["task"]), (&json!(id), &json!(pass_gate::NAME)));
    assert_eq!(process["workers"], json!([{"number": 0, "alive": true, "restarts": 0, "blocked": null}]));
    assert_eq!(items[1]["running"], json!([]));
    gate.0.add_permits(1);
    finished(&board, &id).await;
    let body = ask(&app, get("/workers?backend=default")).await.json();
    assert_eq!((body["items"].as_array().unwrap().len(), &body["items"][0]["running"]), (1, &json!([])));
    assert_eq!(ask(&app, get("/workers?backend=nowhere")).await.problem(), "unknown-backend");
    assert_eq!(ask(&app, get("/workers?backend=seen")).await.problem(), "validation-failed");
}
