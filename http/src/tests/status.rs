//! `GET /registry`, `/healthz` and `/readyz`, and the form of problems.

use super::*;

#[actix_web::test]
async fn the_registry_lists_the_tasks_that_are_open_to_http() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let body = ask(&app, get("/registry")).await.json();
    let items = body["items"].as_array().unwrap();
    let names: Vec<_> = items.iter().map(|task| task["name"].as_str().unwrap()).collect();
    assert_eq!(names, [add::NAME, fail::NAME, greet::NAME, pass_gate::NAME, report_and_pass::NAME]);
    let number = serde_json::json!({"type": "integer", "minimum": i64::MIN, "maximum": i64::MAX});
    assert_eq!(
        items[0],
        serde_json::json!({"name": add::NAME, "description": "Adds two numbers.", "queue": "math", "parameters": [
            {"name": "a", "type": "i64", "required": true, "schema": number},
            {"name": "b", "type": "i64", "required": true, "schema": number},
        ]})
    );
    assert_eq!(
        items[2]["parameters"][1],
        serde_json::json!({"name": "word", "type": "String", "required": false,
            "schema": {"type": "string", "default": "hello"}, "default": "hello"})
    );
}

#[actix_web::test]
async fn a_healthy_board_is_alive_and_ready() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let alive = ask(&app, get("/healthz")).await;
    assert_eq!(alive.status, 200, "{}", alive.json());
    for check in ["http", "coordination", "heart"] {
        assert_eq!(alive.json()["checks"][check]["status"], "ok", "{}", alive.json());
    }
    let ready = ask(&app, get("/readyz")).await;
    assert_eq!(ready.status, 200, "{}", ready.json());
    for check in ["draining", "store:default", "lease:default", "workers:default"] {
        assert_eq!(ready.json()["checks"][check]["status"], "ok", "{}", ready.json());
    }
}

#[actix_web::test]
async fn a_board_that_shuts_down_is_not_ready() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    board.shutdown().await;
    let ready = ask(&app, get("/readyz")).await;
    assert_eq!(ready.status, 503);
    assert_eq!(ready.header("content-type"), Some("application/json"));
    assert_eq!(ready.json()["checks"]["draining"]["status"], "failed");
}

#[actix_web::test]
async fn health_is_for_all_and_its_details_for_this_machine() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    board.shutdown().await;
    let failed = |answer: &Answer| answer.json()["checks"]["draining"].clone();
    assert!(failed(&ask(&app, get("/readyz")).await)["detail"].is_string());
    let far = |request: TestRequest| request.peer_addr(SocketAddr::from(([192, 0, 2, 1], 50_000)));
    for request in [
        get("/readyz").insert_header(("x-forwarded-for", "192.0.2.1")),
        get("/readyz").insert_header(("host", "10.1.2.3:8000")),
        far(get("/readyz")),
    ] {
        let answer = ask(&app, request).await;
        assert_eq!(answer.status, 503, "{answer:?}");
        assert_eq!(failed(&answer), serde_json::json!({"status": "failed"}));
    }
    for path in ["/tasks", "/registry", "/nowhere"] {
        assert_eq!(ask(&app, far(get(path))).await.problem(), "unauthorized", "{path}");
    }
}

#[actix_web::test]
async fn every_kind_of_problem_has_its_form() {
    for kind in crate::problem::Kind::ALL {
        let response = crate::problem::Problem::new(*kind, "why").respond(Some("r-1"));
        assert_eq!(response.status(), kind.status());
        let needs_retry = matches!(kind.status().as_u16(), 429 | 503);
        assert_eq!(response.headers().contains_key("retry-after"), needs_retry, "{}", kind.slug());
        let body: Value = serde_json::from_slice(&body::to_bytes(response.into_body()).await.unwrap()).unwrap();
        let expected = serde_json::json!({
            "type": format!("/problems/{}", kind.slug()), "title": kind.title(),
            "status": kind.status().as_u16(), "detail": "why", "request_id": "r-1",
        });
        assert_eq!(body, expected);
    }
}
