//! Addresses: what is read, what is refused, what servers are told (Django 217 to 225 and 253 to 255).

use proptest::prelude::*;

use super::*;

#[test]
fn a_name_and_an_address_are_read_from_one_text() {
    for (text, name, email) in [
        ("ann@example.com", "", "ann@example.com"),
        (" ann@example.com ", "", "ann@example.com"),
        ("Ann <ann@example.com>", "Ann", "ann@example.com"),
        ("<ann@example.com>", "", "ann@example.com"),
        ("\"Smith, Ann\" <ann@example.com>", "Smith, Ann", "ann@example.com"),
        (r#""A \"B\" \\ C" <ann@example.com>"#, r#"A "B" \ C"#, "ann@example.com"),
        ("Müller <m@example.com>", "Müller", "m@example.com"),
        ("\"a@b\"@example.com", "", "\"a@b\"@example.com"),
    ] {
        assert_eq!(Address::from(text), Address { name: name.into(), email: email.into() }, "{text:?}");
    }
}

#[test]
fn django_253_what_is_not_one_address_is_refused() {
    for text in [
        "a@b@example.com",
        "@",
        "to@",
        "@d",
        "",
        "plain",
        "a b@example.com",
        "a@example.com, b@example.com",
        "A <a@example.com>, B <b@example.com>",
        "to@example.com\n",
        "to@example.com\r\nBcc: eve@example.com",
        "\"x <a@example.com>",
        "a..b@example.com",
        ".a@example.com",
        "a@-example.com",
        "a@example..com",
        "a@[127.0.0.1]",
        "a@127.0.0.1",
        "a@exa mple.com",
        "<a@example.com",
        "a@example.com>",
        "\"a\"b\"@example.com",
        "a@example.com.",
        "Ann\u{85} <a@example.com>",
        "Ann\u{2028} <a@example.com>",
        "Ann\0 <a@example.com>",
    ] {
        let problem = Address::from(text).check();
        assert!(problem.is_err(), "{text:?} was taken");
    }
    let long = format!("{}@example.com", "a".repeat(65));
    assert!(Address::from(long).check().is_err(), "a local part of 65");
    let long = format!("a@{}.com", ["a".repeat(60).as_str(); 5].join("."));
    assert!(Address::from(long).check().is_err(), "more than 254 in all");
}

#[test]
fn what_servers_take_is_taken() {
    for text in [
        "a@example.com",
        "webmaster@localhost",
        "a.b+c@example.co.uk",
        "o'brien@example.com",
        "\"two words\"@example.com",
        "\"a@b\"@example.com",
        "x@öäü.com",
        "x@xn--fa-hia.de",
        "x@例え.jp",
        "!#$%&'*+-/=?^_`{|}~@example.com",
    ] {
        assert_eq!(Address::from(text).check(), Ok(()), "{text:?}");
    }
}

#[test]
fn django_222_223_254_domains_go_out_in_ascii_and_those_that_are_stay() {
    let wire = |text: &str| Address::from(text).wire().unwrap();
    assert_eq!(wire("x@öäü.com"), "x@xn--4ca9at.com");
    assert_eq!(wire("x@xn--4ca9at.com"), "x@xn--4ca9at.com");
    assert_eq!(wire("x@xn--fa-hia.de"), "x@xn--fa-hia.de", "IDNA 2008 is not taken back to 2003");
    assert_eq!(wire("Ann <Ann@EXAMPLE.com>"), "Ann@example.com", "the part before the @ keeps its case");
}

#[test]
fn django_225_255_letters_beyond_ascii_before_the_at_are_refused_by_name() {
    let problem = Address::from("jörg@example.com").check().unwrap_err();
    assert!(problem.contains("beyond ASCII"), "{problem}");
}

#[test]
fn an_address_is_an_argument_as_text_or_with_its_parts() {
    let read = |json: &str| serde_json::from_str::<Recipients>(json);
    let ann = Address::from(("Smith, Ann", "ann@example.com"));
    assert_eq!(read(r#""\"Smith, Ann\" <ann@example.com>""#).unwrap(), Recipients(vec![ann.clone()]));
    assert_eq!(read(r#"{"name": "Smith, Ann", "email": "ann@example.com"}"#).unwrap(), Recipients(vec![ann.clone()]));
    assert_eq!(read(r#"["a@example.com", {"email": "b@example.com"}]"#).unwrap().0.len(), 2);
    for wrong in ["1", "[1]", "{}", r#"{"email": "a@b", "nmae": "x"}"#, "null"] {
        assert!(read(wrong).is_err(), "{wrong} was read");
    }
    let stored = serde_json::to_string(&Recipients(vec![ann.clone()])).unwrap();
    assert_eq!(read(&stored).unwrap(), Recipients(vec![ann]));
}

proptest! {
    #[test]
    fn an_address_that_was_written_is_read_as_it_was(name in "[^\\p{C}]{0,20}", email in "[a-z.]{1,8}@[a-z]{1,8}") {
        let address = Address { name: name.trim_matches(' ').to_owned(), email };
        prop_assert_eq!(Address::from(address.to_string()), address);
    }

    /// The property that everything rests on: whatever a name or an address is, it is refused or stays in its header.
    #[test]
    fn no_address_adds_a_line_to_the_head(name in any::<String>(), email in any::<String>()) {
        let plain = built(&mail());
        let lines = plain.split("\r\n\r\n").next().unwrap().split("\r\n").filter(|line| !line.starts_with(' ')).count();
        let named = Address { name: name.clone(), email: "a@example.com".into() };
        let both = Address { name, email };
        for address in [named, both] {
            let mail = Email { to: vec![address], ..mail() };
            if let Ok(message) = mail.build(&identity()) {
                let source = message.source.text();
                let head = source.split("\r\n\r\n").next().unwrap();
                prop_assert!(head.is_ascii());
                prop_assert_eq!(head.split("\r\n").filter(|line| !line.starts_with(' ')).count(), lines, "{}", head);
            }
        }
    }
}
