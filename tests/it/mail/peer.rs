//! An independent mail server: Python's aiosmtpd takes our mail, and Python's parser reads it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use callboard::mail::{Attachment, Email, MailerOptions, Mailers, SmtpOptions};
use futures::executor::block_on;
use serde_json::Value;

use super::django::python;

/// aiosmtpd on a port of its own; it prints each mail as a line of JSON.
struct Peer {
    child: Child,
    port: u16,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Peer {
    fn start() -> Option<Self> {
        let python = python()?;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/mail/peer.py");
        let mut child = Command::new(python).arg(script).stdout(Stdio::piped()).stdin(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port =
            lines.next().unwrap().unwrap().parse().expect("it says its port; ci/python.sh makes its Python anew");
        Some(Self { child, port, lines })
    }

    fn next(&mut self) -> Value {
        serde_json::from_str(&self.lines.next().unwrap().unwrap()).unwrap()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn aiosmtpd_takes_our_mail_and_reads_what_was_put_in() {
    let Some(mut peer) = Peer::start() else { return };
    let smtp = SmtpOptions { port: peer.port, ..SmtpOptions::new("127.0.0.1") };
    let options = MailerOptions::smtp(smtp).from(("Zoë, the Shop", "shop@öäü.com"));
    let mailer = Mailers::builder().mailer("default", options).build().unwrap().default().unwrap();
    let text = "Grüße\n.\n..dots\nFrom here\n".to_owned() + &"long ".repeat(400);
    for n in 0..3 {
        let mail = Email::new(format!("Ünïcode {n}"))
            .to(("Müller, Ann", "ann@example.com"))
            .bcc("hidden@example.com")
            .text(&text)
            .html("<p>Grüße</p>")
            .attach(Attachment::new("größe.bin", vec![0, 13, 10, 46, 255]));
        let delivery = block_on(mailer.send(&mail)).unwrap();
        assert_eq!(delivery.accepted, ["ann@example.com", "hidden@example.com"]);
        let got = peer.next();
        assert_eq!(got["mail_from"], "shop@xn--4ca9at.com");
        assert_eq!(got["rcpt_tos"], serde_json::json!(["ann@example.com", "hidden@example.com"]));
        assert_eq!(got["subject"], format!("Ünïcode {n}"));
        assert_eq!(got["to"], serde_json::json!([["Müller, Ann", "ann@example.com"]]));
        assert_eq!(got["from"], serde_json::json!([["Zoë, the Shop", "shop@xn--4ca9at.com"]]));
        assert_eq!(got["text"].as_str().unwrap().trim_end_matches('\n'), text.trim_end_matches('\n'));
        assert_eq!(got["html"], "<p>Grüße</p>\n");
        assert_eq!(got["files"], serde_json::json!([["größe.bin", "000d0a2eff"]]));
        assert_eq!(got["defects"], serde_json::json!([]));
    }
}
