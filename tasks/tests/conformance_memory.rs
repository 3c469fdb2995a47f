//! The memory store passes the suite that every store must pass, and keeps what is promised of it alone.
#![cfg(feature = "conformance")]

use std::sync::Arc;

use callboard_tasks::conformance::{Setup, Stage, run};
use callboard_tasks::{
    Change, Ending, Fate, Json, Lookup, MemoryOptions, MemoryStore, Phase, Store, store_conformance,
    store_feature_conformance,
};
use futures::FutureExt;

async fn open(setup: Setup) -> Arc<dyn Store> {
    open_with(setup, 100_000)
}

async fn open_small(setup: Setup) -> Arc<dyn Store> {
    open_with(setup, 3)
}

fn open_with(setup: Setup, keep_max: usize) -> Arc<dyn Store> {
    let Setup { clock, keep_successful, keep_failed, .. } = setup;
    Arc::new(MemoryStore::new(clock, MemoryOptions { keep_max, keep_successful, keep_failed }))
}

store_conformance!(memory, open);
store_feature_conformance!(features, open);

#[test]
fn every_case_is_in_the_list() {
    let sources = [
        include_str!("../src/conformance/cancel.rs"),
        include_str!("../src/conformance/change.rs"),
        include_str!("../src/conformance/claim.rs"),
        include_str!("../src/conformance/concurrency.rs"),
        include_str!("../src/conformance/control.rs"),
        include_str!("../src/conformance/enqueue.rs"),
        include_str!("../src/conformance/fairness.rs"),
        include_str!("../src/conformance/finish.rs"),
        include_str!("../src/conformance/hostile.rs"),
        include_str!("../src/conformance/idempotency.rs"),
        include_str!("../src/conformance/inquire.rs"),
        include_str!("../src/conformance/invariants.rs"),
        include_str!("../src/conformance/lease.rs"),
        include_str!("../src/conformance/limits.rs"),
        include_str!("../src/conformance/list.rs"),
        include_str!("../src/conformance/logs.rs"),
        include_str!("../src/conformance/losses.rs"),
        include_str!("../src/conformance/overrun.rs"),
        include_str!("../src/conformance/park.rs"),
        include_str!("../src/conformance/prune.rs"),
        include_str!("../src/conformance/reschedule.rs"),
        include_str!("../src/conformance/retry.rs"),
        include_str!("../src/conformance/schedules.rs"),
        include_str!("../src/conformance/unique.rs"),
    ];
    let list = include_str!("../src/conformance/cases.rs");
    let cases = sources.iter().flat_map(|source| source.split("\npub async fn ").skip(1));
    let forgotten = |case: &&str| !list.contains(&format!(" {case},\n"));
    let forgotten: Vec<_> = cases.filter_map(|case| case.split('(').next()).filter(forgotten).collect();
    assert_eq!(forgotten, [""; 0]);
}

#[test]
fn of_too_many_finished_jobs_the_oldest_go() {
    run(open_small, async |stage: &Stage| {
        let worker = stage.worker().await;
        let ids = stage.put_many(5).await;
        let mut jobs = stage.claim(worker, 5).await;
        jobs.reverse();
        for job in &jobs {
            stage.advance(std::time::Duration::from_secs(1));
            stage.succeed(job).await;
        }
        for id in &ids[..3] {
            assert_eq!(stage.phase(*id).await, Phase::Successful);
        }
        for id in &ids[3..] {
            assert_eq!(stage.look_up(*id).await, Lookup::Pruned);
        }
    });
}

#[test]
fn a_job_that_ran_again_goes_by_its_last_end() {
    run(open_small, async |stage: &Stage| {
        let worker = stage.worker().await;
        let ids = stage.put_many(5).await;
        for id in &ids[..3] {
            stage.change(*id, Change::Cancel).await;
            stage.advance(std::time::Duration::from_secs(1));
        }
        stage.change(ids[1], Change::Retry).await;
        stage.change(ids[3], Change::Cancel).await;
        assert_eq!(stage.claim_ids(worker, 1).await, [ids[4]]);
        let again = stage.claim_one(worker).await;
        stage.succeed(&again).await;

        assert_eq!(stage.look_up(ids[0]).await, Lookup::Pruned);
        assert_eq!(stage.phase(ids[1]).await, Phase::Successful);
        assert_eq!(stage.phase(ids[2]).await, Phase::Cancelled);
    });
}

#[test]
fn jobs_that_have_not_finished_are_not_among_the_too_many() {
    run(open_small, async |stage: &Stage| {
        let ids = stage.put_many(9).await;
        for id in &ids[..4] {
            stage.change(*id, Change::Cancel).await;
        }
        assert_eq!(stage.look_up(ids[0]).await, Lookup::Pruned);
        for id in &ids[4..] {
            assert_eq!(stage.phase(*id).await, Phase::Ready);
        }
    });
}

#[test]
fn an_end_is_accepted_though_no_finished_job_is_kept() {
    run(
        async |setup| open_with(setup, 0),
        async |stage: &Stage| {
            let worker = stage.worker().await;
            let id = stage.put(stage.spec()).await;
            let job = stage.claim_one(worker).await;
            let fate = stage.end(&job, Ending::Succeeded(Json::null())).await;
            assert!(matches!(fate, Fate::Accepted { phase: Phase::Successful, .. }), "{fate:?}");
            assert_eq!(stage.look_up(id).await, Lookup::Pruned);
        },
    );
}

#[test]
fn its_futures_are_ready_at_once() {
    run(open, async |stage: &Stage| {
        assert!(!stage.store.waits());
        assert!(stage.store.stats().now_or_never().is_some());
        assert!(stage.store.prune(1).now_or_never().is_some());
    });
}
