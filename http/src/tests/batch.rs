//! `POST /enqueue/batch`.

use serde_json::json;

use super::*;

fn batch(body: &Value) -> TestRequest {
    post("/enqueue/batch").insert_header(("content-type", "application/json")).set_payload(body.to_string())
}

fn lines(path: &str, body: &str) -> TestRequest {
    post(path).insert_header(("content-type", "application/x-ndjson")).set_payload(body.to_owned())
}

async fn count<S>(app: &S) -> usize
where
    S: Service<actix_http::Request, Response = ServiceResponse<BoxBody>, Error = Error>,
{
    ask(app, get("/tasks?limit=200")).await.json()["items"].as_array().unwrap().len()
}

#[actix_web::test]
async fn a_batch_is_enqueued_whole_and_answered_in_order() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let answer = ask(
        &app,
        batch(&json!({"tasks": [
            {"task": "add", "args": [1, 2], "run_after": "1h", "tags": ["first"]},
            {"task": "greet", "args": {"name": "Ann"}, "run_after": "1h"},
            {"task": "add", "args": {"a": 3, "b": 4}, "run_after": "1h"},
        ]})),
    )
    .await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let items = answer.json()["items"].as_array().unwrap().clone();
    let args: Vec<_> = items.iter().map(|item| item["args"].clone()).collect();
    assert_eq!(args, [json!({"a": 1, "b": 2}), json!({"name": "Ann", "word": "hello"}), json!({"a": 3, "b": 4})]);
    assert_eq!((&items[0]["tags"], &items[0]["phase"]), (&json!(["first"]), &json!("scheduled")));
    for item in items {
        assert_eq!(ask(&app, get(item["links"]["self"].as_str().unwrap())).await.status, 200);
    }
}

#[actix_web::test]
async fn one_mistake_keeps_a_whole_batch_out_and_every_mistake_has_its_pointer() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let answer = ask(
        &app,
        batch(&json!({"tasks": [
            {"task": "add", "args": [1, 2]},
            {"task": "add", "args": {"a": "x", "b": 1}, "priority": 1000},
            {"task": "nobody"},
            7,
            {"task": "add", "args": [1, 2], "queue": "elsewhere"},
            {"task": "add", "args": [1, 2], "backend": "nowhere"},
        ]})),
    )
    .await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (422, "validation-failed"));
    let mut pointers = answer.pointers();
    pointers.sort();
    let expected = [
        "#/tasks/1/args/a",
        "#/tasks/1/priority",
        "#/tasks/2/task",
        "#/tasks/3",
        "#/tasks/4/queue",
        "#/tasks/5/backend",
    ];
    assert_eq!(pointers, expected);
    assert_eq!(count(&app).await, 0);
}

#[actix_web::test]
async fn one_transaction_has_one_backend() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let calls = [json!({"task": "add", "args": [1, 2]}), json!({"task": "add", "args": [1, 2], "backend": "other"})];
    let answer = ask(&app, batch(&json!({"tasks": calls}))).await;
    assert_eq!(
        (answer.problem().as_str(), answer.pointers().as_slice()),
        ("validation-failed", &["#/tasks/1/backend".to_owned()][..])
    );
    assert_eq!(ask(&app, batch(&json!({"tasks": calls, "atomic": false}))).await.json()["accepted"], 2);
}

#[actix_web::test]
async fn calls_that_stand_each_for_themselves_are_answered_each_for_itself() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let answer = ask(
        &app,
        batch(&json!({"atomic": false, "tasks": [
            {"task": "add", "args": [1, 2], "run_after": "1h"},
            {"task": "add", "args": ["x", 2]},
            {"task": "grete", "args": ["Ann"]},
            {"task": "add", "args": [1, 2], "backend": "now"},
        ]})),
    )
    .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    assert_eq!((&body["accepted"], &body["rejected"]), (&json!(2), &json!(2)));
    let statuses: Vec<_> = body["items"].as_array().unwrap().iter().map(|item| item["status"].clone()).collect();
    assert_eq!(statuses, [202, 422, 422, 200]);
    let problem = &body["items"][1]["problem"];
    assert_eq!(
        (&problem["type"], &problem["errors"][0]["pointer"]),
        (&json!("/problems/validation-failed"), &json!("#/args/a"))
    );
    assert_eq!(body["items"][2]["problem"]["did_you_mean"], json!([greet::NAME]));
    let id = body["items"][0]["id"].as_str().unwrap();
    assert_eq!(ask(&app, get(&format!("/tasks/{id}"))).await.status, 200);
    assert_eq!(count(&app).await, 1);
}

#[actix_web::test]
async fn lines_are_calls_too() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let body = "{\"task\": \"add\", \"args\": [1, 2]}\r\n\n{\"task\": \"add\", \"args\": [3, 4]}\n";
    let answer = ask(&app, lines("/enqueue/batch", body)).await;
    assert_eq!((answer.status.as_u16(), answer.json()["items"].as_array().unwrap().len()), (202, 2), "{answer:?}");
    let broken = format!("{body}{{\"task\": ");
    let answer = ask(&app, lines("/enqueue/batch", &broken)).await;
    assert_eq!((answer.status.as_u16(), answer.pointers()), (422, vec!["#/tasks/2".to_owned()]));
    let answer = ask(&app, lines("/enqueue/batch?atomic=false", &broken)).await.json();
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(2), &json!(1)));
    assert_eq!(answer["items"][2]["status"], 400);
    assert_eq!(ask(&app, lines("/enqueue/batch?atomic=maybe", body)).await.problem(), "invalid-parameter");
    assert_eq!(ask(&app, batch(&json!({"tasks": []})).uri("/enqueue/batch?atomic=false")).await.status, 400);
}

#[actix_web::test]
async fn many_lines_are_taken_and_each_is_answered() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let body = "{\"task\":\"add\",\"args\":[1,2],\"backend\":\"other\",\"run_after\":\"1h\"}\n".repeat(2_500);
    let answer = ask(&app, lines("/enqueue/batch", &body)).await;
    assert_eq!(answer.problem(), "validation-failed");
    assert!(answer.json()["detail"].as_str().unwrap().contains("?atomic=false"), "{answer:?}");
    let answer = ask(&app, lines("/enqueue/batch?atomic=false", &body)).await.json();
    assert_eq!((&answer["accepted"], answer["items"].as_array().unwrap().len()), (&json!(2_500), 2_500));
    let stats = board.stats("other").await.unwrap();
    assert_eq!(stats.queues["math"].phases.values().sum::<u64>(), 2_500);
}

#[actix_web::test]
async fn a_batch_has_its_own_limits() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let calls = vec![json!({"task": "add", "args": [1, 2], "run_after": "1h"}); 1_001];
    let answer = ask(&app, batch(&json!({"tasks": calls}))).await;
    assert_eq!((answer.problem().as_str(), answer.pointers()), ("validation-failed", vec!["#/tasks".to_owned()]));
    let answer = ask(&app, batch(&json!({"tasks": calls[1..]}))).await;
    assert_eq!((answer.status.as_u16(), count(&app).await), (202, 200));

    // A line may be short, and its answer is not.
    let begun = std::time::Instant::now();
    let answer = ask(&app, lines("/enqueue/batch?atomic=false", &"{}\n".repeat(1_000_000))).await;
    assert_eq!((answer.problem().as_str(), answer.body.len() < 1_000), ("validation-failed", true));
    assert!(answer.json()["detail"].as_str().unwrap().contains("at most 100000 are taken at once"), "{answer:?}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());

    // Larger than the body of one call may be, and than its own may be.
    let filler = " ".repeat(2 * 1024 * 1024);
    assert_eq!(
        ask(&app, batch(&json!({"tasks": [{"task": "greet", "args": [filler]}]}))).await.problem(),
        "validation-failed"
    );
    let filler = "\n".repeat(8 * 1024 * 1024 + 1);
    assert_eq!(ask(&app, lines("/enqueue/batch", &filler)).await.problem(), "payload-too-large");
    for body in [json!({}), json!({"tasks": 1}), json!({"tasks": [], "atomic": "yes"}), json!({"tasks": [], "more": 1})]
    {
        assert_eq!(ask(&app, batch(&body)).await.problem(), "validation-failed", "{body}");
    }
    assert_eq!(ask(&app, lines("/enqueue", "{}")).await.problem(), "unsupported-media-type");
}

#[actix_web::test]
async fn a_token_for_some_tasks_enqueues_those_of_a_batch() {
    let (board, _) = board().await;
    let (text, token) = super::tokens::token("sometask", &["tasks:enqueue:*.greet"]);
    let app = serve(&board, HttpConfig { tokens: vec![token], ..HttpConfig::default() }).await;
    let both = json!([{"task": "greet", "args": ["Ann"]}, {"task": "add", "args": [1, 2]}]);
    let answer = ask(&app, super::tokens::with(batch(&json!({"tasks": both})), &text)).await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (403, "insufficient-scope"));
    let answer = ask(&app, super::tokens::with(batch(&json!({"tasks": both, "atomic": false})), &text)).await.json();
    assert_eq!((&answer["items"][0]["status"], &answer["items"][1]["status"]), (&json!(202), &json!(403)));
}
