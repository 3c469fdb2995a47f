//! What of a job is not shown: secrets, wherever they appear, and nothing else.

use std::sync::Arc;

use jiff::Timestamp;

use super::support::{job, ping};
use crate::{InvalidTask, Json, LogLine, Problem, Redaction, Snapshot, TaskError};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn json(text: &str) -> Json {
    Json::from_stored(text.into())
}

fn masked(redaction: &Redaction, text: &str) -> String {
    redaction.mask(&json(text), &mut Vec::new()).map_or_else(|| text.to_owned(), |json| json.to_string())
}

fn also(paths: &[&str]) -> Redaction {
    Redaction::Also(paths.iter().map(|path| (*path).to_owned()).collect())
}

#[test]
fn names_of_secrets_are_known_however_they_are_written() {
    for name in [
        "password",
        "PASSWORD",
        "user_password",
        "passwordHash",
        "passwd",
        "pwd",
        "secret",
        "clientSecret",
        "token",
        "access_token",
        "accessToken",
        "x-api-key",
        "apiKey",
        "API_KEY",
        "api_key_id",
        "private_key",
        "authorization",
        "Authorization",
        "proxy-authorization",
        "cookie",
        "set-cookie",
        "credentials",
        "bearer",
        "passphrase",
    ] {
        assert_eq!(
            masked(&Redaction::Usual, &format!("{{\"{name}\":\"hunter2\"}}")),
            format!("{{\"{name}\":\"•••\"}}")
        );
    }
}

#[test]
fn what_is_only_like_the_name_of_a_secret_is_shown() {
    for name in
        ["token_count", "max_tokens", "tokens", "key", "keyboard", "primary_key", "author", "compass", "topology"]
    {
        let text = format!("{{\"{name}\":5}}");
        assert_eq!(masked(&Redaction::Usual, &text), text);
    }
}

#[test]
fn a_secret_is_masked_at_any_depth_and_all_else_stays_as_it_was_written() {
    let text = r#"{"z":12345678901234567890,"a":[{"token":"x1x1","n":1.50}],"password":{"old":1,"new":[2]},"b":null,"é":"\u0007"}"#;
    let shown = r#"{"z":12345678901234567890,"a":[{"token":"•••","n":1.50}],"password":"•••","b":null,"é":"\u0007"}"#;
    assert_eq!(masked(&Redaction::Usual, text), shown);
    assert_eq!(masked(&Redaction::Usual, r#"{"password":null}"#), r#"{"password":null}"#, "nothing is no secret");
}

#[test]
fn a_task_names_arguments_and_paths_below_them() {
    let text =
        r#"{"card":"4111","customer":{"card":{"number":1,"brand":"v"},"name":"Ann"},"users":[{"pin":1},{"pin":2}]}"#;
    let shown = r#"{"card":"•••","customer":{"card":{"number":"•••","brand":"v"},"name":"Ann"},"users":[{"pin":"•••"},{"pin":"•••"}]}"#;
    assert_eq!(masked(&also(&["card", "customer.card.number", "users.pin"]), text), shown);
    assert_eq!(masked(&also(&["name"]), text), text, "a name without a path is that of an argument");
    assert_eq!(masked(&also(&["card"]), r#"{"card":1,"token":"abcd"}"#), r#"{"card":"•••","token":"•••"}"#);
}

#[test]
fn a_task_may_show_all_and_one_of_which_nothing_is_known_shows_nothing() {
    let text = r#"{"token":"abcd","n":1}"#;
    assert_eq!(masked(&Redaction::Nothing, text), text);
    assert_eq!(masked(&Redaction::Everything, text), r#"{"token":"•••","n":"•••"}"#);
    assert_eq!(masked(&Redaction::Everything, "{}"), "{}");
}

#[test]
fn secrets_are_taken_out_of_errors_and_log_lines_and_the_value_returned_is_shown() {
    let mut job = job(ping::with());
    Arc::make_mut(&mut job.spec).args = json(r#"{"password":"hun\"ter2","pin":7}"#);
    let message = "hun\"ter2 is wrong, and so is \"hun\\\"ter2\"; 7 is not";
    job.state.history.add_error(TaskError::new("Error", message, message, 1, NOW));
    job.state.history.add_logs(vec![LogLine::new(message, 1, NOW)]);
    job.state.return_value = Some(json(r#"{"token":"for you"}"#));
    let before = Snapshot { backend: "default".into(), job, duplicate: false, replayed: false };
    let shown = Redaction::Usual.masked(before.clone()).job;
    let expected = "••• is wrong, and so is \"•••\"; 7 is not";
    assert_eq!(shown.spec.args.as_str(), r#"{"password":"•••","pin":7}"#);
    assert_eq!((&*shown.state.errors()[0].message, &*shown.state.errors()[0].traceback), (expected, expected));
    assert_eq!(shown.state.logs()[0].message, expected);
    assert_eq!(shown.state.return_value, before.job.state.return_value);
    assert!(before.job.spec.args.as_str().contains("ter2"), "what is stored stays as it is");
}

#[test]
fn short_values_do_not_tear_holes_into_other_texts() {
    let args = json(r#"{"password":"a"}"#);
    assert_eq!(Redaction::Usual.masked_text(&args, "a banana"), "a banana");
}

#[test]
fn a_refusal_says_where_and_not_what() {
    let problem = |pointer: &str, detail: &str| Problem::new(pointer, detail);
    let invalid = InvalidTask {
        task: "t".into(),
        problems: vec![
            problem("#/args/password", "invalid type: string \"hunter2\", expected u64"),
            problem("#/args/users/0/card/number", "is 5"),
            problem("#/args/n", "invalid type: string \"x\", expected i64"),
            problem("#/args/secret", "is missing; its type is String"),
            problem("#/priority", "is 500"),
        ],
    };
    let shown = also(&["users.card"]).masked_refusal(invalid);
    let details: Vec<_> = shown.problems.iter().map(|problem| problem.detail.as_str()).collect();
    let hidden = "does not fit its type; its value is not shown";
    assert_eq!(
        details,
        [hidden, hidden, "invalid type: string \"x\", expected i64", "is missing; its type is String", "is 500"]
    );
}

#[test]
fn what_is_published_is_read_back_and_an_older_release_says_nothing() {
    for redaction in [Redaction::Usual, also(&["a", "b.c"]), Redaction::Nothing] {
        let text = serde_json::to_string(&redaction).unwrap();
        assert_eq!(serde_json::from_str::<Redaction>(&text).unwrap(), redaction);
    }
    let old = r#"{"name":"t","description":"","parameters":[],"queue":"default","http":true}"#;
    let old: crate::Published = serde_json::from_str(old).unwrap();
    assert_eq!((old.redact, old.retry), (Redaction::Usual, crate::RetryPolicy::default()));
    assert_eq!((old.unique, old.limit_key), (false, None));
}
