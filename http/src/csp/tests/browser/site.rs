//! A site with the middleware, the collector in the routes of a board, and an actor that hears of violations.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, Addr, Context, Handler};
use actix_web::dev::ServerHandle;
use actix_web::http::header;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use callboard_actors::Callboard;
use parking_lot::Mutex;

use super::*;
use crate::{HttpConfig, routes_with};

const SCRIPT: &str = "document.getElementById('state').textContent = 'script ran'";

/// A page whose script changes its text.
fn page(script: &str) -> HttpResponse {
    html(format!("<!doctype html><title>t</title><p id=state>not run</p>{script}"))
}

fn inline() -> HttpResponse {
    page(&format!("<script>{SCRIPT}</script>"))
}

/// An answer that a page got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) path: &'static str,
    pub(super) status: u16,
}

#[derive(Default)]
struct Notes {
    nonce: Mutex<String>,
    asked: Mutex<Vec<Ask>>,
}

/// Hears of violations.
#[derive(Clone, Default)]
pub(super) struct Heard(Arc<Mutex<Vec<CspViolation>>>);

impl Actor for Heard {
    type Context = Context<Self>;
}

impl Handler<CspViolation> for Heard {
    type Result = ();

    fn handle(&mut self, violation: CspViolation, _: &mut Self::Context) {
        self.0.lock().push(violation);
    }
}

pub(super) struct Site {
    port: u16,
    handle: ServerHandle,
    board: Callboard,
    policy: Addr<CspPolicy>,
    reports: Addr<CspReports>,
    heard: Heard,
    notes: Arc<Notes>,
}

impl Site {
    pub(super) async fn start() -> Self {
        let policy = Policy::strict()
            .script_src([Source::Nonce, Source::ReportSample])
            .style_src(Source::Nonce)
            .report("/csp/reports")
            .build()
            .unwrap();
        let live = LivePolicy::new(policy);
        let (policy, reports, heard) =
            (CspPolicy::new(live.clone()).start(), CspReports::new().start(), Heard::default());
        reports.send(SubscribeViolations(heard.clone().start().recipient())).await.unwrap();
        let board = Callboard::builder().memory().tasks(Vec::new()).start().await.unwrap();
        let config = HttpConfig { csp_reports: Some(Collector::new(&reports)), ..HttpConfig::default() };
        let notes = Arc::new(Notes::default());

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (shared, routes) = (Arc::clone(&notes), routes_with(&board, config));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::from(Arc::clone(&shared)))
                .configure(pages)
                .configure(routes.clone())
                .wrap(Csp::live(&live))
        });
        let server = server.workers(1).disable_signals().listen(listener).unwrap().run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self { port, handle, board, policy, reports, heard, notes }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(super) fn last_nonce(&self) -> String {
        self.notes.nonce.lock().clone()
    }

    /// The pages that note it, in the order in which they were asked for.
    pub(super) fn asked(&self) -> Vec<Ask> {
        self.notes.asked.lock().clone()
    }

    pub(super) async fn reports(&self) -> ReportSummary {
        self.reports.send(GetReports).await.unwrap()
    }

    pub(super) async fn set(&self, change: SetPolicy) {
        self.policy.send(change).await.unwrap();
    }

    /// Waits until so many violations were heard.
    pub(super) async fn heard(&self, wanted: usize) -> Vec<CspViolation> {
        let begun = Instant::now();
        loop {
            let heard = self.heard.0.lock().clone();
            if heard.len() >= wanted {
                return heard;
            }
            assert!(begun.elapsed() < DEADLINE, "heard {heard:?}, not {wanted}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(super) async fn until(&self, wish: &str, is_so: impl Fn(&ReportSummary) -> bool) {
        let begun = Instant::now();
        loop {
            let summary = self.reports().await;
            if is_so(&summary) {
                return;
            }
            assert!(begun.elapsed() < DEADLINE, "not so: {wish}; {summary:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(super) async fn stop(&self) {
        self.handle.stop(false).await;
        self.board.shutdown().await;
    }
}

fn pages(cfg: &mut web::ServiceConfig) {
    let hashed = Policy::strict().script_src(Source::sha256_of(SCRIPT)).build().unwrap();
    let try_out =
        Policy::strict().script_src([Source::SelfOrigin, Source::ReportSample]).report("/csp/reports").build().unwrap();
    let try_out = CspOverride::enforce_off("it is tried out").and(&CspOverride::report_only(try_out));
    let own = Policy::strict().script_src(Source::SelfOrigin).build().unwrap();
    cfg.route("/page", web::get().to(greeting))
        .route("/inline", web::get().to(async || inline()))
        .route("/off", web::get().to(async || inline()).wrap(CspOverride::off("the test wants it")))
        .route("/hashed", web::get().to(async || inline()).wrap(CspOverride::enforce(hashed)))
        .route("/report-only", web::get().to(async || inline()).wrap(try_out))
        .route("/kept", web::get().to(kept).wrap(CspOverride::enforce(own)))
        .route("/kept-nonce", web::get().to(kept_nonce))
        .route("/wrong-304", web::get().to(wrong_304))
        .route("/app.js", web::get().to(async || HttpResponse::Ok().content_type("text/javascript").body(SCRIPT)));
}

/// A page that puts what it is asked for into its text as it is, as no page should.
async fn greeting(nonce: Nonce, notes: web::Data<Notes>, query: web::Query<Vec<(String, String)>>) -> HttpResponse {
    let attr = nonce.attr().unwrap();
    *notes.nonce.lock() = nonce.get().unwrap().to_string();
    let name = query.iter().find(|(key, _)| key == "name").map(|(_, value)| value.clone()).unwrap_or_default();
    page(&format!("<style{attr}>#state {{ color: rgb(1, 2, 3) }}</style>{name}<script{attr}>{SCRIPT}</script>"))
}

fn has_kept(req: &HttpRequest) -> bool {
    req.headers().get(header::IF_NONE_MATCH).is_some_and(|etag| etag == "\"v1\"")
}

/// A page that may be kept and is asked for again each time.
async fn kept(req: HttpRequest, notes: web::Data<Notes>) -> HttpResponse {
    let unchanged = has_kept(&req);
    notes.asked.lock().push(Ask { path: "/kept", status: if unchanged { 304 } else { 200 } });
    let mut answer =
        if unchanged { HttpResponse::NotModified().finish() } else { page("<script src=/app.js></script>") };
    answer.headers_mut().insert(header::ETAG, header::HeaderValue::from_static("\"v1\""));
    answer.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-cache, private"));
    answer
}

/// The same with a nonce, by which it must not be kept.
async fn kept_nonce(req: HttpRequest, nonce: Nonce, notes: web::Data<Notes>) -> HttpResponse {
    let unchanged = has_kept(&req);
    notes.asked.lock().push(Ask { path: "/kept-nonce", status: if unchanged { 304 } else { 200 } });
    if unchanged {
        return HttpResponse::NotModified().insert_header((header::ETAG, "\"v1\"")).finish();
    }
    *notes.nonce.lock() = nonce.get().unwrap().to_string();
    let mut answer = page(&format!("<script{}>{SCRIPT}</script>", nonce.attr().unwrap()));
    answer.headers_mut().insert(header::ETAG, header::HeaderValue::from_static("\"v1\""));
    answer.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-cache, private"));
    answer
}

/// What the middleware prevents, done by hand: a 304 with a policy whose nonce the kept page does not have.
async fn wrong_304(req: HttpRequest) -> HttpResponse {
    let nonce = text_of_nonce();
    let mut answer = if has_kept(&req) {
        HttpResponse::NotModified().finish()
    } else {
        page(&format!("<script nonce=\"{nonce}\">{SCRIPT}</script>"))
    };
    let headers = answer.headers_mut();
    let policy = format!("script-src 'nonce-{nonce}'");
    headers.insert(header::CONTENT_SECURITY_POLICY, policy.parse().unwrap());
    headers.insert(header::ETAG, header::HeaderValue::from_static("\"v1\""));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-cache, private"));
    answer
}
