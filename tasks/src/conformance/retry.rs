//! Attempts that do not end a job: retries, snoozes and hand-backs.

use super::*;
use crate::{Attempts, Change, Ending, JobSpec, Phase, Progress};

/// A failed attempt that is to be repeated waits, and says when.
pub async fn a_retry_waits_for_its_time(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    let at = stage.after(MINUTE);
    let job = stage.must_end(&job, stage.retry_in(MINUTE, &job)).await;

    assert_eq!(job.state.phase, Phase::RetryWait);
    assert_eq!(job.state.next_run_at, Some(at));
    assert_eq!(job.state.finished_at, None);
    stage.advance(MINUTE - MOMENT);
    assert_eq!(stage.claim_ids(worker, 9).await, []);
    stage.advance(MOMENT);
    assert_eq!(stage.claim_ids(worker, 9).await, [job.id()]);
}

/// A job that runs again waits for no time any more.
pub async fn a_running_retry_waits_for_nothing(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    stage.must_end(&job, stage.retry_in(MINUTE, &job)).await;
    stage.advance(MINUTE);
    let job = stage.claim_one(worker).await;
    assert_eq!(job.state.next_run_at, None);
    assert_eq!(stage.succeed(&job).await.state.next_run_at, None);
}

/// A retry may be due at once.
pub async fn a_retry_without_a_pause_is_given_at_once(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    stage.must_end(&job, stage.retry_in(std::time::Duration::ZERO, &job)).await;
    assert_eq!(stage.claim_ids(worker, 9).await, [job.id()]);
}

/// Attempts, workers and errors add up; the first start stays the first.
pub async fn each_attempt_is_kept(stage: &Stage) {
    let (one, two) = (stage.worker().await, stage.worker().await);
    stage.put(stage.spec()).await;
    let first = stage.claim_one(one).await;
    let first_error = stage.error(&first);
    let first_start = stage.now();
    stage.must_end(&first, stage.retry_in(SECOND, &first)).await;
    stage.advance(SECOND);
    let second = stage.claim_one(two).await;
    assert_eq!(second.state.attempts, 2);
    let second_error = stage.error(&second);
    stage.must_end(&second, Ending::Failed(second_error.clone())).await;

    let job = stage.read(first.id()).await;
    assert_eq!(job.state.attempts, 2);
    assert_eq!(job.state.errors(), [first_error, second_error]);
    assert_eq!(job.state.worker_ids(), [one, two]);
    assert_eq!(job.state.started_at, Some(first_start));
    assert_eq!(job.state.last_attempted_at, Some(stage.now()));
}

/// The start that a later outcome tells is not the first one.
pub async fn a_later_outcome_does_not_move_the_first_start(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    let first_start = stage.now();
    stage.must_end(&job, stage.retry_in(SECOND, &job)).await;
    stage.advance(MINUTE);
    let job = stage.claim_one(worker).await;
    let job = stage.succeed(&job).await;
    assert_eq!(job.state.started_at, Some(first_start));
    assert_eq!(job.state.last_attempted_at, Some(stage.now()));
}

/// A retried job waits in line as of the time of its retry, behind what was enqueued before that.
pub async fn a_retry_stands_in_line_as_of_its_time(stage: &Stage) {
    let worker = stage.worker().await;
    let retried = stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    stage.must_end(&job, stage.retry_in(MINUTE, &job)).await;
    stage.advance(SECOND);
    let enqueued = stage.put(stage.spec()).await;
    stage.advance(HOUR);
    assert_eq!(stage.claim_ids(worker, 9).await, [enqueued, retried]);
}

/// A snooze is no attempt and no failure: nothing is counted, nothing recorded.
pub async fn a_snooze_spends_no_attempt(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    let at = stage.after(MINUTE);
    let job = stage.must_end(&job, Ending::Snoozed(at)).await;

    assert_eq!(job.state.phase, Phase::RetryWait);
    assert_eq!(job.state.next_run_at, Some(at));
    assert_eq!(job.state.attempts, 0);
    assert_eq!(job.state.started_at, None);
    assert_eq!(job.state.worker_ids(), []);
    assert_eq!(job.state.errors(), []);
}

/// A snoozed job runs again at its time, under its next run.
pub async fn a_snoozed_job_is_given_at_its_time(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    stage.must_end(&job, Ending::Snoozed(stage.after(MINUTE))).await;
    stage.advance(MINUTE - MOMENT);
    assert_eq!(stage.claim_ids(worker, 9).await, []);
    stage.advance(MOMENT);
    let again = stage.claim_one(worker).await;
    assert_eq!(again.state.run, job.state.run + 1);
    assert_eq!(again.state.attempts, 1);
}

/// Only the attempt that snoozed is taken back.
pub async fn a_snooze_keeps_earlier_attempts(stage: &Stage) {
    let (one, two) = (stage.worker().await, stage.worker().await);
    stage.put(stage.spec()).await;
    let first = stage.claim_one(one).await;
    let first_start = stage.now();
    stage.must_end(&first, stage.retry_in(SECOND, &first)).await;
    stage.advance(SECOND);
    let second = stage.claim_one(two).await;
    let job = stage.must_end(&second, Ending::Snoozed(stage.after(SECOND))).await;

    assert_eq!(job.state.attempts, 1);
    assert_eq!(job.state.started_at, Some(first_start));
    assert_eq!(job.state.worker_ids(), [one]);
    assert_eq!(job.state.errors().len(), 1);
}

/// What was not started is as if it had not been claimed, but for the run.
pub async fn a_hand_back_spends_no_attempt(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    let job = stage.must_end(&job, Ending::HandBack).await;

    assert_eq!(job.state.phase, Phase::Ready);
    assert_eq!(job.state.attempts, 0);
    assert_eq!(job.state.losses, 0);
    assert_eq!(job.state.started_at, None);
    assert_eq!(job.state.last_attempted_at, None);
    assert_eq!(job.state.worker_ids(), []);
    assert_eq!(job.state.errors(), []);
    assert_eq!(job.state.run, 1);
}

/// A job that was handed back is given again at once, under its next run.
pub async fn a_handed_back_job_is_given_at_once(stage: &Stage) {
    let (one, two) = (stage.worker().await, stage.worker().await);
    stage.put(stage.spec()).await;
    let job = stage.claim_one(one).await;
    stage.must_end(&job, Ending::HandBack).await;
    let again = stage.claim_one(two).await;
    assert_eq!((again.id(), again.state.run), (job.id(), 2));
    assert_eq!(again.state.worker_ids(), [two]);
}

/// It does not go to the end of the line.
pub async fn a_handed_back_job_stands_where_it_stood(stage: &Stage) {
    let worker = stage.worker().await;
    let first = stage.put(stage.spec()).await;
    stage.advance(SECOND);
    let second = stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    stage.advance(SECOND);
    stage.must_end(&job, Ending::HandBack).await;
    assert_eq!(stage.claim_ids(worker, 9).await, [first, second]);
}

/// A job with many attempts remembers the last of them and counts them all.
pub async fn what_is_kept_of_attempts_is_bounded(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(JobSpec { priority: 1, ..stage.spec() }).await;
    for _ in 0..Attempts::KEPT + 3 {
        let job = stage.claim_one(worker).await;
        stage.must_end(&job, stage.retry_in(SECOND, &job)).await;
        stage.advance(SECOND);
    }
    let job = stage.read(id).await;
    assert_eq!(job.state.attempts as usize, Attempts::KEPT + 3);
    assert_eq!(job.state.worker_ids().len(), Attempts::KEPT);
    let attempts: Vec<_> = job.state.errors().iter().map(|error| error.attempt as usize).collect();
    assert_eq!(attempts, (4..=Attempts::KEPT + 3).collect::<Vec<_>>());
}

/// Progress belongs to a run: the next one starts anew.
pub async fn a_new_run_starts_without_progress(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    let progress = Progress { done: 3, total: 4 };
    stage.change(job.id(), Change::Progress { run: job.state.run, progress }).await;
    stage.must_end(&job, stage.retry_in(SECOND, &job)).await;
    stage.advance(SECOND);
    assert_eq!(stage.claim_one(worker).await.state.progress, None);
}
