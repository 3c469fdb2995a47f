//! Data at the limits of what the rules allow, and texts that are poison to somebody's parser.

use std::time::Duration;

use super::*;
use crate::{
    Backoff, Change, Ending, Filter, JobSpec, Json, MAX_NAME, Phase, Progress, RetryPolicy, TaskError, Timestamp,
};

fn json(text: impl Into<String>) -> Json {
    Json::from_stored(text.into())
}

/// Enqueues a job with these arguments, runs it with them as its value too, and looks whether both come back.
async fn comes_back(stage: &Stage, text: &str) {
    let worker = stage.worker().await;
    let id = stage.put(JobSpec { args: json(text), metadata: Some(json(text)), ..stage.spec() }).await;
    let job = stage.claim_one(worker).await;
    assert!(job.spec.args.as_str() == text, "the worker gets the arguments as they were given");
    stage.must_end(&job, Ending::Succeeded(json(text))).await;

    let job = stage.read(id).await;
    assert!(job.spec.args.as_str() == text, "the arguments are kept as they were given");
    assert!(job.spec.metadata.as_ref().is_some_and(|kept| kept.as_str() == text), "so is the metadata");
    assert!(job.state.return_value.as_ref().is_some_and(|kept| kept.as_str() == text), "so is the value");
}

/// NUL, which some databases cannot hold in text, as JSON writes it.
pub async fn an_escaped_nul_comes_back(stage: &Stage) {
    comes_back(stage, r#"{"text":"a\u0000b"}"#).await;
}

/// Emoji beyond the basic plane, combining marks, right-to-left text, lone escapes of surrogates.
pub async fn text_of_all_scripts_comes_back(stage: &Stage) {
    comes_back(stage, r#"{"text":"🎭 e\u0301 שלום \u202e \ud83c\udfad ﷽","🗝️":"\ud800"}"#).await;
}

/// What would be syntax elsewhere is text here.
pub async fn text_that_looks_like_code_comes_back(stage: &Stage) {
    comes_back(stage, r#"{"'; DROP TABLE jobs; --":"$1 ?1 :now @x %s {} \\ \" <script>alert(1)</script>"}"#).await;
}

/// Nothing at all is something.
pub async fn empty_values_come_back(stage: &Stage) {
    for text in ["{}", r#"{"":""}"#, r#"{"a":[],"b":{},"c":null}"#, "null"] {
        comes_back(stage, text).await;
    }
}

/// Members stay in the order given, also where a name comes twice.
pub async fn the_order_of_members_is_kept(stage: &Stage) {
    comes_back(stage, r#"{"z":1,"a":2,"m":3,"a":4}"#).await;
}

/// Numbers are text: nothing is rounded.
pub async fn numbers_come_back_to_the_digit(stage: &Stage) {
    comes_back(
        stage,
        r#"{"a":-9223372036854775808,"b":18446744073709551615,"c":1e-320,"d":0.1,"e":123456789012345678901234567890,"f":1.0}"#,
    )
    .await;
}

/// A quarter of a megabyte.
pub async fn large_arguments_come_back(stage: &Stage) {
    comes_back(stage, &format!(r#"{{"text":"{}"}}"#, "ä".repeat(128 * 1024))).await;
}

/// As deep as a value may be.
pub async fn deep_arguments_come_back(stage: &Stage) {
    comes_back(stage, &format!(r#"{{"a":{}{}}}"#, "[".repeat(119), "]".repeat(119))).await;
}

/// The longest names with the strangest characters that are allowed.
pub async fn names_at_the_limit_come_back(stage: &Stage) {
    let name = |first: char| format!("{first}{}", "-._:Z9".repeat(22))[..MAX_NAME].to_owned();
    let spec = JobSpec {
        task: name('t').into(),
        queue: name('q').into(),
        tags: (b'a'..=b'p').map(|first| name(char::from(first))).collect(),
        ..stage.spec()
    };
    let worker = stage.worker_for(&[&spec.task]).await;
    let id = stage.put(spec.clone()).await;

    assert_eq!(*stage.claim_one(worker).await.spec, spec);
    let found = Filter { task: Some(name('t')), queue: Some(name('q')), tag: Some(name('p')), ..Filter::default() };
    assert_eq!(stage.list(found).await, [id]);
    assert!(stage.stats().await.queues.contains_key(&name('q')));
}

/// Names that differ in case only, or look like patterns, are different names.
pub async fn names_are_compared_exactly(stage: &Stage) {
    let worker = stage.worker().await;
    for (queue, tag) in [("mail", "a_b"), ("MAIL", "a-b"), ("ma.l", "A_B")] {
        stage.put(JobSpec { tags: vec![tag.into()], ..stage.spec_in(queue) }).await;
    }
    assert_eq!(stage.list(Filter { queue: Some("MAIL".into()), ..Filter::default() }).await.len(), 1);
    assert_eq!(stage.list(Filter { tag: Some("a_b".into()), ..Filter::default() }).await.len(), 1);
    assert_eq!(stage.list(Filter { tag: Some("a".into()), ..Filter::default() }).await.len(), 0);
    stage.control(crate::Control::Pause("mail".into())).await;
    assert_eq!(stage.claim(worker, 9).await.len(), 2);
}

/// The first and the last time that there is, and a time between two milliseconds.
pub async fn times_at_the_limit_come_back(stage: &Stage) {
    let last = Timestamp::from_second(Timestamp::MAX.as_second()).expect("it is the last whole one");
    let between = Timestamp::from_microsecond(START.as_microsecond() + 1).expect("it is near the start");
    let spec = JobSpec { run_after: Some(between), expires_at: Some(last), ..stage.spec() };
    let id = stage.put(spec.clone()).await;
    assert_eq!(*stage.read(id).await.spec, spec);
    let spec = JobSpec { run_after: Some(last), expires_at: Some(Timestamp::UNIX_EPOCH), ..stage.spec() };
    let id = stage.put(spec.clone()).await;
    assert_eq!(*stage.read(id).await.spec, spec);
}

/// Numbers of a job at the ends of their types, as far as every database can count.
pub async fn numbers_of_a_job_at_the_limit_come_back(stage: &Stage) {
    let worker = stage.worker().await;
    let backoff = Backoff::Doubling { first: MOMENT, most: 36_500 * DAY };
    let spec = JobSpec {
        timeout: Some(36_500 * DAY + Duration::from_millis(1)),
        retry: RetryPolicy { max_attempts: u32::MAX, backoff },
        ..stage.spec()
    };
    let id = stage.put(spec.clone()).await;
    let job = stage.claim_one(worker).await;
    assert_eq!(*job.spec, spec);

    let progress = Progress { done: i64::MAX as u64, total: i64::MAX as u64 };
    let changed = stage.change(id, Change::Progress { run: job.state.run, progress }).await;
    assert_eq!(changed.job.state.progress, Some(progress));
    assert_eq!(stage.read(id).await.state.progress, Some(progress));
}

/// Attempts are never counted beyond what can be counted.
pub async fn attempts_do_not_overflow(stage: &Stage) {
    let retry = RetryPolicy { max_attempts: u32::MAX, backoff: Backoff::Default };
    let id = stage.put(JobSpec { retry, ..stage.spec() }).await;
    stage.change(id, Change::Cancel).await;
    let job = stage.change(id, Change::Retry).await.job;
    assert_eq!(job.state.max_attempts, u32::MAX);
    assert_eq!(job.state.phase, Phase::Ready);
}

/// The longest error texts, in characters of four bytes, with what a panic message may hold.
pub async fn the_longest_errors_come_back(stage: &Stage) {
    let worker = stage.worker().await;
    let id = stage.put(stage.spec()).await;
    let job = stage.claim_one(worker).await;
    let text = format!("NUL \0, escape \u{1b}[31m, quote ', {}", "🎭".repeat(10_000));
    let error = TaskError::new(&text, &text, &text, 1, stage.now());
    stage.must_end(&job, Ending::Failed(error.clone())).await;
    assert_eq!(stage.read(id).await.state.errors(), [error]);
}

/// One job of a batch with strange data does not keep the others from ending.
pub async fn strange_data_does_not_harm_the_rest_of_its_batch(stage: &Stage) {
    let worker = stage.worker().await;
    stage.put_many(3).await;
    let jobs = stage.claim(worker, 3).await;
    let values = ["1", r#"{"\u0000":"\ud800"}"#, "3"];
    let outcomes = jobs.iter().zip(values).map(|(job, value)| crate::Outcome {
        id: job.id(),
        run: job.state.run,
        started_at: None,
        ending: Ending::Succeeded(json(value)),
        logs: Vec::new(),
    });
    stage.store.finish(outcomes.collect()).await.expect("the store can be written");
    for (job, value) in jobs.iter().zip(values) {
        assert_eq!(stage.read(job.id()).await.state.return_value, Some(json(value)));
    }
}
