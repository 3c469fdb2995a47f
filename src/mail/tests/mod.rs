//! Tests of mail that need no server. Those with one are in `tests/it/mail/`.
#![allow(clippy::unwrap_used)]

mod addresses;
mod bounces;
mod building;
mod checks;
mod large;
#[cfg(feature = "http")]
mod previews;
mod sending;
mod templates;
mod verdicts;

use jiff::Timestamp;

use super::*;

/// The identity that all built mails have here.
fn identity() -> Identity {
    Identity { message_id: "<0193@example.com>".into(), date: "2026-11-22T10:00:00Z".parse::<Timestamp>().unwrap() }
}

/// A mail with what every mail must have.
fn mail() -> Email {
    Email::new("Hello").from("from@example.com").to("to@example.com")
}

/// The mail as it travels.
#[track_caller]
fn built(mail: &Email) -> String {
    mail.build(&identity()).unwrap().source.text()
}

/// Its headers, unfolded, by name.
#[track_caller]
fn header(source: &str, name: &str) -> Vec<String> {
    let (head, _) = source.split_once("\r\n\r\n").unwrap();
    let unfolded = head.replace("\r\n ", " ");
    let prefix = format!("{name}: ");
    unfolded.split("\r\n").filter_map(|line| line.strip_prefix(&prefix)).map(str::to_owned).collect()
}

/// Every field that is wrong, in order.
#[track_caller]
fn wrong_fields(mail: &Email) -> Vec<String> {
    let invalid = mail.build(&identity()).unwrap_err();
    invalid.0.into_iter().map(|problem| problem.field).collect()
}
