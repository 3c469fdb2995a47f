//! Changing how a job waits.

use super::*;
use crate::{Change, JobSpec, Phase, StoreError, Timestamp};

/// A change of nothing, to be changed by the cases.
fn reschedule() -> Reschedule {
    Reschedule::default()
}

#[derive(Default)]
struct Reschedule {
    run_after: Option<Option<Timestamp>>,
    priority: Option<i8>,
    queue: Option<String>,
    max_attempts: Option<u32>,
    if_version: Option<u64>,
}

impl From<Reschedule> for Change {
    fn from(it: Reschedule) -> Self {
        let Reschedule { run_after, priority, queue, max_attempts, if_version } = it;
        Self::Reschedule { run_after, priority, queue, max_attempts, if_version }
    }
}

/// What is not given stays.
pub async fn a_reschedule_of_one_thing_leaves_the_others(stage: &Stage) {
    let spec = JobSpec { priority: 3, run_after: Some(stage.after(HOUR)), ..stage.spec_in("mail") };
    let id = stage.put(spec.clone()).await;
    let job = stage.change(id, Reschedule { max_attempts: Some(2), ..reschedule() }.into()).await.job;

    assert_eq!(*job.spec, spec);
    assert_eq!(job.state.max_attempts, 2);
    assert_eq!(job.state.phase, Phase::Scheduled);
    assert!(job.state.version > 1, "a reschedule is a change");
    assert_eq!(stage.read(id).await, job);
}

/// A new priority is a new place in the line.
pub async fn a_new_priority_moves_a_job_in_its_line(stage: &Stage) {
    let worker = stage.worker().await;
    let first = stage.put(stage.spec()).await;
    let second = stage.put(stage.spec()).await;
    stage.change(second, Reschedule { priority: Some(1), ..reschedule() }.into()).await;
    assert_eq!(stage.read(second).await.spec.priority, 1);
    assert_eq!(stage.claim_ids(worker, 9).await, [second, first]);
}

/// A job that is moved is given from its new queue and counted there.
pub async fn a_new_queue_takes_a_job_along(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(stage.spec()).await;
    stage.change(id, Reschedule { queue: Some("mail".into()), ..reschedule() }.into()).await;

    assert_eq!(stage.queue(QUEUE).await.phases.get(&Phase::Ready), None);
    assert_eq!(stage.queue("mail").await.phases.get(&Phase::Ready), Some(&1));
    stage.control(crate::Control::Pause(QUEUE.into())).await;
    assert_eq!(stage.claim_one(worker).await.spec.queue, "mail");
}

/// A ready job can be put off.
pub async fn a_later_time_makes_a_job_wait(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(stage.spec()).await;
    let at = stage.after(HOUR);
    let job = stage.change(id, Reschedule { run_after: Some(Some(at)), ..reschedule() }.into()).await.job;
    assert_eq!((job.state.phase, job.spec.run_after), (Phase::Scheduled, Some(at)));
    stage.advance(HOUR - MOMENT);
    assert_eq!(stage.claim_ids(worker, 9).await, []);
    stage.advance(MOMENT);
    assert_eq!(stage.claim_ids(worker, 9).await, [id]);
}

/// A scheduled job can be called at once.
pub async fn no_time_makes_a_scheduled_job_ready(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(JobSpec { run_after: Some(stage.after(DAY)), ..stage.spec() }).await;
    let job = stage.change(id, Reschedule { run_after: Some(None), ..reschedule() }.into()).await.job;
    assert_eq!((job.state.phase, job.spec.run_after), (Phase::Ready, None));
    assert_eq!(stage.claim_ids(worker, 9).await, [id]);
}

/// A job that waits for its retry can get another time.
pub async fn a_retry_can_be_put_off(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    stage.must_end(&job, stage.retry_in(MINUTE, &job)).await;
    let at = stage.after(HOUR);
    stage.change(job.id(), Reschedule { run_after: Some(Some(at)), ..reschedule() }.into()).await;
    stage.advance(HOUR - MOMENT);
    assert_eq!(stage.claim_ids(worker, 9).await, []);
    stage.advance(MOMENT);
    assert_eq!(stage.claim_ids(worker, 9).await, [job.id()]);
}

/// Only what waits can be rescheduled.
pub async fn a_job_that_does_not_wait_cannot_be_rescheduled(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(stage.spec()).await;
    let running = stage.claim_one(worker).await;
    let refused = stage.try_change(id, Reschedule { priority: Some(1), ..reschedule() }.into()).await;
    assert!(matches!(refused, Err(StoreError::InvalidMove(_))), "{refused:?}");
    assert_eq!(stage.read(id).await, running);

    let finished = stage.succeed(&running).await;
    let refused = stage.try_change(id, Reschedule { priority: Some(1), ..reschedule() }.into()).await;
    assert!(matches!(refused, Err(StoreError::InvalidMove(_))), "{refused:?}");
    assert_eq!(stage.read(id).await, finished);
}

/// Who saw an old version is told, and nothing changes.
pub async fn a_reschedule_of_an_old_version_is_refused(stage: &Stage) {
    let id = stage.put(stage.spec()).await;
    let job = stage.change(id, Reschedule { priority: Some(1), ..reschedule() }.into()).await.job;
    let late = Reschedule { priority: Some(2), if_version: Some(1), ..reschedule() };
    let refused = stage.try_change(id, late.into()).await;

    let actual = job.state.version;
    assert!(
        matches!(refused, Err(StoreError::VersionMismatch { id: of, expected: 1, actual: is }) if of == id && is == actual),
        "{refused:?}"
    );
    assert_eq!(stage.read(id).await, job);
}

/// Who saw the present version is served.
pub async fn a_reschedule_of_the_present_version_is_done(stage: &Stage) {
    let id = stage.put(stage.spec()).await;
    let change = Reschedule { priority: Some(2), if_version: Some(1), ..reschedule() };
    assert_eq!(stage.change(id, change.into()).await.job.spec.priority, 2);
}
