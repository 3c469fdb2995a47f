//! What is refused before anything is queued, with its field (Django 214, 217, 218, 232, 236, 240; M6).

use proptest::prelude::*;

use super::*;

#[test]
fn every_wrong_field_is_named_at_once() {
    let mail = Email {
        from: Some("nobody".into()),
        to: vec!["a@example.com".into(), "b@@example.com".into()],
        cc: vec!["c".into()],
        bcc: vec!["d@".into()],
        reply_to: vec!["@e".into()],
        subject: "a\r\nBcc: eve@example.com".into(),
        text: "a\0".into(),
        html: Some("\0".into()),
        headers: vec![("X A".into(), "1".into()), ("X-B".into(), "1\n2".into())],
        attachments: vec![Attachment::new("a\nb.txt", "x")],
        alternatives: vec![("nonsense".into(), Vec::new())],
        unsubscribe: Some(Unsubscribe { url: "http://example.com/u".into(), mailto: Some("x".into()) }),
    };
    let expected = [
        "from",
        "to/1",
        "cc/0",
        "bcc/0",
        "reply_to/0",
        "subject",
        "text",
        "html",
        "alternatives/0",
        "headers/X A",
        "headers/X-B",
        "attachments/0",
        "unsubscribe/url",
        "unsubscribe/mailto",
    ];
    assert_eq!(wrong_fields(&mail), expected);
}

#[test]
fn who_writes_and_who_reads_must_be_known() {
    assert_eq!(wrong_fields(&Email::new("x")), ["from", "to"]);
    assert!(Email::new("x").check().is_ok(), "the mailer may say who writes");
}

#[test]
fn django_218_control_characters_are_refused_in_every_header_also_at_the_end() {
    for c in [
        "\r", "\n", "\r\n", "\u{b}", "\u{c}", "\u{1c}", "\u{1e}", "\u{85}", "\u{2028}", "\u{2029}", "\0", "\t",
        "\u{7f}",
    ] {
        for text in [format!("a{c}b"), format!("a{c}"), format!("{c}a")] {
            assert_eq!(wrong_fields(&Email { subject: text.clone(), ..mail() }), ["subject"], "{text:?}");
            assert_eq!(wrong_fields(&mail().header("X-Tag", &text)), ["headers/X-Tag"], "{text:?}");
            assert_eq!(wrong_fields(&mail().to((text.as_str(), "a@example.com"))), ["to/1"], "{text:?}");
            assert_eq!(wrong_fields(&mail().attach(Attachment::new(&text, "x"))), ["attachments/0"], "{text:?}");
            assert_eq!(wrong_fields(&mail().attach(Attachment::inline(&text, "x"))), ["attachments/0"], "{text:?}");
        }
    }
}

#[test]
fn django_212_213_214_what_the_mail_itself_says_is_no_header_to_be_given() {
    for name in [
        "Bcc",
        "bcc",
        "To",
        "cc",
        "FROM",
        "Reply-To",
        "reply-to",
        "Subject",
        "Content-Type",
        "MIME-Version",
        "DKIM-Signature",
        "Received",
    ] {
        let invalid = mail().header(name, "x@example.com").build(&identity()).unwrap_err();
        assert!(invalid.to_string().contains("cannot be given as a header"), "{invalid}");
    }
}

#[test]
fn a_name_of_a_header_is_ascii_without_spaces_and_colons() {
    for name in ["", "X Y", "X:Y", "X-Ä", "X-Y\r\nBcc", &"x".repeat(77)] {
        assert!(mail().header(name, "1").build(&identity()).is_err(), "{name:?} was taken");
    }
    assert!(mail().header("X-Y", "x".repeat(901)).build(&identity()).is_err(), "a word that no line holds");
    assert!(mail().header("X-Y", "word ".repeat(500)).build(&identity()).is_ok());
}

#[test]
fn a_message_id_and_a_date_may_be_given_once_and_in_their_form() {
    for (name, value) in [
        ("Message-ID", "no brackets@example.com"),
        ("message-id", "<a>"),
        ("Message-Id", "<a@b@c>"),
        ("Date", "yesterday"),
    ] {
        assert_eq!(wrong_fields(&mail().header(name, value)), [format!("headers/{name}")], "{value:?}");
    }
    let twice = mail().header("Message-ID", "<a@example.com>").header("message-id", "<b@example.com>");
    assert_eq!(wrong_fields(&twice), ["headers/message-id"]);
}

#[test]
fn types_of_files_are_types() {
    for mime in ["", "text", "text/", "/plain", "text/plain\r\nX: y", "multipart/mixed", "täxt/plain"] {
        assert_eq!(wrong_fields(&mail().attach(Attachment::new("a", "x").mime(mime))), ["attachments/0"], "{mime:?}");
    }
    assert!(mail().attach(Attachment::new("a", "").mime("text/calendar; method=REQUEST")).build(&identity()).is_ok());
}

#[test]
fn a_name_that_makes_the_library_panic_is_an_error() {
    // lettre's `Mailbox` panics at its rendering with this name.
    let invalid = mail().to(("N\r\nBcc: eve@example.com", "a@example.com")).build(&identity()).unwrap_err();
    assert!(invalid.to_string().starts_with("to/1 has a name that holds a line end"), "{invalid}");
}

proptest! {
    /// Nothing that anybody writes adds a header, or makes anything panic.
    #[test]
    fn no_text_adds_a_line_to_the_head(subject in any::<String>(), name in any::<String>(), value in any::<String>(), file in any::<String>()) {
        let lines = |source: &str| {
            let head = source.split("\r\n\r\n").next().unwrap().to_owned();
            head.split("\r\n").filter(|line| !line.starts_with(' ')).count()
        };
        let plain = lines(&built(&mail()));
        let mut all = mail();
        all.subject.clone_from(&subject);
        if let Ok(message) = all.build(&identity()) {
            prop_assert_eq!(lines(&message.source.text()), plain, "{:?}", subject);
        }
        if let Ok(message) = mail().header(&name, &value).build(&identity()) {
            let source = message.source.text();
            let own = ["date", "message-id"].contains(&name.to_ascii_lowercase().as_str());
            prop_assert_eq!(lines(&source), plain + usize::from(!own), "{:?}: {:?}", name, value);
        }
        if let Ok(message) = mail().attach(Attachment::new(&file, "x")).build(&identity()) {
            prop_assert!(message.source.bytes().is_ascii());
        }
    }

    #[test]
    fn no_line_of_a_mail_is_longer_than_servers_take(subject in "\\PC{0,3000}", value in "\\PC{0,3000}", text in any::<String>()) {
        let mail = Email { subject, text, ..mail() }.header("X-Tag", value);
        if let Ok(message) = mail.build(&identity()) {
            for line in message.source.text().split("\r\n") {
                prop_assert!(line.len() <= 998, "{}", line.len());
                prop_assert!(!line.contains(['\r', '\n']));
            }
        }
    }
}
