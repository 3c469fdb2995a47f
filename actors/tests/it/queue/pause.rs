//! Queues that are paused.

use std::sync::Arc;
use std::time::Duration;

use callboard_actors::{Backend, Callboard};
use callboard_tasks::{Clock, Data, Error, Phase, task, tasks};

use super::{board_of, end, start};
use crate::support::{Probe, SlowStore, until, until_async, within};

#[task]
async fn say(probe: Data<Probe>, line: String) {
    probe.say(line);
}

#[task]
async fn stay(probe: Data<Probe>) {
    let _inside = probe.enter();
    probe.gate.pass().await;
}

#[task]
async fn hold_the_thread(probe: Data<Probe>) {
    let _inside = probe.enter();
    probe.gate.pass_blocking();
}

async fn board(probe: &Arc<Probe>) -> Callboard {
    board_of(tasks![say, stay, hold_the_thread], probe, |b| b.workers(1).queues(["default", "other"])).await
}

#[tokio::test]
async fn a_paused_queue_starts_nothing_and_others_go_on() {
    let probe = Arc::default();
    let board = board(&probe).await;
    board.pause("default", "default").await.unwrap();
    let waits = board.enqueue(say::with("paused")).await.unwrap();
    for _ in 0..20 {
        end(board.enqueue(say::with("other").queue("other")).await.unwrap()).await;
    }
    assert_eq!(board.get(waits.id()).await.unwrap().phase(), Phase::Ready);
    let stats = board.stats("default").await.unwrap();
    assert!(stats.queues["default"].paused && !stats.queues["other"].paused);
    board.resume("default", "default").await.unwrap();
    within(5, end(waits)).await;
    assert_eq!(probe.count("paused"), 1);
    assert!(!board.stats("default").await.unwrap().queues["default"].paused);
}

#[tokio::test]
async fn what_runs_in_a_paused_queue_goes_on() {
    let probe = Arc::default();
    let board = board(&probe).await;
    let runs = board.enqueue(stay::with()).await.unwrap();
    until("it runs", || probe.inside() == 1).await;
    board.pause("default", "default").await.unwrap();
    probe.gate.open();
    assert_eq!(within(5, end(runs)).await.phase(), Phase::Successful);
}

#[tokio::test]
async fn what_was_claimed_before_the_pause_and_has_not_started_does_not_start() {
    let probe = Arc::default();
    let board = board(&probe).await;
    let holder = board.enqueue(hold_the_thread::with()).await.unwrap();
    until("the only thread is held", || probe.inside() == 1).await;
    let behind = board.enqueue(say::with("behind")).await.unwrap();
    assert_eq!(board.get(behind.id()).await.unwrap().phase(), Phase::Running, "it was handed off");
    board.pause("default", "default").await.unwrap();
    probe.gate.open();
    end(holder).await;
    end(board.enqueue(say::with("other").queue("other")).await.unwrap()).await;
    assert_eq!(probe.lines(), ["other"]);
    until_async("it waits", async || board.get(behind.id()).await.unwrap().phase() == Phase::Ready).await;
    board.resume("default", "default").await.unwrap();
    within(5, end(behind)).await;
}

#[tokio::test]
async fn a_retry_in_a_paused_queue_waits() {
    let probe = Arc::default();
    let board = board(&probe).await;
    let done = end(board.enqueue(say::with("once")).await.unwrap()).await;
    board.pause("default", "default").await.unwrap();
    board.retry(done.id()).await.unwrap();
    end(board.enqueue(say::with("other").queue("other")).await.unwrap()).await;
    assert_eq!(probe.count("once"), 1);
    board.resume("default", "default").await.unwrap();
    until("it ran again", || probe.count("once") == 2).await;
}

#[tokio::test]
async fn another_process_learns_of_a_pause_by_its_beat() {
    let probe = Arc::default();
    let store = SlowStore::new(Clock::system());
    let backend = || Backend::store(Arc::clone(&store) as _).lease(Duration::from_millis(300));
    let runs = start(tasks![say], &probe, backend(), Clock::system()).await;
    let other = start(tasks![], &probe, backend(), Clock::system()).await;
    other.pause("default", "default").await.unwrap();
    let beats = store.beat.asked();
    until("both have beaten", || store.beat.asked() >= beats + 4).await;
    let beats = store.beat.asked();
    let waits = runs.enqueue(say::with("paused")).await.unwrap();
    until("both have beaten again", || store.beat.asked() >= beats + 4).await;
    assert_eq!(runs.get(waits.id()).await.unwrap().phase(), Phase::Ready, "it is not handed off");
    other.resume("default", "default").await.unwrap();
    within(5, end(waits)).await;
}

#[tokio::test]
async fn an_unknown_backend_cannot_be_paused() {
    let board = board(&Arc::default()).await;
    assert!(matches!(board.pause("nowhere", "default").await, Err(Error::UnknownBackend { .. })));
    assert!(matches!(board.resume("nowhere", "default").await, Err(Error::UnknownBackend { .. })));
}
