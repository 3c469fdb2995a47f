//! The door for reports, over HTTP: by itself, and among the routes of a board.

use std::net::SocketAddr;

use actix::{Actor as _, Addr, Context, Handler};
use actix_web::http::Method;
use actix_web::{App, web};
use callboard_actors::Callboard;
use parking_lot::Mutex;
use serde_json::Value;

use super::*;
use crate::{Guard, HttpConfig, Scope, Token, routes_with};

const OLD: &str = r#"{"csp-report":{"document-uri":"http://app.test/orders/7?q=secret","effective-directive":"img-src","blocked-uri":"https://evil.example/x?secret","disposition":"report"}}"#;
const NEW: &str = r#"[{"type":"csp-violation","url":"http://app.test/orders/8","body":{"documentURL":"http://app.test/orders/8","effectiveDirective":"script-src-elem","blockedURL":"inline"}},{"type":"csp-hash","body":{}},{"type":"csp-violation","body":{"blockedURL":"chrome-extension"}}]"#;

fn report(kind: &str, body: &str) -> TestRequest {
    TestRequest::post()
        .uri("/csp/reports")
        .peer_addr(SocketAddr::from(([192, 0, 2, 1], 5000)))
        .insert_header(("host", "app.test"))
        .insert_header(("content-type", kind))
        .set_payload(body.to_owned())
}

fn old() -> TestRequest {
    report("application/csp-report", OLD)
}

/// An app of somebody else with the collector in it.
macro_rules! app {
    ($collector:expr) => {
        actix_web::test::init_service(
            App::new()
                .service($collector.resource("/csp/reports"))
                .route("/orders/{id}", web::get().to(async || "an order")),
        )
        .await
    };
}

async fn summary(reports: &Addr<CspReports>) -> ReportSummary {
    reports.send(GetReports).await.unwrap()
}

#[track_caller]
fn problem(answer: &Answer) -> String {
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["status"], answer.status.as_u16());
    body["type"].as_str().unwrap().strip_prefix("/problems/").unwrap().to_owned()
}

struct Ear(std::sync::Arc<Mutex<Vec<CspViolation>>>);

impl actix::Actor for Ear {
    type Context = Context<Self>;
}

impl Handler<CspViolation> for Ear {
    type Result = ();

    fn handle(&mut self, violation: CspViolation, _: &mut Self::Context) {
        self.0.lock().push(violation);
    }
}

#[actix_web::test]
async fn both_formats_are_taken_and_reach_whoever_subscribed() {
    let reports = CspReports::new().start();
    let heard = std::sync::Arc::new(Mutex::new(Vec::new()));
    let ear = Ear(std::sync::Arc::clone(&heard)).start();
    reports.send(SubscribeViolations(ear.clone().recipient())).await.unwrap();
    let app = app!(Collector::new(&reports));
    for request in
        [old(), report("application/reports+json", NEW), report("application/json; charset=utf-8", OLD), old()]
    {
        let answer = ask(&app, request).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (204, ""), "{answer:?}");
    }
    let summary = summary(&reports).await;
    assert_eq!((summary.counts.received, summary.counts.repeated), (4, 2));
    assert_eq!((summary.counts.noise, summary.counts.others), (1, 1));
    // The pattern of the route, not the address.
    assert!(summary.recent.iter().all(|violation| violation.page == "/orders/{id}"), "{summary:?}");

    // The ear hears in order: when it has heard this, it has heard all.
    let last = ear.send(summary.recent[0].clone());
    actix_web::rt::time::timeout(DEADLINE, last).await.unwrap().unwrap();
    let heard = heard.lock();
    let told: Vec<_> = heard.iter().map(|violation| (violation.directive.as_str(), violation.disposition)).collect();
    assert_eq!(told[..2], [("img-src", Disposition::Report), ("script-src-elem", Disposition::Enforce)]);
    assert!(!format!("{heard:?}").contains("secret"));
}

#[actix_web::test]
async fn what_is_no_report_is_refused_with_a_problem() {
    let reports = CspReports::new().start();
    let limits = ReportLimits { body: 1_000, per_client_minute: 100, ..ReportLimits::default() };
    let app = app!(Collector::new(&reports).limits(limits));
    for (request, status, slug) in [
        (report("text/plain", OLD), 415, "unsupported-media-type"),
        (report("application/x-www-form-urlencoded", "a=b"), 415, "unsupported-media-type"),
        (old().insert_header(("content-encoding", "gzip")), 415, "unsupported-media-type"),
        (report("application/csp-report", "{"), 400, "malformed-json"),
        (report("application/csp-report", "[]"), 400, "malformed-json"),
        (report("application/csp-report", ""), 400, "malformed-json"),
        (report("application/reports+json", &"[".repeat(500)), 400, "malformed-json"),
        (report("application/csp-report", &" ".repeat(1_001)), 413, "payload-too-large"),
        (old().insert_header(("content-length", "1001")), 413, "payload-too-large"),
        (old().insert_header(("origin", "https://evil.test")), 403, "csrf"),
        (old().insert_header(("origin", "null")), 403, "csrf"),
        (old().method(Method::GET), 405, "method-not-allowed"),
        (old().method(Method::PUT), 405, "method-not-allowed"),
    ] {
        let answer = ask(&app, request).await;
        assert_eq!((answer.status.as_u16(), problem(&answer).as_str()), (status, slug), "{answer:?}");
        match status {
            415 => assert!(answer.header("accept").unwrap().contains("application/reports+json")),
            405 => assert_eq!(answer.header("allow"), Some("POST, OPTIONS")),
            _ => {}
        }
    }
    assert_eq!(summary(&reports).await, ReportSummary::default(), "what was refused left no trace");
}

#[actix_web::test]
async fn so_many_are_taken_from_one_client_and_so_many_in_all() {
    let reports = CspReports::new().start();
    let limits = ReportLimits { per_client_minute: 3, per_second: 5, ..ReportLimits::default() };
    let app = app!(Collector::new(&reports).limits(limits).trusted_proxies(vec!["192.0.2.1".parse().unwrap()]));
    let from = |client: &'static str| old().insert_header(("x-forwarded-for", client));
    let mut taken = Vec::new();
    for client in ["198.51.100.1"; 4] {
        taken.push(ask(&app, from(client)).await.status.as_u16());
    }
    assert_eq!(taken, [204, 204, 204, 429]);
    // Addresses of one network are one client where addresses are plenty.
    assert_eq!(ask(&app, from("2001:db8::1")).await.status, 204);
    assert_eq!(ask(&app, from("2001:db8::2")).await.status, 204);
    let full = ask(&app, from("203.0.113.9")).await;
    assert_eq!(problem(&full), "rate-limited");
    let pause: u64 = full.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=2).contains(&pause), "{pause}");
    assert_eq!(summary(&reports).await.counts.received, 5);
}

#[actix_web::test]
async fn pages_of_other_sites_report_here_where_that_is_allowed() {
    let reports = CspReports::new().start();
    let app = app!(Collector::new(&reports).allow_origins(["https://www.partner.example"]));
    let preflight =
        |origin| TestRequest::default().method(Method::OPTIONS).uri("/csp/reports").insert_header(("origin", origin));
    let allowed = ask(&app, preflight("https://www.partner.example")).await;
    assert_eq!(allowed.status, 204);
    for (name, value) in [
        ("access-control-allow-origin", "https://www.partner.example"),
        ("access-control-allow-methods", "POST"),
        ("access-control-allow-headers", "content-type"),
        ("vary", "Origin"),
        ("allow", "POST, OPTIONS"),
    ] {
        assert_eq!(allowed.header(name), Some(value));
    }
    let refused = ask(&app, preflight("https://evil.test")).await;
    assert_eq!(refused.header("access-control-allow-origin"), None);
    let sent = ask(&app, old().insert_header(("origin", "https://www.partner.example"))).await;
    assert_eq!(
        (sent.status.as_u16(), sent.header("access-control-allow-origin")),
        (204, Some("https://www.partner.example"))
    );
    assert_eq!(ask(&app, old().insert_header(("origin", "http://app.test"))).await.status, 204, "our own pages");
}

#[actix_web::test]
async fn a_collector_whose_actor_is_gone_drops_and_counts() {
    let reports = CspReports::new().start();
    let collector = Collector::new(&reports);
    let app = app!(collector);
    actix_web::rt::task::yield_now().await;
    reports.send(Leave).await.unwrap();
    assert_eq!(ask(&app, old()).await.status, 204);
    assert_eq!(collector.dropped(), 1);
}

struct Leave;

impl actix::Message for Leave {
    type Result = ();
}

impl Handler<Leave> for CspReports {
    type Result = ();

    fn handle(&mut self, _: Leave, ctx: &mut Context<Self>) {
        use actix::ActorContext as _;
        ctx.terminate();
    }
}

/// A board's routes take reports from browsers, whoever may call the rest.
#[actix_web::test]
async fn the_routes_of_a_board_take_reports_from_everybody_and_nothing_else_is_open() {
    let board = Callboard::builder().memory().tasks(Vec::new()).start().await.unwrap();
    let reports = CspReports::new().start();
    let token = Token {
        id: "a1b2c3d4".into(),
        name: "t".into(),
        sha256: Token::digest("tk_a1b2c3d4_x"),
        scopes: vec![Scope::Admin],
        expires: None,
    };
    let plain = HttpConfig::default();
    let configs = [
        plain.clone(),
        HttpConfig { tokens: vec![token], ..plain.clone() },
        HttpConfig { read_only: true, ..plain.clone() },
        HttpConfig { guard: Guard::Application, ..plain },
    ];
    for config in configs {
        let limits = ReportLimits { per_client_minute: 1_000, ..ReportLimits::default() };
        let config = HttpConfig { csp_reports: Some(Collector::new(&reports).limits(limits)), ..config };
        let guard = config.guard;
        let app = actix_web::test::init_service(App::new().configure(routes_with(&board, config))).await;
        for request in [
            old().insert_header(("sec-fetch-site", "same-origin")).insert_header(("origin", "http://app.test")),
            // As browsers send them to a named endpoint.
            report("application/reports+json", NEW).insert_header(("origin", "http://app.test")),
            old().insert_header(("cookie", "a=b")),
        ] {
            let answer = ask(&app, request).await;
            assert_eq!(answer.status, 204, "{answer:?}");
            assert_eq!(answer.enforced(), Some("default-src 'none'; frame-ancestors 'none'"));
            assert!(answer.header("x-request-id").is_some());
        }
        let foreign = ask(&app, old().insert_header(("origin", "http://evil.test"))).await;
        assert_eq!(problem(&foreign), "csrf");
        assert_eq!(problem(&ask(&app, report("text/plain", OLD)).await), "unsupported-media-type");
        assert_eq!(problem(&ask(&app, old().method(Method::GET)).await), "method-not-allowed");
        let enqueue = report("application/json", "{}").uri("/enqueue").insert_header(("origin", "http://evil.test"));
        let closed = ask(&app, enqueue).await.status.as_u16();
        assert!([401, 403].contains(&closed), "{guard:?}: {closed}");
    }
    assert_eq!(summary(&reports).await.counts.received, 12);
    board.shutdown().await;
}

#[actix_web::test]
async fn a_board_without_a_collector_makes_one() {
    let board = Callboard::builder().memory().tasks(Vec::new()).start().await.unwrap();
    let app = App::new().service(web::scope("/tasks").configure(crate::routes(&board)));
    let app = actix_web::test::init_service(app).await;
    for _ in 0..2 {
        assert_eq!(ask(&app, old().uri("/tasks/csp/reports")).await.status, 204);
    }
    board.shutdown().await;
}
