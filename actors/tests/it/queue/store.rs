//! A store that fails, hangs, or is shared with other processes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use callboard_actors::{Backend, Callboard};
use callboard_tasks::{
    AnyCall, CallOptions, CancelReason, Clock, Data, Error, JobId, Json, Lookup, Phase, Store, StoreError, TaskContext,
    WaitFor, WorkerId, task, tasks,
};
use futures::future::join_all;

use super::{end, start};
use crate::support::{HOUR, Probe, SOON, START, SlowStore, until, until_async, within};

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
fn stay_blocking(context: TaskContext, probe: Data<Probe>) -> u64 {
    let _inside = probe.enter();
    probe.gate.pass_blocking();
    context.run()
}

/// Says why it is told to stop.
#[task]
async fn listen(context: TaskContext, probe: Data<Probe>) {
    let _inside = probe.enter();
    if context.run() == 1 {
        match context.cancelled().await {
            CancelReason::LeaseLost => probe.say("lease lost"),
            other => probe.say(format!("{other:?}")),
        }
        std::future::pending::<()>().await;
    }
}

const BEAT: Duration = Duration::from_millis(100);

fn backend(store: &Arc<SlowStore>) -> Backend {
    Backend::store(Arc::clone(store) as _).lease(3 * BEAT).workers(2)
}

async fn board(probe: &Arc<Probe>, store: &Arc<SlowStore>) -> Callboard {
    start(tasks![say, stay, stay_blocking, listen], probe, backend(store), Clock::system()).await
}

async fn workers(store: &SlowStore) -> Vec<WorkerId> {
    store.stats().await.unwrap().workers.into_iter().map(|(id, _)| id).collect()
}

async fn phase(store: &SlowStore, id: JobId) -> Phase {
    match store.get(vec![id]).await.unwrap().remove(0) {
        Lookup::Found(job) => job.state.phase,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_enqueue_that_the_store_refuses_is_an_error_and_costs_nothing() {
    let (probe, store) = (Arc::default(), SlowStore::new(Clock::system()));
    let board = board(&probe, &store).await;
    for _ in 0..3 {
        store.enqueue.fail(1);
        let refused = within(5, board.enqueue(say::with("refused"))).await.unwrap_err();
        assert!(matches!(&refused, Error::Store(StoreError::Busy(_))) && refused.is_transient(), "{refused:?}");
    }
    end(board.enqueue(say::with("taken")).await.unwrap()).await;
    assert_eq!(probe.lines(), ["taken"]);
    until_async("nothing is held", async || board.health().await.backends[0].claimed == 0).await;
}

#[tokio::test]
async fn calls_that_wait_share_the_next_commit() {
    let (probe, store) = (Arc::default(), SlowStore::new(Clock::system()));
    let board = board(&probe, &store).await;
    store.enqueue.gate.close();
    let first = tokio::spawn({
        let board = board.clone();
        async move { board.enqueue(say::with("first")).await }
    });
    until("it is under way", || store.enqueue.asked() == 1).await;
    let begun = Arc::new(AtomicUsize::new(0));
    let rest: Vec<_> = (0..100)
        .map(|n| {
            let (board, begun) = (board.clone(), Arc::clone(&begun));
            tokio::spawn(async move {
                begun.fetch_add(1, Ordering::SeqCst);
                board.enqueue(say::with(n.to_string())).await
            })
        })
        .collect();
    until("all of them wait", || begun.load(Ordering::SeqCst) == 100).await;
    store.enqueue.gate.open();
    for placed in within(10, join_all(rest.into_iter().chain([first]))).await {
        end(placed.unwrap().unwrap()).await;
    }
    assert_eq!(store.enqueue.asked(), 2, "commits for 101 calls");
    assert_eq!(probe.lines().len(), 101);
}

#[tokio::test]
async fn outcomes_that_cannot_be_written_are_written_later() {
    let (probe, store) = (Arc::default(), SlowStore::new(Clock::system()));
    let board = board(&probe, &store).await;
    store.finish.fail(3);
    let result = board.enqueue(say::with("once")).await.unwrap();
    let done = within(10, end(result)).await;
    assert_eq!((done.phase(), done.attempts(), probe.count("once")), (Phase::Successful, 1, 1));
    assert_eq!(store.finish.asked(), 4);
}

#[tokio::test]
async fn a_claim_that_fails_is_tried_again() {
    let (probe, store) = (Arc::default(), SlowStore::new(Clock::system()));
    let board = board(&probe, &store).await;
    until("the first claim is through", || store.claim.asked() >= 1).await;
    store.claim.fail(2);
    let results = board.enqueue_all(vec![say::with("at last").erase(); 3]).await.unwrap();
    within(10, join_all(results.into_iter().map(end))).await;
    assert_eq!(probe.count("at last"), 3);
}

#[tokio::test]
async fn a_store_that_panics_fails_what_it_was_asked_and_nothing_else() {
    let (probe, store) = (Arc::default(), SlowStore::new(Clock::system()));
    let backend = Backend::store(Arc::clone(&store) as _).lease(3 * BEAT).workers(1).concurrency(2);
    let board = start(tasks![say], &probe, backend, Clock::system()).await;
    end(board.enqueue(say::with("before")).await.unwrap()).await;
    for _ in 0..3 {
        store.enqueue.panic(1);
        let refused = within(5, board.enqueue(say::with("lost"))).await.unwrap_err();
        assert!(matches!(refused, Error::Store(_)), "{refused:?}");
    }
    store.claim.panic(2);
    store.finish.panic(2);
    store.beat.panic(2);
    let beats = store.beat.asked();
    until("the Heart beats on", || store.beat.asked() >= beats + 4).await;
    let results = board.enqueue_all(vec![say::with("after").erase(); 3]).await.unwrap();
    board.enqueue(say::with("after")).await.unwrap();
    within(5, join_all(results.into_iter().map(end))).await;
    until("all have run", || probe.count("after") == 4).await;
    until_async("nothing is held", async || board.health().await.backends[0].claimed == 0).await;
    assert!(board.health().await.is_ready());
}

#[tokio::test]
async fn without_an_answer_for_a_lease_nothing_new_is_started() {
    let (probe, store) = (Arc::default(), SlowStore::new(Clock::system()));
    let board = board(&probe, &store).await;
    let runs = board.enqueue(stay::with()).await.unwrap();
    until("it runs", || probe.inside() == 1).await;
    store.beat.gate.close();
    until_async("the lease is in doubt", async || !board.health().await.backends[0].lease).await;
    let health = board.health().await;
    assert!(health.is_alive() && !health.is_ready(), "{health:?}");
    // The Heart notices at its next beat; from then on nothing starts.
    let beats = store.beat.asked();
    until("it has noticed", || store.beat.asked() >= beats + 2).await;
    let waits = board.enqueue(say::with("new")).await.unwrap();
    until("more beats have passed", || store.beat.asked() >= beats + 5).await;
    assert_eq!((probe.lines().len(), probe.inside()), (0, 1), "what runs goes on, and nothing starts");
    store.beat.gate.open();
    within(5, end(waits)).await;
    assert!(board.health().await.is_ready());
    probe.gate.open();
    let runs = within(5, end(runs)).await;
    assert_eq!((runs.phase(), runs.attempts(), runs.job().state.losses), (Phase::Successful, 1, 0));
}

/// A board by a manual clock, whose lease the test can let end; and its worker.
async fn mortal(probe: &Arc<Probe>) -> (Callboard, Arc<SlowStore>, Clock, WorkerId) {
    let clock = Clock::manual(START);
    let store = SlowStore::new(clock.clone());
    let tasks = tasks![say, stay, stay_blocking, listen];
    let board = start(tasks, probe, backend(&store), clock.clone()).await;
    let worker = workers(&store).await.remove(0);
    (board, store, clock, worker)
}

/// What a peer does that has seen the lease expired.
async fn take_the_lease(store: &SlowStore, clock: &Clock, worker: WorkerId) -> usize {
    store.beat.gate.close();
    clock.advance(HOUR);
    let freed = store.rescue(worker).await.unwrap();
    store.beat.gate.open();
    freed
}

#[tokio::test]
async fn a_process_that_lost_its_lease_lets_go_registers_anew_and_goes_on() {
    let probe: Arc<Probe> = Arc::default();
    let (board, store, clock, worker) = mortal(&probe).await;
    let result = board.enqueue(listen::with()).await.unwrap();
    until("it listens", || probe.inside() == 1).await;
    assert_eq!(take_the_lease(&store, &clock, worker).await, 1);
    until("it was told", || probe.said("lease lost") || probe.inside() == 0).await;
    let done = within(10, end(result)).await;
    let state = &done.job().state;
    assert_eq!((done.phase(), done.attempts(), state.losses, state.run), (Phase::Successful, 1, 1, 2));
    let now = workers(&store).await;
    assert!(now.len() == 1 && now[0] != worker, "under a new id: {now:?}");
    assert_eq!(done.worker_ids(), now);
    within(5, end(board.enqueue(say::with("on")).await.unwrap())).await;
}

#[tokio::test]
async fn what_a_lost_run_comes_to_changes_nothing() {
    let probe: Arc<Probe> = Arc::default();
    let (board, store, clock, worker) = mortal(&probe).await;
    // A sync function cannot be stopped: its first run goes on beside the second.
    let result = board.enqueue(stay_blocking::with()).await.unwrap();
    until("it runs", || probe.inside() == 1).await;
    take_the_lease(&store, &clock, worker).await;
    until("it runs again", || probe.inside() == 2).await;
    probe.gate.open();
    let done = within(10, end(result)).await;
    assert_eq!(done.return_value(), Ok(&2), "the run that has the job counts");
    until("both have returned", || probe.inside() == 0).await;
    let again = board.get(done.id()).await.unwrap();
    assert_eq!(again.snapshot(), done.snapshot());
    until_async("nothing is held", async || {
        let health = &board.health().await.backends[0];
        (health.claimed, health.running) == (0, 0)
    })
    .await;
}

/// Its first run waits for the gate, a later one until it is cancelled.
#[task]
fn run_twice(context: TaskContext, probe: Data<Probe>) {
    probe.say(format!("run {}", context.run()));
    if context.run() == 1 {
        probe.gate.pass_blocking();
        probe.say("the first has returned");
        return;
    }
    while !context.is_cancelled() {
        std::thread::sleep(Duration::from_millis(1));
    }
    probe.say("told");
}

#[tokio::test]
async fn a_run_can_be_told_after_a_lost_run_of_the_same_job_has_returned() {
    let (probe, clock): (Arc<Probe>, _) = (Arc::default(), Clock::manual(START));
    let store = SlowStore::new(clock.clone());
    let board = start(tasks![run_twice], &probe, backend(&store), clock.clone()).await;
    let first = workers(&store).await.remove(0);
    let result = board.enqueue(run_twice::with()).await.unwrap();
    until("it runs", || probe.said("run 1")).await;
    clock.advance(HOUR);
    assert_eq!(store.rescue(first).await.unwrap(), 1);
    until("it runs again", || probe.said("run 2")).await;
    probe.gate.open();
    until("the first run has returned", || probe.said("the first has returned")).await;
    until("its outcome was refused", || store.finish.asked() >= 1).await;
    // The beat would tell it as well.
    store.beat.gate.close();
    board.cancel(result.id()).await.unwrap();
    assert_eq!(within(5, end(result)).await.phase(), Phase::Cancelled);
    assert!(probe.said("told"));
}

#[tokio::test]
async fn each_job_is_run_once_by_one_of_two_processes() {
    let (probe, store) = (Arc::new(Probe::default()), SlowStore::new(Clock::system()));
    let boards = [board(&probe, &store).await, board(&probe, &store).await];
    let calls = |from: usize| (from..from + 250).map(|n| say::with(n.to_string()).erase()).collect();
    let (left, right) = (boards[0].enqueue_all(calls(0)), boards[1].enqueue_all(calls(250)));
    let results = [left.await.unwrap(), right.await.unwrap()].concat();
    within(20, join_all(results.into_iter().map(end))).await;
    let mut lines: Vec<usize> = probe.lines().iter().map(|line| line.parse().unwrap()).collect();
    lines.sort_unstable();
    assert_eq!(lines, (0..500).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_task_of_another_process_is_not_run_here() {
    let (probe, store) = (Arc::default(), SlowStore::new(Clock::system()));
    let here = board(&probe, &store).await;
    let foreign = || {
        let args = Json::from_stored(r#"{"line":"ran"}"#.into());
        AnyCall::named("elsewhere.say", None, args, CallOptions::default())
    };
    let waits = here.enqueue_any(foreign()).await.unwrap();
    // Behind it in the same queue, others are run.
    for n in 0..50 {
        end(here.enqueue(say::with(n.to_string())).await.unwrap()).await;
    }
    let now = here.get(waits.id()).await.unwrap();
    assert!(matches!(now.phase(), Phase::Ready | Phase::Parked) && now.attempts() == 0, "{now:?}");

    #[task(name = "elsewhere.say")]
    async fn say_elsewhere(probe: Data<Probe>, line: String) {
        probe.say(format!("elsewhere {line}"));
    }
    let there = start(tasks![say_elsewhere], &probe, backend(&store), Clock::system()).await;
    let done = within(10, there.wait(waits.id(), WaitFor::Finished, SOON)).await.unwrap();
    assert_eq!((done.phase(), probe.count("elsewhere ran")), (Phase::Successful, 1));
}

#[tokio::test]
async fn what_a_process_leaves_behind_another_takes_up() {
    let (probe, store) = (Arc::new(Probe::default()), SlowStore::new(Clock::system()));
    let builder = Callboard::builder().backend("default", backend(&store)).tasks(tasks![say, stay]);
    let leaves = builder.data_arc(Arc::clone(&probe)).shutdown_grace(Duration::ZERO).start().await.unwrap();
    let result = leaves.enqueue(stay::with()).await.unwrap();
    until("it runs", || probe.inside() == 1).await;
    within(10, leaves.shutdown()).await;
    assert_eq!(phase(&store, result.id()).await, Phase::Ready);
    probe.gate.open();
    let stays = board(&probe, &store).await;
    let done = within(10, stays.wait(result.id(), WaitFor::Finished, SOON)).await.unwrap();
    assert_eq!((done.phase(), done.attempts(), done.job().state.losses), (Phase::Successful, 1, 0));
}

#[tokio::test]
async fn tasks_of_another_process_can_be_called_by_name() {
    let (probe, store) = (Arc::default(), SlowStore::new(Clock::system()));
    let _runs = board(&probe, &store).await;
    let front = start(tasks![], &probe, backend(&store), Clock::system()).await;
    let call = front.call_named("say", r#"["from the front"]"#).await.unwrap();
    assert_eq!((call.task(), call.args_json().unwrap()), ("it.say", r#"{"line":"from the front"}"#));
    let refused = front.call_named("it.say", r#"{"lines": 1}"#).await.unwrap_err();
    let Error::InvalidTask(refused) = refused else { panic!("{refused}") };
    let pointers: Vec<_> = refused.problems.iter().map(|problem| problem.pointer.as_str()).collect();
    assert_eq!(pointers, ["#/args/lines", "#/args/line"]);
    let unknown = front.call_named("sya", "[]").await.unwrap_err();
    assert!(matches!(unknown, Error::UnknownTask { .. }), "{unknown}");
}

#[tokio::test]
async fn a_job_that_another_process_enqueues_is_found_within_a_second() {
    let (probe, store) = (Arc::new(Probe::default()), SlowStore::new(Clock::system()));
    let _runs = board(&probe, &store).await;
    let front = start(tasks![], &probe, backend(&store), Clock::system()).await;
    until("the other one sleeps", || store.beat.asked() >= 6).await;
    let call = front.call_named("say", r#"["from the front"]"#).await.unwrap();
    front.enqueue_any(call).await.unwrap();
    within(2, until("it has run", || probe.said("from the front"))).await;
}
