//! Jobs whose worker died: losses, suspects, quarantine.

use super::*;
use crate::{Change, Ending, Job, JobSpec, Phase};

/// A loss is counted as what it is, and is no attempt.
pub async fn a_lost_job_is_ready_again_with_a_loss(stage: &Stage) {
    let id = stage.lost_job(1).await;
    let state = stage.read(id).await.state;
    assert_eq!(state.phase, Phase::Ready);
    assert_eq!(state.losses, 1);
    assert_eq!(state.attempts, 0);
    assert_eq!(state.run, 1);
    assert_eq!(state.worker_ids(), []);
}

/// Attempts that ended before the loss stay.
pub async fn a_loss_keeps_earlier_attempts(stage: &Stage) {
    let (one, two) = (stage.worker().await, stage.worker().await);
    stage.put(stage.spec()).await;
    let job = stage.claim_one(one).await;
    stage.must_end(&job, stage.retry_in(SECOND, &job)).await;
    stage.advance(SECOND);
    stage.claim_one(two).await;
    stage.lose(two).await;

    let state = stage.read(job.id()).await.state;
    assert_eq!((state.attempts, state.losses), (1, 1));
    assert_eq!(state.worker_ids(), [one]);
    assert_eq!(state.errors().len(), 1);
}

/// A lost job runs again under a run that nobody has had.
pub async fn a_lost_job_runs_again_under_its_next_run(stage: &Stage) {
    let id = stage.lost_job(2).await;
    let worker = stage.worker().await;
    let job = stage.claim_one(worker).await;
    assert_eq!((job.id(), job.state.run, job.state.attempts), (id, 3, 1));
}

/// A lost job does not go to the end of the line.
pub async fn a_lost_job_stands_where_it_stood(stage: &Stage) {
    let lost = stage.lost_job(1).await;
    let worker = stage.worker().await;
    let behind = stage.put(stage.spec()).await;
    assert_eq!(stage.claim_ids(worker, 9).await, [lost, behind]);
}

/// In the numbers it is as ready as any other.
pub async fn a_lost_job_counts_as_ready(stage: &Stage) {
    let since = stage.now();
    stage.lost_job(1).await;
    let queue = stage.queue(QUEUE).await;
    assert_eq!(queue.phases.get(&Phase::Ready), Some(&1));
    assert_eq!(queue.oldest_ready, Some(since));
}

/// Three losses are too many: it fails, and says what happened.
pub async fn a_job_that_is_lost_three_times_is_quarantined(stage: &Stage) {
    let id = stage.lost_job(3).await;
    let state = stage.read(id).await.state;
    assert_eq!(state.phase, Phase::Quarantined);
    assert_eq!(state.losses, 3);
    assert_eq!(state.finished_at, Some(stage.now()));
    let errors: Vec<_> = state.errors().iter().map(|e| e.exception_class.as_str()).collect();
    assert_eq!(errors, ["Lost"]);

    let worker = stage.worker().await;
    assert_eq!(stage.claim_ids(worker, 9).await, []);
}

/// Hand-backs and retries between losses do not make them fewer, nor more.
pub async fn only_losses_lead_to_quarantine(stage: &Stage) {
    let id = stage.lost_job(2).await;
    let worker = stage.worker().await;
    for _ in 0..3 {
        let job = stage.claim_one(worker).await;
        stage.must_end(&job, Ending::HandBack).await;
    }
    let job = stage.claim_one(worker).await;
    stage.must_end(&job, stage.retry_in(SECOND, &job)).await;
    assert_eq!(stage.read(id).await.state.losses, 2);
    stage.advance(SECOND);
    stage.claim_one(worker).await;
    stage.lose(worker).await;
    assert_eq!(stage.phase(id).await, Phase::Quarantined);
}

/// Whoever asked for a job to stop gets that when its worker dies: it is not run again.
pub async fn a_lost_job_that_was_asked_to_stop_is_cancelled(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(stage.spec()).await;
    stage.claim_one(worker).await;
    stage.change(id, Change::Cancel).await;
    stage.lose(worker).await;

    let state = stage.read(id).await.state;
    assert_eq!(state.phase, Phase::Cancelled);
    assert_eq!(state.finished_at, Some(stage.now()));
    assert!(!state.errors().is_empty(), "it says why it ended");
}

/// Three jobs that a process lost, all suspects and ready.
async fn suspects(stage: &Stage) -> Vec<crate::JobId> {
    let worker = stage.worker().await;
    let ids = stage.put_many(3).await;
    stage.claim(worker, 3).await;
    stage.lose(worker).await;
    ids
}

/// One of the jobs may have killed the process: they are tried one by one.
pub async fn a_worker_gets_one_suspect_at_a_time(stage: &Stage) {
    let ids = suspects(stage).await;
    let worker = stage.worker().await;
    assert_eq!(stage.claim_ids(worker, 9).await, ids[..1]);
    assert_eq!(stage.claim_ids(worker, 9).await, []);
}

/// Of several queues, too.
pub async fn a_worker_gets_one_suspect_of_all_queues(stage: &Stage) {
    let lost = stage.worker().await;
    for queue in ["a", "b", "c"] {
        stage.put(stage.spec_in(queue)).await;
    }
    stage.claim(lost, 3).await;
    stage.lose(lost).await;
    let worker = stage.worker().await;
    assert_eq!(stage.claim(worker, 9).await.len(), 1);
}

/// Also where it comes behind other jobs of its queue.
pub async fn a_worker_gets_one_suspect_behind_other_jobs(stage: &Stage) {
    let lost = stage.worker().await;
    for queue in ["a", "b", "c"] {
        stage.put(stage.spec_in(queue)).await;
    }
    stage.claim(lost, 3).await;
    stage.lose(lost).await;
    for queue in ["a", "b", "c"] {
        stage.put(JobSpec { priority: 1, ..stage.spec_in(queue) }).await;
    }
    let worker = stage.worker().await;
    let claimed = stage.claim(worker, 5).await;
    assert_eq!(claimed.iter().filter(|job| job.is_suspect()).count(), 1);
    assert_eq!(claimed.len(), 4);
}

/// When one has ended, however it did, the next one comes.
pub async fn a_suspect_that_ended_makes_room_for_the_next(stage: &Stage) {
    let ids = suspects(stage).await;
    let worker = stage.worker().await;
    let first = stage.claim_one(worker).await;
    stage.succeed(&first).await;
    let second = stage.claim_one(worker).await;
    stage.must_end(&second, stage.retry_in(DAY, &second)).await;
    let third = stage.claim_one(worker).await;
    assert_eq!([first, second, third].map(|job: Job| job.id()), ids[..]);
}

/// Another process may try another suspect at the same time.
pub async fn two_workers_get_a_suspect_each(stage: &Stage) {
    let ids = suspects(stage).await;
    let (one, two) = (stage.worker().await, stage.worker().await);
    assert_eq!(stage.claim_ids(one, 9).await, ids[..1]);
    assert_eq!(stage.claim_ids(two, 9).await, ids[1..2]);
}

/// Suspects that have to wait do not hold up the jobs behind them.
pub async fn suspects_do_not_hold_up_other_jobs(stage: &Stage) {
    let ids = suspects(stage).await;
    let behind = stage.put(stage.spec()).await;
    let worker = stage.worker().await;
    assert_eq!(stage.claim_ids(worker, 2).await, [ids[0], behind]);
}

/// A job that a person runs again after its quarantine is still a suspect, but gets more than one chance.
pub async fn a_retried_quarantined_job_is_a_suspect_with_one_loss(stage: &Stage) {
    let id = stage.lost_job(3).await;
    let job = stage.change(id, Change::Retry).await.job;
    assert_eq!(job.state.losses, 1);
    let worker = stage.worker().await;
    stage.claim_one(worker).await;
    stage.lose(worker).await;
    assert_eq!(stage.phase(id).await, Phase::Ready);
}
