//! A mail that comes back: from the address that it was sent from to the task that is to know.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use callboard::mail::bounce::{Bounce, Status};
use callboard::mail::{Email, MailerOptions, Mailers, SmtpOptions, WithMail as _, take_bounce};
use callboard::{Callboard, Data, Phase, Stop, TaskContext, task, tasks};
use futures::executor::block_on;
use serde_json::json;

use super::server::Smtp;
use crate::support::{Folder, Server};

type Known = Mutex<Vec<Bounce>>;

#[task(name = "shop.mail_bounced", register = false)]
async fn mail_bounced(known: Data<Known>, bounce: Bounce) {
    known.lock().unwrap().push(bounce);
}

/// `take_bounce` by a process that dies, at its first run, before its end is recorded.
#[task(register = false)]
async fn take_and_die(
    mailers: Data<Mailers>,
    board: Data<Callboard>,
    attempt: &TaskContext,
    source: String,
) -> Result<Vec<Bounce>, Stop> {
    let bounces = take_bounce(mailers, board, attempt, source, None).await?;
    if attempt.attempt() == 1 { Err(Stop::retry_in(Duration::ZERO, "the process died")) } else { Ok(bounces) }
}

/// What a server writes to that address about a recipient.
fn report(to: &str, recipient: &str) -> String {
    format!(
        "From: <>\r\nTo: {to}\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
         --b\r\n\r\nNobody is there.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n\
         Reporting-MTA: dns; mx.example.com\r\n\r\n\
         Final-Recipient: rfc822; {recipient}\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n\
         Final-Recipient: rfc822; slow@example.com\r\nAction: delayed\r\nStatus: 4.4.1\r\n--b--\r\n"
    )
}

#[test]
fn a_mail_that_comes_back_reaches_the_task_that_is_to_know_once() {
    let smtp = Smtp::start();
    let to = SmtpOptions { port: smtp.port(), ..SmtpOptions::new("127.0.0.1") };
    let options = MailerOptions::smtp(to).from("shop@example.com").bounces("bounce@example.com");
    let options = options.on_bounce("shop.mail_bounced");
    let mailers = Mailers::builder().mailer("default", options).build().unwrap();
    let mailer = mailers.default().unwrap();
    let known = Arc::new(Known::default());
    let board = Callboard::builder().memory().tasks(tasks![mail_bounced, take_and_die]).data_arc(Arc::clone(&known));
    let board = block_on(board.mail(mailers).start()).unwrap();

    block_on(mailer.send(&Email::new("Hi").to("nobody@example.com").text("Hi."))).unwrap();
    let sent = smtp.until_mails(1).remove(0);
    assert!(sent.from.starts_with("bounce+") && sent.from.ends_with("@example.com"), "{}", sent.from);
    let job = block_on(board.enqueue(take_and_die::with(report(&sent.from, "nobody@example.com")))).unwrap();
    let job = block_on(job.wait(Duration::from_secs(30))).unwrap();
    assert_eq!((job.phase(), job.attempts()), (Phase::Successful, 2));
    assert_eq!(job.return_value().unwrap().len(), 2, "what is delayed is in the report");
    block_on(board.until_idle());
    let known = known.lock().unwrap();
    assert_eq!(known.len(), 1, "and told to nobody: {known:?}");
    assert_eq!((known[0].address.as_str(), known[0].status), ("nobody@example.com", Status(5, 1, 1)));
    let id = known[0].mail.as_deref().unwrap();
    assert!(sent.text().contains(&format!("Message-ID: <{id}@example.com>\r\n")));
    block_on(board.shutdown());
}

#[test]
fn the_server_takes_reports_names_the_job_of_the_mail_and_refuses_other_mail() {
    let smtp = Smtp::start();
    let folder = Folder::new();
    folder.write(
        "callboard.toml",
        &format!(
            "[tasks.default]\nbackend = \"memory\"\n[mail.default]\nbackend = \"smtp\"\nhost = \"127.0.0.1\"\nport = {}\n\
             from = \"shop@example.com\"\nbounces = \"bounce@example.com\"\n",
            smtp.port()
        ),
    );
    let server = Server::start_in(Arc::new(folder), &[], &[]);
    let mail = json!({"to": "nobody@example.com", "subject": "Hi", "text": "Hi."});
    let id = server.enqueue(&json!({"task": "send_email", "args": mail}));
    let sent = smtp.until_mails(1).remove(0);
    assert_eq!(sent.from, format!("bounce+{id}@example.com"));
    let take = |source: &str| json!({"task": "take_bounce", "args": {"source": source}});
    let task = server.until_finished(&server.enqueue(&take(&report(&sent.from, "nobody@example.com"))));
    assert_eq!(task["return_value"][0]["mail"], json!(id), "{task}");
    assert_eq!(task["return_value"][0]["status"], "5.1.1");
    let reply = server.post("/enqueue", &take("Subject: Re: Hi\r\n\r\nThanks!"));
    assert_eq!((reply.status, reply.json()["errors"][0]["pointer"].clone()), (422, json!("#/args/source")));
}
