//! The settings choose the backend, the code stays the same: here every call runs while its enqueuer waits,
//! as one wants it in tests and scripts.
//!
//! Run: cargo run --example immediate
//!
//! Prints:
//!     2 + 3 = 5
//!     division: FAILED, attempt to divide by zero
//!     the backend immediate keeps no results

use std::error::Error;

use callboard::{Callboard, Settings, task};

#[task]
async fn add(a: i64, b: i64) -> i64 {
    a + b
}

#[task]
fn divide(a: i64, b: i64) -> i64 {
    a / b
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // As in callboard.toml or the environment of the process.
    let variables = [("CALLBOARD__TASKS__DEFAULT__BACKEND".to_owned(), "immediate".to_owned())];
    let settings = Settings::from_environment(variables)?;
    let board = Callboard::builder().settings(settings).tasks(callboard::tasks![add, divide]).start().await?;

    let sum = board.enqueue(add::with(2, 3)).await?;
    println!("2 + 3 = {}", sum.return_value()?);

    // A task that fails never makes its enqueuer fail, even if it panics.
    let mut quotient = board.enqueue(divide::with(1, 0)).await?;
    println!("division: {}, {}", quotient.status(), quotient.errors()[0].message);

    assert!(quotient.refresh().await.is_err());
    println!("the backend immediate keeps no results");
    Ok(())
}
