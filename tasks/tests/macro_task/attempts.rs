//! How a task runs: what it is given, and what becomes of what it returns.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use callboard_tasks::{BoxError, Data, DataMap, Failure, FailureKind, FromTask, Stop, Task, TaskContext, task};

use crate::support::{run, run_stored, run_with, text};

#[task]
async fn sum(a: i64, b: i64) -> i64 {
    a + b
}

#[task]
fn join(mut parts: Vec<String>, #[default("-")] by: String, last: Option<String>) -> Result<String, std::fmt::Error> {
    parts.extend(last);
    if parts.is_empty() { Err(std::fmt::Error) } else { Ok(parts.join(&by)) }
}

#[task]
async fn not_send(n: u8) -> u8 {
    let counter = Rc::new(Cell::new(n));
    futures::future::ready(()).await;
    counter.set(counter.get() + 1);
    counter.get()
}

#[task]
async fn nothing() {}

#[task]
fn formatted(fails: bool) -> std::fmt::Result {
    if fails { Err(std::fmt::Error) } else { Ok(()) }
}

#[task]
async fn opened(path: std::path::PathBuf) -> std::io::Result<u64> {
    Ok(std::fs::metadata(path)?.len())
}

#[task]
async fn steered(how: String) -> Result<u8, Stop> {
    match how.as_str() {
        "abort" => Err(Stop::abort("the card is void")),
        "later" => Err(Stop::retry_in(Duration::from_secs(5), "busy")),
        "snooze" => Err(Stop::snooze(Duration::from_secs(6))),
        number => Ok(number.parse()?),
    }
}

#[task]
fn boxed() -> Result<(), BoxError> {
    Err("no luck".into())
}

#[task]
fn text_error() -> Result<(), String> {
    Err("no luck either".into())
}

#[task]
async fn not_a_number() -> f64 {
    f64::NAN
}

/// The length of the arguments as text, and the attempt.
struct Sizes(usize, u32);

impl FromTask for Sizes {
    fn from_task(context: &TaskContext) -> Result<Self, BoxError> {
        match context.job().args.as_str() {
            "{\"a\":0}" => Err("nothing to measure".into()),
            args => Ok(Self(args.len(), context.attempt())),
        }
    }
}

#[task]
async fn supplied(
    owned: TaskContext,
    greeting: Data<Arc<str>>,
    a: u8,
    lent: &TaskContext,
    #[inject] Sizes(length, attempt): Sizes,
    _: Data<String>,
) -> String {
    assert_eq!(owned.job_id(), lent.job_id());
    format!("{greeting} {a} {length} {attempt}", greeting = &**greeting)
}

#[task]
fn of_the_board(text: Data<String>) -> String {
    text.to_uppercase()
}

fn greeting() -> DataMap {
    let mut data = DataMap::default();
    data.insert::<Arc<str>>(Arc::new(Arc::from("hello")));
    data
}

fn failure(result: Result<callboard_tasks::Json, Failure>) -> (FailureKind, String, String) {
    let failure = result.unwrap_err();
    (failure.kind, failure.class, failure.message)
}

#[test]
fn the_function_stays_a_function() {
    assert_eq!(futures::executor::block_on(sum(2, 3)), 5);
    assert_eq!(join(vec!["a".into()], "+".into(), Some("b".into())).unwrap(), "a+b");
}

#[test]
fn an_async_task_returns_its_value() {
    assert_eq!(text(run(&sum::with(2, 3))), "5");
    assert_eq!(text(run(&nothing::with())), "null");
}

#[test]
fn a_blocking_task_returns_its_value() {
    assert_eq!(text(run(&join::with(vec!["a".into()], "+", Some("b".into())))), "\"a+b\"");
}

#[test]
fn a_future_that_is_not_send_runs() {
    assert_eq!(text(run(&not_send::with(1))), "2");
}

#[test]
fn arguments_that_an_older_release_did_not_store_get_their_defaults() {
    let stored = run_stored(join::definition(), r#"{"parts":["a","b"]}"#, DataMap::default());
    assert_eq!(text(stored), "\"a-b\"");
}

#[test]
fn stored_arguments_that_do_not_fit_are_never_tried_again() {
    for args in [r#"{"a":1}"#, r#"{"a":1,"b":"x"}"#, r#"{"a":1,"b":2,"c":3}"#, "null"] {
        let (kind, class, _) = failure(run_stored(sum::definition(), args, DataMap::default()));
        assert_eq!((kind, class.as_str()), (FailureKind::Abort, "InvalidArguments"), "{args}");
    }
    let (kind, ..) = failure(run_stored(nothing::definition(), r#"{"a":1}"#, DataMap::default()));
    assert_eq!(kind, FailureKind::Abort);
}

#[test]
fn an_error_is_a_failure_with_its_class() {
    let empty = failure(run(&join::with(vec![], "", None)));
    assert_eq!((empty.0, empty.1.as_str()), (FailureKind::Error, "fmt::Error"));
    let missing = failure(run(&opened::with("/there/is/no/such/file".into())));
    assert_eq!((missing.0, missing.1.as_str()), (FailureKind::Error, "io::Error"));
}

#[test]
fn aliases_of_result_with_any_number_of_arguments_are_results() {
    assert_eq!(text(run(&formatted::with(false))), "null");
    assert_eq!(failure(run(&formatted::with(true))).1, "fmt::Error");
    let here = run(&opened::with("Cargo.toml".into()));
    assert!(text(here).parse::<u64>().unwrap() > 0);
}

#[test]
fn text_and_boxed_errors_are_ordinary_failures() {
    assert_eq!(failure(run(&boxed::with())), (FailureKind::Error, "Error".into(), "no luck".into()));
    assert_eq!(failure(run(&text_error::with())), (FailureKind::Error, "Error".into(), "no luck either".into()));
}

#[test]
fn a_stop_steers_what_follows() {
    assert_eq!(text(run(&steered::with("7"))), "7");
    assert_eq!(failure(run(&steered::with("x"))).0, FailureKind::Error);
    assert_eq!(failure(run(&steered::with("abort"))).0, FailureKind::Abort);
    assert_eq!(failure(run(&steered::with("later"))).0, FailureKind::RetryIn(Duration::from_secs(5)));
    assert_eq!(failure(run(&steered::with("snooze"))).0, FailureKind::Snooze(Duration::from_secs(6)));
}

#[test]
fn a_return_value_without_json_is_never_tried_again() {
    assert_eq!(failure(run(&not_a_number::with())).0, FailureKind::Abort);
}

#[test]
fn the_board_supplies_what_is_no_argument() {
    assert_eq!(text(run_with(&supplied::with(42), greeting())), "\"hello 42 8 1\"");
    assert_eq!(supplied::definition().parameters.len(), 1);
}

#[test]
fn missing_data_fails_the_attempt_and_names_the_type() {
    let (kind, class, message) = failure(run(&supplied::with(1)));
    assert_eq!((kind, class.as_str()), (FailureKind::Error, "MissingData"), "{message}");
    assert!(message.contains("Arc<str>"), "{message}");
}

#[test]
fn what_cannot_be_injected_fails_the_attempt() {
    assert_eq!(failure(run_with(&supplied::with(0), greeting())).2, "nothing to measure");
}

#[test]
fn a_value_of_the_board_itself_is_data_too() {
    assert_eq!(text(run(&of_the_board::with())), "\"OF THE BOARD\"");
}
