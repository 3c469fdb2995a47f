//! What a result says, and when.

use std::sync::Arc;
use std::time::Duration;

use callboard_actors::{Backend, Callboard};
use callboard_tasks::{
    Call, Change, Clock, Data, Error, Filter, Job, JobId, NoReturnValue, Page, Phase, Status, WaitError, WaitFor, task,
    tasks,
};
use futures::future::join_all;

use crate::queue::{board_of, end, start};
use crate::support::{HOUR, Probe, SOON, START, until, within};

#[task]
async fn add(a: i64, b: i64) -> i64 {
    a + b
}

#[task]
async fn greet(name: String) -> String {
    format!("hello {name}")
}

#[task]
async fn give_nothing() -> Option<u8> {
    None
}

#[task(max_attempts = 1)]
async fn fail() -> Result<u8, String> {
    Err("it broke".into())
}

#[task]
async fn stay(probe: Data<Probe>) -> u8 {
    let _inside = probe.enter();
    probe.gate.pass().await;
    5
}

async fn board(probe: &Arc<Probe>) -> Callboard {
    board_of(tasks![add, greet, give_nothing, fail, stay], probe, |b| b.workers(2).queues(["default", "math"])).await
}

// Django 45
#[tokio::test]
async fn a_new_result_is_ready_and_empty() {
    let board = board(&Arc::default()).await;
    let result = board.enqueue(add::with(1, 2).priority(5).queue("math").tag("a").tag("b")).await.unwrap();
    assert_eq!((result.status(), result.phase(), result.is_finished()), (Status::Ready, Phase::Ready, false));
    assert_eq!((result.started_at(), result.last_attempted_at(), result.finished_at()), (None, None, None));
    assert_eq!((result.attempts(), result.errors().len(), result.worker_ids().len()), (0, 0, 0));
    assert_eq!((result.task(), result.queue(), result.priority()), ("it.add", "math", 5));
    assert_eq!((result.backend(), result.max_attempts(), result.is_duplicate()), ("default", 12, false));
    assert_eq!(
        (result.tags(), result.progress(), result.metadata()),
        (&["a".to_owned(), "b".to_owned()][..], None, None)
    );
    assert_eq!(result.args(), serde_json::json!({"a": 1, "b": 2}));
    assert_eq!(result.job().state.version, 1, "whatever has become of it meanwhile");
}

// Django 46
#[tokio::test]
async fn a_result_has_no_value_before_its_end() {
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    let mut result = board.enqueue(stay::with()).await.unwrap();
    assert_eq!(result.return_value(), Err(NoReturnValue::NotFinished));
    until("it runs", || probe.inside() == 1).await;
    result.refresh().await.unwrap();
    assert_eq!((result.status(), result.return_value()), (Status::Running, Err(NoReturnValue::NotFinished)));
    assert_eq!(NoReturnValue::NotFinished.to_string(), "the task has not finished yet");
    probe.gate.open();
}

// Django 47
#[tokio::test]
async fn a_failed_result_has_no_value() {
    let board = board(&Arc::default()).await;
    let failed = end(board.enqueue(fail::with()).await.unwrap()).await;
    let error = failed.return_value().unwrap_err();
    assert_eq!((error, error.to_string()), (NoReturnValue::Failed(Phase::Failed), "the task failed (failed)".into()));
}

// Django 48
#[tokio::test]
async fn a_value_of_null_is_a_value() {
    let board = board(&Arc::default()).await;
    let result = end(board.enqueue(give_nothing::with()).await.unwrap()).await;
    assert_eq!((result.status(), result.return_value()), (Status::Successful, Ok(&None)));
    let any = board.get(result.id()).await.unwrap();
    assert_eq!(any.return_value(), Ok(&serde_json::Value::Null));
}

// Django 49
#[tokio::test]
async fn a_first_attempt_that_runs_counts_one() {
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    let mut result = board.enqueue(stay::with()).await.unwrap();
    until("it runs", || probe.inside() == 1).await;
    result.refresh().await.unwrap();
    assert_eq!((result.attempts(), result.worker_ids().len()), (1, 1));
    assert!(result.started_at().is_some() && result.finished_at().is_none());
    probe.gate.open();
    assert_eq!(end(result).await.attempts(), 1);
}

// Django 50
#[tokio::test]
async fn an_unknown_id_is_not_found() {
    let board = board(&Arc::default()).await;
    let unknown = JobId::new(START);
    assert!(matches!(board.get(unknown).await, Err(Error::NotFound(id)) if id == unknown));
    assert!(matches!(board.result::<add>(unknown).await, Err(Error::NotFound(_))));
    let waiting = board.wait(unknown, WaitFor::Finished, SOON).await.unwrap_err();
    assert!(matches!(waiting, WaitError::Board(Error::NotFound(_))));
    for change in [Change::Cancel, Change::Retry, Change::RunNow, Change::Delete] {
        assert!(matches!(board.change(unknown, change).await, Err(Error::NotFound(_))));
    }
}

// Django 51
#[tokio::test]
async fn a_typed_result_is_of_its_own_task_only() {
    let board = board(&Arc::default()).await;
    let greeting = end(board.enqueue(greet::with("you")).await.unwrap()).await;
    let refused = board.result::<add>(greeting.id()).await.unwrap_err();
    let Error::Mismatch { id, expected, actual } = &refused else { panic!("{refused}") };
    assert_eq!((*id, expected.as_str(), actual.as_str()), (greeting.id(), "it.add", "it.greet"));
    assert_eq!(board.get(greeting.id()).await.unwrap().return_value(), Ok(&serde_json::json!("hello you")));
    assert_eq!(board.result::<greet>(greeting.id()).await.unwrap().return_value(), Ok(&"hello you".to_owned()));
}

// Django 52
#[tokio::test]
async fn a_typed_result_is_found_whatever_its_options() {
    let board = board(&Arc::default()).await;
    let calls: [Call<add>; 3] =
        [add::with(1, 2).priority(5), add::with(1, 2).queue("math"), add::with(1, 2).max_attempts(3)];
    for call in calls {
        let result = end(board.enqueue(call).await.unwrap()).await;
        assert_eq!(board.result::<add>(result.id()).await.unwrap(), result);
    }
}

// Django 53
#[tokio::test]
async fn a_result_stays_as_it_is_until_it_is_refreshed() {
    let probe: Arc<Probe> = Arc::default();
    let board = board(&probe).await;
    let mut result = board.enqueue(stay::with()).await.unwrap();
    probe.gate.open();
    board.wait(result.id(), WaitFor::Finished, SOON).await.unwrap();
    assert_eq!((result.status(), result.attempts()), (Status::Ready, 0));
    result.refresh().await.unwrap();
    assert_eq!((result.status(), result.attempts(), result.worker_ids().len()), (Status::Successful, 1, 1));
    assert_eq!(result.return_value(), Ok(&5));
    assert!(result.enqueued_at() <= result.started_at().unwrap() && result.started_at() <= result.finished_at());

    let mut failed = board.enqueue(fail::with()).await.unwrap();
    board.wait(failed.id(), WaitFor::Finished, SOON).await.unwrap();
    failed.refresh().await.unwrap();
    assert_eq!((failed.status(), failed.errors().len()), (Status::Failed, 1));
}

// Django 54
#[tokio::test]
async fn a_refresh_changes_nothing_of_what_never_changes() {
    let board = board(&Arc::default()).await;
    let mut result = board.enqueue(add::with(1, 2).queue("math")).await.unwrap();
    let before = (result.id(), result.args(), result.task().to_owned(), result.backend().to_owned());
    end(result.clone()).await;
    result.refresh().await.unwrap();
    assert_eq!(before, (result.id(), result.args(), result.task().to_owned(), result.backend().to_owned()));
}

// Django 55
#[tokio::test]
async fn a_refresh_of_what_was_deleted_says_so_and_changes_nothing() {
    let board = board(&Arc::default()).await;
    let mut result = end(board.enqueue(add::with(1, 2)).await.unwrap()).await;
    board.change(result.id(), Change::Delete).await.unwrap();
    let refused = result.refresh().await.unwrap_err();
    assert!(matches!(refused, Error::Pruned(id) if id == result.id()), "{refused}");
    assert_eq!(result.return_value(), Ok(&3));
    let mut waits = board.enqueue(add::with(1, 2).run_after("1h")).await.unwrap();
    board.change(waits.id(), Change::Delete).await.unwrap();
    assert!(matches!(waits.refresh().await, Err(Error::NotFound(_))), "it never ended");
}

// Django 56
#[tokio::test]
async fn an_error_is_a_text_that_needs_no_type() {
    // Django keeps the path of a class and imports it when asked; a name that is gone then fails. A text cannot.
    let board = board(&Arc::default()).await;
    let failed = end(board.enqueue(fail::with()).await.unwrap()).await;
    let error = &failed.errors()[0];
    assert_eq!((error.exception_class.as_str(), error.message.as_str(), error.attempt), ("Error", "it broke", 1));
    assert!(!error.exception_class.contains("::"));
}

// Django 57
#[tokio::test]
async fn a_job_is_the_same_after_a_round_trip_through_json() {
    let board = board(&Arc::default()).await;
    let call = fail::with().tag("x").metadata(&serde_json::json!({"k": [1, null]})).timeout(Duration::from_secs(9));
    let failed = end(board.enqueue(call).await.unwrap()).await;
    let text = serde_json::to_string(failed.job()).unwrap();
    assert_eq!(&serde_json::from_str::<Job>(&text).unwrap(), failed.job());
    let id: JobId = failed.id().to_string().parse().unwrap();
    assert_eq!(board.result::<fail>(id).await.unwrap(), failed);
}

// Django 58
#[tokio::test]
async fn an_id_is_a_text_of_36_characters() {
    let board = board(&Arc::default()).await;
    let id = board.enqueue(add::with(1, 2)).await.unwrap().id().to_string();
    assert_eq!((id.len(), id.matches('-').count()), (36, 4));
}

#[tokio::test]
async fn what_is_past_its_retention_is_pruned() {
    let (probe, clock) = (Arc::default(), Clock::manual(START));
    let backend = Backend::memory().keep(HOUR, 2 * HOUR);
    let board = start(tasks![add, fail], &probe, backend, clock.clone()).await;
    let good = end(board.enqueue(add::with(1, 2)).await.unwrap()).await;
    let bad = end(board.enqueue(fail::with()).await.unwrap()).await;
    clock.advance(HOUR);
    // The Keeper tidies up every ten seconds of real time.
    within(15, async {
        while !matches!(board.get(good.id()).await, Err(Error::Pruned(_))) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert_eq!(board.get(bad.id()).await.unwrap().status(), Status::Failed, "failures are kept longer");
    let refused = board.result::<add>(good.id()).await.unwrap_err();
    assert!(refused.to_string().contains("its result was removed"), "{refused}");
}

#[tokio::test]
async fn a_waiter_of_a_result_that_is_not_kept_is_told_at_once() {
    let board = board_of(tasks![add], &Arc::default(), |b| b.keep_max(1)).await;
    board.pause("default", "default").await.unwrap();
    let results = board.enqueue_all((0..100).map(|n| add::with(n, n).erase()).collect()).await.unwrap();
    let waits: Vec<_> = results.into_iter().map(|result| tokio::spawn(result.wait(SOON))).collect();
    tokio::task::yield_now().await;
    board.resume("default", "default").await.unwrap();
    for waited in within(5, join_all(waits)).await {
        match waited.unwrap() {
            Ok(result) => assert_eq!(result.status(), Status::Successful),
            Err(error) => assert!(matches!(error, WaitError::Board(Error::Pruned(_))), "{error}"),
        }
    }
}

#[tokio::test]
async fn jobs_are_listed_newest_first_and_in_pages() {
    let board = board(&Arc::default()).await;
    let mut ids = Vec::new();
    for n in 0..7 {
        ids.push(board.enqueue(add::with(n, n).run_after("1h")).await.unwrap().id());
    }
    board.enqueue(greet::with("x").run_after("1h")).await.unwrap();
    ids.reverse();
    let filter = Filter { task: Some("it.add".into()), phase: Some(Phase::Scheduled), ..Filter::default() };
    let (first, next) = board.list("default", filter.clone(), Page { limit: 4, before: None }).await.unwrap();
    let (rest, end) = board.list("default", filter, Page { limit: 4, before: next }).await.unwrap();
    let listed: Vec<_> = first.iter().chain(&rest).map(|result| result.id()).collect();
    assert_eq!((listed, next, end), (ids.clone(), Some(ids[3]), None));
}

#[tokio::test]
async fn a_board_knows_its_jobs_whatever_their_backend() {
    let builder = Callboard::builder().memory().backend("other", Backend::memory()).tasks(tasks![add]);
    let board = builder.start().await.unwrap();
    let here = end(board.enqueue(add::with(1, 2)).await.unwrap()).await;
    let there = board.enqueue(add::with(3, 4).backend("other")).await.unwrap();
    let there = within(5, board.wait(there.id(), WaitFor::Finished, SOON)).await.unwrap();
    assert_eq!((here.backend(), there.backend()), ("default", "other"));
    let again = within(5, board.retry(there.id())).await.unwrap();
    assert_eq!((again.backend(), again.status()), ("other", Status::Ready));
    assert_eq!(within(5, end(again)).await.attempts(), 2);
}

#[tokio::test]
async fn calls_of_one_enqueue_go_to_one_backend_or_none() {
    let builder = Callboard::builder().memory().backend("other", Backend::dummy()).tasks(tasks![add]);
    let board = builder.start().await.unwrap();
    let refused = board.enqueue_all(vec![add::with(1, 2).erase(), add::with(3, 4).backend("other").erase()]).await;
    let Err(Error::InvalidTask(refused)) = refused else { panic!("{refused:?}") };
    assert_eq!(refused.problems[0].pointer, "#/tasks/1/backend");
    let refused = board.enqueue_all(vec![add::with(1, 2).erase(), add::with(3, 4).priority(101).erase()]).await;
    let Err(Error::InvalidTask(refused)) = refused else { panic!("{refused:?}") };
    assert_eq!(refused.problems[0].pointer, "#/tasks/1/priority");
    let (listed, _) = board.list("default", Filter::default(), Page { limit: 9, before: None }).await.unwrap();
    assert!(listed.is_empty());
    assert!(board.enqueue_all(Vec::new()).await.unwrap().is_empty());
}
