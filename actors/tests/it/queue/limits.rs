//! Limits of queues and keys, changed while there is work; and why a job waits.

use std::sync::Arc;
use std::time::Duration;

use callboard_actors::{Backend, Callboard, StartError};
use callboard_tasks::{Clock, Data, Error, JobId, QueueLimits, ReasonCode, task, tasks};

use super::{board_of, end, start};
use crate::support::{Probe, START, until, within};

#[task(limit_key = "tenant")]
async fn stay(probe: Data<Probe>, tenant: Option<String>) {
    let _inside = probe.enter();
    probe.gate.pass().await;
    probe.say(tenant.unwrap_or_default());
}

fn at_once(most: u32) -> QueueLimits {
    QueueLimits { concurrency: Some(most), ..QueueLimits::default() }
}

async fn board(probe: &Arc<Probe>, limits: QueueLimits) -> Callboard {
    board_of(tasks![stay], probe, |backend| backend.queues(["default", "mail"]).limits("mail", limits)).await
}

async fn put(board: &Callboard, count: usize) -> Vec<callboard_tasks::TaskResult> {
    let calls = (0..count).map(|_| stay::with(None).queue("mail").erase());
    board.enqueue_all(calls.collect()).await.unwrap()
}

async fn codes(board: &Callboard, id: JobId) -> Vec<ReasonCode> {
    board.why(id).await.unwrap().reasons.iter().map(|reason| reason.code).collect()
}

#[tokio::test]
async fn a_queue_runs_no_more_at_once_than_its_limit_and_all_of_it_in_the_end() {
    let probe = Arc::default();
    let board = board(&probe, at_once(2)).await;
    let results = put(&board, 7).await;
    until("two are inside", || probe.inside() == 2).await;
    let free = board.enqueue(stay::with(None)).await.unwrap();
    until("another queue goes on", || probe.inside() == 3).await;
    probe.gate.open();
    within(5, end(free)).await;
    for result in results {
        within(5, end(result)).await;
    }
    assert_eq!(probe.most(), 3);
    assert_eq!(probe.lines().len(), 8);
}

#[tokio::test]
async fn a_limit_is_raised_while_there_is_work() {
    let probe = Arc::default();
    let board = board(&probe, at_once(1)).await;
    let results = put(&board, 4).await;
    until("one is inside", || probe.inside() == 1).await;
    board.limit("default", "mail", at_once(3)).await.unwrap();
    until("three are inside", || probe.inside() == 3).await;
    board.limit("default", "mail", QueueLimits::default()).await.unwrap();
    until("all are inside", || probe.inside() == 4).await;
    probe.gate.open();
    for result in results {
        within(5, end(result)).await;
    }
}

#[tokio::test]
async fn each_tenant_has_a_limit_of_its_own() {
    let probe = Arc::default();
    let limits = QueueLimits { key_concurrency: Some(1), ..QueueLimits::default() };
    let board = board(&probe, limits).await;
    let mut results = Vec::new();
    for tenant in ["a", "a", "a", "b", "b"] {
        results.push(board.enqueue(stay::with(Some(tenant.to_owned())).queue("mail")).await.unwrap());
    }
    until("one of each is inside", || probe.inside() == 2).await;
    probe.gate.open();
    for result in results {
        within(5, end(result)).await;
    }
    assert_eq!((probe.most(), probe.lines().len()), (2, 5));
}

#[tokio::test]
async fn a_rate_lets_the_next_one_start_when_its_time_has_come() {
    let probe = Arc::default();
    let clock = Clock::manual(START);
    let limits = QueueLimits { rate: Some("2/1m".parse().unwrap()), ..QueueLimits::default() };
    let backend = Backend::memory().queues(["default", "mail"]).limits("mail", limits);
    let board = start(tasks![stay], &probe, backend, clock.clone()).await;
    probe.gate.open();
    let results = put(&board, 4).await;
    until("two have run", || probe.lines().len() == 2).await;
    for waits in &results[2..] {
        assert!(codes(&board, waits.id()).await.contains(&ReasonCode::RateLimited));
    }
    clock.advance(Duration::from_secs(30));
    until("one more has run", || probe.lines().len() == 3).await;
    clock.advance(Duration::from_secs(30));
    for result in results {
        within(5, end(result)).await;
    }
}

#[tokio::test]
async fn a_rate_is_waited_for_by_a_timer() {
    let probe = Arc::default();
    let limits = QueueLimits { rate: Some("1/200ms".parse().unwrap()), ..QueueLimits::default() };
    let board = board(&probe, limits).await;
    probe.gate.open();
    for result in put(&board, 4).await {
        within(5, end(result)).await;
    }
}

#[tokio::test]
async fn a_full_queue_refuses_and_takes_again_when_some_have_run() {
    let probe = Arc::default();
    let limits = QueueLimits { depth: Some(2), ..at_once(1) };
    let board = board(&probe, limits).await;
    put(&board, 1).await;
    until("one is inside", || probe.inside() == 1).await;
    put(&board, 2).await;
    let refused = board.enqueue(stay::with(None).queue("mail")).await;
    assert!(matches!(&refused, Err(Error::QueueFull { queue, depth: 2 }) if queue == "mail"), "{refused:?}");
    assert!(refused.unwrap_err().is_transient());
    probe.gate.open();
    until("all have run", || probe.lines().len() == 3).await;
    end(board.enqueue(stay::with(None).queue("mail")).await.unwrap()).await;
}

#[tokio::test]
async fn it_is_said_who_holds_the_limit() {
    let probe = Arc::default();
    let board = board(&probe, at_once(1)).await;
    let results = put(&board, 2).await;
    until("one is inside", || probe.inside() == 1).await;
    assert_eq!(codes(&board, results[0].id()).await, [ReasonCode::Running]);
    let why = board.why(results[1].id()).await.unwrap();
    assert!(!why.runnable);
    assert_eq!(why.reasons[0].code, ReasonCode::ConcurrencyLimit);
    assert!(why.reasons[0].detail.contains(&results[0].id().to_string()), "{why:?}");
    probe.gate.open();
    within(5, end(results[1].clone())).await;
    assert_eq!(codes(&board, results[1].id()).await, [ReasonCode::Finished]);
}

#[tokio::test]
async fn limits_that_make_no_sense_are_refused_with_their_field() {
    let probe = Arc::default();
    let board = board(&probe, at_once(1)).await;
    let wrong = board.limit("default", "mail", at_once(0)).await.unwrap_err().to_string();
    assert!(wrong.contains("concurrency is 0; give at least 1"), "{wrong}");
    let wrong = board.limit("default", "no queue", at_once(1)).await.unwrap_err().to_string();
    assert!(wrong.contains("queue"), "{wrong}");
    let start = |backend: Backend| Callboard::builder().backend("default", backend).tasks(tasks![]).start();
    for (queue, limits, text) in [("mail", at_once(1), "does not have"), ("default", at_once(0), "concurrency is 0")] {
        let problem = start(Backend::memory().limits(queue, limits)).await.unwrap_err();
        assert!(matches!(problem, StartError::Backend { .. }) && problem.to_string().contains(text), "{problem}");
    }
}
