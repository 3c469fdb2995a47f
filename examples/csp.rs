//! A page whose own script runs and whose injected one does not, and an actor that hears of it.
//!
//! Run: cargo run --example csp             then open http://127.0.0.1:8080/?name=<script>alert(1)</script>
//!      cargo run --example csp -- --once   asks for the page and reports as a browser does, and ends
//!
//! Prints, with --once (in any order):
//!     the script has the nonce of the header: true
//!     script-src-elem blocked inline on /, 1 time

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use actix::{Actor, Context, Handler};
use actix_web::error::ErrorInternalServerError;
use actix_web::{App, HttpResponse, HttpServer, web};
use callboard::http::csp::{Collector, Csp, CspReports, CspViolation, Nonce, Policy, Source, SubscribeViolations};

/// Says what was blocked.
struct Alarm;

impl Actor for Alarm {
    type Context = Context<Self>;
}

impl Handler<CspViolation> for Alarm {
    type Result = ();

    fn handle(&mut self, it: CspViolation, _: &mut Self::Context) {
        println!("{} blocked {} on {}, {} time", it.directive, it.blocked, it.page, it.count);
    }
}

/// Forgets to escape what it is asked for. The policy saves it.
async fn page(nonce: Nonce, query: web::Query<Vec<(String, String)>>) -> actix_web::Result<HttpResponse> {
    let attr = nonce.attr().map_err(ErrorInternalServerError)?;
    let name = query.first().map_or("you", |(_, name)| name);
    let page = format!("<!doctype html><p>Hello {name}</p><script{attr}>document.body.append('I run.')</script>");
    Ok(HttpResponse::Ok().content_type("text/html; charset=utf-8").body(page))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let once = std::env::args().any(|argument| argument == "--once");
    let policy = Policy::strict().script_src(Source::Nonce).report("/csp/reports").build()?;
    let reports = CspReports::new().start();
    let alarm = Alarm.start();
    reports.send(SubscribeViolations(alarm.recipient())).await?;
    let collector = Collector::new(&reports);

    let server = HttpServer::new(move || {
        App::new()
            .route("/", web::get().to(page))
            .service(collector.resource("/csp/reports"))
            .wrap(Csp::new(policy.clone())) // last, so that it is outermost
    });
    let server = server.workers(1).bind(("127.0.0.1", if once { 0 } else { 8080 }))?;
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    let server = actix_web::rt::spawn(server);
    if once {
        let has_nonce = web::block(move || visit(address)).await??;
        println!("the script has the nonce of the header: {has_nonce}");
        handle.stop(true).await;
    }
    server.await??;
    Ok(())
}

/// What a browser does: asks for the page, and reports what its policy blocked.
fn visit(server: SocketAddr) -> io::Result<bool> {
    let page = ask(server, "GET / HTTP/1.1", "")?;
    let nonce = page.split("'nonce-").nth(1).and_then(|rest| rest.split('\'').next()).unwrap_or("none");
    let report = r#"{"csp-report": {"effective-directive": "script-src-elem", "blocked-uri": "inline", "document-uri": "http://127.0.0.1/"}}"#;
    ask(server, "POST /csp/reports HTTP/1.1\r\nContent-Type: application/csp-report", report)?;
    Ok(page.contains(&format!("<script nonce=\"{nonce}\">")))
}

fn ask(server: SocketAddr, request: &str, body: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(server)?;
    let length = body.len();
    write!(stream, "{request}\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
