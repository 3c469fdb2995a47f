//! Ten thousand who wait cost their store next to nothing: a program of its own, because it measures its memory.
#![allow(clippy::unwrap_used, missing_docs)]

#[allow(unused_imports)]
#[path = "it/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use callboard_actors::{Backend, Callboard};
use callboard_tasks::{Clock, Data, JobId, WaitFor, task, tasks};
use futures::future::join_all;

use support::{HOUR, Probe, SlowStore, until, within};

const WAITERS: usize = 10_000;
/// How much memory they may take, in bytes, a tenth of it for what joins them here. Futures that were not optimised are
/// larger.
const MOST: usize = if cfg!(debug_assertions) { 20_000_000 } else { 12_500_000 };

#[task]
async fn stay(probe: Data<Probe>) {
    let _inside = probe.enter();
    probe.gate.pass().await;
}

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[tokio::test]
async fn ten_thousand_waiters_ask_the_store_less_than_ten_times_a_second_and_take_a_kilobyte_each() {
    let probe: Arc<Probe> = Arc::default();
    let store = SlowStore::new(Clock::system());
    let backend = || Backend::store(Arc::clone(&store) as _).lease(Duration::from_millis(900)).concurrency(20_000);
    let runs = Callboard::builder().backend("default", backend()).tasks(tasks![stay]);
    let runs = runs.data_arc(Arc::clone(&probe)).start().await.unwrap();
    // They wait at another process: only the store can tell them.
    let waits = Callboard::builder().backend("default", backend().enqueue_only()).tasks(tasks![]);
    let waits = waits.start().await.unwrap();
    let calls = (0..WAITERS).map(|_| stay::with().erase()).collect();
    let ids: Vec<JobId> = runs.enqueue_all(calls).await.unwrap().iter().map(|result| result.id()).collect();
    until("all run", || probe.inside() == WAITERS).await;

    let (before, gets) = (resident(), store.get.asked());
    let all = tokio::spawn({
        let (waits, ids) = (waits.clone(), ids.clone());
        async move { join_all(ids.iter().map(|id| waits.wait(*id, WaitFor::Finished, HOUR))).await }
    });
    until("each has looked once", || store.get.asked() >= gets + WAITERS).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let grown = resident().saturating_sub(before);
    let (asked, began) = (store.get.asked(), Instant::now());
    tokio::time::sleep(Duration::from_secs(4)).await;
    let rate = (store.get.asked() - asked) as f64 / began.elapsed().as_secs_f64();
    println!("{rate:.1} reads a second, {:.1} MB", grown as f64 / 1e6);
    assert!(rate < 10.0, "{rate} reads a second");
    assert!(grown <= MOST, "{grown} bytes");

    probe.gate.open();
    for end in within(60, all).await.unwrap() {
        assert!(end.unwrap().is_finished());
    }
}
