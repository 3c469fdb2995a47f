//! Tasks made by `#[task]`, run through their definitions.
#![allow(clippy::unwrap_used)]

use callboard_tasks::{Task, task};

/// Adds two numbers.
#[task(queue = "math")]
async fn add(a: i64, b: i64) -> i64 {
    a + b
}

#[task]
fn greet(name: String, #[default("hello")] greeting: String, title: Option<String>) -> Result<String, std::io::Error> {
    Ok(format!("{greeting} {} {name}", title.unwrap_or_default()))
}

#[test]
fn with_gives_the_arguments_by_name() {
    let call = add::with(2, 3).priority(10).run_after("5m");
    assert_eq!(call.args_json().unwrap(), r#"{"a":2,"b":3}"#);
    assert_eq!(add::definition().description, "Adds two numbers.");
    assert_eq!(add::NAME, "macro_run.add");
    greet::with("x", "y", None);
}
