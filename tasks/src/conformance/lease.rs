//! Leases: registering, the beat, rescuing and leaving.

use super::*;
use crate::{Change, Control, Ending, Fate, JobSpec, Phase, StoreError, WorkerId};

/// Nobody can beat who has no lease row.
pub async fn a_beat_of_an_unregistered_worker_is_gone(stage: &Stage) {
    let worker = WorkerId::new(stage.now());
    let beat = stage.beat(worker).await;
    assert!(matches!(beat, Err(StoreError::Gone(gone)) if gone == worker), "{beat:?}");
}

/// Up to its very end a lease is its owner's alone.
pub async fn a_lease_that_holds_cannot_be_taken(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(stage.spec()).await;
    stage.claim_one(worker).await;
    stage.advance(LEASE - MOMENT);

    assert_eq!(stage.rescue(worker).await, 0);
    assert_eq!(stage.phase(id).await, Phase::Running);
    assert!(stage.beat(worker).await.is_ok());
}

/// At its end it can be taken, with all its jobs.
pub async fn an_ended_lease_can_be_taken(stage: &Stage) {
    let worker = stage.worker().await;
    let ids = stage.put_many(3).await;
    stage.claim(worker, 3).await;
    stage.advance(LEASE);

    assert_eq!(stage.rescue(worker).await, 3);
    for id in ids {
        assert_eq!(stage.phase(id).await, Phase::Ready);
    }
}

/// The beat counts the lease from now.
pub async fn a_beat_renews_the_lease(stage: &Stage) {
    let worker = stage.worker().await;
    stage.advance(LEASE - MOMENT);
    stage.beat(worker).await.expect("the lease holds");
    stage.advance(LEASE - MOMENT);
    assert_eq!(stage.rescue(worker).await, 0);
    assert!(stage.beat(worker).await.is_ok(), "it was not taken");
}

/// A lease that ended while everybody stood still is renewed as if nothing had happened.
pub async fn an_ended_lease_that_nobody_took_is_renewed(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(stage.spec()).await;
    stage.claim_one(worker).await;
    stage.advance(10 * LEASE);
    stage.beat(worker).await.expect("nobody took it");

    assert_eq!(stage.rescue(worker).await, 0);
    assert_eq!(stage.phase(id).await, Phase::Running);
}

/// A lease is taken once; who comes second takes nothing.
pub async fn a_lease_is_taken_once(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    stage.claim_one(worker).await;
    stage.advance(LEASE);
    assert_eq!(stage.rescue(worker).await, 1);
    assert_eq!(stage.rescue(worker).await, 0);
}

/// A worker that never was, or has left, has nothing to take.
pub async fn there_is_nothing_to_rescue_of_an_unknown_worker(stage: &Stage) {
    assert_eq!(stage.rescue(WorkerId::new(stage.now())).await, 0);
}

/// Whose lease was taken learns it from whatever it asks first.
pub async fn a_worker_whose_lease_was_taken_is_gone(stage: &Stage) {
    let worker = stage.worker().await;
    stage.lose(worker).await;
    assert!(matches!(stage.beat(worker).await, Err(StoreError::Gone(_))));
    let claimed = stage.store.claim(crate::Ask { worker, limit: 1, queues: None, after_queue: None }).await;
    assert!(matches!(claimed, Err(StoreError::Gone(_))), "{claimed:?}");
    let spec = stage.spec();
    assert!(!stage.hand_off(spec, worker).await.claimed);
}

/// What a worker that was given up writes afterwards changes nothing, whoever has the job by then.
pub async fn an_outcome_after_the_rescue_is_stale(stage: &Stage) {
    let (lost, next) = (stage.worker().await, stage.worker().await);
    let id = stage.put(stage.spec()).await;
    let job = stage.claim_one(lost).await;
    stage.lose(lost).await;

    assert_eq!(stage.end(&job, Ending::HandBack).await, Fate::Stale);
    assert_eq!(stage.phase(id).await, Phase::Ready);
    let again = stage.claim_one(next).await;
    assert_eq!(stage.end(&job, Ending::HandBack).await, Fate::Stale);
    assert_eq!(stage.read(id).await, again);
}

/// A rescue is of one worker's running jobs: what ended, and what others run, stays.
pub async fn a_rescue_touches_no_other_job(stage: &Stage) {
    let (lost, other) = (stage.worker().await, stage.worker().await);
    stage.put_many(3).await;
    let ended = stage.claim_one(lost).await;
    let ended = stage.succeed(&ended).await;
    let running = stage.claim_one(other).await;
    let freed = stage.claim_one(lost).await;

    assert_eq!(stage.lose(lost).await, 1);
    assert_eq!(stage.read(ended.id()).await, ended);
    assert_eq!(stage.read(running.id()).await, running);
    assert_eq!(stage.phase(freed.id()).await, Phase::Ready);
}

/// Handed-off jobs are freed like claimed ones.
pub async fn a_rescue_frees_handed_off_jobs(stage: &Stage) {
    let worker = stage.worker().await;
    let spec = stage.spec();
    stage.hand_off(spec.clone(), worker).await;
    assert_eq!(stage.lose(worker).await, 1);
    assert_eq!(stage.phase(spec.id).await, Phase::Ready);
}

/// A worker sees whose lease it may have to take, the earliest end first, and not itself.
pub async fn the_beat_tells_of_peers_earliest_end_first(stage: &Stage) {
    let first = stage.worker().await;
    let first_ends = stage.after(LEASE);
    stage.advance(SECOND);
    let second = stage.worker().await;
    let second_ends = stage.after(LEASE);
    let me = stage.worker().await;
    assert_eq!(stage.beat(me).await.expect("registered").peers, [(first, first_ends), (second, second_ends)]);

    stage.advance(MOMENT);
    stage.beat(first).await.expect("registered");
    let peers: Vec<_> = stage.beat(me).await.expect("registered").peers.into_iter().map(|(id, _)| id).collect();
    assert_eq!(peers, [second, first]);
}

/// However many processes there are.
pub async fn the_beat_tells_of_at_most_sixteen_peers(stage: &Stage) {
    let me = stage.worker().await;
    let mut earliest = Vec::new();
    for _ in 0..20 {
        stage.advance(MOMENT);
        earliest.push(stage.worker().await);
    }
    let peers: Vec<_> = stage.beat(me).await.expect("registered").peers.into_iter().map(|(id, _)| id).collect();
    assert_eq!(peers, earliest[..16]);
}

/// An idle process learns when to wake.
pub async fn the_beat_tells_when_the_next_job_is_due(stage: &Stage) {
    let worker = stage.worker().await;
    assert_eq!(stage.beat(worker).await.expect("registered").next_due, None);
    let due = stage.after(MINUTE);
    stage.put(JobSpec { run_after: Some(due), ..stage.spec() }).await;
    assert_eq!(stage.beat(worker).await.expect("registered").next_due, Some(due));
}

/// Who hands jobs off must know what is paused.
pub async fn the_beat_tells_what_is_paused(stage: &Stage) {
    let worker = stage.worker().await;
    stage.control(Control::Pause("b".into())).await;
    stage.control(Control::Pause("a".into())).await;
    let mut paused = stage.beat(worker).await.expect("registered").paused;
    paused.sort();
    assert_eq!(paused, ["a", "b"]);

    stage.control(Control::Resume("a".into())).await;
    assert_eq!(stage.beat(worker).await.expect("registered").paused, ["b"]);
}

/// It is the store's time, not that of whoever asks, that the ends of leases are compared with.
pub async fn the_beat_tells_the_time(stage: &Stage) {
    let worker = stage.worker().await;
    stage.advance(SECOND);
    assert_eq!(stage.beat(worker).await.expect("the lease holds").now, stage.now());
}

/// Whether a job is due is known from the beat, so that nobody has to claim to find out.
pub async fn the_beat_tells_whether_a_job_is_due(stage: &Stage) {
    let worker = stage.worker().await;
    let due = async || stage.beat(worker).await.expect("the lease holds").due;
    assert!(!due().await, "there is no job");

    stage.put(JobSpec { run_after: Some(stage.after(SECOND)), ..stage.spec() }).await;
    assert!(!due().await, "its time is to come");
    stage.advance(SECOND);
    assert!(due().await, "its time has come");
    stage.control(Control::Pause(QUEUE.into())).await;
    assert!(!due().await, "its queue is paused");
    stage.control(Control::Resume(QUEUE.into())).await;
    assert!(due().await, "its queue goes on");

    let job = stage.claim_one(worker).await;
    assert!(!due().await, "it is claimed");
    stage.must_end(&job, stage.retry_in(SECOND, &job)).await;
    assert!(!due().await, "it waits for its next attempt");
    stage.advance(SECOND);
    let job = stage.claim_one(worker).await;
    stage.must_end(&job, Ending::HandBack).await;
    assert!(due().await, "it was handed back");
    let job = stage.claim_one(worker).await;
    stage.succeed(&job).await;
    assert!(!due().await, "it has ended");
}

/// A worker that leaves gives its jobs back as if it had not claimed them: no attempt, no loss.
pub async fn a_worker_that_leaves_gives_its_jobs_back(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(stage.spec()).await;
    stage.claim_one(worker).await;
    stage.control(Control::Leave(worker)).await;

    let state = stage.read(id).await.state;
    assert_eq!(state.phase, Phase::Ready);
    assert_eq!((state.attempts, state.losses), (0, 0));
    assert_eq!(state.worker_ids(), []);
}

/// A worker that has left is gone, and what it still writes is stale.
pub async fn a_worker_that_has_left_is_gone(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    stage.control(Control::Leave(worker)).await;

    assert!(matches!(stage.beat(worker).await, Err(StoreError::Gone(_))));
    assert_eq!(stage.end(&job, Ending::HandBack).await, Fate::Stale);
    assert_eq!(stage.lose(worker).await, 0);
}

/// A job that was asked to stop has stopped when its worker leaves.
pub async fn a_job_asked_to_stop_is_cancelled_when_its_worker_leaves(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(stage.spec()).await;
    stage.claim_one(worker).await;
    stage.change(id, Change::Cancel).await;
    stage.control(Control::Leave(worker)).await;
    assert_eq!(stage.phase(id).await, Phase::Cancelled);
}

/// Who leaves twice, or was rescued before it left, does no harm.
pub async fn leaving_twice_is_no_error(stage: &Stage) {
    let worker = stage.worker().await;
    stage.control(Control::Leave(worker)).await;
    stage.control(Control::Leave(worker)).await;
    assert!(matches!(stage.beat(worker).await, Err(StoreError::Gone(_))));
}

/// A lease may be as long as one likes.
pub async fn a_lease_of_years_holds(stage: &Stage) {
    let worker = WorkerId::new(stage.now());
    let tasks = vec![TASK.to_owned()];
    stage.control(Control::Register { worker, lease: 3_650 * DAY, tasks }).await;
    stage.advance(3_649 * DAY);
    assert_eq!(stage.rescue(worker).await, 0);
    assert!(stage.beat(worker).await.is_ok());
}
