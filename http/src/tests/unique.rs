//! What keeps a call from being enqueued twice, what limits a queue, and why a task waits.

use serde_json::json;

use super::*;

fn report(key: &str, more: &str, args: &str) -> TestRequest {
    let unique = format!(r#"{{"key": "{key}"{more}}}"#);
    enqueue(&format!(r#"{{"task": "add", "args": {args}, "run_after": "1h", "unique": {unique}}}"#))
}

#[actix_web::test]
async fn a_second_call_with_a_key_gets_the_task_of_the_first() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let first = ask(&app, report("a", "", "[1, 2]")).await;
    assert_eq!((first.status.as_u16(), first.json().get("deduplicated")), (202, None));
    let second = ask(&app, report("a", "", "[3, 4]")).await;
    assert_eq!((second.status.as_u16(), &second.json()["deduplicated"]), (200, &json!(true)), "{second:?}");
    assert_eq!((second.id(), &second.json()["args"]), (first.id(), &json!({"a": 1, "b": 2})));
    assert_eq!(second.header("location"), first.header("location"));
    assert_ne!(ask(&app, report("b", "", "[1, 2]")).await.id(), first.id());
}

#[actix_web::test]
async fn a_call_may_be_refused_or_take_over_instead() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let first = ask(&app, report("a", "", "[1, 2]")).await;
    let refused = ask(&app, report("a", r#", "on_conflict": "reject""#, "[3, 4]")).await;
    assert_eq!((refused.status.as_u16(), refused.problem().as_str()), (409, "unique-conflict"));
    assert_eq!(refused.json()["existing"], first.id());
    let replaced = ask(&app, report("a", r#", "on_conflict": "replace""#, "[3, 4]")).await;
    assert_eq!((replaced.status.as_u16(), replaced.id()), (200, first.id()));
    assert_eq!(ask(&app, get(&format!("/tasks/{}", first.id()))).await.json()["args"], json!({"a": 3, "b": 4}));
}

#[actix_web::test]
async fn what_is_wrong_with_a_key_is_named() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    for (unique, pointer) in [
        (r#""a""#, "#/unique"),
        (r#"{"key": 7}"#, "#/unique/key"),
        (r#"{"key": ""}"#, "#/unique/key"),
        (r#"{"until": "later"}"#, "#/unique/until"),
        (r#"{"for": "soon"}"#, "#/unique/for"),
        (r#"{"on_conflict": "wait"}"#, "#/unique/on_conflict"),
        (r#"{"keys": "a"}"#, "#/unique/keys"),
    ] {
        let answer = ask(&app, enqueue(&format!(r#"{{"task": "add", "args": [1, 2], "unique": {unique}}}"#))).await;
        assert_eq!((answer.status.as_u16(), answer.pointers()), (422, vec![pointer.to_owned()]), "{unique}");
    }
}

#[actix_web::test]
async fn a_request_that_comes_again_gets_its_first_answer_again() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let body = r#"{"task": "add", "args": [1, 2]}"#;
    let send = |body: &str, key: &str| enqueue(body).insert_header(("idempotency-key", key.to_owned()));
    let first = ask(&app, send(body, "a-1")).await;
    assert_eq!((first.status.as_u16(), first.header("idempotency-replayed")), (202, None));
    finished(&board, &first.id()).await;
    let again = ask(&app, send(body, "a-1")).await;
    assert_eq!((again.status.as_u16(), again.header("idempotency-replayed")), (202, Some("true")), "{again:?}");
    assert_eq!((again.id(), &again.json()["status"]), (first.id(), &json!("READY")));
    assert_ne!(ask(&app, send(body, "a-2")).await.id(), first.id());
    let other = ask(&app, send(r#"{"task": "add", "args": [1, 3]}"#, "a-1")).await;
    assert_eq!((other.status.as_u16(), other.problem().as_str()), (422, "idempotency-mismatch"));
    for wrong in ["", "a b", &"x".repeat(256)] {
        assert_eq!(ask(&app, send(body, wrong)).await.problem(), "invalid-parameter", "{wrong}");
    }
}

fn batch(key: &str, kind: &'static str, body: &str) -> TestRequest {
    let request = post("/enqueue/batch").insert_header(("content-type", kind));
    request.insert_header(("idempotency-key", key.to_owned())).set_payload(body.to_owned())
}

fn ids(answer: &Answer) -> Vec<String> {
    let body = answer.json();
    let items = body["items"].as_array().unwrap_or_else(|| panic!("no items: {body}"));
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

#[actix_web::test]
async fn a_batch_that_comes_again_gets_its_first_answer_again() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let json = r#"{"tasks": [{"task": "add", "args": [1, 2]}, {"task": "greet", "args": ["Ann"]}]}"#;
    let lines = "{\"task\": \"add\", \"args\": [1, 2]}\n{\"task\": \"greet\", \"args\": [\"Ann\"]}\n";
    for (kind, body) in [("application/json", json), ("application/x-ndjson", lines)] {
        let first = ask(&app, batch(kind, kind, body)).await;
        assert_eq!((first.status.as_u16(), first.header("idempotency-replayed")), (202, None), "{first:?}");
        for id in ids(&first) {
            finished(&board, &id).await;
        }
        let again = ask(&app, batch(kind, kind, body)).await;
        assert_eq!((again.status.as_u16(), again.header("idempotency-replayed")), (202, Some("true")), "{again:?}");
        assert_eq!((ids(&again), again.body.len()), (ids(&first), first.body.len()));
        let other = ask(&app, batch(kind, kind, &body.replace("Ann", "Bob"))).await;
        assert_eq!((other.status.as_u16(), other.problem().as_str()), (422, "idempotency-mismatch"));
    }
    let listed = ask(&app, get("/tasks?queue=math")).await.json()["items"].as_array().unwrap().len();
    assert_eq!(listed, 2, "each batch was kept once");
}

#[actix_web::test]
async fn a_call_and_a_batch_of_the_same_bytes_are_two_requests() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let call = r#"{"task": "add", "args": [1, 2]}"#;
    let first = ask(&app, enqueue(call).insert_header(("idempotency-key", "a"))).await;
    assert_eq!(first.status, 202, "{first:?}");
    assert_eq!(ask(&app, batch("a", "application/x-ndjson", call)).await.problem(), "idempotency-mismatch");
}

#[actix_web::test]
async fn a_batch_that_was_refused_has_used_up_no_key() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let held = r#"{"task": "add", "args": [1, 2], "run_after": "1h", "unique": {"key": "k", "on_conflict": "reject"}}"#;
    assert_eq!(ask(&app, enqueue(held)).await.status, 202);
    let refused = format!(r#"{{"tasks": [{{"task": "greet", "args": ["Ann"]}}, {held}]}}"#);
    assert_eq!(ask(&app, batch("a", "application/json", &refused)).await.problem(), "unique-conflict");
    let fine = r#"{"tasks": [{"task": "greet", "args": ["Ann"]}]}"#;
    assert_eq!(ask(&app, batch("a", "application/json", fine)).await.status, 202);
}

#[actix_web::test]
async fn calls_that_stand_each_for_themselves_have_no_key_together() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let body = r#"{"atomic": false, "tasks": [{"task": "add", "args": [1, 2]}]}"#;
    let answer = ask(&app, batch("a", "application/json", body)).await;
    assert_eq!(answer.problem(), "invalid-parameter");
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("Idempotency-Key") && detail.contains("`unique`"), "{detail}");
    assert_eq!(ask(&app, get("/tasks")).await.json()["items"], json!([]));
}

#[actix_web::test]
async fn a_request_whose_first_one_is_under_way_is_told_to_come_again() {
    let (board, _) = board().await;
    let state = std::sync::Arc::new(State::new(&board, HttpConfig::default()));
    let mounted = std::sync::Arc::clone(&state);
    let app = App::new().configure(move |cfg| routes::mount(cfg, &mounted));
    let app = actix_web::test::init_service(app).await;
    let first = callboard_tasks::Idempotency::new("http - a", b"");
    let going = state.under_way.begin(Some(&first)).unwrap();
    let call = r#"{"task": "add", "args": [1, 2]}"#;
    let all = format!(r#"{{"tasks": [{call}]}}"#);
    let one = || enqueue(call).insert_header(("idempotency-key", "a"));
    for request in [one(), batch("a", "application/json", &all)] {
        let answer = ask(&app, request).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (409, "idempotency-in-progress"));
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    assert_eq!(ask(&app, batch("b", "application/json", &all)).await.status, 202);
    drop(going);
    assert_eq!(ask(&app, one()).await.status, 202);
}

#[actix_web::test]
async fn two_tokens_may_use_the_same_key() {
    let (board, _) = board().await;
    let (ann, one) = super::tokens::token("annannan", &["tasks:enqueue"]);
    let (bob, other) = super::tokens::token("bobbobbo", &["tasks:enqueue"]);
    let app = serve(&board, HttpConfig { tokens: vec![one, other], ..HttpConfig::default() }).await;
    let send = |text: &str| {
        let request = enqueue(r#"{"task": "add", "args": [1, 2]}"#).insert_header(("idempotency-key", "a"));
        super::tokens::with(request, text)
    };
    let first = ask(&app, send(&ann)).await;
    assert_ne!(ask(&app, send(&bob)).await.id(), first.id());
    assert_eq!(ask(&app, send(&ann)).await.id(), first.id());
}

fn limit(body: &str) -> TestRequest {
    let request = local(TestRequest::patch().uri("/queues/default"));
    request.insert_header(("content-type", "application/json")).set_payload(body.to_owned())
}

#[actix_web::test]
async fn a_queue_is_limited_and_a_task_says_what_it_waits_for() {
    let (board, gate) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let answer = ask(&app, limit(r#"{"concurrency": 1, "rate": "100/1m"}"#)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let limits = json!({"concurrency": 1, "rate": "100/1m", "key_concurrency": null, "key_rate": null, "depth": null});
    assert_eq!(answer.json()["limits"], limits);
    let first = ask(&app, enqueue(r#"{"task": "pass_gate"}"#)).await.id();
    board.wait(first.parse().unwrap(), WaitFor::ChangeAfter(1), Duration::from_secs(10)).await.unwrap();
    let second = ask(&app, enqueue(r#"{"task": "pass_gate"}"#)).await.id();
    let why = ask(&app, get(&format!("/tasks/{second}/why"))).await.json();
    assert_eq!((&why["runnable"], &why["reasons"][0]["code"]), (&json!(false), &json!("concurrency_limit")), "{why}");
    assert!(why["reasons"][0]["detail"].is_string());
    let why = ask(&app, get(&format!("/tasks/{first}/why"))).await.json();
    assert_eq!(why["reasons"][0]["code"], "running");

    let answer = ask(&app, limit(r#"{"concurrency": null}"#)).await.json();
    assert_eq!((&answer["limits"]["concurrency"], &answer["limits"]["rate"]), (&Value::Null, &json!("100/1m")));
    board.wait(second.parse().unwrap(), WaitFor::ChangeAfter(1), Duration::from_secs(10)).await.unwrap();
    gate.0.add_permits(2);
    finished(&board, &second).await;
    assert_eq!(ask(&app, get(&format!("/tasks/{second}/why"))).await.json()["reasons"][0]["code"], "finished");
    assert_eq!(ask(&app, get("/tasks/0193b3a0-5c1e-7d2a-9f00-1c2d3e4f5a6b/why")).await.problem(), "not-found");
}

#[actix_web::test]
async fn a_wrong_limit_names_its_member_and_changes_nothing() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    for (body, pointer) in [
        (r#"{"concurrency": 0}"#, "#/concurrency"),
        (r#"{"rate": "fast"}"#, "#/rate"),
        (r#"{"depth": "x"}"#, "#/depth"),
        (r#"{"pace": 1}"#, "#/pace"),
        ("{}", "#"),
    ] {
        let answer = ask(&app, limit(body)).await;
        assert_eq!((answer.status.as_u16(), answer.pointers()), (422, vec![pointer.to_owned()]), "{body}");
    }
    let limits = ask(&app, get("/queues/default")).await.json()["limits"].clone();
    assert!(limits.as_object().unwrap().values().all(Value::is_null), "{limits}");
}

#[actix_web::test]
async fn a_queue_takes_only_so_many() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    ask(&app, limit(r#"{"depth": 2}"#)).await;
    let later = r#"{"task": "greet", "args": ["Ann"], "run_after": "1h"}"#;
    let mut last = ask(&app, enqueue(later)).await;
    // The count may be a second old.
    for _ in 0..200 {
        if last.status == 503 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        last = ask(&app, enqueue(later)).await;
    }
    assert_eq!((last.status.as_u16(), last.problem().as_str()), (503, "queue-full"));
    assert!(last.header("retry-after").is_some());
}
