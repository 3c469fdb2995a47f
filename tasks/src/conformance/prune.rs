//! Retention: what is removed, when, and what is known of it then.

use super::*;
use crate::{Change, Control, Ending, Filter, Job, JobSpec, Lookup, Phase, Prunable, StoreError};

/// A successful and a failed job.
async fn ended(stage: &Stage) -> [Job; 2] {
    let worker = stage.worker().await;
    stage.put_many(2).await;
    let jobs = stage.claim(worker, 2).await;
    let successful = stage.succeed(&jobs[0]).await;
    let failed = stage.must_end(&jobs[1], Ending::Failed(stage.error(&jobs[1]))).await;
    [successful, failed]
}

/// A job is kept for its time, counted from its end, and removed at the end of it.
pub async fn a_successful_job_is_kept_for_its_time(stage: &Stage) {
    let [job, _] = ended(stage).await;
    stage.advance(7 * DAY - MOMENT);
    assert_eq!(stage.prune(9).await, 0);
    assert_eq!(stage.read(job.id()).await, job);
    stage.advance(MOMENT);
    assert_eq!(stage.prune(9).await, 1);
    assert_eq!(stage.look_up(job.id()).await, Lookup::Pruned);
}

/// What ended otherwise is kept for a time of its own.
pub async fn a_failed_job_is_kept_for_its_own_time(stage: &Stage) {
    let [_, job] = ended(stage).await;
    stage.advance(30 * DAY - MOMENT);
    stage.prune(9).await;
    assert_eq!(stage.read(job.id()).await, job);
    stage.advance(MOMENT);
    assert_eq!(stage.prune(9).await, 1);
    assert_eq!(stage.look_up(job.id()).await, Lookup::Pruned);
}

/// Cancelled and expired jobs are kept as failed ones are.
pub async fn what_did_not_succeed_is_kept_like_a_failure(stage: &Stage) {
    let id = stage.put(stage.spec()).await;
    stage.change(id, Change::Cancel).await;
    stage.advance(30 * DAY - MOMENT);
    assert_eq!(stage.prune(9).await, 0);
    stage.advance(MOMENT);
    assert_eq!(stage.prune(9).await, 1);
}

/// However old it is, a job that has not ended is never removed.
pub async fn an_unfinished_job_is_never_pruned(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put_many(4).await;
    let jobs = stage.claim(worker, 3).await;
    stage.change(jobs[0].id(), Change::Cancel).await;
    stage.must_end(&jobs[2], stage.retry_in(2_000 * DAY, &jobs[2])).await;
    stage.put(JobSpec { run_after: Some(stage.after(2_000 * DAY)), ..stage.spec() }).await;
    stage.put(JobSpec { task: "nobody.knows".into(), ..stage.spec() }).await;
    stage.control(Control::Park).await;
    stage.advance(1_000 * DAY);

    assert_eq!(stage.prune(99).await, 0);
    assert_eq!(stage.list(Filter::default()).await.len(), 6);
}

/// A retried job has not ended, and its time begins anew with its next end.
pub async fn a_retried_job_is_not_pruned(stage: &Stage) {
    let [job, _] = ended(stage).await;
    stage.change(job.id(), Change::Retry).await;
    stage.advance(8 * DAY);
    assert_eq!(stage.prune(9).await, 0);

    let worker = stage.worker().await;
    let again = stage.claim_one(worker).await;
    stage.succeed(&again).await;
    assert_eq!(stage.prune(9).await, 0);
    assert_eq!(stage.phase(job.id()).await, Phase::Successful);
}

/// A prune takes no more than it is told, so that nobody waits for it.
pub async fn a_prune_takes_at_most_its_limit(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put_many(5).await;
    for job in stage.claim(worker, 5).await {
        stage.succeed(&job).await;
    }
    stage.advance(7 * DAY);
    assert_eq!(stage.prune(0).await, 0);
    assert_eq!(stage.prune(3).await, 3);
    assert_eq!(stage.prune(3).await, 2);
    assert_eq!(stage.prune(3).await, 0);
}

/// Pruned jobs are in no list and no number.
pub async fn a_pruned_job_is_not_counted(stage: &Stage) {
    ended(stage).await;
    stage.advance(30 * DAY);
    assert_eq!(stage.prune(9).await, 2);
    assert_eq!(stage.list(Filter::default()).await, []);
    assert_eq!(stage.queue(QUEUE).await.phases.len(), 0);
}

/// Who wants to change a pruned job learns that there was one.
pub async fn a_pruned_job_cannot_be_changed(stage: &Stage) {
    let [job, _] = ended(stage).await;
    stage.advance(7 * DAY);
    stage.prune(9).await;
    let refused = stage.try_change(job.id(), Change::Retry).await;
    assert!(matches!(refused, Err(StoreError::Pruned(id)) if id == job.id()), "{refused:?}");
}

/// How much a prune would remove is known before it removes anything, for each retention of its own.
pub async fn what_could_be_pruned_is_counted(stage: &Stage) {
    let counted = async || stage.store.prunable().await.expect("the store can be read");
    ended(stage).await;
    ended(stage).await;
    assert_eq!(counted().await, Prunable::default());
    stage.advance(7 * DAY);
    assert_eq!(counted().await, Prunable { successful: 2, failed: 0 });
    stage.advance(23 * DAY);
    assert_eq!(counted().await, Prunable { successful: 2, failed: 2 });
    assert_eq!(stage.prune(3).await, 3);
    let left = counted().await;
    assert_eq!(left.successful + left.failed, 1);
}

/// A job that was called back from its end is not past anything.
pub async fn a_job_that_runs_again_is_not_counted(stage: &Stage) {
    let [_, failed] = ended(stage).await;
    stage.advance(30 * DAY);
    stage.change(failed.id(), Change::Retry).await;
    let counted = stage.store.prunable().await.expect("the store can be read");
    assert_eq!(counted, Prunable { successful: 1, failed: 0 });
}
