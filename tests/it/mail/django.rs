//! Each mail that we build, beside the one that Django builds of the same parts: the same structure, the same content
//! once Python has decoded it (Django 210 to 241).

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use callboard::mail::{Address, Attachment, Email, Identity};
use serde_json::{Value, json};

/// The Python of `ci/python.sh`. Without it the comparison is not run, which `cargo test` says at its end; where
/// everything is to be run, that is a failure.
pub fn python() -> Option<PathBuf> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python");
    if python.exists() {
        return Some(python);
    }
    let all = std::env::var("CALLBOARD_TEST").is_ok_and(|tests| matches!(&*tests, "all" | "full"));
    assert!(!all, "the comparison with Django needs target/python: run ci/python.sh");
    // Not by `eprintln!`, which a test that passes keeps to itself.
    std::io::stderr().write_all(b"not run: the comparison of mail with Django, which needs ci/python.sh\n").unwrap();
    None
}

pub fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn mail() -> Email {
    Email::new("Hello").from("from@example.com").to("to@example.com")
}

/// Every structure of case 230, and texts, names, addresses and files of every kind.
fn mails() -> Vec<Email> {
    let pdf = || Attachment::new("a.pdf", b"%PDF-1.7\r\n\x00\xff".to_vec());
    let mut mails = vec![
        mail(),
        mail().text("Dear Ann"),
        mail().text("Dear Ann").attach(pdf()),
        mail().text("Dear Ann").html("<p>Dear Ann</p>"),
        mail().text("Dear Ann").html("<p>Dear Ann</p>").attach(pdf()),
        mail().attach(pdf()),
        mail().html("<p>Dear Ann</p>"),
        mail().html("<p>Dear Ann</p>").attach(pdf()),
        mail().text("two files").attach(pdf()).attach(Attachment::new("b.txt", "text\n")),
        mail().attach(Attachment::new("empty.bin", "")),
        mail().attach(Attachment::new("no ending", vec![1, 2, 3])),
        mail().attach(Attachment::new("größe 東京.pdf", "x")),
        mail().attach(Attachment::new("quote\"s; and=more.pdf", "x")),
        mail().attach(Attachment::new("latin.txt", vec![0xe4, 0xf6])),
        mail().attach(Attachment::new("utf8.txt", "äö\nzwei\n")),
        mail().attach(Attachment::new("page.html", "<p>ä</p>\n")),
        mail().attach(Attachment::new("photo.jpeg", vec![0xff, 0xd8])),
        mail()
            .text("copies")
            .cc(["cc@example.com", "dd@example.com"])
            .bcc("bcc@example.com")
            .reply_to("re@example.com"),
        Email::new("only cc").from("from@example.com").cc("cc@example.com"),
    ];
    for text in [
        "From the future\n",
        ".\n..\n",
        "ä",
        "Ж",
        "long ascii ",
        "tab\there",
        "trailing space \n",
        "= equals =3D\n",
        "\n\nleading",
        "line\r\nends\rmixed\n",
        "😀 emoji",
        "--boundary\n--\n",
    ] {
        mails.push(mail().text(text));
        mails.push(mail().text(text.repeat(90)).html(text.repeat(40)));
    }
    for subject in [
        "Grüße",
        "東京",
        "a word and ".repeat(20).trim_end(),
        &"ü".repeat(120),
        "(parens) \"quotes\" <angles>",
        "a, b; c: d",
        "=?utf-8?q?looks_encoded?=",
        "mixed Ünïcode and ascii words in one long subject that has to be folded somewhere",
    ] {
        mails.push(Email { subject: subject.to_owned(), ..mail() }.text("t").header("X-Text", subject));
    }
    for name in [
        "Ann",
        "Ann Smith",
        "Smith, Ann",
        "Ann \"the\" Smith",
        "O'Brien",
        "Zoë",
        "Firstnäme, Lastname",
        "東京 太郎",
        "back\\slash",
        "a@b",
        "Ann (Sales)",
        "A.B.",
        &"long name ".repeat(8),
        "=?utf-8?q?Boss?=",
    ] {
        let name = name.trim_end();
        mails.push(mail().text("t").to((name, "named@example.com")).reply_to((name, "re@example.com")));
    }
    for address in ["x@öäü.com", "x@xn--fa-hia.de", "\"quoted local\"@example.com", "a+b@example.com"] {
        mails.push(mail().text("t").to(address));
    }
    mails
}

fn parts(mail: &Email) -> Value {
    let pair = |address: &Address| {
        // Django leaves the domain of an address to the caller where it is built from its parts.
        let (local, domain) = address.email.rsplit_once('@').unwrap();
        let domain = if domain == "öäü.com" { "xn--4ca9at.com" } else { domain };
        json!([address.name, format!("{local}@{domain}")])
    };
    let pairs = |list: &[Address]| list.iter().map(pair).collect::<Vec<_>>();
    let files = mail.attachments.iter().map(|file| json!([file.name, file.mime_type(), base64(&file.content)]));
    json!({
        "subject": mail.subject, "text": mail.text, "html": mail.html, "from": pair(mail.from.as_ref().unwrap()),
        "to": pairs(&mail.to), "cc": pairs(&mail.cc), "bcc": pairs(&mail.bcc), "reply_to": pairs(&mail.reply_to),
        "headers": mail.headers, "attachments": files.collect::<Vec<_>>(),
    })
}

#[test]
fn python_reads_the_same_from_our_mails_and_from_djangos() {
    let Some(python) = python() else { return };
    let mails = mails();
    let identity = Identity { message_id: "<x@example.com>".into(), date: "2026-11-22T10:00:00Z".parse().unwrap() };
    let cases: Vec<Value> = mails
        .iter()
        .map(|mail| json!({"mail": parts(mail), "source": base64(mail.build(&identity).unwrap().source.bytes())}))
        .collect();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/mail/beside_django.py");
    let mut child = Command::new(python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{}", Value::from(cases)).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "beside_django.py failed; ci/python.sh makes its Python anew");
    let found: Vec<Vec<String>> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found.len(), mails.len());
    let told: Vec<String> = mails
        .iter()
        .zip(found)
        .filter(|(_, found)| !found.is_empty())
        .map(|(mail, found)| format!("{:?} {:?} {:?}\n    {}", mail.subject, mail.to, mail.text, found.join("\n    ")))
        .collect();
    assert!(told.is_empty(), "{} of {} differ:\n{}", told.len(), mails.len(), told.join("\n"));
}
