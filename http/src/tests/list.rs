//! `GET /tasks`.

use super::*;

async fn ids<S>(app: &S, query: &str) -> Vec<String>
where
    S: Service<actix_http::Request, Response = ServiceResponse<BoxBody>, Error = Error>,
{
    let answer = ask(app, get(&format!("/tasks{query}"))).await;
    assert_eq!(answer.status, 200, "{query} {answer:?}");
    let body = answer.json();
    body["items"].as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap().to_owned()).collect()
}

#[actix_web::test]
async fn pages_follow_each_other_newest_first() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let mut enqueued = Vec::new();
    for n in 0..5 {
        let body = format!(r#"{{"task": "add", "args": [{n}, 0], "run_after": "1h"}}"#);
        enqueued.insert(0, ask(&app, enqueue(&body)).await.id());
    }
    let mut path = "/tasks?limit=2&task=add".to_owned();
    let mut seen = Vec::new();
    loop {
        let answer = ask(&app, get(&path)).await;
        let body = answer.json();
        seen.extend(body["items"].as_array().unwrap().iter().map(|task| task["id"].as_str().unwrap().to_owned()));
        let Some(next) = body["next"].as_str() else {
            assert_eq!(answer.header("link"), None);
            break;
        };
        path = format!("/tasks?limit=2&task=add&cursor={next}");
        assert_eq!(answer.header("link"), Some(format!("<{path}>; rel=\"next\"").as_str()));
    }
    assert_eq!(seen, enqueued);
}

#[actix_web::test]
async fn filters_narrow_the_list() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let done = ask(&app, enqueue(r#"{"task": "greet", "args": ["Ann"], "tags": ["a"]}"#)).await.id();
    finished(&board, &done).await;
    let later = ask(&app, enqueue(r#"{"task": "add", "args": [1, 2], "run_after": "1h"}"#)).await.id();
    let other = ask(&app, enqueue(r#"{"task": "add", "args": [1, 2], "backend": "other"}"#)).await.id();
    for (query, expected) in [
        ("", vec![&later, &done]),
        ("?status=SUCCESSFUL", vec![&done]),
        ("?phase=scheduled", vec![&later]),
        ("?task=greet", vec![&done]),
        (&format!("?task={}", add::NAME), vec![&later]),
        ("?queue=math", vec![&later]),
        ("?tag=a", vec![&done]),
        ("?tag=b", vec![]),
        ("?since=2999-01-01T00:00:00Z", vec![]),
        ("?until=2999-01-01T00:00:00Z", vec![&later, &done]),
        ("?status=&limit=200", vec![&later, &done]),
    ] {
        assert_eq!(ids(&app, query).await.iter().collect::<Vec<_>>(), expected, "{query}");
    }
    assert_eq!(ids(&app, "?backend=other").await, [other]);
}

#[actix_web::test]
async fn what_a_list_does_not_take_is_refused_by_name() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let id = ask(&app, enqueue(r#"{"task": "add", "args": [1, 2], "run_after": "1h"}"#)).await.id();
    let other_backend = crate::cursor::write("seen", id.parse().unwrap());
    for (query, name) in [
        ("stauts=READY", "stauts"),
        ("status=ready", "status"),
        ("phase=READY", "phase"),
        ("task=nobody", "task"),
        ("queue=a%20b", "queue"),
        ("tag=%00", "tag"),
        ("since=yesterday", "since"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("limit=1&limit=2", "limit"),
        ("cursor=nonsense", "cursor"),
        (&format!("cursor={other_backend}"), "cursor"),
    ] {
        let answer = ask(&app, get(&format!("/tasks?{query}"))).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (400, "invalid-parameter"), "{query}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.trim_start_matches('"').starts_with(name), "{query}: {detail}");
    }
    assert_eq!(ask(&app, get("/tasks?backend=nowhere")).await.problem(), "unknown-backend");
}

#[actix_web::test]
async fn backends_that_keep_nothing_neither_list_nor_cancel() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    // An immediate backend knows nothing of a task once it has answered.
    for (backend, of_cancel) in [("now", (404, "not-found")), ("seen", (422, "validation-failed"))] {
        let list = ask(&app, get(&format!("/tasks?backend={backend}"))).await;
        assert_eq!((list.status.as_u16(), list.problem().as_str()), (422, "validation-failed"), "{backend}");
        let call = format!(r#"{{"task": "add", "args": [1, 2], "backend": "{backend}"}}"#);
        let id = ask(&app, enqueue(&call)).await.id();
        let cancel = ask(&app, post(&format!("/tasks/{id}/cancel"))).await;
        assert_eq!((cancel.status.as_u16(), cancel.problem().as_str()), of_cancel, "{backend}");
    }
}
