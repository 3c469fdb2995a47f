//! The front end in an actix-web application: enqueue by HTTP, poll by HTTP, beside pages of its own.
//!
//! Run: cargo run --example embed_http             then open http://127.0.0.1:8080/background/ui/
//!      cargo run --example embed_http -- --once   asks as a program does, and ends
//!
//! Prints, with --once:
//!     the application's own page: welcome
//!     POST /background/enqueue: 202
//!     GET /background/tasks/ID/result: 200 "Hello Ann"
//!     GET /background/ui/: 200
//!     GET /admin/enqueue without the application's leave: 403

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, guard, web};
use callboard::http::{self, Guard, HttpConfig};
use callboard::{Callboard, task};

#[task(name = "greet")]
async fn greet(name: String) -> String {
    format!("Hello {name}")
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let once = std::env::args().any(|argument| argument == "--once");
    let board = Callboard::builder().memory().start().await?;

    // Under /background for programs of this machine; under /admin for whomever the application itself lets in.
    let open = http::routes(&board);
    let own = http::routes_with(&board, HttpConfig { guard: Guard::Application, ..HttpConfig::default() });
    let server = HttpServer::new(move || {
        let known = guard::fn_guard(|context| context.head().headers().contains_key("x-staff"));
        App::new()
            .route("/", web::get().to(|| async { "welcome" }))
            .service(web::scope("/background").configure(open.clone()))
            .service(web::scope("/admin").guard(known).configure(own.clone()))
            .service(web::resource("/admin/{rest:.*}").to(stay_out))
    });
    let server = server.workers(1).bind(("127.0.0.1", if once { 0 } else { 8080 }))?;
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    let server = actix_web::rt::spawn(server);
    if once {
        web::block(move || visit(address)).await??;
        board.shutdown().await;
        handle.stop(true).await;
    }
    server.await??;
    Ok(())
}

async fn stay_out(_: HttpRequest) -> HttpResponse {
    HttpResponse::Forbidden().finish()
}

/// What a program does.
fn visit(server: SocketAddr) -> io::Result<()> {
    println!("the application's own page: {}", ask(server, "GET", "/", "")?.1);
    let (status, task) = ask(server, "POST", "/background/enqueue", r#"{"task": "greet", "args": ["Ann"]}"#)?;
    println!("POST /background/enqueue: {status}");
    let path = task.split(r#""self":""#).nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default().to_owned();
    ask(server, "GET", &format!("{path}?wait=10"), "")?;
    let (status, value) = ask(server, "GET", &format!("{path}/result"), "")?;
    println!("GET /background/tasks/ID/result: {status} {value}");
    println!("GET /background/ui/: {}", ask(server, "GET", "/background/ui/", "")?.0);
    let (status, _) = ask(server, "GET", "/admin/enqueue", "")?;
    println!("GET /admin/enqueue without the application's leave: {status}");
    Ok(())
}

/// The status and the body of an answer.
fn ask(server: SocketAddr, method: &str, path: &str, body: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok((status, answer.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned()))
}
