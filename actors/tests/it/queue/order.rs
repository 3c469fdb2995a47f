//! Who runs first.

use std::sync::Arc;

use callboard_actors::{Backend, Callboard};
use callboard_tasks::{AnyCall, Clock, Data, task, tasks};
use futures::future::join_all;

use super::{board_of, end, start};
use crate::support::{Probe, SlowStore, until, within};

#[task]
async fn say(probe: Data<Probe>, line: String) {
    probe.say(line);
}

#[task]
async fn stay(probe: Data<Probe>) {
    let _inside = probe.enter();
    probe.gate.pass().await;
}

fn call(line: &str, priority: i64) -> AnyCall {
    say::with(line).priority(priority).erase()
}

/// One worker, so that the order of starts is the order of lines.
async fn board(probe: &Arc<Probe>, configure: impl FnOnce(Backend) -> Backend) -> Callboard {
    board_of(tasks![say, stay], probe, |b| configure(b.workers(1).queues(["default", "other"]))).await
}

#[tokio::test]
async fn higher_priorities_start_first_and_equal_ones_in_the_order_of_their_enqueue() {
    let probe = Arc::default();
    let board = board(&probe, |b| b).await;
    board.pause("default", "default").await.unwrap();
    let mut results = Vec::new();
    for (line, priority) in [("low", -100), ("a", 0), ("b", 0), ("high", 100), ("c", 0), ("above", 1)] {
        results.push(board.enqueue_any(call(line, priority)).await.unwrap());
    }
    board.resume("default", "default").await.unwrap();
    within(10, join_all(results.into_iter().map(end))).await;
    assert_eq!(probe.lines(), ["high", "above", "a", "b", "c", "low"]);
}

#[tokio::test]
async fn a_call_is_not_handed_off_past_those_that_wait() {
    let probe = Arc::default();
    let board = board(&probe, |b| b.concurrency(1)).await;
    let stays = board.enqueue(stay::with()).await.unwrap();
    until("the only permit is taken", || probe.inside() == 1).await;
    let mut results = Vec::new();
    for (line, priority) in [("a", 0), ("b", 0), ("high", 100), ("c", 0)] {
        results.push(board.enqueue_any(call(line, priority)).await.unwrap());
    }
    probe.gate.open();
    end(stays).await;
    within(10, join_all(results.into_iter().map(end))).await;
    assert_eq!(probe.lines(), ["high", "a", "b", "c"]);
}

#[tokio::test]
async fn a_call_is_not_handed_off_while_a_claim_looks_for_those_that_wait() {
    let (probe, store) = (Arc::default(), SlowStore::new(Clock::system()));
    let backend = Backend::store(Arc::clone(&store) as _).workers(1).concurrency(1);
    let board = start(tasks![say], &probe, backend, Clock::system()).await;
    end(board.enqueue(say::with("before")).await.unwrap()).await;
    store.claim.gate.close();
    let claims = store.claim.asked();
    // There is room for one, and for the one that has just ended, so these are not handed off either.
    let calls = ["a", "b", "b2"].map(|line| call(line, 0));
    let mut results = board.enqueue_all(calls.into()).await.unwrap();
    until("a claim is under way", || store.claim.asked() > claims).await;
    results.push(board.enqueue_any(call("c", 0)).await.unwrap());
    store.claim.gate.open();
    within(5, join_all(results.into_iter().map(end))).await;
    assert_eq!(probe.lines(), ["before", "a", "b", "b2", "c"]);
}

#[tokio::test]
async fn a_call_is_not_handed_off_past_those_that_a_claim_has_taken() {
    let (probe, store) = (Arc::default(), SlowStore::at_once(Clock::system()));
    let backend = Backend::store(Arc::clone(&store) as _).workers(1).concurrency(5);
    let board = start(tasks![say, stay], &probe, backend, Clock::system()).await;
    until("the first claim has found nothing", || store.claim.asked() > 0).await;
    let mut stays = Vec::new();
    for _ in 0..5 {
        stays.push(board.enqueue(stay::with()).await.unwrap());
    }
    until("all permits are taken", || probe.inside() == 5).await;
    let mut results = vec![board.enqueue_any(call("a", 0)).await.unwrap()];
    store.taken.close();
    let claims = store.claim.asked();
    probe.gate.open();
    until("a claim is under way", || store.claim.asked() > claims).await;
    // There is room for both.
    results.push(board.enqueue_any(call("b", 0)).await.unwrap());
    store.taken.open();
    within(5, join_all(results.into_iter().map(end))).await;
    within(5, join_all(stays.into_iter().map(end))).await;
    assert_eq!(probe.lines(), ["a", "b"]);
}

#[tokio::test]
async fn a_batch_is_handed_off_if_all_of_it_can_start() {
    let (probe, store) = (Arc::default(), SlowStore::new(Clock::system()));
    let backend = Backend::store(Arc::clone(&store) as _).workers(1).concurrency(2);
    let board = start(tasks![say], &probe, backend, Clock::system()).await;
    end(board.enqueue(say::with("before")).await.unwrap()).await;
    // Nobody is given anything by a claim from now on.
    store.claim.gate.close();
    let results = board.enqueue_all(vec![call("a", 0), call("b", 0)]).await.unwrap();
    within(5, join_all(results.into_iter().map(end))).await;
    assert_eq!(probe.lines(), ["before", "a", "b"]);
}

#[tokio::test]
async fn jobs_of_one_enqueue_start_in_their_order() {
    let probe = Arc::default();
    let board = board(&probe, |b| b.concurrency(1)).await;
    let calls = (0..200).map(|n| call(&n.to_string(), 0)).collect();
    let results = board.enqueue_all(calls).await.unwrap();
    within(20, join_all(results.into_iter().map(end))).await;
    let expected: Vec<_> = (0..200).map(|n| n.to_string()).collect();
    assert_eq!(probe.lines(), expected);
}

#[tokio::test]
async fn calls_one_after_the_other_start_in_their_order() {
    let probe = Arc::default();
    let board = board(&probe, |b| b.concurrency(5)).await;
    let mut results = Vec::new();
    for n in 0..500 {
        results.push(board.enqueue_any(call(&n.to_string(), 0)).await.unwrap());
    }
    within(20, join_all(results.into_iter().map(end))).await;
    let expected: Vec<_> = (0..500).map(|n| n.to_string()).collect();
    assert_eq!(probe.lines(), expected);
}

#[tokio::test]
async fn a_full_queue_does_not_starve_another() {
    let probe = Arc::default();
    let board = board(&probe, |b| b.concurrency(2)).await;
    let stays = [board.enqueue(stay::with()).await.unwrap(), board.enqueue(stay::with()).await.unwrap()];
    until("the permits are taken", || probe.inside() == 2).await;
    let full = (0..2_000).map(|_| call("full", 100)).collect();
    let full = board.enqueue_all(full).await.unwrap();
    let other = board.enqueue(say::with("other").queue("other").priority(-100)).await.unwrap();
    probe.gate.open();
    within(10, end(other)).await;
    assert!(probe.count("full") < 1_900, "it came in its turn, not after all others: {}", probe.count("full"));
    within(20, join_all(full.into_iter().map(end))).await;
    within(5, join_all(stays.map(end))).await;
}
