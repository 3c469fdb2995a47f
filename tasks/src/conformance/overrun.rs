//! Attempts past their timeout that cannot be ended from outside: told, and cancelling until they return.

use super::*;
use crate::{Change, Ending, Job, Phase};

async fn overrun(stage: &Stage) -> Job {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    stage.change(job.id(), Change::Overrun { run: job.state.run }).await;
    job
}

/// It is still running, and its reader sees that it should not be.
pub async fn an_overrun_job_is_cancelling(stage: &Stage) {
    let job = overrun(stage).await;
    let now = stage.read(job.id()).await;
    assert_eq!(now.state.phase, Phase::Cancelling);
    assert_eq!(now.state.version, job.state.version + 1);
    assert_eq!(now.state.attempts, 1);
}

/// Nobody asked to cancel it, so its end leads where it would have led in time.
pub async fn an_overrun_job_is_tried_again(stage: &Stage) {
    let job = overrun(stage).await;
    let after = stage.must_end(&job, stage.retry_in(HOUR, &job)).await;
    assert_eq!(after.state.phase, Phase::RetryWait);
    assert_eq!(after.state.errors().len(), 1);
}

/// The mark ends with the run.
pub async fn the_next_run_of_an_overrun_job_is_running(stage: &Stage) {
    let job = overrun(stage).await;
    let worker = job.holder().expect("it is claimed");
    stage.must_end(&job, Ending::HandBack).await;
    let again = stage.claim_one(worker).await;
    assert_eq!(again.state.phase, Phase::Running);
    assert_eq!(stage.must_end(&again, stage.retry_in(HOUR, &again)).await.state.phase, Phase::RetryWait);
}

/// A person may still cancel it; then its end is the end.
pub async fn an_overrun_job_can_be_cancelled(stage: &Stage) {
    let job = overrun(stage).await;
    stage.change(job.id(), Change::Cancel).await;
    let after = stage.must_end(&job, stage.retry_in(HOUR, &job)).await;
    assert_eq!(after.state.phase, Phase::Cancelled);
}

/// The process knows by itself: the beat tells it of cancellations alone.
pub async fn an_overrun_job_is_no_cancellation_for_the_beat(stage: &Stage) {
    let job = overrun(stage).await;
    let worker = job.holder().expect("it is claimed");
    assert_eq!(stage.beat(worker).await.expect("the lease holds").cancels, []);
    stage.change(job.id(), Change::Cancel).await;
    assert_eq!(stage.beat(worker).await.expect("the lease holds").cancels, [(job.id(), job.state.run)]);
}

/// What comes too late is about another run.
pub async fn an_overrun_of_an_earlier_run_changes_nothing(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let first = stage.claim_one(worker).await;
    stage.must_end(&first, Ending::HandBack).await;
    let second = stage.claim_one(worker).await;
    stage.change(first.id(), Change::Overrun { run: first.state.run }).await;
    assert_eq!(stage.read(second.id()).await, second);
}

/// A job that was cancelled first stays so.
pub async fn an_overrun_of_a_cancelled_job_changes_nothing(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    let cancelled = stage.change(job.id(), Change::Cancel).await.job;
    stage.change(job.id(), Change::Overrun { run: job.state.run }).await;
    assert_eq!(stage.read(job.id()).await, cancelled);
}
