//! What one task can do to another: nothing.

use std::sync::Arc;
use std::time::Duration;

use callboard_actors::Callboard;
use callboard_tasks::{AnyCall, Data, Phase, Status, TaskError, TaskOutput, TaskResult, task, tasks};
use futures::future::join_all;

use crate::queue::{board_of, end};
use crate::support::{Probe, until, within};

#[task]
async fn neighbour(n: u64) -> u64 {
    tokio::time::sleep(Duration::from_millis(1)).await;
    n
}

#[task]
fn neighbour_blocking(n: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(1));
    n
}

#[task(max_attempts = 1)]
async fn panic_deeply(depth: u32) {
    fn down(depth: u32) {
        assert!(depth > 0, "at the bottom");
        down(depth - 1);
    }
    down(depth);
}

/// Polls itself again and again, as a loop of ready futures does.
#[task]
async fn never_rest(probe: Data<Probe>) {
    let _inside = probe.enter();
    while !probe.said("stop") {
        tokio::task::yield_now().await;
    }
}

/// Holds its thread without a single await.
#[task]
async fn never_yield(probe: Data<Probe>) {
    let _inside = probe.enter();
    while !probe.said("stop") {
        std::hint::spin_loop();
    }
}

#[task(timeout = "10ms", max_attempts = 1)]
async fn sleep_too_long() {
    tokio::time::sleep(Duration::from_secs(3_600)).await;
}

#[task(max_attempts = 1)]
async fn fail_at_length(bytes: usize) -> Result<(), String> {
    Err("é\0".repeat(bytes))
}

#[task(max_attempts = 1)]
async fn panic_at_length(bytes: usize) {
    panic!("{}", "x".repeat(bytes));
}

#[task(max_attempts = 1)]
async fn give_nan() -> Vec<f64> {
    vec![1.0, f64::NAN]
}

#[task]
async fn give_much(bytes: usize) -> String {
    "y".repeat(bytes)
}

/// Starts what outlives it, on its worker's thread.
#[task]
async fn leave_a_task_behind(probe: Data<Probe>) {
    let probe = probe.into_inner();
    tokio::task::spawn_local(async move {
        probe.gate.pass().await;
        probe.say("the one left behind");
        panic!("of what nobody waits for");
    });
}

/// Locks a mutex of its own, and panics while it holds it.
#[task(max_attempts = 1)]
async fn poison(lock: Data<std::sync::Mutex<u8>>) {
    let _held = lock.lock();
    panic!("with the lock in its hand");
}

async fn board(probe: &Arc<Probe>) -> Callboard {
    let tasks = tasks![
        neighbour,
        neighbour_blocking,
        panic_deeply,
        never_rest,
        never_yield,
        sleep_too_long,
        fail_at_length,
        panic_at_length,
        give_nan,
        give_much,
        leave_a_task_behind
    ];
    board_of(tasks, probe, |b| b.workers(2)).await
}

/// Fifty neighbours, enqueued before and after the bad ones; all must succeed at their first attempt.
async fn beside(board: &Callboard, bad: Vec<AnyCall>) -> Vec<TaskResult> {
    let some = || (0..25).flat_map(|n| [neighbour::with(n).erase(), neighbour_blocking::with(n).erase()]);
    let before = board.enqueue_all(some().collect()).await.unwrap();
    let bad = board.enqueue_all(bad).await.unwrap();
    let after = board.enqueue_all(some().collect()).await.unwrap();
    for neighbour in within(20, join_all(before.into_iter().chain(after).map(end))).await {
        assert_eq!((neighbour.status(), neighbour.attempts()), (Status::Successful, 1), "{:?}", neighbour.errors());
    }
    bad
}

async fn failed<T: TaskOutput>(result: TaskResult<T>) -> TaskError {
    let result = within(20, end(result)).await;
    assert_eq!(result.phase(), Phase::Failed);
    result.errors()[0].clone()
}

#[tokio::test]
async fn tasks_that_panic_harm_no_neighbour() {
    let board = board(&Arc::default()).await;
    let bad = beside(&board, vec![panic_deeply::with(1_000).erase(); 50]).await;
    for bad in bad {
        assert_eq!(failed(bad).await.message, "at the bottom");
    }
    assert!(board.health().await.is_ready());
}

#[tokio::test]
async fn a_task_that_never_rests_harms_no_neighbour() {
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    // One for each worker: none is free of them.
    let bad = beside(&board, vec![never_rest::with().erase(); 2]).await;
    assert_eq!(probe.inside(), 2);
    probe.say("stop");
    within(10, join_all(bad.into_iter().map(end))).await;
}

#[tokio::test]
async fn a_task_that_never_yields_harms_no_neighbour() {
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    let bad = board.enqueue(never_yield::with()).await.unwrap();
    until("it spins", || probe.inside() == 1).await;
    beside(&board, vec![neighbour::with(0).erase()]).await;
    assert_eq!(probe.inside(), 1);
    probe.say("stop");
    within(10, end(bad)).await;
}

#[tokio::test]
async fn tasks_that_exhaust_their_timeout_harm_no_neighbour() {
    let board = board(&Arc::default()).await;
    let bad = beside(&board, vec![sleep_too_long::with().erase(); 100]).await;
    for bad in bad {
        assert_eq!(failed(bad).await.exception_class, "Timeout");
    }
    let health = board.health().await;
    assert_eq!((health.backends[0].running, health.is_ready()), (0, true));
}

#[tokio::test]
async fn what_a_failure_leaves_behind_is_bounded() {
    let board = board(&Arc::default()).await;
    let calls = vec![fail_at_length::with(10_000_000).erase(), panic_at_length::with(10_000_000).erase()];
    for bad in beside(&board, calls).await {
        let error = failed(bad).await;
        assert!(error.message.len() <= TaskError::MAX_MESSAGE && error.traceback.len() <= TaskError::MAX_TRACEBACK);
        assert!(!error.message.contains('\0'));
    }
}

#[tokio::test]
async fn a_value_that_json_lacks_fails_at_once_with_its_place() {
    let board = board(&Arc::default()).await;
    let bad = beside(&board, vec![give_nan::with().max_attempts(5).erase()]).await.remove(0);
    let bad = within(5, end(bad)).await;
    assert_eq!((bad.phase(), bad.attempts()), (Phase::Failed, 1), "trying again does not help");
    let error = &bad.errors()[0];
    assert!(error.message.contains("NaN"), "{error:?}");
}

#[tokio::test]
async fn a_large_value_is_kept_whole() {
    let board = board(&Arc::default()).await;
    let much = board.enqueue(give_much::with(8_000_000)).await.unwrap();
    let much = within(20, end(much)).await;
    assert_eq!(much.return_value().map(String::len), Ok(8_000_000));
}

#[tokio::test]
async fn what_a_task_leaves_behind_on_its_thread_harms_no_neighbour() {
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    for left in board.enqueue_all(vec![leave_a_task_behind::with().erase(); 4]).await.unwrap() {
        assert_eq!(within(5, end(left)).await.status(), Status::Successful);
    }
    probe.gate.open();
    until("they have panicked", || probe.count("the one left behind") == 4).await;
    beside(&board, vec![neighbour::with(0).erase()]).await;
    assert!(board.health().await.backends[0].workers.iter().all(|worker| worker.alive && worker.restarts == 0));
}

#[tokio::test]
async fn a_lock_that_a_panic_has_poisoned_is_the_users_own() {
    let lock = Arc::new(std::sync::Mutex::new(1_u8));
    let builder = Callboard::builder().memory().tasks(tasks![poison, neighbour]).data_arc(Arc::clone(&lock));
    let board = builder.start().await.unwrap();
    assert_eq!(failed(board.enqueue(poison::with()).await.unwrap()).await.exception_class, "Panic");
    assert!(lock.is_poisoned());
    assert_eq!(within(5, end(board.enqueue(neighbour::with(3)).await.unwrap())).await.return_value(), Ok(&3));
}

#[tokio::test]
async fn sync_functions_of_one_backend_leave_the_pool_to_another() {
    #[task]
    fn stay_blocking(probe: Data<Probe>) {
        let _inside = probe.enter();
        probe.gate.pass_blocking();
    }
    let probe: Arc<Probe> = Arc::default();
    let builder = Callboard::builder().memory().backend("other", callboard_actors::Backend::memory());
    let builder = builder.backend("immediate", callboard_actors::Backend::immediate());
    let builder = builder.tasks(tasks![stay_blocking, neighbour_blocking]).data_arc(Arc::clone(&probe));
    let board = builder.start().await.unwrap();
    let stays = board.enqueue_all(vec![stay_blocking::with().erase(); 40]).await.unwrap();
    until("the first backend has all the threads it may have", || probe.inside() == 32).await;
    for alias in ["other", "immediate"] {
        let result = board.enqueue(neighbour_blocking::with(5).backend(alias));
        let result = within(5, result).await.unwrap();
        let value = if result.is_finished() { result } else { within(5, end(result)).await };
        assert_eq!(value.return_value(), Ok(&5), "{alias}");
    }
    probe.gate.open();
    within(20, join_all(stays.into_iter().map(end))).await;
}
