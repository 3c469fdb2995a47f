//! Parking: jobs that nobody can run make room for others.

use super::*;
use crate::{Control, JobId, JobSpec, Phase};

async fn foreign(stage: &Stage) -> JobId {
    stage.put(JobSpec { task: "nobody.knows".into(), ..stage.spec() }).await
}

/// A due job whose task no process has is taken out of the way.
pub async fn a_job_that_nobody_can_run_is_parked(stage: &Stage) {
    let _other = stage.worker().await;
    let id = foreign(stage).await;
    stage.control(Control::Park).await;
    assert_eq!(stage.phase(id).await, Phase::Parked);
    assert_eq!(stage.queue(QUEUE).await.phases.get(&Phase::Parked), Some(&1));
}

/// A job that some process can run stays, though others cannot.
pub async fn a_job_that_somebody_can_run_is_not_parked(stage: &Stage) {
    let _other = stage.worker_for(&[OTHER]).await;
    let _mine = stage.worker_for(&[TASK]).await;
    let id = stage.put(stage.spec()).await;
    stage.control(Control::Park).await;
    assert_eq!(stage.phase(id).await, Phase::Ready);
}

/// When a process comes that has the task, the job is put back and runs.
pub async fn a_parked_job_is_put_back_when_its_task_comes(stage: &Stage) {
    let id = foreign(stage).await;
    stage.control(Control::Park).await;
    let worker = stage.worker_for(&["nobody.knows"]).await;
    stage.control(Control::Park).await;
    assert_eq!(stage.phase(id).await, Phase::Ready);
    assert_eq!(stage.claim_ids(worker, 9).await, [id]);
}

/// A parked job keeps its place in the line.
pub async fn a_parked_job_stands_where_it_stood(stage: &Stage) {
    let first = foreign(stage).await;
    stage.advance(SECOND);
    let second = foreign(stage).await;
    stage.control(Control::Park).await;
    stage.advance(SECOND);
    let third = foreign(stage).await;
    let worker = stage.worker_for(&["nobody.knows"]).await;
    stage.control(Control::Park).await;
    assert_eq!(stage.claim_ids(worker, 9).await, [first, second, third]);
}

/// Who may be dead does not count: the end of the lease decides.
pub async fn a_task_whose_only_worker_has_no_lease_that_holds_is_parked(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(stage.spec()).await;
    stage.advance(LEASE);
    stage.control(Control::Park).await;
    assert_eq!(stage.phase(id).await, Phase::Parked);

    stage.beat(worker).await.expect("nobody took the lease");
    stage.control(Control::Park).await;
    assert_eq!(stage.phase(id).await, Phase::Ready);
}

/// A worker whose lease had ended is back with its beat, and so are its jobs: a claim right after it gives them.
pub async fn a_beat_after_the_end_of_a_lease_puts_its_jobs_back(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(stage.spec()).await;
    stage.advance(LEASE);
    stage.control(Control::Park).await;
    let pulse = stage.beat(worker).await.expect("nobody took the lease");
    assert!(pulse.due, "there is something to claim");
    assert_eq!(stage.phase(id).await, Phase::Ready);
    assert_eq!(stage.claim_ids(worker, 9).await, [id]);
}

/// What runs is not parked, nor what has ended.
pub async fn only_waiting_jobs_are_parked(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put_many(2).await;
    let jobs = stage.claim(worker, 2).await;
    stage.succeed(&jobs[0]).await;
    stage.advance(LEASE);
    stage.control(Control::Park).await;
    assert_eq!(stage.phase(jobs[0].id()).await, Phase::Successful);
    assert_eq!(stage.phase(jobs[1].id()).await, Phase::Running);
}

/// Parking and putting back do not make a job run before its time.
pub async fn a_scheduled_job_comes_out_of_the_park_no_earlier(stage: &Stage) {
    let spec = JobSpec { run_after: Some(stage.after(HOUR)), task: "nobody.knows".into(), ..stage.spec() };
    let id = stage.put(spec).await;
    stage.control(Control::Park).await;
    let worker = stage.worker_for(&["nobody.knows"]).await;
    stage.control(Control::Park).await;
    assert_eq!(stage.claim_ids(worker, 9).await, []);
    stage.advance(HOUR);
    assert_eq!(stage.claim_ids(worker, 9).await, [id]);
}

/// However many jobs nobody can run, a claim for others is not kept waiting by them.
pub async fn a_large_park_does_not_stand_in_the_way(stage: &Stage) {
    let worker = stage.worker().await;
    for _ in 0..10 {
        let unit = (0..1_000).map(|_| JobSpec { task: "nobody.knows".into(), priority: 9, ..stage.spec() });
        stage.unit(unit.collect(), None).await.expect("the unit is good");
    }
    let mine = stage.put(stage.spec()).await;
    stage.control(Control::Park).await;
    assert_eq!(stage.claim_ids(worker, 1).await, [mine]);
    assert_eq!(stage.queue(QUEUE).await.phases.get(&Phase::Parked), Some(&10_000));
}
