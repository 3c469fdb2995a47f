//! The task's own policy: its pauses, what is kept of its errors, and what a board does that lacks its code.

use std::sync::Arc;
use std::time::Duration;

use callboard_actors::{Backend, Callboard};
use callboard_tasks::{Attempts, Backoff, Clock, Data, Phase, Stop, TaskContext, TaskError, WaitFor, task, tasks};

use super::{end, start};
use crate::support::{HOUR, Probe, SOON, START, SlowStore, within};

fn longer_each_time(attempt: u32, error: &TaskError) -> Duration {
    assert_eq!(error.attempt, attempt);
    assert_ne!(error.message, "panic", "as asked");
    Duration::from_secs(100 * u64::from(attempt))
}

#[task(backoff = longer_each_time, max_attempts = 30)]
async fn fail(probe: Data<Probe>, message: String) -> Result<(), String> {
    probe.say("failed");
    Err(message)
}

#[task(
    queue = "mail",
    priority = 7,
    max_attempts = 3,
    backoff = "10s*2.5..1m~0%",
    timeout = "30s",
    expires = "1h",
    redact = ["card"]
)]
async fn pay(card: String, #[default("EUR")] currency: String) -> Result<(), String> {
    Err(format!("{currency}: card {card} is void"))
}

/// What a nested argument may look like.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Period {
    year: u16,
    rate: f64,
}

#[task(queue = "bills", unique = true, limit_key = "tenant")]
async fn bill(tenant: String, period: Period, note: Option<String>) {
    let _ = (tenant, period, note);
}

#[task(max_attempts = 1)]
async fn doze(context: TaskContext) -> Result<u64, Stop> {
    if context.run() < 30 { Err(Stop::snooze(HOUR)) } else { Ok(context.run()) }
}

#[tokio::test]
async fn a_function_of_the_task_says_how_long_to_pause() {
    let probe = Arc::default();
    let clock = Clock::manual(START);
    let board = start(tasks![fail], &probe, Backend::memory(), clock.clone()).await;
    let result = board.enqueue(fail::with("busy")).await.unwrap();
    for attempt in 1..=2 {
        let until = WaitFor::ChangeAfter(u64::from(2 * attempt));
        within(5, board.until_idle()).await;
        let waits = board.wait(result.id(), until, SOON).await;
        let waits = match waits {
            Ok(waits) => waits,
            Err(_) => board.get(result.id()).await.unwrap(),
        };
        assert_eq!((waits.phase(), waits.attempts()), (Phase::RetryWait, attempt));
        let pause = Duration::from_secs(100 * u64::from(attempt));
        assert_eq!(waits.job().state.next_run_at, Some(clock.now() + pause));
        clock.advance(pause);
    }
}

#[tokio::test]
async fn a_call_with_a_backoff_of_its_own_needs_no_function_and_one_that_panics_costs_nothing() {
    let probe = Arc::default();
    let clock = Clock::manual(START);
    let board = start(tasks![fail], &probe, Backend::memory(), clock.clone()).await;
    let own = Backoff::Exponential {
        first: Duration::from_secs(5),
        factor_percent: 300,
        most: Duration::from_secs(60),
        jitter_percent: 0,
    };
    let result = board.enqueue(fail::with("busy").backoff(own)).await.unwrap();
    let panics = board.enqueue(fail::with("panic")).await.unwrap();
    for pause in [5, 15, 45, 60] {
        within(5, board.until_idle()).await;
        let waits = board.get(result.id()).await.unwrap();
        assert_eq!(waits.job().state.next_run_at, Some(clock.now() + Duration::from_secs(pause)));
        clock.advance(Duration::from_secs(pause));
    }
    let waits = board.get(panics.id()).await.unwrap();
    let usual = Backoff::Default.with_jitter(1, panics.id());
    assert_eq!((waits.phase(), waits.errors()[0].message.as_str()), (Phase::RetryWait, "panic"));
    let next = waits.job().state.next_run_at.unwrap();
    assert!(next >= START + usual && waits.attempts() >= 1, "{waits:?}");
}

#[tokio::test]
async fn the_last_twenty_errors_of_a_job_are_kept() {
    let probe: Arc<Probe> = Arc::default();
    let clock = Clock::manual(START);
    let board = start(tasks![fail], &probe, Backend::memory(), clock.clone()).await;
    let result = board.enqueue(fail::with("busy").backoff(Backoff::Fixed(Duration::ZERO))).await.unwrap();
    let failed = within(10, end(result)).await;
    assert_eq!((failed.attempts(), probe.count("failed")), (30, 30));
    let attempts: Vec<_> = failed.errors().iter().map(|error| error.attempt).collect();
    assert_eq!(attempts, (11..=30).collect::<Vec<_>>());
    assert_eq!(attempts.len(), Attempts::KEPT);
}

#[tokio::test]
async fn a_job_may_snooze_as_often_as_it_likes_and_spends_no_attempt() {
    let probe = Arc::default();
    let clock = Clock::manual(START);
    let board = start(tasks![doze], &probe, Backend::memory(), clock.clone()).await;
    let result = board.enqueue(doze::with()).await.unwrap();
    for _ in 1..30 {
        within(5, board.until_idle()).await;
        let waits = board.get(result.id()).await.unwrap();
        assert_eq!((waits.phase(), waits.attempts(), waits.errors().len()), (Phase::RetryWait, 0, 0));
        assert_eq!(waits.job().state.next_run_at, Some(clock.now() + HOUR));
        clock.advance(HOUR);
    }
    let done = within(5, end(result)).await;
    assert_eq!((done.return_value(), done.attempts(), done.worker_ids().len()), (Ok(&30), 1, 1));
}

/// Two boards on one store: one that has the code, and a front end that lacks it.
async fn pair() -> (Callboard, Callboard) {
    let store = SlowStore::new(Clock::system());
    let backend = || Backend::store(Arc::clone(&store) as _).queues(Vec::<String>::new());
    let probe = Arc::default();
    let worker = start(tasks![pay, bill], &probe, backend(), Clock::system()).await;
    let front = start(tasks![], &probe, backend().enqueue_only(), Clock::system()).await;
    (worker, front)
}

#[tokio::test]
async fn a_board_without_the_code_enqueues_by_the_policy_of_the_task() {
    let (_worker, front) = pair().await;
    let call = front.call_named("pay", r#"["4111"]"#).await.unwrap();
    let result = front.enqueue_any(call).await.unwrap();
    let spec = &result.job().spec;
    let backoff = Backoff::Exponential {
        first: Duration::from_secs(10),
        factor_percent: 250,
        most: Duration::from_secs(60),
        jitter_percent: 0,
    };
    assert_eq!((&*spec.queue, spec.priority, spec.timeout), ("mail", 7, Some(Duration::from_secs(30))));
    assert_eq!((spec.retry.max_attempts, spec.retry.backoff), (3, backoff));
    assert_eq!(spec.expires_at, Some(spec.enqueued_at + HOUR));
    assert_eq!(spec.args.as_str(), r#"{"card":"4111","currency":"EUR"}"#);
}

#[tokio::test]
async fn a_board_without_the_code_has_the_keys_of_the_task() {
    let (worker, front) = pair().await;
    worker.pause("default", "bills").await.unwrap();
    let period = Period { year: 2_026, rate: 1.0 };
    let first = worker.enqueue(bill::with("acme", period, None)).await.unwrap();
    // The same in another order, without what may be left out, and with a whole number for a float.
    let same = r#"{"period": {"rate": 1, "year": 2026}, "tenant": "acme"}"#;
    let call = front.call_named("bill", same).await.unwrap();
    let again = front.enqueue_any(call).await.unwrap();
    assert_eq!((again.id(), again.is_duplicate()), (first.id(), true));
    let by_place = r#"["acme", {"year": 2027, "rate": 1}]"#;
    let other = front.enqueue_any(front.call_named("bill", by_place).await.unwrap()).await.unwrap();
    assert!(!other.is_duplicate());
    assert_eq!(other.job().spec.limit_key.as_deref(), Some("acme"));
    let back = worker.enqueue(bill::with("acme", Period { year: 2_027, rate: 1.0 }, None)).await.unwrap();
    assert_eq!(back.id(), other.id(), "the owner of the code meets what was enqueued without it");

    // What a call says comes first, as with the code.
    let mut call = front.call_named("bill", same).await.unwrap();
    call.options_mut().unique = Some(callboard_tasks::Unique::by_key("own"));
    call.options_mut().limit_key = Some("other".into());
    let own = front.enqueue_any(call).await.unwrap();
    assert_eq!((own.is_duplicate(), own.job().spec.limit_key.as_deref()), (false, Some("other")));
}

#[tokio::test]
async fn a_schedule_by_name_has_the_policy_and_the_keys_of_the_task() {
    let (_worker, front) = pair().await;
    let args = r#"["acme", {"year": 2026, "rate": 1}]"#;
    let asks = callboard_tasks::CallOptions { priority: Some(3), ..Default::default() };
    let schedule = callboard_tasks::Schedule::named("0 0 1 1 *", "bill", args, asks).unwrap().name("bills");
    front.set_schedule(schedule).await.unwrap();
    front.pause("default", "bills").await.unwrap();
    let job = front.run_schedule("bills").await.unwrap();
    let spec = &job.job().spec;
    assert_eq!((&*spec.queue, spec.priority, spec.limit_key.as_deref()), ("bills", 3, Some("acme")));
    assert!(front.run_schedule("bills").await.unwrap().is_duplicate());
}

#[tokio::test]
async fn a_board_without_the_code_shows_no_more_than_the_task_allows() {
    let (worker, front) = pair().await;
    let failed = worker.enqueue(pay::with("4111-2222", "EUR").max_attempts(1)).await.unwrap();
    let failed = within(5, end(failed)).await;
    assert_eq!(failed.errors()[0].message, "EUR: card 4111-2222 is void", "what is stored is whole");
    for board in [&worker, &front] {
        let seen = board.get(failed.id()).await.unwrap();
        let shown = within(5, async {
            loop {
                let shown = seen.shown().job;
                assert!(!shown.spec.args.as_str().contains("4111"), "not even for a moment");
                if shown.spec.args.as_str() == r#"{"card":"•••","currency":"EUR"}"# {
                    return shown;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        assert_eq!(shown.await.state.errors()[0].message, "EUR: card ••• is void");
    }
}
