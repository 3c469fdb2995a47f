//! Mail with files: given as arguments, named and read when it is sent, or too large for a job and spooled.

use std::sync::Arc;
use std::time::Duration;

use callboard::mail::{Attachment, Email, MailerOptions, Mailers, SmtpOptions, WithMail as _};
use callboard::{Callboard, Phase};
use futures::executor::block_on;
use serde_json::{Value, json};

use super::server::{Act, Smtp};
use crate::support::{Folder, Server};

fn server(smtp: &Smtp) -> Server {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path().join("out/invoices")).unwrap();
    folder.write("out/invoices/17.pdf", "%PDF-1.7 the invoice");
    folder.write(
        "callboard.toml",
        &format!(
            "[tasks.default]\nurl = \"jobs.db\"\n[mail.default]\nbackend = \"smtp\"\nhost = \"127.0.0.1\"\nport = {}\n\
             from = \"shop@example.com\"\nspool = \"spool\"\nfiles = \"out\"\n",
            smtp.port()
        ),
    );
    Server::start_in(Arc::new(folder), &[], &[])
}

fn mail(attachments: &Value) -> Value {
    json!({"task": "send_email", "args":
        {"to": "ann@example.com", "subject": "Invoice", "text": "Here it is.", "attachments": attachments}})
}

#[test]
fn programs_in_any_language_attach_files_by_their_bytes_or_their_names() {
    let smtp = Smtp::start();
    let server = server(&smtp);
    let id = server.enqueue(&mail(&json!([
        {"name": "terms.txt", "text": "Be kind."}, {"name": "a.bin", "content": "AAEC"}, {"file": "invoices/17.pdf"},
    ])));
    let task = server.until_finished(&id);
    assert_eq!(task["status"], "SUCCESSFUL", "{task}");
    assert_eq!(task["args"]["attachments"][2]["sha256"].as_str().unwrap().len(), 64, "what it was is fixed: {task}");
    let text = smtp.until_mails(1)[0].text();
    for part in [
        "Content-Disposition: attachment; filename=\"terms.txt\"",
        "Be kind.\r\n",
        "Content-Disposition: attachment; filename=\"a.bin\"",
        "Content-Disposition: attachment; filename=\"17.pdf\"",
        "Content-Type: application/pdf",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

#[test]
fn a_file_that_cannot_be_had_is_refused_before_anything_is_queued() {
    let smtp = Smtp::start();
    let server = server(&smtp);
    let pointer = |attachments: Value| {
        let reply = server.post("/enqueue", &mail(&attachments));
        assert_eq!(reply.status, 422, "{}", reply.text);
        reply.json()["errors"][0]["pointer"].as_str().unwrap().to_owned()
    };
    assert_eq!(pointer(json!([{"file": "../callboard.toml"}])), "#/args/attachments/0/file");
    assert_eq!(pointer(json!([{"file": "invoices/18.pdf"}])), "#/args/attachments/0/file");
    assert_eq!(pointer(json!([{"name": "a\nb", "text": "x"}])), "#/args/attachments/0");
    assert!(server.get("/tasks").json()["items"].as_array().unwrap().is_empty(), "nothing was queued");
}

#[test]
fn a_file_that_is_another_one_when_the_mail_is_sent_is_not_sent() {
    let smtp = Smtp::start();
    let server = server(&smtp);
    let mut call = mail(&json!([{"file": "invoices/17.pdf"}]));
    call["run_after"] = json!("1h");
    let id = server.enqueue(&call);
    server.folder.write("out/invoices/17.pdf", "%PDF-1.7 of somebody else");
    assert_eq!(server.post(&format!("/tasks/{id}/run-now"), &json!({})).status, 200);
    let task = server.until_finished(&id);
    assert_eq!((&task["status"], &task["attempts"]), (&json!("FAILED"), &json!(1)), "{task}");
    let message = task["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("attachments/0/file is another file than when it was enqueued"), "{message}");
    assert!(smtp.mails().is_empty());
}

/// A board that sends to that server, with a spool in the folder.
fn board(smtp: &Smtp, folder: &Folder) -> (Callboard, callboard::mail::Mailer) {
    let to = SmtpOptions { port: smtp.port(), ..SmtpOptions::new("127.0.0.1") };
    let options = MailerOptions::smtp(to).from("shop@example.com").spool(folder.path().join("spool"));
    let mailers = Mailers::builder().mailer("default", options).build().unwrap();
    let mailer = mailers.default().unwrap();
    (block_on(Callboard::builder().memory().tasks([]).mail(mailers).start()).unwrap(), mailer)
}

#[test]
fn a_mail_of_many_bytes_is_queued_and_arrives_whole_at_those_who_are_asked_later_too() {
    let smtp = Smtp::with(|moment| {
        (moment.line == "RCPT TO:<grey@example.com>" && moment.nth == 2).then_some(Act::Say("451 4.7.1 greylisted"))
    });
    let folder = Folder::new();
    let (board, mailer) = board(&smtp, &folder);
    let content: Vec<u8> = (0..150_000_u32).flat_map(u32::to_le_bytes).collect();
    let mail =
        Email::new("Report").to(["ann@example.com", "grey@example.com"]).attach(Attachment::new("r.bin", content));
    let job = block_on(board.enqueue(mailer.call(&mail).unwrap())).unwrap();
    let job = block_on(job.wait(Duration::from_secs(30))).unwrap();
    assert_eq!(job.phase(), Phase::Successful, "{:?}", job.errors());
    assert_eq!(job.return_value().unwrap().accepted, ["ann@example.com"]);
    let filter = callboard::store::Filter { phase: Some(Phase::Scheduled), ..Default::default() };
    let page = callboard::store::Page { limit: 10, before: None };
    let (rest, _) = block_on(board.list("default", filter, page)).unwrap();
    assert_eq!(rest.len(), 1);
    block_on(board.change(rest[0].id(), callboard::Change::RunNow)).unwrap();
    let mails = smtp.until_mails(2);
    assert_eq!(mails[1].to, ["grey@example.com"]);
    assert_eq!(mails[0].source, mails[1].source);
    assert!(mails[0].source.len() > 800_000, "{}", mails[0].source.len());
    block_on(board.shutdown());
}

#[test]
fn a_spooled_mail_that_was_changed_fails_its_job_and_says_so() {
    let smtp = Smtp::start();
    let folder = Folder::new();
    let (board, mailer) = board(&smtp, &folder);
    let mail = Email::new("Report").to("ann@example.com").attach(Attachment::new("r.bin", vec![1; 300_000]));
    let call = mailer.call(&mail).unwrap();
    let file = std::fs::read_dir(folder.path().join("spool")).unwrap().next().unwrap().unwrap().path();
    std::fs::write(file, "Subject: something else\r\n\r\n").unwrap();
    let job = block_on(board.enqueue(call)).unwrap();
    let job = block_on(job.wait(Duration::from_secs(30))).unwrap();
    assert_eq!((job.phase(), job.attempts()), (Phase::Failed, 1));
    assert!(job.errors()[0].message.contains("is not what it was when it was queued"), "{:?}", job.errors());
    assert!(smtp.mails().is_empty());
    block_on(board.shutdown());
}
