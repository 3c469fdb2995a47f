//! Enqueueing and the hand-off.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::{Ending, JobSpec, JobState, Json, Lookup, Phase, Placed, StoreError, Unit, WorkerId};

/// Nothing of what was given is lost or changed.
pub async fn a_new_job_is_found_as_it_was_given(stage: &Stage) {
    let spec = JobSpec {
        priority: -7,
        run_after: Some(stage.after(HOUR)),
        expires_at: Some(stage.after(DAY)),
        timeout: Some(Duration::from_millis(1_500)),
        tags: vec!["b".into(), "a".into()],
        metadata: Some(Json::from_stored(r#"{"from":"a test"}"#.into())),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
        unique: None,
        limit_key: None,
        ..stage.spec_in("mail")
    };
    let id = stage.put(spec.clone()).await;

    let job = stage.read(id).await;
    assert_eq!(*job.spec, spec);
    assert_eq!(job.state, JobState::new(&spec));
}

/// A job without a time of its own can be claimed at once.
pub async fn a_job_without_run_after_is_ready(stage: &Stage) {
    let id = stage.put(stage.spec()).await;
    assert_eq!(stage.phase(id).await, Phase::Ready);
}

/// A job with a time to come waits for it.
pub async fn a_job_with_a_time_to_come_is_scheduled(stage: &Stage) {
    let id = stage.put(JobSpec { run_after: Some(stage.after(MOMENT)), ..stage.spec() }).await;
    assert_eq!(stage.phase(id).await, Phase::Scheduled);
}

/// A time that has passed at the enqueue is no reason to wait.
pub async fn a_job_whose_run_after_has_passed_is_ready(stage: &Stage) {
    let past = stage.now();
    stage.advance(HOUR);
    let id = stage.put(JobSpec { run_after: Some(past), ..stage.spec() }).await;
    assert_eq!(stage.phase(id).await, Phase::Ready);
}

/// The third answer belongs to the third unit.
pub async fn the_answers_stand_in_the_order_of_the_units(stage: &Stage) {
    let taken = stage.put(stage.spec()).await;
    let unit = |spec: JobSpec| Unit { jobs: vec![Arc::new(spec)], claim: None, idempotency: None };
    let units = vec![unit(stage.spec()), unit(JobSpec { id: taken, ..stage.spec() }), unit(stage.spec())];

    let placed = stage.store.enqueue(units).await;
    assert_eq!(placed.len(), 3);
    assert!(placed[0].is_ok() && placed[2].is_ok(), "the good units are kept: {placed:?}");
    assert!(matches!(placed[1], Err(StoreError::DuplicateId(id)) if id == taken), "{placed:?}");
}

/// An id names one job for ever.
pub async fn a_taken_id_is_refused_and_the_first_job_stays(stage: &Stage) {
    let first = stage.spec();
    let id = stage.put(first.clone()).await;

    let again = stage.unit(vec![JobSpec { priority: 9, ..first.clone() }], None).await;
    assert!(matches!(again, Err(StoreError::DuplicateId(taken)) if taken == id), "{again:?}");
    assert_eq!(*stage.read(id).await.spec, first);
}

/// Also the id of a job that has ended is taken.
pub async fn the_id_of_a_finished_job_is_taken(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    stage.succeed(&job).await;

    let again = stage.unit(vec![JobSpec { id, ..stage.spec() }], None).await;
    assert!(matches!(again, Err(StoreError::DuplicateId(_))), "{again:?}");
    assert_eq!(stage.phase(id).await, Phase::Successful);
}

/// Two jobs of one id in a unit: none is kept.
pub async fn an_id_twice_in_a_unit_refuses_the_unit(stage: &Stage) {
    let (one, two) = (stage.spec(), stage.spec());
    let twice = stage.unit(vec![one.clone(), two.clone(), one.clone()], None).await;

    assert!(matches!(twice, Err(StoreError::DuplicateId(id)) if id == one.id), "{twice:?}");
    assert_eq!(stage.look_up(one.id).await, Lookup::Unknown);
    assert_eq!(stage.look_up(two.id).await, Lookup::Unknown);
}

/// What a refused unit brought is found nowhere: not by id, not in a claim, not in a list, not in the numbers.
pub async fn a_refused_unit_leaves_nothing_behind(stage: &Stage) {
    let worker = stage.worker().await;
    let taken = stage.put(stage.spec()).await;
    let fresh = JobSpec { expires_at: Some(stage.after(HOUR)), ..stage.spec() };
    let refused = stage.unit(vec![fresh.clone(), JobSpec { id: taken, ..stage.spec() }], None).await;

    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(stage.look_up(fresh.id).await, Lookup::Unknown);
    assert_eq!(stage.queue(QUEUE).await.phases.get(&Phase::Ready), Some(&1));
    assert_eq!(stage.list(crate::Filter::default()).await, [taken]);
    assert_eq!(stage.claim_ids(worker, 9).await, [taken]);
}

/// An id whose unit was refused can be used in the next.
pub async fn a_refused_unit_can_be_enqueued_without_its_fault(stage: &Stage) {
    let taken = stage.put(stage.spec()).await;
    let fresh = stage.spec();
    let refused = stage.unit(vec![fresh.clone(), JobSpec { id: taken, ..stage.spec() }], None).await;
    assert!(refused.is_err(), "{refused:?}");

    let id = stage.put(fresh).await;
    assert_eq!(stage.phase(id).await, Phase::Ready);
}

/// All jobs of a large unit are there.
pub async fn a_large_unit_is_kept_whole(stage: &Stage) {
    let specs: Vec<_> = (0..1_000).map(|_| stage.spec()).collect();
    let ids: Vec<_> = specs.iter().map(|spec| spec.id).collect();
    stage.unit(specs, None).await.expect("the unit is good");

    let found = stage.store.get(ids.clone()).await.expect("the store can be read");
    for (id, found) in ids.iter().zip(found) {
        assert!(matches!(&found, Lookup::Found(job) if job.id() == *id), "{found:?}");
    }
}

/// Nothing to enqueue is no error.
pub async fn a_unit_without_jobs_is_kept(stage: &Stage) {
    assert_eq!(stage.unit(Vec::new(), None).await.expect("nothing is wrong with it"), Placed::made(false));
    assert!(stage.store.enqueue(Vec::new()).await.is_empty());
}

/// A handed-off job is what a claim right after its enqueue would have made of it.
pub async fn a_handed_off_job_is_as_if_claimed(stage: &Stage) {
    let worker = stage.worker().await;
    let (handed, claimed) = (stage.spec(), stage.spec());
    assert_eq!(stage.hand_off(handed.clone(), worker).await, Placed::made(true));
    stage.put(claimed.clone()).await;
    let claimed = stage.claim_one(worker).await;

    let handed = stage.read(handed.id).await;
    assert_eq!(handed.state.run, 1);
    assert_eq!(handed.state.phase, Phase::Running);
    assert_eq!(handed.state, claimed.state);
}

/// Nobody else gets a job that was handed off.
pub async fn a_handed_off_job_is_given_to_nobody(stage: &Stage) {
    let (mine, other) = (stage.worker().await, stage.worker().await);
    stage.hand_off(stage.spec(), mine).await;
    assert_eq!(stage.claim_ids(other, 9).await, []);
    assert_eq!(stage.claim_ids(mine, 9).await, []);
}

/// The worker that got it knows the run without having read it.
pub async fn a_handed_off_job_ends_under_run_one(stage: &Stage) {
    let worker = stage.worker().await;
    let spec = stage.spec();
    stage.hand_off(spec.clone(), worker).await;
    stage.advance(SECOND);

    let ending = Ending::Succeeded(Json::null());
    let outcome = crate::Outcome { id: spec.id, run: 1, started_at: Some(stage.now()), ending, logs: Vec::new() };
    assert!(stage.outcome(outcome).await.is_accepted(), "run 1 is the present one");
    let job = stage.read(spec.id).await;
    assert_eq!(job.state.phase, Phase::Successful);
    assert_eq!(job.state.attempts, 1);
    assert_eq!(job.state.started_at, Some(stage.now()));
    assert_eq!(job.state.worker_ids(), [worker]);
}

/// All jobs of a unit are handed off, or none.
pub async fn a_unit_is_handed_off_whole(stage: &Stage) {
    let worker = stage.worker().await;
    let specs: Vec<_> = (0..10).map(|_| stage.spec()).collect();
    let ids: Vec<_> = specs.iter().map(|spec| spec.id).collect();
    assert_eq!(stage.unit(specs, Some(worker)).await.expect("the unit is good"), Placed::made(true));
    for id in ids {
        assert_eq!(stage.phase(id).await, Phase::Running);
    }
}

/// A worker whose lease was taken gets nothing; the job waits for another.
pub async fn a_hand_off_to_an_unknown_worker_waits_instead(stage: &Stage) {
    let spec = stage.spec();
    let placed = stage.hand_off(spec.clone(), WorkerId::new(stage.now())).await;

    assert_eq!(placed, Placed::made(false));
    assert_eq!(stage.read(spec.id).await.state, JobState::new(&spec));
}

/// As long as nobody took the lease, its end does not matter.
pub async fn a_hand_off_under_an_ended_lease_is_claimed(stage: &Stage) {
    let worker = stage.worker().await;
    stage.advance(2 * LEASE);
    assert_eq!(stage.hand_off(stage.spec(), worker).await, Placed::made(true));
}

/// A job is not started before its time because a worker is free.
pub async fn a_hand_off_of_a_job_that_is_not_due_waits_instead(stage: &Stage) {
    let worker = stage.worker().await;
    let due = stage.spec();
    let later = JobSpec { run_after: Some(stage.after(MOMENT)), ..stage.spec() };
    let placed = stage.unit(vec![due.clone(), later.clone()], Some(worker)).await.expect("the unit is good");

    assert_eq!(placed, Placed::made(false));
    assert_eq!(stage.phase(due.id).await, Phase::Ready);
    assert_eq!(stage.phase(later.id).await, Phase::Scheduled);
}

/// A refused hand-off leaves nothing claimed.
pub async fn a_refused_hand_off_claims_nothing(stage: &Stage) {
    let worker = stage.worker().await;
    let taken = stage.put(stage.spec()).await;
    let fresh = stage.spec();
    let refused = stage.unit(vec![fresh.clone(), JobSpec { id: taken, ..stage.spec() }], Some(worker)).await;

    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(stage.look_up(fresh.id).await, Lookup::Unknown);
    assert_eq!(stage.phase(taken).await, Phase::Ready);
    stage.advance(LEASE);
    assert_eq!(stage.rescue(worker).await, 0);
}
