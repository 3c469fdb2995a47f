//! `GET /openapi.json`: that it says what is there, and that what is there says so.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::json;

use super::*;
use crate::openapi::{document, rules};

/// Where the document of a server without tasks is kept, so that a change of the interface shows.
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");

fn bare() -> Value {
    document(std::iter::empty(), false)
}

#[test]
fn the_document_is_the_one_that_is_kept() {
    let mut text = serde_json::to_string_pretty(&bare()).unwrap();
    text.push('\n');
    if std::env::var("CALLBOARD_BLESS").is_ok_and(|bless| bless == "1") {
        std::fs::write(KEPT, &text).unwrap();
    }
    let kept = std::fs::read_to_string(Path::new(KEPT)).unwrap_or_default();
    let differ = kept.lines().zip(text.lines()).enumerate().find(|(_, (kept, now))| kept != now);
    assert!(
        kept == text,
        "docs/openapi.json differs from what this server says, first at {differ:?}; if that is meant: \
         CALLBOARD_BLESS=1 cargo test -p callboard-http the_document_is"
    );
}

/// What a reference means.
fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema.get("$ref").and_then(Value::as_str) {
        Some(reference) => document.pointer(&reference[1..]).unwrap_or_else(|| panic!("nothing is at {reference}")),
        None => schema,
    }
}

#[test]
fn every_answer_says_what_stands_in_it() {
    let document = bare();
    let mut seen = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            for (status, response) in operation["responses"].as_object().unwrap() {
                let response = resolve(&document, response);
                assert!(!response["description"].as_str().unwrap().is_empty());
                for (kind, content) in response["content"].as_object().into_iter().flatten() {
                    // A return value is any JSON, and that alone.
                    if !kind.ends_with("json") || (path.ends_with("/result") && status == "200") {
                        continue;
                    }
                    let schema = resolve(&document, &content["schema"]);
                    let properties = schema["properties"].as_object().is_some_and(|properties| !properties.is_empty());
                    assert!(properties, "{method} {path} {status} has no properties: {schema}");
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 50, "{seen}");
}

#[test]
fn every_reference_leads_somewhere() {
    fn walk(document: &Value, value: &Value) {
        match value {
            Value::Object(members) => {
                if members.contains_key("$ref") {
                    resolve(document, value);
                }
                members.values().for_each(|value| walk(document, value));
            }
            Value::Array(items) => items.iter().for_each(|value| walk(document, value)),
            _ => {}
        }
    }
    let document = bare();
    walk(&document, &document);
}

#[actix_web::test]
async fn what_is_mounted_stands_in_the_document_with_its_methods() {
    let (board, _) = board().await;
    let state = std::sync::Arc::new(State::new(&board, HttpConfig::default()));
    let mounted = std::sync::Arc::clone(&state);
    actix_web::test::init_service(App::new().configure(move |cfg| routes::mount(cfg, &mounted))).await;
    let upper = |methods: &str| -> BTreeSet<String> { methods.split(", ").map(str::to_owned).collect() };
    let expected = |method: &str| match method {
        "get" => vec!["GET".to_owned(), "HEAD".to_owned()],
        method => vec![method.to_uppercase()],
    };
    let mut told: std::collections::BTreeMap<&str, BTreeSet<String>> = std::collections::BTreeMap::new();
    for (method, path, _) in rules() {
        let methods = told.entry(path).or_insert_with(|| BTreeSet::from(["OPTIONS".to_owned()]));
        methods.extend(expected(method));
    }
    // Pages for people are not part of the interface for programs.
    let routes = state
        .routes()
        .into_iter()
        .filter(|(path, _)| !path.starts_with("/ui") && !["/docs", "/problems", "/problems/"].contains(path));
    let mounted: std::collections::BTreeMap<_, _> = routes.map(|(path, allow)| (path, upper(&allow))).collect();
    assert_eq!(mounted, told, "a route is not in the document, or the document has one that is not there");
}

#[actix_web::test]
async fn each_operation_wants_the_scopes_that_the_document_names() {
    let (board, _) = board().await;
    let scopes = ["tasks:enqueue", "tasks:read", "tasks:write", "tasks:debug", "queues:write", "metrics:read", "admin"];
    let tokens: Vec<_> =
        scopes.iter().enumerate().map(|(n, scope)| super::tokens::token(&format!("scope{n}sc"), &[scope])).collect();
    let config =
        HttpConfig { tokens: tokens.iter().map(|(_, token)| token.clone()).collect(), ..HttpConfig::default() };
    let app = serve(&board, config).await;
    for (method, path, needed) in rules() {
        let uri = path.replace("{id}", "0193b3a0-5c1e-7d2a-9f00-1c2d3e4f5a6b").replace("{queue}", "math");
        let uri = uri.replace("{slug}", "csrf").replace("{name}", "digest");
        let request = || local(TestRequest::default().method(method.to_uppercase().parse().unwrap()).uri(&uri));
        let answer = ask(&app, request()).await;
        assert_eq!(answer.status == 401, !needed.is_empty(), "{method} {path} without a token: {answer:?}");
        for (scope, (text, _)) in scopes.iter().zip(&tokens) {
            let answer = ask(&app, super::tokens::with(request(), text)).await;
            let allowed = needed.is_empty() || needed.contains(scope) || *scope == "admin";
            assert_eq!(answer.status == 403, !allowed, "{method} {path} with {scope}: {answer:?}");
            assert_ne!(answer.status, 401, "{method} {path} with {scope}: {answer:?}");
        }
    }
}

#[actix_web::test]
async fn the_document_has_the_tasks_of_the_server() {
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let answer = ask(&app, get("/openapi.json")).await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let document = answer.json();
    let schemas = &document["components"]["schemas"];
    let add = &schemas[format!("Call.{}", add::NAME)];
    assert_eq!(add["description"], "Adds two numbers.");
    assert_eq!(add["properties"]["task"]["enum"], json!([add::NAME]));
    assert_eq!((&add["required"], &add["additionalProperties"]), (&json!(["task", "args"]), &json!(false)));
    let args = &add["properties"]["args"]["anyOf"];
    let number = json!({"type": "integer", "minimum": i64::MIN, "maximum": i64::MAX});
    assert_eq!((&args[0]["properties"]["a"], &args[0]["required"]), (&number, &json!(["a", "b"])));
    assert_eq!((&args[1]["minItems"], &args[1]["prefixItems"][1]), (&json!(2), &number));
    let greet = &schemas[format!("Call.{}", greet::NAME)]["properties"]["args"]["anyOf"];
    assert_eq!(greet[0]["properties"]["word"], json!({"type": "string", "default": "hello"}));
    assert_eq!((&greet[0]["required"], &greet[1]["minItems"]), (&json!(["name"]), &json!(1)));
    let call = &schemas["Call"];
    assert_eq!(call["discriminator"]["mapping"][add::NAME], format!("#/components/schemas/Call.{}", add::NAME));
    assert!(!document.to_string().contains(only_inside::NAME), "a task that is closed to HTTP is told of");
    // Without tokens none is needed.
    assert_eq!(document["paths"]["/enqueue"]["post"]["security"][0], json!({}));
    assert_eq!(document["servers"], json!([{"url": "/"}]));
}

#[actix_web::test]
async fn the_document_is_not_sent_again_to_whoever_has_it_and_knows_its_prefix() {
    let (board, _) = board().await;
    let app = App::new().service(actix_web::web::scope("/api").configure(crate::routes(&board)));
    let app = actix_web::test::init_service(app).await;
    let answer = ask(&app, get("/api/openapi.json")).await;
    assert_eq!(answer.json()["servers"], json!([{"url": "/api"}]));
    let tag = answer.header("etag").unwrap().to_owned();
    let again = ask(&app, get("/api/openapi.json").insert_header(("if-none-match", tag))).await;
    assert_eq!((again.status.as_u16(), again.body.len()), (304, 0));
}
