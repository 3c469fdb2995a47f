//! Requests that come twice.

use super::*;
use crate::{Idempotency, JobId, Placed, StoreError, Unique, Unit};

fn request(key: &str, bytes: &[u8]) -> Option<Idempotency> {
    Some(Idempotency::new(key, bytes))
}

async fn send(
    stage: &Stage,
    jobs: usize,
    idempotency: Option<Idempotency>,
) -> (Vec<JobId>, Result<Placed, StoreError>) {
    let jobs: Vec<_> = (0..jobs).map(|_| stage.spec()).collect();
    let ids = jobs.iter().map(|spec| spec.id).collect();
    let unit = Unit { idempotency, ..Unit::new(jobs.into_iter().map(Into::into).collect()) };
    (ids, stage.store.enqueue(vec![unit]).await.remove(0))
}

fn made(answer: &Result<Placed, StoreError>) -> bool {
    matches!(answer, Ok(placed) if *placed == Placed::made(false))
}

fn replayed(answer: Result<Placed, StoreError>) -> Vec<JobId> {
    answer.expect("the request is the same").replayed.expect("the request came before")
}

/// The second one gets what the first one made.
pub async fn a_request_that_comes_twice_makes_its_jobs_once(stage: &Stage) {
    let (ids, first) = send(stage, 2, request("k", b"same")).await;
    assert!(made(&first), "{first:?}");
    let (_, second) = send(stage, 2, request("k", b"same")).await;
    assert_eq!(replayed(second), ids);
    assert_eq!(stage.list(crate::Filter::default()).await.len(), 2);
}

/// Another key is another request.
pub async fn another_key_is_another_request(stage: &Stage) {
    for key in ["k", "K", "k "] {
        assert!(made(&send(stage, 1, request(key, b"same")).await.1));
    }
}

/// A key that comes with another request is a fault of the caller's, and makes nothing.
pub async fn a_key_with_another_request_is_refused(stage: &Stage) {
    send(stage, 1, request("k", b"one")).await.1.expect("the first one");
    let (_, answer) = send(stage, 1, request("k", b"two")).await;
    assert!(matches!(answer, Err(StoreError::IdempotencyMismatch)), "{answer:?}");
    assert_eq!(stage.list(crate::Filter::default()).await.len(), 1);
}

/// It is remembered for its time, whatever becomes of the job.
pub async fn a_request_is_remembered_for_its_time(stage: &Stage) {
    let worker = stage.worker().await;
    let (ids, _) = send(stage, 1, request("k", b"same")).await;
    let job = stage.claim_one(worker).await;
    stage.succeed(&job).await;
    stage.advance(DAY - MOMENT);
    assert_eq!(replayed(send(stage, 1, request("k", b"same")).await.1), ids);
    stage.change(ids[0], crate::Change::Delete).await;
    assert_eq!(replayed(send(stage, 1, request("k", b"same")).await.1), ids);
    stage.advance(MOMENT);
    assert!(made(&send(stage, 1, request("k", b"another")).await.1));
}

/// A request of which nothing was kept has left no key.
pub async fn a_refused_request_is_not_remembered(stage: &Stage) {
    let taken = stage.put(stage.spec()).await;
    let spec = crate::JobSpec { id: taken, ..stage.spec() };
    let unit = Unit { idempotency: request("k", b"one"), ..Unit::new(vec![spec.into()]) };
    let answer = stage.store.enqueue(vec![unit]).await.remove(0);
    assert!(matches!(answer, Err(StoreError::DuplicateId(_))), "{answer:?}");
    assert!(made(&send(stage, 1, request("k", b"two")).await.1));
}

/// A job that was found stands for the one that was asked for, also the second time.
pub async fn a_request_that_found_a_job_finds_it_again(stage: &Stage) {
    let unique = |stage: &Stage| {
        let key = Unique::by_key("a").key_of(TASK, &crate::Json::null(), stage.now());
        crate::JobSpec { unique: Some(Box::new(key)), ..stage.spec() }
    };
    let first = stage.put(unique(stage)).await;
    let send = async || {
        let unit = Unit { idempotency: request("k", b"same"), ..Unit::new(vec![unique(stage).into()]) };
        stage.store.enqueue(vec![unit]).await.remove(0)
    };
    assert_eq!(send().await.expect("it is found").found[0].job.id(), first);
    stage.change(first, crate::Change::Cancel).await;
    assert_eq!(replayed(send().await), [first]);
}

/// Of several jobs, each that was made and each that was found, in order.
pub async fn a_request_of_several_jobs_finds_all_of_them_again(stage: &Stage) {
    let unique = |stage: &Stage| {
        let key = Unique::by_key("a").key_of(TASK, &crate::Json::null(), stage.now());
        crate::JobSpec { unique: Some(Box::new(key)), ..stage.spec() }
    };
    let there = stage.put(unique(stage)).await;
    let send = async || {
        let jobs = vec![stage.spec(), unique(stage), stage.spec()];
        let ids: Vec<JobId> = jobs.iter().map(|spec| spec.id).collect();
        let jobs = jobs.into_iter().map(Into::into).collect();
        let unit = Unit { idempotency: request("k", b"same"), ..Unit::new(jobs) };
        (ids, stage.store.enqueue(vec![unit]).await.remove(0))
    };
    let (ids, first) = send().await;
    assert_eq!(first.expect("they are kept").found[0].job.id(), there);
    stage.change(there, crate::Change::Cancel).await;
    assert_eq!(replayed(send().await.1), [ids[0], there, ids[2]]);
    assert_eq!(stage.list(crate::Filter::default()).await.len(), 3);
}

/// If one of its jobs is refused, all are, and the key is free.
pub async fn a_request_of_which_one_job_is_refused_keeps_none(stage: &Stage) {
    let unique = |stage: &Stage| {
        let key = Unique::by_key("a").or_reject().key_of(TASK, &crate::Json::null(), stage.now());
        crate::JobSpec { unique: Some(Box::new(key)), ..stage.spec() }
    };
    stage.put(unique(stage)).await;
    let jobs = vec![stage.spec().into(), unique(stage).into()];
    let unit = Unit { idempotency: request("k", b"one"), ..Unit::new(jobs) };
    let answer = stage.store.enqueue(vec![unit]).await.remove(0);
    assert!(matches!(answer, Err(StoreError::UniqueConflict { index: 1, .. })), "{answer:?}");
    assert_eq!(stage.list(crate::Filter::default()).await.len(), 1);
    assert!(made(&send(stage, 2, request("k", b"two")).await.1));
}

/// Whoever hears nothing may ask again: a request whose answer nobody took makes its jobs once, whether it was done or not.
pub async fn a_request_whose_answer_is_lost_makes_its_jobs_once(stage: &Stage) {
    for n in 0..20 {
        let key = format!("k{n}");
        let unit = |jobs: Vec<crate::JobSpec>| {
            let jobs = jobs.into_iter().map(Into::into).collect();
            Unit { idempotency: request(&key, b"same"), ..Unit::new(jobs) }
        };
        let mut lost = stage.store.enqueue(vec![unit(vec![stage.spec(), stage.spec()])]);
        // Begun, and given up wherever it is by then.
        let _ = futures::poll!(&mut lost);
        drop(lost);
        let jobs = vec![stage.spec(), stage.spec()];
        let ids: Vec<JobId> = jobs.iter().map(|spec| spec.id).collect();
        let again = stage.store.enqueue(vec![unit(jobs)]).await.remove(0).expect("the request is the same");
        let known = again.replayed.unwrap_or(ids);
        let third = stage.store.enqueue(vec![unit(vec![stage.spec(), stage.spec()])]).await.remove(0);
        assert_eq!(replayed(third), known);
        assert_eq!(stage.list(crate::Filter::default()).await.len(), 2 * (n + 1));
    }
}

/// So does a unique key, without one of the request.
pub async fn a_unique_job_whose_answer_is_lost_is_made_once(stage: &Stage) {
    for n in 0..20 {
        let unit = || {
            let key = Unique::by_key(format!("u{n}")).key_of(TASK, &crate::Json::null(), stage.now());
            let spec = crate::JobSpec { unique: Some(Box::new(key)), ..stage.spec() };
            (spec.id, Unit::new(vec![spec.into()]))
        };
        let (first, unit_of_it) = unit();
        let mut lost = stage.store.enqueue(vec![unit_of_it]);
        let _ = futures::poll!(&mut lost);
        drop(lost);
        let (second, again) = unit();
        let placed = stage.store.enqueue(vec![again]).await.remove(0).expect("the job is there or is made");
        let known = placed.found.first().map_or(second, |found| found.job.id());
        assert!([first, second].contains(&known), "{known} is another job");
        let third = stage.store.enqueue(vec![unit().1]).await.remove(0).expect("the job is there");
        assert_eq!(third.found[0].job.id(), known);
        assert_eq!(stage.list(crate::Filter::default()).await.len(), n + 1);
    }
}

/// A request is not handed off: its jobs stand in line.
pub async fn a_request_with_a_key_is_not_handed_off(stage: &Stage) {
    let worker = stage.worker().await;
    let unit = Unit { idempotency: request("k", b"one"), ..Unit::new(vec![stage.spec().into()]).claimed_by(worker) };
    let answer = stage.store.enqueue(vec![unit]).await.remove(0);
    assert!(made(&answer), "{answer:?}");
    assert_eq!(stage.claim(worker, 9).await.len(), 1);
}

/// Of any number at once, one makes the job, and all get it.
pub async fn one_of_many_requests_makes_the_job(stage: &Stage) {
    let store = &stage.store;
    let send = |spec: crate::JobSpec| {
        let (id, idempotency) = (spec.id, request("k", b"same"));
        let unit = Unit { idempotency, ..Unit::new(vec![spec.into()]) };
        (vec![id], futures::executor::block_on(store.enqueue(vec![unit])).remove(0))
    };
    let specs: Vec<_> = (0..16).map(|_| stage.spec()).collect();
    let answers: Vec<_> = std::thread::scope(|scope| {
        let callers: Vec<_> = specs.into_iter().map(|spec| scope.spawn(move || send(spec))).collect();
        callers.into_iter().map(|caller| caller.join().expect("no panic")).collect()
    });
    let made: Vec<_> = answers.iter().filter(|(_, answer)| made(answer)).map(|(ids, _)| ids.clone()).collect();
    assert_eq!(made.len(), 1, "{answers:?}");
    for (ids, answer) in answers {
        if ids != made[0] {
            assert_eq!(replayed(answer), made[0]);
        }
    }
}
