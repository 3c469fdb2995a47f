//! What a claim gives, in which order, and what it does not give.

use std::collections::BTreeMap;

use super::*;
use crate::{Ask, Control, JobSpec, Phase, StoreError, WorkerId};

/// What a claim does to a job, as it gives it and as everybody reads it.
pub async fn a_claimed_job_runs(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(stage.spec()).await;
    stage.advance(SECOND);

    let job = stage.claim_one(worker).await;
    assert_eq!(job.id(), id);
    assert_eq!(job.state.phase, Phase::Running);
    assert_eq!(job.state.run, 1);
    assert_eq!(job.state.attempts, 1);
    assert_eq!(job.state.started_at, Some(stage.now()));
    assert_eq!(job.state.last_attempted_at, Some(stage.now()));
    assert_eq!(job.state.worker_ids(), [worker]);
    assert!(job.state.version > 1, "a claim is a change");
    assert_eq!(stage.read(id).await, job);
}

/// A claim gives the job with all that its worker needs.
pub async fn a_claimed_job_comes_with_its_spec(stage: &Stage) {
    let worker = stage.worker().await;
    let spec = JobSpec { timeout: Some(MINUTE), tags: vec!["a".into()], ..stage.spec() };
    stage.put(spec.clone()).await;
    assert_eq!(*stage.claim_one(worker).await.spec, spec);
}

/// A claimed job is not given again, to anybody.
pub async fn a_job_is_given_once(stage: &Stage) {
    let (one, two) = (stage.worker().await, stage.worker().await);
    let id = stage.put(stage.spec()).await;
    assert_eq!(stage.claim_ids(one, 9).await, [id]);
    assert_eq!(stage.claim_ids(one, 9).await, []);
    assert_eq!(stage.claim_ids(two, 9).await, []);
}

/// Who has no lease row gets an error, not nothing.
pub async fn an_unregistered_worker_is_told_that_it_is_gone(stage: &Stage) {
    let id = stage.put(stage.spec()).await;
    let worker = WorkerId::new(stage.now());
    let claimed = stage.store.claim(Ask { worker, limit: 1, queues: None, after_queue: None }).await;

    assert!(matches!(claimed, Err(StoreError::Gone(gone)) if gone == worker), "{claimed:?}");
    assert_eq!(stage.phase(id).await, Phase::Ready);
}

/// As long as nobody took the lease, its end does not matter.
pub async fn an_ended_lease_that_nobody_took_still_claims(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(stage.spec()).await;
    stage.advance(2 * LEASE);
    assert_eq!(stage.claim_ids(worker, 1).await, [id]);
}

/// An empty store gives nothing, and that is no error.
pub async fn nothing_due_gives_nothing(stage: &Stage) {
    let worker = stage.worker().await;
    let claimed = stage.ask(Ask { worker, limit: 9, queues: None, after_queue: None }).await;
    assert!(claimed.jobs.is_empty());
    assert_eq!(claimed.next_due, None);
    assert_eq!(claimed.last_queue, None);
}

/// No more jobs come than were asked for.
pub async fn the_limit_holds(stage: &Stage) {
    let worker = stage.worker().await;
    let ids = stage.put_many(5).await;
    assert_eq!(stage.claim_ids(worker, 3).await, ids[..3]);
    assert_eq!(stage.claim_ids(worker, 3).await, ids[3..]);
}

/// Who asks for none gets none.
pub async fn a_limit_of_zero_claims_nothing(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(stage.spec()).await;
    assert_eq!(stage.claim_ids(worker, 0).await, []);
    assert_eq!(stage.phase(id).await, Phase::Ready);
}

/// -100 and 100 are the ends of one scale.
pub async fn a_higher_priority_comes_first(stage: &Stage) {
    let worker = stage.worker().await;
    let mut ids = BTreeMap::new();
    for priority in [0, -100, 100, -1, 1] {
        ids.insert(priority, stage.put(JobSpec { priority, ..stage.spec() }).await);
    }
    let order = [ids[&100], ids[&1], ids[&0], ids[&-1], ids[&-100]];
    assert_eq!(stage.claim_ids(worker, 9).await, order);
}

/// The order holds also where it decides who is left.
pub async fn the_limit_leaves_the_lowest_priority(stage: &Stage) {
    let worker = stage.worker().await;
    let low = stage.put(JobSpec { priority: -1, ..stage.spec() }).await;
    let high = stage.put(JobSpec { priority: 1, ..stage.spec() }).await;
    assert_eq!(stage.claim_ids(worker, 1).await, [high]);
    assert_eq!(stage.claim_ids(worker, 1).await, [low]);
}

/// Among jobs of one priority, who was enqueued first is given first, whatever the ids.
pub async fn an_earlier_time_comes_first(stage: &Stage) {
    let worker = stage.worker().await;
    let (one, two) = (stage.spec().id, stage.spec().id);
    let first = stage.put(JobSpec { id: two, ..stage.spec() }).await;
    stage.advance(MOMENT);
    let second = stage.put(JobSpec { id: one, ..stage.spec() }).await;
    assert_eq!(stage.claim_ids(worker, 9).await, [first, second]);
}

/// Among jobs of one moment, the smaller id is given first.
pub async fn among_jobs_of_one_moment_the_smaller_id_comes_first(stage: &Stage) {
    let worker = stage.worker().await;
    let (one, two) = (stage.spec(), stage.spec());
    stage.put(two.clone()).await;
    stage.put(one.clone()).await;
    assert_eq!(stage.claim_ids(worker, 9).await, [one.id, two.id]);
}

/// A job that waited for its time stands in the line as of that time, not as of its enqueue.
pub async fn a_scheduled_job_stands_in_line_as_of_its_time(stage: &Stage) {
    let worker = stage.worker().await;
    let scheduled = stage.put(JobSpec { run_after: Some(stage.after(MINUTE)), ..stage.spec() }).await;
    stage.advance(SECOND);
    let enqueued = stage.put(stage.spec()).await;
    stage.advance(HOUR);
    assert_eq!(stage.claim_ids(worker, 9).await, [enqueued, scheduled]);
}

/// Not a microsecond early, and then at once.
pub async fn a_scheduled_job_is_given_at_its_time_and_not_before(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(JobSpec { run_after: Some(stage.after(MINUTE)), ..stage.spec() }).await;
    stage.advance(MINUTE - MOMENT);
    assert_eq!(stage.claim_ids(worker, 9).await, []);
    stage.advance(MOMENT);
    assert_eq!(stage.claim_ids(worker, 9).await, [id]);
}

/// Who got less than it asked for learns when to ask again.
pub async fn a_short_claim_says_when_the_next_job_is_due(stage: &Stage) {
    let worker = stage.worker().await;
    let soon = stage.after(MINUTE);
    stage.put(JobSpec { run_after: Some(stage.after(HOUR)), ..stage.spec() }).await;
    stage.put(JobSpec { run_after: Some(soon), ..stage.spec() }).await;
    let claimed = stage.ask(Ask { worker, limit: 1, queues: None, after_queue: None }).await;
    assert_eq!(claimed.next_due, Some(soon));
}

/// A job is too late at the very moment at which it expires, and failed from then on.
pub async fn an_expired_job_is_ended_and_not_given(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(JobSpec { expires_at: Some(stage.after(MINUTE)), ..stage.spec() }).await;
    stage.advance(MINUTE);
    assert_eq!(stage.claim_ids(worker, 9).await, []);

    let job = stage.read(id).await;
    assert_eq!(job.state.phase, Phase::Expired);
    assert_eq!(job.state.attempts, 0);
    assert_eq!(job.state.finished_at, Some(stage.now()));
    let errors: Vec<_> = job.state.errors().iter().map(|e| (e.exception_class.as_str(), e.attempt)).collect();
    assert_eq!(errors, [("Expired", 0)]);
}

/// Until that moment it is given like any other.
pub async fn a_job_is_given_until_it_expires(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(JobSpec { expires_at: Some(stage.after(MINUTE)), ..stage.spec() }).await;
    stage.advance(MINUTE - MOMENT);
    assert_eq!(stage.claim_ids(worker, 9).await, [id]);
}

/// A job that expires before its time never runs.
pub async fn a_job_may_expire_before_its_time(stage: &Stage) {
    let worker = stage.worker().await;
    let (soon, later) = (stage.after(MINUTE), stage.after(HOUR));
    let id = stage.put(JobSpec { expires_at: Some(soon), run_after: Some(later), ..stage.spec() }).await;
    stage.advance(HOUR);
    assert_eq!(stage.claim_ids(worker, 9).await, []);
    assert_eq!(stage.phase(id).await, Phase::Expired);
}

/// What has started in time may take its time, and its retries too.
pub async fn a_job_that_has_started_does_not_expire(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(JobSpec { expires_at: Some(stage.after(MINUTE)), ..stage.spec() }).await;
    let job = stage.claim_one(worker).await;
    stage.must_end(&job, stage.retry_in(HOUR, &job)).await;
    stage.advance(HOUR);
    assert_eq!(stage.claim_ids(worker, 9).await, [job.id()]);
}

/// A pause holds back what waits, and what is enqueued meanwhile.
pub async fn a_paused_queue_gives_nothing(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    stage.control(Control::Pause(QUEUE.into())).await;
    stage.put(stage.spec()).await;
    assert_eq!(stage.claim_ids(worker, 9).await, []);
}

/// A pause is of one queue.
pub async fn a_paused_queue_does_not_stop_the_others(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let other = stage.put(stage.spec_in("mail")).await;
    stage.control(Control::Pause(QUEUE.into())).await;
    assert_eq!(stage.claim_ids(worker, 9).await, [other]);
}

/// After the pause everything is as before.
pub async fn a_resumed_queue_gives_again(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(stage.spec()).await;
    stage.control(Control::Pause(QUEUE.into())).await;
    stage.control(Control::Resume(QUEUE.into())).await;
    assert_eq!(stage.claim_ids(worker, 9).await, [id]);
}

/// Who can run some tasks gets jobs of these.
pub async fn jobs_of_tasks_that_the_worker_lacks_are_not_given(stage: &Stage) {
    let worker = stage.worker_for(&[OTHER]).await;
    let _knows_it = stage.worker_for(&[TASK]).await;
    stage.put(stage.spec()).await;
    let mine = stage.put(JobSpec { task: OTHER.into(), ..stage.spec() }).await;
    assert_eq!(stage.claim_ids(worker, 9).await, [mine]);
}

/// However many jobs of foreign tasks stand in front.
pub async fn jobs_of_foreign_tasks_do_not_hide_those_behind_them(stage: &Stage) {
    let worker = stage.worker_for(&[OTHER]).await;
    let foreign = (0..2_000).map(|_| JobSpec { priority: 1, ..stage.spec() }).collect();
    stage.unit(foreign, None).await.expect("the unit is good");
    let mine = stage.put(JobSpec { task: OTHER.into(), ..stage.spec() }).await;
    assert_eq!(stage.claim_ids(worker, 1).await, [mine]);
}
