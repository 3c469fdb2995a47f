//! The smallest program: a task is defined, enqueued, run and asked for its result.
//!
//! Run: cargo run --example log_message
//!
//! Prints:
//!     enqueued: READY
//!     Task says: Hello from the call board
//!     finished: SUCCESSFUL after 1 attempt

use std::error::Error;
use std::time::Duration;

use callboard::{Callboard, task};

/// Says something, outside of whoever asked for it.
#[task]
async fn log_message(message: String) {
    println!("Task says: {message}");
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let board = Callboard::builder().memory().tasks(callboard::tasks![log_message]).start().await?;

    // A time in the future keeps the order of the lines below the same each time.
    let call = log_message::with("Hello from the call board").run_after(Duration::from_millis(50));
    let result = board.enqueue(call).await?;
    println!("enqueued: {}", result.status());

    let result = result.wait(Duration::from_secs(5)).await?;
    println!("finished: {} after {} attempt", result.status(), result.attempts());

    board.shutdown().await;
    Ok(())
}
