//! How many run at once, and that what blocks holds nobody else up.

use std::sync::Arc;
use std::time::Duration;

use callboard_actors::Backend;
use callboard_tasks::{Clock, Data, task, tasks};
use futures::future::join_all;

use super::{board_of, end, start};
use crate::support::{Probe, SlowStore, until, until_async, within};

/// Passes the gate of the board's probe, with several polls inside.
#[task]
async fn visit(probe: Data<Probe>) {
    let _inside = probe.enter();
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
}

#[task]
fn visit_blocking(probe: Data<Probe>) {
    let _inside = probe.enter();
    probe.gate.pass_blocking();
}

#[task]
async fn stay(probe: Data<Probe>) {
    let _inside = probe.enter();
    probe.gate.pass().await;
}

#[task]
fn visit_briefly(probe: Data<Probe>) {
    let _inside = probe.enter();
    std::thread::sleep(Duration::from_micros(300));
}

#[task]
async fn linger(probe: Data<Probe>) {
    let _inside = probe.enter();
    tokio::time::sleep(Duration::from_millis(2)).await;
}

/// Holds the thread of its worker.
#[task]
async fn hold_the_thread(probe: Data<Probe>) {
    let _inside = probe.enter();
    probe.gate.pass_blocking();
}

/// Waits like a good task, and then holds the thread of its worker.
#[task]
async fn wait_and_hold_the_thread(probe: Data<Probe>) {
    tokio::time::sleep(Duration::from_millis(20)).await;
    let _inside = probe.enter();
    probe.gate.pass_blocking();
}

#[task]
async fn double(n: i64) -> i64 {
    2 * n
}

#[tokio::test]
async fn no_more_async_attempts_run_at_once_than_the_limit_allows() {
    let probe = Arc::new(Probe::default());
    let board = board_of(tasks![visit, stay], &probe, |b| b.workers(2).concurrency(3)).await;
    let results = board.enqueue_all((0..300).map(|_| visit::with().erase()).collect()).await.unwrap();
    within(30, join_all(results.into_iter().map(end))).await;
    assert!(probe.most() <= 3, "{} ran at once", probe.most());

    let stays = board.enqueue_all((0..10).map(|_| stay::with().erase()).collect()).await.unwrap();
    until("as many as may are inside", || probe.inside() == 3).await;
    let health = &board.health().await.backends[0];
    assert_eq!((health.running, health.claimed >= 3), (3, true));
    probe.gate.open();
    within(30, join_all(stays.into_iter().map(end))).await;
    assert_eq!(probe.most(), 3);
}

#[tokio::test]
async fn no_more_sync_attempts_run_at_once_than_the_pool_has_threads() {
    let probe = Arc::new(Probe::default());
    let board = board_of(tasks![visit_blocking, double], &probe, |b| b.workers(2)).await;
    let calls = (0..50).map(|_| visit_blocking::with().erase()).collect();
    let results = board.enqueue_all(calls).await.unwrap();
    until("the pool is full", || probe.inside() == 32).await;
    // What waits for the pool holds no permit: async tasks go on.
    let double = end(board.enqueue(double::with(4)).await.unwrap()).await;
    assert_eq!(double.return_value(), Ok(&8));
    probe.gate.open();
    within(30, join_all(results.into_iter().map(end))).await;
    assert_eq!(probe.most(), 32);
}

#[tokio::test]
async fn sync_and_async_attempts_share_one_limit() {
    // More than the pool has threads, so that sync functions wait for a thread and for a permit.
    const LIMIT: usize = 34;
    let probe = Arc::new(Probe::default());
    let board = board_of(tasks![visit_briefly, linger], &probe, |b| b.workers(2).concurrency(LIMIT)).await;
    let sync_or_async = |n| if n % 4 < 3 { visit_briefly::with().erase() } else { linger::with().erase() };
    let results = board.enqueue_all((0..4_000).map(sync_or_async).collect()).await.unwrap();
    within(60, join_all(results.into_iter().map(end))).await;
    assert!((33..=LIMIT).contains(&probe.most()), "{} ran at once", probe.most());
}

#[tokio::test]
async fn an_attempt_that_holds_its_thread_holds_nobody_else_up() {
    let probe = Arc::new(Probe::default());
    let board = board_of(tasks![hold_the_thread, double], &probe, |b| b.workers(2)).await;
    let holder = board.enqueue(hold_the_thread::with()).await.unwrap();
    until("it holds the thread", || probe.inside() == 1).await;
    for n in 0..200 {
        let double = within(5, end(board.enqueue(double::with(n)).await.unwrap())).await;
        assert_eq!(double.return_value(), Ok(&(2 * n)));
    }
    assert_eq!(probe.inside(), 1, "the holder is still there");
    probe.gate.open();
    within(20, end(holder)).await;
}

#[tokio::test]
async fn an_attempt_that_holds_its_thread_after_a_wait_holds_nobody_else_up() {
    let probe = Arc::new(Probe::default());
    let board = board_of(tasks![wait_and_hold_the_thread, double], &probe, |b| b.workers(4)).await;
    let mut holders = Vec::new();
    // Three of four workers: whichever the board would rather wake is among them.
    for n in 1..=3 {
        holders.push(board.enqueue(wait_and_hold_the_thread::with()).await.unwrap());
        let (probe, n) = (&probe, n);
        until("one more holds a thread, or waits behind one that does", || probe.inside() == n).await;
    }
    for n in 0..5 {
        let double = within(5, end(board.enqueue(double::with(n)).await.unwrap())).await;
        assert_eq!(double.return_value(), Ok(&(2 * n)));
    }
    assert_eq!(probe.inside(), 3, "the holders are still there");
    probe.gate.open();
    within(20, join_all(holders.into_iter().map(end))).await;
}

#[tokio::test]
async fn health_names_the_attempt_that_holds_a_thread_and_stays_well() {
    let probe = Arc::new(Probe::default());
    let board = board_of(tasks![hold_the_thread], &probe, |b| b.workers(2)).await;
    let holder = board.enqueue(hold_the_thread::with()).await.unwrap();
    until_async("health names it", async || {
        let health = board.health().await;
        assert!(health.is_alive() && health.is_ready(), "one blocked worker is no reason to restart: {health:?}");
        let blocked: Vec<_> = health.backends[0].workers.iter().filter_map(|worker| worker.blocked.clone()).collect();
        blocked.iter().any(|blocked| {
            blocked.task == hold_the_thread::NAME
                && blocked.job == holder.id()
                && blocked.held >= Duration::from_secs(1)
        })
    })
    .await;
    probe.gate.open();
    within(20, end(holder)).await;
    let health = board.health().await;
    assert!(health.backends[0].workers.iter().all(|worker| worker.blocked.is_none()), "{health:?}");
}

#[tokio::test]
async fn no_wake_up_is_lost() {
    for backend in [Backend::memory(), Backend::store(SlowStore::new(Clock::system()))] {
        let board = start(tasks![double], &Arc::default(), backend.workers(2), Clock::system()).await;
        for n in 0..3_000 {
            let done = within(10, end(board.enqueue(double::with(n)).await.unwrap())).await;
            // One that lay around for a second was handed back, and then run as its second run.
            assert_eq!((done.return_value(), done.job().state.run), (Ok(&(2 * n)), 1));
        }
        let callers = (0..8).map(|_| {
            let board = board.clone();
            tokio::spawn(async move {
                for n in 0..300 {
                    let done = end(board.enqueue(double::with(n)).await.unwrap()).await;
                    assert_eq!((done.return_value(), done.job().state.run), (Ok(&(2 * n)), 1));
                }
            })
        });
        for caller in within(30, join_all(callers)).await {
            caller.unwrap();
        }
    }
}
