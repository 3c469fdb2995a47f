//! Outcomes: what is accepted, what is stale, and what stays of an attempt.

use super::*;
use crate::{Ending, Fate, Job, JobId, Json, Outcome, Phase};

fn value(text: &str) -> Ending {
    Ending::Succeeded(Json::from_stored(text.into()))
}

fn of(job: &Job, ending: Ending) -> Outcome {
    Outcome { id: job.id(), run: job.state.run, started_at: job.state.last_attempted_at, ending, logs: Vec::new() }
}

/// Whoever sees it successful can read the value.
pub async fn a_success_keeps_its_value(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    stage.advance(SECOND);
    stage.must_end(&job, value(r#"{"sum":5}"#)).await;

    let job = stage.read(job.id()).await;
    assert_eq!(job.state.phase, Phase::Successful);
    assert_eq!(job.state.return_value, Some(Json::from_stored(r#"{"sum":5}"#.into())));
    assert_eq!(job.state.finished_at, Some(stage.now()));
    assert_eq!(job.state.attempts, 1);
    assert_eq!(job.state.errors(), []);
}

/// A failure for good leaves its record and no value.
pub async fn a_failure_keeps_its_error(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    stage.advance(SECOND);
    let error = stage.error(&job);
    stage.must_end(&job, Ending::Failed(error.clone())).await;

    let job = stage.read(job.id()).await;
    assert_eq!(job.state.phase, Phase::Failed);
    assert_eq!(job.state.errors(), [error]);
    assert_eq!(job.state.return_value, None);
    assert_eq!(job.state.finished_at, Some(stage.now()));
}

/// The answer is what a reader would see.
pub async fn an_accepted_outcome_answers_with_the_job_as_it_is_now(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put_many(3).await;
    let jobs = stage.claim(worker, 3).await;
    let endings = [value("1"), Ending::Failed(stage.error(&jobs[1])), stage.retry_in(MINUTE, &jobs[2])];
    for (job, ending) in jobs.iter().zip(endings) {
        let after = stage.must_end(job, ending).await;
        assert_eq!(after, stage.read(job.id()).await);
        assert!(after.state.version > job.state.version, "an outcome is a change");
    }
}

/// The third fate belongs to the third outcome.
pub async fn the_fates_stand_in_the_order_of_the_outcomes(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put_many(3).await;
    let mut jobs = stage.claim(worker, 3).await;
    jobs.reverse();
    let outcomes = jobs.iter().enumerate().map(|(n, job)| of(job, value(&n.to_string()))).collect();
    let fates = stage.store.finish(outcomes).await.expect("the store can be written");

    assert_eq!(fates.len(), 3);
    for (n, (job, fate)) in jobs.iter().zip(fates).enumerate() {
        let after = stage.read(job.id()).await;
        assert_eq!(fate, Fate::Accepted { phase: Phase::Successful, version: after.state.version });
        assert_eq!(after.state.return_value, Some(Json::from_stored(n.to_string())));
    }
}

/// Nothing to write is no error.
pub async fn no_outcomes_have_no_fates(stage: &Stage) {
    assert_eq!(stage.store.finish(Vec::new()).await.expect("the store can be written"), []);
}

/// A run ends once: what is repeated changes nothing.
pub async fn a_second_outcome_of_a_run_is_stale(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    let first = stage.must_end(&job, value("1")).await;
    stage.advance(SECOND);

    assert_eq!(stage.end(&job, value("2")).await, Fate::Stale);
    assert_eq!(stage.read(job.id()).await, first);
}

/// Also where both come in one batch.
pub async fn of_two_outcomes_of_a_run_in_one_batch_the_first_counts(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    let outcomes = vec![of(&job, value("1")), of(&job, value("2"))];
    let fates = stage.store.finish(outcomes).await.expect("the store can be written");

    assert!(matches!(fates[..], [Fate::Accepted { .. }, Fate::Stale]), "{fates:?}");
    assert_eq!(stage.read(job.id()).await.state.return_value, Some(Json::from_stored("1".into())));
}

/// An earlier run cannot end the present one, though it is the same job in the same process.
pub async fn an_outcome_of_an_earlier_run_is_stale(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let first = stage.claim_one(worker).await;
    stage.must_end(&first, Ending::HandBack).await;
    let second = stage.claim_one(worker).await;
    assert!(second.state.run > first.state.run, "a run number is never used twice");

    assert_eq!(stage.end(&first, value("1")).await, Fate::Stale);
    assert_eq!(stage.read(first.id()).await, second);
    assert!(stage.end(&second, value("2")).await.is_accepted());
}

/// A run that has not begun cannot end.
pub async fn an_outcome_of_a_run_to_come_is_stale(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    let outcome = Outcome { run: job.state.run + 1, ..of(&job, value("1")) };
    assert_eq!(stage.outcome(outcome).await, Fate::Stale);
    assert_eq!(stage.read(job.id()).await, job);
}

/// A job that waits has no run that could end.
pub async fn an_outcome_of_a_waiting_job_is_stale(stage: &Stage) {
    let id = stage.put(stage.spec()).await;
    for run in [0, 1] {
        let outcome = Outcome { id, run, started_at: None, ending: value("1"), logs: Vec::new() };
        assert_eq!(stage.outcome(outcome).await, Fate::Stale);
    }
    assert_eq!(stage.phase(id).await, Phase::Ready);
}

/// What nobody knows is stale, not an error that would hold up others.
pub async fn an_outcome_of_an_unknown_job_is_stale(stage: &Stage) {
    let id = JobId::new(stage.now());
    assert_eq!(
        stage.outcome(Outcome { id, run: 1, started_at: None, ending: value("1"), logs: Vec::new() }).await,
        Fate::Stale
    );
}

/// Each outcome stands alone.
pub async fn a_stale_outcome_does_not_harm_the_others(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put_many(2).await;
    let jobs = stage.claim(worker, 2).await;
    let stale = Outcome { run: 77, ..of(&jobs[0], value("1")) };
    let unknown = Outcome { id: JobId::new(stage.now()), ..of(&jobs[0], value("1")) };
    let good = of(&jobs[1], value("2"));
    let fates = stage.store.finish(vec![stale, unknown, good]).await.expect("the store can be written");

    assert!(matches!(fates[..], [Fate::Stale, Fate::Stale, Fate::Accepted { .. }]), "{fates:?}");
    assert_eq!(stage.phase(jobs[0].id()).await, Phase::Running);
}

/// Until the outcome comes, the start is taken to be the claim; then it is what the worker says.
pub async fn the_start_is_what_the_outcome_says(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    stage.advance(SECOND);
    let started = stage.now();
    stage.advance(SECOND);
    stage.outcome(Outcome { started_at: Some(started), ..of(&job, value("1")) }).await;

    let job = stage.read(job.id()).await;
    assert_eq!(job.state.started_at, Some(started));
    assert_eq!(job.state.last_attempted_at, Some(started));
}

/// What has ended is not given again.
pub async fn a_finished_job_is_not_given_again(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put_many(2).await;
    let jobs = stage.claim(worker, 2).await;
    stage.succeed(&jobs[0]).await;
    stage.must_end(&jobs[1], Ending::Failed(stage.error(&jobs[1]))).await;
    stage.advance(DAY);
    assert_eq!(stage.claim_ids(worker, 9).await, []);
}

/// A process that was stalled loses nothing as long as nobody took its lease.
pub async fn an_outcome_is_accepted_after_the_end_of_a_lease_that_nobody_took(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    stage.advance(2 * LEASE);
    assert!(stage.end(&job, value("1")).await.is_accepted());
}

/// An attempt that stopped as cancelled is believed, though the request for it was never kept.
pub async fn a_worker_may_end_a_job_as_cancelled_before_it_was_asked(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    let job = stage.must_end(&job, Ending::Cancelled(stage.error(&job))).await;
    assert_eq!(job.state.phase, Phase::Cancelled);
}
