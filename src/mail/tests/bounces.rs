//! Reports of mail servers, in the forms that different servers write (M11, RFC 3464).

use proptest::prelude::*;

use super::*;
use crate::mail::bounce::{Action, Bounce, Status, parse, return_address};

/// As Postfix writes it.
const POSTFIX: &str = "Return-Path: <>
Delivered-To: bounce+0193b3a0-5c1e-7d2a-9f00-1c2d3e4f5a6b@example.com
Received: by mx.example.com (Postfix) id 4F1; Sun, 22 Nov 2026 10:00:05 +0000 (UTC)
From: MAILER-DAEMON@mx.example.com (Mail Delivery System)
To: bounce+0193b3a0-5c1e-7d2a-9f00-1c2d3e4f5a6b@example.com
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary=\"8F2.1795341605/mx.example.com\"

This is a MIME-encapsulated message.

--8F2.1795341605/mx.example.com
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

This is the mail system at host mx.example.com.

--8F2.1795341605/mx.example.com
Content-Description: Delivery report
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.com
X-Postfix-Queue-ID: 8F2
X-Postfix-Sender: rfc822; bounce+0193b3a0-5c1e-7d2a-9f00-1c2d3e4f5a6b@example.com
Arrival-Date: Sun, 22 Nov 2026 10:00:01 +0000 (UTC)

Final-Recipient: rfc822; nobody@example.org
Original-Recipient: rfc822;nobody@example.org
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.example.org
Diagnostic-Code: smtp; 550 5.1.1 <nobody@example.org>: Recipient address
    rejected: User unknown

Final-Recipient: rfc822; full@example.org
Action: failed
Status: 5.2.2
Diagnostic-Code: smtp; 552 5.2.2 mailbox full

--8F2.1795341605/mx.example.com
Content-Description: Undelivered Message
Content-Type: message/rfc822

Received: from shop (localhost [127.0.0.1])
Subject: Welcome
Message-ID: <0193b3a0-5c1e-7d2a-9f00-1c2d3e4f5a6b@example.com>
From: shop@example.com

Hello
--8F2.1795341605/mx.example.com--
";

/// As large providers write it: encoded, with a code in the text that is finer than the field, the returned headers alone.
const PROVIDER: &str = "From: postmaster@example.net
To: <shop@example.com>
Content-Type: multipart/mixed; boundary=outer

--outer
Content-Type: multipart/report; boundary=\"in;ner\"; report-type=\"delivery-status\"

--in;ner
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

<p>Gr=C3=BC=
=C3=9Fe</p>

--in;ner
Content-Type: message/delivery-status
Content-Transfer-Encoding: base64

UmVwb3J0aW5nLU1UQTogZG5zO214LmV4YW1wbGUubmV0DQoNCkZpbmFsLVJlY2lwaWVudDogcmZj
ODIyOzxhbm5AZXhhbXBsZS5uZXQ+DQpBY3Rpb246IGZhaWxlZA0KU3RhdHVzOiA1LjAuMA0KRGlh
Z25vc3RpYy1Db2RlOiBzbXRwOzU1MC01LjcuMSBwb2xpY3kNCg==

--in;ner
Content-Type: text/rfc822-headers

Message-Id: <order-17@example.com>
Subject: Your order

--in;ner--
--outer--
";

fn crlf(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

#[test]
fn a_report_tells_for_each_recipient_what_happened_to_which_mail() {
    let bounces = parse(&crlf(POSTFIX)).unwrap();
    let job = "0193b3a0-5c1e-7d2a-9f00-1c2d3e4f5a6b";
    let expected = Bounce {
        address: "nobody@example.org".into(),
        action: Action::Failed,
        status: Status(5, 1, 1),
        diagnostic: Some("550 5.1.1 <nobody@example.org>: Recipient address rejected: User unknown".into()),
        remote_mta: Some("mx.example.org".into()),
        mail: Some(job.into()),
        message_id: Some(format!("<{job}@example.com>")),
    };
    assert_eq!(bounces[0], expected);
    assert_eq!((bounces[1].address.as_str(), bounces[1].status), ("full@example.org", Status(5, 2, 2)));
    assert_eq!(bounces.len(), 2);
    assert_eq!(
        bounces.iter().map(Bounce::is_permanent).collect::<Vec<_>>(),
        [true, false],
        "a full mailbox may be emptied"
    );
    let unix = parse(POSTFIX.as_bytes()).unwrap();
    assert_eq!(unix, bounces, "a pipe gives other line ends");
    let piped = format!("From MAILER-DAEMON Sun Nov 22 10:00:05 2026\n{POSTFIX}");
    assert_eq!(parse(piped.as_bytes()).unwrap(), bounces, "and a line before it");
}

#[test]
fn a_report_inside_of_other_parts_and_encoded_is_found() {
    let [bounce] = parse(&crlf(PROVIDER)).unwrap().try_into().unwrap();
    let bounce: Bounce = bounce;
    assert_eq!((bounce.address.as_str(), bounce.status), ("ann@example.net", Status(5, 7, 1)), "the finer code counts");
    assert_eq!(bounce.diagnostic.as_deref(), Some("550-5.7.1 policy"));
    assert_eq!(
        bounce.mail.as_deref(),
        Some("order-17"),
        "without an address of its own, what it quotes says which mail"
    );
}

#[test]
fn a_report_that_is_cut_off_behind_its_second_part_is_read_all_the_same() {
    let end = POSTFIX.find("Content-Description: Undelivered").unwrap();
    let bounces = parse(&crlf(&POSTFIX[..end])).unwrap();
    assert_eq!((bounces.len(), bounces[0].message_id.as_deref()), (2, None));
    assert_eq!(bounces[0].mail.as_deref(), Some("0193b3a0-5c1e-7d2a-9f00-1c2d3e4f5a6b"));
}

#[test]
fn what_arrives_later_or_did_arrive_is_no_failure() {
    let with = |action: &str, status: &str| {
        let text = POSTFIX.replace("Action: failed\nStatus: 5.1.1", &format!("Action: {action}\nStatus: {status}"));
        parse(text.as_bytes()).unwrap().remove(0)
    };
    for (said, action) in [
        ("delayed", Action::Delayed),
        ("Delivered", Action::Delivered),
        ("relayed (to a server without reports)", Action::Relayed),
        ("expanded", Action::Expanded),
    ] {
        let bounce = with(said, "4.4.1 (no answer)");
        assert_eq!((bounce.action, bounce.status, bounce.is_permanent()), (action, Status(4, 4, 1), false));
    }
    assert_eq!(with("failed", "nonsense").status, Status(5, 1, 1), "from what the server said");
}

#[test]
fn other_mail_is_no_report_and_the_error_says_what_it_is() {
    let refused = |text: &str| parse(text.as_bytes()).unwrap_err().to_string();
    let told =
        refused("From: ann@example.com\nSubject: Re: Welcome\nContent-Type: text/plain; charset=utf-8\n\nThanks!\n");
    assert!(told.starts_with("is no report of delivery: it is \"text/plain\""), "{told}");
    assert!(refused("").contains("text/plain"));
    let away = "Content-Type: multipart/alternative; boundary=b\n\n--b\n\nI am away.\n--b--\n";
    assert!(refused(away).contains("multipart/alternative"));
    let empty = POSTFIX.replace("Final-Recipient", "X-Final").replace("Original-Recipient", "X-Original");
    assert_eq!(refused(&empty), "is no report of delivery: it names no recipient");
}

#[test]
fn the_address_for_reports_names_the_mail_and_is_read_again() {
    let there_and_back = |message_id: &str| {
        let address = return_address("bounce@example.com", message_id).unwrap();
        let local = address.strip_suffix("@example.com").unwrap();
        assert!(local.len() <= 64, "{address}");
        Address::from(address.as_str()).check().unwrap();
        let text = POSTFIX.replace("bounce+0193b3a0-5c1e-7d2a-9f00-1c2d3e4f5a6b@example.com", &address);
        parse(text.as_bytes()).unwrap().remove(0).mail.unwrap()
    };
    assert_eq!(
        there_and_back("<0193b3a0-5c1e-7d2a-9f00-1c2d3e4f5a6b@example.com>"),
        "0193b3a0-5c1e-7d2a-9f00-1c2d3e4f5a6b"
    );
    assert_eq!(there_and_back("<order-17@example.com>"), "order-17");
    for odd in ["<a+b@example.com>", "<.@example.com>", "<a..b@example.com>", "<\"a b\"@example.com>"] {
        assert_eq!(there_and_back(odd).len(), 32, "{odd}");
    }
    assert_eq!(there_and_back(&format!("<{}@example.com>", "x".repeat(41))).len(), 32);
}

#[test]
fn addresses_to_which_no_name_can_be_added_are_refused() {
    for wrong in ["a+b@example.com", "\"a b\"@example.com", "much-too-long-a-name-for-it@example.com", "nobody"] {
        let options = MailerOptions::new(Transport::Memory).bounces(wrong);
        let error = Mailers::builder().mailer("default", options).build().unwrap_err();
        assert_eq!(error.option, "bounces", "{wrong}");
    }
    let options = MailerOptions::new(Transport::Memory).on_bounce("not a name");
    assert_eq!(Mailers::builder().mailer("default", options).build().unwrap_err().option, "on_bounce");
}

#[test]
fn a_mail_goes_out_from_its_own_address_and_still_says_who_writes() {
    let options = MailerOptions::new(Transport::Memory).from("shop@example.com").bounces("bounce@example.com");
    let mailer = Mailers::builder().mailer("default", options).build().unwrap().default().unwrap();
    let mail = Email::new("x").to("ann@example.com").header("Message-ID", "<17@example.com>");
    futures::executor::block_on(mailer.send(&mail)).unwrap();
    let sent = mailer.outbox().remove(0);
    assert_eq!(sent.from, "bounce+17@example.com");
    assert!(sent.source.text().contains("From: shop@example.com\r\n"));
}

#[test]
fn a_bounce_is_json_that_reads_well() {
    let bounce = parse(&crlf(PROVIDER)).unwrap().remove(0);
    let json = serde_json::to_value(&bounce).unwrap();
    assert_eq!((&json["action"], &json["status"]), (&serde_json::json!("failed"), &serde_json::json!("5.7.1")));
    assert_eq!(serde_json::from_value::<Bounce>(json).unwrap(), bounce);
}

proptest! {
    /// A report is written by others.
    #[test]
    fn whatever_is_given_for_a_report_is_read_or_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
        cut in 0..POSTFIX.len(),
    ) {
        let _ = parse(&bytes);
        let mut text = POSTFIX.as_bytes()[..cut].to_vec();
        text.extend_from_slice(&bytes);
        text.extend_from_slice(&POSTFIX.as_bytes()[cut..]);
        let _ = parse(&text);
    }
}
