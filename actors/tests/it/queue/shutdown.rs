//! Stopping in good order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard_actors::{Backend, Callboard, ShutdownReport};
use callboard_tasks::{CancelReason, Clock, Data, Error, JobId, Lookup, Phase, Store, TaskContext, task, tasks};
use futures::future::join_all;

use crate::support::{Probe, SlowStore, until, within};

#[task]
async fn say(probe: Data<Probe>, line: String) {
    probe.say(line);
}

#[task]
async fn stay(probe: Data<Probe>) {
    let _inside = probe.enter();
    probe.gate.pass().await;
    probe.say("stayed");
}

#[task]
async fn hold_the_thread(probe: Data<Probe>) {
    let _inside = probe.enter();
    probe.gate.pass_blocking();
}

#[task]
fn stay_blocking(probe: Data<Probe>) {
    let _inside = probe.enter();
    probe.gate.pass_blocking();
}

/// Ends in good time when it is told, with a value.
#[task]
async fn listen(context: TaskContext, probe: Data<Probe>) -> String {
    let _inside = probe.enter();
    let reason = context.cancelled().await;
    assert_eq!(reason, CancelReason::Shutdown);
    "saved".into()
}

#[task]
async fn enqueue_another(context: TaskContext, probe: Data<Probe>) -> Result<JobId, Error> {
    let _inside = probe.enter();
    probe.gate.pass().await;
    Ok(context.enqueue(say::with("another")).await?.id())
}

/// A board on a store that outlives it, so that what it leaves behind can be seen.
async fn board(probe: &Arc<Probe>, store: &Arc<SlowStore>, grace: Duration) -> Callboard {
    let backend = Backend::store(Arc::clone(store) as _).workers(1).concurrency(40);
    let tasks = tasks![say, stay, hold_the_thread, stay_blocking, listen, enqueue_another];
    let builder = Callboard::builder().backend("default", backend).tasks(tasks).data_arc(Arc::clone(probe));
    builder.shutdown_grace(grace).start().await.unwrap()
}

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(50);

fn new_store() -> Arc<SlowStore> {
    SlowStore::new(Clock::system())
}

/// The phase and the losses of a job in a store whose board is gone.
async fn left(store: &SlowStore, id: JobId) -> (Phase, u32) {
    match store.get(vec![id]).await.unwrap().remove(0) {
        Lookup::Found(job) => (job.state.phase, job.state.losses),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_runs_may_end_and_its_result_is_kept() {
    let (probe, store) = (Arc::default(), new_store());
    let board = board(&probe, &store, LONG).await;
    let result = board.enqueue(stay::with()).await.unwrap();
    until("it runs", || probe.inside() == 1).await;
    let stopping = tokio::spawn({
        let board = board.clone();
        async move { board.shutdown().await }
    });
    until("it stops", || board.is_draining()).await;
    probe.gate.open();
    let report = within(10, stopping).await.unwrap();
    assert_eq!(report, ShutdownReport { finished: 1, handed_back: 0, abandoned: 0 });
    assert_eq!(left(&store, result.id()).await, (Phase::Successful, 0));
    assert_eq!(probe.lines(), ["stayed"]);
}

#[tokio::test]
async fn nothing_new_is_taken_meanwhile() {
    let (probe, store) = (Arc::default(), new_store());
    let board = board(&probe, &store, LONG).await;
    board.enqueue(stay::with()).await.unwrap();
    until("it runs", || probe.inside() == 1).await;
    let stopping = tokio::spawn({
        let board = board.clone();
        async move { board.shutdown().await }
    });
    until("it stops", || board.is_draining()).await;
    assert!(matches!(board.enqueue(say::with("no")).await, Err(Error::Draining)));
    assert!(matches!(board.try_enqueue_any(say::with("no").erase()).await, Err(Error::Draining)));
    assert!(matches!(board.enqueue_all(vec![say::with("no").erase()]).await, Err(Error::Draining)));
    let health = board.health().await;
    assert!(health.draining && health.is_alive() && !health.is_ready());
    probe.gate.open();
    within(10, stopping).await.unwrap();
    assert!(matches!(board.enqueue(say::with("no")).await, Err(Error::Draining)));
}

#[tokio::test]
async fn what_was_claimed_and_has_not_started_goes_back_and_is_counted() {
    let (probe, store) = (Arc::default(), new_store());
    let board = board(&probe, &store, LONG).await;
    board.enqueue(hold_the_thread::with()).await.unwrap();
    until("the only thread is held", || probe.inside() == 1).await;
    let mut behind = Vec::new();
    for _ in 0..5 {
        behind.push(board.enqueue(say::with("behind")).await.unwrap().id());
    }
    let stopping = tokio::spawn({
        let board = board.clone();
        async move { board.shutdown().await }
    });
    until("it stops", || board.is_draining()).await;
    until("they went back", || store.finish.asked() > 0).await;
    probe.gate.open();
    let report = within(10, stopping).await.unwrap();
    assert_eq!(report, ShutdownReport { finished: 1, handed_back: 5, abandoned: 0 });
    assert_eq!(probe.lines(), Vec::<String>::new());
    for id in behind {
        assert_eq!(left(&store, id).await, (Phase::Ready, 0), "an orderly hand-back is no loss");
    }
}

#[tokio::test]
async fn what_waits_stays_where_it_is() {
    let (probe, store) = (Arc::default(), new_store());
    let board = board(&probe, &store, LONG).await;
    let later = board.enqueue(say::with("later").run_after("1h")).await.unwrap();
    board.pause("default", "default").await.unwrap();
    let waits = board.enqueue(say::with("waits")).await.unwrap();
    assert_eq!(within(10, board.shutdown()).await, ShutdownReport::default());
    assert_eq!(left(&store, later.id()).await.0, Phase::Scheduled);
    assert_eq!(left(&store, waits.id()).await.0, Phase::Ready);
    assert!(store.stats().await.unwrap().workers.is_empty(), "the process has left");
}

#[tokio::test]
async fn what_runs_past_the_grace_is_interrupted_and_goes_back() {
    let (probe, store) = (Arc::default(), new_store());
    let board = board(&probe, &store, SHORT).await;
    let result = board.enqueue(stay::with()).await.unwrap();
    until("it runs", || probe.inside() == 1).await;
    let start = Instant::now();
    let report = within(10, board.shutdown()).await;
    assert!(start.elapsed() < Duration::from_secs(3), "one that never asks is dropped at once: {:?}", start.elapsed());
    assert_eq!(report, ShutdownReport { finished: 0, handed_back: 1, abandoned: 0 });
    assert_eq!(left(&store, result.id()).await, (Phase::Ready, 0));
    assert_eq!((probe.inside(), probe.said("stayed")), (0, false));
}

#[tokio::test]
async fn what_listens_may_save_its_work_after_the_grace() {
    let (probe, store) = (Arc::default(), new_store());
    let board = board(&probe, &store, SHORT).await;
    let result = board.enqueue(listen::with()).await.unwrap();
    until("it runs", || probe.inside() == 1).await;
    let report = within(10, board.shutdown()).await;
    assert_eq!(report, ShutdownReport { finished: 1, handed_back: 0, abandoned: 0 });
    assert_eq!(left(&store, result.id()).await.0, Phase::Successful);
}

#[tokio::test]
async fn a_sync_function_that_does_not_return_is_abandoned_and_keeps_its_lease() {
    let (probe, store) = (Arc::default(), new_store());
    let board = board(&probe, &store, SHORT).await;
    let result = board.enqueue(stay_blocking::with()).await.unwrap();
    until("it runs", || probe.inside() == 1).await;
    let report = within(20, board.shutdown()).await;
    assert_eq!(report, ShutdownReport { finished: 0, handed_back: 0, abandoned: 1 });
    assert_eq!(left(&store, result.id()).await.0, Phase::Running);
    assert_eq!(store.stats().await.unwrap().workers.len(), 1, "nobody else may run it while it does");
    probe.gate.open();
}

#[tokio::test]
async fn an_attempt_may_still_enqueue_so_that_it_can_end_well() {
    let (probe, store) = (Arc::default(), new_store());
    let board = board(&probe, &store, LONG).await;
    let result = board.enqueue(enqueue_another::with()).await.unwrap();
    until("it runs", || probe.inside() == 1).await;
    let stopping = tokio::spawn({
        let board = board.clone();
        async move { board.shutdown().await }
    });
    until("it stops", || board.is_draining()).await;
    probe.gate.open();
    assert_eq!(within(10, stopping).await.unwrap().finished, 1);
    assert_eq!(left(&store, result.id()).await.0, Phase::Successful);
    let stats = store.stats().await.unwrap();
    assert_eq!(stats.queues["default"].phases[&Phase::Ready], 1, "the other one is kept for whoever comes");
}

#[tokio::test]
async fn an_enqueue_that_is_under_way_is_still_answered() {
    let (probe, store) = (Arc::default(), new_store());
    let board = board(&probe, &store, LONG).await;
    board.pause("default", "default").await.unwrap();
    store.enqueue.gate.close();
    let enqueueing = tokio::spawn({
        let board = board.clone();
        async move { board.enqueue(say::with("waits")).await }
    });
    until("it waits for the store", || store.enqueue.asked() == 1).await;
    let stopping = tokio::spawn({
        let board = board.clone();
        async move { board.shutdown().await }
    });
    until("it stops", || board.is_draining()).await;
    // Whoever leaves a moment too soon does so now.
    tokio::time::sleep(Duration::from_millis(100)).await;
    store.enqueue.gate.open();
    let placed = within(10, enqueueing).await.unwrap().expect("it was accepted before the shutdown");
    within(10, stopping).await.unwrap();
    assert_eq!(left(&store, placed.id()).await.0, Phase::Ready);
}

#[tokio::test]
async fn outcomes_that_are_under_way_are_still_written() {
    let (probe, store) = (Arc::default(), new_store());
    let board = board(&probe, &store, LONG).await;
    store.finish.gate.close();
    let result = board.enqueue(say::with("done")).await.unwrap();
    until("its outcome is under way", || store.finish.asked() == 1).await;
    let stopping = tokio::spawn({
        let board = board.clone();
        async move { board.shutdown().await }
    });
    until("it stops", || board.is_draining()).await;
    store.finish.fail(2);
    store.finish.gate.open();
    let report = within(10, stopping).await.unwrap();
    assert_eq!(report, ShutdownReport { finished: 1, handed_back: 0, abandoned: 0 });
    assert_eq!(left(&store, result.id()).await.0, Phase::Successful);
}

#[tokio::test]
async fn a_second_shutdown_reports_nothing_more() {
    let (probe, store) = (Arc::default(), new_store());
    let board = board(&probe, &store, LONG).await;
    within(10, board.shutdown()).await;
    assert_eq!(within(10, board.shutdown()).await, ShutdownReport::default());
}

#[tokio::test]
async fn two_shutdowns_at_once_both_end() {
    let (probe, store) = (Arc::default(), new_store());
    let board = board(&probe, &store, LONG).await;
    board.enqueue(stay::with()).await.unwrap();
    until("it runs", || probe.inside() == 1).await;
    let both: Vec<_> = (0..2)
        .map(|_| {
            let board = board.clone();
            tokio::spawn(async move { board.shutdown().await })
        })
        .collect();
    until("it stops", || board.is_draining()).await;
    probe.gate.open();
    within(10, join_all(both)).await;
    assert_eq!(probe.lines(), ["stayed"]);
}

#[tokio::test]
async fn a_waiter_is_told_of_an_end_during_the_shutdown_and_let_go_after_it() {
    let (probe, store) = (Arc::default(), new_store());
    let board = board(&probe, &store, LONG).await;
    let runs = board.enqueue(stay::with()).await.unwrap();
    let later = board.enqueue(say::with("later").run_after("1h")).await.unwrap();
    until("it runs", || probe.inside() == 1).await;
    let waits = [tokio::spawn(runs.wait(LONG)), tokio::spawn(later.wait(LONG))].map(|wait| within(20, wait));
    let stopping = tokio::spawn({
        let board = board.clone();
        async move { board.shutdown().await }
    });
    until("it stops", || board.is_draining()).await;
    probe.gate.open();
    within(10, stopping).await.unwrap();
    let [runs, later] = waits;
    assert_eq!(runs.await.unwrap().unwrap().phase(), Phase::Successful);
    assert!(later.await.unwrap().is_err());
}

#[tokio::test]
async fn a_waiter_is_told_although_the_store_is_slow_to_say_what_it_holds() {
    let (probe, store) = (Arc::default(), new_store());
    let board = board(&probe, &store, LONG).await;
    let result = board.enqueue(stay::with()).await.unwrap();
    until("it runs", || probe.inside() == 1).await;
    let looks = store.get.asked();
    let waiting = tokio::spawn(result.wait(LONG));
    until("the waiter has looked", || store.get.asked() > looks).await;
    store.get.gate.close();
    let stopping = tokio::spawn({
        let board = board.clone();
        async move { board.shutdown().await }
    });
    until("it stops", || board.is_draining()).await;
    let finished = store.finish.asked();
    probe.gate.open();
    until("its end is being written", || store.finish.asked() > finished).await;
    // Whoever leaves a moment too soon does so now.
    tokio::time::sleep(Duration::from_millis(100)).await;
    store.get.gate.open();
    assert_eq!(within(10, waiting).await.unwrap().unwrap().phase(), Phase::Successful);
    within(10, stopping).await.unwrap();
}
