//! Everything at once: tasks of every kind, cancellations, and our own actors made to panic. At the end nothing is
//! lost, nothing is held, and every job has come to one end.

use std::sync::Arc;
use std::time::Duration;

use callboard_tasks::{Clock, Data, JobId, Phase, Stop, TaskContext, WaitFor, task, tasks};
use futures::future::{join_all, join3};

use super::desk_of as desk;
use super::support::{Probe, SOON, SlowStore, until, within};
use crate::queue::{CrashBackend, CrashWorker};
use crate::{Backend, Callboard};

#[task]
async fn good(probe: Data<Probe>) {
    let _inside = probe.enter();
}

#[task]
async fn wait(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

#[task]
fn sync(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
}

#[task(max_attempts = 3, backoff = "5ms")]
async fn flaky(context: TaskContext) -> Result<(), String> {
    if context.attempt() < 3 { Err("not yet".into()) } else { Ok(()) }
}

#[task(max_attempts = 2, backoff = "5ms")]
async fn panics() {
    tokio::task::yield_now().await;
    panic!("as it does");
}

#[task(timeout = "5ms", max_attempts = 2, backoff = "5ms")]
async fn too_long() {
    std::future::pending::<()>().await;
}

#[task]
async fn holds_the_thread(millis: u64) {
    std::thread::sleep(Duration::from_millis(millis));
}

#[task]
async fn snoozes(context: TaskContext) -> Result<(), Stop> {
    if context.run() < 3 { Err(Stop::snooze(Duration::from_millis(3))) } else { Ok(()) }
}

#[task(max_attempts = 1)]
async fn listens(context: TaskContext) {
    futures::future::select(Box::pin(context.cancelled()), Box::pin(tokio::time::sleep(Duration::from_millis(20))))
        .await;
}

/// Numbers without a pattern, and the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

async fn enqueue_some(board: Callboard, seed: u64) -> Vec<JobId> {
    let mut dice = Dice(seed);
    let mut ids = Vec::new();
    for _ in 0..600 {
        let call = match dice.roll(12) {
            0..4 => good::with().erase(),
            4 => wait::with(dice.roll(10)).erase(),
            5 => sync::with(dice.roll(3)).erase(),
            6 => flaky::with().erase(),
            7 => panics::with().erase(),
            8 => too_long::with().erase(),
            9 => holds_the_thread::with(dice.roll(4)).erase(),
            10 => snoozes::with().erase(),
            _ => listens::with().erase(),
        };
        let call = vec![call; if dice.roll(4) == 0 { 3 } else { 1 }];
        ids.extend(board.enqueue_all(call).await.unwrap().iter().map(|result| result.id()));
        if dice.roll(5) == 0 {
            let victim = ids[usize::try_from(dice.roll(u64::try_from(ids.len()).unwrap())).unwrap()];
            let _ = board.cancel(victim).await;
        }
        if dice.roll(3) == 0 {
            tokio::time::sleep(Duration::from_millis(dice.roll(15))).await;
        }
    }
    ids
}

/// Makes our actors panic now and then, within their budgets.
async fn crash_some(board: Callboard) {
    let mut dice = Dice(7);
    for _ in 0..15 {
        tokio::time::sleep(Duration::from_millis(10 + dice.roll(20))).await;
        let desk = desk(&board);
        if dice.roll(3) == 0 {
            until("there is a backend", || desk.backend.is_alive()).await;
            desk.backend.with(|backend| backend.do_send(CrashBackend));
        } else {
            let slot = &desk.slots[usize::try_from(dice.roll(2)).unwrap()];
            // One that is away has nothing to lose.
            if slot.live.is_alive() {
                slot.live.with(|worker| worker.do_send(CrashWorker));
            }
        }
        // A mailbox with two of these would abort the process: actix goes on with it while it unwinds.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn whatever_happens_every_job_comes_to_one_end() {
    everything_at_once(Backend::memory(), async || {}).await;
}

#[tokio::test]
async fn whatever_happens_beside_a_store_that_fails_now_and_then_every_job_comes_to_one_end() {
    let store = SlowStore::new(Clock::system());
    let backend = Backend::store(Arc::clone(&store) as _).lease(Duration::from_millis(300));
    let fail_some = async || {
        let mut dice = Dice(11);
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_millis(100 + dice.roll(50))).await;
            match dice.roll(4) {
                0 => store.finish.fail(1),
                1 => store.claim.fail(1),
                2 => store.claim.panic(1),
                _ => store.beat.fail(1),
            }
        }
    };
    everything_at_once(backend, fail_some).await;
}

async fn everything_at_once(backend: Backend, meanwhile: impl AsyncFn()) {
    let probe: Arc<Probe> = Arc::default();
    let tasks = tasks![good, wait, sync, flaky, panics, too_long, holds_the_thread, snoozes, listens];
    let builder = Callboard::builder().backend("default", backend.workers(2).concurrency(20)).tasks(tasks);
    let board = builder.data_arc(Arc::clone(&probe)).start().await.unwrap();
    let enqueues = join_all((0..4).map(|seed| enqueue_some(board.clone(), seed)));
    let (ids, (), ()) = within(60, join3(enqueues, crash_some(board.clone()), meanwhile())).await;
    let ids = ids.concat();

    let ends = ids.iter().map(|id| board.wait(*id, WaitFor::Finished, SOON));
    for end in within(60, join_all(ends)).await {
        let end = end.unwrap();
        let (task, phase) = (end.task().rsplit('.').next().unwrap().to_owned(), end.phase());
        let expected = match task.as_str() {
            "panics" | "too_long" => Phase::Failed,
            _ => Phase::Successful,
        };
        assert!(phase == expected || phase == Phase::Cancelled, "{task}: {phase} {:?}", end.errors());
        assert!(end.attempts() <= end.max_attempts() && end.job().state.losses == 0, "{end:?}");
    }
    let desk = desk(&board);
    until("nothing is held", || desk.claimed() == 0 && desk.running() == 0).await;
    assert_eq!(desk.cancels_asked(), 0);
    assert_eq!(probe.inside(), 0);
    let health = board.health().await;
    assert!(health.is_ready(), "{health:?}");
    let stats = board.stats("default").await.unwrap();
    let counted: u64 = stats.queues["default"].phases.values().sum();
    assert_eq!(counted, u64::try_from(ids.len()).unwrap(), "{stats:?}");
}
