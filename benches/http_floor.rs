//! What actix-web allows on this machine, to compare the front end with: a bare JSON route and a page of 1 KiB.
//!
//! Run: benches/http.sh, which starts this beside the server; or cargo bench --bench http_floor [-- PORT]
//!
//! Serves on 127.0.0.1 until it is stopped: `POST /enqueue` reads the JSON of a call and answers with JSON of the size
//! that the server's answer has; `GET /plain` is a page without a policy, `GET /policy` the same one with one, `GET /nonce`
//! the same one with a nonce in page and policy, and `GET /all` has also the other headers that the middleware adds.

use std::sync::LazyLock;

use actix_web::http::header::ContentType;
use actix_web::{App, HttpResponse, HttpServer, web};
use callboard::http::csp::{Csp, Nonce, Pairs, Policy, Source};
use serde::{Deserialize, Serialize};

/// As the server has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Deserialize)]
struct Call {
    task: String,
    args: serde_json::Value,
}

#[derive(Serialize)]
struct Answer {
    id: &'static str,
    task: String,
    status: &'static str,
    queue: &'static str,
    args: serde_json::Value,
}

async fn enqueue(call: web::Json<Call>) -> HttpResponse {
    let Call { task, args } = call.into_inner();
    let id = "01900000-0000-7000-8000-000000000000";
    HttpResponse::Accepted().json(Answer { id, task, status: "READY", queue: "default", args })
}

/// A page of 1 KiB.
fn page(attribute: &str) -> HttpResponse {
    static TEXT: LazyLock<String> = LazyLock::new(|| "text ".repeat(190));
    let text = ["<!doctype html><title>A page</title><script", attribute, ">go()</script><p>", &TEXT].concat();
    HttpResponse::Ok().content_type(ContentType::html()).body(text)
}

async fn plain() -> HttpResponse {
    page("")
}

async fn nonce(nonce: Nonce) -> actix_web::Result<HttpResponse> {
    let attribute = nonce.attr().map_err(actix_web::error::ErrorInternalServerError)?;
    Ok(page(&attribute))
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(8099_u16);
    let policy = Policy::strict().script_src([Source::Nonce, Source::StrictDynamic]).report("/csp/reports").build();
    let policy = policy.expect("the policy is right");
    let alone = Csp::new(policy.clone()).pairs(Pairs::none());
    HttpServer::new(move || {
        App::new()
            .route("/enqueue", web::post().to(enqueue))
            .service(web::scope("/plain").route("", web::get().to(plain)))
            .service(web::scope("/policy").route("", web::get().to(plain)).wrap(alone.clone()))
            .service(web::scope("/nonce").route("", web::get().to(nonce)).wrap(alone.clone()))
            .service(web::scope("/all").route("", web::get().to(nonce)).wrap(Csp::new(policy.clone())))
    })
    .bind(("127.0.0.1", port))?
    .run()
    .await
}
