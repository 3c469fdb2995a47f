//! `GET /metrics`.

use std::collections::BTreeSet;

use super::*;

/// The value of a series, as it is written.
fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

async fn metrics<S>(app: &S) -> String
where
    S: Service<actix_http::Request, Response = ServiceResponse<BoxBody>, Error = Error>,
{
    let answer = ask(app, get("/metrics")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    String::from_utf8(answer.body).unwrap()
}

#[actix_web::test]
async fn what_happens_is_counted() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    for body in [
        r#"{"task": "add", "args": [1, 2]}"#,
        r#"{"task": "add", "args": [3, 4]}"#,
        r#"{"task": "fail", "args": ["no"]}"#,
        r#"{"task": "add", "args": [1, 2], "backend": "now"}"#,
    ] {
        let answer = ask(&app, enqueue(body)).await;
        if answer.status == 202 {
            finished(&board, &answer.id()).await;
        }
    }
    ask(&app, enqueue(r#"{"task": "add", "args": [1, 2], "run_after": "1h"}"#)).await;
    ask(&app, enqueue(r#"{"task": "nobody"}"#)).await;
    ask(&app, post("/queues/math/pause")).await;

    let text = metrics(&app).await;
    let add = format!("backend=\"default\",queue=\"math\",task=\"{}\"", add::NAME);
    let fail = format!("backend=\"default\",queue=\"default\",task=\"{}\"", fail::NAME);
    for (series, expected) in [
        (format!("callboard_tasks_enqueued_total{{{add}}}"), 3.0),
        (format!("callboard_tasks_started_total{{{add}}}"), 2.0),
        (format!("callboard_tasks_finished_total{{{add},outcome=\"ok\"}}"), 2.0),
        (format!("callboard_tasks_finished_total{{{fail},outcome=\"error\"}}"), 1.0),
        (format!("callboard_task_duration_seconds_count{{{add}}}"), 2.0),
        ("callboard_task_wait_seconds_count{backend=\"default\",queue=\"math\"}".to_owned(), 2.0),
        (
            format!(
                "callboard_tasks_finished_total{{backend=\"now\",queue=\"math\",task=\"{}\",outcome=\"ok\"}}",
                add::NAME
            ),
            1.0,
        ),
        ("callboard_queue_depth{backend=\"default\",queue=\"math\",phase=\"scheduled\"}".to_owned(), 1.0),
        ("callboard_queue_paused{backend=\"default\",queue=\"math\"}".to_owned(), 1.0),
        ("callboard_queue_paused{backend=\"default\",queue=\"default\"}".to_owned(), 0.0),
        ("callboard_http_requests_total{method=\"POST\",route=\"/enqueue\",status=\"202\"}".to_owned(), 4.0),
        ("callboard_http_requests_total{method=\"POST\",route=\"/enqueue\",status=\"422\"}".to_owned(), 1.0),
        ("callboard_http_request_duration_seconds_count{route=\"/enqueue\"}".to_owned(), 6.0),
        ("callboard_enqueue_rejected_total{reason=\"unknown-task\"}".to_owned(), 1.0),
        ("callboard_workers{backend=\"default\",state=\"alive\"}".to_owned(), 1.0),
        ("callboard_tasks_running{backend=\"default\"}".to_owned(), 0.0),
        ("callboard_sse_streams".to_owned(), 0.0),
        ("callboard_ready".to_owned(), 1.0),
    ] {
        assert_eq!(value(&text, &series), Some(expected), "{series} in\n{text}");
    }
    assert!(value(&text, "process_resident_memory_bytes").unwrap() > 1e6, "{text}");
}

#[actix_web::test]
async fn the_text_is_well_formed_and_tells_no_ids() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let id = ask(&app, enqueue(r#"{"task": "greet", "args": ["a secret"]}"#)).await.id();
    finished(&board, &id).await;
    ask(&app, get(&format!("/tasks/{id}"))).await;
    let text = metrics(&app).await;
    assert!(!text.contains(&id) && !text.contains("secret"), "{text}");
    let (mut family, mut seen, mut lines) = (String::new(), BTreeSet::new(), BTreeSet::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, sort) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&sort), "{line}");
            assert_eq!(sort == "counter", name.ends_with("_total"), "{line}");
            assert!(seen.insert(name.to_owned()), "{name} stands there twice");
            family = name.to_owned();
        } else if !line.starts_with("# HELP ") {
            assert!(line.starts_with(&family), "{line} is not of {family}");
            assert!(line.rsplit_once(' ').unwrap().1.parse::<f64>().is_ok(), "{line}");
            assert!(lines.insert(line.rsplit_once(' ').unwrap().0), "{line} stands there twice");
        }
    }
    for family in ["callboard_build_info", "callboard_queue_oldest_ready_age_seconds", "process_cpu_seconds_total"] {
        assert!(seen.contains(family), "{family}");
    }
}

#[actix_web::test]
async fn metrics_need_their_scope_and_count_who_is_kept_out() {
    let (board, _) = board().await;
    let (text, token) = super::tokens::token("metricsm", &["metrics:read"]);
    let app = serve(&board, HttpConfig { tokens: vec![token], ..HttpConfig::default() }).await;
    assert_eq!(ask(&app, get("/metrics")).await.status, 401);
    let answer = ask(&app, super::tokens::with(get("/metrics"), &text)).await;
    let text = String::from_utf8(answer.body).unwrap();
    let refused = "callboard_http_requests_total{method=\"GET\",route=\"/metrics\",status=\"401\"}";
    assert_eq!(value(&text, refused), Some(1.0), "{text}");
}
