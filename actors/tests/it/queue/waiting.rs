//! Waiting for results.

use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard_actors::{Backend, Callboard};
use callboard_tasks::{Change, Clock, Data, Error, JobId, Phase, Status, WaitError, WaitFor, task, tasks};
use futures::future::{FutureExt, join_all};

use super::{board_of, end, start};
use crate::support::{Probe, SOON, START, SlowStore, until, within};

#[task]
async fn give(n: u64) -> u64 {
    n
}

#[task]
async fn stay(probe: Data<Probe>) -> u8 {
    let _inside = probe.enter();
    probe.gate.pass().await;
    5
}

async fn board(probe: &Arc<Probe>) -> Callboard {
    board_of(tasks![give, stay], probe, |b| b.workers(2)).await
}

#[tokio::test]
async fn ten_thousand_waiters_of_one_job_are_each_told() {
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    let result = board.enqueue(stay::with()).await.unwrap();
    let waiters: Vec<_> = (0..10_000).map(|_| tokio::spawn(result.clone().wait(SOON))).collect();
    until("it runs", || probe.inside() == 1).await;
    probe.gate.open();
    for told in within(20, join_all(waiters)).await {
        assert_eq!(told.unwrap().unwrap().return_value(), Ok(&5));
    }
}

#[tokio::test]
async fn ten_thousand_waiters_of_as_many_jobs_are_each_told_of_their_own() {
    let board = board(&Arc::default()).await;
    board.pause("default", "default").await.unwrap();
    let calls = (0..10_000).map(|n| give::with(n).erase()).collect();
    let results = board.enqueue_all(calls).await.unwrap();
    let waiters: Vec<_> =
        results.into_iter().map(|result| tokio::spawn(result.wait(Duration::from_secs(50)))).collect();
    tokio::task::yield_now().await;
    board.resume("default", "default").await.unwrap();
    for (n, told) in within(50, join_all(waiters)).await.into_iter().enumerate() {
        assert_eq!(told.unwrap().unwrap().return_value(), Ok(&serde_json::json!(n)));
    }
}

#[tokio::test]
async fn waiting_for_what_has_ended_returns_at_once() {
    let board = board(&Arc::default()).await;
    let done = end(board.enqueue(give::with(1)).await.unwrap()).await;
    let again = done.clone().wait(Duration::ZERO).now_or_never().expect("nothing to wait for").unwrap();
    assert_eq!(again, done);
    let by_id = board.wait(done.id(), WaitFor::Finished, Duration::ZERO).await.unwrap();
    assert_eq!(by_id.snapshot(), done.snapshot());
}

#[tokio::test]
async fn a_wait_that_takes_too_long_ends_as_a_timeout_and_the_job_goes_on() {
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    let result = board.enqueue(stay::with()).await.unwrap();
    let start = Instant::now();
    let late = within(5, result.clone().wait(Duration::from_millis(60))).await;
    assert!(matches!(late, Err(WaitError::Timeout)));
    assert!(start.elapsed() >= Duration::from_millis(60));
    probe.gate.open();
    assert_eq!(within(5, end(result)).await.return_value(), Ok(&5));
}

#[tokio::test]
async fn a_wait_for_a_change_ends_with_each_step_of_the_job() {
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    board.pause("default", "default").await.unwrap();
    let result = board.enqueue(stay::with()).await.unwrap();
    assert_eq!(result.job().state.version, 1);
    let change = tokio::spawn({
        let (board, id) = (board.clone(), result.id());
        async move { board.wait(id, WaitFor::ChangeAfter(1), SOON).await }
    });
    tokio::task::yield_now().await;
    board.resume("default", "default").await.unwrap();
    let started = within(5, change).await.unwrap().unwrap();
    assert_eq!((started.status(), started.job().state.version), (Status::Running, 2));
    let change = tokio::spawn({
        let (board, id) = (board.clone(), result.id());
        async move { board.wait(id, WaitFor::ChangeAfter(2), SOON).await }
    });
    probe.gate.open();
    let ended = within(5, change).await.unwrap().unwrap();
    assert_eq!((ended.status(), ended.job().state.version), (Status::Successful, 3));
    // What has ended will not change any more, so nobody waits for it.
    within(5, board.wait(result.id(), WaitFor::ChangeAfter(99), SOON)).await.unwrap();
}

#[tokio::test]
async fn waiting_for_a_job_that_does_not_exist_says_so() {
    let board = board(&Arc::default()).await;
    let unknown = JobId::new(START);
    let refused = within(5, board.wait(unknown, WaitFor::Finished, SOON)).await.unwrap_err();
    assert!(matches!(refused, WaitError::Board(Error::NotFound(id)) if id == unknown));
}

#[tokio::test]
async fn a_waiter_of_a_job_that_is_deleted_is_let_go() {
    let board = board(&Arc::default()).await;
    let result = board.enqueue(give::with(1).run_after("1h")).await.unwrap();
    let waiting = tokio::spawn(result.clone().wait(SOON));
    tokio::task::yield_now().await;
    board.change(result.id(), Change::Delete).await.unwrap();
    let refused = within(5, waiting).await.unwrap().unwrap_err();
    assert!(matches!(refused, WaitError::Board(Error::NotFound(id)) if id == result.id()), "{refused}");
}

#[tokio::test]
async fn a_waiter_is_told_of_an_end_in_another_process() {
    let probe: Arc<Probe> = Arc::default();
    let store = SlowStore::new(Clock::system());
    let front = start(tasks![], &probe, Backend::store(Arc::clone(&store) as _), Clock::system()).await;
    let runs = start(tasks![stay], &probe, Backend::store(Arc::clone(&store) as _), Clock::system()).await;
    let result = runs.enqueue(stay::with()).await.unwrap();
    let waiting = tokio::spawn({
        let (front, id) = (front.clone(), result.id());
        async move { front.wait(id, WaitFor::Finished, SOON).await }
    });
    until("it runs", || probe.inside() == 1).await;
    probe.gate.open();
    assert_eq!(within(5, waiting).await.unwrap().unwrap().phase(), Phase::Successful);
}
