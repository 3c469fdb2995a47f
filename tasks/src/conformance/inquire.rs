//! Why a job waits: the facts, and the reasons that follow from them.

use super::*;
use crate::{Change, Control, Inquiry, JobId, JobSpec, QueueLimits, ReasonCode, why};

async fn inquire(stage: &Stage, id: JobId) -> Inquiry {
    stage.store.inquire(id).await.expect("the store can be read").expect("the job is there")
}

async fn codes(stage: &Stage, id: JobId) -> Vec<ReasonCode> {
    why(&inquire(stage, id).await, false).reasons.iter().map(|reason| reason.code).collect()
}

async fn limit(stage: &Stage, limits: QueueLimits) {
    stage.control(Control::Limit { queue: QUEUE.into(), limits }).await;
}

/// Nobody knows anything of a job that is not there.
pub async fn an_unknown_job_has_no_answer(stage: &Stage) {
    assert_eq!(stage.store.inquire(JobId::new(stage.now())).await.expect("the store can be read"), None);
}

/// What is next and held back by nothing starts as soon as somebody looks.
pub async fn a_job_that_is_next_is_runnable(stage: &Stage) {
    stage.worker().await;
    let id = stage.put(stage.spec()).await;
    let known = inquire(stage, id).await;
    assert_eq!((known.workers, known.able, known.ahead, known.running_in_queue), (1, 1, 0, 0));
    assert_eq!(known.job, stage.read(id).await);
    let why = why(&known, false);
    assert!(why.runnable && why.reasons.is_empty(), "{why:?}");
}

/// Those before it are counted, by the order in which they are given.
pub async fn those_who_come_first_are_counted(stage: &Stage) {
    stage.worker().await;
    let ids = stage.put_many(3).await;
    stage.put(JobSpec { priority: 1, ..stage.spec() }).await;
    stage.put(stage.spec_in("mail")).await;
    stage.put(JobSpec { priority: 1, run_after: Some(stage.after(HOUR)), ..stage.spec() }).await;
    let known = inquire(stage, ids[1]).await;
    assert_eq!(known.ahead, 2);
    let why = why(&known, false);
    assert!(why.runnable);
    assert_eq!(why.reasons.iter().map(|reason| reason.code).collect::<Vec<_>>(), [ReasonCode::BehindOthers]);
}

/// Without a process nothing runs; without one that knows the task neither.
pub async fn it_says_that_nobody_can_run_it(stage: &Stage) {
    let id = stage.put(stage.spec()).await;
    assert_eq!(codes(stage, id).await, [ReasonCode::NoWorker]);
    let other = stage.worker_for(&[OTHER]).await;
    let known = inquire(stage, id).await;
    assert_eq!((known.workers, known.able), (1, 0));
    assert_eq!(codes(stage, id).await, [ReasonCode::UnregisteredTask]);
    stage.worker().await;
    assert_eq!(codes(stage, id).await, []);
    stage.advance(LEASE);
    stage.beat(other).await.expect("the lease is there");
    assert_eq!(codes(stage, id).await, [ReasonCode::UnregisteredTask], "an ended lease works no more");
}

/// A pause is told.
pub async fn it_says_that_the_queue_is_paused(stage: &Stage) {
    stage.worker().await;
    let id = stage.put(stage.spec()).await;
    stage.control(Control::Pause(QUEUE.into())).await;
    assert_eq!(codes(stage, id).await, [ReasonCode::QueuePaused]);
}

/// A time is told.
pub async fn it_says_that_its_time_has_not_come(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(JobSpec { run_after: Some(stage.after(HOUR)), ..stage.spec() }).await;
    assert_eq!(codes(stage, id).await, [ReasonCode::Scheduled]);
    stage.change(id, Change::RunNow).await;
    let job = stage.claim_one(worker).await;
    assert_eq!(codes(stage, id).await, [ReasonCode::Running]);
    stage.must_end(&job, stage.retry_in(HOUR, &job)).await;
    assert_eq!(codes(stage, id).await, [ReasonCode::RetryWait]);
    stage.change(id, Change::Cancel).await;
    assert_eq!(codes(stage, id).await, [ReasonCode::Finished]);
}

/// The limit is told, and who holds it.
pub async fn it_names_who_holds_the_limit(stage: &Stage) {
    let worker = stage.worker().await;
    limit(stage, QueueLimits { concurrency: Some(1), ..QueueLimits::default() }).await;
    let ids = stage.put_many(2).await;
    stage.claim_one(worker).await;
    let known = inquire(stage, ids[1]).await;
    assert_eq!((known.running_in_queue, &known.holders[..]), (1, &ids[..1]));
    let why = why(&known, false);
    assert_eq!(why.reasons[0].code, ReasonCode::ConcurrencyLimit);
    assert!(why.reasons[0].detail.contains(&ids[0].to_string()), "{why:?}");
    assert!(!why.runnable);
}

/// So is that of a key, and who holds that.
pub async fn it_names_who_holds_the_limit_of_a_key(stage: &Stage) {
    let worker = stage.worker().await;
    limit(stage, QueueLimits { key_concurrency: Some(1), ..QueueLimits::default() }).await;
    let with = |key: &str| JobSpec { limit_key: Some(key.into()), ..stage.spec() };
    let (a, b) = (stage.put(with("a")).await, stage.put(with("b")).await);
    stage.claim(worker, 2).await;
    let waits = stage.put(with("b")).await;
    let known = inquire(stage, waits).await;
    assert_eq!((known.running_in_queue, known.running_with_key, &known.holders[..]), (2, 1, &[b][..]));
    assert_eq!(codes(stage, waits).await, [ReasonCode::ConcurrencyLimit]);
    let free = stage.put(with("c")).await;
    let known = inquire(stage, free).await;
    assert_eq!(known.running_with_key, 0);
    assert!(why(&known, false).runnable, "{a}");
}

/// A rate is told, with the time of the next start.
pub async fn it_says_when_the_rate_lets_it_start(stage: &Stage) {
    let worker = stage.worker().await;
    let rate = Some("1/1m".parse().expect("a rate"));
    limit(stage, QueueLimits { rate, key_rate: rate, ..QueueLimits::default() }).await;
    let with = |key: &str| JobSpec { limit_key: Some(key.into()), ..stage.spec() };
    stage.put(with("a")).await;
    stage.claim_one(worker).await;
    stage.advance(SECOND);
    let waits = stage.put(with("a")).await;
    let known = inquire(stage, waits).await;
    let at = Some(stage.after(MINUTE - SECOND));
    assert_eq!((known.rate_free_at, known.key_rate_free_at), (at, at));
    assert_eq!(codes(stage, waits).await, [ReasonCode::RateLimited]);
}

/// Several reasons are several.
pub async fn it_names_every_reason(stage: &Stage) {
    let id = stage.put(JobSpec { run_after: Some(stage.after(HOUR)), ..stage.spec() }).await;
    stage.control(Control::Pause(QUEUE.into())).await;
    let why = why(&inquire(stage, id).await, true);
    let codes: Vec<_> = why.reasons.iter().map(|reason| reason.code).collect();
    use ReasonCode::{Draining, NoWorker, QueuePaused, Scheduled};
    assert_eq!(codes, [Scheduled, QueuePaused, NoWorker, Draining]);
}
