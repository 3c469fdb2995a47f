//! Which queues a process works, with how many permits, and for how many attempts.

use std::sync::Arc;
use std::time::Duration;

use callboard_actors::{Backend, Callboard, StartError, Work};
use callboard_tasks::{Clock, Control, Data, JobId, Phase, Stats, Store, task, tasks};

use super::{board_of, end, start};
use crate::support::{HOUR, Probe, START, SlowStore, until, until_async, within};

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
async fn fail(probe: Data<Probe>) -> Result<(), String> {
    probe.say("failed");
    Err("as it should".into())
}

#[task]
async fn say_twice(board: Data<Callboard>, probe: Data<Probe>) {
    probe.say("first");
    board.enqueue(say::with("second")).await.unwrap();
}

const QUEUES: [&str; 3] = ["a", "b", "c"];

async fn board(probe: &Arc<Probe>, work: impl Into<Work>) -> Callboard {
    board_of(tasks![say, stay, fail, say_twice], probe, |b| b.queues(QUEUES).work(work).workers(1)).await
}

async fn phase(board: &Callboard, id: JobId) -> Phase {
    board.get(id).await.unwrap().phase()
}

#[tokio::test]
async fn a_queue_runs_as_many_attempts_at_once_as_it_has_permits() {
    let probe = Arc::default();
    let board = board(&probe, [("a", 2), ("b", 9)]).await;
    let calls = |queue: &'static str, count| (0..count).map(move |_| stay::with().queue(queue).erase());
    let mut all = board.enqueue_all(calls("a", 5).collect()).await.unwrap();
    all.extend(board.enqueue_all(calls("b", 4).collect()).await.unwrap());
    until("two of a and all of b are inside", || probe.inside() == 6).await;
    board.until_running(6).await;
    probe.gate.open();
    for result in all {
        within(5, end(result)).await;
    }
    assert_eq!(probe.most(), 6);
}

#[tokio::test]
async fn who_waits_for_a_permit_runs_when_one_comes_back_also_behind_a_hand_off() {
    let probe = Arc::default();
    let board = board(&probe, [("a", 1)]).await;
    let first = board.enqueue(stay::with().queue("a")).await.unwrap();
    until("it is inside", || probe.inside() == 1).await;
    let second = board.enqueue(say::with("second").queue("a")).await.unwrap();
    let third = board.enqueue(say::with("third").queue("a")).await.unwrap();
    assert_eq!(phase(&board, second.id()).await, Phase::Ready, "it is not handed off");
    probe.gate.open();
    for result in [first, second, third] {
        within(5, end(result)).await;
    }
    assert_eq!(probe.lines(), ["second", "third"]);
}

#[tokio::test]
async fn a_queue_that_is_not_worked_waits_and_the_store_is_not_asked_for_it() {
    let probe = Arc::default();
    let store = SlowStore::new(Clock::system());
    let backend = Backend::store(Arc::clone(&store) as _).queues(QUEUES).work([("a", 9)]);
    let board = start(tasks![say], &probe, backend, Clock::system()).await;
    board.until_idle().await;
    let asked = store.claim.asked();
    for _ in 0..50 {
        board.enqueue(say::with("never").queue("b")).await.unwrap();
    }
    assert_eq!(store.claim.asked(), asked);
    end(board.enqueue(say::with("here").queue("a")).await.unwrap()).await;
    assert_eq!(probe.lines(), ["here"]);
    assert_eq!(ready(&board.stats("default").await.unwrap(), "b"), 50);
}

fn ready(stats: &Stats, queue: &str) -> u64 {
    stats.queues.get(queue).and_then(|queue| queue.phases.get(&Phase::Ready)).copied().unwrap_or_default()
}

#[tokio::test]
async fn all_queues_but_those_left_out_are_worked() {
    let probe = Arc::default();
    let board = board(&probe, Work::all().except(["b"])).await;
    let left_out = board.enqueue(say::with("b").queue("b")).await.unwrap();
    for queue in ["a", "c"] {
        within(5, end(board.enqueue(say::with(queue).queue(queue)).await.unwrap())).await;
    }
    board.until_idle().await;
    assert_eq!(phase(&board, left_out.id()).await, Phase::Ready);
    assert_eq!(probe.lines(), ["a", "c"]);
}

#[tokio::test]
async fn queues_take_turns_however_many_jobs_one_of_them_has() {
    let probe: Arc<Probe> = Arc::default();
    let store = SlowStore::new(Clock::system());
    let writer = Backend::store(Arc::clone(&store) as _).queues(QUEUES).enqueue_only();
    let writer = start(tasks![say], &probe, writer, Clock::system()).await;
    let many = (0..100).map(|n| say::with(format!("a{n}")).queue("a").priority(100).erase());
    writer.enqueue_all(many.collect()).await.unwrap();
    writer.enqueue(say::with("b").queue("b")).await.unwrap();
    let backend = Backend::store(Arc::clone(&store) as _).queues(QUEUES).workers(1).concurrency(4);
    let worker = start(tasks![say], &probe, backend.work([("a", 2), ("b", 2)]), Clock::system()).await;
    worker.until_idle().await;
    assert_eq!(probe.lines().len(), 101);
    let place = probe.lines().iter().position(|line| line == "b").unwrap();
    assert!(place < 10, "b was number {place}");
}

#[tokio::test]
async fn a_process_that_works_nothing_never_claims_and_beats_all_the_same() {
    let probe = Arc::default();
    let store = SlowStore::new(Clock::system());
    let lease = Duration::from_millis(300);
    let backend = Backend::store(Arc::clone(&store) as _).lease(lease).enqueue_only();
    let board = start(tasks![say], &probe, backend, Clock::system()).await;
    let waits = board.enqueue(say::with("elsewhere")).await.unwrap();
    let beats = store.beat.asked();
    until("it has beaten", || store.beat.asked() >= beats + 3).await;
    assert_eq!(store.claim.asked(), 0);
    let health = board.health().await;
    assert!(health.is_ready() && health.backends[0].lease && health.backends[0].workers.is_empty(), "{health:?}");
    within(5, board.until_idle()).await;

    let other = Backend::store(Arc::clone(&store) as _).lease(lease);
    let other = start(tasks![say], &probe, other, Clock::system()).await;
    within(5, end(waits)).await;
    assert_eq!(probe.lines(), ["elsewhere"]);
    drop(other);
}

#[tokio::test]
async fn the_tasks_of_a_process_that_works_nothing_keep_no_job_from_being_parked() {
    let probe = Arc::default();
    let store = SlowStore::new(Clock::system());
    let web = Backend::store(Arc::clone(&store) as _).enqueue_only();
    let web = start(tasks![say], &probe, web, Clock::system()).await;
    let waits = web.enqueue(say::with("later")).await.unwrap();
    store.control(Control::Park).await.unwrap();
    assert_eq!(phase(&web, waits.id()).await, Phase::Parked);
    let worker = start(tasks![say], &probe, Backend::store(Arc::clone(&store) as _), Clock::system()).await;
    within(5, end(waits)).await;
    drop(worker);
}

#[tokio::test]
async fn a_board_is_idle_when_nothing_that_is_due_is_left_to_it() {
    let probe = Arc::default();
    let clock = Clock::manual(START);
    let backend = Backend::memory();
    let board = start(tasks![say, fail, say_twice], &probe, backend, clock.clone()).await;
    board.enqueue(say::with("later").run_after(HOUR)).await.unwrap();
    board.enqueue(say_twice::with()).await.unwrap();
    board.enqueue(fail::with().max_attempts(2)).await.unwrap();
    within(5, board.until_idle()).await;
    let mut lines = probe.lines();
    lines.sort();
    assert_eq!(lines, ["failed", "first", "second"]);
    clock.advance(HOUR);
    within(5, board.until_idle()).await;
    assert_eq!((probe.count("later"), probe.count("failed")), (1, 2));
}

#[tokio::test]
async fn a_board_with_a_share_starts_so_many_attempts_and_no_more() {
    let probe: Arc<Probe> = Arc::default();
    let store = SlowStore::new(Clock::system());
    let backend = || Backend::store(Arc::clone(&store) as _).workers(2).concurrency(8);
    let builder = || Callboard::builder().backend("default", backend()).tasks(tasks![say, fail]);
    let board = builder().data_arc(Arc::clone(&probe)).max_tasks(10).start().await.unwrap();
    let calls = (0..25).map(|n| say::with(n.to_string()).erase());
    board.enqueue_all(calls.collect()).await.unwrap();
    within(5, board.until_idle()).await;
    assert!(board.has_done_its_share());
    assert_eq!(probe.lines().len(), 10);
    let waits = board.enqueue(say::with("more")).await.unwrap();
    assert_eq!(phase(&board, waits.id()).await, Phase::Ready);
    board.shutdown().await;
    let next = builder().data_arc(Arc::clone(&probe)).start().await.unwrap();
    within(5, next.until_idle()).await;
    assert_eq!(probe.lines().len(), 26);
}

#[tokio::test]
async fn what_goes_back_unstarted_is_no_part_of_the_share() {
    let probe: Arc<Probe> = Arc::default();
    let backend = Backend::memory().workers(1).concurrency(1);
    let builder = Callboard::builder().backend("default", backend).tasks(tasks![say, stay]).max_tasks(3);
    let board = builder.data_arc(Arc::clone(&probe)).start().await.unwrap();
    let first = board.enqueue(stay::with()).await.unwrap();
    until("it is inside", || probe.inside() == 1).await;
    board.enqueue(say::with("one")).await.unwrap();
    board.enqueue(say::with("two")).await.unwrap();
    // Claimed ahead or not, after a second without a start they stand in the store again.
    tokio::time::sleep(Duration::from_millis(1_600)).await;
    probe.gate.open();
    end(first).await;
    until_async("the share is done", async || board.has_done_its_share()).await;
    within(5, board.until_idle()).await;
    assert_eq!(probe.lines(), ["one", "two"]);
}

#[tokio::test]
async fn a_queue_that_the_backend_does_not_have_cannot_be_worked() {
    let backend = Backend::memory().queues(["a", "b"]).work([("a", 1), ("c", 1)]);
    let refused = Callboard::builder().backend("default", backend).tasks(tasks![]).start().await.unwrap_err();
    assert!(matches!(refused, StartError::Backend { .. }));
    assert_eq!(
        refused.to_string(),
        "the backend \"default\" works the queue \"c\", which it does not have; it has a, b"
    );
    let builder = || Callboard::builder().backend("default", Backend::memory().queues(["a", "b"]));
    assert_eq!(builder().works_all_but(&["c".into()]).unwrap_err(), "no backend has a queue \"c\"; there are a, b");
    assert!(builder().works_only(&[("a".into(), Some(2))]).is_ok());
}

/// What tests ask of a board.
trait Running {
    async fn until_running(&self, attempts: usize);
}

impl Running for Callboard {
    async fn until_running(&self, attempts: usize) {
        until_async("so many run", async || self.health().await.backends[0].running == attempts).await;
    }
}
