//! Several boards on one store, as several processes have it: who dies is missed, who only stood still is not.

use std::sync::Arc;
use std::time::Duration;

use callboard_actors::{Backend, Callboard};
use callboard_tasks::{Clock, Data, Lookup, Phase, Store, task, tasks};

use super::{end, start};
use crate::support::{Probe, SlowStore, until, until_async, within};

/// Stays until the gate opens.
#[task]
async fn hold(probe: Data<Probe>) {
    let _inside = probe.enter();
    probe.gate.pass().await;
}

const BEAT: Duration = Duration::from_millis(100);

async fn board(probe: &Arc<Probe>, store: &Arc<SlowStore>) -> Callboard {
    let backend = Backend::store(Arc::clone(store) as _).lease(3 * BEAT).workers(1).concurrency(4);
    start(tasks![hold], probe, backend, Clock::system()).await
}

#[tokio::test]
async fn the_jobs_of_a_board_that_died_run_elsewhere_and_count_a_loss() {
    let (dies, lives): (Arc<Probe>, Arc<Probe>) = Default::default();
    let store = SlowStore::new(Clock::system());
    let first = board(&dies, &store).await;
    let result = first.enqueue(hold::with()).await.unwrap();
    until("it runs", || dies.inside() == 1).await;
    let second = board(&lives, &store).await;
    // What it would still write goes nowhere, as when its process were killed.
    store.finish.gate.close();
    drop(first);
    let id = result.id();
    drop(result);
    until_async("its lease was taken", async || store.stats().await.unwrap().workers.len() == 1).await;
    store.finish.gate.open();
    until("the other one runs it", || lives.inside() == 1).await;
    lives.gate.open();
    let result = within(5, end(second.get(id).await.unwrap())).await;
    let state = &result.job().state;
    assert_eq!((result.phase(), state.run, state.losses, result.attempts()), (Phase::Successful, 2, 1, 1));
}

#[tokio::test]
async fn a_store_that_stood_still_costs_nobody_a_job() {
    let probes: [Arc<Probe>; 3] = Default::default();
    let store = SlowStore::new(Clock::system());
    let mut boards = Vec::new();
    for probe in &probes {
        boards.push(board(probe, &store).await);
    }
    let mut results = Vec::new();
    for board in &boards {
        results.push(board.enqueue(hold::with()).await.unwrap());
    }
    until("all run", || probes.iter().all(|probe| probe.inside() == 1)).await;
    for _ in 0..3 {
        let beats = store.beat.asked();
        store.beat.gate.close();
        // Two leases long nobody is answered.
        until("many beats were asked for", || store.beat.asked() >= beats + 3 * 6).await;
        store.beat.gate.open();
        until_async("all leases hold again", async || {
            let leases = store.stats().await.unwrap().workers;
            leases.len() == 3 && leases.iter().all(|(_, end)| *end > Clock::system().now())
        })
        .await;
    }
    for probe in &probes {
        assert_eq!(probe.inside(), 1, "no attempt was dropped");
        probe.gate.open();
    }
    for result in results {
        let result = within(5, end(result)).await;
        let state = &result.job().state;
        assert_eq!((result.phase(), state.run, state.losses), (Phase::Successful, 1, 0));
    }
}

#[tokio::test]
async fn who_waits_for_a_job_that_another_board_runs_hears_of_its_end() {
    let (runs, waits): (Arc<Probe>, Arc<Probe>) = Default::default();
    let store = SlowStore::new(Clock::system());
    let runner = board(&runs, &store).await;
    let result = runner.enqueue(hold::with()).await.unwrap();
    until("it runs", || runs.inside() == 1).await;
    let other = board(&waits, &store).await;
    let waiting = tokio::spawn(end(other.get(result.id()).await.unwrap()));
    runs.gate.open();
    assert_eq!(within(5, waiting).await.unwrap().phase(), Phase::Successful);
    assert_eq!(waits.inside(), 0);
}

#[tokio::test]
async fn a_board_that_shuts_down_leaves_nothing_to_be_rescued() {
    let (leaves, stays): (Arc<Probe>, Arc<Probe>) = Default::default();
    let store = SlowStore::new(Clock::system());
    let first = board(&leaves, &store).await;
    let result = first.enqueue(hold::with()).await.unwrap();
    until("it runs", || leaves.inside() == 1).await;
    let second = board(&stays, &store).await;
    let shutdown = tokio::spawn(async move { first.shutdown().await });
    leaves.gate.open();
    within(40, shutdown).await.unwrap();
    assert_eq!(store.stats().await.unwrap().workers.len(), 1);
    let Lookup::Found(job) = store.get(vec![result.id()]).await.unwrap().remove(0) else { panic!("it is kept") };
    assert_eq!((job.state.phase, job.state.losses), (Phase::Successful, 0));
    drop(second);
}

#[tokio::test]
async fn jobs_that_were_lost_run_one_right_after_the_other() {
    let (dies, lives): (Arc<Probe>, Arc<Probe>) = Default::default();
    let store = SlowStore::new(Clock::system());
    let first = board(&dies, &store).await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(first.enqueue(hold::with()).await.unwrap().id());
    }
    until("all run", || dies.inside() == 4).await;
    // A lease so long that no beat of this one finds them.
    let backend = Backend::store(Arc::clone(&store) as _).lease(Duration::from_secs(3600)).workers(1);
    let second = start(tasks![hold], &lives, backend, Clock::system()).await;
    lives.gate.open();
    store.finish.gate.close();
    drop(first);
    let worker = store.stats().await.unwrap().workers.into_iter().min_by_key(|(_, ends)| *ends).unwrap().0;
    until_async("its lease was taken", async || store.rescue(worker).await.unwrap() == 4).await;
    store.finish.gate.open();
    // The first of them is found by whatever makes the board look; all others because one has ended.
    within(5, end(second.enqueue_all(vec![hold::with().erase(); 101]).await.unwrap().remove(0))).await;
    for id in ids {
        let result = within(5, end(second.get(id).await.unwrap())).await;
        assert_eq!((result.phase(), result.job().state.losses), (Phase::Successful, 1));
    }
}
