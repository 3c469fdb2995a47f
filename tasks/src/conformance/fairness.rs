//! How a claim is shared between queues.

use std::collections::BTreeMap;

use super::*;
use crate::{Ask, Claimed, JobId, JobSpec, WorkerId};

async fn put_in(stage: &Stage, queue: &'static str, count: usize) -> Vec<JobId> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(stage.put(stage.spec_in(queue)).await);
    }
    ids
}

async fn ask(stage: &Stage, worker: WorkerId, limit: usize, after: Option<&str>) -> Claimed {
    stage.ask(Ask { worker, limit, queues: None, after_queue: after.map(Into::into) }).await
}

/// How many jobs came of each queue.
fn counts(claimed: &Claimed) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for job in &claimed.jobs {
        *counts.entry(job.spec.queue.as_ref()).or_default() += 1;
    }
    counts
}

/// A full queue of high priority does not starve another.
pub async fn each_ready_queue_gets_its_share(stage: &Stage) {
    let worker = stage.worker().await;
    for _ in 0..20 {
        stage.put(JobSpec { priority: 100, ..stage.spec_in("a") }).await;
    }
    put_in(stage, "b", 20).await;
    put_in(stage, "c", 20).await;
    let claimed = ask(stage, worker, 9, None).await;
    assert_eq!(counts(&claimed), BTreeMap::from([("a", 3), ("b", 3), ("c", 3)]));
}

/// What a short queue leaves of its share, others get.
pub async fn what_a_short_queue_leaves_others_get(stage: &Stage) {
    let worker = stage.worker().await;
    put_in(stage, "a", 20).await;
    put_in(stage, "b", 1).await;
    let claimed = ask(stage, worker, 10, None).await;
    assert_eq!(counts(&claimed), BTreeMap::from([("a", 9), ("b", 1)]));
}

/// The rest goes by order over all queues: priority first.
pub async fn the_rest_goes_to_the_best_of_all_queues(stage: &Stage) {
    let worker = stage.worker().await;
    put_in(stage, "a", 5).await;
    put_in(stage, "b", 1).await;
    for _ in 0..5 {
        stage.put(JobSpec { priority: 1, ..stage.spec_in("c") }).await;
    }
    let claimed = ask(stage, worker, 8, None).await;
    assert_eq!(counts(&claimed), BTreeMap::from([("a", 2), ("b", 1), ("c", 5)]));
}

/// Queues have an order, and the turn goes on behind the one that was served last.
pub async fn the_turn_starts_behind_the_queue_that_was_served_last(stage: &Stage) {
    let worker = stage.worker().await;
    for queue in ["a", "b", "c"] {
        put_in(stage, queue, 3).await;
    }
    let mut served = Vec::new();
    let mut after = None;
    for _ in 0..6 {
        let claimed = ask(stage, worker, 1, after.as_deref()).await;
        served.extend(claimed.jobs.iter().map(|job| job.spec.queue.to_string()));
        after = claimed.last_queue;
    }
    assert_eq!(served, ["a", "b", "c", "a", "b", "c"]);
}

/// A queue that is gone, or never was, is a place in the order all the same.
pub async fn the_turn_may_start_behind_a_queue_that_is_not_there(stage: &Stage) {
    let worker = stage.worker().await;
    put_in(stage, "a", 1).await;
    let c = put_in(stage, "c", 1).await;
    let claimed = ask(stage, worker, 1, Some("b")).await;
    assert_eq!(claimed.jobs.iter().map(crate::Job::id).collect::<Vec<_>>(), c);
    assert_eq!(counts(&ask(stage, worker, 1, Some("zzz")).await), BTreeMap::from([("a", 1)]));
}

/// The turn goes round: also a queue that was served last has its turn again.
pub async fn the_turn_comes_back_to_the_queue_that_was_served_last(stage: &Stage) {
    let worker = stage.worker().await;
    put_in(stage, "b", 2).await;
    for _ in 0..2 {
        assert_eq!(counts(&ask(stage, worker, 1, Some("b")).await), BTreeMap::from([("b", 1)]));
    }
}

/// Whose claim gave nothing stays where it was.
pub async fn a_claim_without_jobs_keeps_the_turn(stage: &Stage) {
    let worker = stage.worker().await;
    assert_eq!(ask(stage, worker, 1, Some("b")).await.last_queue.as_deref(), Some("b"));
}

/// However many queues there are, no more jobs come than were asked for.
pub async fn many_queues_do_not_break_the_limit(stage: &Stage) {
    let worker = stage.worker().await;
    for queue in ["a", "b", "c", "d", "e"] {
        put_in(stage, queue, 2).await;
    }
    let claimed = ask(stage, worker, 3, None).await;
    assert_eq!(counts(&claimed), BTreeMap::from([("a", 1), ("b", 1), ("c", 1)]));
}

/// A process takes from the queues that it works.
pub async fn only_the_asked_queues_are_served(stage: &Stage) {
    let worker = stage.worker().await;
    put_in(stage, "a", 1).await;
    put_in(stage, "b", 1).await;
    let queues = Some(BTreeMap::from([("b".to_owned(), 9), ("none".to_owned(), 9)]));
    let claimed = stage.ask(Ask { worker, limit: 9, queues, after_queue: None }).await;
    assert_eq!(counts(&claimed), BTreeMap::from([("b", 1)]));
}

/// A process takes no more of a queue than it says, though there is room.
pub async fn the_most_of_a_queue_holds(stage: &Stage) {
    let worker = stage.worker().await;
    put_in(stage, "a", 5).await;
    put_in(stage, "b", 5).await;
    let queues = Some(BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 9)]));
    let claimed = stage.ask(Ask { worker, limit: 9, queues, after_queue: None }).await;
    assert_eq!(counts(&claimed), BTreeMap::from([("a", 1), ("b", 5)]));
}

/// A process that works no queue gets nothing.
pub async fn no_queues_give_nothing(stage: &Stage) {
    let worker = stage.worker().await;
    put_in(stage, "a", 1).await;
    for queues in [BTreeMap::new(), BTreeMap::from([("a".to_owned(), 0)])] {
        let claimed = stage.ask(Ask { worker, limit: 9, queues: Some(queues), after_queue: None }).await;
        assert!(claimed.jobs.is_empty());
    }
}

/// A process may name only what it does not work, or not without a bound.
pub async fn the_other_queues_can_be_asked_for_without_their_names(stage: &Stage) {
    let worker = stage.worker().await;
    for queue in ["a", "b", "c"] {
        put_in(stage, queue, 5).await;
    }
    let queues = [("a".to_owned(), 0), ("b".to_owned(), 2), (Ask::OTHERS.to_owned(), 9)];
    let claimed = stage.ask(Ask { worker, limit: 9, queues: Some(queues.into()), after_queue: None }).await;
    assert_eq!(counts(&claimed), BTreeMap::from([("b", 2), ("c", 5)]));
}

/// Within each queue a claim is best first, whatever came in which turn.
pub async fn within_a_queue_a_claim_is_best_first(stage: &Stage) {
    let worker = stage.worker().await;
    let a = put_in(stage, "a", 6).await;
    let b = put_in(stage, "b", 2).await;
    let claimed = ask(stage, worker, 8, None).await;
    for (queue, ids) in [("a", a), ("b", b)] {
        let of_queue = claimed.jobs.iter().filter(|job| job.spec.queue == queue);
        assert_eq!(of_queue.map(crate::Job::id).collect::<Vec<_>>(), ids);
    }
}
