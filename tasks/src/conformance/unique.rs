//! Unique keys: who holds one, until when, and what happens to the others.

use super::*;
use crate::{
    Change, Ending, Job, JobId, JobSpec, Json, OnConflict, Phase, Placed, StoreError, Unique, UniqueKey, UniqueUntil,
};

/// The unique key of jobs whose case does not care.
fn key(unique: &Unique, stage: &Stage) -> Option<Box<UniqueKey>> {
    Some(Box::new(unique.key_of(TASK, &Json::null(), stage.now())))
}

fn named(name: &str) -> Unique {
    Unique::by_key(name)
}

/// A job that is unique by this.
fn spec(stage: &Stage, unique: &Unique) -> JobSpec {
    JobSpec { unique: key(unique, stage), ..stage.spec() }
}

async fn put(stage: &Stage, unique: &Unique) -> Result<Placed, StoreError> {
    stage.unit(vec![spec(stage, unique)], None).await
}

/// Whether a job of that key would be made now: one that holds nothing itself tries it.
async fn is_free(stage: &Stage, name: &str) -> bool {
    match put(stage, &named(name).or_reject()).await {
        Ok(placed) => {
            assert_eq!(placed, Placed::made(false));
            true
        }
        Err(StoreError::UniqueConflict { index: 0, .. }) => false,
        Err(other) => panic!("{other:?}"),
    }
}

fn conflict(answer: Result<Placed, StoreError>) -> JobId {
    match answer {
        Err(StoreError::UniqueConflict { existing, .. }) => existing,
        other => panic!("no conflict: {other:?}"),
    }
}

/// The second one of a key gets the first one, and no job is made.
pub async fn who_comes_second_gets_the_first(stage: &Stage) {
    let first = stage.put(spec(stage, &named("a"))).await;
    let second = spec(stage, &named("a"));
    let id = second.id;
    let placed = stage.unit(vec![second], None).await.expect("a conflict that returns is no failure");

    assert!(!placed.claimed);
    let found: Vec<_> = placed.found.iter().map(|found| (found.index, &found.job, found.replaced)).collect();
    assert_eq!(found, [(0, &stage.read(first).await, false)]);
    assert_eq!(stage.look_up(id).await, crate::Lookup::Unknown);
    assert_eq!(stage.list(crate::Filter::default()).await, [first]);
}

/// A key is one of many.
pub async fn other_keys_do_not_matter(stage: &Stage) {
    stage.put(spec(stage, &named("a"))).await;
    assert!(is_free(stage, "b").await);
    assert!(is_free(stage, "A").await);
    assert!(!is_free(stage, "a").await);
}

/// A job that says nothing of a key is among any number of its kind.
pub async fn jobs_without_a_key_are_not_compared(stage: &Stage) {
    stage.put(spec(stage, &named("a"))).await;
    stage.put_many(2).await;
    assert_eq!(stage.list(crate::Filter::default()).await.len(), 3);
}

/// Whoever asks to be told is told who is in the way.
pub async fn a_rejected_job_is_not_made(stage: &Stage) {
    let first = stage.put(spec(stage, &named("a"))).await;
    assert_eq!(conflict(put(stage, &named("a").or_reject()).await), first);
    assert_eq!(stage.list(crate::Filter::default()).await, [first]);
}

/// The key is kept in the record, so that every process knows what a job holds.
pub async fn a_key_comes_back_with_its_job(stage: &Stage) {
    let spec = spec(stage, &named("a").until_started().within(HOUR).or_replace());
    let id = stage.put(spec.clone()).await;
    assert_eq!(*stage.read(id).await.spec, spec);
    assert_eq!(stage.read(id).await.spec.unique.as_ref().map(|key| key.until), Some(UniqueUntil::Started));
}

/// A running job holds its key as well as one that waits.
pub async fn a_running_job_holds_its_key(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(spec(stage, &named("a"))).await;
    let job = stage.claim_one(worker).await;
    assert!(!is_free(stage, "a").await);
    stage.change(job.id(), Change::Cancel).await;
    assert!(!is_free(stage, "a").await, "one that was asked to stop runs still");
}

/// So does one that waits for its next attempt.
pub async fn a_job_that_waits_to_retry_holds_its_key(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(spec(stage, &named("a"))).await;
    let job = stage.claim_one(worker).await;
    stage.must_end(&job, stage.retry_in(HOUR, &job)).await;
    assert!(!is_free(stage, "a").await);
}

/// The end of a job, whatever it is, lets go of its key.
pub async fn every_end_frees_the_key(stage: &Stage) {
    let worker = stage.worker().await;
    let error = |job: &Job| stage.error(job);
    let endings: [fn(&Stage, &Job) -> Ending; 4] = [
        |_, _| Ending::Succeeded(Json::null()),
        |stage, job| Ending::Failed(stage.error(job)),
        |stage, job| Ending::Cancelled(stage.error(job)),
        |_, _| Ending::Succeeded(Json::from_stored("1".into())),
    ];
    for (n, ending) in endings.iter().enumerate() {
        let name = format!("end-{n}");
        stage.put(spec(stage, &named(&name))).await;
        let job = stage.claim_one(worker).await;
        stage.must_end(&job, ending(stage, &job)).await;
        let again = stage.put(spec(stage, &named(&name))).await;
        stage.change(again, Change::Cancel).await;
        assert!(is_free(stage, &name).await, "{:?}", error(&job));
        let rest = stage.claim_one(worker).await;
        stage.succeed(&rest).await;
    }
}

/// So does an end while it waits: a cancellation, a deletion.
pub async fn a_job_that_ends_while_it_waits_frees_its_key(stage: &Stage) {
    for change in [Change::Cancel, Change::Delete] {
        let id = stage.put(spec(stage, &named("a"))).await;
        assert!(!is_free(stage, "a").await);
        stage.change(id, change).await;
        assert!(is_free(stage, "a").await);
        for id in stage.list(crate::Filter { phase: Some(Phase::Ready), ..Default::default() }).await {
            stage.change(id, Change::Delete).await;
        }
    }
}

/// So does an expiry.
pub async fn an_expired_job_frees_its_key(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(JobSpec { expires_at: Some(stage.after(MINUTE)), ..spec(stage, &named("a")) }).await;
    stage.advance(MINUTE);
    assert_eq!(stage.claim_ids(worker, 9).await, []);
    assert!(is_free(stage, "a").await);
}

/// So does a quarantine; a loss before it does not.
pub async fn a_quarantined_job_frees_its_key_and_a_lost_one_holds_it(stage: &Stage) {
    let id = stage.put(spec(stage, &named("a"))).await;
    for loss in 1..=Job::MAX_LOSSES {
        let worker = stage.worker().await;
        assert_eq!(stage.claim_ids(worker, 1).await, [id]);
        assert_eq!(stage.lose(worker).await, 1);
        assert_eq!(is_free(stage, "a").await, loss == Job::MAX_LOSSES);
    }
}

/// A key that is held until the start is free once the job was claimed, and stays free.
pub async fn a_key_until_the_start_is_free_once_the_job_runs(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(spec(stage, &named("a").until_started())).await;
    assert!(!is_free(stage, "a").await);
    let job = stage.claim_one(worker).await;
    stage.must_end(&job, Ending::HandBack).await;
    assert!(is_free(stage, "a").await, "it was claimed once");
    assert!(!is_free(stage, "a").await, "now another one holds it");
}

/// Nobody holds a key for longer than he said.
pub async fn a_key_is_held_no_longer_than_its_window(stage: &Stage) {
    stage.put(spec(stage, &named("a").within(MINUTE))).await;
    stage.advance(MINUTE - MOMENT);
    assert!(!is_free(stage, "a").await);
    stage.advance(MOMENT);
    assert!(is_free(stage, "a").await);
    assert!(!is_free(stage, "a").await, "the second one holds it without end");
}

/// A window is an upper bound: the end of the job is an end of the key as well.
pub async fn an_end_within_the_window_frees_the_key(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(spec(stage, &named("a").within(HOUR))).await;
    let job = stage.claim_one(worker).await;
    stage.succeed(&job).await;
    assert!(is_free(stage, "a").await);
}

/// When the first of two whose window has passed ends, the second one keeps what it holds.
pub async fn the_end_of_one_that_held_a_key_before_frees_nothing(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(spec(stage, &named("a").within(MINUTE))).await;
    let first = stage.claim_one(worker).await;
    stage.advance(MINUTE);
    stage.put(spec(stage, &named("a"))).await;
    stage.succeed(&first).await;
    assert!(!is_free(stage, "a").await);
}

/// A job that waits takes over what the later call brought, and is the same job.
pub async fn a_waiting_job_is_replaced(stage: &Stage) {
    let worker = stage.worker().await;
    let first = stage.put(spec(stage, &named("a"))).await;
    let before = stage.read(first).await;
    let args = Json::from_stored(r#"{"n":2}"#.into());
    let at = stage.after(HOUR);
    let second = JobSpec { args: args.clone(), run_after: Some(at), ..spec(stage, &named("a").or_replace()) };
    let placed = stage.unit(vec![second], None).await.expect("a job that waits is replaced");

    let after = stage.read(first).await;
    let found: Vec<_> = placed.found.iter().map(|found| (found.index, &found.job, found.replaced)).collect();
    assert_eq!(found, [(0, &after, true)]);
    assert_eq!((&after.spec.args, after.spec.run_after, after.state.phase), (&args, Some(at), Phase::Scheduled));
    assert!(after.state.version > before.state.version);
    assert_eq!(stage.claim_ids(worker, 9).await, []);
    stage.advance(HOUR);
    assert_eq!(stage.claim_one(worker).await.spec.args, args);
}

/// A scheduled job can be called to now.
pub async fn a_scheduled_job_is_replaced_by_one_that_is_due(stage: &Stage) {
    let worker = stage.worker().await;
    let late = JobSpec { run_after: Some(stage.after(HOUR)), ..spec(stage, &named("a")) };
    let first = stage.put(late).await;
    put(stage, &named("a").or_replace()).await.expect("a job that waits is replaced");
    assert_eq!(stage.claim_ids(worker, 9).await, [first]);
}

/// What runs cannot be replaced: the caller is told.
pub async fn a_running_job_is_not_replaced(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(spec(stage, &named("a"))).await;
    let job = stage.claim_one(worker).await;
    assert_eq!(conflict(put(stage, &named("a").or_replace()).await), job.id());
    assert_eq!(stage.read(job.id()).await, job);
}

/// Of two of a key in one unit the first is made.
pub async fn a_key_twice_in_a_unit_is_one_job(stage: &Stage) {
    let jobs = vec![spec(stage, &named("a")), stage.spec(), spec(stage, &named("a"))];
    let ids: Vec<_> = jobs.iter().map(|spec| spec.id).collect();
    let placed = stage.unit(jobs, None).await.expect("a conflict that returns is no failure");
    let found: Vec<_> = placed.found.iter().map(|found| (found.index, found.job.id())).collect();
    assert_eq!(found, [(2, ids[0])]);
    assert_eq!(stage.list(crate::Filter::default()).await, [ids[1], ids[0]]);
}

/// A conflict that is refused refuses the unit, and names the job of it.
pub async fn a_rejected_job_refuses_its_unit(stage: &Stage) {
    let first = stage.put(spec(stage, &named("a"))).await;
    let unit = vec![stage.spec(), spec(stage, &named("b")), spec(stage, &named("a").or_reject())];
    match stage.unit(unit, None).await {
        Err(StoreError::UniqueConflict { index: 2, existing }) => assert_eq!(existing, first),
        other => panic!("{other:?}"),
    }
    assert_eq!(stage.list(crate::Filter::default()).await, [first]);
    assert!(is_free(stage, "b").await);
}

/// A unit that is refused has replaced nothing.
pub async fn a_refused_unit_replaces_nothing(stage: &Stage) {
    let first = stage.put(spec(stage, &named("a"))).await;
    stage.put(spec(stage, &named("b"))).await;
    let before = stage.read(first).await;
    let args = Json::from_stored(r#"{"n":2}"#.into());
    let replace = JobSpec { args, ..spec(stage, &named("a").or_replace()) };
    conflict(stage.unit(vec![replace, spec(stage, &named("b").or_reject())], None).await);
    assert_eq!(stage.read(first).await, before);
}

/// Units of several callers stand alone.
pub async fn a_conflict_does_not_harm_the_other_units(stage: &Stage) {
    stage.put(spec(stage, &named("a"))).await;
    let units = [spec(stage, &named("a").or_reject()), spec(stage, &named("b")), stage.spec()];
    let units = units.map(|spec| crate::Unit::new(vec![spec.into()])).into();
    let placed = stage.store.enqueue(units).await;
    assert!(matches!(placed[..], [Err(StoreError::UniqueConflict { .. }), Ok(_), Ok(_)]), "{placed:?}");
}

/// A job with a key stands in line: it is not handed off.
pub async fn a_job_with_a_key_is_not_handed_off(stage: &Stage) {
    let worker = stage.worker().await;
    let spec = spec(stage, &named("a"));
    let id = spec.id;
    assert_eq!(stage.hand_off(spec, worker).await, Placed::made(false));
    assert_eq!(stage.claim_ids(worker, 9).await, [id]);
}

/// A finished job that runs again takes its key again.
pub async fn a_retried_job_takes_its_key_again(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(spec(stage, &named("a"))).await;
    let job = stage.claim_one(worker).await;
    stage.succeed(&job).await;
    stage.change(job.id(), Change::Retry).await;
    assert!(!is_free(stage, "a").await);
}

/// It cannot where another one holds it.
pub async fn a_job_whose_key_is_held_cannot_be_retried(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(spec(stage, &named("a"))).await;
    let job = stage.claim_one(worker).await;
    let ended = stage.succeed(&job).await;
    let second = stage.put(spec(stage, &named("a"))).await;
    match stage.try_change(job.id(), Change::Retry).await {
        Err(StoreError::UniqueConflict { existing, .. }) => assert_eq!(existing, second),
        other => panic!("{other:?}"),
    }
    assert_eq!(stage.read(job.id()).await, ended);
}

/// One whose key is held only until the start needs none for its retry.
pub async fn a_retried_job_that_was_unique_until_its_start_needs_no_key(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(spec(stage, &named("a").until_started())).await;
    let job = stage.claim_one(worker).await;
    stage.succeed(&job).await;
    stage.put(spec(stage, &named("a"))).await;
    stage.change(job.id(), Change::Retry).await;
    assert_eq!(stage.phase(job.id()).await, Phase::Ready);
}

/// The key of a job that was removed is free, and its id is not in the way.
pub async fn a_pruned_job_leaves_no_key(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(spec(stage, &named("a"))).await;
    let job = stage.claim_one(worker).await;
    stage.succeed(&job).await;
    stage.advance(8 * DAY);
    assert_eq!(stage.prune(9).await, 1);
    assert!(is_free(stage, "a").await);
}

/// Strange keys are compared as they are.
pub async fn strange_keys_are_compared_exactly(stage: &Stage) {
    let keys = ["a", "a ", " a", "ä", "a\u{308}", "a'; --", "%", "_", "🦀", &"x".repeat(Unique::MAX_KEY)];
    for name in keys {
        assert!(is_free(stage, name).await, "{name:?}");
        assert!(!is_free(stage, name).await, "{name:?}");
    }
}

/// Of any number of callers at once, one makes the job.
pub async fn one_of_many_callers_makes_the_job(stage: &Stage) {
    const CALLERS: usize = 16;
    for (n, how) in [OnConflict::Return, OnConflict::Reject, OnConflict::Replace].into_iter().enumerate() {
        let unique = Unique { on_conflict: how, ..named(&format!("many-{n}")) };
        let specs: Vec<_> = (0..CALLERS).map(|_| spec(stage, &unique)).collect();
        let store = &stage.store;
        let answers = std::thread::scope(|scope| {
            let callers: Vec<_> = specs
                .into_iter()
                .map(|spec| {
                    scope.spawn(move || {
                        let mut answers =
                            futures::executor::block_on(store.enqueue(vec![crate::Unit::new(vec![spec.into()])]));
                        answers.remove(0)
                    })
                })
                .collect();
            callers.into_iter().map(|caller| caller.join().expect("no panic")).collect::<Vec<_>>()
        });
        let made = answers.iter().filter(|answer| matches!(answer, Ok(placed) if placed.found.is_empty())).count();
        assert_eq!(made, 1, "{how:?}: {answers:?}");
        let rejected = answers.iter().filter(|a| matches!(a, Err(StoreError::UniqueConflict { .. }))).count();
        assert_eq!(rejected, if how == OnConflict::Reject { CALLERS - 1 } else { 0 }, "{how:?}: {answers:?}");
    }
}

/// Of several jobs that run again at once and want one key, the first one named gets it.
pub async fn of_several_jobs_that_run_again_the_first_takes_the_key(stage: &Stage) {
    let worker = stage.worker().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        put(stage, &named("a")).await.expect("the key is free");
        let job = stage.claim_one(worker).await;
        stage.succeed(&job).await;
        ids.push(job.id());
    }
    let plain = stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    stage.succeed(&job).await;
    let answers = stage.store.change_all(vec![ids[1], plain, ids[0], ids[2]], Change::Retry).await;
    assert!(answers[0].is_ok() && answers[1].is_ok(), "{answers:?}");
    for answer in &answers[2..] {
        assert!(
            matches!(answer, Err(StoreError::UniqueConflict { existing, .. }) if *existing == ids[1]),
            "{answers:?}"
        );
    }
    assert!(!is_free(stage, "a").await);
    assert_eq!(stage.phase(ids[0]).await, Phase::Successful);
}
