//! Looking up, listing and counting.

use super::*;
use crate::{Change, Ending, Filter, Job, JobId, JobSpec, Lookup, Phase, Status};

/// The answers stand in the order of the ids, also for those that nobody knows.
pub async fn look_ups_stand_in_the_order_of_the_ids(stage: &Stage) {
    let ids = stage.put_many(2).await;
    let unknown = JobId::new(stage.now());
    let found = stage.store.get(vec![ids[1], unknown, ids[0], ids[1]]).await.expect("the store can be read");
    let found: Vec<_> =
        found.iter().map(|found| if let Lookup::Found(job) = found { Some(job.id()) } else { None }).collect();
    assert_eq!(found, [Some(ids[1]), None, Some(ids[0]), Some(ids[1])]);
}

/// What never was is unknown, not pruned.
pub async fn an_id_that_never_was_is_unknown(stage: &Stage) {
    assert_eq!(stage.look_up(JobId::new(stage.now())).await, Lookup::Unknown);
    assert_eq!(stage.store.get(Vec::new()).await.expect("the store can be read"), []);
}

/// The newest id stands first.
pub async fn a_list_is_newest_first(stage: &Stage) {
    let mut ids = stage.put_many(3).await;
    ids.reverse();
    assert_eq!(stage.list(Filter::default()).await, ids);
}

/// An empty list has no next page.
pub async fn an_empty_store_has_an_empty_list(stage: &Stage) {
    let listing = stage.page(Filter::default(), 10, None).await;
    assert_eq!((listing.jobs, listing.next), (Vec::new(), None));
}

/// Following the pages finds every job once, and ends.
pub async fn pages_cover_the_list_once(stage: &Stage) {
    let mut ids = stage.put_many(7).await;
    ids.reverse();
    let (mut seen, mut sizes, mut before) = (Vec::new(), Vec::new(), None);
    loop {
        let listing = stage.page(Filter::default(), 3, before).await;
        sizes.push(listing.jobs.len());
        seen.extend(listing.jobs.iter().map(Job::id));
        before = listing.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen, ids);
    assert_eq!(sizes, [3, 3, 1]);
}

/// A page that holds all has no next one, though it is full.
pub async fn a_full_last_page_has_no_next(stage: &Stage) {
    stage.put_many(3).await;
    assert_eq!(stage.page(Filter::default(), 3, None).await.next, None);
}

/// A new job does not move what is on the pages behind.
pub async fn a_new_job_does_not_disturb_the_pages(stage: &Stage) {
    let ids = stage.put_many(4).await;
    let first = stage.page(Filter::default(), 2, None).await;
    stage.put(stage.spec()).await;
    let second = stage.page(Filter::default(), 2, first.next).await;
    assert_eq!(second.jobs.iter().map(Job::id).collect::<Vec<_>>(), [ids[1], ids[0]]);
}

/// A page may start at any id, also at one of no job.
pub async fn a_page_may_start_at_an_id_of_no_job(stage: &Stage) {
    let old = stage.put(stage.spec()).await;
    let between = JobId::new(stage.now());
    stage.put(stage.spec()).await;
    let page = stage.page(Filter::default(), 9, Some(between)).await;
    assert_eq!(page.jobs.iter().map(Job::id).collect::<Vec<_>>(), [old]);
}

/// A filter finds jobs however far they stand behind others.
pub async fn a_filter_looks_past_what_does_not_fit(stage: &Stage) {
    let mail = stage.put(stage.spec_in("mail")).await;
    stage.unit((0..3_000).map(|_| stage.spec()).collect(), None).await.expect("the unit is good");
    let listing = stage.page(Filter { queue: Some("mail".into()), ..Filter::default() }, 1, None).await;
    assert_eq!(listing.jobs.iter().map(Job::id).collect::<Vec<_>>(), [mail]);
    assert_eq!(listing.next, None);
}

/// By Django's four, and by the detail behind them.
pub async fn a_list_can_be_of_a_status_or_a_phase(stage: &Stage) {
    let worker = stage.worker().await;
    let ids = stage.put_many(4).await;
    let jobs = stage.claim(worker, 3).await;
    stage.succeed(&jobs[0]).await;
    stage.must_end(&jobs[1], Ending::Failed(stage.error(&jobs[1]))).await;
    let scheduled = stage.put(JobSpec { run_after: Some(stage.after(HOUR)), ..stage.spec() }).await;

    let of = |status| Filter { status: Some(status), ..Filter::default() };
    assert_eq!(stage.list(of(Status::Successful)).await, [ids[0]]);
    assert_eq!(stage.list(of(Status::Failed)).await, [ids[1]]);
    assert_eq!(stage.list(of(Status::Running)).await, [ids[2]]);
    assert_eq!(stage.list(of(Status::Ready)).await, [scheduled, ids[3]]);
    let in_phase = |phase| Filter { phase: Some(phase), ..Filter::default() };
    assert_eq!(stage.list(in_phase(Phase::Scheduled)).await, [scheduled]);
    assert_eq!(stage.list(in_phase(Phase::Ready)).await, [ids[3]]);
    assert_eq!(stage.list(in_phase(Phase::Cancelled)).await, []);
}

/// By task, by queue, by label.
pub async fn a_list_can_be_of_a_task_a_queue_or_a_tag(stage: &Stage) {
    let plain = stage.put(stage.spec()).await;
    let other = stage.put(JobSpec { task: OTHER.into(), ..stage.spec() }).await;
    let mail = stage.put(stage.spec_in("mail")).await;
    let tagged = stage.put(JobSpec { tags: vec!["x".into(), "y".into()], ..stage.spec() }).await;

    assert_eq!(stage.list(Filter { task: Some(OTHER.into()), ..Filter::default() }).await, [other]);
    assert_eq!(stage.list(Filter { queue: Some("mail".into()), ..Filter::default() }).await, [mail]);
    assert_eq!(stage.list(Filter { tag: Some("y".into()), ..Filter::default() }).await, [tagged]);
    let both = Filter { queue: Some(QUEUE.into()), task: Some(TASK.into()), ..Filter::default() };
    assert_eq!(stage.list(both).await, [tagged, plain]);
}

/// From the start on, before the end.
pub async fn a_list_can_be_of_a_time(stage: &Stage) {
    let _before = stage.put(stage.spec()).await;
    stage.advance(SECOND);
    let (from, first) = (stage.now(), stage.put(stage.spec()).await);
    stage.advance(SECOND);
    let second = stage.put(stage.spec()).await;
    stage.advance(SECOND);
    let (until, _after) = (stage.now(), stage.put(stage.spec()).await);
    assert_eq!(stage.list(Filter { enqueued: Some(from..until), ..Filter::default() }).await, [second, first]);
}

/// A list shows jobs as they are, not as they were enqueued.
pub async fn a_listed_job_is_as_it_is_now(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put_many(2).await;
    let jobs = stage.claim(worker, 2).await;
    stage.succeed(&jobs[0]).await;
    for job in stage.page(Filter::default(), 9, None).await.jobs {
        assert_eq!(job, stage.read(job.id()).await);
    }
}

/// Each job is counted once, in its queue, in its phase, through all its life.
pub async fn the_numbers_follow_the_jobs(stage: &Stage) {
    let worker = stage.worker().await;
    let count = |phases: &[(Phase, u64)]| phases.iter().copied().collect::<std::collections::BTreeMap<_, _>>();
    stage.put_many(3).await;
    let mail = stage.put(JobSpec { run_after: Some(stage.after(HOUR)), ..stage.spec_in("mail") }).await;
    assert_eq!(stage.queue(QUEUE).await.phases, count(&[(Phase::Ready, 3)]));
    assert_eq!(stage.queue("mail").await.phases, count(&[(Phase::Scheduled, 1)]));

    let jobs = stage.claim(worker, 2).await;
    assert_eq!(stage.queue(QUEUE).await.phases, count(&[(Phase::Ready, 1), (Phase::Running, 2)]));
    stage.succeed(&jobs[0]).await;
    stage.must_end(&jobs[1], stage.retry_in(HOUR, &jobs[1])).await;
    let now = count(&[(Phase::Ready, 1), (Phase::Successful, 1), (Phase::RetryWait, 1)]);
    assert_eq!(stage.queue(QUEUE).await.phases, now);

    stage.change(mail, Change::Cancel).await;
    assert_eq!(stage.queue("mail").await.phases, count(&[(Phase::Cancelled, 1)]));
}

/// How long a queue has kept somebody waiting: as of when the job could have run, whatever its priority.
pub async fn the_numbers_tell_since_when_a_job_is_ready(stage: &Stage) {
    let worker = stage.worker().await;
    assert_eq!(stage.queue(QUEUE).await.oldest_ready, None);
    let oldest = stage.now();
    let low = stage.put(JobSpec { priority: -5, ..stage.spec() }).await;
    stage.advance(SECOND);
    let (newer, _high) = (stage.now(), stage.put(JobSpec { priority: 5, ..stage.spec() }).await);
    stage.put(JobSpec { run_after: Some(stage.after(DAY)), ..stage.spec() }).await;
    assert_eq!(stage.queue(QUEUE).await.oldest_ready, Some(oldest));

    stage.change(low, Change::Cancel).await;
    assert_eq!(stage.queue(QUEUE).await.oldest_ready, Some(newer));
    stage.claim(worker, 9).await;
    assert_eq!(stage.queue(QUEUE).await.oldest_ready, None);
}

/// Who works here, and until when.
pub async fn the_numbers_tell_of_the_workers(stage: &Stage) {
    let worker = stage.worker().await;
    assert_eq!(stage.stats().await.workers, [(worker, stage.after(LEASE))]);
    stage.control(crate::Control::Leave(worker)).await;
    assert_eq!(stage.stats().await.workers, []);
}
