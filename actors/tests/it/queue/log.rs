//! What attempts write to their log: kept with the job, attempt by attempt, within bounds.

use std::sync::Arc;
use std::time::Duration;

use callboard_actors::Backend;
use callboard_tasks::{Clock, LogLine, Stop, TaskContext, TaskResult, task, tasks};

use super::{end, start};
use crate::support::{HOUR, START, logs, within};

#[task(max_attempts = 2, backoff = "10s")]
async fn speak(context: TaskContext, password: String) -> Result<(), String> {
    context.log(format!("attempt {} with {password}", context.attempt()));
    if context.attempt() == 1 { Err("once more".into()) } else { Ok(()) }
}

#[task]
fn speak_blocking(context: &TaskContext, lines: usize, length: usize) {
    for n in 0..lines {
        context.log(format!("{n} {}", "x".repeat(length)));
    }
}

#[task]
async fn speak_and_doze(context: TaskContext) -> Result<(), Stop> {
    context.log(format!("run {}", context.run()));
    if context.run() == 1 { Err(Stop::snooze(HOUR)) } else { Ok(()) }
}

fn lines<T>(result: &TaskResult<T>) -> Vec<(u32, &str)> {
    result.logs().iter().map(|line| (line.attempt, line.message.as_str())).collect()
}

#[tokio::test]
async fn each_attempt_adds_its_lines_with_their_time() {
    logs::listen();
    let clock = Clock::manual(START);
    let board = start(tasks![speak], &Arc::default(), Backend::memory(), clock.clone()).await;
    let result = board.enqueue(speak::with("hunter2")).await.unwrap();
    within(5, board.until_idle()).await;
    assert_eq!(lines(&board.get(result.id()).await.unwrap()), [(1, "attempt 1 with hunter2")]);
    clock.advance(Duration::from_secs(12));
    let done = within(5, end(result)).await;
    assert_eq!(lines(&done), [(1, "attempt 1 with hunter2"), (2, "attempt 2 with hunter2")]);
    assert_eq!(done.logs()[0].at, START);
    assert_eq!(done.logs()[1].at, START + Duration::from_secs(12));
    assert_eq!(done.shown().job.state.logs()[1].message, "attempt 2 with •••");
    let said = logs::about(done.id());
    assert!(said.iter().any(|line| line.text.contains("attempt 1 with •••")), "{said:?}");
    assert!(said.iter().all(|line| !line.text.contains("hunter2")), "{said:?}");
}

#[tokio::test]
async fn the_last_lines_are_kept_and_long_ones_are_cut() {
    let board = start(tasks![speak_blocking], &Arc::default(), Backend::memory(), Clock::system()).await;
    let done = end(board.enqueue(speak_blocking::with(LogLine::KEPT + 50, 3_000)).await.unwrap()).await;
    assert_eq!(done.logs().len(), LogLine::KEPT);
    assert!(done.logs()[0].message.starts_with("50 x"), "the oldest are gone");
    assert!(done.logs().iter().all(|line| line.message.len() <= LogLine::MAX_MESSAGE && line.message.ends_with('…')));
}

#[tokio::test]
async fn a_run_that_snoozes_leaves_its_lines() {
    let clock = Clock::manual(START);
    let board = start(tasks![speak_and_doze], &Arc::default(), Backend::memory(), clock.clone()).await;
    let result = board.enqueue(speak_and_doze::with()).await.unwrap();
    within(5, board.until_idle()).await;
    clock.advance(HOUR);
    assert_eq!(lines(&within(5, end(result)).await), [(1, "run 1"), (1, "run 2")]);
}

#[tokio::test]
async fn an_immediate_backend_keeps_them_in_its_answer() {
    let board = start(tasks![speak_blocking], &Arc::default(), Backend::immediate(), Clock::system()).await;
    let done = board.enqueue(speak_blocking::with(2, 1)).await.unwrap();
    assert_eq!(lines(&done), [(1, "0 x"), (1, "1 x")]);
}
