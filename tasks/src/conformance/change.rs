//! Changes of one job from outside: running it again, running it now, deleting it, its progress.

use super::*;
use crate::{
    Change, Changed, Ending, Fate, Filter, Job, JobId, JobSpec, Json, Lookup, Outcome, Phase, Progress, StoreError,
};

async fn failed(stage: &Stage) -> Job {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    stage.must_end(&job, Ending::Failed(stage.error(&job))).await
}

/// A job that is retried keeps its past and gets its policy's number of attempts on top.
pub async fn a_retried_job_is_ready_with_its_past(stage: &Stage) {
    let before = failed(stage).await;
    stage.advance(HOUR);
    let job = stage.change(before.id(), Change::Retry).await.job;

    assert_eq!(job.state.phase, Phase::Ready);
    assert_eq!(job.state.attempts, 1);
    assert_eq!(job.state.max_attempts, 10);
    assert_eq!(job.state.errors(), before.state.errors());
    assert_eq!(job.state.worker_ids(), before.state.worker_ids());
    assert_eq!(job.state.started_at, before.state.started_at);
    assert_eq!(job.state.finished_at, None);
    assert!(job.state.version > before.state.version, "a retry is a change");
    assert_eq!(stage.read(job.id()).await, job);
}

/// A retried job runs under its next run: what comes late from the last one changes nothing.
pub async fn a_retried_job_runs_under_its_next_run(stage: &Stage) {
    let last = failed(stage).await;
    stage.change(last.id(), Change::Retry).await;
    assert_eq!(stage.end(&last, Ending::HandBack).await, Fate::Stale);
    let worker = stage.worker().await;
    let job = stage.claim_one(worker).await;
    assert_eq!((job.id(), job.state.run, job.state.attempts), (last.id(), last.state.run + 1, 2));
}

/// Also a success can be repeated; its value goes.
pub async fn a_retried_success_has_no_value(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    let job = stage.must_end(&job, Ending::Succeeded(Json::from_stored("5".into()))).await;
    let job = stage.change(job.id(), Change::Retry).await.job;
    assert_eq!(job.state.phase, Phase::Ready);
    assert_eq!(job.state.return_value, None);
}

/// A retried job stands in line as of the retry.
pub async fn a_retried_job_stands_in_line_as_of_now(stage: &Stage) {
    let retried = failed(stage).await;
    stage.advance(SECOND);
    let enqueued = stage.put(stage.spec()).await;
    stage.advance(SECOND);
    stage.change(retried.id(), Change::Retry).await;
    let worker = stage.worker().await;
    assert_eq!(stage.claim_ids(worker, 9).await, [enqueued, retried.id()]);
}

/// A cancelled job that was to run later runs now when it is retried.
pub async fn a_retried_job_does_not_wait_for_its_old_time(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(JobSpec { run_after: Some(stage.after(DAY)), ..stage.spec() }).await;
    stage.change(id, Change::Cancel).await;
    stage.change(id, Change::Retry).await;
    assert_eq!(stage.claim_ids(worker, 9).await, [id]);
}

/// An expired job that is retried does not expire again.
pub async fn a_retried_job_does_not_expire_again(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(JobSpec { expires_at: Some(stage.after(SECOND)), ..stage.spec() }).await;
    stage.advance(SECOND);
    assert_eq!(stage.claim_ids(worker, 9).await, []);
    assert_eq!(stage.phase(id).await, Phase::Expired);

    stage.change(id, Change::Retry).await;
    assert_eq!(stage.claim_ids(worker, 9).await, [id]);
}

/// What has not ended cannot run again.
pub async fn a_job_that_has_not_ended_cannot_be_retried(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(stage.spec()).await;
    let refused = stage.try_change(id, Change::Retry).await;
    assert!(matches!(refused, Err(StoreError::InvalidMove(_))), "{refused:?}");
    let running = stage.claim_one(worker).await;
    let refused = stage.try_change(id, Change::Retry).await;
    assert!(matches!(refused, Err(StoreError::InvalidMove(_))), "{refused:?}");
    assert_eq!(stage.read(id).await, running);
}

/// A scheduled job can be called before its time.
pub async fn a_scheduled_job_can_run_now(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(JobSpec { run_after: Some(stage.after(DAY)), ..stage.spec() }).await;
    assert_eq!(stage.change(id, Change::RunNow).await.job.state.phase, Phase::Ready);
    assert_eq!(stage.claim_ids(worker, 9).await, [id]);
}

/// A job need not wait for its retry.
pub async fn a_job_that_waits_for_its_retry_can_run_now(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    stage.must_end(&job, stage.retry_in(DAY, &job)).await;
    stage.change(job.id(), Change::RunNow).await;
    assert_eq!(stage.claim_ids(worker, 9).await, [job.id()]);
}

/// A job that was called early stays called: a hand-back and a loss do not send it back to its time.
pub async fn a_job_called_early_stays_called(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(JobSpec { run_after: Some(stage.after(DAY)), ..stage.spec() }).await;
    stage.change(id, Change::RunNow).await;
    let job = stage.claim_one(worker).await;
    stage.must_end(&job, Ending::HandBack).await;
    assert_eq!(stage.claim_ids(worker, 9).await, [id]);
    stage.lose(worker).await;
    let next = stage.worker().await;
    assert_eq!(stage.claim_ids(next, 9).await, [id]);
}

/// What waits for no time cannot be called earlier.
pub async fn a_job_that_waits_for_no_time_cannot_run_now(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(stage.spec()).await;
    for _ in 0..2 {
        let refused = stage.try_change(id, Change::RunNow).await;
        assert!(matches!(refused, Err(StoreError::InvalidMove(_))), "{refused:?}");
        stage.claim(worker, 1).await;
    }
}

/// A waiting job that is deleted is gone everywhere; the answer is what it was.
pub async fn a_waiting_job_can_be_deleted(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(stage.spec()).await;
    let before = stage.read(id).await;
    let changed = stage.change(id, Change::Delete).await;

    assert_eq!(changed.job, before);
    assert!(!matches!(stage.look_up(id).await, Lookup::Found(_)));
    assert_eq!(stage.list(crate::Filter::default()).await, []);
    assert_eq!(stage.queue(QUEUE).await.phases.get(&Phase::Ready), None);
    assert_eq!(stage.claim_ids(worker, 9).await, []);
}

/// A finished job that is deleted is gone, and that is known.
pub async fn a_finished_job_can_be_deleted(stage: &Stage) {
    let job = failed(stage).await;
    assert_eq!(stage.change(job.id(), Change::Delete).await.job, job);
    assert!(!matches!(stage.look_up(job.id()).await, Lookup::Found(_)));
    let refused = stage.try_change(job.id(), Change::Retry).await;
    assert!(matches!(refused, Err(StoreError::NotFound(_) | StoreError::Pruned(_))), "{refused:?}");
}

/// Nobody pulls a job from under its worker.
pub async fn a_running_job_cannot_be_deleted(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    for asked in [false, true] {
        if asked {
            stage.change(id, Change::Cancel).await;
        }
        let refused = stage.try_change(id, Change::Delete).await;
        assert!(matches!(refused, Err(StoreError::InvalidMove(_))), "{refused:?}");
    }
    assert_eq!(stage.succeed(&job).await.state.phase, Phase::Successful);
}

/// How far a run says it has come can be read.
pub async fn progress_is_kept(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    let progress = Progress { done: 3, total: 10 };
    let changed = stage.change(job.id(), Change::Progress { run: job.state.run, progress }).await;

    assert_eq!(changed.worker, Some(worker));
    assert_eq!(changed.job.state.progress, Some(progress));
    assert!(changed.job.state.version > job.state.version, "progress is a change");
    assert_eq!(stage.read(job.id()).await, changed.job);
}

/// Progress of the last run stays to be seen after the end.
pub async fn progress_stays_after_the_end(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    let progress = Progress { done: 10, total: 10 };
    stage.change(job.id(), Change::Progress { run: job.state.run, progress }).await;
    assert_eq!(stage.succeed(&job).await.state.progress, Some(progress));
}

/// Progress of a run that is over changes nothing.
pub async fn progress_of_another_run_changes_nothing(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let first = stage.claim_one(worker).await;
    stage.must_end(&first, Ending::HandBack).await;
    let late = Change::Progress { run: first.state.run, progress: Progress { done: 1, total: 2 } };
    let waiting = stage.read(first.id()).await;
    assert_eq!(stage.change(first.id(), late.clone()).await.job, waiting);
    let second = stage.claim_one(worker).await;
    assert_eq!(stage.change(first.id(), late).await.job, second);
    assert_eq!(stage.read(first.id()).await, second);
}

/// Several jobs are changed at once, each as it would be by itself; the answers stand in the order of the ids.
pub async fn several_jobs_are_changed_each_by_itself(stage: &Stage) {
    let worker = stage.worker().await;
    let ended = failed(stage).await.id();
    let running = stage.put(stage.spec()).await;
    stage.claim_one(worker).await;
    let waits = stage.put(stage.spec()).await;
    let nobody = JobId::new(stage.now());
    stage.advance(SECOND);
    let ids = vec![waits, ended, nobody, running];
    let before = (stage.read(waits).await, stage.read(running).await);
    let answers = stage.store.change_all(ids, Change::Retry).await;
    assert_eq!(answers.len(), 4);
    assert!(matches!(answers[0], Err(StoreError::InvalidMove(_))), "{answers:?}");
    let again = answers[1].as_ref().expect("it has ended");
    assert_eq!((again.job.state.phase, again.job.state.next_run_at), (Phase::Ready, Some(stage.now())));
    assert!(matches!(answers[2], Err(StoreError::NotFound(id)) if id == nobody), "{answers:?}");
    assert!(matches!(answers[3], Err(StoreError::InvalidMove(_))), "{answers:?}");
    assert_eq!(stage.read(ended).await, again.job);
    assert_eq!((stage.read(waits).await, stage.read(running).await), before);

    let cancelled = stage.store.change_all(vec![running, waits], Change::Cancel).await;
    let phase = |answer: &Result<Changed, StoreError>| answer.as_ref().expect("it is unfinished").job.state.phase;
    assert_eq!(cancelled.iter().map(phase).collect::<Vec<_>>(), [Phase::Cancelling, Phase::Cancelled]);
    assert_eq!(cancelled[0].as_ref().expect("it runs").worker, Some(worker));
    assert_eq!(stage.claim_ids(worker, 9).await, [ended]);
}

/// Those that may go are gone, and the others stay.
pub async fn several_jobs_are_deleted(stage: &Stage) {
    let worker = stage.worker().await;
    let running = stage.put(stage.spec()).await;
    stage.claim_one(worker).await;
    let ended = failed(stage).await;
    let waits = stage.put(stage.spec()).await;
    let answers = stage.store.change_all(vec![ended.id(), running, waits], Change::Delete).await;
    assert_eq!(answers[0].as_ref().expect("it has ended").job, ended);
    assert!(matches!(answers[1], Err(StoreError::InvalidMove(_))), "{answers:?}");
    assert!(answers[2].is_ok(), "{answers:?}");
    assert_eq!(stage.list(Filter::default()).await, [running]);
}

/// What is named twice is changed as if it had been asked for twice.
pub async fn a_job_that_is_named_twice_is_changed_twice(stage: &Stage) {
    let job = failed(stage).await;
    let answers = stage.store.change_all(vec![job.id(), job.id()], Change::Retry).await;
    assert!(answers[0].is_ok(), "{answers:?}");
    assert!(matches!(answers[1], Err(StoreError::InvalidMove(_))), "{answers:?}");
    assert_eq!(stage.phase(job.id()).await, Phase::Ready);
}

/// No ids, no answers.
pub async fn no_jobs_are_changed_by_nothing(stage: &Stage) {
    assert!(stage.store.change_all(Vec::new(), Change::Cancel).await.is_empty());
}

/// There may be many.
pub async fn a_thousand_jobs_run_again(stage: &Stage) {
    let worker = stage.worker().await;
    let specs: Vec<_> = (0..1_000).map(|_| stage.spec()).collect();
    let ids: Vec<JobId> = specs.iter().map(|spec| spec.id).collect();
    stage.unit(specs, None).await.expect("they can be enqueued");
    let end = |job: &Job| Outcome {
        id: job.id(),
        run: job.state.run,
        started_at: None,
        ending: Ending::Failed(stage.error(job)),
        logs: Vec::new(),
    };
    let outcomes: Vec<_> = stage.claim(worker, 1_000).await.iter().map(end).collect();
    assert_eq!(outcomes.len(), 1_000);
    stage.store.finish(outcomes).await.expect("the store can be written");
    let answers = stage.store.change_all(ids.clone(), Change::Retry).await;
    for (id, answer) in ids.iter().zip(&answers) {
        assert_eq!(answer.as_ref().expect("it has failed").job.id(), *id);
    }
    assert_eq!(stage.queue(QUEUE).await.phases, [(Phase::Ready, 1_000)].into());
}
