//! What a task knows of itself, and what a call of it asks for.

use std::time::Duration;

use callboard_tasks::{
    Backoff, Data, DataKey, Redact, Registry, Run, Task, TaskContext, TaskError, TaskOptions, Timestamp, task, tasks,
};

/// Adds two numbers.
///
///   - indented
/// and `code`
#[task]
async fn add(a: i64, b: i64) -> i64 {
    a + b
}

#[task(
    queue = "mail",
    priority = -100,
    backend = "reports",
    max_attempts = 3,
    backoff = "2s..10m",
    timeout = "1m30s",
    expires = "1h",
    name = "mail.send",
    aliases = ["mail.deliver", "old:send"],
    http = false,
    unique = true,
    limit_key = "to",
    redact = ["to", "title"],
)]
#[allow(clippy::too_many_arguments, reason = "one of each kind")]
fn send(
    mailer: Data<Vec<u8>>,
    to: String,
    context: &TaskContext,
    #[default(1 + 1)] copies: u8,
    #[default("en")] language: String,
    title: Option<std::string::String>,
    #[inject] again: Data<Vec<u8>>,
    board: Data<u64>,
) {
    let _ = (mailer, to, context, copies, language, title, again, board);
}

#[doc = "From an attribute."]
#[task(backoff = "30s")]
async fn described() {}

#[task(backoff = "default")]
async fn plain() {}

#[task(backoff = "1s*1.5..1m~0%", redact = false)]
async fn growing(token: String) {
    let _ = token;
}

fn pause(attempt: u32, error: &TaskError) -> Duration {
    Duration::from_secs(u64::from(attempt) * error.message.len() as u64)
}

#[task(backoff = self::pause)]
async fn own_pauses() {}

#[task]
#[doc = include_str!("../../../rustfmt.toml")]
/// After the file.
async fn described_by_a_file() {}

#[task(register = false)]
async fn hidden() {}

#[test]
fn a_task_that_is_not_registered_is_had_by_boards_that_are_told_of_it() {
    assert!(Registry::linked().unwrap().get(hidden::NAME).is_none());
    assert!(Registry::of(tasks![hidden]).unwrap().get(hidden::NAME).is_some());
}

#[test]
fn its_name_is_crate_and_function() {
    assert_eq!(add::NAME, "macro_task.add");
    assert_eq!(add::definition().name, "macro_task.add");
    assert_eq!(add::definition().function(), "add");
    assert_eq!(<add as Task>::NAME, add::NAME);
}

#[test]
fn a_given_name_stands_as_it_is() {
    assert_eq!(send::NAME, "mail.send");
    assert_eq!(send::definition().aliases, ["mail.deliver", "old:send"]);
}

#[test]
fn a_bare_task_has_the_default_options() {
    assert_eq!(add::definition().options, TaskOptions::DEFAULT);
    assert!(add::definition().aliases.is_empty());
}

#[test]
fn each_option_is_kept() {
    let expected = TaskOptions {
        queue: "mail",
        priority: -100,
        backend: "reports",
        max_attempts: 3,
        backoff: Backoff::Doubling { first: Duration::from_secs(2), most: Duration::from_secs(600) },
        timeout: Some(Duration::from_secs(90)),
        expires: Some(Duration::from_secs(3600)),
        custom_backoff: None,
        http: false,
        redact: Redact::Also(&["to", "title"]),
        unique: true,
        limit_key: Some("to"),
    };
    assert_eq!(send::definition().options, expected);
    assert_eq!(described::definition().options.backoff, Backoff::Fixed(Duration::from_secs(30)));
    assert_eq!(plain::definition().options.backoff, Backoff::Default);
    let growing = growing::definition().options;
    let expected = Backoff::Exponential {
        first: Duration::from_secs(1),
        factor_percent: 150,
        most: Duration::from_secs(60),
        jitter_percent: 0,
    };
    assert_eq!((growing.backoff, growing.redact), (expected, Redact::Nothing));
    let custom = own_pauses::definition().options;
    let error = TaskError::new("Error", "busy", "", 2, Timestamp::UNIX_EPOCH);
    assert_eq!(custom.custom_backoff.unwrap().0(2, &error), Duration::from_secs(8));
    assert_eq!(custom.backoff, Backoff::Default);
}

#[test]
fn the_doc_comment_is_the_description() {
    assert_eq!(add::definition().description, "Adds two numbers.\n\n  - indented\nand `code`");
    assert_eq!(described::definition().description, "From an attribute.");
    assert_eq!(plain::definition().description, "");
}

#[test]
fn a_file_can_be_the_description() {
    let description = described_by_a_file::definition().description;
    assert!(description.starts_with("edition = "), "{description}");
    assert!(description.ends_with("After the file."), "{description}");
}

#[test]
fn only_arguments_are_parameters() {
    let parameters = send::definition().parameters;
    let listed: Vec<_> = parameters.iter().map(|p| (p.name, p.type_name, p.required)).collect();
    assert_eq!(
        listed,
        [
            ("to", "String", true),
            ("copies", "u8", false),
            ("language", "String", false),
            ("title", "Option<std::string::String>", false),
        ]
    );
}

#[test]
fn defaults_are_shown_as_json() {
    let defaults: Vec<_> =
        send::definition().parameters.iter().map(|p| p.default.map(|default| default().to_string())).collect();
    assert_eq!(defaults, [None, Some("2".into()), Some("\"en\"".into()), Some("null".into())]);
}

#[test]
fn it_requires_each_type_of_data_once() {
    let required = (send::definition().requires)();
    assert_eq!(required, [DataKey::of::<Vec<u8>>(), DataKey::of::<u64>()]);
    assert!((add::definition().requires)().is_empty());
}

#[test]
fn it_tells_where_it_is_written() {
    let source = add::definition().source;
    assert!(source.file.ends_with("definitions.rs"), "{source}");
    assert_eq!(source.line, 13, "the line of its attribute");
}

#[test]
fn async_functions_run_on_the_worker_and_others_on_the_blocking_pool() {
    assert!(matches!(add::definition().run, Run::Async(_)));
    assert!(matches!(send::definition().run, Run::Blocking(_)));
}

#[test]
fn every_task_of_the_program_is_registered() {
    let linked = Registry::linked().unwrap();
    assert_eq!(linked.get("macro_task.add"), Some(add::definition()));
    assert_eq!(linked.get("old:send"), Some(send::definition()));
}

#[test]
fn a_list_of_tasks_is_a_list_of_definitions() {
    let listed = tasks![add, send, self::described,];
    assert_eq!(listed.map(|task| task.name), ["macro_task.add", "mail.send", "macro_task.described"]);
    assert_eq!(Registry::of(listed).unwrap().len(), 3);
    assert!(Registry::of(tasks![]).unwrap().is_empty());
}

#[test]
fn a_call_keeps_its_arguments_by_name() {
    assert_eq!(add::with(2, 3).args_json().unwrap(), r#"{"a":2,"b":3}"#);
    assert_eq!(plain::with().args_json().unwrap(), "{}");
}

#[test]
fn a_text_argument_takes_whatever_becomes_one() {
    let call = send::with("a@b.example", 1, 'x', None);
    assert_eq!(call, send::with(String::from("a@b.example"), 1, std::borrow::Cow::Borrowed("x"), None));
    assert_eq!(call.args_json().unwrap(), r#"{"to":"a@b.example","copies":1,"language":"x","title":null}"#);
}

#[test]
fn calls_of_different_tasks_fit_into_one_list() {
    let calls = [add::with(1, 2).erase(), plain::with().queue("other").into()];
    assert_eq!(calls.map(|call| call.task().to_owned()), ["macro_task.add", "macro_task.plain"]);
}

#[test]
fn the_marker_shows_as_the_task() {
    assert_eq!(format!("{:?}", add {}), "macro_task.add");
}
