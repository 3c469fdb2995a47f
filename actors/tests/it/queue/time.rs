//! Jobs that wait for a time, and jobs whose time runs out.

use std::sync::Arc;
use std::time::Duration;

use callboard_actors::{Backend, Callboard};
use callboard_tasks::{Change, Clock, Data, Phase, RunAfter, Status, WaitFor, task, tasks};
use jiff::SignedDuration;

use super::{board_of, end, start};
use crate::support::{HOUR, Probe, SOON, START, SlowStore, until, within};

#[task]
async fn say(probe: Data<Probe>, line: String) {
    probe.say(line);
}

#[task(expires = "30m")]
async fn say_soon(probe: Data<Probe>, line: String) {
    probe.say(line);
}

#[task]
async fn hold_the_thread(probe: Data<Probe>) {
    let _inside = probe.enter();
    probe.gate.pass_blocking();
}

async fn board(probe: &Arc<Probe>) -> (Callboard, Clock) {
    let clock = Clock::manual(START);
    (start(tasks![say, say_soon, hold_the_thread], probe, Backend::memory().workers(1), clock.clone()).await, clock)
}

#[tokio::test]
async fn a_scheduled_job_runs_when_its_time_has_come_and_no_sooner() {
    let probe = Arc::default();
    let (board, clock) = board(&probe).await;
    let later = board.enqueue(say::with("later").run_after(HOUR)).await.unwrap();
    assert_eq!((later.phase(), later.status()), (Phase::Scheduled, Status::Ready));
    clock.advance(HOUR - Duration::from_micros(1));
    end(board.enqueue(say::with("now")).await.unwrap()).await;
    assert_eq!(probe.lines(), ["now"]);
    clock.advance(Duration::from_micros(1));
    let done = end(later).await;
    assert_eq!(probe.lines(), ["now", "later"]);
    assert_eq!((done.enqueued_at(), done.started_at()), (START, Some(START + SignedDuration::from_hours(1))));
}

#[tokio::test]
async fn many_scheduled_jobs_each_run_in_their_turn() {
    let probe = Arc::default();
    let (board, clock) = board(&probe).await;
    for minute in [3_u64, 1, 2, 5, 4] {
        let call = say::with(format!("{minute}")).run_after(Duration::from_secs(60 * minute));
        board.enqueue(call).await.unwrap();
    }
    for minute in 1..=5 {
        clock.advance(Duration::from_secs(60));
        until("that one has run", || probe.lines().len() == minute).await;
    }
    assert_eq!(probe.lines(), ["1", "2", "3", "4", "5"]);
}

#[tokio::test]
async fn a_time_in_the_past_means_now() {
    let probe = Arc::default();
    let (board, _) = board(&probe).await;
    let result = board.enqueue(say::with("now").run_after(START - SignedDuration::from_hours(1))).await.unwrap();
    assert_eq!(result.phase(), Phase::Ready);
    within(5, end(result)).await;
}

#[tokio::test]
async fn by_the_real_clock_a_scheduled_job_starts_at_its_time() {
    let probe = Arc::default();
    let board = board_of(tasks![say], &probe, |b| b).await;
    // The later one first: the timer must move to the earlier.
    let second = board.enqueue(say::with("second").run_after("300ms")).await.unwrap();
    let first = board.enqueue(say::with("first").run_after("80ms")).await.unwrap();
    let first = within(5, end(first)).await;
    let second = within(5, end(second)).await;
    assert_eq!(probe.lines(), ["first", "second"]);
    for (result, least) in [(first, 80), (second, 300)] {
        let waited = result.started_at().unwrap().duration_since(result.enqueued_at());
        assert!(waited >= SignedDuration::from_millis(least), "{waited:?}");
        assert!(waited < SignedDuration::from_millis(least + 1_000), "late: {waited:?}");
    }
}

#[tokio::test]
async fn a_job_that_has_not_started_by_its_expiry_fails_as_expired_and_never_runs() {
    let probe = Arc::default();
    let (board, clock) = board(&probe).await;
    let calls = [
        say_soon::with("the task's own").run_after(HOUR),
        say_soon::with("the call's").run_after(HOUR).expires(Duration::from_secs(10)),
    ];
    for call in calls {
        let result = board.enqueue(call).await.unwrap();
        clock.advance(2 * HOUR);
        let expired = within(5, end(result)).await;
        assert_eq!((expired.phase(), expired.status(), expired.attempts()), (Phase::Expired, Status::Failed, 0));
        assert_eq!(expired.errors()[0].exception_class, "Expired");
    }
    assert_eq!(probe.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn a_waiter_is_told_when_its_job_expires() {
    let probe = Arc::default();
    let (board, clock) = board(&probe).await;
    board.pause("default", "default").await.unwrap();
    let result = board.enqueue(say_soon::with("never")).await.unwrap();
    let waiting = tokio::spawn(result.wait(SOON));
    // A job that it does not wait for: by the time that is through, the waiter waits.
    end_of_another_round(&board).await;
    clock.advance(HOUR);
    let expired = within(5, waiting).await.unwrap().unwrap();
    assert_eq!(expired.phase(), Phase::Expired);
}

async fn end_of_another_round(board: &Callboard) {
    tokio::task::yield_now().await;
    board.health().await;
}

#[tokio::test]
async fn a_claimed_job_that_expires_before_a_worker_is_free_does_not_start() {
    let probe = Arc::default();
    let (board, clock) = board(&probe).await;
    let holder = board.enqueue(hold_the_thread::with()).await.unwrap();
    until("the only thread is held", || probe.inside() == 1).await;
    let behind = board.enqueue(say_soon::with("too late")).await.unwrap();
    clock.advance(HOUR);
    probe.gate.open();
    end(holder).await;
    let expired = within(5, end(behind)).await;
    assert_eq!((expired.phase(), expired.attempts()), (Phase::Expired, 0));
    assert!(!probe.said("too late"));
}

#[tokio::test]
async fn a_started_job_does_not_expire() {
    let probe = Arc::default();
    let (board, clock) = board(&probe).await;
    let result = board.enqueue(hold_the_thread::with().expires("1m")).await.unwrap();
    until("it has started", || probe.inside() == 1).await;
    clock.advance(HOUR);
    probe.gate.open();
    assert_eq!(end(result).await.phase(), Phase::Successful);
}

#[tokio::test]
async fn a_scheduled_job_can_be_run_now() {
    let probe = Arc::default();
    let (board, _) = board(&probe).await;
    let result = board.enqueue(say::with("early").run_after(HOUR)).await.unwrap();
    assert_eq!(board.change(result.id(), Change::RunNow).await.unwrap().phase(), Phase::Ready);
    within(5, end(result)).await;
    assert_eq!(probe.lines(), ["early"]);
}

/// A change of when alone.
fn reschedule(run_after: &RunAfter) -> Change {
    let run_after = Some(run_after.resolve(START).unwrap());
    Change::Reschedule { run_after, priority: None, queue: None, max_attempts: None, if_version: None }
}

#[tokio::test]
async fn a_scheduled_job_can_be_moved_to_another_time() {
    let probe = Arc::default();
    let (board, clock) = board(&probe).await;
    let result = board.enqueue(say::with("moved").run_after(HOUR)).await.unwrap();
    board.change(result.id(), reschedule(&(3 * HOUR).into())).await.unwrap();
    clock.advance(2 * HOUR);
    end(board.enqueue(say::with("first")).await.unwrap()).await;
    clock.advance(HOUR);
    within(5, end(result)).await;
    assert_eq!(probe.lines(), ["first", "moved"]);

    let result = board.enqueue(say::with("at once").run_after(HOUR)).await.unwrap();
    board.change(result.id(), reschedule(&RunAfter::Now)).await.unwrap();
    within(5, end(result)).await;
}

#[tokio::test]
async fn by_the_real_clock_a_job_that_is_moved_starts_at_its_new_time() {
    let probe = Arc::default();
    let board = board_of(tasks![say], &probe, |b| b).await;
    let result = board.enqueue(say::with("moved").run_after(HOUR)).await.unwrap();
    let soon = Some(Some(jiff::Timestamp::now() + SignedDuration::from_millis(100)));
    let change =
        Change::Reschedule { run_after: soon, priority: None, queue: None, max_attempts: None, if_version: None };
    board.change(result.id(), change).await.unwrap();
    within(5, end(result)).await;
}

#[tokio::test]
async fn a_job_that_another_process_schedules_starts_at_its_time() {
    let probe = Arc::default();
    let store = SlowStore::new(Clock::system());
    let backend = || Backend::store(Arc::clone(&store) as _).lease(Duration::from_millis(300));
    let runs = start(tasks![say], &probe, backend(), Clock::system()).await;
    let front = start(tasks![], &probe, backend(), Clock::system()).await;
    let result = front.enqueue(say::with("from elsewhere").run_after("400ms")).await.unwrap();
    let change = within(5, runs.wait(result.id(), WaitFor::Finished, SOON)).await.unwrap();
    assert_eq!(change.phase(), Phase::Successful);
}
