//! A view of actix-web queues a welcome mail, made from a template, and answers at once; the mail goes out afterwards,
//! tried again until the mail server takes it.
//!
//! Run: cargo run --example register_user             then: curl -d 'username=Ann&email=ann@example.com' 127.0.0.1:8080/register
//!      cargo run --example register_user -- --once   registers somebody itself and ends
//!
//! As it is, jobs are kept in memory and mail is written to the console. A `callboard.toml` in the working directory
//! changes that without a change of this program: a backend in `[tasks.default]`, a mail server in `[mail.default]`.
//!
//! Prints, with --once (in any order):
//!     200 OK: Welcome, Ann
//!     Subject: Welcome, Ann
//!     To: ann@example.com
//!     Hello Ann,

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use actix_web::{App, HttpResponse, HttpServer, Responder, post, web};
use callboard::http::Refused;
use callboard::mail::{Mailer, MailerOptions, Mailers, Transport, WithMail};
use callboard::store::{Filter, Page};
use callboard::{Callboard, Settings};
use callboard_templates::{Templates, context};
use serde::Deserialize;

#[derive(Deserialize)]
struct NewUser {
    username: String,
    email: String,
}

#[post("/register")]
async fn register_user(
    board: web::Data<Callboard>,
    mailer: web::Data<Mailer>,
    form: web::Form<NewUser>,
) -> Result<impl Responder, Refused> {
    let context = context! { username => &form.username, url => "https://example.com/start" };
    let mail = mailer.templated("welcome", context)?.to(form.email.as_str());
    // What is wrong with the address is known here, before anything is queued: 422.
    board.enqueue(mailer.call(&mail)?).await?; // returns at once
    Ok(HttpResponse::Ok().body(format!("Welcome, {}", form.username)))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let _ = env_logger::try_init();
    let once = std::env::args().any(|argument| argument == "--once");
    let bind = std::env::args().nth(1).filter(|_| !once).unwrap_or_else(|| "127.0.0.1:8080".into());

    let templates = Templates::builder().source("welcome.email", include_str!("templates/welcome.email")).build()?;
    let transport = if once { Transport::Memory } else { Transport::Console };
    let mailers = Mailers::builder()
        .mailer("default", MailerOptions::new(transport).from("welcome@example.com"))
        .templates(templates)
        .build()?;
    let mut builder = Callboard::builder().memory().tasks([]).mail(mailers);
    if !once {
        builder = builder.settings(Settings::find(None)?);
    }
    // The settings may have named other mailers.
    let mailers = builder.given::<Mailers>().ok_or("no mailers")?;
    let mailer = web::Data::new(mailers.default()?);
    let board = builder.start().await?;

    let (shared, sender) = (web::Data::new(board.clone()), mailer.clone());
    let app = move || App::new().app_data(shared.clone()).app_data(sender.clone()).service(register_user);
    let server = HttpServer::new(app).workers(1).bind(if once { "127.0.0.1:0" } else { bind.as_str() })?;
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    let server = actix_web::rt::spawn(server);
    if once {
        println!("{}", web::block(move || register(address)).await??);
        handle.stop(true).await;
    } else {
        println!("listening on http://{address}");
    }
    server.await??;

    // Whoever must know that the mail is out waits for its result; a server has no need to.
    let (mails, _) = board.list("default", Filter::default(), Page { limit: 1, before: None }).await?;
    for mail in mails {
        mail.wait(Duration::from_secs(5)).await?;
    }
    for mail in mailer.outbox() {
        let source = mail.source.text();
        let wanted = |line: &&str| ["Subject:", "To:", "Hello"].iter().any(|start| line.starts_with(start));
        source.lines().filter(wanted).for_each(|line| println!("{line}"));
    }
    board.shutdown().await;
    Ok(())
}

/// What curl does: registers Ann, and gives the first and the last line of the answer.
fn register(server: SocketAddr) -> io::Result<String> {
    let form = "username=Ann&email=ann@example.com";
    let mut stream = TcpStream::connect(server)?;
    write!(
        stream,
        "POST /register HTTP/1.1\r\nHost: {server}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{form}",
        form.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.lines().next().unwrap_or_default().trim_start_matches("HTTP/1.1 ");
    Ok(format!("{status}: {}", answer.lines().last().unwrap_or_default()))
}
