//! What holds on every route: headers, methods, problems, panics.

use actix_web::{HttpResponse, web};

use super::*;
use crate::edge::Edge;

#[actix_web::test]
async fn every_answer_has_the_headers_that_every_answer_has() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let id = ask(&app, enqueue(r#"{"task": "add", "args": [1, 2], "run_after": "1h"}"#)).await.id();
    let closed = TestRequest::get().uri("/tasks").insert_header(("host", "127.0.0.1"));
    let requests = [
        get("/tasks"),
        get(&format!("/tasks/{id}")),
        get(&format!("/tasks/{id}")).insert_header(("if-none-match", "*")),
        get("/tasks/x"),
        get("/tasks/x/y/z"),
        get("/nowhere"),
        get("/healthz"),
        post("/healthz"),
        enqueue("{"),
        local(TestRequest::default().method(actix_web::http::Method::OPTIONS).uri("/enqueue")),
        closed,
        get("/tasks").insert_header(("host", "evil.test")),
    ];
    for request in requests {
        let answer = ask(&app, request).await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{answer:?}");
        let policy = Some("default-src 'none'; frame-ancestors 'none'");
        assert_eq!(answer.header("content-security-policy"), policy, "{answer:?}");
        let caching = answer.header("cache-control").unwrap();
        assert!(caching == "no-store" || caching == "private, no-cache", "{answer:?}");
        let id = answer.header("x-request-id").unwrap();
        assert!(uuid::Uuid::try_parse(id).is_ok_and(|id| id.get_version_num() == 7), "{id}");
    }
}

#[actix_web::test]
async fn a_fit_request_id_is_kept_and_any_other_replaced() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let long = "x".repeat(129);
    for (id, kept) in [("abc-1.2:3_4", true), ("a b", false), ("a\"b", false), ("", false), (long.as_str(), false)] {
        let answer = ask(&app, get("/nowhere").insert_header(("x-request-id", id))).await;
        assert_eq!(answer.header("x-request-id") == Some(id), kept, "{id}");
        assert_eq!(answer.problem(), "not-found");
    }
}

#[actix_web::test]
async fn each_path_knows_its_methods() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let id = ask(&app, enqueue(r#"{"task": "add", "args": [1, 2], "run_after": "1h"}"#)).await.id();
    let one = format!("/tasks/{id}");
    let with = |method: &str, path: &str| local(TestRequest::default().method(method.parse().unwrap()).uri(path));
    for (path, allow) in [
        ("/enqueue", "POST, OPTIONS"),
        ("/tasks", "GET, HEAD, OPTIONS"),
        ("/enqueue/batch", "POST, OPTIONS"),
        (one.as_str(), "GET, HEAD, PATCH, DELETE, OPTIONS"),
        (&format!("{one}/events"), "GET, HEAD, OPTIONS"),
        (&format!("{one}/run-now"), "POST, OPTIONS"),
        (&format!("{one}/result"), "GET, HEAD, OPTIONS"),
        (&format!("{one}/cancel"), "POST, OPTIONS"),
        (&format!("{one}/retry"), "POST, OPTIONS"),
        ("/registry", "GET, HEAD, OPTIONS"),
        ("/healthz", "GET, HEAD, OPTIONS"),
        ("/readyz", "GET, HEAD, OPTIONS"),
    ] {
        let options = ask(&app, with("OPTIONS", path)).await;
        assert_eq!((options.status.as_u16(), options.header("allow")), (204, Some(allow)), "{path}");
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "QUERY"] {
            let answer = ask(&app, with(method, path)).await;
            if allow.contains(method) {
                assert_ne!(answer.status, 405, "{method} {path}");
            } else {
                assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some(allow)), "{method} {path}");
                assert_eq!(answer.problem(), "method-not-allowed");
            }
        }
    }
}

#[actix_web::test]
async fn paths_that_are_not_ours_are_not_found() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let id = "0193b3a0-5c1e-7d2a-9f00-1c2d3e4f5a6b";
    for path in
        ["/", "/enqueue/", "/tasks/", "/enqueuex", &format!("/tasks/{id}/"), &format!("/tasks/{id}/eventsx"), "//tasks"]
    {
        for request in [get(path), post(path)] {
            assert_eq!(ask(&app, request).await.problem(), "not-found", "{path}");
        }
    }
}

/// Handlers that fail in every way that handlers can.
async fn failing(
    board: &Callboard,
) -> impl Service<actix_http::Request, Response = ServiceResponse<BoxBody>, Error = Error> + use<> {
    async fn panics() -> HttpResponse {
        panic!("at /home/me: the secret is 7")
    }
    let state = std::sync::Arc::new(State::new(board, HttpConfig::default()));
    let edge = |route| Edge::new(&state, route);
    let app = App::new()
        .service(web::resource("/panic").to(panics).wrap(edge("/panic")))
        .service(web::resource("/extract").to(|_: web::Json<i32>| HttpResponse::Ok()).wrap(edge("/extract")))
        .service(
            web::resource("/error")
                .to(|| async { Err::<HttpResponse, _>(actix_web::error::ErrorInternalServerError("the secret is 7")) })
                .wrap(edge("/error")),
        )
        .service(
            web::resource("/inner")
                .to(HttpResponse::Ok)
                .wrap_fn(|_, _| async {
                    Err::<ServiceResponse, _>(actix_web::error::ErrorBadGateway("the secret is 7"))
                })
                .wrap(edge("/inner")),
        )
        .service(web::resource("/bare").to(HttpResponse::NotFound).wrap(edge("/bare")));
    actix_web::test::init_service(app).await
}

#[actix_web::test]
async fn errors_of_every_layer_are_problems_without_inside_information() {
    let (board, _) = board().await;
    let app = failing(&board).await;
    for (path, status, slug) in [
        ("/panic", 500, "internal"),
        ("/error", 500, "internal"),
        ("/inner", 500, "internal"),
        ("/extract", 400, "invalid-parameter"),
        ("/bare", 404, "not-found"),
    ] {
        let answer = ask(&app, get(path)).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (status, slug), "{path}");
        let text = String::from_utf8_lossy(&answer.body);
        assert!(!text.contains("secret") && !text.contains("/home"), "{text}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

#[actix_web::test]
async fn every_path_that_is_mounted_says_so_by_options() {
    let (board, _) = board().await;
    let state = std::sync::Arc::new(State::new(&board, HttpConfig::default()));
    let mounted = std::sync::Arc::clone(&state);
    let app = App::new().configure(move |cfg| routes::mount(cfg, &mounted));
    let app = actix_web::test::init_service(app).await;
    let routes = state.routes();
    assert!(routes.len() > 10, "{routes:?}");
    for (path, allow) in routes {
        let path = path.replace("{id}", "0193b3a0-5c1e-7d2a-9f00-1c2d3e4f5a6b").replace("{slug}", "csrf");
        let path = path.replace("{queue}", "math").replace("{name}", "digest");
        let answer = ask(&app, local(TestRequest::default().method("OPTIONS".parse().unwrap()).uri(&path))).await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (204, Some(allow.as_str())), "{path}");
    }
}
