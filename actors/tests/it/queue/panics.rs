//! User code that panics, wherever it can: its job fails, its worker goes on.

use std::fmt;
use std::panic::panic_any;
use std::sync::Arc;

use callboard_actors::Callboard;
use callboard_tasks::{Data, Phase, Task, TaskOutput, TaskResult, task, tasks};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{board_of, end};
use crate::support::{Probe, within};

#[task]
async fn panic_at_once(message: String) {
    panic!("{message}");
}

#[task]
async fn panic_after_a_wait() {
    tokio::task::yield_now().await;
    panic!("later");
}

#[task]
fn panic_blocking() {
    panic!("on the pool");
}

#[task]
async fn panic_with_a_number() {
    panic_any(42_u8);
}

/// Its destructor panics, with another of its kind: there is no end to it.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic_any(Self);
    }
}

#[task]
async fn panic_with_a_bomb() {
    panic_any(Bomb);
}

#[task]
fn panic_with_a_bomb_blocking() {
    panic_any(Bomb);
}

/// Ends well, and then drops a bomb.
#[task]
async fn leave_a_bomb() -> u8 {
    let _bomb = Bomb;
    tokio::task::yield_now().await;
    7
}

/// Never ends, and holds a bomb when it is dropped for its timeout.
#[task(timeout = "20ms", max_attempts = 1)]
async fn wait_with_a_bomb() {
    let _bomb = Bomb;
    std::future::pending::<()>().await;
}

/// Panics wherever serde asks it, unless it says `calm`.
#[derive(Debug, Clone, PartialEq)]
struct Nervous(String);

impl Serialize for Nervous {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        assert!(self.0 != "write", "cannot be written");
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Nervous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        assert!(text != "read", "cannot be read");
        Ok(Self(text))
    }
}

impl fmt::Display for Nervous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[task]
async fn take_nervous(it: Nervous) -> String {
    it.to_string()
}

#[task]
async fn give_nervous(text: String) -> Nervous {
    Nervous(text)
}

/// An error that panics when it is asked what it says.
#[derive(Debug)]
struct Speechless;

impl fmt::Display for Speechless {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("no words");
    }
}

impl std::error::Error for Speechless {}

#[task]
async fn fail_speechless() -> Result<(), Speechless> {
    Err(Speechless)
}

#[task]
async fn well(probe: Data<Probe>) -> String {
    probe.say("well");
    "well".into()
}

/// One worker, so that a dead one would be missed.
async fn one_worker() -> (Callboard, Arc<Probe>) {
    let probe = Arc::default();
    let tasks = tasks![
        panic_at_once,
        panic_after_a_wait,
        panic_blocking,
        panic_with_a_number,
        panic_with_a_bomb,
        panic_with_a_bomb_blocking,
        leave_a_bomb,
        wait_with_a_bomb,
        take_nervous,
        give_nervous,
        fail_speechless,
        well
    ];
    (board_of(tasks, &probe, |b| b.workers(1)).await, probe)
}

/// Enqueues a call for one attempt and gives its end.
async fn once<T: Task>(board: &Callboard, call: callboard_tasks::Call<T>) -> TaskResult<T::Output> {
    within(10, end(board.enqueue(call.max_attempts(1)).await.unwrap())).await
}

/// That the board still runs jobs, at their first attempt.
async fn assert_well(board: &Callboard) {
    let result = once(board, well::with()).await;
    assert_eq!((result.return_value(), result.attempts()), (Ok(&"well".to_owned()), 1));
    let health = board.health().await;
    assert!(health.is_ready() && health.backends[0].workers[0].restarts == 0, "{health:?}");
}

/// What the only error of a failed job says: its class and its message.
fn only_error<T: TaskOutput>(result: &TaskResult<T>) -> (&str, &str) {
    assert_eq!(result.phase(), Phase::Failed);
    let [error] = result.errors() else { panic!("one error expected: {:?}", result.errors()) };
    (&error.exception_class, &error.message)
}

#[tokio::test]
async fn a_panic_of_an_async_function_is_a_failure_with_message_and_place() {
    let (board, _) = one_worker().await;
    let result = once(&board, panic_at_once::with("it broke")).await;
    assert_eq!(only_error(&result), ("Panic", "it broke"));
    let traceback = &result.errors()[0].traceback;
    assert!(traceback.contains("queue/panics.rs:"), "it says where: {traceback}");
    let later = once(&board, panic_after_a_wait::with()).await;
    assert_eq!(only_error(&later), ("Panic", "later"));
    assert!(later.errors()[0].traceback.contains("queue/panics.rs:"));
    assert_well(&board).await;
}

#[tokio::test]
async fn a_panic_of_a_sync_function_is_a_failure_with_message_and_place() {
    let (board, _) = one_worker().await;
    let result = once(&board, panic_blocking::with()).await;
    assert_eq!(only_error(&result), ("Panic", "on the pool"));
    assert!(result.errors()[0].traceback.contains("queue/panics.rs:"));
    assert_well(&board).await;
}

#[tokio::test]
async fn a_panic_is_tried_again_like_any_failure() {
    let (board, _) = one_worker().await;
    let result = board.enqueue(panic_at_once::with("again")).await.unwrap();
    let changed =
        board.wait(result.id(), callboard_tasks::WaitFor::ChangeAfter(2), crate::support::SOON).await.unwrap();
    assert_eq!((changed.phase(), changed.attempts(), changed.errors().len()), (Phase::RetryWait, 1, 1));
}

#[tokio::test]
async fn a_panic_with_a_value_that_is_no_text_is_a_failure() {
    let (board, _) = one_worker().await;
    let result = once(&board, panic_with_a_number::with()).await;
    assert_eq!(only_error(&result), ("Panic", "a value that is no text"));
    assert_well(&board).await;
}

#[tokio::test]
async fn a_panic_whose_value_panics_when_dropped_is_a_failure() {
    let (board, _) = one_worker().await;
    for _ in 0..3 {
        assert_eq!(only_error(&once(&board, panic_with_a_bomb::with()).await).0, "Panic");
        assert_well(&board).await;
    }
}

#[tokio::test]
async fn a_panic_on_the_pool_whose_value_panics_when_dropped_costs_no_thread() {
    let (board, _) = one_worker().await;
    // More of them than the pool has threads: each must come back.
    for _ in 0..40 {
        assert_eq!(only_error(&once(&board, panic_with_a_bomb_blocking::with()).await).0, "Panic");
    }
    assert_well(&board).await;
}

#[tokio::test]
async fn a_future_that_panics_when_it_ends_fails_its_job_alone() {
    let (board, _) = one_worker().await;
    // The destructor runs inside the last poll, so the value is lost.
    assert_eq!(only_error(&once(&board, leave_a_bomb::with()).await).0, "Panic");
    assert_well(&board).await;
}

#[tokio::test]
async fn a_future_that_panics_when_it_is_dropped_harms_nobody() {
    let (board, _) = one_worker().await;
    for _ in 0..3 {
        assert_eq!(only_error(&once(&board, wait_with_a_bomb::with()).await).0, "Timeout");
        assert_well(&board).await;
    }
}

#[tokio::test]
async fn an_argument_that_panics_when_it_is_read_fails_its_job() {
    let (board, _) = one_worker().await;
    let result = once(&board, take_nervous::with(Nervous("read".into()))).await;
    assert_eq!(only_error(&result), ("Panic", "cannot be read"));
    assert_well(&board).await;
    let calm = once(&board, take_nervous::with(Nervous("calm".into()))).await;
    assert_eq!(calm.return_value(), Ok(&"calm".to_owned()));
}

#[tokio::test]
async fn a_return_value_that_panics_when_it_is_written_fails_its_job() {
    let (board, _) = one_worker().await;
    let result = once(&board, give_nervous::with("write")).await;
    assert_eq!(only_error(&result), ("Panic", "cannot be written"));
    assert_well(&board).await;
}

#[tokio::test]
async fn an_error_that_panics_when_it_is_asked_fails_its_job() {
    let (board, _) = one_worker().await;
    let result = once(&board, fail_speechless::with()).await;
    assert_eq!(only_error(&result), ("Panic", "no words"));
    assert_well(&board).await;
}

#[tokio::test]
async fn a_return_value_that_panics_when_the_caller_reads_it_harms_no_worker() {
    let (board, probe) = one_worker().await;
    // The value `read` can be written, and panics in whoever reads it: that is the caller's thread, not ours.
    let id = board.enqueue_any(give_nervous::with("read").max_attempts(1).erase()).await.unwrap().id();
    let result = within(10, board.wait(id, callboard_tasks::WaitFor::Finished, crate::support::SOON)).await.unwrap();
    assert_eq!(result.phase(), Phase::Successful);
    assert_well(&board).await;
    assert_eq!(probe.count("well"), 1);
}
