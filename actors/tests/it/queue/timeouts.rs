//! Attempts that take too long: an async one is dropped, a sync one is told and waited for.

use std::sync::Arc;
use std::time::Duration;

use callboard_actors::Callboard;
use callboard_tasks::{Data, Phase, Status, TaskContext, task, tasks};

use super::{board_of, end};
use crate::support::{Probe, until, until_async, within};

/// Says when it is dropped.
struct Says(Arc<Probe>, &'static str);

impl Drop for Says {
    fn drop(&mut self) {
        self.0.say(self.1);
    }
}

#[task(timeout = "50ms", max_attempts = 1)]
async fn never_end(probe: Data<Probe>) {
    let probe = probe.into_inner();
    let _says = Says(Arc::clone(&probe), "dropped");
    probe.say("started");
    std::future::pending::<()>().await;
    probe.say("ended");
}

#[task(timeout = "50ms", max_attempts = 1)]
async fn listen_and_never_end(context: TaskContext, probe: Data<Probe>) {
    let _says = Says(probe.into_inner(), "dropped");
    context.cancelled().await;
    std::future::pending::<()>().await;
}

/// Sync: sees that it was told, and returns only when the test lets it.
#[task(timeout = "50ms")]
fn work_on(context: TaskContext, probe: Data<Probe>) -> String {
    probe.say("started");
    while !context.is_cancelled() {
        std::thread::sleep(Duration::from_millis(1));
    }
    probe.say("told");
    probe.gate.pass_blocking();
    "too late".into()
}

/// Blocks its thread past its timeout, and returns a value.
#[task(timeout = "50ms", max_attempts = 1)]
async fn hold_the_thread(probe: Data<Probe>) -> u8 {
    probe.say("started");
    probe.gate.pass_blocking();
    1
}

#[task(timeout = "1h")]
async fn be_quick(context: TaskContext) -> bool {
    let deadline = context.deadline().unwrap();
    let left = deadline.duration_since(jiff::Timestamp::now()).as_secs();
    (3_590..=3_600).contains(&left)
}

#[task]
async fn without(context: TaskContext) -> bool {
    context.deadline().is_none()
}

async fn board(probe: &Arc<Probe>) -> Callboard {
    let tasks = tasks![never_end, listen_and_never_end, work_on, hold_the_thread, be_quick, without];
    board_of(tasks, probe, |b| b.workers(2)).await
}

#[tokio::test]
async fn an_async_attempt_past_its_timeout_is_dropped_and_fails() {
    let probe = Arc::default();
    let board = board(&probe).await;
    let failed = within(5, end(board.enqueue(never_end::with()).await.unwrap())).await;
    assert_eq!(probe.lines(), ["started", "dropped"]);
    assert_eq!(failed.phase(), Phase::Failed);
    let error = &failed.errors()[0];
    assert_eq!(error.exception_class, "Timeout");
    assert!(error.message.contains("50ms"), "{}", error.message);
    assert_eq!(board.health().await.backends[0].running, 0);
}

#[tokio::test]
async fn listening_buys_no_time_past_the_timeout() {
    let probe = Arc::default();
    let board = board(&probe).await;
    let failed = within(4, end(board.enqueue(listen_and_never_end::with()).await.unwrap())).await;
    assert_eq!((probe.said("dropped"), failed.errors()[0].exception_class.as_str()), (true, "Timeout"));
}

#[tokio::test]
async fn a_timeout_is_tried_again_like_any_failure() {
    let probe = Arc::default();
    let board = board(&probe).await;
    let mut result = board.enqueue(never_end::with().max_attempts(2)).await.unwrap();
    until("it was dropped", || probe.said("dropped")).await;
    within(5, async {
        while result.phase() != Phase::RetryWait {
            tokio::time::sleep(Duration::from_millis(2)).await;
            result.refresh().await.unwrap();
        }
    })
    .await;
    assert_eq!((result.attempts(), result.errors().len()), (1, 1));
}

#[tokio::test]
async fn a_sync_attempt_past_its_timeout_is_told_and_ends_only_when_it_returns() {
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    let mut result = board.enqueue(work_on::with().max_attempts(1)).await.unwrap();
    until("it was told", || probe.said("told")).await;
    result.refresh().await.unwrap();
    assert_eq!((result.status(), result.attempts(), result.errors().len()), (Status::Running, 1, 0));
    let health = &board.health().await.backends[0];
    assert_eq!((health.running, health.claimed), (1, 1), "it holds its slot");
    probe.gate.open();
    let failed = within(5, end(result)).await;
    assert_eq!((failed.phase(), failed.errors()[0].exception_class.as_str()), (Phase::Failed, "Timeout"));
    assert_eq!(probe.lines(), ["started", "told"], "it ran once");
}

#[tokio::test]
async fn a_retry_of_a_sync_attempt_is_planned_only_when_it_has_returned() {
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    let mut result = board.enqueue(work_on::with()).await.unwrap();
    until("it was told", || probe.said("told")).await;
    result.refresh().await.unwrap();
    assert_eq!(result.job().state.next_run_at, None);
    probe.gate.open();
    until_async("a retry is planned", async || board.get(result.id()).await.unwrap().phase() == Phase::RetryWait).await;
}

#[tokio::test]
async fn an_attempt_that_holds_its_thread_past_its_timeout_fails_whatever_it_returns() {
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    let result = board.enqueue(hold_the_thread::with()).await.unwrap();
    until("it runs", || probe.said("started")).await;
    // The timer is on another thread, so time passes for the attempt although it holds its own.
    tokio::time::sleep(Duration::from_millis(150)).await;
    probe.gate.open();
    let failed = within(5, end(result)).await;
    assert_eq!(failed.errors()[0].exception_class, "Timeout");
}

#[tokio::test]
async fn an_attempt_knows_its_deadline() {
    let board = board(&Arc::default()).await;
    assert_eq!(end(board.enqueue(be_quick::with()).await.unwrap()).await.return_value(), Ok(&true));
    assert_eq!(end(board.enqueue(without::with()).await.unwrap()).await.return_value(), Ok(&true));
}

#[tokio::test]
async fn a_call_overrides_the_timeout_of_its_task() {
    let probe = Arc::default();
    let board = board(&probe).await;
    let failed =
        within(5, end(board.enqueue(never_end::with().timeout(Duration::from_millis(7))).await.unwrap())).await;
    assert!(failed.errors()[0].message.contains("7ms"), "{}", failed.errors()[0].message);
}
