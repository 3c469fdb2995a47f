//! The tasks of the server itself: `log_message`, which is always there, and the demo tasks, to try it out with.
//!
//! They stand in the binary and not in the library, so that no embedding program finds them among its own.

use std::time::Duration;

use callboard::{TaskContext, TaskDefinition, task, tasks};
use serde_json::Value;

/// The tasks that every server has.
pub(crate) fn always() -> Vec<&'static TaskDefinition> {
    tasks![log_message].into()
}

/// The tasks to try a server out with.
pub(crate) fn demo() -> Vec<&'static TaskDefinition> {
    tasks![add, blocking, echo, fail, flaky, panic, sleep].into()
}

/// Writes a message to the server's log.
#[task(name = "log_message")]
async fn log_message(message: String) {
    // A message from outside must not be able to look like another line of the log.
    let line: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    tracing::info!(target: "callboard::log_message", "Task says: {line}");
}

/// Gives back what it is given.
#[task(name = "demo.echo")]
async fn echo(value: Value) -> Value {
    value
}

/// Adds two whole numbers.
#[task(name = "demo.add")]
async fn add(a: i64, b: i64) -> Result<i64, String> {
    a.checked_add(b).ok_or_else(|| format!("{a} + {b} is beyond 64 bits"))
}

/// Sleeps for so many milliseconds, and stops when it is told to.
#[task(name = "demo.sleep")]
async fn sleep(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

/// Fails with this message, each time.
#[task(name = "demo.fail")]
async fn fail(message: String) -> Result<(), String> {
    Err(message)
}

/// Fails so many times and then succeeds; returns the number of the attempt that did.
#[task(name = "demo.flaky")]
async fn flaky(context: &TaskContext, fail_times: u32) -> Result<u32, String> {
    match context.attempt() {
        attempt if attempt > fail_times => Ok(attempt),
        attempt => Err(format!("attempt {attempt} of {fail_times} that fail")),
    }
}

/// Panics.
#[task(name = "demo.panic")]
async fn panic() {
    panic!("demo.panic was asked to");
}

/// Blocks a thread of the pool for so many milliseconds: a function that is not async.
#[task(name = "demo.blocking")]
fn blocking(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}
