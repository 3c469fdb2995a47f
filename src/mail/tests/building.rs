//! The bytes of a mail (Django 210 to 241). That others decode from them what was put in is tested in
//! `tests/it/mail/django.rs`, by Python's own parser.

use super::*;

/// The structure of a mail: the types of its parts, indented.
fn structure(source: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut open: Vec<String> = Vec::new();
    for line in source.replace("\r\n ", " ").split("\r\n") {
        if let Some(end) = line.strip_prefix("--").and_then(|line| line.strip_suffix("--"))
            && open.last().is_some_and(|boundary| boundary == end)
        {
            open.pop();
        } else if let Some(mime) = line.strip_prefix("Content-Type: ") {
            parts.push(format!("{}{}", " ".repeat(open.len()), mime.split(';').next().unwrap()));
            if let Some((_, boundary)) = mime.split_once("boundary=\"") {
                open.push(boundary.trim_end_matches('"').to_owned());
            }
        }
    }
    assert!(open.is_empty(), "{open:?} is not closed in {source}");
    parts
}

#[test]
fn django_210_a_mail_is_its_headers_and_its_text_with_a_line_end() {
    let source = built(&mail().text("Dear Ann"));
    let expected = "Subject: Hello\r\nFrom: from@example.com\r\nTo: to@example.com\r\n\
        Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <0193@example.com>\r\nMIME-Version: 1.0\r\n\
        Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\nDear Ann\r\n";
    assert_eq!(source, expected);
    let only_cc = Email::new("x").from("a@example.com").cc("c@example.com");
    assert!(header(&built(&only_cc), "To").is_empty());
}

#[test]
fn django_211_bcc_is_told_to_servers_and_to_nobody_else() {
    let mail = mail().cc("cc@example.com").bcc(["bcc@example.com", "to@example.com"]);
    let message = mail.build(&identity()).unwrap();
    assert_eq!(message.to, ["to@example.com", "cc@example.com", "bcc@example.com"], "each once");
    assert!(!message.source.text().to_ascii_lowercase().contains("bcc"));
}

#[test]
fn django_215_a_date_and_an_id_of_ones_own_replace_the_made_ones_whatever_their_case() {
    let mail = mail().header("DATE", "Mon, 23 Nov 2026 10:00:00 +0100").header("message-id", "<mine@example.com>");
    let message = mail.build(&identity()).unwrap();
    let source = message.source.text();
    assert_eq!(header(&source, "DATE"), ["Mon, 23 Nov 2026 10:00:00 +0100"]);
    assert!(header(&source, "Date").is_empty() && header(&source, "Message-ID").is_empty());
    assert_eq!(message.message_id, "<mine@example.com>");
}

#[test]
fn django_216_building_twice_gives_the_same_bytes() {
    let mail = mail().text("a").html("<p>ä</p>").attach(Attachment::new("a.pdf", vec![0, 1, 2]));
    assert_eq!(mail.build(&identity()).unwrap(), mail.build(&identity()).unwrap());
    let other = Identity { message_id: "<other@example.com>".into(), ..identity() };
    assert_ne!(mail.build(&identity()).unwrap().source, mail.build(&other).unwrap().source);
}

#[test]
fn django_219_220_long_and_foreign_subjects_are_folded_and_encoded() {
    let long = "a word and ".repeat(20);
    let source = built(&Email { subject: long.trim_end().to_owned(), ..mail() });
    let lines: Vec<_> = source.split("\r\n").collect();
    assert!(lines[1].starts_with(' ') && lines.iter().all(|line| line.len() <= 78), "{source}");
    assert_eq!(header(&source, "Subject"), [long.trim_end()]);
    let foreign = built(&Email { subject: "Grüße an 東京".into(), ..mail() }.header("X-Name", "Zoë"));
    assert!(foreign.is_ascii() && foreign.contains("=?utf-8?b?"), "{foreign}");
}

#[test]
fn a_subject_that_looks_encoded_is_encoded_once_more() {
    let source = built(&Email { subject: "=?utf-8?q?You_have_won?=".into(), ..mail() });
    assert!(!source.contains("You_have_won"), "{source}");
    let source = built(&mail().to(("=?utf-8?q?Boss?=", "eve@example.com")));
    assert!(!source.contains("Boss"), "{source}");
}

#[test]
fn django_221_224_names_are_quoted_or_encoded_so_that_one_address_stays_one() {
    let to = |name: &str| header(&built(&Email { to: vec![(name, "a@example.com").into()], ..mail() }), "To").remove(0);
    assert_eq!(to("Ann"), "Ann <a@example.com>");
    assert_eq!(to("Ann Smith"), "\"Ann Smith\" <a@example.com>");
    assert!(!to("Smith, Ann").contains(','), "{}", to("Smith, Ann"));
    assert!(!to("Firstnäme, Lastname").contains(','));
    let quoted = Email { to: vec!["\"a@b\"@example.com".into()], ..mail() };
    assert_eq!(header(&built(&quoted), "To"), ["\"a@b\"@example.com"]);
    let foreign = mail().to("x@öäü.com").reply_to("y@öäü.com");
    let source = built(&foreign);
    assert!(source.contains("x@xn--4ca9at.com") && source.contains("Reply-To: y@xn--4ca9at.com"), "{source}");
}

#[test]
fn django_226_no_text_is_one_line_end() {
    assert!(built(&mail()).ends_with("\r\n\r\n\r\n"));
}

#[test]
fn django_227_228_bodies_are_seven_bit_whatever_is_in_them() {
    let encoding = |text: &str| header(&built(&mail().text(text)), "Content-Transfer-Encoding").remove(0);
    assert_eq!(encoding("plain"), "7bit");
    assert_eq!(encoding("ein kurzer Text mit einem Ä"), "quoted-printable");
    assert_eq!(encoding(&"Ж".repeat(60)), "base64");
    assert_eq!(encoding(&"x".repeat(1_000)), "quoted-printable");
    assert!(built(&mail().text("Ж".repeat(500)).html("<p>東京</p>")).is_ascii());
}

#[test]
fn django_229_a_line_that_begins_with_from_stays() {
    assert!(built(&mail().text("From the future")).ends_with("\r\n\r\nFrom the future\r\n"));
}

#[test]
fn django_230_each_combination_has_the_structure_of_djangos() {
    let att = || Attachment::new("a.pdf", "x");
    let cases: [(Email, &[&str]); 8] = [
        (mail(), &["text/plain"]),
        (mail().text("t"), &["text/plain"]),
        (mail().text("t").attach(att()), &["multipart/mixed", " text/plain", " application/pdf"]),
        (mail().text("t").html("h"), &["multipart/alternative", " text/plain", " text/html"]),
        (
            mail().text("t").html("h").attach(att()),
            &["multipart/mixed", " multipart/alternative", "  text/plain", "  text/html", " application/pdf"],
        ),
        (mail().attach(att()), &["multipart/mixed", " application/pdf"]),
        (mail().html("h"), &["multipart/alternative", " text/html"]),
        (
            mail().html("h").attach(att()),
            &["multipart/mixed", " multipart/alternative", "  text/html", " application/pdf"],
        ),
    ];
    for (mail, expected) in cases {
        assert_eq!(structure(&built(&mail)), expected);
    }
}

#[test]
fn images_of_the_html_stand_beside_it_and_files_outside() {
    let mail = mail()
        .text("t")
        .html("<img src='cid:logo@shop'>")
        .attach(Attachment::inline("logo@shop", "x").mime("image/png"))
        .attach(Attachment::new("a.pdf", "x"));
    let source = built(&mail);
    let expected = [
        "multipart/mixed",
        " multipart/alternative",
        "  text/plain",
        "  multipart/related",
        "   text/html",
        "   image/png",
        " application/pdf",
    ];
    assert_eq!(structure(&source), expected);
    assert!(source.contains("Content-ID: <logo@shop>\r\nContent-Disposition: inline\r\n"), "{source}");
    assert_eq!(source.matches("Content-Disposition: attachment; filename=\"a.pdf\"").count(), 1);
}

#[test]
fn django_231_a_text_is_in_the_body_if_it_is_in_every_version() {
    let mail = mail().text("Hello Ann").html("<p>Hello Ann</p>").alternative("audio/ogg", vec![1, 2]);
    assert!(mail.body_contains("Hello"));
    assert!(!mail.body_contains("<p>"));
    assert!(!mail.alternative("text/x-other", "Bye").body_contains("Hello"));
}

#[test]
fn django_232_alternatives_of_any_type_are_sent_empty_ones_too() {
    let mail =
        mail().text("t").alternative("text/calendar; method=REQUEST", "BEGIN:VCALENDAR").alternative("audio/ogg", "");
    let source = built(&mail);
    assert_eq!(structure(&source), ["multipart/alternative", " text/plain", " text/calendar", " audio/ogg"]);
    assert!(source.contains("Content-Type: text/calendar; method=REQUEST; charset=utf-8\r\n"), "{source}");
}

#[test]
fn django_234_the_type_of_a_file_follows_from_its_name() {
    let mime = |name: &str| Attachment::new(name, "x").mime_type();
    assert_eq!(mime("a.txt"), "text/plain");
    assert_eq!(mime("A.PDF"), "application/pdf");
    assert_eq!(mime("photo.jpeg"), "image/jpeg");
    assert_eq!(mime("a.unknown-ending"), "application/octet-stream");
    assert_eq!(mime("noending"), "application/octet-stream");
}

#[test]
fn django_235_241_text_that_is_none_is_sent_as_bytes() {
    let text = Attachment::new("a.txt", "ä".as_bytes().to_vec());
    assert_eq!(text.mime_type(), "text/plain");
    assert!(built(&mail().attach(text)).contains("text/plain; charset=utf-8"));
    let bytes = Attachment::new("a.txt", vec![0xff, 0xfe, 0x80]);
    assert_eq!(bytes.mime_type(), "application/octet-stream");
    assert!(built(&mail().attach(bytes)).contains("//6A"), "as they are, in base64");
    let image = Attachment::new("a.png", b"\x89PNG\r\n\x1a\n".to_vec()).mime("text/plain");
    assert_eq!(image.mime_type(), "application/octet-stream", "a wrong declaration does no harm");
}

#[test]
fn django_238_an_inline_part_without_html_is_inline_all_the_same() {
    let source = built(&mail().text("t").attach(Attachment::inline("logo@shop", "x").mime("image/png")));
    assert_eq!(structure(&source), ["multipart/mixed", " text/plain", " image/png"]);
    assert!(source.contains("Content-ID: <logo@shop>\r\nContent-Disposition: inline\r\n"), "{source}");
}

#[test]
fn django_239_a_mail_in_a_mail_is_as_it_was() {
    let inner = b"From: a@example.com\nSubject: inner\n\nbody\n".to_vec();
    let source = built(&mail().text("t").attach(Attachment::message("old.eml", inner)));
    let expected = "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\n\
        From: a@example.com\r\nSubject: inner\r\n\r\nbody\r\n";
    assert!(source.contains(expected), "{source}");
    let foreign = mail().attach(Attachment::message("old.eml", "Subject: x\r\n\r\nä\r\n".as_bytes().to_vec()));
    let message = foreign.build(&identity()).unwrap();
    assert!(message.source.is_8bit() && message.source.text().contains("Content-Transfer-Encoding: 8bit"));
}

#[test]
fn django_240_a_foreign_name_of_a_file_is_encoded() {
    let source = built(&mail().attach(Attachment::new("Übersicht 東京.pdf", "x")));
    assert!(source.is_ascii() && source.contains("filename*0*=utf-8''%C3%9Cbersicht"), "{source}");
}

#[test]
fn bulk_mail_says_how_to_leave() {
    let mail = mail().list_unsubscribe("https://example.com/u?t=1", Some("leave@example.com".into()));
    let source = built(&mail);
    assert_eq!(header(&source, "List-Unsubscribe"), ["<https://example.com/u?t=1>, <mailto:leave@example.com>"]);
    assert_eq!(header(&source, "List-Unsubscribe-Post"), ["List-Unsubscribe=One-Click"]);
    assert_eq!(header(&source, "Precedence"), ["bulk"]);
    assert_eq!(header(&source, "Auto-Submitted"), ["auto-generated"]);
    assert!(header(&built(&super::mail()), "Precedence").is_empty());
}

#[test]
fn a_mail_that_was_built_is_the_same_after_it_was_kept() {
    for attachment in [Attachment::new("a.pdf", "x"), Attachment::message("a.eml", vec![b'a', 0xff])] {
        let message = mail().text("ä").attach(attachment).build(&identity()).unwrap();
        let kept = serde_json::to_string(&message).unwrap();
        assert_eq!(serde_json::from_str::<Message>(&kept).unwrap(), message);
    }
}

#[test]
fn django_233_everything_may_be_changed_until_it_is_built() {
    let mut changed = mail().text("old").html("<p>old</p>").cc("old@example.com").header("X-Tag", "old");
    changed.subject = "New".into();
    changed.from = Some("new@example.com".into());
    changed.to = vec!["to-new@example.com".into()];
    changed.cc = vec!["cc-new@example.com".into()];
    changed.bcc = vec!["bcc-new@example.com".into()];
    changed.reply_to = vec!["reply-new@example.com".into()];
    changed.text = "new text".into();
    changed.html = None;
    changed.headers = vec![("X-Tag".into(), "new".into())];
    changed.attachments = vec![Attachment::new("new.txt", "new file")];
    let message = changed.build(&identity()).unwrap();
    assert_eq!(message.from, "new@example.com");
    assert_eq!(message.to, ["to-new@example.com", "cc-new@example.com", "bcc-new@example.com"]);
    let text = message.source.text();
    for part in
        ["Subject: New\r\n", "Reply-To: reply-new@example.com\r\n", "X-Tag: new\r\n", "new text\r\n", "new file"]
    {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    assert!(!text.contains("old"), "{text}");
}
