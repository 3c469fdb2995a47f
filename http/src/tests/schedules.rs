//! `GET /schedules` and what can be done with one.

use callboard_tasks::Schedule;
use serde_json::json;

use super::tokens::{token, with};
use super::*;

pub(super) async fn board_with_schedules() -> Callboard {
    let (board, _) = board().await;
    let nightly = Schedule::cron("30 2 * * *", add::with(1, 2).queue("math").priority(3)).unwrap().name("nightly");
    board.set_schedule(nightly.timezone("Europe/Berlin").unwrap()).await.unwrap();
    let other = Schedule::cron("@hourly", add::with(3, 4).queue("math").backend("other")).unwrap().name("hourly");
    board.set_schedule(other).await.unwrap();
    board
}

#[actix_web::test]
async fn schedules_are_listed_with_their_next_five_times() {
    let board = board_with_schedules().await;
    let app = serve(&board, HttpConfig::default()).await;
    let answer = ask(&app, get("/schedules")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let list = answer.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    let nightly = &list["items"][0];
    for (member, value) in [
        ("name", json!("nightly")),
        ("backend", json!("default")),
        ("cron", json!("30 2 * * *")),
        ("timezone", json!("Europe/Berlin")),
        ("missed", json!("one")),
        ("args", json!({"a": 1, "b": 2})),
        ("queue", json!("math")),
        ("priority", json!(3)),
        ("declared", json!(false)),
        ("paused", json!(false)),
        ("last_tick", json!(null)),
        ("problem", json!(null)),
    ] {
        assert_eq!(nightly[member], value, "{member}: {nightly}");
    }
    assert!(nightly["task"].as_str().unwrap().ends_with(".add"), "{nightly}");
    assert!(nightly["description"].as_str().unwrap().contains("02:30"), "{nightly}");
    let next: Vec<&str> = nightly["next"].as_array().unwrap().iter().map(|at| at.as_str().unwrap()).collect();
    assert!(next.len() == 5 && next.is_sorted(), "{next:?}");
    assert!(next.iter().all(|at| at.ends_with(":30:00.000000Z")), "{next:?}");
    assert_eq!(nightly["links"]["run"], "/schedules/nightly/run");

    let others = ask(&app, get("/schedules?backend=other")).await.json();
    assert_eq!(others["items"].as_array().unwrap().len(), 1);
    assert_eq!(others["items"][0]["name"], "hourly");
    assert_eq!(ask(&app, get("/schedules?backend=nowhere")).await.problem(), "invalid-parameter");
}

#[actix_web::test]
async fn a_schedule_is_paused_resumed_and_run() {
    let board = board_with_schedules().await;
    let app = serve(&board, HttpConfig::default()).await;
    for (verb, paused) in [("pause", true), ("pause", true), ("resume", false), ("resume", false)] {
        let answer = ask(&app, post(&format!("/schedules/nightly/{verb}"))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!((&answer.json()["name"], &answer.json()["paused"]), (&json!("nightly"), &json!(paused)));
    }
    let answer = ask(&app, post("/schedules/nightly/run")).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let id = answer.id();
    assert_eq!(answer.header("location"), Some(format!("/tasks/{id}").as_str()));
    let task = answer.json();
    assert_eq!(task["tags"], json!(["schedule:nightly"]));
    assert_eq!(task["metadata"]["schedule"], json!({"name": "nightly", "tick": null}));
    finished(&board, &id).await;
    assert_eq!(ask(&app, get(&format!("/tasks/{id}"))).await.json()["return_value"], 3);
}

#[actix_web::test]
async fn what_is_no_schedule_is_not_found() {
    let board = board_with_schedules().await;
    let app = serve(&board, HttpConfig::default()).await;
    for verb in ["run", "pause", "resume"] {
        let answer = ask(&app, post(&format!("/schedules/daily/{verb}"))).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (404, "not-found"), "{verb}");
        assert!(answer.json()["detail"].as_str().unwrap().contains("\"daily\""));
    }
    assert_eq!(ask(&app, get("/schedules/nightly/run")).await.problem(), "method-not-allowed");
    assert_eq!(ask(&app, post("/schedules/nightly/skip")).await.problem(), "not-found");
}

#[actix_web::test]
async fn who_reads_tasks_sees_schedules_and_who_writes_queues_changes_them() {
    let board = board_with_schedules().await;
    let (reader, may_read) = token("readerre", &["tasks:read", "tasks:write", "tasks:enqueue"]);
    let (writer, may_write) = token("writerwr", &["queues:write"]);
    let config = HttpConfig { tokens: vec![may_read, may_write], ..HttpConfig::default() };
    let app = serve(&board, config).await;
    assert_eq!(ask(&app, with(get("/schedules"), &reader)).await.status, 200);
    assert_eq!(ask(&app, with(get("/schedules"), &writer)).await.problem(), "insufficient-scope");
    for verb in ["pause", "resume", "run"] {
        let path = format!("/schedules/nightly/{verb}");
        assert_eq!(ask(&app, with(post(&path), &reader)).await.problem(), "insufficient-scope");
        assert!(ask(&app, with(post(&path), &writer)).await.status.is_success(), "{verb}");
    }
}
