//! No actix runtime of the caller's: a plain tokio program, as one with axum would be, and a plain thread.
//! The board has its own threads and takes calls from anywhere.
//!
//! Run: cargo run --example axum_or_tokio
//!
//! Prints:
//!     from tokio: 13 letters
//!     from a thread: 11 letters

use std::error::Error;
use std::time::Duration;

use callboard::{Callboard, TaskContext, task};

/// Counts the letters of a text, on the pool for sync functions, and says how far it has come.
#[task]
fn count_letters(text: String, context: &TaskContext) -> usize {
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut letters = 0;
    for (done, word) in words.iter().enumerate() {
        letters += word.chars().filter(|c| c.is_alphabetic()).count();
        context.progress(done as u64 + 1, words.len() as u64);
    }
    letters
}

/// What a handler of axum would be: its future is `Send`, and the board is a part of its state.
async fn handler(board: Callboard, text: &str) -> Result<usize, Box<dyn Error + Send + Sync>> {
    let result = board.enqueue(count_letters::with(text)).await?;
    Ok(*result.wait(Duration::from_secs(5)).await?.return_value()?)
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let board = runtime.block_on(Callboard::builder().memory().tasks(callboard::tasks![count_letters]).start())?;

    let spawned = runtime.spawn({
        let board = board.clone();
        async move { handler(board, "to be or not to be").await }
    });
    println!("from tokio: {} letters", runtime.block_on(spawned)??);

    let blocking = board.blocking();
    let thread = std::thread::spawn(move || {
        let result = blocking.enqueue(count_letters::with("all the world")).map_err(|error| error.to_string())?;
        let result = blocking.wait(result, Duration::from_secs(5)).map_err(|error| error.to_string())?;
        result.return_value().copied().map_err(|error| error.to_string())
    });
    let letters = thread.join().expect("the thread does not panic")?;
    println!("from a thread: {letters} letters");

    board.blocking().shutdown();
    Ok(())
}
