//! What an attempt knows of itself, and what it can ask of the board.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use callboard_actors::{Backend, Callboard};
use callboard_tasks::{Change, Clock, Data, Error, JobId, Progress, Status, TaskContext, WaitFor, task, tasks};
use serde::{Deserialize, Serialize};

use super::{board_of, end, start};
use crate::support::{Probe, SOON, SlowStore, until, within};

#[task]
async fn add(a: i64, b: i64) -> i64 {
    a + b
}

/// Enqueues another call and answers with its result.
#[task]
async fn delegate(context: TaskContext) -> Result<i64, Error> {
    let sum = context.enqueue(add::with(2, 3)).await?;
    let sum = sum.wait(SOON).await.map_err(|_| Error::Draining)?;
    Ok(*sum.return_value().unwrap())
}

#[task]
async fn enqueue_by_handle(board: Data<Callboard>) -> Result<JobId, Error> {
    Ok(board.enqueue(add::with(1, 1)).await?.id())
}

#[task]
fn enqueue_from_a_thread(board: Data<Callboard>) -> Result<i64, Error> {
    let board = board.blocking();
    let sum = board.enqueue(add::with(4, 4))?;
    let sum = board.wait(sum, SOON).map_err(|_| Error::Draining)?;
    Ok(*sum.return_value().unwrap())
}

#[task]
async fn enqueue_wrongly(context: TaskContext) -> Result<(), Error> {
    context.enqueue(add::with(2, 3).queue("no such queue")).await.map(drop)
}

#[task]
async fn tell_of_itself(context: TaskContext) -> (JobId, u32, u64, String) {
    (context.job_id(), context.attempt(), context.run(), context.job().queue.to_string())
}

#[derive(Debug, Serialize, Deserialize, PartialEq)]
struct Attached {
    request: String,
    user: u32,
}

#[task]
async fn read_metadata(context: TaskContext) -> Option<Attached> {
    context.metadata().unwrap()
}

#[task]
async fn misread_metadata(context: TaskContext) -> bool {
    context.metadata::<BTreeMap<String, bool>>().is_err()
}

#[task]
async fn report(context: TaskContext, probe: Data<Probe>) {
    context.progress(1, 3);
    probe.gate.pass().await;
}

/// Reports as fast as it can, as long as the test wants.
#[task]
async fn report_without_end(context: TaskContext, probe: Data<Probe>) {
    for done in 0.. {
        context.progress(done, u64::MAX);
        tokio::time::sleep(Duration::from_millis(1)).await;
        if probe.said("enough") {
            return;
        }
    }
}

#[task]
async fn say_traceparent(context: TaskContext) -> Option<String> {
    context.job().traceparent.clone()
}

/// Enqueues one that tells of the trace it is in.
#[task]
async fn pass_the_trace_on(context: TaskContext) -> Result<Option<String>, Error> {
    let told = context.enqueue(say_traceparent::with()).await?;
    let told = told.wait(SOON).await.map_err(|_| Error::Draining)?;
    Ok(told.return_value().unwrap().clone())
}

async fn board(probe: &Arc<Probe>) -> Callboard {
    let tasks = tasks![
        add,
        delegate,
        enqueue_by_handle,
        enqueue_from_a_thread,
        enqueue_wrongly,
        tell_of_itself,
        read_metadata,
        misread_metadata,
        report,
        say_traceparent,
        pass_the_trace_on
    ];
    board_of(tasks, probe, |b| b.workers(2)).await
}

#[tokio::test]
async fn an_attempt_enqueues_through_its_context_and_waits_for_the_result() {
    let board = board(&Arc::default()).await;
    let result = within(10, end(board.enqueue(delegate::with()).await.unwrap())).await;
    assert_eq!(result.return_value(), Ok(&5));
}

#[tokio::test]
async fn an_attempt_gets_the_board_as_data() {
    let board = board(&Arc::default()).await;
    let result = within(10, end(board.enqueue(enqueue_by_handle::with()).await.unwrap())).await;
    let other = board.result::<add>(*result.return_value().unwrap()).await.unwrap();
    assert_eq!(end(other).await.return_value(), Ok(&2));
}

#[tokio::test]
async fn a_sync_attempt_enqueues_and_waits_through_the_blocking_handle() {
    let board = board(&Arc::default()).await;
    let result = within(10, end(board.enqueue(enqueue_from_a_thread::with()).await.unwrap())).await;
    assert_eq!(result.return_value(), Ok(&8));
}

#[tokio::test]
async fn a_call_from_an_attempt_is_checked_like_any_other() {
    let board = board(&Arc::default()).await;
    let failed = within(10, end(board.enqueue(enqueue_wrongly::with().max_attempts(1)).await.unwrap())).await;
    assert_eq!(failed.status(), Status::Failed);
    assert!(failed.errors()[0].message.contains("no such queue"), "{:?}", failed.errors());
}

#[tokio::test]
async fn an_attempt_knows_its_job_its_number_and_its_run() {
    let board = board(&Arc::default()).await;
    let result = end(board.enqueue(tell_of_itself::with()).await.unwrap()).await;
    assert_eq!(result.return_value(), Ok(&(result.id(), 1, 1, "default".to_owned())));
    let again = end(board.retry(result.id()).await.unwrap()).await;
    let (id, attempt, run, _): (JobId, u32, u64, String) =
        serde_json::from_value(again.return_value().unwrap().clone()).unwrap();
    assert_eq!((id, attempt, run), (result.id(), 2, 2));
}

#[tokio::test]
async fn an_attempt_reads_what_its_enqueuer_attached() {
    let board = board(&Arc::default()).await;
    let attached = Attached { request: "r-1".into(), user: 7 };
    let result = end(board.enqueue(read_metadata::with().metadata(&attached)).await.unwrap()).await;
    assert_eq!(result.metadata(), Some(serde_json::json!({"request": "r-1", "user": 7})));
    assert_eq!(result.return_value(), Ok(&Some(attached)));
    let without = end(board.enqueue(read_metadata::with()).await.unwrap()).await;
    assert_eq!(without.return_value(), Ok(&None));
    let wrong = Attached { request: "r-2".into(), user: 8 };
    let result = end(board.enqueue(misread_metadata::with().metadata(&wrong)).await.unwrap()).await;
    assert_eq!(result.return_value(), Ok(&true));
}

#[tokio::test]
async fn progress_is_seen_while_the_attempt_runs() {
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    let mut result = board.enqueue(report::with()).await.unwrap();
    assert_eq!(result.progress(), None);
    within(5, async {
        while result.progress().is_none() {
            let version = result.job().state.version;
            let changed = board.wait(result.id(), WaitFor::ChangeAfter(version), SOON).await.unwrap();
            assert_eq!(changed.status(), Status::Running);
            result.refresh().await.unwrap();
        }
    })
    .await;
    assert_eq!(result.progress(), Some(Progress { done: 1, total: 3 }));
    probe.gate.open();
    assert_eq!(end(result).await.status(), Status::Successful);
}

#[tokio::test]
async fn progress_is_written_at_most_twice_a_second() {
    let probe: Arc<Probe> = Arc::default();
    let store = SlowStore::new(Clock::system());
    let board =
        start(tasks![report_without_end], &probe, Backend::store(Arc::clone(&store) as _), Clock::system()).await;
    let result = board.enqueue(report_without_end::with()).await.unwrap();
    let written = || store.changes.lock().iter().filter(|change| matches!(change, Change::Progress { .. })).count();
    until("progress was written", || written() >= 1).await;
    let start = std::time::Instant::now();
    until("and again", || written() >= 4).await;
    // Three pauses of half a second, but for the timers' grain.
    assert!(start.elapsed() > Duration::from_millis(1_350), "three more within {:?}", start.elapsed());
    probe.say("enough");
    end(result).await;
}

#[tokio::test]
async fn the_trace_of_a_request_is_passed_on() {
    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let board = board(&Arc::default()).await;
    let result = end(board.enqueue(pass_the_trace_on::with().traceparent(TRACE)).await.unwrap()).await;
    assert_eq!(result.return_value(), Ok(&Some(TRACE.to_owned())));
    let without = end(board.enqueue(pass_the_trace_on::with()).await.unwrap()).await;
    assert_eq!(without.return_value(), Ok(&None));
}
