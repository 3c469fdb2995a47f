//! A board takes its threads along when it goes. In a process of its own, whose threads can be counted.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

#[path = "it/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler};
use callboard_actors::{Backend, Callboard, TaskFinished};
use callboard_tasks::{Clock, Data, task, tasks};
use futures::executor::block_on;

use support::{Probe, SlowStore, until, within};

#[task]
async fn stay(probe: Data<Probe>) {
    let _inside = probe.enter();
    probe.gate.pass().await;
}

#[task]
fn stay_blocking(probe: Data<Probe>) {
    let _inside = probe.enter();
    probe.gate.pass_blocking();
}

#[task]
async fn enqueue_for_ever(board: Data<Callboard>, probe: Data<Probe>) {
    let _inside = probe.enter();
    while board.enqueue(stay::with().run_after("1h")).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

/// A receiver that hears nothing, because it is busy for ever.
struct Busy;

impl Actor for Busy {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.wait(actix::fut::wrap_future(std::future::pending::<()>()));
    }
}

impl Handler<TaskFinished> for Busy {
    type Result = ();

    fn handle(&mut self, _: TaskFinished, _: &mut Context<Self>) {}
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

async fn start(probe: &Arc<Probe>, store: &Arc<SlowStore>) -> Callboard {
    let builder = Callboard::builder().backend("default", Backend::store(Arc::clone(store) as _).workers(3));
    let builder = builder.backend("memory", Backend::memory().workers(2)).backend("immediate", Backend::immediate());
    builder.tasks(tasks![stay, stay_blocking, enqueue_for_ever]).data_arc(Arc::clone(probe)).start().await.unwrap()
}

/// The names of all threads.
fn names() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok()).collect()
}

async fn gone(before: usize, store: &Arc<SlowStore>) {
    let start = std::time::Instant::now();
    while threads() > before {
        assert!(start.elapsed() < Duration::from_secs(20), "more than {before} threads are left: {:?}", names());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    until("nobody holds its store", || Arc::strong_count(store) == 1).await;
}

// One test, for it counts all threads there are.
#[actix::test]
async fn a_board_that_is_dropped_or_shut_down_leaves_no_thread_behind() {
    let store = SlowStore::new(Clock::system());
    let before = threads();

    // Nothing has run.
    drop(start(&Arc::default(), &store).await);
    gone(before, &store).await;

    // Attempts are under way, of each kind; waiters wait; a receiver is stuck.
    for round in 0..3 {
        // A store of its own: what the round before has left behind would run in this one.
        let (probe, store) = (Arc::<Probe>::default(), SlowStore::new(Clock::system()));
        let board = start(&probe, &store).await;
        until("two threads and five workers are there", || threads() >= before + 2 + 5).await;
        board.subscribe::<TaskFinished>(Busy.start().recipient());
        for _ in 0..20 {
            board.enqueue(stay::with()).await.unwrap();
            board.enqueue(stay::with().backend("memory")).await.unwrap();
            board.enqueue(stay::with().run_after("1h")).await.unwrap();
        }
        if round > 0 {
            // One that holds the board for as long as it is let.
            board.enqueue(enqueue_for_ever::with()).await.unwrap();
        }
        until("they run", || probe.inside() >= 40).await;
        if round == 2 {
            // A sync function cannot be stopped: its thread goes once it returns.
            board.enqueue(stay_blocking::with()).await.unwrap();
            until("it runs", || probe.inside() >= 42).await;
        }
        let waits = board.enqueue(stay::with().run_after("1h")).await.unwrap();
        let waiting = tokio::spawn(waits.wait(Duration::from_secs(3_600)));
        tokio::task::yield_now().await;
        if round == 0 {
            // Who waits holds the board, as any handle does.
            waiting.abort();
        }
        drop(board.clone());
        if round == 0 {
            drop(board);
        } else {
            let stopping = std::thread::spawn(move || {
                let report = board.blocking().shutdown();
                drop(board);
                report
            });
            probe.gate.open();
            let report = within(60, async move {
                until("it has stopped", || stopping.is_finished()).await;
                stopping.join().unwrap()
            })
            .await;
            assert_eq!(report.abandoned, 0, "{report:?}");
            assert!(within(5, waiting).await.unwrap().is_err());
        }
        gone(before, &store).await;
    }

    // One after the other, many.
    for _ in 0..10 {
        let board = start(&Arc::default(), &store).await;
        block_on(board.enqueue(stay::with().run_after("1h"))).unwrap();
        within(30, board.shutdown()).await;
    }
    gone(before, &store).await;
}
