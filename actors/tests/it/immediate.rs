//! The immediate backend: the call has run when its enqueue returns.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use callboard_actors::{Backend, Callboard};
use callboard_tasks::{Clock, Data, Error, JobId, Phase, Status, Stop, TaskContext, WaitError, WaitFor, task, tasks};
use futures::future::join_all;
use log::Level;

use crate::support::{Probe, SOON, START, logs, until, within};

#[task]
async fn note(one: i64, two: i64) {
    let _ = (one, two);
}

#[task]
fn note_blocking(one: i64, two: i64) {
    let _ = (one, two);
}

#[task]
async fn add(a: i64, b: i64) -> i64 {
    a + b
}

#[task]
fn add_blocking(a: i64, b: i64) -> i64 {
    a + b
}

#[derive(Debug)]
struct ValueError(String);

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for ValueError {}

#[task]
async fn fail(message: String) -> Result<(), ValueError> {
    Err(ValueError(message))
}

#[task]
async fn fail_hard() {
    panic!("as hard as safe Rust can");
}

#[derive(Debug)]
struct Outer(ValueError);

impl fmt::Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the outer one")
    }
}

impl StdError for Outer {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}

#[task]
async fn fail_with_a_cause() -> Result<(), Outer> {
    Err(Outer(ValueError("the inner one".into())))
}

#[task]
async fn give_what_json_lacks() -> f64 {
    f64::NAN
}

#[task]
async fn tell_its_id(context: TaskContext) -> JobId {
    context.job_id()
}

#[task]
async fn with_a_context(context: TaskContext, n: u8) -> u8 {
    let _ = context;
    n
}

#[task]
async fn say(probe: Data<Probe>, line: String) {
    probe.say(line);
}

#[task]
async fn say_and_enqueue(context: TaskContext, probe: Data<Probe>) -> Result<(), Error> {
    probe.say("outer begins");
    let inner = context.enqueue(say::with("inner")).await?;
    probe.say(format!("inner is {}", inner.status()));
    Ok(())
}

#[task(timeout = "20ms")]
async fn never_end() {
    std::future::pending::<()>().await;
}

#[task]
async fn stay(probe: Data<Probe>) -> u8 {
    let _inside = probe.enter();
    probe.gate.pass().await;
    probe.say("stayed");
    3
}

#[task]
async fn steer(how: String) -> Result<(), Stop> {
    match how.as_str() {
        "snooze" => Err(Stop::snooze(Duration::from_secs(1))),
        "retry" => Err(Stop::retry_in(Duration::from_secs(1), "later")),
        _ => Err(Stop::abort("never")),
    }
}

async fn board(probe: &Arc<Probe>) -> Callboard {
    logs::listen();
    let tasks = tasks![
        note,
        note_blocking,
        add,
        add_blocking,
        fail,
        fail_hard,
        fail_with_a_cause,
        give_what_json_lacks,
        tell_its_id,
        with_a_context,
        say,
        say_and_enqueue,
        never_end,
        stay,
        steer
    ];
    let builder = Callboard::builder().backend("default", Backend::immediate()).tasks(tasks);
    builder.data_arc(Arc::clone(probe)).start().await.unwrap()
}

// Django 59
#[tokio::test]
async fn a_call_has_run_when_its_enqueue_returns() {
    let board = board(&Arc::default()).await;
    let result = within(5, board.enqueue(note::with(1, 3))).await.unwrap();
    assert_eq!((result.status(), result.phase(), result.attempts()), (Status::Successful, Phase::Successful, 1));
    assert_eq!(result.args(), serde_json::json!({"one": 1, "two": 3}));
    assert_eq!(result.return_value(), Ok(&()));
    assert_eq!((result.errors().len(), result.worker_ids().len(), result.is_finished()), (0, 1, true));
    let (started, finished) = (result.started_at().unwrap(), result.finished_at().unwrap());
    assert!(result.enqueued_at() <= started && started <= finished, "{result:?}");
    assert_eq!(result.backend(), "default");
}

// Django 60
#[tokio::test]
async fn sync_and_async_functions_run_from_async_code() {
    let board = board(&Arc::default()).await;
    assert_eq!(board.enqueue(add::with(1, 2)).await.unwrap().return_value(), Ok(&3));
    assert_eq!(board.enqueue(add_blocking::with(3, 4)).await.unwrap().return_value(), Ok(&7));
    assert_eq!(board.enqueue(note_blocking::with(3, 4)).await.unwrap().return_value(), Ok(&()));
}

// Django 60
#[test]
fn sync_and_async_functions_run_from_a_plain_thread() {
    let board = futures::executor::block_on(board(&Arc::default()));
    let blocking = board.blocking();
    assert_eq!(blocking.enqueue(add::with(1, 2)).unwrap().return_value(), Ok(&3));
    assert_eq!(blocking.enqueue(add_blocking::with(3, 4)).unwrap().return_value(), Ok(&7));
}

// Django 61
#[tokio::test]
async fn a_function_that_fails_does_not_fail_the_enqueue() {
    let board = board(&Arc::default()).await;
    let failed = board.enqueue(fail::with("it does not add up")).await.unwrap();
    assert_eq!((failed.status(), failed.attempts(), failed.max_attempts()), (Status::Failed, 1, 1));
    let [error] = failed.errors() else { panic!("{:?}", failed.errors()) };
    assert_eq!((error.exception_class.as_str(), error.message.as_str()), ("ValueError", "it does not add up"));
    assert!(error.traceback.ends_with("ValueError: it does not add up\n"), "{:?}", error.traceback);
    assert!(failed.return_value().is_err());
    let logged = logs::about(failed.id());
    let errors: Vec<_> = logged.iter().filter(|line| line.level == Level::Error).collect();
    assert!(matches!(errors[..], [line] if line.text.contains("it does not add up")), "{logged:?}");
}

// Django 62
#[tokio::test]
async fn a_function_that_panics_does_not_take_its_enqueuer_along() {
    // What ends the whole process at once (exit, abort, a stack overflow) no process survives; all else is contained.
    let board = board(&Arc::default()).await;
    let failed = board.enqueue(fail_hard::with()).await.unwrap();
    assert_eq!((failed.status(), failed.errors()[0].exception_class.as_str()), (Status::Failed, "Panic"));
    assert_eq!(failed.errors()[0].message, "as hard as safe Rust can");
    assert_eq!(board.enqueue(add::with(1, 2)).await.unwrap().return_value(), Ok(&3));
}

// Django 63
#[tokio::test]
async fn an_enqueuer_who_is_interrupted_leaves_a_call_that_runs_to_its_end() {
    // Django's case is a keyboard interrupt, which leaves the record RUNNING. Here the interrupted one is a future that
    // is dropped, and nothing of the call is: it runs on its own thread.
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    let interrupted = tokio::spawn({
        let board = board.clone();
        async move { board.enqueue(stay::with()).await }
    });
    until("it runs", || probe.inside() == 1).await;
    interrupted.abort();
    assert!(interrupted.await.unwrap_err().is_cancelled());
    probe.gate.open();
    until("it has ended", || probe.said("stayed")).await;
}

// Django 64
#[tokio::test]
async fn an_error_with_a_cause_is_recorded_with_both() {
    let board = board(&Arc::default()).await;
    let failed = board.enqueue(fail_with_a_cause::with()).await.unwrap();
    let traceback = &failed.errors()[0].traceback;
    assert!(traceback.contains("the outer one") && traceback.contains("the inner one"), "{traceback}");
    assert_eq!(failed.errors()[0].message, "the outer one");
}

// Django 65
#[tokio::test]
async fn a_value_that_json_lacks_fails_the_job_and_stores_nothing() {
    let board = board(&Arc::default()).await;
    let failed = board.enqueue(give_what_json_lacks::with()).await.unwrap();
    assert_eq!((failed.status(), &failed.job().state.return_value), (Status::Failed, &None));
    assert!(failed.errors()[0].message.contains("NaN"), "{:?}", failed.errors());
}

// Django 66
#[tokio::test]
async fn a_function_learns_the_id_of_its_job() {
    let board = board(&Arc::default()).await;
    let result = board.enqueue(tell_its_id::with()).await.unwrap();
    assert_eq!(result.return_value(), Ok(&result.id()));
}

// Django 67
#[tokio::test]
async fn the_context_cannot_be_given_by_the_caller() {
    let board = board(&Arc::default()).await;
    let refused = board.call_named("with_a_context", r#"{"context": 1, "n": 2}"#).await.unwrap_err();
    let Error::InvalidTask(refused) = refused else { panic!("{refused}") };
    assert_eq!(refused.problems[0].pointer, "#/args/context");
    let call = board.call_named("with_a_context", r#"{"n": 2}"#).await.unwrap();
    assert_eq!(board.enqueue_any(call).await.unwrap().return_value(), Ok(&serde_json::json!(2)));
}

// Django 68
#[tokio::test]
async fn results_cannot_be_looked_up_later() {
    let board = board(&Arc::default()).await;
    let mut result = board.enqueue(add::with(1, 2)).await.unwrap();
    let unsupported = |error: Error| {
        assert!(matches!(error, Error::Unsupported { .. }), "{error:?}");
        assert!(error.to_string().contains("does not support retrieving or refreshing results"), "{error}");
    };
    unsupported(result.refresh().await.unwrap_err());
    unsupported(board.get(result.id()).await.unwrap_err());
    unsupported(board.result::<add>(result.id()).await.unwrap_err());
    unsupported(board.cancel(result.id()).await.unwrap_err());
    let WaitError::Board(error) = board.wait(result.id(), WaitFor::Finished, SOON).await.unwrap_err() else { panic!() };
    unsupported(error);
    assert_eq!(result.return_value(), Ok(&3), "what it was given, it keeps");
    assert_eq!(within(5, result.wait(SOON)).await.unwrap().return_value(), Ok(&3), "it has ended, so nobody is asked");
}

// Django 69
#[tokio::test]
async fn a_blocking_enqueue_inside_a_runtime_runs_an_async_function() {
    // Django records a failure here, for want of a second loop; the attempt has a thread of its own.
    let board = board(&Arc::default()).await;
    let result = board.blocking().enqueue(add::with(20, 1)).unwrap();
    assert_eq!(result.return_value(), Ok(&21));
}

// Django 70
#[tokio::test]
async fn a_call_runs_before_whatever_its_enqueuer_does_next() {
    // Also before a transaction that is open meanwhile commits.
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    for n in 0..100 {
        board.enqueue(say::with(format!("{n}"))).await.unwrap();
        probe.say(format!("after {n}"));
    }
    let expected: Vec<_> = (0..100).flat_map(|n| [format!("{n}"), format!("after {n}")]).collect();
    assert_eq!(probe.lines(), expected);
}

// Django 71
#[tokio::test]
async fn the_first_attempt_is_the_latest() {
    let board = board(&Arc::default()).await;
    let result = board.enqueue(add::with(1, 2)).await.unwrap();
    assert!(result.started_at().is_some());
    assert_eq!(result.started_at(), result.last_attempted_at());
}

#[tokio::test]
async fn a_task_may_enqueue_another_and_gets_its_end() {
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    within(5, board.enqueue(say_and_enqueue::with())).await.unwrap();
    assert_eq!(probe.lines(), ["outer begins", "inner", "inner is SUCCESSFUL"]);
}

#[tokio::test]
async fn several_calls_run_one_after_the_other() {
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    let calls = (0..10).map(|n| say::with(n.to_string()).erase()).collect();
    let results = within(5, board.enqueue_all(calls)).await.unwrap();
    assert!(results.iter().all(|result| result.status() == Status::Successful));
    assert_eq!(probe.lines(), (0..10).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn calls_of_several_callers_run_side_by_side() {
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    let calls: Vec<_> = (0..5)
        .map(|_| {
            let board = board.clone();
            tokio::spawn(async move { board.enqueue(stay::with()).await })
        })
        .collect();
    until("all of them run", || probe.inside() == 5).await;
    probe.gate.open();
    for result in within(5, join_all(calls)).await {
        assert_eq!(result.unwrap().unwrap().return_value(), Ok(&3));
    }
}

#[tokio::test]
async fn a_call_past_its_timeout_fails() {
    let board = board(&Arc::default()).await;
    let failed = within(5, board.enqueue(never_end::with())).await.unwrap();
    assert_eq!((failed.status(), failed.errors()[0].exception_class.as_str()), (Status::Failed, "Timeout"));
}

#[tokio::test]
async fn nothing_runs_a_second_time() {
    let board = board(&Arc::default()).await;
    for (how, class) in [("snooze", "Snooze"), ("retry", "Error"), ("abort", "Error")] {
        let failed = within(5, board.enqueue(steer::with(how).max_attempts(5))).await.unwrap();
        assert_eq!((failed.phase(), failed.attempts()), (Phase::Failed, 1), "{how}");
        assert_eq!(failed.errors()[0].exception_class, class, "{how}");
    }
}

#[tokio::test]
async fn a_call_for_later_is_refused_before_it_runs() {
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    let refused = board.enqueue(say::with("later").run_after("5m")).await.unwrap_err();
    assert!(refused.to_string().contains("does not support run_after"), "{refused}");
    assert_eq!(probe.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn times_are_those_of_the_boards_clock() {
    let clock = Clock::manual(START);
    let builder = Callboard::builder().backend("default", Backend::immediate()).clock(clock).tasks(tasks![add]);
    let board = builder.start().await.unwrap();
    let result = board.enqueue(add::with(1, 2)).await.unwrap();
    assert_eq!((result.enqueued_at(), result.started_at(), result.finished_at()), (START, Some(START), Some(START)));
}

#[tokio::test]
async fn a_shutdown_lets_a_call_end_that_runs() {
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    let runs = tokio::spawn({
        let board = board.clone();
        async move { board.enqueue(stay::with()).await }
    });
    until("it runs", || probe.inside() == 1).await;
    let stopping = tokio::spawn({
        let board = board.clone();
        async move { board.shutdown().await }
    });
    until("it stops", || board.is_draining()).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    probe.gate.open();
    let result = within(5, runs).await.unwrap().expect("it runs inside the grace");
    assert_eq!(result.return_value(), Ok(&3));
    assert_eq!(within(5, stopping).await.unwrap().finished, 1);
}
