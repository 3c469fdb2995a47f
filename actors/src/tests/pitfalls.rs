//! What actix 0.13 does not do for us, one test for each, and what we do about it.
//!
//! Each test fails without the cure that its comment names.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context as Waking, Poll};
use std::time::{Duration, Instant};

use actix::{Actor, AsyncContext, Context, Handler, ResponseFuture};
use callboard_tasks::{
    Clock, Data, Error, Phase, QueueNames, Snapshot, Supports, TaskDefinition, TaskOutput, TaskResult, task, tasks,
};
use futures::future::{FutureExt, join_all};

use super::desk_of as desk;
use super::support::{Gate, Probe, SOON, SlowStore, until, until_async, within};
use crate::queue::{CrashBackend, CrashWorker, Wake};
use crate::{Backend, Callboard, Door, Enqueue, TaskEnqueued, TaskFinished};

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

#[task]
async fn double(n: u64) -> u64 {
    2 * n
}

async fn start<const N: usize>(tasks: [&'static TaskDefinition; N], probe: &Arc<Probe>, backend: Backend) -> Callboard {
    let builder = Callboard::builder().backend("default", backend).tasks(tasks);
    builder.data_arc(Arc::clone(probe)).start().await.unwrap()
}

async fn end<T: TaskOutput>(result: TaskResult<T>) -> TaskResult<T> {
    result.wait(SOON).await.unwrap()
}

/// Makes a worker panic, and waits until it has been started again.
async fn crash_worker(board: &Callboard, number: usize) {
    let slot = Arc::clone(&desk(board).slots[number]);
    until("the worker is there", || slot.live.is_alive()).await;
    let before = slot.live.restarts();
    slot.live.with(|worker| worker.do_send(CrashWorker));
    until("the worker is started again", || slot.live.restarts() > before && slot.live.is_alive()).await;
}

async fn crash_backend(board: &Callboard) {
    let desk = desk(board);
    let before = desk.backend.restarts();
    desk.backend.with(|backend| backend.do_send(CrashBackend));
    until("the backend is started again", || desk.backend.restarts() > before && desk.backend.is_alive()).await;
}

/// A1: a panic in a handler kills the actor for good, also under actix's own `Supervisor`.
/// Take out `Verdict::Restart` in the `Ended` handler of `queue/backend.rs`, and the worker stays dead.
#[tokio::test]
async fn a1_a_worker_that_panics_is_started_again_and_nothing_is_lost() {
    let probe: Arc<Probe> = Arc::default();
    let board = start(tasks![stay, double], &probe, Backend::memory().workers(1)).await;
    let stays: Vec<_> = join_all((0..5).map(|_| board.enqueue(stay::with()))).await;
    until("they run", || probe.inside() == 5).await;
    for n in 0..5 {
        crash_worker(&board, 0).await;
        let result = within(5, end(board.enqueue(double::with(n)).await.unwrap())).await;
        assert_eq!((result.return_value(), result.attempts()), (Ok(&(2 * n)), 1));
    }
    probe.gate.open();
    for stay in stays {
        let stay = within(5, end(stay.unwrap())).await;
        // Attempts live on the thread, not in the actor: they did not even notice.
        assert_eq!((stay.phase(), stay.attempts(), stay.job().state.losses), (Phase::Successful, 1, 0));
    }
    let health = board.health().await;
    assert_eq!(health.backends[0].workers[0].restarts, 5);
    assert!(health.is_ready(), "{health:?}");
}

/// A1 for the actor that decides.
/// Take out the loop after `start(&report)` in `QueueBackend::supervised`, and nothing is claimed any more.
#[tokio::test]
async fn a1_a_backend_that_panics_is_started_again_and_nothing_is_lost() {
    let probe: Arc<Probe> = Arc::default();
    let board = start(tasks![stay, double], &probe, Backend::memory().workers(2)).await;
    let stays: Vec<_> = join_all((0..5).map(|_| board.enqueue(stay::with()))).await;
    until("they run", || probe.inside() == 5).await;
    for n in 0..5 {
        crash_backend(&board).await;
        let results = board.enqueue_all(vec![double::with(n).erase(); 50]).await.unwrap();
        within(5, join_all(results.into_iter().map(end))).await;
    }
    probe.gate.open();
    for stay in stays {
        let stay = within(5, end(stay.unwrap())).await;
        assert_eq!((stay.phase(), stay.attempts()), (Phase::Successful, 1));
    }
    let health = board.health().await;
    assert!(health.is_ready(), "{health:?}");
    assert_eq!(
        health.backends[0].workers.iter().map(|worker| worker.restarts).sum::<u64>(),
        0,
        "its children lived on"
    );
}

/// A1: what comes while an actor is away is not lost: it waits at the desk, not in a mailbox.
/// Take out `desk.looked()` in `QueueBackend::supervised`, and the new actor is never woken.
#[tokio::test]
async fn a1_what_comes_while_the_backend_is_away_is_not_lost() {
    let board = start(tasks![double], &Arc::default(), Backend::memory().workers(1)).await;
    for round in 0..12 {
        let desk = desk(&board);
        let before = desk.backend.restarts();
        desk.backend.with(|backend| backend.do_send(CrashBackend));
        // Before, while and after it dies and comes back.
        let mut results = Vec::new();
        let start = Instant::now();
        while desk.backend.restarts() == before || results.len() < 200 {
            assert!(start.elapsed() < SOON, "the backend is not started again");
            results.extend(board.enqueue_all(vec![double::with(round).erase(); 4]).await.unwrap());
            tokio::task::yield_now().await;
        }
        within(10, join_all(results.into_iter().map(end))).await;
    }
}

/// A1: a child that panics again and again is given up, and only its own backend is degraded.
/// Take out the budget in `Restarts::judge`, and it is restarted for ever.
#[tokio::test]
async fn a1_a_child_that_exhausts_its_budget_degrades_its_backend_alone() {
    let builder = Callboard::builder().memory().backend("other", Backend::memory()).tasks(tasks![double]);
    let board = builder.start().await.unwrap();
    for _ in 0..20 {
        crash_worker(&board, 0).await;
    }
    desk(&board).slots[0].live.with(|worker| worker.do_send(CrashWorker));
    until_async("health says so", async || board.health().await.backends[0].degraded.is_some()).await;
    let health = board.health().await;
    assert!(health.is_alive() && !health.is_ready(), "{health:?}");
    assert_eq!(health.backends[1].degraded, None);
    let other = board.enqueue(double::with(4).backend("other")).await.unwrap();
    assert_eq!(within(5, end(other)).await.return_value(), Ok(&8));
}

/// A2: a restart by actix keeps the old state, and forgets what the actor had spawned; so state lives at the desk, and
/// children find their supervisor there, not where it was when they started.
/// Let `start_child` keep `ctx.address()` for its guard, and the worker's end is reported to an actor that is dead.
#[tokio::test]
async fn a2_children_of_a_backend_that_was_started_again_are_still_supervised() {
    let board = start(tasks![double], &Arc::default(), Backend::memory().workers(1)).await;
    crash_backend(&board).await;
    crash_worker(&board, 0).await;
    let result = within(5, end(board.enqueue(double::with(2)).await.unwrap())).await;
    assert_eq!(result.return_value(), Ok(&4));
    crash_backend(&board).await;
    crash_worker(&board, 0).await;
    within(5, end(board.enqueue(double::with(3)).await.unwrap())).await;
}

/// A backend of one handler, which the test can hold.
struct OneHandler {
    gate: Arc<Gate>,
    taken: Arc<AtomicUsize>,
}

impl Actor for OneHandler {
    type Context = Context<Self>;
}

impl Handler<Enqueue> for OneHandler {
    type Result = ResponseFuture<Result<Snapshot, Error>>;

    fn handle(&mut self, Enqueue(call): Enqueue, ctx: &mut Context<Self>) -> Self::Result {
        self.taken.fetch_add(1, Ordering::SeqCst);
        // The mailbox stands still for as long as the gate is closed, and so do the answers.
        let gate = Arc::clone(&self.gate);
        ctx.wait(actix::fut::wrap_future(async move { gate.pass().await }));
        let gate = Arc::clone(&self.gate);
        async move {
            gate.pass().await;
            let spec = callboard_tasks::resolve(call, callboard_tasks::Timestamp::now())?;
            let job = callboard_tasks::Job::new(Arc::new(spec));
            Ok(Snapshot { backend: "own".into(), job, duplicate: false, replayed: false })
        }
        .boxed()
    }
}

/// A board beside such a backend, on a thread of the test's own.
async fn custom(inbox: usize) -> (Callboard, Arc<Gate>, Arc<AtomicUsize>) {
    let (gate, taken) = (Arc::new(Gate::default()), Arc::new(AtomicUsize::new(0)));
    let (tell, told) = tokio::sync::oneshot::channel();
    let actor = OneHandler { gate: Arc::clone(&gate), taken: Arc::clone(&taken) };
    std::thread::spawn(move || {
        let system = actix::System::new();
        system.block_on(async {
            let _ = tell.send(actor.start().recipient());
        });
        let _ = system.run();
    });
    let backend = Backend::custom(Door::new(told.await.unwrap())).inbox(inbox);
    let builder = Callboard::builder().backend("default", backend).tasks(tasks![double]);
    (builder.start().await.unwrap(), gate, taken)
}

/// A3: actix skips a message without a word once its asker is dropped.
/// Await `recipient.send(..)` in the caller's own future in `CustomGate::ask`, and the second call never arrives.
#[tokio::test]
async fn a3_a_call_whose_enqueuer_goes_away_still_arrives() {
    let (board, gate, taken) = custom(10).await;
    let first = tokio::spawn({
        let board = board.clone();
        async move { board.enqueue(double::with(1)).await }
    });
    until("the first one holds the mailbox", || taken.load(Ordering::SeqCst) == 1).await;
    for n in 0..5 {
        let mut leaves = Box::pin(board.enqueue(double::with(n)));
        assert!(futures::poll!(&mut leaves).is_pending());
        drop(leaves);
    }
    gate.open();
    first.await.unwrap().unwrap();
    until("all have arrived", || taken.load(Ordering::SeqCst) == 6).await;
}

/// A3 for a backend with a store: the call is with the board, not with its caller.
/// Let the caller's future ask the store itself, and dropping it drops the call.
#[tokio::test]
async fn a3_a_call_of_a_slow_store_whose_enqueuer_goes_away_still_arrives() {
    let probe: Arc<Probe> = Arc::default();
    let store = SlowStore::new(Clock::system());
    let board = start(tasks![say], &probe, Backend::store(Arc::clone(&store) as _)).await;
    store.enqueue.gate.close();
    let mut leaves = Box::pin(board.enqueue(say::with("arrived")));
    assert!(futures::poll!(&mut leaves).is_pending());
    drop(leaves);
    store.enqueue.gate.open();
    until("it has run", || probe.said("arrived")).await;
}

/// A4: the capacity of a mailbox bounds nothing, so a permit stands in front of the store.
/// Take out `room_for` in `queue/gate.rs`, and the third caller is taken.
#[tokio::test]
async fn a4_a_full_inbox_refuses_at_once_or_after_a_wait() {
    let probe: Arc<Probe> = Arc::default();
    let store = SlowStore::new(Clock::system());
    let board = start(tasks![say], &probe, Backend::store(Arc::clone(&store) as _).inbox(2)).await;
    store.enqueue.gate.close();
    let enqueue = |line: &str| {
        let (board, line) = (board.clone(), line.to_owned());
        tokio::spawn(async move { board.enqueue(say::with(line)).await })
    };
    let taken = [enqueue("a"), enqueue("b")];
    until("both are taken", || desk(&board).inbox_permits.available_permits() == 0).await;
    let full = board.try_enqueue_any(say::with("c").erase()).await;
    assert!(matches!(full, Err(Error::Full { ref alias }) if alias == "default"), "{full:?}");

    let waits = enqueue("c");
    tokio::task::yield_now().await;
    store.enqueue.gate.open();
    for result in taken.into_iter().chain([waits]) {
        within(5, async { end(result.await.unwrap().unwrap()).await }).await;
    }
    assert_eq!(probe.count("c"), 1, "who was refused was not enqueued, and who waited was");
}

/// A4: who waits for room waits at most five seconds.
/// Take out `hub.within(ROOM_WAIT, ..)` in `room_for`, and the caller waits for ever.
#[tokio::test]
async fn a4_who_waits_for_room_is_refused_after_five_seconds() {
    let store = SlowStore::new(Clock::system());
    let board = start(tasks![double], &Arc::default(), Backend::store(Arc::clone(&store) as _).inbox(1)).await;
    store.enqueue.gate.close();
    let mut first = Box::pin(board.enqueue(double::with(1)));
    assert!(futures::poll!(&mut first).is_pending());
    let start = Instant::now();
    let refused = within(10, board.enqueue(double::with(2))).await;
    assert!(matches!(refused, Err(Error::Full { .. })), "{refused:?}");
    assert!((Duration::from_millis(4_900)..Duration::from_secs(7)).contains(&start.elapsed()));
}

/// A4: who leaves while waiting for room takes nothing with it.
/// Reserve a worker's permit before there is room in the inbox, and each one that leaves costs the board a permit.
#[tokio::test]
async fn a4_who_leaves_while_waiting_for_room_leaves_nothing_behind() {
    let store = SlowStore::new(Clock::system());
    let backend = Backend::store(Arc::clone(&store) as _).inbox(1).concurrency(4).workers(1);
    let board = start(tasks![double], &Arc::default(), backend).await;
    end(board.enqueue(double::with(0)).await.unwrap()).await;
    store.enqueue.gate.close();
    let first = tokio::spawn({
        let board = board.clone();
        async move { board.enqueue(double::with(1)).await }
    });
    until("it is under way", || store.enqueue.asked() == 2).await;
    for n in 0..10 {
        let mut leaves = Box::pin(board.enqueue(double::with(n)));
        assert!(futures::poll!(&mut leaves).is_pending());
        drop(leaves);
    }
    store.enqueue.gate.open();
    end(first.await.unwrap().unwrap()).await;
    until("nothing is claimed", || desk(&board).claimed() == 0).await;
    assert_eq!(desk(&board).inbox_permits.available_permits(), 1);
}

/// A4: an enqueue of more calls than the inbox holds takes all of it, rather than to wait for what never comes.
/// Ask for as many permits as there are calls, and it is refused after five seconds.
#[tokio::test]
async fn a4_more_calls_at_once_than_the_inbox_holds_are_taken() {
    let store = SlowStore::new(Clock::system());
    let board = start(tasks![double], &Arc::default(), Backend::store(Arc::clone(&store) as _).inbox(2)).await;
    let results = within(4, board.enqueue_all(vec![double::with(1).erase(); 7])).await.unwrap();
    within(5, join_all(results.into_iter().map(end))).await;
    assert_eq!(desk(&board).inbox_permits.available_permits(), 2);
}

/// A4 for a backend of the user's own: what is refused has not been sent.
/// Ask the actor before there is room (as a future that is made runs at once), and it gets what its caller was refused.
#[tokio::test]
async fn a4_what_a_custom_backend_has_no_room_for_never_reaches_it() {
    let (board, gate, taken) = custom(1).await;
    let first = tokio::spawn({
        let board = board.clone();
        async move { board.enqueue(double::with(1)).await }
    });
    until("the first one holds the mailbox", || taken.load(Ordering::SeqCst) == 1).await;
    for n in 0..5 {
        let refused = within(5, board.try_enqueue_any(double::with(n).erase())).await;
        assert!(matches!(refused, Err(Error::Full { .. })), "{refused:?}");
    }
    gate.open();
    first.await.unwrap().unwrap();
    // Whatever was sent before this one has arrived before it.
    within(5, board.enqueue(double::with(7))).await.unwrap();
    assert_eq!(taken.load(Ordering::SeqCst), 2);
}

/// A4: a permit belongs to the call, not to its caller: whoever leaves does not make room.
/// Hold the permit in the caller's future, and callers who leave pile up calls in front of the actor.
#[tokio::test]
async fn a4_a_caller_who_leaves_a_custom_backend_makes_no_room() {
    let (board, gate, taken) = custom(2).await;
    for n in 0..2 {
        let mut leaves = Box::pin(board.enqueue(double::with(n)));
        assert!(futures::poll!(&mut leaves).is_pending());
        drop(leaves);
    }
    until("the first one holds the mailbox", || taken.load(Ordering::SeqCst) == 1).await;
    let refused = within(5, board.try_enqueue_any(double::with(3).erase())).await;
    assert!(matches!(refused, Err(Error::Full { .. })), "{refused:?}");
    gate.open();
    within(5, board.enqueue(double::with(4))).await.unwrap();
    assert_eq!(taken.load(Ordering::SeqCst), 3);
}

/// A5: a flooded mailbox starves the timers of its actor and of its thread.
/// Start the Heart on the coordination thread in `start_child`, and it does not beat while the flood lasts.
#[tokio::test]
async fn a5_the_heart_beats_while_the_backend_is_flooded() {
    let store = SlowStore::new(Clock::system());
    let backend = Backend::store(Arc::clone(&store) as _).lease(Duration::from_millis(300));
    let board = start(tasks![double], &Arc::default(), backend).await;
    until("it beats", || store.beat.asked() > 0).await;
    let (desk, stop) = (desk(&board), Arc::new(AtomicBool::new(false)));
    let flood = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            let mut sent = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                desk.backend.with(|backend| backend.do_send(Wake));
                sent += 1;
            }
            sent
        }
    });
    let beats = store.beat.asked();
    until("it beats as often as it should", || store.beat.asked() >= beats + 10).await;
    let health = board.health().await;
    stop.store(true, Ordering::Relaxed);
    assert!(health.heart && health.backends[0].lease, "{health:?}");
    assert!(flood.join().unwrap() > 10_000, "that was a flood");
}

/// Counts its polls until it is let go.
struct Polled<'a>(&'a AtomicUsize, Pin<Box<dyn Future<Output = ()> + 'a>>);

impl Future for Polled<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Waking<'_>) -> Poll<()> {
        self.0.fetch_add(1, Ordering::SeqCst);
        self.1.as_mut().poll(cx)
    }
}

/// How often anybody was polled, and two gates.
#[derive(Debug, Default)]
struct Polls {
    waiting: AtomicUsize,
    busy: AtomicUsize,
    gate: Gate,
}

#[task]
async fn wait_and_be_counted(polls: Data<Polls>) {
    let wait = polls.gate.pass();
    Polled(&polls.waiting, Box::pin(wait)).await;
}

#[task]
async fn wake_up_often(polls: Data<Polls>) {
    let work = async {
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
    };
    Polled(&polls.busy, Box::pin(work)).await;
}

/// A6: futures that are spawned into an actor's context are all polled whenever one of them wakes.
/// Spawn attempts with `ctx.spawn` instead of `actix_rt::spawn`, and each waiting one is polled a thousand times.
#[tokio::test]
async fn a6_an_attempt_that_wakes_up_wakes_no_other() {
    let polls: Arc<Polls> = Arc::default();
    let builder = Callboard::builder().backend("default", Backend::memory().workers(1));
    let board = builder.tasks(tasks![wait_and_be_counted, wake_up_often]).data_arc(Arc::clone(&polls)).start().await;
    let board = board.unwrap();
    let waiting = board.enqueue_all(vec![wait_and_be_counted::with().erase(); 50]).await.unwrap();
    until("they wait", || polls.waiting.load(Ordering::SeqCst) >= 50).await;
    within(10, end(board.enqueue(wake_up_often::with()).await.unwrap())).await;
    assert!(polls.busy.load(Ordering::SeqCst) >= 1_000);
    // Once in place, once as a task of its own.
    assert!(polls.waiting.load(Ordering::SeqCst) <= 100, "{} polls", polls.waiting.load(Ordering::SeqCst));
    polls.gate.open();
    within(10, join_all(waiting.into_iter().map(end))).await;
}

#[task(max_attempts = 1)]
async fn panic_after_a_wait() {
    tokio::time::sleep(Duration::from_millis(1)).await;
    panic!("after a wait");
}

/// A7: a panic in a future of an actor's context kills the actor.
/// Take `contain` out of `poll_once` in `queue/attempt.rs`, and what panics is run again and again instead of failing.
#[tokio::test]
async fn a7_an_attempt_that_panics_later_on_kills_no_actor() {
    let board = start(tasks![panic_after_a_wait, double], &Arc::default(), Backend::memory().workers(1)).await;
    for _ in 0..5 {
        let failed = within(5, end(board.enqueue(panic_after_a_wait::with()).await.unwrap())).await;
        assert_eq!(failed.errors()[0].message, "after a wait");
    }
    assert_eq!(board.health().await.backends[0].workers[0].restarts, 0);
    within(5, end(board.enqueue(double::with(1)).await.unwrap())).await;
}

#[task(max_attempts = 1)]
fn panic_on_the_pool() {
    panic!("on the pool");
}

#[task]
fn double_on_the_pool(n: u64) -> u64 {
    2 * n
}

/// A8: each panic costs actix's `SyncArbiter` a thread, until none is left.
/// Take `contain` out of `start_blocking`, and what panics is run again and again instead of failing.
#[tokio::test]
async fn a8_the_pool_survives_more_panics_than_it_has_threads() {
    let board = start(tasks![panic_on_the_pool, double_on_the_pool], &Arc::default(), Backend::memory()).await;
    let results = board.enqueue_all(vec![panic_on_the_pool::with().erase(); 200]).await.unwrap();
    for failed in within(10, join_all(results.into_iter().map(end))).await {
        assert_eq!(failed.errors()[0].message, "on the pool");
    }
    let results = board.enqueue_all(vec![double_on_the_pool::with(2).erase(); 200]).await.unwrap();
    within(10, join_all(results.into_iter().map(end))).await;
}

/// A9: a handler that awaits with `ctx.wait` or `AtomicResponse` holds its mailbox up.
/// Await the streams one after the other in `Handler<Wake>` instead of spawning them, and one holds up the others.
#[tokio::test]
async fn a9_one_stream_to_the_store_does_not_hold_up_another() {
    let probe: Arc<Probe> = Arc::default();
    let store = SlowStore::new(Clock::system());
    let board = start(tasks![say], &probe, Backend::store(Arc::clone(&store) as _)).await;
    until("the first claim is through", || store.claim.asked() > 0).await;
    end(board.enqueue(say::with("before")).await.unwrap()).await;

    store.claim.gate.close();
    let waits = within(5, board.enqueue_all(vec![say::with("claimed late").erase(); 2])).await.unwrap();
    within(5, board.enqueue(say::with("more"))).await.unwrap();
    store.claim.gate.open();
    within(5, join_all(waits.into_iter().map(end))).await;

    store.finish.gate.close();
    let results = within(5, board.enqueue_all(vec![say::with("written late").erase(); 10])).await.unwrap();
    until("they run although no outcome is written", || probe.count("written late") == 10).await;
    store.finish.gate.open();
    within(5, join_all(results.into_iter().map(end))).await;
}

/// A10: what is sent to a dead actor is lost without a word.
/// Take out the look at `is_alive` in `Desk::tell_of_work`, or `ctx.notify(Work)` in `Worker::started`, and a job waits
/// although a worker has come back.
#[tokio::test]
async fn a10_work_that_was_told_to_a_dead_worker_is_done_by_its_successor() {
    let board = start(tasks![double], &Arc::default(), Backend::memory().workers(1)).await;
    let slot = Arc::clone(&desk(&board).slots[0]);
    for n in 0..15 {
        until("it is there", || slot.live.is_alive()).await;
        let before = slot.live.restarts();
        slot.live.with(|worker| worker.do_send(CrashWorker));
        // Dead or about to die: it has been told of this one.
        let result = board.enqueue(double::with(n)).await.unwrap();
        assert_eq!(within(10, end(result)).await.return_value(), Ok(&(2 * n)));
        until("it is back", || slot.live.restarts() > before && slot.live.is_alive()).await;
    }
}

/// A11: all that runs on one arbiter stands still while one future holds its thread.
/// Start the workers on the coordination thread, and neither health nor an enqueue is answered.
#[tokio::test]
async fn a11_a_board_whose_workers_are_all_held_still_answers() {
    let probe: Arc<Probe> = Arc::default();
    let board = start(tasks![hold_the_thread, double], &probe, Backend::memory().workers(2)).await;
    let holders = board.enqueue_all(vec![hold_the_thread::with().erase(); 2]).await.unwrap();
    until("both threads are held", || probe.inside() == 2).await;
    let waits = within(1, board.enqueue(double::with(2))).await.unwrap();
    let health = within(2, board.health()).await;
    assert!(health.is_alive(), "{health:?}");
    within(1, board.list("default", Default::default(), callboard_tasks::Page { limit: 9, before: None }))
        .await
        .unwrap();
    probe.gate.open();
    within(5, end(waits)).await;
    within(5, join_all(holders.into_iter().map(end))).await;
}

#[task(max_attempts = 3)]
async fn stop_the_thread(probe: Data<Probe>) {
    if probe.count("stopped") == 0 {
        probe.say("stopped");
        actix_rt::Arbiter::current().stop();
        std::future::pending::<()>().await;
    }
}

/// A12: an arbiter that has ended takes no more work, and says so only to who asks.
/// Take out the replacement in `QueueBackend::home_of`, or the restart of a child whose thread has ended, and its
/// worker never comes back.
#[tokio::test]
async fn a12_a_worker_whose_thread_has_ended_gets_another() {
    let probe: Arc<Probe> = Arc::default();
    let board = start(tasks![stop_the_thread, stay, double], &probe, Backend::memory().workers(1)).await;
    let bystander = board.enqueue(stay::with()).await.unwrap();
    until("it runs", || probe.inside() == 1).await;
    let stops = board.enqueue(stop_the_thread::with()).await.unwrap();
    until("the thread was stopped", || probe.said("stopped")).await;
    for n in 0..5 {
        within(10, end(board.enqueue(double::with(n)).await.unwrap())).await;
    }
    probe.gate.open();
    // What ran on the thread went back in good order.
    let bystander = within(10, end(bystander)).await;
    assert_eq!((bystander.phase(), bystander.job().state.losses), (Phase::Successful, 0));
    assert_eq!(within(10, end(stops)).await.phase(), Phase::Successful);
    assert!(board.health().await.backends[0].workers[0].alive);
}

#[task]
async fn stop_the_thread_at_once(probe: Data<Probe>) {
    probe.say("stopped");
    actix_rt::Arbiter::current().stop();
}

/// A12 for the thread of an immediate backend.
/// Take out the look at the thread in `Home::get`, and every later call gets no answer.
#[tokio::test]
async fn a12_an_immediate_backend_whose_thread_has_ended_gets_another() {
    let probe: Arc<Probe> = Arc::default();
    let board = start(tasks![stop_the_thread_at_once, double], &probe, Backend::immediate()).await;
    let _ = within(5, board.enqueue(stop_the_thread_at_once::with())).await;
    assert!(probe.said("stopped"));
    until_async("it takes calls again", async || board.enqueue(double::with(2)).await.is_ok()).await;
    let result = board.enqueue(double::with(2)).await.unwrap();
    assert_eq!(result.return_value(), Ok(&4));
}

#[task]
async fn keep_to_the_thread(n: u64) -> u64 {
    let cell = Rc::new(Cell::new(n));
    let other = Rc::clone(&cell);
    tokio::task::yield_now().await;
    other.set(other.get() + 1);
    tokio::time::sleep(Duration::from_millis(1)).await;
    cell.get()
}

/// A13: futures that cannot travel between threads are welcome, for they never do.
/// Require `Send` of `Run::Async`, and this does not compile.
#[tokio::test]
async fn a13_a_future_that_is_not_send_runs() {
    for backend in [Backend::memory().workers(2), Backend::immediate()] {
        let board = start(tasks![keep_to_the_thread], &Arc::default(), backend).await;
        let result = within(5, board.enqueue(keep_to_the_thread::with(6))).await.unwrap();
        assert_eq!(within(5, end(result)).await.return_value(), Ok(&7));
    }
}

/// Counts what it hears once its gate is open.
struct SlowReceiver {
    gate: Arc<Gate>,
    heard: Arc<AtomicUsize>,
}

impl Actor for SlowReceiver {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        let gate = Arc::clone(&self.gate);
        ctx.wait(actix::fut::wrap_future(async move { gate.pass().await }));
    }
}

impl Handler<TaskFinished> for SlowReceiver {
    type Result = ();

    fn handle(&mut self, _: TaskFinished, _: &mut Context<Self>) {
        self.heard.fetch_add(1, Ordering::SeqCst);
    }
}

impl Handler<TaskEnqueued> for SlowReceiver {
    type Result = ();

    fn handle(&mut self, _: TaskEnqueued, _: &mut Context<Self>) {}
}

/// A14: actix's broker drops receivers whose mailbox is full.
/// Send events with `try_send` into the receiver's mailbox, and it hears of sixteen.
#[actix::test]
async fn a14_a_slow_receiver_loses_nothing_and_holds_nobody_up() {
    let (gate, heard) = (Arc::new(Gate::default()), Arc::new(AtomicUsize::new(0)));
    let receiver = SlowReceiver { gate: Arc::clone(&gate), heard: Arc::clone(&heard) }.start();
    let board = start(tasks![double], &Arc::default(), Backend::memory()).await;
    board.subscribe::<TaskFinished>(receiver.clone().recipient());
    board.subscribe::<TaskEnqueued>(receiver.recipient());
    let results = board.enqueue_all(vec![double::with(1).erase(); 5_000]).await.unwrap();
    within(20, join_all(results.into_iter().map(end))).await;
    assert_eq!(heard.load(Ordering::SeqCst), 0);
    gate.open();
    until("it has heard of all", || heard.load(Ordering::SeqCst) == 5_000).await;
    assert_eq!(board.health().await.dropped_events, 0);
}

/// A14: one that falls ten thousand behind loses events, counted; jobs go on.
/// Take the bound off the queue of events, and they fill the memory instead.
#[actix::test]
async fn a14_a_receiver_too_far_behind_loses_events_and_health_counts_them() {
    let (gate, heard) = (Arc::new(Gate::default()), Arc::new(AtomicUsize::new(0)));
    let receiver = SlowReceiver { gate: Arc::clone(&gate), heard: Arc::clone(&heard) }.start();
    let board = start(tasks![double], &Arc::default(), Backend::memory()).await;
    board.subscribe::<TaskFinished>(receiver.recipient());
    let results = board.enqueue_all(vec![double::with(1).erase(); 12_000]).await.unwrap();
    within(30, join_all(results.into_iter().map(end))).await;
    let dropped = board.health().await.dropped_events;
    assert!((1_900..=2_000).contains(&dropped), "{dropped}");
    gate.open();
    let rest = 12_000 - usize::try_from(dropped).unwrap();
    until("it has heard of the rest", || heard.load(Ordering::SeqCst) == rest).await;
}

/// A15: actix's registry of services is one for all of a thread's systems, so boards would meet in it.
/// Keep backends, tasks or subscribers in a static, and one board sees the other's.
#[actix::test]
async fn a15_two_boards_in_one_process_share_nothing() {
    let probes: [Arc<Probe>; 2] = Default::default();
    let heard: [Arc<AtomicUsize>; 2] = Default::default();
    let mut boards = Vec::new();
    for (probe, heard) in probes.iter().zip(&heard) {
        let board = start(tasks![say, stay], probe, Backend::memory().queues(["default"])).await;
        let receiver = SlowReceiver { gate: Arc::new(Gate::opened()), heard: Arc::clone(heard) }.start();
        board.subscribe::<TaskFinished>(receiver.recipient());
        boards.push(board);
    }
    let (left, right) = (&boards[0], &boards[1]);
    let result = end(left.enqueue(say::with("left")).await.unwrap()).await;
    assert_eq!((probes[0].lines(), probes[1].lines().len()), (vec!["left".to_owned()], 0));
    assert!(matches!(right.get(result.id()).await, Err(Error::NotFound(_))));
    left.pause("default", "default").await.unwrap();
    end(right.enqueue(say::with("right")).await.unwrap()).await;
    until("both have heard of their own", || heard.iter().all(|heard| heard.load(Ordering::SeqCst) == 1)).await;
    crash_worker(left, 0).await;
    assert_eq!(right.health().await.backends[0].workers[0].restarts, 0);
    left.shutdown().await;
    assert!(!right.is_draining());
    end(right.enqueue(say::with("still here")).await.unwrap()).await;
    let supports = Supports { get_result: true, ..Supports::ALL };
    assert_eq!((right.backends()[0].supports, &right.backends()[0].queues), (supports, &QueueNames::standard()));
}
