//! A view of actix-web enqueues a welcome mail and answers at once; the mail goes out afterwards.
//!
//! Run: cargo run --example register_user             then: curl -d 'username=Ann&email=ann@example.com' 127.0.0.1:8080/register
//!      cargo run --example register_user -- --once   registers somebody itself and ends
//!
//! Prints, with --once (in any order):
//!     200 OK: Welcome, Ann
//!     To: ann@example.com
//!     Subject: Welcome
//!     Hello Ann, good to have you.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use actix_web::{App, HttpResponse, HttpServer, Responder, post, web};
use callboard::store::{Filter, Page};
use callboard::{Callboard, Data, task};
use serde::Deserialize;

/// Sends mail; this one writes it to the console.
struct Mailer {
    /// What every mail says first.
    greeting: &'static str,
}

impl Mailer {
    async fn send(&self, to: &str, subject: &str, text: &str) -> io::Result<()> {
        println!("To: {to}\nSubject: {subject}\n{} {text}", self.greeting);
        Ok(())
    }
}

/// Welcomes a new user. Tried again, up to five times, if the mail cannot be sent.
#[task(max_attempts = 5, timeout = "30s")]
async fn send_welcome_email(mailer: Data<Mailer>, user_email: String, username: String) -> io::Result<()> {
    mailer.send(&user_email, "Welcome", &format!("{username}, good to have you.")).await
}

#[derive(Deserialize)]
struct NewUser {
    username: String,
    email: String,
}

#[post("/register")]
async fn register_user(
    board: web::Data<Callboard>,
    form: web::Form<NewUser>,
) -> Result<impl Responder, actix_web::error::Error> {
    let call = send_welcome_email::with(&form.email, &form.username);
    board.enqueue(call).await.map_err(actix_web::error::ErrorServiceUnavailable)?; // returns at once
    Ok(HttpResponse::Ok().body(format!("Welcome, {}", form.username)))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let once = std::env::args().any(|argument| argument == "--once");
    let board = Callboard::builder()
        .memory()
        .tasks(callboard::tasks![send_welcome_email])
        .data(Mailer { greeting: "Hello" })
        .start()
        .await?;

    let shared = web::Data::new(board.clone());
    let server = HttpServer::new(move || App::new().app_data(shared.clone()).service(register_user))
        .workers(1)
        .bind(("127.0.0.1", if once { 0 } else { 8080 }))?;
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    let server = actix_web::rt::spawn(server);
    if once {
        println!("{}", web::block(move || register(address)).await??);
        handle.stop(true).await;
    }
    server.await??;

    // Whoever must know that the mail is out waits for its result; a server has no need to.
    let (mails, _) = board.list("default", Filter::default(), Page { limit: 1, before: None }).await?;
    for mail in mails {
        mail.wait(Duration::from_secs(5)).await?;
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
