//! Limits: how much of a queue or of a key runs at once, how fast it starts, how much may wait.

use super::*;
use crate::{Ask, Change, Control, Ending, Job, JobId, JobSpec, Phase, Placed, QueueLimits, StoreError, WorkerId};

const MAIL: &str = "mail";

fn at_once(most: u32) -> QueueLimits {
    QueueLimits { concurrency: Some(most), ..QueueLimits::default() }
}

fn at_once_by_key(most: u32) -> QueueLimits {
    QueueLimits { key_concurrency: Some(most), ..QueueLimits::default() }
}

fn rate(rate: &str) -> QueueLimits {
    QueueLimits { rate: Some(rate.parse().expect("a rate")), ..QueueLimits::default() }
}

fn rate_by_key(rate: &str) -> QueueLimits {
    QueueLimits { key_rate: Some(rate.parse().expect("a rate")), ..QueueLimits::default() }
}

fn at_most(depth: u64) -> QueueLimits {
    QueueLimits { depth: Some(depth), ..QueueLimits::default() }
}

async fn limit(stage: &Stage, limits: QueueLimits) {
    stage.control(Control::Limit { queue: MAIL.into(), limits }).await;
}

async fn put(stage: &Stage, count: usize) -> Vec<JobId> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(stage.put(stage.spec_in(MAIL)).await);
    }
    ids
}

async fn put_with(stage: &Stage, key: &str) -> JobId {
    stage.put(JobSpec { limit_key: Some(key.into()), ..stage.spec_in(MAIL) }).await
}

fn ids(jobs: &[Job]) -> Vec<JobId> {
    jobs.iter().map(Job::id).collect()
}

/// As many run as may, and no more are given.
pub async fn no_more_run_at_once_than_may(stage: &Stage) {
    let worker = stage.worker().await;
    limit(stage, at_once(2)).await;
    let jobs = put(stage, 5).await;
    assert_eq!(stage.claim_ids(worker, 9).await, jobs[..2]);
    assert_eq!(stage.claim_ids(worker, 9).await, []);
}

/// It counts over all processes.
pub async fn the_limit_is_one_for_all_processes(stage: &Stage) {
    let (one, two) = (stage.worker().await, stage.worker().await);
    limit(stage, at_once(3)).await;
    let jobs = put(stage, 5).await;
    assert_eq!(stage.claim_ids(one, 2).await, jobs[..2]);
    assert_eq!(stage.claim_ids(two, 2).await, jobs[2..3]);
    assert_eq!(stage.claim_ids(one, 2).await, []);
}

/// Whatever ends a run makes room: there is nothing else to be released.
pub async fn each_end_of_a_run_makes_room(stage: &Stage) {
    let worker = stage.worker().await;
    limit(stage, at_once(1)).await;
    put(stage, 1).await;
    let endings: [fn(&Stage, &Job) -> Ending; 4] = [
        |_, _| Ending::HandBack,
        |stage, job| stage.retry_in(MOMENT, job),
        |stage, _| Ending::Snoozed(stage.after(MOMENT)),
        |stage, job| Ending::Failed(stage.error(job)),
    ];
    for ending in endings {
        let job = stage.claim_one(worker).await;
        assert_eq!(stage.claim_ids(worker, 9).await, []);
        stage.must_end(&job, ending(stage, &job)).await;
        stage.advance(SECOND);
    }
    put(stage, 2).await;
    assert_eq!(stage.claim(worker, 9).await.len(), 1);
}

/// A crash frees what it held, together with the lease, and not before.
pub async fn a_lost_lease_makes_room(stage: &Stage) {
    let (one, two) = (stage.worker().await, stage.worker().await);
    limit(stage, at_once(1)).await;
    let jobs = put(stage, 2).await;
    let lost = stage.claim_one(one).await;
    stage.advance(LEASE);
    assert_eq!(stage.claim_ids(two, 9).await, [], "an ended lease that nobody took still holds");
    stage.rescue(one).await;
    assert_eq!(stage.claim_ids(two, 9).await, jobs[..1]);
    assert!(!stage.end(&lost, Ending::Succeeded(crate::Json::null())).await.is_accepted());
    assert_eq!(stage.claim_ids(two, 9).await, [], "what comes late frees nothing");
}

/// One that was asked to stop runs until it has.
pub async fn a_job_that_was_asked_to_stop_holds_its_room(stage: &Stage) {
    let worker = stage.worker().await;
    limit(stage, at_once(1)).await;
    put(stage, 2).await;
    let job = stage.claim_one(worker).await;
    stage.change(job.id(), Change::Cancel).await;
    assert_eq!(stage.claim_ids(worker, 9).await, []);
    stage.must_end(&job, Ending::Cancelled(stage.error(&job))).await;
    assert_eq!(stage.claim(worker, 9).await.len(), 1);
}

/// A limit is of one queue.
pub async fn other_queues_are_not_limited(stage: &Stage) {
    let worker = stage.worker().await;
    limit(stage, at_once(1)).await;
    put(stage, 3).await;
    stage.put_many(3).await;
    assert_eq!(stage.claim(worker, 9).await.len(), 4);
}

/// A limit can be changed while there is work, and taken away.
pub async fn a_limit_is_changed_live(stage: &Stage) {
    let worker = stage.worker().await;
    limit(stage, at_once(1)).await;
    put(stage, 9).await;
    assert_eq!(stage.claim(worker, 9).await.len(), 1);
    limit(stage, at_once(3)).await;
    assert_eq!(stage.claim(worker, 9).await.len(), 2);
    limit(stage, at_once(1)).await;
    assert_eq!(stage.claim(worker, 9).await.len(), 0, "what runs goes on");
    limit(stage, QueueLimits::default()).await;
    assert_eq!(stage.claim(worker, 9).await.len(), 6);
}

/// The numbers tell of the limits, and so does the beat.
pub async fn limits_are_told(stage: &Stage) {
    let worker = stage.worker().await;
    let limits = QueueLimits {
        concurrency: Some(4),
        rate: Some("100/1m".parse().expect("a rate")),
        key_concurrency: Some(1),
        key_rate: Some("1/1h".parse().expect("a rate")),
        depth: Some(10_000),
    };
    limit(stage, limits).await;
    assert_eq!(stage.queue(MAIL).await.limits, limits);
    let pulse = stage.beat(worker).await.expect("the lease is there");
    assert_eq!(pulse.limits.into_iter().collect::<Vec<_>>(), [(MAIL.to_owned(), limits)]);
    limit(stage, QueueLimits::default()).await;
    assert!(stage.beat(worker).await.expect("the lease is there").limits.is_empty());
}

/// The best of those that may run come first, as ever.
pub async fn the_order_holds_under_a_limit(stage: &Stage) {
    let worker = stage.worker().await;
    limit(stage, at_once(1)).await;
    put(stage, 2).await;
    let high = stage.put(JobSpec { priority: 5, ..stage.spec_in(MAIL) }).await;
    assert_eq!(stage.claim_ids(worker, 9).await, [high]);
}

/// A job of a queue whose starts are limited stands in line.
pub async fn a_job_of_a_limited_queue_is_not_handed_off(stage: &Stage) {
    let worker = stage.worker().await;
    limit(stage, at_once(1)).await;
    assert_eq!(stage.hand_off(stage.spec_in(MAIL), worker).await, Placed::made(false));
    assert_eq!(stage.hand_off(stage.spec(), worker).await, Placed::made(true));
    limit(stage, at_most(9)).await;
    assert_eq!(stage.hand_off(stage.spec_in(MAIL), worker).await, Placed::made(true), "only what may wait is limited");
}

/// Each key has a limit of its own, and those who wait for theirs are in nobody's way.
pub async fn a_key_is_limited_by_itself(stage: &Stage) {
    let worker = stage.worker().await;
    limit(stage, at_once_by_key(1)).await;
    let a = [put_with(stage, "a").await, put_with(stage, "a").await, put_with(stage, "a").await];
    let b = [put_with(stage, "b").await, put_with(stage, "b").await];
    let free = put(stage, 2).await;
    let claimed = stage.claim(worker, 9).await;
    assert_eq!(ids(&claimed), [a[0], b[0], free[0], free[1]]);
    assert_eq!(stage.claim_ids(worker, 9).await, []);
    stage.succeed(&claimed[0]).await;
    assert_eq!(stage.claim_ids(worker, 9).await, [a[1]]);
}

/// The key of another queue is another one.
pub async fn a_key_counts_in_its_queue(stage: &Stage) {
    let worker = stage.worker().await;
    limit(stage, at_once_by_key(1)).await;
    put_with(stage, "a").await;
    let elsewhere = JobSpec { limit_key: Some("a".into()), ..stage.spec() };
    stage.put(elsewhere.clone()).await;
    stage.put(JobSpec { id: stage.spec().id, ..elsewhere }).await;
    assert_eq!(stage.claim(worker, 9).await.len(), 3);
}

/// However many stand in front whose key has no room.
pub async fn a_held_back_key_does_not_hide_those_behind_it(stage: &Stage) {
    let worker = stage.worker().await;
    limit(stage, at_once_by_key(1)).await;
    let spec = || JobSpec { limit_key: Some("a".into()), priority: 1, ..stage.spec_in(MAIL) };
    stage.unit((0..1_500).map(|_| spec()).collect(), None).await.expect("the unit is good");
    let behind = put_with(stage, "b").await;
    assert_eq!(stage.claim(worker, 1).await.len(), 1);
    assert_eq!(stage.claim_ids(worker, 1).await, [behind]);
}

/// A lost job frees its key's room, one that is handed back too.
pub async fn a_key_is_free_when_its_run_is(stage: &Stage) {
    let (one, two) = (stage.worker().await, stage.worker().await);
    limit(stage, at_once_by_key(1)).await;
    let id = put_with(stage, "a").await;
    let job = stage.claim_one(one).await;
    stage.must_end(&job, Ending::HandBack).await;
    assert_eq!(stage.claim_ids(one, 9).await, [id]);
    stage.lose(one).await;
    assert_eq!(stage.claim_ids(two, 9).await, [id]);
}

/// At first the whole number may start, then one by one.
pub async fn a_rate_lets_a_burst_through_and_then_one_by_one(stage: &Stage) {
    let worker = stage.worker().await;
    limit(stage, rate("6/1m")).await;
    put(stage, 20).await;
    assert_eq!(stage.claim(worker, 99).await.len(), 6);
    stage.advance(10 * SECOND - MOMENT);
    assert_eq!(stage.claim(worker, 99).await.len(), 0);
    stage.advance(MOMENT);
    assert_eq!(stage.claim(worker, 99).await.len(), 1);
    stage.advance(30 * SECOND);
    assert_eq!(stage.claim(worker, 99).await.len(), 3);
    stage.advance(HOUR);
    assert_eq!(stage.claim(worker, 99).await.len(), 6, "a long rest is worth no more than the number");
}

/// Who is held back learns when to ask again.
pub async fn a_rate_says_when_the_next_may_start(stage: &Stage) {
    let worker = stage.worker().await;
    limit(stage, rate("1/1m")).await;
    put(stage, 2).await;
    let ask = || Ask { worker, limit: 9, queues: None, after_queue: None };
    assert_eq!(stage.ask(ask()).await.jobs.len(), 1);
    let claimed = stage.ask(ask()).await;
    assert_eq!((claimed.jobs.len(), claimed.next_due), (0, Some(stage.after(MINUTE))));
    let pulse = stage.beat(worker).await.expect("the lease is there");
    assert_eq!(pulse.next_due, Some(stage.after(MINUTE)));
}

/// A start that came to nothing was a start.
pub async fn a_run_that_is_handed_back_counts_for_the_rate(stage: &Stage) {
    let worker = stage.worker().await;
    limit(stage, rate("1/1m")).await;
    put(stage, 1).await;
    let job = stage.claim_one(worker).await;
    stage.must_end(&job, Ending::HandBack).await;
    assert_eq!(stage.claim_ids(worker, 9).await, []);
    stage.advance(MINUTE);
    assert_eq!(stage.claim_ids(worker, 9).await, [job.id()]);
}

/// Each key has a rate of its own.
pub async fn a_rate_by_key_is_of_each_key(stage: &Stage) {
    let worker = stage.worker().await;
    limit(stage, rate_by_key("1/1m")).await;
    let a = [put_with(stage, "a").await, put_with(stage, "a").await];
    let b = put_with(stage, "b").await;
    let free = put(stage, 1).await;
    assert_eq!(stage.claim_ids(worker, 9).await, [a[0], b, free[0]]);
    let claimed = stage.ask(Ask { worker, limit: 9, queues: None, after_queue: None }).await;
    assert_eq!((claimed.jobs.len(), claimed.next_due), (0, Some(stage.after(MINUTE))));
    stage.advance(MINUTE);
    assert_eq!(stage.claim_ids(worker, 9).await, [a[1]]);
}

/// All limits of a queue hold at once.
pub async fn all_limits_hold_together(stage: &Stage) {
    let worker = stage.worker().await;
    limit(stage, QueueLimits { concurrency: Some(3), key_concurrency: Some(1), ..rate("2/1m") }).await;
    for key in ["a", "a", "b", "c", "d"] {
        put_with(stage, key).await;
    }
    assert_eq!(stage.claim(worker, 9).await.len(), 2, "the rate");
    stage.advance(HOUR);
    assert_eq!(stage.claim(worker, 9).await.len(), 1, "three at once");
}

/// A limit that changes nothing for those that run changes nothing for what they hold.
pub async fn what_ran_before_the_limit_counts(stage: &Stage) {
    let worker = stage.worker().await;
    put(stage, 4).await;
    put_with(stage, "a").await;
    put_with(stage, "a").await;
    assert_eq!(stage.claim(worker, 5).await.len(), 5);
    limit(stage, QueueLimits { key_concurrency: Some(1), ..at_once(6) }).await;
    assert_eq!(stage.claim(worker, 9).await.len(), 0, "the key runs");
    put(stage, 3).await;
    assert_eq!(stage.claim(worker, 9).await.len(), 1, "five run");
}

/// A full queue takes nothing more, until some have run.
pub async fn a_full_queue_refuses(stage: &Stage) {
    let worker = stage.worker().await;
    limit(stage, at_most(3)).await;
    put(stage, 2).await;
    stage.put(JobSpec { run_after: Some(stage.after(HOUR)), ..stage.spec_in(MAIL) }).await;
    stage.advance(2 * SECOND);
    let refused = stage.unit(vec![stage.spec_in(MAIL)], None).await;
    match refused {
        Err(StoreError::QueueFull { queue, waiting: 3, depth: 3 }) => assert_eq!(queue, MAIL),
        other => panic!("{other:?}"),
    }
    stage.put(stage.spec()).await;
    assert_eq!(stage.claim(worker, 9).await.len(), 3);
    stage.advance(2 * SECOND);
    put(stage, 1).await;
}

/// What would not fit whole is refused whole.
pub async fn a_unit_that_does_not_fit_is_refused_whole(stage: &Stage) {
    limit(stage, at_most(3)).await;
    put(stage, 2).await;
    stage.advance(2 * SECOND);
    let unit = stage.unit(vec![stage.spec_in(MAIL), stage.spec(), stage.spec_in(MAIL)], None).await;
    assert!(matches!(unit, Err(StoreError::QueueFull { .. })), "{unit:?}");
    assert_eq!(stage.queue(QUEUE).await.phases.get(&Phase::Ready), None);
    assert_eq!(stage.queue(MAIL).await.phases.get(&Phase::Ready), Some(&2));
}

/// Limit 1, and two processes that ask at the same time, again and again: never two at once.
pub async fn claims_at_once_do_not_pass_the_limit(stage: &Stage) {
    let workers = [stage.worker().await, stage.worker().await, stage.worker().await, stage.worker().await];
    limit(stage, at_once(1)).await;
    put(stage, 40).await;
    let store = &stage.store;
    let claim = |worker: WorkerId| {
        let ask = Ask { worker, limit: 5, queues: None, after_queue: None };
        futures::executor::block_on(store.claim(ask)).expect("the worker is registered").jobs
    };
    for _ in 0..20 {
        let jobs: Vec<Job> = std::thread::scope(|scope| {
            let claims: Vec<_> = workers.iter().map(|worker| scope.spawn(move || claim(*worker))).collect();
            claims.into_iter().flat_map(|claim| claim.join().expect("no panic")).collect()
        });
        assert_eq!(jobs.len(), 1);
        stage.succeed(&jobs[0]).await;
    }
}
