//! Signed mail, as a verifier of others sees it: dkimpy, with the public keys that openssl makes of ours.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use callboard::mail::{Attachment, Dkim, Email, MailerOptions, Mailers, Message, Transport};
use futures::executor::block_on;
use serde_json::{Value, json};

use super::django::python;
use super::server::Smtp;
use crate::support::{Folder, Server, callboard, run};

/// The output of a program that must succeed.
#[track_caller]
fn output(program: impl AsRef<std::ffi::OsStr>, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new(program);
    let mut child =
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// A private key in the folder, made by openssl with these arguments, and the record that the DNS has for it.
#[track_caller]
fn key(folder: &Folder, name: &str, kind: &str, arguments: &[&str]) -> String {
    let private = String::from_utf8(output("openssl", arguments, b"")).unwrap();
    folder.write(name, &private);
    let public = output("openssl", &["pkey", "-pubout", "-outform", "DER"], private.as_bytes());
    // The public key of Ed25519 stands in the record bare: the last 32 bytes.
    let public = if kind == "ed25519" { &public[public.len() - 32..] } else { &public };
    format!("v=DKIM1; k={kind}; p={}", super::django::base64(public))
}

const RSA: [&str; 5] = ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];

fn dkim_in(folder: &Folder, name: &str) -> Dkim {
    Dkim::new("mail", folder.path().join(name))
}

/// What the mailer with that key sends of a mail.
#[track_caller]
fn signed(dkim: Dkim, mail: &Email) -> Arc<Message> {
    let options = MailerOptions::new(Transport::Memory).from("The Shop <shop@example.com>").dkim(dkim);
    let mailer = Mailers::builder().mailer("default", options).build().unwrap().default().unwrap();
    block_on(mailer.send(mail)).unwrap();
    mailer.outbox().remove(0)
}

/// What dkimpy says of these mails, with that record for the selector `mail` of example.com.
#[track_caller]
fn verdicts(python: &Path, record: &str, mails: &[Vec<u8>]) -> Vec<Value> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/mail/verify_dkim.py");
    let lines = mails.iter().map(|mail| {
        let asked = json!({"source": super::django::base64(mail), "dns": {"mail._domainkey.example.com": record}});
        format!("{asked}\n")
    });
    let told = output(python, &[script], lines.collect::<String>().as_bytes());
    String::from_utf8(told).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Mails of every form that has to survive being signed.
fn mails() -> Vec<Email> {
    let mail = || Email::new("Hello").to("ann@example.com");
    vec![
        mail(),
        mail().text("Hi."),
        mail().text("  two  blanks \t and a tab\t\n\n\n.dots\n..\n\n\n"),
        mail().text("Grüße\n".repeat(50)).html("<p>Grüße</p>"),
        Email::new("Ein langer Betreff mit Ümlauten, der in mehrere Zeilen gefaltet werden muss ".repeat(3))
            .to((0..30).map(|n| format!("Somebody {n} <somebody{n}@example.com>")).collect::<Vec<_>>())
            .cc("Böb <bob@example.com>")
            .reply_to("reply@example.com")
            .text("x"),
        mail().text("a file").attach(Attachment::new("größe.bin", vec![0, 13, 10, 46, 255])),
        mail().attach(Attachment::message("mail.eml", "Subject: inner\r\n\r\nGrüße \t \r\n\r\n\r\n")),
        mail().text("bulk").list_unsubscribe("https://example.com/leave?u=1", Some("leave@example.com".into())),
        mail()
            .text("own")
            .header("In-Reply-To", "<1@example.com>")
            .header("References", "<1@example.com> <2@example.com>"),
    ]
}

#[test]
fn an_independent_verifier_accepts_every_mail_that_was_signed_and_nothing_that_was_changed() {
    let Some(python) = python() else { return };
    let folder = Folder::new();
    let keys = [
        ("rsa.pem", "rsa", &RSA[..]),
        ("rsa1.pem", "rsa", &["genrsa", "-traditional", "2048"][..]),
        ("ed.pem", "ed25519", &["genpkey", "-algorithm", "ed25519"][..]),
    ];
    for (name, kind, arguments) in keys {
        let record = key(&folder, name, kind, arguments);
        let sources: Vec<Vec<u8>> =
            mails().iter().map(|mail| signed(dkim_in(&folder, name), mail).source.bytes().to_vec()).collect();
        for (n, told) in verdicts(&python, &record, &sources).iter().enumerate() {
            assert_eq!(told["good"], true, "{name}, mail {n}: {told}\n{}", String::from_utf8_lossy(&sources[n]));
            assert_eq!((&told["domain"], &told["selector"]), (&json!("example.com"), &json!("mail")));
        }
        let text = String::from_utf8(sources[1].clone()).unwrap();
        let changed = [
            text.replace("Hi.", "Ho."),
            text.replace("Subject: Hello", "Subject: Hallo"),
            text.replace("To: ann@", "To: bob@"),
            // A second one of these would be what many programs show.
            text.replacen("\r\nSubject:", "\r\nSubject: Pay now\r\nSubject:", 1),
            text.replacen("\r\nSubject:", "\r\nFrom: boss@example.com\r\nSubject:", 1),
            text.replace("d=example.com", "d=example.org"),
        ];
        let changed: Vec<Vec<u8>> = changed.into_iter().map(String::into_bytes).collect();
        for (n, told) in verdicts(&python, &record, &changed).iter().enumerate() {
            assert_eq!(told["good"], false, "{name}, change {n}: {told}");
        }
        // White space at the ends of lines may change on the way, and headers be folded anew.
        let on_the_way = text.replace("Hi.\r\n", "Hi. \t\r\n\r\n").replace("Subject: Hello", "subject:\r\n\tHello ");
        assert_eq!(verdicts(&python, &record, &[on_the_way.into_bytes()])[0]["good"], true, "{name}");
    }
}

#[test]
fn the_headers_that_say_what_a_mail_is_are_signed_and_those_that_may_not_be_added_too() {
    let Some(python) = python() else { return };
    let folder = Folder::new();
    let record = key(&folder, "dkim.pem", "rsa", &RSA);
    let mail = mails().remove(7).reply_to("r@example.com").cc("c@example.com");
    let source = signed(dkim_in(&folder, "dkim.pem"), &mail).source.bytes().to_vec();
    let told = &verdicts(&python, &record, &[source])[0];
    let listed: Vec<_> = told["listed"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(
        listed,
        [
            "from",
            "from",
            "reply-to",
            "subject",
            "subject",
            "date",
            "to",
            "to",
            "cc",
            "message-id",
            "mime-version",
            "content-type",
            "content-transfer-encoding",
            "list-unsubscribe",
            "list-unsubscribe-post"
        ]
    );
}

#[test]
fn every_attempt_has_the_same_signature_and_a_domain_of_its_own_can_be_named() {
    let folder = Folder::new();
    key(&folder, "dkim.pem", "rsa", &RSA);
    let mail = || {
        let mail = Email::new("Hello").to("ann@example.com").header("Message-ID", "<1@example.com>");
        mail.header("Date", "Sun, 22 Nov 2026 10:00:00 +0000")
    };
    let dkim = || dkim_in(&folder, "dkim.pem").domain("öäü.com");
    let (one, two) = (signed(dkim(), &mail()), signed(dkim(), &mail()));
    assert_eq!(one.source, two.source);
    assert!(
        one.source.text().starts_with(
            "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n\td=xn--4ca9at.com; s=mail;\r\n\th="
        )
    );
    let longest = one.source.text().lines().map(str::len).max().unwrap();
    assert!(longest <= 78, "{longest}: {}", one.source.text());
}

#[test]
fn a_key_that_cannot_sign_is_refused_with_the_fix() {
    let folder = Folder::new();
    let refused = |dkim| {
        let options = MailerOptions::new(Transport::Memory).dkim(dkim);
        Mailers::builder().mailer("default", options).build().unwrap_err()
    };
    let error = refused(dkim_in(&folder, "missing.pem"));
    assert_eq!((error.option, error.problem.contains("cannot be read")), ("dkim_key_file", true), "{error}");
    folder.write("empty.pem", "no key\n");
    let error = refused(dkim_in(&folder, "empty.pem"));
    assert!(error.problem.contains("has no private key"), "{error}");
    key(&folder, "short.pem", "rsa", &["genrsa", "1024"]);
    let error = refused(dkim_in(&folder, "short.pem"));
    assert!(error.problem.contains("make one by `openssl genrsa"), "{error}");
    key(&folder, "dkim.pem", "rsa", &RSA);
    assert_eq!(refused(Dkim::new("a b", folder.path().join("dkim.pem"))).option, "dkim_selector");
    assert_eq!(refused(dkim_in(&folder, "dkim.pem").domain("a;b")).option, "dkim_domain");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let path = folder.path().join("dkim.pem");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = refused(dkim_in(&folder, "dkim.pem"));
        assert!(error.problem.contains("chmod 600"), "{error}");
    }
}

#[test]
fn the_server_signs_what_it_sends_and_check_finds_what_is_missing() {
    let Some(python) = python() else { return };
    let smtp = Smtp::start();
    let folder = Folder::new();
    let record = key(&folder, "dkim.pem", "rsa", &RSA);
    let settings = |dkim: &str| {
        format!(
            "[tasks.default]\nbackend = \"memory\"\n[mail.default]\nbackend = \"smtp\"\nhost = \"127.0.0.1\"\nport = {}\n\
             from = \"shop@example.com\"\n{dkim}",
            smtp.port()
        )
    };
    folder.write("callboard.toml", &settings("dkim_selector = \"mail\"\n"));
    let ran = run(callboard(&folder, &["check"], &[]));
    assert_eq!((ran.code, ran.stdout.contains("mail.default.dkim_key_file is missing")), (1, true), "{}", ran.stdout);
    folder.write("callboard.toml", &settings("dkim_selector = \"mail\"\ndkim_key_file = \"none.pem\"\n"));
    let ran = run(callboard(&folder, &["check"], &[]));
    assert_eq!((ran.code, ran.stdout.contains("none.pem, which cannot be read")), (1, true), "{}", ran.stdout);

    folder.write("callboard.toml", &settings("dkim_selector = \"mail\"\ndkim_key_file = \"dkim.pem\"\n"));
    let server = Server::start_in(Arc::new(folder), &[], &[]);
    let mail = json!({"to": "ann@example.com", "subject": "Hi", "text": ".dots\n", "html": "<p>Hi</p>"});
    server.enqueue(&json!({"task": "send_email", "args": mail}));
    let taken = smtp.until_mails(1).remove(0);
    let told = &verdicts(&python, &record, &[taken.source])[0];
    assert_eq!(told["good"], true, "{told}");
}
