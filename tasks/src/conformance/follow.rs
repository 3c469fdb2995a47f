//! The order of ends, as it is told to whoever follows.

use std::time::Duration;

use super::*;
use crate::{Change, Ending, Followed, Job, JobId, JobSpec};

/// What is told after a mark.
async fn after(stage: &Stage, mark: u64) -> Followed {
    stage.store.follow(Some(mark), 1_000).await.expect("the store can be followed")
}

/// Where somebody begins.
async fn begin(stage: &Stage) -> u64 {
    let told = stage.store.follow(None, 1_000).await.expect("the store can be followed");
    assert_eq!((told.ids, told.missed), (Vec::new(), None), "who begins has heard of nothing and missed nothing");
    told.mark
}

/// All that is told after a mark, of which nothing may be missed.
async fn whole(stage: &Stage, mark: u64) -> Vec<JobId> {
    let told = after(stage, mark).await;
    assert_eq!(told.missed, None);
    told.ids
}

/// Enqueues a job and lets it succeed.
async fn ended(stage: &Stage, worker: crate::WorkerId) -> JobId {
    let id = stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    assert_eq!(job.id(), id);
    stage.succeed(&job).await;
    id
}

/// Each once, and none that did not end.
pub async fn who_follows_is_told_of_each_end_in_its_order(stage: &Stage) {
    let worker = stage.worker().await;
    let early = ended(stage, worker).await;
    let mark = begin(stage).await;
    stage.put_many(4).await;
    let jobs = stage.claim(worker, 4).await;
    let turn: Vec<&Job> = vec![&jobs[1], &jobs[2], &jobs[0]];
    for job in &turn {
        stage.succeed(job).await;
    }
    let told = after(stage, mark).await;
    assert_eq!(told.ids, turn.iter().map(|job| job.id()).collect::<Vec<_>>());
    assert!(!told.ids.contains(&early), "what ended before is no news");
    assert_eq!(whole(stage, told.mark).await, []);
    let last = ended(stage, worker).await;
    assert_eq!(whole(stage, told.mark).await.len(), 1, "{last}");
}

/// Success, failure, cancellation, expiry and quarantine; no step on the way.
pub async fn every_way_to_end_is_told(stage: &Stage) {
    let worker = stage.worker().await;
    let mark = begin(stage).await;
    let expires = stage.put(JobSpec { expires_at: Some(stage.after(SECOND)), ..stage.spec() }).await;
    stage.advance(SECOND);
    assert_eq!(stage.claim_ids(worker, 1).await, []);
    assert_eq!(whole(stage, mark).await, [expires]);

    let mark = after(stage, mark).await.mark;
    let (waits, fails) = (stage.put(stage.spec()).await, stage.put(stage.spec()).await);
    stage.change(waits, Change::Cancel).await;
    let job = stage.claim_one(worker).await;
    stage.must_end(&job, stage.retry_in(Duration::ZERO, &job)).await;
    let job = stage.claim_one(worker).await;
    stage.must_end(&job, Ending::HandBack).await;
    let job = stage.claim_one(worker).await;
    assert_eq!(whole(stage, mark).await, [waits], "steps on the way are no ends");
    stage.must_end(&job, Ending::Failed(stage.error(&job))).await;

    let stopped = stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    stage.change(stopped, Change::Cancel).await;
    stage.must_end(&job, Ending::Cancelled(stage.error(&job))).await;
    assert_eq!(whole(stage, mark).await, [waits, fails, stopped]);

    let mark = after(stage, mark).await.mark;
    let lost = stage.lost_job(3).await;
    assert_eq!(stage.phase(lost).await, crate::Phase::Quarantined);
    assert_eq!(whole(stage, mark).await, [lost]);
}

/// Nothing has ended by it.
pub async fn a_stale_outcome_is_not_told(stage: &Stage) {
    let worker = stage.worker().await;
    let mark = begin(stage).await;
    stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    stage.succeed(&job).await;
    assert_eq!(stage.end(&job, Ending::Succeeded(crate::Json::null())).await, crate::Fate::Stale);
    let lost = stage.put(stage.spec()).await;
    let claimed = stage.claim_one(worker).await;
    stage.lose(worker).await;
    assert_eq!(stage.end(&claimed, Ending::Succeeded(crate::Json::null())).await, crate::Fate::Stale);
    assert_eq!(whole(stage, mark).await, [job.id()], "{lost} has not ended");
}

/// A job that runs again ends again.
pub async fn a_job_that_ends_twice_is_told_twice(stage: &Stage) {
    let worker = stage.worker().await;
    let mark = begin(stage).await;
    let id = ended(stage, worker).await;
    stage.change(id, Change::Retry).await;
    let job = stage.claim_one(worker).await;
    stage.succeed(&job).await;
    assert_eq!(whole(stage, mark).await, [id, id]);
}

/// As many as are asked for, and then the next.
pub async fn ends_are_told_in_parts(stage: &Stage) {
    let worker = stage.worker().await;
    let mut mark = begin(stage).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(ended(stage, worker).await);
    }
    let mut told = Vec::new();
    for expected in [2, 2, 1, 0] {
        let part = stage.store.follow(Some(mark), 2).await.expect("the store can be followed");
        assert_eq!((part.ids.len(), part.missed), (expected, None));
        mark = part.mark;
        told.extend(part.ids);
    }
    assert_eq!(told, ids);
}

/// Those who follow do not take anything from one another.
pub async fn each_follower_is_told_everything(stage: &Stage) {
    let worker = stage.worker().await;
    let first = begin(stage).await;
    let one = ended(stage, worker).await;
    let second = begin(stage).await;
    let two = ended(stage, worker).await;
    assert_eq!(whole(stage, first).await, [one, two]);
    assert_eq!(whole(stage, second).await, [two]);
    assert_eq!(whole(stage, first).await, [one, two], "the mark says where one is, not the store");
}

/// The order is kept while somebody asks, however long that is.
pub async fn asking_keeps_the_order(stage: &Stage) {
    let worker = stage.worker().await;
    let mut mark = begin(stage).await;
    for _ in 0..5 {
        stage.advance(Followed::FOR - Followed::RENEWED + SECOND);
        let id = ended(stage, worker).await;
        let told = after(stage, mark).await;
        assert_eq!((told.ids, told.missed), (vec![id], None));
        mark = told.mark;
    }
}

/// After a break nobody knows what there was; from then on everything is told again.
pub async fn who_comes_back_too_late_is_told_so(stage: &Stage) {
    let worker = stage.worker().await;
    let mark = begin(stage).await;
    ended(stage, worker).await;
    let knows_all = after(stage, mark).await.mark;
    stage.advance(Followed::FOR);
    ended(stage, worker).await;
    stage.prune(9).await;
    for mark in [mark, knows_all] {
        let told = after(stage, mark).await;
        assert_eq!((told.ids, told.missed), (Vec::new(), Some(0)));
    }
    let told = after(stage, mark).await;
    let id = ended(stage, worker).await;
    assert_eq!(whole(stage, told.mark).await, [id]);
}
