//! From a registration to a mail in the hands of a mail server: through the example application and through the server,
//! with everything that can go wrong in between.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::server::{Act, Smtp, Taken};
use crate::examples::built;
use crate::support::{Folder, Server, http, send, wait_until};

/// A port where nobody listens, and a listener for it later.
struct Port(u16);

impl Port {
    fn free() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port())
    }

    /// A mail server there, from now on.
    fn serve(&self) -> Smtp {
        let listener = wait_until("the port is free again", || TcpListener::bind(("127.0.0.1", self.0)).ok());
        Smtp::at(listener, |_| None, None, false)
    }
}

fn settings(port: u16) -> String {
    format!(
        "[tasks.default]\nurl = \"jobs.db\"\n[mail.default]\nbackend = \"smtp\"\nhost = \"127.0.0.1\"\nport = {port}\n\
         from = \"The Shop <welcome@example.com>\"\ntimeout = \"5s\"\n"
    )
}

/// The example application, running in a folder with these settings; killed at the end.
struct Example {
    child: Child,
    url: String,
}

impl Example {
    fn start(folder: &Folder) -> Self {
        let log = std::fs::File::create(folder.path().join("app.log")).unwrap();
        let mut command = Command::new(built("register_user"));
        command.arg("127.0.0.1:0").current_dir(folder.path()).stdin(Stdio::null()).stdout(log).stderr(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CALLBOARD") {
                command.env_remove(name);
            }
        }
        let child = command.spawn().unwrap();
        let url = wait_until("the example listens", || {
            let log = std::fs::read_to_string(folder.path().join("app.log")).ok()?;
            Some(log.split_once("listening on ")?.1.lines().next()?.to_owned())
        });
        Self { child, url }
    }

    /// Registers somebody, and says how long the answer took.
    #[track_caller]
    fn register(&self, email: &str) -> (u16, Duration) {
        let start = Instant::now();
        let email: String = email.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let request = http()
            .post(format!("{}/register", self.url))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("username=Ann+%26+Bob&email={email}"));
        let reply = send(request);
        (reply.status, start.elapsed())
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The welcome mail, in both its parts.
#[track_caller]
fn is_the_welcome(mail: &Taken) {
    assert_eq!((mail.from.as_str(), mail.to.as_slice()), ("welcome@example.com", &["ann@example.com".to_owned()][..]));
    let text = mail.text();
    for part in [
        "Subject: Welcome, Ann & Bob\r\n",
        "From: \"The Shop\" <welcome@example.com>\r\n",
        "Content-Type: multipart/alternative;",
        "Content-Type: text/plain; charset=utf-8\r\n",
        "Hello Ann & Bob,\r\n",
        "Content-Type: text/html; charset=utf-8\r\n",
        "<p>Hello Ann &amp; Bob,</p>\r\n",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

#[test]
fn a_registration_is_answered_at_once_and_the_welcome_arrives_in_both_parts() {
    let folder = Folder::new();
    let smtp = Smtp::with(|moment| (moment.verb == "END").then_some(Act::Wait(Duration::from_millis(1_500))));
    folder.write("callboard.toml", &settings(smtp.port()));
    let app = Example::start(&folder);
    app.register("warm-up@example.com");
    let (status, took) = app.register("ann@example.com");
    assert_eq!(status, 200);
    assert!(took < Duration::from_secs(1), "the answer waited for the mail: {took:?}");
    let mails = smtp.until_mails(2);
    is_the_welcome(mails.iter().find(|mail| mail.to == ["ann@example.com"]).unwrap());
    assert_eq!(app.register("ann@example.com\r\nBcc: eve@example.com").0, 422);
    assert_eq!(app.register("nobody").0, 422);
}

#[test]
fn with_the_mail_server_down_the_mail_is_tried_again_and_arrives_once() {
    let folder = Folder::new();
    let port = Port::free();
    folder.write("callboard.toml", &settings(port.0));
    let app = Example::start(&folder);
    assert_eq!(app.register("ann@example.com").0, 200, "nobody waits for the mail server");
    std::thread::sleep(Duration::from_millis(800)); // at least one attempt has failed by now
    let smtp = port.serve();
    is_the_welcome(&smtp.until_mails(1)[0]);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(smtp.mails().len(), 1, "it arrived more than once");
}

#[test]
fn a_program_that_is_killed_before_the_mail_went_out_loses_nothing() {
    let folder = Folder::new();
    let port = Port::free();
    folder.write("callboard.toml", &settings(port.0));
    let mut app = Example::start(&folder);
    let addresses: Vec<String> = (0..5).map(|n| format!("user{n}@example.com")).collect();
    for address in &addresses {
        assert_eq!(app.register(address).0, 200);
    }
    app.kill(); // -9
    let smtp = port.serve();
    let _app = Example::start(&folder);
    let mut arrived: Vec<String> = smtp.until_mails(5).into_iter().flat_map(|mail| mail.to).collect();
    arrived.sort();
    assert_eq!(arrived, addresses);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(smtp.mails().len(), 5, "some arrived more than once");
}

/// A mail that was under way when its program was killed is sent again, under the same Message-ID: it may arrive twice,
/// and the receiver can tell.
#[test]
fn a_program_that_is_killed_while_the_server_takes_the_mail_sends_the_same_bytes_again() {
    let folder = Folder::new();
    let smtp =
        Smtp::with(|moment| (moment.verb == "END" && moment.nth == 1).then_some(Act::Wait(Duration::from_secs(4))));
    folder.write("callboard.toml", &settings(smtp.port()));
    let mut app = Example::start(&folder);
    assert_eq!(app.register("ann@example.com").0, 200);
    wait_until("the mail is under way", || smtp.lines().contains(&"DATA".to_owned()).then_some(()));
    std::thread::sleep(Duration::from_millis(300));
    app.kill();
    let _app = Example::start(&folder);
    let mails = smtp.until_mails(2);
    assert_eq!(mails[0].source, mails[1].source);
    is_the_welcome(&mails[1]);
}

/// A server with templates in a folder and a mail server.
fn server_with(smtp: &Smtp, more: &str) -> Server {
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("templates")).unwrap();
    folder.write("templates/welcome.email", include_str!("../../../examples/templates/welcome.email"));
    folder.write("callboard.toml", &format!("{}[templates]\ndir = \"templates\"\n{more}", settings(smtp.port())));
    Server::start_in(Arc::new(folder), &[], &[])
}

#[test]
fn the_server_sends_mail_for_programs_in_any_language() {
    let smtp = Smtp::start();
    let server = server_with(&smtp, "");
    let id = server.enqueue(&json!({"task": "send_templated_email", "args": {
        "template": "welcome", "to": "ann@example.com", "context": {"username": "Ann & Bob", "url": "https://example.com"},
    }}));
    let task = server.until_finished(&id);
    assert_eq!(task["status"], "SUCCESSFUL", "{task}");
    assert_eq!(task["return_value"]["accepted"], json!(["ann@example.com"]));
    assert_eq!(task["args"]["from"], "The Shop <welcome@example.com>", "who writes was fixed when it was enqueued");
    assert_eq!(task["args"]["rendered"]["subject"], "Welcome, Ann & Bob");
    is_the_welcome(&smtp.until_mails(1)[0]);
    assert!(smtp.mails()[0].text().contains(&format!("Message-ID: <{id}@example.com>\r\n")));

    let id = server.enqueue(&json!({"task": "send_email", "args": {
        "to": ["ann@example.com", {"name": "Bob, B", "email": "bob@example.com"}], "subject": "Hi", "text": "Dear all",
        "cc": "carl@example.com", "bcc": ["dora@example.com"], "reply_to": "reply@example.com", "headers": {"X-Tag": "a"},
    }}));
    assert_eq!(server.until_finished(&id)["status"], "SUCCESSFUL");
    let mail = smtp.until_mails(2).remove(1);
    assert_eq!(mail.to, ["ann@example.com", "bob@example.com", "carl@example.com", "dora@example.com"]);
    assert!(mail.text().contains("X-Tag: a\r\n") && mail.text().contains("Reply-To: reply@example.com\r\n"));
}

#[test]
fn what_is_wrong_with_a_mail_is_answered_before_anything_is_queued_with_its_field() {
    let smtp = Smtp::start();
    let server = server_with(&smtp, "");
    let pointers = |task: &str, args: serde_json::Value| {
        let reply = server.post("/enqueue", &json!({"task": task, "args": args}));
        assert_eq!(reply.status, 422, "{}", reply.text);
        let errors = reply.json()["errors"].as_array().unwrap().clone();
        errors.into_iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let email = |to: &str, subject: &str| json!({"to": ["ann@example.com", to], "subject": subject, "text": "t"});
    assert_eq!(pointers("send_email", email("nobody", "S")), ["#/args/to/1"]);
    assert_eq!(
        pointers("send_email", email("a@example.com\nBcc: b@example.com", "a\nb")),
        ["#/args/to/1", "#/args/subject"]
    );
    let mut wrong = email("a@example.com", "S");
    wrong["headers"] = json!({"Bcc": "eve@example.com"});
    assert_eq!(pointers("send_email", wrong), ["#/args/headers/Bcc"]);
    let mut wrong = email("a@example.com", "S");
    wrong["mailer"] = json!("bulk");
    assert_eq!(pointers("send_email", wrong), ["#/args/mailer"]);
    let templated = |template: &str, context: serde_json::Value| json!({"template": template, "to": "ann@example.com", "context": context});
    assert_eq!(pointers("send_templated_email", templated("wellcome", json!({}))), ["#/args/template"]);
    assert_eq!(pointers("send_templated_email", templated("../../etc/passwd", json!({}))), ["#/args/template"]);
    assert_eq!(pointers("send_templated_email", templated("welcome", json!([1]))), ["#/args/context"]);
    assert!(server.get("/tasks").json()["items"].as_array().unwrap().is_empty(), "nothing was queued");
    let reply = server.post("/enqueue", &json!({"task": "send_message", "args": {}}));
    assert_eq!(reply.status, 422, "built mails are not taken from outside: {}", reply.text);
}

#[test]
fn a_mailer_in_trouble_shows_in_readiness_as_a_warning() {
    let smtp = Smtp::with(|moment| (moment.verb == "CONNECT").then_some(Act::Say("554 5.3.2 go away")));
    let server = server_with(&smtp, "");
    let check = || server.get("/readyz").json()["checks"]["mailer:default"].clone();
    assert_eq!(check()["status"], "ok");
    let id =
        server.enqueue(&json!({"task": "send_email", "args": {"to": "ann@example.com", "subject": "s", "text": "t"}}));
    let told = wait_until("readiness tells of it", || Some(check()).filter(|check| check["status"] == "warning"));
    assert!(told["detail"].as_str().unwrap().contains("554 5.3.2 go away"), "{told}");
    assert_eq!(server.get("/readyz").status, 200);
    assert_eq!(server.get(&format!("/tasks/{id}")).json()["is_finished"], false, "the mail waits");
}

/// S23.
#[test]
fn a_token_may_name_so_many_recipients_in_an_hour_and_no_more() {
    let smtp = Smtp::start();
    let server = server_with(&smtp, "[http]\nmail_recipients_per_hour = 100\n");
    let mail = |count: usize| {
        let to: Vec<String> = (0..count).map(|n| format!("user{n}@example.com")).collect();
        json!({"task": "send_email", "args": {"to": to, "subject": "s", "text": "t"}})
    };
    let reply = server.post("/enqueue", &mail(1_000));
    assert_eq!(reply.status, 429, "{}", reply.text);
    assert!(reply.header("retry-after").parse::<u64>().unwrap() > 0);
    server.enqueue(&mail(90));
    assert_eq!(server.post("/enqueue", &mail(20)).status, 429);
    let two = json!({"tasks": [mail(6), mail(6)]});
    assert_eq!(server.post("/enqueue/batch", &two).status, 429, "together they are too many");
    server.enqueue(&mail(10));
    server.enqueue(&json!({"task": "log_message", "args": {"message": "other tasks are free"}}));
    assert_eq!(smtp.until_mails(2).iter().map(|mail| mail.to.len()).sum::<usize>(), 100);
}
