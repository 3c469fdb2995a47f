//! Cancelling a job, wherever it is in its life.

use std::sync::Arc;
use std::time::Duration;

use callboard_actors::{Backend, Callboard};
use callboard_tasks::{Clock, Data, Error, JobId, Move, Phase, Status, TaskContext, task, tasks};

use super::{board_of, end, start};
use crate::support::{HOUR, Probe, SOON, START, SlowStore, until, until_async, within};

#[task]
async fn say(probe: Data<Probe>, line: String) {
    probe.say(line);
}

/// Looks up when it is told, cleans up, and ends.
#[task]
async fn listen(context: TaskContext, probe: Data<Probe>) -> String {
    probe.say("listening");
    let reason = context.cancelled().await;
    probe.say(format!("{reason:?}"));
    tokio::time::sleep(Duration::from_millis(20)).await;
    probe.say("cleaned up");
    "ended well".into()
}

/// Listens, and then goes on for as long as the test wants.
#[task]
async fn listen_and_go_on(context: TaskContext, probe: Data<Probe>) {
    probe.say("listening");
    context.cancelled().await;
    probe.say("told");
    probe.gate.pass().await;
    probe.say("went on");
}

/// Never asks.
#[task]
async fn be_deaf(probe: Data<Probe>) {
    let _inside = probe.enter();
    std::future::pending::<()>().await;
}

#[task]
fn listen_blocking(context: TaskContext, probe: Data<Probe>) {
    probe.say("listening");
    while !context.is_cancelled() {
        std::thread::sleep(Duration::from_millis(1));
    }
    probe.say("told");
    probe.gate.pass_blocking();
}

/// Fails once it is told.
#[task]
async fn fail_when_told(context: TaskContext) -> Result<(), String> {
    context.cancelled().await;
    Err("I was not ready".into())
}

/// Holds the thread of its worker, deaf.
#[task]
async fn hold_the_thread(probe: Data<Probe>) -> u8 {
    let _inside = probe.enter();
    probe.gate.pass_blocking();
    9
}

async fn board(probe: &Arc<Probe>) -> Callboard {
    let tasks = tasks![say, listen, listen_and_go_on, be_deaf, listen_blocking, fail_when_told, hold_the_thread];
    board_of(tasks, probe, |b| b.workers(2)).await
}

async fn phase(board: &Callboard, id: JobId) -> Phase {
    board.get(id).await.unwrap().phase()
}

#[tokio::test]
async fn a_job_that_waits_for_its_time_ends_at_once_and_never_runs() {
    let (probe, clock) = (Arc::default(), Clock::manual(START));
    let board = start(tasks![say], &probe, Backend::memory(), clock.clone()).await;
    let result = board.enqueue(say::with("never").run_after("1h")).await.unwrap();
    let cancelled = board.cancel(result.id()).await.unwrap();
    assert_eq!((cancelled.phase(), cancelled.status()), (Phase::Cancelled, Status::Failed));
    assert_eq!((cancelled.attempts(), cancelled.finished_at()), (0, Some(START)));
    assert_eq!(cancelled.errors()[0].exception_class, "Cancelled");
    clock.advance(2 * HOUR);
    end(board.enqueue(say::with("later")).await.unwrap()).await;
    assert_eq!(probe.lines(), ["later"]);
}

#[tokio::test]
async fn a_job_that_waits_for_a_worker_ends_at_once_and_never_runs() {
    let probe = Arc::default();
    let board = board(&probe).await;
    board.pause("default", "default").await.unwrap();
    let result = board.enqueue(say::with("never")).await.unwrap();
    assert_eq!(board.cancel(result.id()).await.unwrap().phase(), Phase::Cancelled);
    let cancelled = within(5, end(result)).await;
    assert_eq!((cancelled.phase(), cancelled.attempts()), (Phase::Cancelled, 0));
    board.resume("default", "default").await.unwrap();
    end(board.enqueue(say::with("later")).await.unwrap()).await;
    assert_eq!(probe.lines(), ["later"]);
}

#[tokio::test]
async fn a_job_that_is_claimed_and_waits_behind_another_never_starts() {
    let probe = Arc::default();
    let board = board_of(tasks![hold_the_thread, say], &probe, |b| b.workers(1)).await;
    let holder = board.enqueue(hold_the_thread::with()).await.unwrap();
    until("the only thread is held", || probe.inside() == 1).await;
    let behind = board.enqueue(say::with("never")).await.unwrap();
    assert_eq!(phase(&board, behind.id()).await, Phase::Running, "it was handed off");
    assert_eq!(board.cancel(behind.id()).await.unwrap().phase(), Phase::Cancelling);
    probe.gate.open();
    let cancelled = within(10, end(behind)).await;
    assert_eq!(cancelled.phase(), Phase::Cancelled);
    assert_eq!(end(holder).await.return_value(), Ok(&9));
    assert_eq!(probe.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn an_attempt_that_listens_may_clean_up() {
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    let result = board.enqueue(listen::with()).await.unwrap();
    until("it listens", || probe.said("listening")).await;
    let asked = board.cancel(result.id()).await.unwrap();
    assert_eq!((asked.phase(), asked.status()), (Phase::Cancelling, Status::Running));
    let cancelled = within(5, end(result)).await;
    assert_eq!(probe.lines(), ["listening", "Cancelled", "cleaned up"]);
    assert_eq!((cancelled.phase(), cancelled.attempts()), (Phase::Cancelled, 1), "what it returned does not count");
    assert_eq!(cancelled.errors()[0].exception_class, "Cancelled");
    assert!(cancelled.return_value().is_err());
}

#[tokio::test]
async fn an_attempt_that_listens_and_goes_on_is_dropped_after_five_seconds() {
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    let result = board.enqueue(listen_and_go_on::with()).await.unwrap();
    until("it listens", || probe.said("listening")).await;
    board.cancel(result.id()).await.unwrap();
    until("it was told", || probe.said("told")).await;
    let start = std::time::Instant::now();
    let cancelled = within(10, end(result)).await;
    assert!(start.elapsed() > Duration::from_secs(4), "it got its time: {:?}", start.elapsed());
    assert_eq!(cancelled.phase(), Phase::Cancelled);
    probe.gate.open();
    end(board.enqueue(say::with("later")).await.unwrap()).await;
    assert!(!probe.said("went on"));
}

#[tokio::test]
async fn an_attempt_that_never_asks_is_dropped_at_once() {
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    let result = board.enqueue(be_deaf::with()).await.unwrap();
    until("it runs", || probe.inside() == 1).await;
    board.cancel(result.id()).await.unwrap();
    let cancelled = within(2, end(result)).await;
    assert_eq!((cancelled.phase(), probe.inside()), (Phase::Cancelled, 0));
}

#[tokio::test]
async fn a_sync_attempt_is_told_and_holds_its_slot_until_it_returns() {
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    let result = board.enqueue(listen_blocking::with()).await.unwrap();
    until("it runs", || probe.said("listening")).await;
    board.cancel(result.id()).await.unwrap();
    until("it was told", || probe.said("told")).await;
    let now = board.get(result.id()).await.unwrap();
    assert_eq!((now.phase(), now.status()), (Phase::Cancelling, Status::Running));
    assert_eq!(board.health().await.backends[0].running, 1);
    probe.gate.open();
    assert_eq!(within(5, end(result)).await.phase(), Phase::Cancelled);
}

#[tokio::test]
async fn an_attempt_that_holds_its_thread_ends_as_cancelled_when_it_lets_go() {
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    let result = board.enqueue(hold_the_thread::with()).await.unwrap();
    until("it runs", || probe.inside() == 1).await;
    board.cancel(result.id()).await.unwrap();
    probe.gate.open();
    let ended = within(5, end(result)).await;
    // It could not be told before it returned its value, and a job that has succeeded has not been cancelled.
    assert_eq!((ended.phase(), ended.return_value()), (Phase::Successful, Ok(&9)));
}

#[tokio::test]
async fn a_cancelled_attempt_that_fails_is_not_tried_again() {
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    let result = board.enqueue(fail_when_told::with()).await.unwrap();
    until_async("it runs", async || phase(&board, result.id()).await == Phase::Running).await;
    board.cancel(result.id()).await.unwrap();
    let cancelled = within(10, end(result)).await;
    assert_eq!((cancelled.phase(), cancelled.attempts()), (Phase::Cancelled, 1));
}

#[tokio::test]
async fn a_job_that_has_ended_cannot_be_cancelled() {
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    let done = end(board.enqueue(say::with("done")).await.unwrap()).await;
    let refused = board.cancel(done.id()).await.unwrap_err();
    let Error::InvalidMove(refused) = refused else { panic!("{refused}") };
    assert_eq!((refused.from, refused.step), (Phase::Successful, Move::Cancel));
    assert_eq!(board.get(done.id()).await.unwrap().snapshot(), done.snapshot());
}

#[tokio::test]
async fn asking_twice_changes_nothing_more() {
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    let result = board.enqueue(listen_and_go_on::with()).await.unwrap();
    until("it listens", || probe.said("listening")).await;
    let first = board.cancel(result.id()).await.unwrap();
    let second = board.cancel(result.id()).await.unwrap();
    assert_eq!(first, second);
}

#[tokio::test]
async fn a_job_that_waits_for_its_next_attempt_ends_at_once() {
    #[task(max_attempts = 9)]
    async fn fail_always() -> Result<(), String> {
        Err("no".into())
    }
    let (probe, clock) = (Arc::default(), Clock::manual(START));
    let board = start(tasks![fail_always, say], &probe, Backend::memory(), clock.clone()).await;
    let result = board.enqueue(fail_always::with()).await.unwrap();
    until_async("it waits", async || phase(&board, result.id()).await == Phase::RetryWait).await;
    let cancelled = board.cancel(result.id()).await.unwrap();
    assert_eq!((cancelled.phase(), cancelled.attempts(), cancelled.errors().len()), (Phase::Cancelled, 1, 2));
    clock.advance(HOUR);
    end(board.enqueue(say::with("later")).await.unwrap()).await;
    assert_eq!(phase(&board, result.id()).await, Phase::Cancelled);
}

#[tokio::test]
async fn a_job_that_does_not_exist_cannot_be_cancelled() {
    let board = board(&Arc::default()).await;
    let unknown = JobId::new(START);
    assert!(matches!(board.cancel(unknown).await, Err(Error::NotFound(id)) if id == unknown));
}

#[tokio::test]
async fn an_attempt_that_another_process_cancels_is_told_by_the_beat() {
    let probe: Arc<Probe> = Arc::default();
    let store = SlowStore::new(Clock::system());
    let runner = Backend::store(Arc::clone(&store) as _).lease(Duration::from_millis(300));
    let runs = start(tasks![listen], &probe, runner, Clock::system()).await;
    let result = runs.enqueue(listen::with()).await.unwrap();
    until("it listens", || probe.said("listening")).await;
    // Another process on the same store, which knows no task and runs nothing.
    let other = start(tasks![], &probe, Backend::store(store), Clock::system()).await;
    assert_eq!(other.cancel(result.id()).await.unwrap().phase(), Phase::Cancelling);
    assert_eq!(within(5, result.wait(SOON)).await.unwrap().phase(), Phase::Cancelled);
    assert!(probe.said("cleaned up"));
}
