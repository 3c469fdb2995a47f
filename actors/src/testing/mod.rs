//! Tests of programs that enqueue: boards that record, run when they are told to, or run at once; and one attempt alone.
//!
//! Each test has a board of its own, so tests run in parallel and share nothing.
//!
//! | | |
//! |---|---|
//! | [`TestBoard::recording`] | keeps what is enqueued and never runs it |
//! | [`TestBoard::manual`] | keeps it in memory, under a clock that the test moves, and runs what is due in [`TestBoard::drain`] |
//! | [`TestBoard::immediate`] | runs each call while its enqueuer waits |
//! | [`run`] | runs one call in an attempt that is made up, without any board |
//!
//! ```
//! use std::time::Duration;
//!
//! use callboard_actors::testing::TestBoard;
//! use callboard_actors::{Callboard, assert_enqueued, refute_enqueued};
//! use callboard_tasks::{task, tasks};
//!
//! #[task]
//! async fn send_welcome(address: String) {
//!     println!("welcome, {address}");
//! }
//!
//! /// What is tested: it knows a board, and not that it is one of tests.
//! async fn register(board: &Callboard, address: &str) -> Result<(), callboard_tasks::Error> {
//!     board.enqueue(send_welcome::with(address).run_after("5m")).await?;
//!     Ok(())
//! }
//!
//! # futures::executor::block_on(async {
//! let board = TestBoard::manual(|builder| builder.tasks(tasks![send_welcome])).await;
//! register(&board, "ann@example.com").await.unwrap();
//! assert_enqueued!(board, send_welcome::with("ann@example.com"));
//! refute_enqueued!(board, send_welcome::with("bob@example.com"));
//!
//! assert_eq!(board.drain().await, 0, "it is not due");
//! board.advance(Duration::from_secs(300));
//! assert_eq!(board.drain().await, 1);
//! assert!(board.enqueued()[0].is_finished());
//! # });
//! ```

mod attempt;
mod board;
mod matching;

pub use attempt::{Attempt, Ran, run};
pub use board::TestBoard;

/// Checks that a call was enqueued at a [`TestBoard`]: one of this task with these arguments, and with whatever else the
/// call says (its queue, priority, time, attempts, labels). What it leaves out may be anything.
///
/// # Panics
///
/// If it was not; the message says what was enqueued instead.
#[macro_export]
macro_rules! assert_enqueued {
    ($board:expr, $call:expr $(,)?) => {
        $board.assert_enqueued(&$crate::testing::erase($call))
    };
}

/// Checks that no such call was enqueued at a [`TestBoard`]; the opposite of [`assert_enqueued!`].
///
/// # Panics
///
/// If one was.
#[macro_export]
macro_rules! refute_enqueued {
    ($board:expr, $call:expr $(,)?) => {
        $board.refute_enqueued(&$crate::testing::erase($call))
    };
}

#[doc(hidden)]
pub fn erase(call: impl Into<callboard_tasks::AnyCall>) -> callboard_tasks::AnyCall {
    call.into()
}
