//! Cancelling: waiting jobs end, running ones are asked.

use super::*;
use crate::{Change, Control, Ending, JobId, JobSpec, Json, Phase, StoreError};

/// A job that has not started ends at once, and says why.
pub async fn a_waiting_job_is_cancelled_at_once(stage: &Stage) {
    let id = stage.put(stage.spec()).await;
    stage.advance(SECOND);
    let changed = stage.change(id, Change::Cancel).await;

    assert_eq!(changed.worker, None);
    assert_eq!(changed.job, stage.read(id).await);
    let state = changed.job.state;
    assert_eq!(state.phase, Phase::Cancelled);
    assert_eq!(state.attempts, 0);
    assert_eq!(state.finished_at, Some(stage.now()));
    let errors: Vec<_> = state.errors().iter().map(|e| (e.exception_class.as_str(), e.attempt)).collect();
    assert_eq!(errors, [("Cancelled", 0)]);
}

/// Whatever it waits for.
pub async fn every_waiting_job_can_be_cancelled(stage: &Stage) {
    let worker = stage.worker().await;
    let scheduled = stage.put(JobSpec { run_after: Some(stage.after(HOUR)), ..stage.spec() }).await;
    let retrying = stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    stage.must_end(&job, stage.retry_in(HOUR, &job)).await;
    let parked = stage.put(JobSpec { task: "nobody.knows".into(), ..stage.spec() }).await;
    stage.control(Control::Park).await;

    let phases = [Phase::Scheduled, Phase::RetryWait, Phase::Parked];
    for (id, phase) in [scheduled, retrying, parked].into_iter().zip(phases) {
        assert_eq!(stage.phase(id).await, phase);
        assert_eq!(stage.change(id, Change::Cancel).await.job.state.phase, Phase::Cancelled);
    }
}

/// What was cancelled is not given, also not when its time comes.
pub async fn a_cancelled_job_is_never_given(stage: &Stage) {
    let worker = stage.worker().await;
    let ready = stage.put(stage.spec()).await;
    let scheduled = stage.put(JobSpec { run_after: Some(stage.after(HOUR)), ..stage.spec() }).await;
    stage.change(ready, Change::Cancel).await;
    stage.change(scheduled, Change::Cancel).await;
    stage.advance(HOUR);
    assert_eq!(stage.claim_ids(worker, 9).await, []);
}

/// A running job is asked to stop and runs on until it has; the answer names who runs it.
pub async fn a_running_job_is_asked_to_stop(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(stage.spec()).await;
    stage.claim_one(worker).await;
    let changed = stage.change(id, Change::Cancel).await;

    assert_eq!(changed.worker, Some(worker));
    assert_eq!(changed.job.state.phase, Phase::Cancelling);
    assert_eq!(changed.job.state.finished_at, None);
    assert_eq!(changed.job, stage.read(id).await);
}

/// Its worker learns it with the next beat, with the run that is meant, and with each beat until it has ended.
pub async fn the_beat_tells_of_a_cancellation_until_the_end(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    assert_eq!(stage.beat(worker).await.expect("registered").cancels, []);

    stage.change(id, Change::Cancel).await;
    for _ in 0..2 {
        assert_eq!(stage.beat(worker).await.expect("registered").cancels, [(id, job.state.run)]);
    }
    stage.succeed(&job).await;
    assert_eq!(stage.beat(worker).await.expect("registered").cancels, []);
}

/// It is no other worker's business.
pub async fn the_beat_tells_nobody_else_of_a_cancellation(stage: &Stage) {
    let (mine, other) = (stage.worker().await, stage.worker().await);
    let id = stage.put(stage.spec()).await;
    stage.claim_one(mine).await;
    stage.change(id, Change::Cancel).await;
    assert_eq!(stage.beat(other).await.expect("registered").cancels, []);
}

/// Who had finished before it heard has finished: the work is done and its value stays.
pub async fn a_job_that_succeeds_though_asked_to_stop_is_successful(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    stage.change(id, Change::Cancel).await;
    let job = stage.must_end(&job, Ending::Succeeded(Json::from_stored("7".into()))).await;
    assert_eq!(job.state.phase, Phase::Successful);
    assert_eq!(job.state.return_value, Some(Json::from_stored("7".into())));
}

/// Everything else that its attempt comes to is the end that was asked for; a retry is not planned.
pub async fn a_job_asked_to_stop_ends_cancelled_whatever_else_comes_back(stage: &Stage) {
    let worker = stage.worker().await;
    for n in 0..5 {
        let id = stage.put(stage.spec()).await;
        let job = stage.claim_one(worker).await;
        stage.change(id, Change::Cancel).await;
        let ending = match n {
            0 => Ending::Cancelled(stage.error(&job)),
            1 => Ending::Failed(stage.error(&job)),
            2 => stage.retry_in(SECOND, &job),
            3 => Ending::Snoozed(stage.after(SECOND)),
            _ => Ending::HandBack,
        };
        let state = stage.must_end(&job, ending.clone()).await.state;
        assert_eq!(state.phase, Phase::Cancelled, "after {ending:?}");
        assert_eq!(state.finished_at, Some(stage.now()), "after {ending:?}");
        assert_eq!(state.next_run_at, None, "after {ending:?}");
        assert_eq!(state.errors().len(), 1, "after {ending:?} it says why it ended");
        stage.advance(MINUTE);
        assert_eq!(stage.claim_ids(worker, 9).await, [], "after {ending:?}");
    }
}

/// Asking twice is asking once.
pub async fn cancelling_twice_changes_nothing_more(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(stage.spec()).await;
    stage.claim_one(worker).await;
    let once = stage.change(id, Change::Cancel).await;
    assert_eq!(stage.change(id, Change::Cancel).await, once);
}

/// What has ended cannot be cancelled.
pub async fn a_finished_job_cannot_be_cancelled(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    let job = stage.succeed(&job).await;

    let refused = stage.try_change(id, Change::Cancel).await;
    assert!(matches!(&refused, Err(StoreError::InvalidMove(e)) if e.from == Phase::Successful), "{refused:?}");
    assert_eq!(stage.read(id).await, job);
}

/// Of what nobody knows, that is said.
pub async fn an_unknown_job_cannot_be_changed(stage: &Stage) {
    let id = JobId::new(stage.now());
    let reschedule =
        Change::Reschedule { run_after: None, priority: Some(1), queue: None, max_attempts: None, if_version: None };
    for change in [Change::Cancel, Change::Retry, Change::RunNow, Change::Delete, reschedule] {
        let refused = stage.try_change(id, change).await;
        assert!(matches!(refused, Err(StoreError::NotFound(missing)) if missing == id), "{refused:?}");
    }
}
