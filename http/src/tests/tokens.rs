//! Bearer tokens on the routes.

use super::*;
use crate::{Scope, Token};

pub(super) fn token(id: &str, scopes: &[&str]) -> (String, Token) {
    let text = format!("tk_{id}_{}", "s".repeat(43));
    let scopes = scopes.iter().map(|scope| scope.parse::<Scope>().unwrap()).collect();
    let token =
        Token { id: id.to_owned(), name: format!("name of {id}"), sha256: Token::digest(&text), scopes, expires: None };
    (text, token)
}

pub(super) fn with(request: TestRequest, text: &str) -> TestRequest {
    request.insert_header(("authorization", format!("Bearer {text}")))
}

#[actix_web::test]
async fn with_tokens_every_route_but_health_needs_one() {
    let (board, _) = board().await;
    let (text, admin) = token("adminadm", &["admin"]);
    let app = serve(&board, HttpConfig { tokens: vec![admin], ..HttpConfig::default() }).await;
    for path in ["/tasks", "/tasks/x", "/registry", "/nowhere", "/tasks/x/y"] {
        let answer = ask(&app, get(path)).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (401, "unauthorized"), "{path}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"callboard\""));
    }
    for path in ["/healthz", "/readyz"] {
        let answer = ask(&app, get(path)).await;
        assert_eq!(answer.status, 200, "{path}");
    }
    let remote =
        with(get("/tasks"), &text).peer_addr("192.0.2.1:5000".parse().unwrap()).insert_header(("host", "x.test"));
    assert_eq!(ask(&app, remote).await.status, 200);
}

#[actix_web::test]
async fn a_token_that_is_not_quite_right_is_refused() {
    let (board, _) = board().await;
    let (text, mut known) = token("knownkno", &["admin"]);
    let (old, mut expired) = token("oldtoken", &["admin"]);
    known.expires = Some(board.clock().now() + jiff::SignedDuration::from_hours(1));
    expired.expires = Some(board.clock().now());
    let app = serve(&board, HttpConfig { tokens: vec![known, expired], ..HttpConfig::default() }).await;
    assert_eq!(ask(&app, with(get("/tasks"), &text)).await.status, 200);
    let mut last = text.clone();
    last.replace_range(text.len() - 1.., "t");
    for wrong in [old, last, text.replace("known", "other"), text[..text.len() - 1].to_owned(), String::new()] {
        let answer = ask(&app, with(get("/tasks"), &wrong)).await;
        assert_eq!(answer.problem(), "unauthorized", "{wrong}");
        let challenge = Some("Bearer realm=\"callboard\", error=\"invalid_token\"");
        assert_eq!(answer.header("www-authenticate"), challenge, "{wrong}");
        assert!(wrong.is_empty() || !String::from_utf8_lossy(&answer.body).contains(&wrong), "{wrong}");
    }
    let basic = get("/tasks").insert_header(("authorization", format!("Basic {text}")));
    for other in [basic, get("/tasks").insert_header(("authorization", text.clone()))] {
        let answer = ask(&app, other).await;
        assert_eq!(answer.problem(), "unauthorized");
        assert!(answer.json()["detail"].as_str().unwrap().starts_with("only Bearer tokens are taken"), "{answer:?}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"callboard\""));
    }
}

#[actix_web::test]
async fn each_scope_opens_its_routes_and_no_others() {
    let (board, _) = board().await;
    let plain = serve(&board, HttpConfig::default()).await;
    let later = |_: ()| enqueue(r#"{"task": "add", "args": [1, 2], "run_after": "1h"}"#);
    let id = ask(&plain, later(())).await.id();
    let scopes = ["tasks:enqueue", "tasks:read", "tasks:write", "tasks:debug", "queues:write", "metrics:read", "admin"];
    let tokens: Vec<_> = scopes.iter().enumerate().map(|(n, scope)| token(&format!("token00{n}"), &[scope])).collect();
    let config =
        HttpConfig { tokens: tokens.iter().map(|(_, token)| token.clone()).collect(), ..HttpConfig::default() };
    let app = serve(&board, config).await;
    type Make<'a> = Box<dyn Fn() -> TestRequest + 'a>;
    let routes: [(Make<'_>, &[&str]); 7] = [
        (Box::new(|| later(())), &["tasks:enqueue", "admin"]),
        (Box::new(|| get("/tasks")), &["tasks:read", "admin"]),
        (Box::new(|| get(&format!("/tasks/{id}"))), &["tasks:read", "admin"]),
        (Box::new(|| get(&format!("/tasks/{id}/result"))), &["tasks:read", "admin"]),
        (Box::new(|| post(&format!("/tasks/{id}/retry"))), &["tasks:write", "admin"]),
        (Box::new(|| post(&format!("/tasks/{id}/cancel"))), &["tasks:write", "admin"]),
        (Box::new(|| get("/registry")), &["tasks:enqueue", "tasks:read", "admin"]),
    ];
    for (n, (make, allowed)) in routes.iter().enumerate() {
        for (scope, (text, _)) in scopes.iter().zip(&tokens) {
            let answer = ask(&app, with(make(), text)).await;
            let refused = answer.status == 403;
            assert_eq!(refused, !allowed.contains(scope), "route {n}, {scope}: {answer:?}");
            if refused {
                assert_eq!(answer.problem(), "insufficient-scope");
                assert!(answer.header("www-authenticate").unwrap().contains("insufficient_scope"));
            }
        }
    }
}

#[actix_web::test]
async fn a_token_for_some_tasks_enqueues_those_and_hears_of_no_others() {
    let (board, _) = board().await;
    let (text, some) = token("sometask", &["tasks:enqueue:*.gr*t"]);
    let app = serve(&board, HttpConfig { tokens: vec![some], ..HttpConfig::default() }).await;
    let answer = ask(&app, with(enqueue(r#"{"task": "greet", "args": ["Ann"]}"#), &text)).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let answer = ask(&app, with(enqueue(r#"{"task": "add", "args": {"wrong": 1}}"#), &text)).await;
    assert_eq!(answer.problem(), "insufficient-scope");
    let answer = ask(&app, with(enqueue(r#"{"task": "fial"}"#), &text)).await;
    assert_eq!(answer.problem(), "unknown-task");
    assert_eq!(answer.json().get("did_you_mean"), None);
}

#[actix_web::test]
async fn tracebacks_need_their_scope() {
    let (board, _) = board().await;
    let (read, reader) = token("readread", &["tasks:read"]);
    let (debug, debugger) = token("debugdeb", &["tasks:read", "tasks:debug"]);
    let plain = serve(&board, HttpConfig::default()).await;
    let app = serve(&board, HttpConfig { tokens: vec![reader, debugger], ..HttpConfig::default() }).await;
    let id = ask(&plain, enqueue(r#"{"task": "fail", "args": ["no"], "backend": "default"}"#)).await.id();
    finished(&board, &id).await;
    let path = format!("/tasks/{id}");
    assert!(ask(&app, with(get(&path), &read)).await.json()["errors"][0].get("traceback").is_none());
    assert!(ask(&app, with(get(&path), &debug)).await.json()["errors"][0]["traceback"].is_string());
}

#[actix_web::test]
async fn a_server_that_only_reads_changes_nothing() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig { read_only: true, ..HttpConfig::default() }).await;
    let answer = ask(&app, enqueue(r#"{"task": "add", "args": [1, 2]}"#)).await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (403, "read-only"));
    assert_eq!(ask(&app, get("/tasks")).await.status, 200);
}
