//! Bulk actions: one thing done to all jobs that fit a filter.

use std::sync::Arc;

use callboard_actors::{Backend, Callboard, TaskFinished};
use callboard_tasks::{
    Bulk, BulkCount, BulkReport, Change, Clock, Data, Error, Filter, JobId, Page, Phase, Status, TaskContext, Unique,
    task, tasks,
};

use super::{end, start};
use crate::support::{Probe, SlowStore, until_async, within};

/// Fails until somebody says that there is money.
#[task(max_attempts = 1)]
async fn pay(probe: Data<Probe>, n: u32) -> Result<u32, String> {
    if probe.said("money") { Ok(n) } else { Err("no money".into()) }
}

/// Stays until the gate of the probe is open, and says how it was left.
#[task]
async fn stay(context: TaskContext, probe: Data<Probe>) {
    probe.say("stays");
    tokio::select! {
        () = probe.gate.pass() => {}
        _ = context.cancelled() => probe.say("told to stop"),
    }
}

async fn board(probe: &Arc<Probe>) -> Callboard {
    start(tasks![pay, stay], probe, Backend::memory().workers(2), Clock::system()).await
}

fn of(status: Status) -> Filter {
    Filter { status: Some(status), ..Filter::default() }
}

async fn fail(board: &Callboard, count: u32) -> Vec<JobId> {
    let calls = (0..count).map(|n| pay::with(n).erase()).collect();
    let results = board.enqueue_all(calls).await.unwrap();
    let mut ids = Vec::new();
    for result in results {
        ids.push(within(20, end(result)).await.id());
    }
    ids
}

/// The report of a bulk action.
async fn report(board: &Callboard, bulk: Bulk) -> BulkReport {
    let task = board.bulk(bulk).await.unwrap();
    assert_eq!(task.task(), "callboard.bulk");
    within(20, end(task)).await.return_value().unwrap().clone()
}

fn counts(report: &BulkReport) -> (u64, u64, Vec<(&str, u64)>) {
    (report.matched, report.done, report.skipped.iter().map(|(reason, count)| (reason.as_str(), *count)).collect())
}

async fn phases(board: &Callboard, ids: &[JobId]) -> Vec<Phase> {
    let mut phases = Vec::new();
    for id in ids {
        phases.push(board.get(*id).await.unwrap().phase());
    }
    phases
}

#[tokio::test]
async fn all_that_failed_run_again_with_their_past() {
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    let ids = fail(&board, 1_200).await;
    probe.say("money");
    let report = report(&board, Bulk::retry(of(Status::Failed))).await;
    assert_eq!(counts(&report), (1_200, 1_200, vec![]));
    for id in ids {
        let again = within(20, end(board.get(id).await.unwrap())).await;
        assert_eq!((again.phase(), again.attempts(), again.errors().len()), (Phase::Successful, 2, 1));
    }
}

#[tokio::test]
async fn what_fails_again_meanwhile_is_not_taken_again() {
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    let ids = fail(&board, 700).await;
    let report = report(&board, Bulk::retry(of(Status::Failed))).await;
    assert_eq!(counts(&report), (700, 700, vec![]));
    for id in ids {
        let again = within(20, end(board.get(id).await.unwrap())).await;
        assert_eq!((again.phase(), again.attempts()), (Phase::Failed, 2));
    }
}

#[tokio::test]
async fn only_what_fits_the_filter_is_touched() {
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    let plain = fail(&board, 2).await;
    let tagged = within(20, end(board.enqueue(pay::with(7).tag("late")).await.unwrap())).await.id();
    probe.say("money");
    let filter = Filter { tag: Some("late".into()), ..of(Status::Failed) };
    assert_eq!(board.bulk_count(&Bulk::retry(filter.clone())).await.unwrap(), BulkCount { matched: 1, complete: true });
    assert_eq!(counts(&report(&board, Bulk::retry(filter)).await), (1, 1, vec![]));
    within(20, end(board.get(tagged).await.unwrap())).await;
    assert_eq!(phases(&board, &plain).await, [Phase::Failed; 2]);
    assert_eq!(phases(&board, &[tagged]).await, [Phase::Successful]);
}

#[tokio::test]
async fn a_cancellation_ends_what_waits_and_asks_what_runs() {
    let probe: Arc<Probe> = Arc::default();
    let board = start(tasks![pay, stay], &probe, Backend::memory().workers(1).concurrency(2), Clock::system()).await;
    let done = fail(&board, 1).await;
    let runs = board.enqueue(stay::with()).await.unwrap();
    until_async("it runs", async || probe.said("stays")).await;
    let waits = board.enqueue(stay::with().run_after("1h")).await.unwrap();
    let report = report(&board, Bulk::cancel(Filter::default()).all()).await;
    assert_eq!(counts(&report), (2, 2, vec![]), "what has finished is not looked at, and neither is it itself");
    let runs = within(20, end(runs)).await;
    assert!(probe.said("told to stop"));
    assert!(runs.is_finished());
    assert_eq!(phases(&board, &[waits.id(), done[0]]).await, [Phase::Cancelled, Phase::Failed]);
}

#[tokio::test]
async fn a_deletion_leaves_what_runs_and_says_so() {
    let probe: Arc<Probe> = Arc::default();
    let board = start(tasks![pay, stay], &probe, Backend::memory().workers(1).concurrency(2), Clock::system()).await;
    let gone = fail(&board, 3).await;
    let runs = board.enqueue(stay::with()).await.unwrap();
    until_async("it runs", async || probe.said("stays")).await;
    let all = report(&board, Bulk::delete(Filter { queue: Some("default".into()), ..Filter::default() })).await;
    assert_eq!(counts(&all), (4, 3, vec![("invalid-transition", 1)]));
    for id in gone {
        assert!(matches!(board.get(id).await, Err(Error::NotFound(_) | Error::Pruned(_))));
    }
    probe.gate.open();
    assert_eq!(within(20, end(runs)).await.phase(), Phase::Successful);
}

#[tokio::test]
async fn a_key_that_is_held_by_now_is_a_reason() {
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    let unique = || pay::with(1).unique(Unique::by_key("one"));
    let first = within(20, end(board.enqueue(unique()).await.unwrap())).await;
    board.enqueue(unique().run_after("1h")).await.unwrap();
    let report = report(&board, Bulk::retry(of(Status::Failed))).await;
    assert_eq!(counts(&report), (1, 0, vec![("unique-conflict", 1)]));
    assert_eq!(phases(&board, &[first.id()]).await, [Phase::Failed]);
}

#[tokio::test]
async fn a_bulk_action_is_no_matter_of_another_one_that_does_not_name_it() {
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    let once = board.bulk(Bulk::delete(of(Status::Failed))).await.unwrap();
    let once = within(20, end(once)).await.id();
    let every = Filter { status: Some(Status::Successful), ..Filter::default() };
    assert_eq!(board.bulk_count(&Bulk::delete(every.clone())).await.unwrap().matched, 0);
    assert_eq!(counts(&report(&board, Bulk::delete(every.clone())).await), (0, 0, vec![]));
    let named = Filter { task: Some("callboard.bulk".into()), ..every };
    assert_eq!(counts(&report(&board, Bulk::delete(named)).await), (2, 2, vec![]));
    assert!(board.get(once).await.is_err());
}

#[tokio::test]
async fn it_says_how_far_it_is() {
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    fail(&board, 30).await;
    let task = within(20, end(board.bulk(Bulk::retry(of(Status::Failed))).await.unwrap())).await;
    let progress = task.progress().expect("it has said so");
    assert_eq!((progress.done, progress.total), (30, 30));
}

#[tokio::test]
async fn it_goes_to_a_queue_that_its_backend_has_and_in_front() {
    let probe: Arc<Probe> = Arc::default();
    let backend = Backend::memory().queues(["mail", "slow"]).workers(1);
    let board = start(tasks![stay], &probe, backend, Clock::system()).await;
    let task = board.bulk(Bulk::delete(of(Status::Failed))).await.unwrap();
    assert_eq!((&*task.job().spec.queue, task.job().spec.priority), ("mail", 100));
    within(20, end(task)).await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_before_anything_is_enqueued() {
    let probe: Arc<Probe> = Arc::default();
    let board = Callboard::builder()
        .memory()
        .backend("now", Backend::immediate())
        .data_arc(Arc::clone(&probe))
        .tasks(tasks![pay])
        .start()
        .await
        .unwrap();
    for bulk in [Bulk::delete(Filter::default()), Bulk::retry(of(Status::Running)), Bulk::retry(Filter::default())] {
        assert!(matches!(board.bulk(bulk.clone()).await, Err(Error::InvalidTask(_))), "{bulk:?}");
        assert!(matches!(board.bulk_count(&bulk).await, Err(Error::InvalidTask(_))), "{bulk:?}");
    }
    let failed = || Bulk::retry(of(Status::Failed));
    assert!(matches!(board.bulk(failed().backend("nowhere")).await, Err(Error::UnknownBackend { .. })));
    assert!(matches!(board.bulk(failed().backend("now")).await, Err(Error::Unsupported { .. })));
    let page = Page { limit: 9, before: None };
    assert!(board.list("default", Filter::default(), page).await.unwrap().0.is_empty());
}

/// A store that fails in the middle: the task is tried again and does what is left, without taking anything twice.
#[tokio::test]
async fn an_interrupted_one_goes_on_and_takes_nothing_twice() {
    let probe: Arc<Probe> = Arc::default();
    let store = SlowStore::new(Clock::system());
    let board = start(tasks![pay], &probe, Backend::store(Arc::clone(&store) as _).workers(2), Clock::system()).await;
    let ids = fail(&board, 40).await;
    store.fail_retries(25..40);
    let task = within(60, end(board.bulk(Bulk::retry(of(Status::Failed))).await.unwrap())).await;
    assert_eq!((task.phase(), task.attempts()), (Phase::Successful, 2));
    assert_eq!(task.return_value().unwrap().done, 15, "what was left");
    for id in ids {
        let again = within(20, end(board.get(id).await.unwrap())).await;
        assert_eq!((again.phase(), again.attempts()), (Phase::Failed, 2), "{id}");
    }
    assert_eq!(store.changes.lock().iter().filter(|change| **change == Change::Retry).count(), 40 + 15);
}

/// Whoever deletes a job that was cancelled tells nobody that it has ended once more.
#[actix_rt::test]
async fn a_deletion_is_no_end() {
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    let ends = Ends::default();
    let heard = Arc::clone(&ends.0);
    board.subscribe::<TaskFinished>(actix::Actor::start(ends).recipient());
    let job = board.enqueue(stay::with().run_after("1h")).await.unwrap();
    board.cancel(job.id()).await.unwrap();
    board.change(job.id(), Change::Delete).await.unwrap();
    let last = within(20, end(board.enqueue(pay::with(1)).await.unwrap())).await;
    until_async("the last end is heard", async || heard.lock().contains(&last.id())).await;
    assert_eq!(*heard.lock(), [job.id(), last.id()]);
}

/// Notes every end that it hears of.
#[derive(Default)]
struct Ends(Arc<parking_lot::Mutex<Vec<JobId>>>);

impl actix::Actor for Ends {
    type Context = actix::Context<Self>;
}

impl actix::Handler<TaskFinished> for Ends {
    type Result = ();

    fn handle(&mut self, TaskFinished(result): TaskFinished, _: &mut Self::Context) {
        self.0.lock().push(result.id());
    }
}
