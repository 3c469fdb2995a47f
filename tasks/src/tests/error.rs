use std::error::Error as _;

use super::support::{START, add, job};
use crate::{Error, InvalidTask, JobId, Move, Phase, Problem, StoreError, WaitError};

fn unknown_task(near: &[&str]) -> String {
    let near = near.iter().map(|&name| name.into()).collect();
    Error::UnknownTask { name: "sned".into(), near }.to_string()
}

#[test]
fn an_unknown_task_suggests_what_could_be_meant() {
    assert_eq!(unknown_task(&[]), r#"there is no task "sned""#);
    assert_eq!(unknown_task(&["mail.send"]), r#"there is no task "sned"; did you mean "mail.send"?"#);
    assert_eq!(
        unknown_task(&["mail.send", "sms.send"]),
        r#"there is no task "sned"; did you mean one of mail.send, sms.send?"#
    );
}

// Django 26, 29
#[test]
fn an_unknown_backend_names_those_that_there_are() {
    let unknown = |known: &[&str]| {
        let known = known.iter().map(|&alias| alias.into()).collect();
        Error::UnknownBackend { alias: "slow".into(), known }.to_string()
    };
    assert_eq!(unknown(&["default", "mail"]), r#"there is no backend "slow"; configured: default, mail"#);
    assert_eq!(unknown(&[]), r#"there is no backend "slow"; none is configured"#);
}

#[test]
fn an_invalid_call_names_the_task_and_every_field_with_its_problem() {
    let wrong = InvalidTask {
        task: "mail.send".into(),
        problems: vec![
            Problem::new("#/args/to/0", "is missing; its type is String"),
            Problem::new("#/priority", "is 101; give a whole number between -100 and 100"),
        ],
    };
    assert_eq!(
        wrong.to_string(),
        r#"task "mail.send" cannot be enqueued: args.to.0 is missing; its type is String; priority is 101; give a whole number between -100 and 100"#
    );
    assert_eq!(Error::from(wrong.clone()).to_string(), wrong.to_string());
}

#[test]
fn a_refused_queue_can_be_told_from_other_refusals() {
    assert!(InvalidTask::new("t", "#/queue", "is no queue").is_queue());
    assert!(!InvalidTask::new("t", "#/args/queue", "is missing").is_queue());
}

#[test]
fn errors_about_a_job_name_it() {
    let id: JobId = "0193b3a0-5c1e-7d2a-9f00-1c2d3e4f5a6b".parse().unwrap();
    let of = |error: Error| error.to_string();
    assert_eq!(of(Error::NotFound(id)), "there is no task 0193b3a0-5c1e-7d2a-9f00-1c2d3e4f5a6b");
    assert_eq!(of(Error::Pruned(id)), "task 0193b3a0-5c1e-7d2a-9f00-1c2d3e4f5a6b has ended and its result was removed");
    assert_eq!(
        of(Error::Mismatch { id, expected: "a.x".into(), actual: "a.y".into() }),
        r#"task 0193b3a0-5c1e-7d2a-9f00-1c2d3e4f5a6b is of "a.y", not of "a.x""#
    );
}

#[test]
fn errors_about_a_backend_name_it() {
    let alias = || "mail".to_owned();
    let unsupported = Error::Unsupported { alias: alias(), what: "retrieving or refreshing results" };
    assert_eq!(unsupported.to_string(), r#"the backend "mail" does not support retrieving or refreshing results"#);
    assert_eq!(Error::Full { alias: alias() }.to_string(), r#"the backend "mail" has no room for more calls now"#);
    assert_eq!(Error::NoAnswer { alias: alias() }.to_string(), r#"the backend "mail" did not answer"#);
}

#[test]
fn what_a_store_said_is_the_cause_of_the_error() {
    let error = Error::from(StoreError::Busy("somebody writes".into()));
    assert_eq!(error.to_string(), "the store of the backend failed");
    assert_eq!(error.source().unwrap().to_string(), "the store is busy: somebody writes");
}

#[test]
fn only_what_time_can_mend_is_transient() {
    let id = job(add::with(1, 2)).id();
    let alias = || "default".to_owned();
    let transient = [
        Error::Full { alias: alias() },
        Error::Draining,
        Error::NoAnswer { alias: alias() },
        Error::Store(StoreError::Busy(String::new())),
    ];
    let lasting = [
        Error::NotFound(id),
        Error::Pruned(id),
        Error::UnknownTask { name: alias(), near: vec![] },
        Error::UnknownBackend { alias: alias(), known: vec![] },
        Error::InvalidTask(InvalidTask::new("t", "#/queue", "")),
        Error::InvalidMove(Phase::Failed.after(Move::Cancel).unwrap_err()),
        Error::Unsupported { alias: alias(), what: "" },
        Error::Mismatch { id, expected: alias(), actual: alias() },
    ];
    assert!(transient.iter().all(Error::is_transient));
    assert!(!lasting.iter().any(Error::is_transient));
}

#[test]
fn waiting_in_vain_says_so() {
    assert_eq!(WaitError::Timeout.to_string(), "the task had not finished in time");
    assert_eq!(WaitError::from(Error::Draining).to_string(), "the board is shutting down");
}

#[test]
fn an_id_that_is_none_is_refused_with_an_example() {
    let wrong = |text: &str| text.parse::<JobId>().unwrap_err();
    assert_eq!(wrong("7"), "\"7\" is not a task id; ids look like 0193b3a0-5c1e-7d2a-9f00-1c2d3e4f5a6b");
    let id = JobId::new(START);
    for text in [id.as_uuid().simple().to_string(), id.as_uuid().braced().to_string(), format!(" {id}")] {
        assert!(text.parse::<JobId>().is_err(), "{text}");
    }
}
