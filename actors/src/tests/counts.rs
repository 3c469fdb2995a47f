//! What is counted.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use callboard_tasks::{Ending, Job, JobId, JobSpec, Json, RetryPolicy, TaskError, Timestamp};

use crate::counts::{CountedEnd, Counts, Ended, OTHER, Spread, SpreadCounter};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap()
}

fn job(task: &str, queue: &str) -> Job {
    Job::new(Arc::new(JobSpec {
        id: JobId::new(at(0)),
        task: Cow::Owned(task.to_owned()),
        args: Json::from_value(&serde_json::json!({})).unwrap(),
        queue: Cow::Owned(queue.to_owned()),
        priority: 0,
        enqueued_at: at(0),
        run_after: None,
        expires_at: None,
        timeout: None,
        retry: RetryPolicy::default(),
        tags: Vec::new(),
        metadata: None,
        traceparent: None,
        unique: None,
        limit_key: None,
    }))
}

fn error(class: &str) -> TaskError {
    TaskError::new(class, "", "", 1, at(0))
}

#[test]
fn ends_are_told_apart_and_only_first_attempts_have_waited() {
    let (counts, alias, job) = (Counts::default(), Arc::from("default"), job("add", "math"));
    counts.enqueued(&alias, &job);
    let end = |attempt, ending: Ending| {
        let ended = Ended { spec: &job.spec, attempt, started_at: at(200), now: at(203) };
        counts.ended(&alias, &ended, &ending);
    };
    end(1, Ending::Retry { at: at(9), error: error("io::Error") });
    end(2, Ending::Succeeded(Json::from_value(&serde_json::json!(1)).unwrap()));
    end(1, Ending::Failed(error("Panic")));
    end(1, Ending::Failed(error("Timeout")));
    end(1, Ending::Failed(error("MailError")));
    end(1, Ending::Cancelled(error("Cancelled")));
    end(1, Ending::HandBack);

    let all = counts.so_far();
    let [counted] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!((counted.task.as_str(), counted.queue.as_str(), counted.enqueued), ("add", "math", 1));
    assert_eq!((counted.started, counted.retries), (6, 1));
    assert_eq!(counted.finished, CountedEnd::ALL.map(|end| (end, 1)).to_vec());
    assert_eq!((counted.waited.count, counted.waited.within[5], counted.took.within[0]), (5, 5, 6));
    assert!((counted.took.sum - 0.018).abs() < 1e-9, "{:?}", counted.took);
}

#[test]
fn only_so_many_names_are_counted_apart() {
    let (counts, alias) = (Counts::default(), Arc::from("default"));
    for n in 0..1_000 {
        counts.enqueued(&alias, &job("add", &format!("queue{n}")));
    }
    let all = counts.so_far();
    assert_eq!(all.len(), 201);
    assert_eq!(all.iter().find(|counted| counted.queue == OTHER).map(|counted| counted.enqueued), Some(800));
    assert_eq!(all.iter().map(|counted| counted.enqueued).sum::<u64>(), 1_000);
}

#[test]
fn what_takes_longer_than_every_bound_counts_in_the_whole_alone() {
    let counter = SpreadCounter::default();
    for took in [Duration::ZERO, Duration::from_millis(5), Duration::from_millis(6), Duration::from_secs(7_200)] {
        counter.note(took);
    }
    let spread = counter.so_far();
    assert_eq!((spread.within[0], spread.within[1], spread.within.iter().sum::<u64>(), spread.count), (2, 1, 3, 4));
    let mut twice = spread;
    twice.add(&spread);
    assert_eq!((twice.count, twice.within[0]), (8, 4));
    assert!(Spread::BOUNDS.is_sorted());
}
