//! What follows from a failed attempt, on a clock that the test moves.

use std::sync::Arc;

use callboard_actors::{Backend, Callboard};
use callboard_tasks::{
    Clock, Data, NoReturnValue, Phase, Status, Stop, TaskContext, TaskOutput, TaskResult, Timestamp, WaitFor, task,
    tasks,
};

use super::{end, start};
use crate::support::{HOUR, Probe, SOON, START, until, within};

/// Fails in its first attempts.
#[task(max_attempts = 3, backoff = "10s")]
async fn flaky(context: TaskContext, probe: Data<Probe>, failures: u32) -> Result<u32, std::io::Error> {
    probe.say(format!("attempt {}", context.attempt()));
    if context.attempt() <= failures {
        return Err(std::io::Error::other(format!("attempt {} failed", context.attempt())));
    }
    Ok(context.attempt())
}

/// Fails as it is told, sync.
#[task(max_attempts = 3, backoff = "10s")]
fn flaky_blocking(context: TaskContext, failures: u32) -> Result<u32, String> {
    if context.attempt() <= failures { Err("not yet".into()) } else { Ok(context.attempt()) }
}

#[task(max_attempts = 5)]
async fn steer(context: TaskContext, how: String) -> Result<String, Stop> {
    match (how.as_str(), context.run()) {
        ("abort", _) => Err(Stop::abort("the card is void")),
        ("retry_in", 1) => Err(Stop::retry_in(HOUR, "come back in an hour")),
        ("snooze", 1 | 2) => Err(Stop::snooze(HOUR)),
        ("error", _) => Err("?".parse::<u8>().unwrap_err())?,
        _ => Ok(format!("attempt {}", context.attempt())),
    }
}

async fn board(probe: &Arc<Probe>) -> (Callboard, Clock) {
    let clock = Clock::manual(START);
    let tasks = tasks![flaky, flaky_blocking, steer];
    (start(tasks, probe, Backend::memory().workers(2), clock.clone()).await, clock)
}

/// The job once it is in that phase.
async fn reaches<T: TaskOutput>(board: &Callboard, mut result: TaskResult<T>, phase: Phase) -> TaskResult<T> {
    within(20, async {
        loop {
            result.refresh().await.unwrap();
            if result.phase() == phase {
                return result;
            }
            let _ = board.wait(result.id(), WaitFor::ChangeAfter(result.job().state.version), SOON).await;
        }
    })
    .await
}

fn next_run<T>(result: &TaskResult<T>) -> Timestamp {
    result.job().state.next_run_at.expect("it waits for a time")
}

#[tokio::test]
async fn a_failed_attempt_is_tried_again_after_its_pause() {
    let probe = Arc::default();
    let (board, clock) = board(&probe).await;
    let result = board.enqueue(flaky::with(2)).await.unwrap();

    let waits = reaches(&board, result, Phase::RetryWait).await;
    assert_eq!((waits.status(), waits.attempts(), waits.max_attempts()), (Status::Ready, 1, 3));
    let [error] = waits.errors() else { panic!("{:?}", waits.errors()) };
    assert_eq!((error.exception_class.as_str(), error.message.as_str()), ("io::Error", "attempt 1 failed"));
    assert_eq!((error.attempt, error.at), (1, START));
    assert_eq!(waits.return_value(), Err(NoReturnValue::NotFinished));
    let pause = waits.job().spec.retry.backoff.with_jitter(1, waits.id());
    assert!((9.0..=11.0).contains(&pause.as_secs_f64()));
    let exactly = START + jiff::SignedDuration::try_from(pause).unwrap();
    let rounded = next_run(&waits).duration_since(exactly).as_nanos();
    assert!((0..1_000).contains(&rounded), "stores keep microseconds, and none starts early: {rounded} ns late");

    // A moment before its time nothing happens: a job that comes later runs before it.
    clock.set(next_run(&waits) - jiff::SignedDuration::from_micros(1));
    end(board.enqueue(steer::with("")).await.unwrap()).await;
    assert_eq!(probe.lines(), ["attempt 1"]);
    clock.set(next_run(&waits));
    until("the second attempt has run", || probe.said("attempt 2")).await;

    let waits = reaches(&board, waits, Phase::RetryWait).await;
    clock.set(next_run(&waits));
    let done = end(waits).await;
    assert_eq!((done.return_value(), done.attempts(), done.worker_ids().len()), (Ok(&3), 3, 3));
    let attempts: Vec<_> = done.errors().iter().map(|error| error.attempt).collect();
    assert_eq!(attempts, [1, 2], "the errors of failed attempts stay");
    assert_eq!(done.started_at(), Some(START));
    assert_eq!(done.last_attempted_at(), Some(clock.now()));
    assert_eq!(done.finished_at(), Some(clock.now()));
}

#[tokio::test]
async fn the_last_failed_attempt_fails_the_job() {
    let probe = Arc::default();
    let (board, clock) = board(&probe).await;
    let result = board.enqueue(flaky::with(9).max_attempts(2)).await.unwrap();
    let waits = reaches(&board, result, Phase::RetryWait).await;
    clock.advance(HOUR);
    let failed = end(waits).await;
    assert_eq!((failed.phase(), failed.status(), failed.attempts()), (Phase::Failed, Status::Failed, 2));
    assert_eq!(failed.errors().len(), 2);
    assert_eq!(failed.return_value(), Err(NoReturnValue::Failed(Phase::Failed)));
}

#[tokio::test]
async fn a_sync_function_is_tried_again_as_well() {
    let probe = Arc::default();
    let (board, clock) = board(&probe).await;
    let result = board.enqueue(flaky_blocking::with(1)).await.unwrap();
    let waits = reaches(&board, result, Phase::RetryWait).await;
    assert_eq!(waits.errors()[0].exception_class, "Error");
    clock.advance(HOUR);
    assert_eq!(end(waits).await.return_value(), Ok(&2));
}

#[tokio::test]
async fn a_failed_job_that_is_retried_by_hand_gets_new_attempts_and_keeps_its_errors() {
    let probe = Arc::default();
    let (board, _) = board(&probe).await;
    let failed = end(board.enqueue(flaky::with(1).max_attempts(1)).await.unwrap()).await;
    assert_eq!(failed.phase(), Phase::Failed);
    let again = board.retry(failed.id()).await.unwrap();
    assert_eq!(again.status(), Status::Ready);
    let done = end(again).await;
    assert_eq!((done.phase(), done.attempts(), done.max_attempts()), (Phase::Successful, 2, 2));
    assert_eq!(done.errors().len(), 1);
}

#[tokio::test]
async fn an_abort_is_never_tried_again() {
    let probe = Arc::default();
    let (board, _) = board(&probe).await;
    let failed = end(board.enqueue(steer::with("abort")).await.unwrap()).await;
    assert_eq!((failed.phase(), failed.attempts(), failed.max_attempts()), (Phase::Failed, 1, 5));
    assert_eq!(failed.errors()[0].message, "the card is void");
}

#[tokio::test]
async fn retry_in_waits_as_long_as_it_says() {
    let probe = Arc::default();
    let (board, clock) = board(&probe).await;
    let result = board.enqueue(steer::with("retry_in")).await.unwrap();
    let waits = reaches(&board, result, Phase::RetryWait).await;
    assert_eq!(next_run(&waits), START + jiff::SignedDuration::from_hours(1));
    assert_eq!(waits.errors()[0].message, "come back in an hour");
    clock.advance(HOUR);
    assert_eq!(end(waits).await.return_value(), Ok(&"attempt 2".to_owned()));
}

#[tokio::test]
async fn a_snooze_spends_no_attempt_and_leaves_no_error() {
    let probe = Arc::default();
    let (board, clock) = board(&probe).await;
    let mut waits = board.enqueue(steer::with("snooze").max_attempts(1)).await.unwrap();
    for hours in 1..=2 {
        waits = reaches(&board, waits, Phase::RetryWait).await;
        assert_eq!((waits.attempts(), waits.errors().len(), waits.worker_ids().len()), (0, 0, 0));
        assert_eq!(next_run(&waits), START + jiff::SignedDuration::from_hours(hours));
        clock.advance(HOUR);
        let next = waits.job().state.version;
        within(20, board.wait(waits.id(), WaitFor::ChangeAfter(next), SOON)).await.unwrap();
        let run = waits.job().state.run;
        until_run(&board, &mut waits, run + 1).await;
    }
    let done = end(waits).await;
    assert_eq!((done.return_value(), done.attempts()), (Ok(&"attempt 1".to_owned()), 1));
}

/// Waits until the job has been claimed that often.
async fn until_run<T: TaskOutput>(board: &Callboard, result: &mut TaskResult<T>, run: u64) {
    within(20, async {
        while result.job().state.run < run {
            let _ = board.wait(result.id(), WaitFor::ChangeAfter(result.job().state.version), SOON).await;
            result.refresh().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn any_other_error_of_a_task_that_steers_is_an_ordinary_failure() {
    let probe = Arc::default();
    let (board, _) = board(&probe).await;
    let result = board.enqueue(steer::with("error")).await.unwrap();
    let waits = reaches(&board, result, Phase::RetryWait).await;
    assert_eq!(waits.errors()[0].exception_class, "ParseIntError");
}

#[tokio::test]
async fn a_job_keeps_the_last_twenty_errors() {
    let probe = Arc::default();
    let (board, clock) = board(&probe).await;
    let mut waits = board.enqueue(flaky::with(99).max_attempts(25)).await.unwrap();
    for _ in 1..25 {
        waits = reaches(&board, waits, Phase::RetryWait).await;
        let attempts = waits.attempts();
        clock.set(next_run(&waits));
        until("the next attempt has begun", || probe.said(&format!("attempt {}", attempts + 1))).await;
    }
    let failed = end(waits).await;
    assert_eq!((failed.attempts(), failed.errors().len(), failed.worker_ids().len()), (25, 20, 20));
    assert_eq!(failed.errors().first().map(|error| error.attempt), Some(6));
    assert_eq!(failed.errors().last().map(|error| error.attempt), Some(25));
}

#[tokio::test]
async fn the_default_pauses_ride_out_half_a_day() {
    let probe = Arc::default();
    let (board, clock) = board(&probe).await;
    let result = board.enqueue(steer::with("error").max_attempts(12)).await.unwrap();
    let mut waits = reaches(&board, result, Phase::RetryWait).await;
    for attempt in 1..12 {
        let pause = next_run(&waits).duration_since(clock.now());
        let standard = (f64::from(attempt).powi(4) + 1.0).min(6.0 * 3600.0);
        let share = pause.as_secs_f64() / standard;
        assert!((0.89..=1.11).contains(&share), "attempt {attempt}: {pause:?} for {standard} s");
        clock.set(next_run(&waits));
        if attempt < 11 {
            let run = waits.job().state.run;
            until_run(&board, &mut waits, run + 1).await;
            waits = reaches(&board, waits, Phase::RetryWait).await;
        }
    }
    let failed = end(waits).await;
    let hours = clock.now().duration_since(START).as_hours();
    assert!((9..=13).contains(&hours), "{hours} hours");
    assert_eq!((failed.attempts(), failed.errors().len()), (12, 12));
}
