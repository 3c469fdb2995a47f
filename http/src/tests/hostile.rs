//! Rules that hold everywhere, each tried on all there is: headers of every route, hostile text in every field, pages whose
//! templates escape, clocks that jump.

use std::sync::atomic::{AtomicU32, Ordering};

use callboard_tasks::{Clock, Timestamp};
use jiff::ToSpan as _;

use super::ui::{form, text};
use super::*;

/// The paths that can be read, with names of things that are there.
fn readable(state: &State, id: &str) -> Vec<String> {
    let routes = state.routes().into_iter().filter(|(_, allow)| allow.contains("GET"));
    let named = |path: &str| path.replace("{id}", id).replace("{slug}", "csrf").replace("{queue}", "math");
    let version = crate::ui::style_version();
    routes.map(|(path, _)| named(path).replace("{version}", version)).collect()
}

#[actix_web::test]
async fn every_answer_of_every_route_says_what_browsers_may_do_with_it() {
    let (board, _) = board().await;
    let state = std::sync::Arc::new(State::new(&board, HttpConfig::default()));
    let mounted = std::sync::Arc::clone(&state);
    let app = actix_web::test::init_service(App::new().configure(move |cfg| routes::mount(cfg, &mounted))).await;
    let id = ask(&app, enqueue(r#"{"task": "add", "args": [1, 2]}"#)).await.id();
    finished(&board, &id).await;
    let paths = readable(&state, &id);
    assert!(paths.len() > 20, "{paths:?}");
    for path in paths {
        let answer = ask(&app, get(&path)).await;
        assert!(answer.status.as_u16() < 400, "{path}: {answer:?}");
        let header = |name: &str| answer.header(name).unwrap_or_else(|| panic!("{path} has no {name}: {answer:?}"));
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        header("x-request-id");
        let policy = header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        let caching = header("cache-control");
        if path.starts_with("/ui/static/") {
            assert_eq!(caching, "public, max-age=31536000, immutable");
        } else {
            assert!(["no-store", "private, no-cache"].contains(&caching), "{path}: {caching}");
        }
        if answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html")) {
            for (name, value) in [
                ("x-frame-options", "DENY"),
                ("referrer-policy", "same-origin"),
                ("cross-origin-opener-policy", "same-origin"),
                ("cache-control", "no-store"),
                ("x-robots-tag", "noindex"),
            ] {
                assert_eq!(header(name), value, "{path}: {name}");
            }
        }
    }
}

/// Texts that would run, or leave the place where they stand, were they not escaped: each way out with each thing to do.
fn corpus() -> Vec<String> {
    let ways_out =
        ["", "\"", "'", "\">", "'>", "</code>", "</pre>", "</title>", "-->", "]]>", "\\\">", "`", "\u{0}", "\u{2028}"];
    let deeds = [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg/onload=alert(1)>",
        "<iframe srcdoc='<script>alert(1)</script>'>",
        "<a href=javascript:alert(1)>x</a>",
        "<style>*{background:url(//evil.test)}</style>",
        "<base href=//evil.test/>",
        "<form action=//evil.test><button>",
        "<meta http-equiv=refresh content='0;url=//evil.test'>",
        " autofocus onfocus=alert(1) x=",
        " style=position:fixed ",
        "{{ 7 * 7 }}{% include 'base.html' %}",
        "&lt;script&gt;&#60;b&#62;",
        "<b>\u{202e}",
        "<plaintext>",
    ];
    ways_out.iter().flat_map(|way| deeds.iter().map(move |deed| format!("{way}{deed}"))).collect()
}

/// What a browser would make of a page: its elements with the names of their attributes.
fn elements(page: &str) -> Vec<String> {
    let mut elements = Vec::new();
    for piece in page.split('<').skip(1) {
        let tag = piece.split('>').next().unwrap_or_default();
        let mut shape = tag.split([' ', '\n']).next().unwrap_or_default().to_owned();
        // What stands in quotes is no name.
        for outside in tag.split('"').step_by(2) {
            shape.extend(outside.split([' ', '\n']).filter(|word| word.contains('=')).map(|word| format!(" {word}")));
        }
        elements.push(shape);
    }
    elements
}

#[actix_web::test]
async fn hostile_text_in_any_field_adds_nothing_to_a_page() {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let (board, _) = board().await;
    let app = serve(&board, HttpConfig::default()).await;
    let corpus = corpus();
    assert!(corpus.len() >= 200, "{}", corpus.len());
    let show = async |hostile: &str| {
        let body = serde_json::json!({"task": "fail", "args": [hostile], "metadata": {hostile: [hostile]}});
        let id = ask(&app, enqueue(&body.to_string())).await.id();
        finished(&board, &id).await;
        let query = url::form_urlencoded::byte_serialize(hostile.as_bytes()).collect::<String>();
        let report = serde_json::json!({"csp-report": {
            "document-uri": format!("http://127.0.0.1:8000/{hostile}"), "effective-directive": hostile,
            "blocked-uri": hostile, "source-file": hostile, "script-sample": hostile, "disposition": hostile,
        }});
        // Each time from another client, because each may only do so much.
        let peer = std::net::Ipv4Addr::from_bits(0x0a00_0000 + COUNT.fetch_add(1, Ordering::Relaxed));
        let peer = SocketAddr::from((peer, 5_000));
        let report = TestRequest::post().uri("/csp/reports").peer_addr(peer).set_payload(report.to_string());
        ask(&app, report.insert_header(("content-type", "application/csp-report"))).await;
        let mut pages = vec![
            ask(&app, get(&format!("/ui/tasks/{id}"))).await,
            ask(&app, form("/ui/login", &format!("token={query}")).peer_addr(peer)).await,
            ask(&app, form(&format!("/ui/tasks/{id}/{query}"), "")).await,
            ask(&app, form(&format!("/ui/queues/{query}/pause"), "")).await,
            ask(&app, get(&format!("/problems/{query}")).insert_header(("accept", "text/html"))).await,
            ask(&app, get(&format!("/ui/tasks/{id}?done={query}"))).await,
        ];
        for name in ["task", "queue", "tag", "since", "backend", "cursor", "other"] {
            pages.push(ask(&app, get(&format!("/ui/tasks?{name}={query}"))).await);
        }
        pages.iter().map(|answer| elements(&text(answer))).collect::<Vec<_>>()
    };
    // No name either, so that it is refused where names are wanted.
    let plain = show("plain text").await;
    for hostile in corpus {
        for (n, (shown, plain)) in show(&hostile).await.iter().zip(&plain).enumerate() {
            assert_eq!(shown, plain, "page {n} with {hostile:?}");
        }
    }
    for path in ["/ui/", "/ui/tasks", "/ui/csp", "/ui/audit"] {
        let text = text(&ask(&app, get(path)).await);
        for part in ["<img", "<svg", "<iframe", "<base", "<meta http", "<plaintext", "<b>", "onerror=alert(1)>"] {
            assert!(!text.contains(part), "{part} on {path}");
        }
    }
}

#[test]
fn no_template_switches_escaping_off() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/ui/templates");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        assert!(path.extension().is_some_and(|ending| ending == "html"), "{path:?} would not be escaped");
        let text = std::fs::read_to_string(&path).unwrap();
        for way in ["safe", "autoescape", "tojson", "style=\"", "<script", " on"] {
            // Whole words: `unsafe` and `only` are none of these.
            let used = text.match_indices(way).any(|(at, _)| {
                let before = text[..at].trim_end().ends_with('|') || text[..at].ends_with("{% ");
                match way {
                    "safe" | "tojson" => before,
                    " on" => text[at + 3..]
                        .split('=')
                        .next()
                        .is_some_and(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase())),
                    _ => true,
                }
            });
            assert!(!used, "{way:?} in {}", path.display());
        }
        seen += 1;
    }
    assert!(seen > 10, "{seen}");
}

#[actix_web::test]
async fn a_clock_that_jumps_breaks_nothing() {
    let start: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
    let clock = Clock::manual(start);
    let backend = || Backend::memory().queues(["default", "math"]).workers(1);
    let builder = Callboard::builder().backend("default", backend()).tasks([add::definition(), fail::definition()]);
    let board = builder.clock(clock.clone()).start().await.unwrap();
    let state = std::sync::Arc::new(State::new(&board, HttpConfig::default()));
    let mounted = std::sync::Arc::clone(&state);
    let app = actix_web::test::init_service(App::new().configure(move |cfg| routes::mount(cfg, &mounted))).await;
    let done = ask(&app, enqueue(r#"{"task": "add", "args": [1, 2]}"#)).await.id();
    ask(&app, enqueue(r#"{"task": "add", "args": [1, 2], "run_after": "1h"}"#)).await;
    finished(&board, &done).await;
    for time in [start - 1.hour(), Timestamp::UNIX_EPOCH, start + 876_000.hours(), start] {
        clock.set(time);
        for path in readable(&state, &done) {
            let answer = ask(&app, get(&path)).await;
            // What is old may be gone, or a lease not held; nothing has gone wrong inside.
            assert!(answer.status != 500, "{path} at {time}: {answer:?}");
        }
        let answer = ask(&app, enqueue(r#"{"task": "add", "args": [3, 4]}"#)).await;
        assert!([200, 202].contains(&answer.status.as_u16()), "at {time}: {answer:?}");
    }
    let last = ask(&app, enqueue(r#"{"task": "add", "args": [5, 6]}"#)).await.id();
    finished(&board, &last).await;
}
