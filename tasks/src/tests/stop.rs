use std::fmt;
use std::time::Duration;

use super::support::{MINUTE, SECOND};
use crate::{BoxError, DataKey, Failure, FailureKind, Json, MissingData, Stop};

fn class(error: impl Into<BoxError>) -> String {
    Failure::new(FailureKind::Error, error).class
}

mod mail {
    #[derive(Debug, thiserror::Error)]
    #[error("no route to {host}")]
    pub(super) struct MailError<T: std::fmt::Debug> {
        pub(super) host: &'static str,
        #[source]
        pub(super) cause: Option<std::io::Error>,
        pub(super) detail: T,
    }

    #[derive(Debug, thiserror::Error)]
    #[error("mail failed")]
    pub(super) struct Error;

    pub(super) mod error {
        #[derive(Debug, thiserror::Error)]
        #[error("mail failed deeper")]
        pub(in super::super) struct Error;
    }
}

#[test]
fn the_class_of_an_error_is_the_name_of_its_type_without_the_path() {
    assert_eq!(class(mail::MailError { host: "x", cause: None, detail: vec![1u8] }), "MailError");
    assert_eq!(class("7x".parse::<u8>().unwrap_err()), "ParseIntError");
    assert_eq!(class(mail::Error), "mail::Error");
    assert_eq!(class(mail::error::Error), "mail::Error");
    assert_eq!(class(fmt::Error), "fmt::Error");
    assert_eq!(class(std::io::Error::other("x")), "io::Error");
}

#[test]
fn the_class_of_mere_text_is_error() {
    assert_eq!(class("text"), "Error");
    assert_eq!(class(String::from("text")), "Error");
    assert_eq!(class(std::borrow::Cow::Borrowed("text")), "Error");
    assert_eq!(class(BoxError::from("boxed")), "Error");
}

// Django 64
#[test]
fn a_failure_keeps_the_message_and_the_chain_of_causes() {
    let cause = Some(std::io::Error::other("the cable is cut"));
    let failure = Failure::new(FailureKind::Error, mail::MailError { host: "x", cause, detail: () });
    assert_eq!(failure.message, "no route to x");
    assert_eq!(failure.traceback, "MailError: no route to x\ncaused by: the cable is cut\n");
}

#[test]
fn an_error_becomes_an_ordinary_failure_by_the_question_mark() {
    fn parse(text: &str) -> Result<u8, Stop> {
        Ok(text.parse()?)
    }
    let failure = Failure::from(parse("x").unwrap_err());
    assert_eq!((failure.kind, failure.class.as_str()), (FailureKind::Error, "ParseIntError"));
}

#[test]
fn stop_says_what_follows() {
    let kind = |stop: Stop| Failure::from(stop).kind;
    assert_eq!(kind(Stop::abort("void")), FailureKind::Abort);
    assert_eq!(kind(Stop::retry_in(MINUTE, "later")), FailureKind::RetryIn(MINUTE));
    assert_eq!(kind(Stop::snooze(SECOND)), FailureKind::Snooze(SECOND));
    assert_eq!(Failure::from(Stop::abort("void")).message, "void");
}

#[test]
fn a_panic_says_what_and_where() {
    let failure = Failure::panic("index out of bounds", Some("src/mail.rs:7:9"));
    assert_eq!((failure.kind, failure.class.as_str()), (FailureKind::Panic, "Panic"));
    assert_eq!(failure.traceback, "Panic: index out of bounds\nat src/mail.rs:7:9\n");
    assert_eq!(Failure::panic("x", None).traceback, "Panic: x\n");
}

#[test]
fn a_timeout_says_how_long_it_was() {
    let failure = Failure::timeout(Duration::from_millis(1_500));
    assert_eq!((failure.kind, failure.class.as_str()), (FailureKind::Timeout, "Timeout"));
    assert_eq!(failure.message, "took longer than its timeout of 1s500ms");
}

// Django 65
#[test]
fn a_return_value_without_json_fails_the_job_for_good() {
    let refused = Json::from_value(&[f64::NAN]).unwrap_err();
    let failure = Failure::from(refused);
    assert_eq!((failure.kind, failure.class.as_str()), (FailureKind::Abort, "NotJson"));
    assert_eq!(failure.message, "the value at /0 is NaN, which JSON does not have; send null or text");
}

// Django 42
#[test]
fn a_map_whose_keys_are_tuples_cannot_be_returned() {
    let failure = Failure::from(Json::from_value(&std::collections::BTreeMap::from([((1, 2), 3)])).unwrap_err());
    assert_eq!(failure.kind, FailureKind::Abort);
    assert!(failure.message.starts_with("the value has a key that is an array; "), "{}", failure.message);
}

#[test]
fn stored_arguments_that_do_not_fit_any_more_are_not_tried_again() {
    let failure = Failure::bad_arguments(&"missing field `to`");
    assert_eq!((failure.kind, failure.class.as_str()), (FailureKind::Abort, "InvalidArguments"));
    assert_eq!(failure.message, "the stored arguments do not fit the task: missing field `to`");
}

#[test]
fn missing_data_is_an_ordinary_failure() {
    let failure = Failure::from(MissingData(DataKey::of::<u8>()));
    assert_eq!((failure.kind, failure.class.as_str()), (FailureKind::Error, "MissingData"));
}
