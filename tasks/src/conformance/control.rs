//! What holds for all: pauses and published tasks.

use std::time::Duration;

use super::*;
use crate::{Backoff, Control, Json, Published, PublishedParameter, Redaction, RetryPolicy};

fn published(name: &str, description: &str) -> Published {
    let parameter = PublishedParameter {
        name: "to".into(),
        type_name: "Option<String>".into(),
        required: false,
        default: Some(Json::null()),
    };
    Published {
        name: name.into(),
        description: description.into(),
        parameters: vec![parameter],
        queue: "mail".into(),
        http: true,
        priority: -3,
        retry: RetryPolicy { max_attempts: 7, backoff: Backoff::Fixed(Duration::from_secs(3)) },
        timeout: Some(Duration::from_millis(1_500)),
        expires: None,
        redact: Redaction::Also(vec!["to".into()]),
        unique: true,
        limit_key: Some("to".into()),
    }
}

/// Whoever reads the numbers finds every task with all that was said of it.
pub async fn a_published_task_is_found(stage: &Stage) {
    let (one, two) = (published("app.one", "One.\n\nAnd more."), published("app.two", ""));
    stage.control(Control::Publish(vec![two.clone(), one.clone()])).await;
    let found: Vec<_> = stage.stats().await.published.into_iter().collect();
    assert_eq!(found, [("app.one".to_owned(), one), ("app.two".to_owned(), two)]);
}

/// A newer release says how a task is now; others stay.
pub async fn a_task_published_again_is_replaced(stage: &Stage) {
    let (one, two) = (published("app.one", "Old."), published("app.two", ""));
    stage.control(Control::Publish(vec![one, two.clone()])).await;
    let new = Published { http: false, parameters: Vec::new(), ..published("app.one", "New.") };
    stage.control(Control::Publish(vec![new.clone()])).await;
    let found: Vec<_> = stage.stats().await.published.into_values().collect();
    assert_eq!(found, [new, two]);
}

/// Tasks are remembered after all who had them have left.
pub async fn a_published_task_outlives_its_workers(stage: &Stage) {
    let worker = stage.worker().await;
    stage.control(Control::Publish(vec![published("app.one", "")])).await;
    stage.control(Control::Leave(worker)).await;
    stage.advance(DAY);
    stage.prune(9).await;
    assert!(stage.stats().await.published.contains_key("app.one"));
}

/// Pausing twice is pausing once, and a queue may be paused before it has had a job.
pub async fn a_pause_is_seen_in_the_numbers(stage: &Stage) {
    assert!(!stage.queue("mail").await.paused);
    stage.control(Control::Pause("mail".into())).await;
    stage.control(Control::Pause("mail".into())).await;
    assert!(stage.queue("mail").await.paused);
    stage.control(Control::Resume("mail".into())).await;
    assert!(!stage.queue("mail").await.paused);
}

/// A pause holds until it is ended, however long that is and whoever tidies up meanwhile.
pub async fn a_pause_outlives_the_jobs_of_its_queue(stage: &Stage) {
    let worker = stage.worker().await;
    stage.control(Control::Pause("mail".into())).await;
    stage.advance(365 * DAY);
    stage.prune(9).await;
    stage.put(stage.spec_in("mail")).await;
    assert_eq!(stage.claim_ids(worker, 9).await, []);
}

/// What runs goes on, and may end.
pub async fn a_pause_does_not_touch_what_runs(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    stage.control(Control::Pause(QUEUE.into())).await;
    assert_eq!(stage.succeed(&job).await.state.phase, crate::Phase::Successful);
}

/// A queue that is not paused can be resumed.
pub async fn resuming_what_is_not_paused_is_no_error(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(stage.spec()).await;
    stage.control(Control::Resume(QUEUE.into())).await;
    stage.control(Control::Resume("never-heard-of".into())).await;
    assert_eq!(stage.claim_ids(worker, 9).await, [id]);
}
